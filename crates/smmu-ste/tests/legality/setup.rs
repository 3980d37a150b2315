//! What the tests of legality share: a legal configuration of each kind, and one minimal change of it.
#![allow(unused_imports)] // each module takes what it needs

pub(crate) use crate::common::{CD_FACTS, STE_FACTS, Words, caps_of, example, large, places, typed};
pub(crate) use proptest::prelude::*;
pub(crate) use smmu_regs::addr::{AddressSize, PhysAddr};
pub(crate) use smmu_regs::caps::{Hints, IdRegisters};
pub(crate) use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
pub(crate) use smmu_regs::vmsa::{
    Cacheability, Granule, HardwareUpdate, Level, RegimeError, Shareability, Stage1Regime, Stage2Regime,
    TableBase, UpdateFlags, WalkAttributes,
};
pub(crate) use smmu_regs::{Asid, Caps, Feature, Vmid};
pub(crate) use smmu_ste::cd::{Cd, CdConfig, CdError, CdFaultMode, CdSummary};
pub(crate) use smmu_ste::ste::{
    Ats, CdTableFormat, CdTablePointer, FaultMode, GuestSte, GuestSteError, GuestTranslation, Stage1Config,
    Stage2Config, Ste, SteConfig, SteError, SteOddity, SteSummary, StreamWorld, WithoutSubstream,
};

/// The SMMU of [`IdRegisters::EXAMPLE`] with some bits of an ID register cleared and others set. What cannot be without a
/// cleared one is gone too.
pub(crate) fn altered(idr: u32, clear: u32, set: u32) -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    let new = |bits: u32| bits & !clear | set;
    match idr {
        0 => ids.idr0 = Idr0::from_bits(new(ids.idr0.into_bits())),
        1 => ids.idr1 = Idr1::from_bits(new(ids.idr1.into_bits())),
        3 => ids.idr3 = Idr3::from_bits(new(ids.idr3.into_bits())),
        _ => ids.idr5 = Idr5::from_bits(new(ids.idr5.into_bits())),
    }
    Caps::probe(&ids, &Hints::default()).unwrap()
}

pub(crate) const STAGE1: Stage1Config = Stage1Config {
    cd_table: CdTablePointer {
        base: PhysAddr::new(0x1234_5678_a000),
        format: CdTableFormat::TwoLevel64K,
        cds_log2: 20,
        without_substream: WithoutSubstream::UseCd0,
    },
    world: StreamWorld::El1(Vmid::new(0x1234)),
    may_stall: false,
    ats: Ats::Full,
};

pub(crate) const REGIME2: Stage2Regime = Stage2Regime {
    ttb: PhysAddr::new(0x1_2345_6000),
    granule: Granule::Size4K,
    input_bits: 40,
    start_level: Level::ONE,
    ps: AddressSize::Bits48,
    walk: WalkAttributes::COHERENT,
    update: UpdateFlags { access_flag: false, dirty: false, table_access_flag: false },
    ds: false,
    fwb: true,
};

pub(crate) const STAGE2: Stage2Config = Stage2Config {
    regime: REGIME2,
    vmid: Vmid::new(0xabcd),
    faults: FaultMode::Terminate,
    ats: Ats::Disabled,
    protect_walks: true,
};

pub(crate) const LOWER: TableBase = TableBase {
    base: PhysAddr::new(0x9_8765_4000),
    granule: Granule::Size4K,
    input_bits: 48,
    walk: WalkAttributes::COHERENT,
};

pub(crate) const UPPER: TableBase = TableBase {
    base: PhysAddr::new(0x7_0000_4000),
    granule: Granule::Size16K,
    input_bits: 47,
    walk: WalkAttributes::COHERENT,
};

pub(crate) const CD: CdConfig = CdConfig {
    regime: Stage1Regime {
        ttb0: Some(LOWER),
        ttb1: None,
        ips: AddressSize::Bits48,
        mair: 0x0123_4567_89ab_cdef,
        update: UpdateFlags { access_flag: false, dirty: false, table_access_flag: false },
        ds: false,
    },
    asid: Asid::new(0x1234),
    faults: CdFaultMode::Terminate,
    private_asid: true,
};

pub(crate) fn guest(words: [u64; 2]) -> GuestTranslation {
    match GuestSte::new(words) {
        Ok(GuestSte::Translate(guest)) => guest,
        other => panic!("{other:?}"),
    }
}

/// V, `Config` 5, a CD at 0x7000; S1CIR, S1COR 1, S1CSH 3.
pub(crate) const GUEST: [u64; 2] = [0x700b, 0xd4];

pub(crate) fn stage1(caps: &Caps, change: impl Fn(&mut Stage1Config)) -> Result<Words, SteError> {
    let mut config = STAGE1;
    change(&mut config);
    SteConfig::Stage1(config).encode(caps).map(|ste| ste.words())
}

pub(crate) fn stage2(caps: &Caps, change: impl Fn(&mut Stage2Config)) -> Result<Words, SteError> {
    let mut config = STAGE2;
    change(&mut config);
    SteConfig::Stage2(config).encode(caps).map(|ste| ste.words())
}

pub(crate) fn nested(caps: &Caps, change: impl Fn(&mut Stage2Config)) -> Result<Words, SteError> {
    let mut stage2 = STAGE2;
    change(&mut stage2);
    SteConfig::Nested { guest: guest(GUEST), stage2, may_stall: true }.encode(caps).map(|ste| ste.words())
}

pub(crate) fn cd(caps: &Caps, change: impl Fn(&mut CdConfig)) -> Result<Words, CdError> {
    let mut config = CD;
    change(&mut config);
    config.encode(caps).map(|cd| cd.words())
}
