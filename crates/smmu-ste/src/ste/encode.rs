//! Repr to view: what the architecture calls ILLEGAL is refused (IHI 0070 5.2, 5.2.2), what is RES0 for these
//! capabilities is written 0.

use super::apply::apply;
use super::word::{Ste0, Ste1, Ste2, Ste3};
use super::{
    Ats, CdTableFormat, CdTablePointer, FaultMode, GuestTranslation, Stage1Config, Stage2Config, Ste,
    SteConfig, SteError, SteOptions, StreamWorld, WithoutSubstream,
};
use crate::first_level;
use smmu_regs::caps::{StallModel, TableEndianness};
use smmu_regs::vmsa::{Granule, Level, Stage2Regime, concatenated_tables};
use smmu_regs::{Caps, Feature, Vmid};

/// `Config` codes.
pub(super) mod config {
    pub(in super::super) const ABORT: u8 = 0;
    pub(in super::super) const BYPASS: u8 = 4;
    pub(in super::super) const STAGE1: u8 = 5;
    pub(in super::super) const STAGE2: u8 = 6;
    pub(in super::super) const NESTED: u8 = 7;
}

/// "Use the incoming attribute" of `SHCFG`.
const SHCFG_INCOMING: u8 = 1;

impl SteConfig {
    /// The STE for an SMMU with these capabilities.
    ///
    /// # Errors
    /// The SMMU would call it illegal: see [`SteError`].
    pub fn encode(&self, caps: &Caps) -> Result<Ste, SteError> {
        let ste = self.plain(caps)?;
        // What an SMMU insists on cannot wait for options.
        let stage2 = matches!(self, Self::Stage2(_) | Self::Nested { .. });
        if stage2 && caps.table_endianness == TableEndianness::Big {
            return Err(SteError::Endianness { big: false });
        }
        Ok(ste)
    }

    /// As [`SteConfig::encode`], with `options`.
    ///
    /// # Errors
    /// The SMMU would call it illegal, or an option could have no effect: see [`SteError`].
    pub fn encode_with(&self, caps: &Caps, options: &SteOptions) -> Result<Ste, SteError> {
        apply(&self.plain(caps)?, caps, options)
    }

    fn plain(&self, caps: &Caps) -> Result<Ste, SteError> {
        match self {
            Self::Abort => Ok(Ste::from_words([head(config::ABORT)?.into_bits(), 0, 0, 0, 0, 0, 0, 0])),
            Self::Bypass => {
                let one = incoming_shareability(caps, Ste1::new())?;
                Ok(Ste::from_words([head(config::BYPASS)?.into_bits(), one.into_bits(), 0, 0, 0, 0, 0, 0]))
            }
            Self::Stage1(stage1) => encode_stage1(caps, stage1),
            Self::Stage2(stage2) => {
                let words = encode_stage2(caps, stage2)?;
                let one = incoming_shareability(caps, words.one)?;
                let one = one.try_with(Ste1::EATS, ats(caps, stage2.ats, false)?)?;
                Ok(words.finish(head(config::STAGE2)?.into_bits(), one))
            }
            Self::Nested { guest, stage2, may_stall } => encode_nested(caps, guest, stage2, *may_stall),
        }
    }
}

fn head(config: u8) -> Result<Ste0, SteError> {
    Ok(Ste0::new().with(Ste0::V, true).try_with(Ste0::CONFIG, config)?)
}

fn need(caps: &Caps, needs: Feature) -> Result<(), SteError> {
    if caps.has(needs) { Ok(()) } else { Err(SteError::Unsupported { needs }) }
}

/// `SHCFG` is RES0 without the override feature, and "incoming" is then what happens.
fn incoming_shareability(caps: &Caps, one: Ste1) -> Result<Ste1, SteError> {
    if caps.has(Feature::AttrTypesOverride) {
        Ok(one.try_with(Ste1::SHCFG, SHCFG_INCOMING)?)
    } else {
        Ok(one)
    }
}

