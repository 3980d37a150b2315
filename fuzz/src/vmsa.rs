//! Granules, levels and ranges from arbitrary bytes.

use arbitrary::{Result, Unstructured};
use smmu_regs::AddressSize;
use smmu_regs::vmsa::{Granule, IovaRange, Level, LevelSet};

/// Any granule.
pub fn granule(u: &mut Unstructured<'_>) -> Result<Granule> {
    u.choose(&Granule::ALL).copied()
}

/// Any level, -1 to 3.
pub fn level(u: &mut Unstructured<'_>) -> Result<Level> {
    Ok(Level::new(u.int_in_range(-1..=3)?).expect("a level"))
}

/// Any set of levels.
pub fn levels(u: &mut Unstructured<'_>) -> Result<LevelSet> {
    let bits: u8 = u.arbitrary()?;
    let all = (-1..=3).zip(0..).filter(|(_, bit)| bits >> bit & 1 != 0);
    Ok(all.filter_map(|(number, _)| Level::new(number)).fold(LevelSet::EMPTY, LevelSet::with))
}

/// Any address size.
pub fn size(u: &mut Unstructured<'_>) -> Result<AddressSize> {
    u.choose(&AddressSize::ALL).copied()
}

/// Any range: of any size, from anywhere, and those that end at the top of the address space.
pub fn range(u: &mut Unstructured<'_>) -> Result<IovaRange> {
    let start: u64 = u.arbitrary()?;
    let size = u.arbitrary::<u64>()? >> u.int_in_range(0..=63)?;
    let last = if u.arbitrary()? { u64::MAX } else { start.saturating_add(size) };
    Ok(IovaRange::new(start, last).expect("last is not below start"))
}
