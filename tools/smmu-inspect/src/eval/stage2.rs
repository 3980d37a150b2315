//! The stage-2 inputs that `ste` and `nested` share: VTCR fields as encoded, the table's address, the VMID.

use super::error::{Stop, reserved};
use super::input::Fields;
use smmu_regs::PhysAddr;
use smmu_regs::addr::AddressSize;
use smmu_regs::vmsa::{
    Cacheability, Granule, RegimeError, Shareability, Stage2Regime, UpdateFlags, WalkAttributes,
};
use smmu_ste::ste::{Ats, FaultMode, Stage2Config};

/// The stage 2 of `input`, with these faults and this ATS. Its walks are protected (`S2PTW`), as in all vectors.
pub(super) fn config(input: &Fields<'_>, faults: FaultMode, ats: Ats) -> Result<Stage2Config, Stop> {
    Ok(Stage2Config { regime: regime(input)?, vmid: input.vmid()?, faults, ats, protect_walks: true })
}

fn regime(input: &Fields<'_>) -> Result<Stage2Regime, Stop> {
    let vtcr = input.object("vtcr")?;
    let ttb = PhysAddr::new(input.number("vttbr")?);
    let fwb = input.flag("s2fwb")?;
    let granule = granule("S2TG", vtcr.byte("tg")?)?;
    let start_level = start_level(granule, vtcr.byte("sl")?)?;
    Ok(Stage2Regime {
        ttb,
        granule,
        input_bits: input_bits("S2T0SZ", vtcr.byte("tsz")?)?,
        start_level,
        ps: size("S2PS", vtcr.byte("ps")?)?,
        walk: walk(&vtcr)?,
        update: UpdateFlags::default(),
        ds: false,
        fwb,
    })
}

fn start_level(granule: Granule, sl0: u8) -> Result<smmu_regs::vmsa::Level, RegimeError> {
    Stage2Regime::start_level_of(granule, sl0, false, false)
}

/// The granule of a `TG0` or `S2TG` code.
pub(super) fn granule(field: &str, code: u8) -> Result<Granule, Stop> {
    Granule::from_tg0(code).ok_or(reserved(field, u64::from(code)))
}

/// The input size of a `T0SZ` code.
pub(super) fn input_bits(field: &str, code: u8) -> Result<u8, Stop> {
    64_u8.checked_sub(code).ok_or(reserved(field, u64::from(code)))
}

/// The address size of an `IPS` or `S2PS` code.
pub(super) fn size(field: &str, code: u8) -> Result<AddressSize, Stop> {
    AddressSize::from_code(code).ok_or(reserved(field, u64::from(code)))
}

/// The walk attributes of a TCR or VTCR.
pub(super) fn walk(tcr: &Fields<'_>) -> Result<WalkAttributes, Stop> {
    let (inner, outer, shareability) = (tcr.byte("irgn")?, tcr.byte("orgn")?, tcr.byte("sh")?);
    Ok(WalkAttributes {
        inner: Cacheability::from_code(inner).ok_or(reserved("IR0", u64::from(inner)))?,
        outer: Cacheability::from_code(outer).ok_or(reserved("OR0", u64::from(outer)))?,
        shareability: Shareability::from_code(shareability)
            .ok_or(reserved("SH0", u64::from(shareability)))?,
    })
}