fn ats(caps: &Caps, ats: Ats, nested: bool) -> Result<u8, SteError> {
    match ats {
        Ats::Disabled => {}
        Ats::Full => need(caps, Feature::Ats)?,
        Ats::SplitStage if !nested => return Err(SteError::SplitStageAts),
        Ats::SplitStage => need(caps, Feature::SplitStageAts)?,
        Ats::Checked(_) => {
            need(caps, Feature::Ats)?;
            need(caps, Feature::Dpt)?;
        }
    }
    Ok(ats.code())
}

/// `DPT_VMATCH`, RES0 without the checks that it belongs to.
fn dpt_match(two: Ste2, ats: Ats) -> Result<Ste2, SteError> {
    match ats {
        Ats::Checked(matching) => Ok(two.try_with(Ste2::DPT_VMATCH, matching as u8)?),
        _ => Ok(two),
    }
}

fn vmid(caps: &Caps, vmid: Vmid) -> Result<u16, SteError> {
    let bits = caps.usable_vmid_bits();
    if vmid.fits(u32::from(bits)) { Ok(vmid.get()) } else { Err(SteError::Vmid { vmid, bits }) }
}

/// The alignment of what `S1ContextPtr` points to: a CD, a linear table, or a level-1 table (5.2 S1ContextPtr).
fn cd_table_align(table: &CdTablePointer) -> u64 {
    let log2 = u32::from(table.cds_log2);
    let bytes_log2 = match table.format {
        CdTableFormat::Linear => log2.saturating_add(6),
        CdTableFormat::TwoLevel4K => log2.saturating_sub(6).saturating_add(3),
        CdTableFormat::TwoLevel64K => log2.saturating_sub(10).saturating_add(3),
    };
    1_u64.wrapping_shl(bytes_log2.max(6))
}

fn encode_stage1(caps: &Caps, stage1: &Stage1Config) -> Result<Ste, SteError> {
    need(caps, Feature::Stage1)?;
    let table = &stage1.cd_table;
    if table.cds_log2 > caps.substream_id_bits {
        return Err(SteError::CdTable { cds_log2: table.cds_log2, bits: caps.substream_id_bits });
    }
    if table.format != CdTableFormat::Linear {
        need(caps, Feature::TwoLevelCdTable)?;
    }
    let align = cd_table_align(table);
    if !table.base.is_aligned(align) {
        return Err(SteError::Misaligned { address: table.base, align });
    }
    if !caps.oas.contains(table.base.get()) {
        return Err(SteError::TooHigh { address: table.base, size: caps.oas });
    }
    let zero = head(config::STAGE1)?
        .try_with(Ste0::S1FMT, table.format as u8)?
        .try_with_address(Ste0::S1CONTEXTPTR, table.base.get())?
        .try_with(Ste0::S1CDMAX, table.cds_log2)?;
    let one = Ste1::new()
        .try_with(Ste1::S1DSS, table.without_substream as u8)?
        .with(Ste1::S1STALLD, stall_refused(caps, stage1.may_stall)?)
        .try_with(Ste1::EATS, ats(caps, stage1.ats, false)?)?;
    let one = walk_attributes(caps, one)?;
    let one = if table.without_substream == WithoutSubstream::Bypass {
        incoming_shareability(caps, one)?
    } else {
        one
    };
    let (one, two) = match stage1.world {
        StreamWorld::El1(tag) => (one, Ste2::new().try_with(Ste2::S2VMID, vmid(caps, tag)?)?),
        StreamWorld::El2 => {
            need(caps, Feature::Hyp)?;
            if matches!(stage1.ats, Ats::Checked(_)) {
                return Err(SteError::DptWorld);
            }
            (one.try_with(Ste1::STRW, 2_u8)?, Ste2::new())
        }
        StreamWorld::El3 => return Err(SteError::World),
    };
    let two = dpt_match(two, stage1.ats)?;
    Ok(Ste::from_words([zero.into_bits(), one.into_bits(), two.into_bits(), 0, 0, 0, 0, 0]))
}

