//! Repr to view: what the architecture calls ILLEGAL is refused (IHI 0070 5.4, 5.4.2), what is RES0 for these
//! capabilities is written 0.

use super::apply::{apply, check_world};
use super::word::{Cd0, Cd1, Cd2, Cd3};
use super::{Cd, CdConfig, CdError, CdFaultMode, CdOptions};
use crate::first_level;
use smmu_regs::caps::{StallModel, TableEndianness};
use smmu_regs::vmsa::{Granule, Stage1Regime, TableBase};
use smmu_regs::{Caps, Feature};

impl Cd {
    /// The CD of no address space: using it is C_BAD_CD.
    pub const INVALID: Self = Self::from_words([0; 8]);
}

impl CdConfig {
    /// The CD for an SMMU with these capabilities.
    ///
    /// # Errors
    /// The SMMU would call it illegal: see [`CdError`].
    pub fn encode(&self, caps: &Caps) -> Result<Cd, CdError> {
        let walks = self.regime.ttb0.is_some() || self.regime.ttb1.is_some();
        if walks && caps.table_endianness == TableEndianness::Big {
            return Err(CdError::Endianness { big: false });
        }
        self.plain(caps)
    }

    /// As [`CdConfig::encode`], with `options`.
    ///
    /// # Errors
    /// The SMMU would call it illegal, or an option could have no effect: see [`CdError`].
    pub fn encode_with(&self, caps: &Caps, options: &CdOptions) -> Result<Cd, CdError> {
        check_world(self, options.world)?;
        apply(&self.plain(caps)?, caps, options)
    }

    fn plain(&self, caps: &Caps) -> Result<Cd, CdError> {
        if !caps.has(Feature::Stage1) {
            return Err(CdError::Unsupported { needs: Feature::Stage1 });
        }
        let regime = &self.regime;
        if !self.asid.fits(u32::from(caps.asid_bits)) {
            return Err(CdError::Asid { asid: self.asid, bits: caps.asid_bits });
        }
        if regime.ips > caps.oas {
            return Err(CdError::OutputSize { size: regime.ips, oas: caps.oas });
        }
        check_ds(caps, regime)?;
        for base in [regime.ttb0, regime.ttb1].iter().flatten() {
            check_base(caps, regime, base)?;
        }
        let (stall, record) = faults(caps, self.faults)?;
        let update = first_level::updates(caps, regime.update).ok_or(CdError::HardwareUpdate)?;

        let zero = Cd0::new()
            .with(Cd0::V, true)
            .with(Cd0::EPD0, regime.ttb0.is_none())
            .with(Cd0::EPD1, regime.ttb1.is_none())
            .try_with(Cd0::IPS, regime.ips.code())?
            .with(Cd0::AA64, true)
            .with(Cd0::HA, update.access_flag)
            .with(Cd0::HD, update.dirty)
            .with(Cd0::S, stall)
            .with(Cd0::R, record)
            .with(Cd0::A, true)
            .with(Cd0::ASET, self.private_asid)
            .try_with(Cd0::ASID, self.asid.get())?;
        let one = Cd1::new().with(Cd1::HAFT, update.table_access_flag);
        let two = Cd2::new().with(Cd2::DS, regime.ds);
        let (zero, one) = match &regime.ttb0 {
            None => (zero, one),
            Some(base) => (lower(zero, base)?, one.try_with_address(Cd1::TTB0, base.base.get())?),
        };
        let (zero, two) = match &regime.ttb1 {
            None => (zero, two),
            Some(base) => (upper(zero, base)?, two.try_with_address(Cd2::TTB1, base.base.get())?),
        };
        let [low, high] = [regime.mair & u64::from(u32::MAX), regime.mair >> 32];
        let three = Cd3::new()
            .try_with(Cd3::MAIR0, low as u32)? // both halves have 32 bits
            .try_with(Cd3::MAIR1, high as u32)?;
        Ok(Cd::from_words([
            zero.into_bits(),
            one.into_bits(),
            two.into_bits(),
            three.into_bits(),
            0,
            0,
            0,
            0,
        ]))
    }
}

fn lower(zero: Cd0, base: &TableBase) -> Result<Cd0, CdError> {
    Ok(zero
        .try_with(Cd0::T0SZ, 64_u8.saturating_sub(base.input_bits))?
        .try_with(Cd0::TG0, base.granule.tg0())?
        .try_with(Cd0::IR0, base.walk.inner as u8)?
        .try_with(Cd0::OR0, base.walk.outer as u8)?
        .try_with(Cd0::SH0, base.walk.shareability as u8)?)
}

fn upper(zero: Cd0, base: &TableBase) -> Result<Cd0, CdError> {
    Ok(zero
        .try_with(Cd0::T1SZ, 64_u8.saturating_sub(base.input_bits))?
        .try_with(Cd0::TG1, base.granule.tg1())?
        .try_with(Cd0::IR1, base.walk.inner as u8)?
        .try_with(Cd0::OR1, base.walk.outer as u8)?
        .try_with(Cd0::SH1, base.walk.shareability as u8)?)
}

/// `S` and `R` (5.5).
fn faults(caps: &Caps, mode: CdFaultMode) -> Result<(bool, bool), CdError> {
    let (stall, record) = match mode {
        CdFaultMode::TerminateSilently => (false, false),
        CdFaultMode::Terminate => (false, true),
        CdFaultMode::Stall => (true, true),
        CdFaultMode::StallOnly => (true, false),
    };
    match (caps.stall_model, stall) {
        (StallModel::TerminateOnly, true) | (StallModel::Forced, false) => Err(CdError::Stall),
        _ => Ok((stall, record)),
    }
}

fn check_ds(caps: &Caps, regime: &Stage1Regime) -> Result<(), CdError> {
    if !regime.ds {
        return Ok(());
    }
    if !caps.has(Feature::Ds) {
        return Err(CdError::Unsupported { needs: Feature::Ds });
    }
    // Without any half there is no granule that could exclude it.
    let mut granules = [regime.ttb0, regime.ttb1].into_iter().flatten().map(|base| base.granule).peekable();
    let halves = granules.peek().is_some();
    if halves && granules.all(|granule| granule == Granule::Size64K) {
        Err(CdError::DsWith64K)
    } else {
        Ok(())
    }
}

/// `TxSZ`, `TGx`, `TTBx` (5.4; 5.4.2 `CDTxSZInvalid`).
fn check_base(caps: &Caps, regime: &Stage1Regime, base: &TableBase) -> Result<(), CdError> {
    let granule = base.granule;
    if !caps.granules.contains(granule) {
        return Err(CdError::Granule(granule));
    }
    let wide = granule == Granule::Size64K || regime.ds;
    let max = if wide { caps.stage1_input_bits.min(52) } else { 48 };
    let min = caps.smallest_input_bits(granule);
    let bits = base.input_bits;
    if !(min..=max).contains(&bits) {
        return Err(CdError::InputSize { bits, min, max });
    }
    let output = regime.ips.min(caps.oas);
    let size = first_level::table_size(output, wide);
    let address = base.base;
    if !size.contains(address.get()) {
        return Err(CdError::TooHigh { address, size });
    }
    let align = first_level::stage1_align(granule, u32::from(bits), output);
    if address.is_aligned(align) { Ok(()) } else { Err(CdError::Misaligned { address, align }) }
}
