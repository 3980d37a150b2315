//! `pgtable_prot` and `pgtable_pack`: the bits of a descriptor, its address apart from the rest.

use super::super::error::{Answer, Stop};
use super::super::input::Fields;
use super::super::output::{object, word};
use super::config::{Quirks, granule_of};
use io_pgtable_lpae::{Attributes, Concatenation, MemoryType, Stage, TableConfig};
use smmu_regs::vmsa::{HardwareUpdate, Shareability};
use smmu_regs::{AddressSize, PhysAddr};

/// What the words of a `prot` list allow in such a table.
///
/// The words are a driver's interface, not the architecture: `WRITE` alone asks for no less than writes, and stage 1 has
/// them only together with reads; without `CACHE` memory is Normal Non-cacheable, and `CACHE` chooses the shareability even of
/// device memory. `PRIV` is heard by stage 1 only.
pub(super) fn attributes(prot: &[&str], config: &TableConfig, non_secure: bool) -> Result<Attributes, Stop> {
    let stage2 = config.stage() == Stage::Stage2;
    let has = |name: &str| prot.contains(&name);
    if let Some(other) =
        prot.iter().find(|word| !["READ", "WRITE", "CACHE", "NOEXEC", "MMIO", "PRIV"].contains(word))
    {
        return Err(Stop::Skip(format!("mappings that are \"{other}\" are not known")));
    }
    let memory = match (has("MMIO"), has("CACHE")) {
        (true, _) => MemoryType::DevicenGnRE,
        (false, true) => MemoryType::NormalCached,
        (false, false) => MemoryType::NormalUncached,
    };
    let mut attributes =
        Attributes::read_write(memory).with_execute(!has("NOEXEC")).with_privileged(has("PRIV") && !stage2);
    attributes.read = has("READ") || has("WRITE") && !stage2;
    attributes.write = has("WRITE");
    attributes.shareability = Some(if has("CACHE") { Shareability::Inner } else { Shareability::Outer });
    attributes.non_secure = non_secure;
    Ok(attributes)
}

/// Answers one record of `pgtable_prot`: the attribute bits of a leaf.
pub(in super::super) fn prot(record: &Fields<'_>) -> Answer {
    let granule = granule_of(record.number("granule")?)?;
    let quirks = Quirks::of(record)?;
    let (bits, size) = (40, AddressSize::Bits40);
    let mut config = match (record.text("fmt")?, quirks.ttb1) {
        ("S1", false) => TableConfig::ttb0(granule, bits, size)?,
        ("S1", true) => TableConfig::ttb1(granule, bits, size)?,
        ("S2", _) => TableConfig::stage2(granule, bits, size, Concatenation::WhenRequired)?,
        (other, _) => return Err(Stop::Skip(format!("tables of the format \"{other}\" are not known"))),
    };
    quirks.check(config.stage() == Stage::Stage2)?;
    if quirks.dirty {
        config = config.with_update(HardwareUpdate::Dirty)?;
    }
    if quirks.fwb {
        config = config.with_fwb()?;
    }
    let attributes = attributes(&record.texts("prot")?, &config, quirks.non_secure)?;
    Ok(object([("bits", word(attributes.bits(&config)?))]))
}

/// Answers one record of `pgtable_pack`: an output address in a descriptor, and out of it again.
pub(in super::super) fn pack(record: &Fields<'_>) -> Answer {
    let granule = granule_of(record.number("granule")?)?;
    let bits = record.register("oas")?;
    let output = AddressSize::from_bits(bits)
        .ok_or_else(|| Stop::Refused(format!("no output address has {bits} bits")))?;
    let config = TableConfig::ttb0(granule, 40, output)?;
    let packed = config.address_bits(PhysAddr::new(record.number("paddr")?))?;
    Ok(object([("desc_addr_bits", word(packed)), ("unpacked", word(config.address(packed).get()))]))
}
