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

/// Bytes of the first table (or of several concatenated ones), which is also their alignment: at least 64 where the
/// base has 52 bits, else 16, below which a base has no bits (DDI 0487 D8.2).
pub(crate) fn align(granule: Granule, input_bits: u32, start: Level, tables: u32, size: AddressSize) -> u64 {
    let index_bits = input_bits.saturating_sub(start.shift(granule)).min(granule.bits_per_level());
    let bytes = 8_u64.wrapping_shl(index_bits).saturating_mul(u64::from(tables));
    bytes.max(if size >= AddressSize::Bits52 { 64 } else { 16 })
}

/// The alignment of a stage-1 first-level table: the walk starts at the lowest level that leaves no more bits than one
/// table resolves.
pub(crate) fn stage1_align(granule: Granule, input_bits: u32, size: AddressSize) -> u64 {
    let levels = input_bits.saturating_sub(granule.shift()).div_ceil(granule.bits_per_level()).max(1);
    // Five levels at most, so this is -1 to 3.
    let start = i32::try_from(levels).ok().and_then(|levels| Level::new(4_i32.saturating_sub(levels)));
    align(granule, input_bits, start.unwrap_or(Level::MINUS_ONE), 1, size)
}
