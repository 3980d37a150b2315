//! Any STE: words that nobody checked, and configurations as a driver may write them.

use crate::vmsa;
use arbitrary::{Arbitrary, Result, Unstructured};
use smmu_regs::vmsa::{
    Cacheability, Shareability, Stage2Regime, UpdateFlags, WalkAttributes, concatenated_tables,
};
use smmu_regs::{PhysAddr, Vmid};
use smmu_ste::SteConfig;
use smmu_ste::ste::{
    Ats, CdTableFormat, CdTablePointer, FaultMode, GuestSte, Stage1Config, Stage2Config, StreamWorld,
    WithoutSubstream,
};

/// A configuration. Not every SMMU can have it.
#[derive(Debug)]
pub struct AnyConfig(pub SteConfig);

/// A host's stage 2.
#[derive(Debug)]
pub struct AnyStage2(pub Stage2Config);

/// Bits of the first two words that a guest may set, from the layout of IHI 0070 5.2: `V`, `Config`, `S1Fmt`,
/// `S1ContextPtr[51:6]`, `S1CDMax`; `S1DSS`, `S1CIR`, `S1COR`, `S1CSH`, `S1STALLD`, `EATS`.
pub const GUEST_BITS: [u64; 2] = [0xf80f_ffff_ffff_ffff, 0x3800_00ff];

/// An address that is mostly low and aligned, as real ones are.
fn address(u: &mut Unstructured<'_>) -> Result<PhysAddr> {
    let shift = u.int_in_range(4..=20)?;
    Ok(PhysAddr::new(u.arbitrary::<u64>()? >> u.int_in_range(8..=40)? >> shift << shift))
}

/// Few VMIDs, so that two STEs often have the same.
fn vmid(u: &mut Unstructured<'_>) -> Result<Vmid> {
    Ok(Vmid::new(*u.choose(&[0, 1, 0xff, 0x100])?))
}

fn ats(u: &mut Unstructured<'_>) -> Result<Ats> {
    u.choose(&[Ats::Disabled, Ats::Full, Ats::SplitStage]).copied()
}

fn cd_table(u: &mut Unstructured<'_>) -> Result<CdTablePointer> {
    let formats = [CdTableFormat::Linear, CdTableFormat::TwoLevel4K, CdTableFormat::TwoLevel64K];
    let choices = [WithoutSubstream::Terminate, WithoutSubstream::Bypass, WithoutSubstream::UseCd0];
    Ok(CdTablePointer {
        base: address(u)?,
        format: *u.choose(&formats)?,
        cds_log2: u.int_in_range(0..=21)?,
        without_substream: *u.choose(&choices)?,
    })
}

fn regime(u: &mut Unstructured<'_>) -> Result<Stage2Regime> {
    let granule = vmsa::granule(u)?;
    let input_bits = u.int_in_range(16..=56)?;
    // A start level that fits, where there is one.
    let wanted = vmsa::level(u)?;
    let fits = |level: &_| concatenated_tables(granule, u32::from(input_bits), *level).is_ok();
    let start_level = vmsa::levels(u)?.iter().find(fits).unwrap_or(wanted);
    let cacheability =
        |u: &mut Unstructured<'_>| Ok(Cacheability::from_code(u.int_in_range(0..=3)?).expect("2 bits"));
    let shareability = [Shareability::Non, Shareability::Outer, Shareability::Inner];
    let (access_flag, dirty, table_access_flag, ds, fwb) = u.arbitrary()?;
    Ok(Stage2Regime {
        ttb: address(u)?,
        granule,
        input_bits,
        start_level,
        ps: vmsa::size(u)?,
        walk: WalkAttributes {
            inner: cacheability(u)?,
            outer: cacheability(u)?,
            shareability: *u.choose(&shareability)?,
        },
        update: UpdateFlags { access_flag, dirty, table_access_flag },
        ds,
        fwb,
    })
}

fn stage2(u: &mut Unstructured<'_>) -> Result<Stage2Config> {
    let faults = [FaultMode::TerminateSilently, FaultMode::Terminate, FaultMode::Stall];
    Ok(Stage2Config {
        regime: regime(u)?,
        vmid: vmid(u)?,
        faults: *u.choose(&faults)?,
        ats: ats(u)?,
        protect_walks: u.arbitrary()?,
    })
}

impl<'a> Arbitrary<'a> for AnyStage2 {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        stage2(u).map(Self)
    }
}

impl<'a> Arbitrary<'a> for AnyConfig {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(match u.int_in_range(0..=4)? {
            0 => SteConfig::Abort,
            1 => SteConfig::Bypass,
            2 => {
                let el1 = u.arbitrary()?;
                let world = if el1 { StreamWorld::El1(vmid(u)?) } else { StreamWorld::El2 };
                let (cd_table, may_stall) = (cd_table(u)?, u.arbitrary()?);
                SteConfig::Stage1(Stage1Config { cd_table, world, may_stall, ats: ats(u)? })
            }
            3 => SteConfig::Stage2(stage2(u)?),
            _ => {
                let [zero, one]: [u64; 2] = u.arbitrary()?;
                let [may_zero, may_one] = GUEST_BITS;
                // V and stage 1; EATS 0 or 1.
                let words = [zero & may_zero & !0xf | 0xb, one & may_one & !(1 << 29)];
                match GuestSte::new(words) {
                    Ok(GuestSte::Translate(guest)) => {
                        SteConfig::Nested { guest, stage2: stage2(u)?, may_stall: u.arbitrary()? }
                    }
                    other => panic!("{words:x?} is a guest's stage 1, but is taken as {other:?}"),
                }
            }
        }))
    }
}
