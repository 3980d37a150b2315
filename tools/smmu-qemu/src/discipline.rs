//! The register-access rules that QEMU does not check, or checks only in part.
//!
//! QEMU makes register pages 0 and 1 aliases of each other. On hardware, the event and PRI queue pointers are
//! in page 1 only, everything else is in page 0 only, and a 64-bit access to a 32-bit register is not
//! allowed.

/// Size of the SMMU's register space in bytes: two pages of 64 KiB.
pub(crate) const SPACE: u64 = 0x2_0000;
const PAGE: u32 = 0x1_0000;

/// The width of a register access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
}

impl Width {
    /// The width in bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::W32 => 4,
            Self::W64 => 8,
        }
    }

    /// A value of this width with every bit set: what a read from hardware that is not there returns.
    #[must_use]
    pub const fn all_ones(self) -> u64 {
        match self {
            Self::W32 => 0xffff_ffff,
            Self::W64 => u64::MAX,
        }
    }
}

/// The registers that are in page 1, by their offset in it.
const PAGE_1: [(u32, &str); 4] =
    [(0xa8, "EVENTQ_PROD"), (0xac, "EVENTQ_CONS"), (0xc8, "PRIQ_PROD"), (0xcc, "PRIQ_CONS")];

/// The 64-bit registers of page 0. (A 32-bit access to either half is allowed as well.)
const WIDE: [u32; 7] = [
    0x68, // GERROR_IRQ_CFG0
    0x80, // STRTAB_BASE
    0x90, // CMDQ_BASE
    0xa0, // EVENTQ_BASE
    0xb0, // EVENTQ_IRQ_CFG0
    0xc0, // PRIQ_BASE
    0xd0, // PRIQ_IRQ_CFG0
];

/// Whether the whole access is inside the SMMU's register space.
pub(crate) fn is_inside(offset: u32, width: Width) -> bool {
    u64::from(offset) + u64::from(width.bytes()) <= SPACE
}

/// What is wrong with an access; `written` is the value of a write.
pub(crate) fn violation(offset: u32, width: Width, written: Option<u64>) -> Option<String> {
    let bits = width.bytes() * 8;
    let access = match written {
        Some(value) => format!("{bits}-bit write of {value:#x} to"),
        None => format!("{bits}-bit read of"),
    };
    let wrong = |why: String| Some(format!("{access} SMMU offset {offset:#07x}: {why}"));
    if !is_inside(offset, width) {
        return wrong(format!("outside the registers, which end at {SPACE:#x}; not forwarded"));
    }
    if offset % width.bytes() != 0 {
        return wrong(format!("not {bits}-bit aligned"));
    }
    if written.is_some_and(|value| value > width.all_ones()) {
        return wrong("the value does not fit; only its lower half was forwarded".into());
    }
    let in_page = offset % PAGE;
    let wide = width == Width::W64;
    let pointer = PAGE_1.iter().find(|(at, _)| *at == in_page);
    match (pointer, offset >= PAGE) {
        (Some((at, name)), false) => wrong(format!("{name} is in page 1, at {:#x}", PAGE + at)),
        (None, true) => wrong(format!("this register is in page 0, at {in_page:#x}")),
        (Some((_, name)), true) if wide => wrong(format!("{name} is a 32-bit register")),
        (None, false) if wide && !WIDE.contains(&offset) => wrong("not a 64-bit register".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Width::{W32, W64};
    use super::violation;

    #[test]
    fn allowed() {
        for (offset, width) in [
            (0x0, W32), // IDR0
            (0x44, W32),
            (0x68, W64),
            (0x80, W64),
            (0x80, W32), // either half of a 64-bit register
            (0x84, W32),
            (0xb0, W64),
            (0x98, W32), // CMDQ_PROD
            (0x100a8, W32),
            (0x100ac, W32),
            (0x100c8, W32),
            (0x100cc, W32),
        ] {
            assert_eq!(violation(offset, width, None), None);
            assert_eq!(violation(offset, width, Some(width.all_ones())), None);
        }
    }

    #[test]
    fn violations_name_the_offset_and_the_remedy() {
        for (offset, width, value, text) in [
            (0xa8, W32, None, "0x000a8: EVENTQ_PROD is in page 1, at 0x100a8"),
            (0xcc, W32, None, "0x000cc: PRIQ_CONS is in page 1, at 0x100cc"),
            (0xa8, W64, None, "EVENTQ_PROD is in page 1"),
            (0x10098, W32, None, "0x10098: this register is in page 0, at 0x98"),
            (0x100a0, W64, None, "this register is in page 0, at 0xa0"),
            (0x100a8, W64, None, "EVENTQ_PROD is a 32-bit register"),
            (0x98, W64, None, "0x00098: not a 64-bit register"),
            (0x20, W64, Some(1), "64-bit write of 0x1 to SMMU offset 0x00020: not a 64-bit register"),
            (0x84, W64, None, "not 64-bit aligned"),
            (0x2, W32, None, "not 32-bit aligned"),
            (0x20000, W32, None, "outside the registers"),
            (0x1fffc, W64, None, "outside the registers"),
            (u32::MAX, W64, None, "outside the registers"),
            (0x98, W32, Some(1 << 32), "the value does not fit"),
        ] {
            let found = violation(offset, width, value).unwrap();
            assert!(found.contains(text), "{found:?} lacks {text:?}");
        }
    }
}
