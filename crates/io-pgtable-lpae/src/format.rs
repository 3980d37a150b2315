//! The formats of descriptors as types, so that all shifts and masks are constants of the compiled code.
//!
//! A format is a granule and the place of the address bits that do not stand in place. There are five: 4K and 16K pages
//! with and without `DS`, and 64K pages, which need no `DS` for 52 bits (tables D8-50 to D8-53).

/// A format of descriptors.
pub(crate) trait Format {
    /// log2 of the page size.
    const SHIFT: u32;
    /// Address bits that stand in place.
    const IN_PLACE: u64;
    /// Descriptor bits that hold the highest address bits.
    const HIGH: u64;
    /// How far those are below their places.
    const HIGH_SHIFT: u32;
    /// Bytes of a page, less 1.
    const SHIFT_MASK: u64 = 1u64.wrapping_shl(Self::SHIFT).wrapping_sub(1);
}

const fn bits(from: u32, to: u32) -> u64 {
    (1u64.wrapping_shl(to).wrapping_sub(1)) & !(1u64.wrapping_shl(from).wrapping_sub(1))
}

macro_rules! format {
    ($($(#[$doc:meta])* $name:ident: $shift:literal, in place below $top:literal, high $high:literal up by $up:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Format for $name {
            const SHIFT: u32 = $shift;
            const IN_PLACE: u64 = bits(if $shift == 16 { 16 } else { 12 }, $top);
            const HIGH: u64 = $high;
            const HIGH_SHIFT: u32 = $up;
        }
    )*};
}

format! {
    /// 4K pages, 48-bit addresses.
    Pages4K: 12, in place below 48, high 0 up by 0;
    /// 16K pages, 48-bit addresses.
    Pages16K: 14, in place below 48, high 0 up by 0;
    /// 64K pages; address bits 51:48 in bits 15:12, which are 0 where outputs have fewer than 52 bits.
    Pages64K: 16, in place below 48, high 0xf000 up by 36;
    /// 4K pages with `DS`: address bits 49:48 in place, 51:50 in bits 9:8, where leaves have their shareability else.
    Pages4KDs: 12, in place below 50, high 0x300 up by 42;
    /// 16K pages with `DS`.
    Pages16KDs: 14, in place below 50, high 0x300 up by 42;
}

/// Evaluates `$body` with `$f` standing for the format of the configuration.
macro_rules! by_format {
    ($config:expr, $f:ident => $body:expr) => {
        match ($config.granule(), $config.ds()) {
            (smmu_regs::vmsa::Granule::Size4K, false) => {
                type $f = $crate::format::Pages4K;
                $body
            }
            (smmu_regs::vmsa::Granule::Size4K, true) => {
                type $f = $crate::format::Pages4KDs;
                $body
            }
            (smmu_regs::vmsa::Granule::Size16K, false) => {
                type $f = $crate::format::Pages16K;
                $body
            }
            (smmu_regs::vmsa::Granule::Size16K, true) => {
                type $f = $crate::format::Pages16KDs;
                $body
            }
            (smmu_regs::vmsa::Granule::Size64K, _) => {
                type $f = $crate::format::Pages64K;
                $body
            }
        }
    };
}
pub(crate) use by_format;
