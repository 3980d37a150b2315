//! Where things are: the arena that DMA may reach, and addresses that no DMA may have.
//!
//! A sequence must not be able to damage the tables and queues that it uses, however stale the SMMU's caches are. So
//! every mapping leads into the *arena*, the first part of RAM; a block that is larger than the arena begins with it and
//! is only used as far as the arena goes; and no device is told an address at which something else may be.

use smmu_regs::PhysAddr;

/// Bytes of the arena.
pub const ARENA: u64 = 4 << 20;
/// Where it is: RAM begins there on both machines, and the arena is the first thing that is ever allocated.
pub const ARENA_BASE: u64 = 0x4000_0000;
/// The arena is looked at in pages of this size, whatever the granules are.
pub const PAGE: u64 = 4096;

/// Physical address of offset `offset` of the arena.
#[must_use]
pub const fn arena(offset: u64) -> PhysAddr {
    PhysAddr::new(ARENA_BASE.wrapping_add(offset))
}

/// Whether something other than the arena may answer at this address, taken as a physical one: devices of QEMU's `virt`
/// machine (0x0800_0000 up; the second GIC redistributor region and the PCI configuration space above 2^38), and RAM that
/// holds tables and queues, with what a host's identity map covers.
#[must_use]
pub const fn hazardous(address: u64) -> bool {
    let in_arena = address >= ARENA_BASE && address < ARENA_BASE + ARENA;
    let low = address >= 0x0800_0000 && address < 0x8000_0000;
    let high = address >= 0x40_0000_0000 && address < 0x40_2000_0000;
    !in_arena && (low || high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arena_is_safe_and_what_surrounds_it_is_not() {
        assert!(!hazardous(ARENA_BASE) && !hazardous(ARENA_BASE + ARENA - 4));
        assert!(hazardous(ARENA_BASE - 4) && hazardous(ARENA_BASE + ARENA));
        // The SMMU's own registers, and the configuration space.
        assert!(hazardous(0x0905_0000) && hazardous(0x40_1000_0000));
        assert!(!hazardous(0) && !hazardous(1 << 43) && !hazardous(u64::MAX));
    }
}