/// How the CDs are read: as coherently as the SMMU can.
fn walk_attributes(caps: &Caps, one: Ste1) -> Result<Ste1, SteError> {
    let (cacheability, shareability) = if caps.has(Feature::Coherent) { (1_u8, 3_u8) } else { (0, 2) };
    Ok(one
        .try_with(Ste1::S1CIR, cacheability)?
        .try_with(Ste1::S1COR, cacheability)?
        .try_with(Ste1::S1CSH, shareability)?)
}

/// `S1STALLD`: 1 is legal only where the SMMU could do either (5.5).
fn stall_refused(caps: &Caps, may_stall: bool) -> Result<bool, SteError> {
    match (caps.stall_model, may_stall) {
        (StallModel::Supported, may_stall) => Ok(!may_stall),
        (StallModel::TerminateOnly, true) => Err(SteError::Stall),
        (StallModel::TerminateOnly, false) | (StallModel::Forced, _) => Ok(false),
    }
}

/// The words that stage 2 decides, without what depends on whether stage 1 is there.
struct Stage2Words {
    one: Ste1,
    two: u64,
    three: u64,
}

impl Stage2Words {
    fn finish(self, zero: u64, one: Ste1) -> Ste {
        Ste::from_words([zero, one.into_bits(), self.two, self.three, 0, 0, 0, 0])
    }
}

fn encode_stage2(caps: &Caps, stage2: &Stage2Config) -> Result<Stage2Words, SteError> {
    need(caps, Feature::Stage2)?;
    let regime = &stage2.regime;
    check_regime(caps, regime)?;
    let (stall, record) = match (stage2.faults, caps.stall_model) {
        (FaultMode::Stall, StallModel::TerminateOnly) => return Err(SteError::Stall),
        (FaultMode::Stall, _) => (true, true),
        (_, StallModel::Forced) => return Err(SteError::Stall),
        (FaultMode::Terminate, _) => (false, true),
        (FaultMode::TerminateSilently, _) => (false, false),
    };
    if stall && stage2.ats != Ats::Disabled {
        return Err(SteError::StallWithAts);
    }
    let update = first_level::updates(caps, regime.update).ok_or(SteError::HardwareUpdate)?;
    let (sl0, sl2) = regime.sl0()?;
    let two = Ste2::new()
        .try_with(Ste2::S2VMID, vmid(caps, stage2.vmid)?)?
        .try_with(Ste2::S2T0SZ, 64_u8.saturating_sub(regime.input_bits))?
        .try_with(Ste2::S2SL0, sl0)?
        .try_with(Ste2::S2IR0, regime.walk.inner as u8)?
        .try_with(Ste2::S2OR0, regime.walk.outer as u8)?
        .try_with(Ste2::S2SH0, regime.walk.shareability as u8)?
        .try_with(Ste2::S2TG, regime.granule.tg0())?
        .try_with(Ste2::S2PS, regime.ps.code())?
        .with(Ste2::S2AA64, true)
        .with(Ste2::S2PTW, stage2.protect_walks)
        .with(Ste2::S2HA, update.access_flag)
        .with(Ste2::S2HD, update.dirty)
        .with(Ste2::S2HAFT, update.table_access_flag)
        .with(Ste2::S2S, stall)
        .with(Ste2::S2R, record);
    let two = dpt_match(two, stage2.ats)?;
    let three = Ste3::new()
        .try_with_address(Ste3::S2TTB, regime.ttb.get())?
        .with(Ste3::S2SL0_2, sl2)
        .with(Ste3::S2DS, regime.ds);
    let one = Ste1::new().with(Ste1::S2FWB, regime.fwb);
    Ok(Stage2Words { one, two: two.into_bits(), three: three.into_bits() })
}

