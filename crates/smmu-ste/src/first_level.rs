//! What STEs and CDs share about first-level tables and descriptor updates.

use smmu_regs::Caps;
use smmu_regs::addr::AddressSize;
use smmu_regs::vmsa::{Granule, HardwareUpdate, Level, UpdateFlags};

/// Descriptor updates, if the SMMU can do them (5.2 S2HA, S2HAFT; 5.4 HA, HAFT).
pub(crate) fn updates(caps: &Caps, update: UpdateFlags) -> Option<UpdateFlags> {
    let UpdateFlags { access_flag, dirty, table_access_flag } = update;
    let illegal = (access_flag || dirty) && caps.httu == HardwareUpdate::None
        || dirty && caps.httu < HardwareUpdate::Dirty
        || table_access_flag && (caps.httu < HardwareUpdate::TableAccessFlag || !access_flag);
    if illegal { None } else { Some(update) }
}

/// The addresses that a VMSAv8-64 table can have: 52 bits at most, and 48 unless the descriptors hold 52 (`wide`).
pub(crate) fn table_size(output: AddressSize, wide: bool) -> AddressSize {
    output.min(if wide { AddressSize::Bits52 } else { AddressSize::Bits48 })
}

/// Bytes of the first table (or of several concatenated ones), which is also their alignment: at least 64 where the
/// output size is 52 bits or more, whatever the granule, else 16, below which a base has no bits (5.2 S2TTB, 5.4 TTB0).
pub(crate) fn align(
    granule: Granule,
    input_bits: u32,
    start: Level,
    tables: u32,
    output: AddressSize,
) -> u64 {
    let index_bits = input_bits.saturating_sub(start.shift(granule)).min(granule.bits_per_level());
    let bytes = 8_u64.wrapping_shl(index_bits).saturating_mul(u64::from(tables));
    bytes.max(if output >= AddressSize::Bits52 { 64 } else { 16 })
}

/// The alignment of a stage-1 first-level table: the walk starts at the lowest level that leaves no more bits than one
/// table resolves.
pub(crate) fn stage1_align(granule: Granule, input_bits: u32, output: AddressSize) -> u64 {
    let levels = input_bits.saturating_sub(granule.shift()).div_ceil(granule.bits_per_level()).max(1);
    // Five levels at most, so this is -1 to 3.
    let start = i32::try_from(levels).ok().and_then(|levels| Level::new(4_i32.saturating_sub(levels)));
    align(granule, input_bits, start.unwrap_or(Level::MINUS_ONE), 1, output)
}