/// Everything that makes `S2TG`, `S2PS`, `S2T0SZ`, `S2SL0`, `S2TTB` illegal.
pub(super) fn check_regime(caps: &Caps, regime: &Stage2Regime) -> Result<(), SteError> {
    if !caps.granules.contains(regime.granule) {
        return Err(SteError::Granule(regime.granule));
    }
    if regime.fwb {
        need(caps, Feature::S2Fwb)?;
    }
    if regime.ds {
        need(caps, Feature::Ds)?;
        if regime.granule == Granule::Size64K {
            return Err(SteError::DsWith64K);
        }
    }
    if regime.ps > caps.oas {
        // A larger code would be taken as the SMMU's own size; say so rather than rely on it.
        return Err(SteError::OutputSize { size: regime.ps, oas: caps.oas });
    }
    check_input_size(caps, regime)?;
    let tables = concatenated_tables(regime.granule, u32::from(regime.input_bits), regime.start_level)?;
    check_start_level(caps, regime)?;
    check_base(caps, regime, tables)
}

/// 5.2.2 `STES2T0SZInvalid`.
fn check_input_size(caps: &Caps, regime: &Stage2Regime) -> Result<(), SteError> {
    let ias = caps.stage2_input_bits();
    let wide = regime.granule == Granule::Size64K || regime.ds;
    let max = if wide { 52 } else { 48 }.min(ias);
    // Below 64.
    let (min, max) = (caps.smallest_input_bits(regime.granule), max as u8);
    let bits = regime.input_bits;
    if (min..=max).contains(&bits) { Ok(()) } else { Err(SteError::InputSize { bits, min, max }) }
}

/// The first level that this output size allows (5.2 S2SL0; DDI 0487 `AArch64.S2InvalidSL`), and the level-3 start that
/// only small tables allow.
fn check_start_level(caps: &Caps, regime: &Stage2Regime) -> Result<(), SteError> {
    let (granule, level, oas) = (regime.granule, regime.start_level, caps.oas);
    let needed = match (granule, level.number()) {
        (Granule::Size4K, -1) => 52,
        (Granule::Size4K, 0) | (Granule::Size64K, 1) => 44,
        (Granule::Size16K, 0) => 52,
        (Granule::Size16K, 1) => 42,
        _ => 0,
    };
    let needs_small_tables = granule == Granule::Size4K && level == Level::THREE;
    if oas.bits() < needed || needs_small_tables && !caps.has(Feature::SmallTables) {
        return Err(SteError::StartLevel { granule, level, oas });
    }
    Ok(())
}

/// `S2TTB` within the output size and aligned to the first table or tables: an address that the SMMU would round down
/// is refused.
fn check_base(caps: &Caps, regime: &Stage2Regime, tables: u32) -> Result<(), SteError> {
    let output = regime.ps.min(caps.oas);
    let size = first_level::table_size(output, regime.ds || regime.granule == Granule::Size64K);
    let address = regime.ttb;
    if !size.contains(address.get()) {
        return Err(SteError::TooHigh { address, size });
    }
    let bits = u32::from(regime.input_bits);
    let align = first_level::align(regime.granule, bits, regime.start_level, tables, output);
    if !address.is_aligned(align) {
        return Err(SteError::Misaligned { address, align });
    }
    Ok(())
}

fn encode_nested(
    caps: &Caps,
    guest: &GuestTranslation,
    stage2: &Stage2Config,
    may_stall: bool,
) -> Result<Ste, SteError> {
    need(caps, Feature::Nested)?;
    need(caps, Feature::Stage1)?;
    let words = encode_stage2(caps, stage2)?;
    let [guest_zero, guest_one] = guest.words();
    let zero = Ste0::from_bits(guest_zero).try_with(Ste0::CONFIG, config::NESTED)?;
    // A guest that provokes events must not flood the host's queue: events of this stream may be merged.
    let one = Ste1::from_bits(words.one.into_bits() | guest_one).with(Ste1::MEV, true);
    let one = if may_stall { one } else { one.with(Ste1::S1STALLD, stall_refused(caps, false)?) };
    let one = incoming_shareability(caps, one)?.try_with(Ste1::EATS, ats(caps, stage2.ats, true)?)?;
    Ok(words.finish(zero.into_bits(), one))
}
