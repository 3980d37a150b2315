//! STEs of Secure and Realm stream tables: golden words by name, and every refusal.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{STE_FACTS, Words, example, large, places};
use smmu_regs::caps::{IdRegisters, StallModel};
use smmu_regs::registers::{Idr0, Idr1};
use smmu_regs::vmsa::{Granule, Level, Stage2Regime, UpdateFlags, WalkAttributes};
use smmu_regs::{AddressSize, Caps, Feature, PhysAddr, Vmid};
use smmu_ste::SteConfig;
use smmu_ste::ste::{
    Ats, CdTableFormat, CdTablePointer, DptMatch, FaultMode, IncomingSpace, PaSpace, RealmCaps, SecureCaps,
    SecureStage2, Security, SecurityOptions, Stage1Config, Stage2Config, SteError, SteOptions, StreamWorld,
    WithoutSubstream,
};

const SECURE: SecureCaps =
    SecureCaps { stage2: true, stall_model: StallModel::Supported, nonsecure_partitions: true };
const REALM: RealmCaps =
    RealmCaps { ats: true, dpt: true, mecid_bits: 12, checks_incoming: true, nonsecure_partitions: true };

const STAGE1: Stage1Config = Stage1Config {
    cd_table: CdTablePointer {
        base: PhysAddr::new(0x1000),
        format: CdTableFormat::Linear,
        cds_log2: 2,
        without_substream: WithoutSubstream::UseCd0,
    },
    world: StreamWorld::El1(Vmid::new(0)),
    may_stall: true,
    ats: Ats::Disabled,
};

const REGIME: Stage2Regime = Stage2Regime {
    ttb: PhysAddr::new(0x4_0000_0000),
    granule: Granule::Size4K,
    input_bits: 40,
    start_level: Level::ONE,
    ps: AddressSize::Bits48,
    walk: WalkAttributes::COHERENT,
    update: UpdateFlags { access_flag: false, dirty: false, table_access_flag: false },
    ds: false,
    fwb: false,
};

const STAGE2: Stage2Config = Stage2Config {
    regime: REGIME,
    vmid: Vmid::new(0x77),
    faults: FaultMode::Terminate,
    ats: Ats::Disabled,
    protect_walks: false,
};

/// 64K tables from level 2.
const SECOND: SecureStage2 = SecureStage2 {
    regime: Stage2Regime {
        ttb: PhysAddr::new(0x5_0000_0000),
        granule: Granule::Size64K,
        input_bits: 42,
        start_level: Level::TWO,
        ..REGIME
    },
    secure_walks: PaSpace::Secure,
    secure_output: PaSpace::Secure,
    nonsecure_walks: PaSpace::Secure,
    nonsecure_output: PaSpace::NonSecure,
};

fn encode(
    caps: &Caps,
    config: SteConfig,
    security: Security,
    change: impl Fn(&mut SecurityOptions),
) -> Result<Words, SteError> {
    let mut more = SecurityOptions::default();
    change(&mut more);
    config.encode_for(caps, &security, &SteOptions::default(), &more).map(|ste| ste.words())
}

fn secure(config: SteConfig, change: impl Fn(&mut SecurityOptions)) -> Result<Words, SteError> {
    encode(&example(), config, Security::Secure(SECURE), change)
}

fn realm(config: SteConfig, change: impl Fn(&mut SecurityOptions)) -> Result<Words, SteError> {
    encode(&example(), config, Security::Realm(REALM), change)
}

fn fields(words: &Words, names: &[&str]) -> Vec<u64> {
    let places = places(STE_FACTS);
    names.iter().map(|name| places[name].get(words)).collect()
}

fn none(_: &mut SecurityOptions) {}

#[test]
fn golden_secure_stes() {
    let worlds = ["STRW", "S2VMID"];
    for (world, code) in [(StreamWorld::El1(Vmid::new(0)), 0), (StreamWorld::El2, 2), (StreamWorld::El3, 1)] {
        let words = secure(SteConfig::Stage1(Stage1Config { world, ..STAGE1 }), none).unwrap();
        assert_eq!(fields(&words, &worlds), [code, 0]);
    }
    let both = |o: &mut SecurityOptions| {
        o.secure_stage2 = Some(SECOND);
        o.nonsecure_partitions = true;
        o.incoming = IncomingSpace::NonSecure;
    };
    let words = secure(SteConfig::Stage2(STAGE2), both).unwrap();
    let first = ["S2T0SZ", "S2SL0", "S2TG", "S2TTB", "S2VMID"];
    assert_eq!(fields(&words, &first), [24, 1, 0, 0x4000_0000, 0x77]);
    let second = ["S_S2T0SZ", "S_S2SL0", "S_S2TG", "S_S2TTB", "S_S2SL0_2"];
    assert_eq!(fields(&words, &second), [22, 1, 1, 0x5000_0000, 0]);
    assert_eq!(fields(&words, &["S2SW", "S2SA", "S2NSW", "S2NSA"]), [0, 0, 0, 1]);
    assert_eq!(fields(&words, &["MPAM_NS", "NSCFG", "MECID"]), [1, 3, 0]);
    // Tables outside lead outside; what is ignored then is 0.
    let outside = |o: &mut SecurityOptions| {
        let space = PaSpace::NonSecure;
        let led =
            SecureStage2 { secure_walks: space, secure_output: space, nonsecure_output: space, ..SECOND };
        o.secure_stage2 = Some(led);
    };
    let words = secure(SteConfig::Stage2(STAGE2), outside).unwrap();
    assert_eq!(fields(&words, &["S2SW", "S2SA", "S2NSW", "S2NSA"]), [1, 0, 0, 0]);
    // Nothing is set that is not used.
    for options in [both as fn(&mut SecurityOptions), outside] {
        let words = secure(SteConfig::Stage2(STAGE2), options).unwrap();
        let used = smmu_ste::Ste::from_words(words).used_bits_for(&example(), &Security::Secure(SECURE));
        assert!(words.iter().zip(used).all(|(word, used)| word & !used == 0), "{words:x?}");
    }
}

#[test]
fn golden_realm_stes() {
    let all = |o: &mut SecurityOptions| {
        o.mecid = 0xabc;
        o.incoming = IncomingSpace::Check;
        o.nonsecure_partitions = true;
    };
    let names = ["MECID", "NSCFG", "MPAM_NS", "S1STALLD", "EATS", "S2VMID"];
    let stage1 =
        Stage1Config { may_stall: false, ats: Ats::Full, world: StreamWorld::El1(Vmid::new(3)), ..STAGE1 };
    let words = realm(SteConfig::Stage1(stage1), all).unwrap();
    // S1STALLD is illegal there.
    assert_eq!(fields(&words, &names), [0xabc, 1, 1, 0, 1, 3]);
    let words = realm(SteConfig::Stage2(STAGE2).with_ats(Ats::Checked(DptMatch::Restricted)), all).unwrap();
    assert_eq!(fields(&words, &names), [0xabc, 1, 1, 0, 3, 0x77]);
    assert_eq!(fields(&words, &["DPT_VMATCH", "S_S2TTB"]), [0, 0]);
    assert_eq!(fields(&realm(SteConfig::Bypass, all).unwrap(), &names[..3]), [0xabc, 1, 1]);
    // An abort has no context.
    assert_eq!(realm(SteConfig::Abort, none).unwrap(), [1, 0, 0, 0, 0, 0, 0, 0]);
}

/// The conditions of `facts/illegal.txt` that ask for another Security state, and what has no effect there.
#[test]
fn each_refusal_has_its_cause() {
    let no = |field| Err(SteError::NoEffect { field });
    let lacks = |needs| Err(SteError::Unsupported { needs });
    let plain = |stage2, stall_model| Security::Secure(SecureCaps { stage2, stall_model, ..SECURE });
    let caps = example();
    let with_second = |o: &mut SecurityOptions| o.secure_stage2 = Some(SECOND);
    let stage1 = |change: fn(&mut Stage1Config)| {
        let mut config = STAGE1;
        change(&mut config);
        SteConfig::Stage1(config)
    };
    let stage2 = |change: fn(&mut Stage2Config)| {
        let mut config = STAGE2;
        change(&mut config);
        SteConfig::Stage2(config)
    };

    // s2 and sec == 'S' and S_IDR1.SEL2 == 0; STRW == 2 and S_IDR1.SEL2 == 0.
    let without = plain(false, StallModel::Supported);
    assert_eq!(encode(&caps, stage2(|_| ()), without, with_second), lacks(Feature::Stage2));
    assert_eq!(encode(&caps, stage1(|s| s.world = StreamWorld::El2), without, none), lacks(Feature::Hyp));
    // STRW == 1 with RME, and outside Secure state.
    let el3 = stage1(|s| s.world = StreamWorld::El3);
    let mut ids = IdRegisters::EXAMPLE;
    ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() | 1 << 30);
    let rme = Caps::probe(&ids, &Default::default()).unwrap();
    assert!(rme.has(Feature::Rme));
    assert_eq!(encode(&rme, el3, Security::Secure(SECURE), none), Err(SteError::World));
    assert_eq!(realm(el3, none), Err(SteError::World));
    assert_eq!(el3.encode(&caps).map(|_| ()), Err(SteError::World));
    // S1STALLD and S2S by the state's own model.
    let model = plain(true, StallModel::TerminateOnly);
    assert_eq!(encode(&caps, stage1(|_| ()), model, none), Err(SteError::Stall));
    assert_eq!(encode(&caps, stage1(|s| s.may_stall = false), model, none).unwrap()[1] >> 27 & 1, 0);
    let forced = plain(true, StallModel::Forced);
    assert_eq!(encode(&caps, stage2(|_| ()), forced, with_second), Err(SteError::Stall));
    assert_eq!(realm(stage2(|s| s.faults = FaultMode::Stall), none), Err(SteError::Stall));
    assert_eq!(realm(stage1(|_| ()), none), Err(SteError::Stall));
    // DPT_VMATCH of a Realm, ATS of Secure streams.
    let any = SteConfig::Stage2(STAGE2).with_ats(Ats::Checked(DptMatch::Any));
    assert_eq!(realm(any, none), Err(SteError::DptWorld));
    assert_eq!(secure(stage2(|s| s.ats = Ats::Full), with_second), lacks(Feature::Ats));
    let no_ats = Security::Realm(RealmCaps { ats: false, ..REALM });
    assert_eq!(encode(&caps, stage2(|s| s.ats = Ats::Full), no_ats, none), lacks(Feature::Ats));
    // The second regime: its granule, base, sizes, start level; and that there is one.
    let second = |change: fn(&mut SecureStage2)| {
        secure(SteConfig::Stage2(STAGE2), |o| {
            let mut second = SECOND;
            change(&mut second);
            o.secure_stage2 = Some(second);
        })
    };
    assert!(second(|_| ()).is_ok());
    assert_eq!(secure(SteConfig::Stage2(STAGE2), none), Err(SteError::NoSecureRegime));
    let mut few = IdRegisters::EXAMPLE;
    few.idr5 = smmu_regs::registers::Idr5::from_bits(few.idr5.into_bits() & !(1 << 6));
    let few = Caps::probe(&few, &Default::default()).unwrap();
    let granule = encode(&few, stage2(|_| ()), Security::Secure(SECURE), with_second);
    assert_eq!(granule, Err(SteError::Granule(Granule::Size64K)));
    let address = PhysAddr::new(0x5_0000_8000);
    assert_eq!(
        second(|s| s.regime.ttb = PhysAddr::new(0x5_0000_8000)),
        Err(SteError::Misaligned { address, align: 0x1_0000 })
    );
    let address = PhysAddr::new(1 << 48);
    let size = AddressSize::Bits48;
    assert_eq!(second(|s| s.regime.ttb = PhysAddr::new(1 << 48)), Err(SteError::TooHigh { address, size }));
    assert!(matches!(second(|s| s.regime.input_bits = 53), Err(SteError::InputSize { bits: 53, .. })));
    assert!(matches!(second(|s| s.regime.start_level = Level::THREE), Err(SteError::Walk(_))));
    assert_eq!(second(|s| s.regime.ps = AddressSize::Bits44), Err(SteError::SecureRegime));
    assert_eq!(second(|s| s.secure_walks = PaSpace::NonSecure), no("S2SA"));
    assert_eq!(
        second(|s| {
            s.secure_output = PaSpace::NonSecure;
            s.nonsecure_output = PaSpace::Secure;
        }),
        no("S2NSA")
    );
    assert_eq!(secure(stage1(|_| ()), with_second), no("S_S2TTB"));
    assert_eq!(realm(stage2(|_| ()), with_second), no("S_S2TTB"));
    // DS cannot be had with 64K pages on either side.
    let wide = Stage2Config { regime: Stage2Regime { ds: true, ..REGIME }, ..STAGE2 };
    let ds = |o: &mut SecurityOptions| {
        o.secure_stage2 = Some(SecureStage2 { regime: Stage2Regime { ds: true, ..SECOND.regime }, ..SECOND });
    };
    assert_eq!(
        encode(&large(), SteConfig::Stage2(wide), Security::Secure(SECURE), ds),
        Err(SteError::DsWith64K)
    );

    // Secure translations of stage 1 alone are tagged with VMID 0.
    assert_eq!(secure(stage1(|s| s.world = StreamWorld::El1(Vmid::new(1))), none), no("S2VMID"));
    // NSCFG where stage 1 decides, or with what this state does not know.
    let incoming = |incoming| move |o: &mut SecurityOptions| o.incoming = incoming;
    assert_eq!(secure(stage1(|_| ()), incoming(IncomingSpace::Own)), no("NSCFG"));
    assert_eq!(secure(SteConfig::Bypass, incoming(IncomingSpace::Check)), no("NSCFG"));
    let mut plain_ids = IdRegisters::EXAMPLE;
    plain_ids.idr1 = Idr1::from_bits(plain_ids.idr1.into_bits() & !(1 << 26));
    let plain_caps = Caps::probe(&plain_ids, &Default::default()).unwrap();
    let own = encode(&plain_caps, SteConfig::Bypass, Security::Secure(SECURE), incoming(IncomingSpace::Own));
    assert_eq!(own, lacks(Feature::AttrPermsOverride));
    let unchecked = Security::Realm(RealmCaps { checks_incoming: false, ..REALM });
    assert!(encode(&caps, SteConfig::Bypass, unchecked, incoming(IncomingSpace::Own)).is_ok());
    assert_eq!(encode(&caps, SteConfig::Bypass, unchecked, incoming(IncomingSpace::Check)), no("NSCFG"));
    assert_eq!(encode(&caps, stage2(|_| ()), unchecked, incoming(IncomingSpace::Own)), no("NSCFG"));
    // Contexts and partitions.
    let mecid = |mecid| move |o: &mut SecurityOptions| o.mecid = mecid;
    assert_eq!(realm(SteConfig::Bypass, mecid(0x1000)), Err(SteError::Mecid { mecid: 0x1000, bits: 12 }));
    let no_mec = Security::Realm(RealmCaps { mecid_bits: 0, ..REALM });
    assert_eq!(encode(&caps, SteConfig::Bypass, no_mec, mecid(1)), no("MECID"));
    assert_eq!(secure(SteConfig::Bypass, mecid(1)), no("MECID"));
    assert_eq!(realm(SteConfig::Abort, mecid(1)), no("MECID"));
    let no_ns = Security::Secure(SecureCaps { nonsecure_partitions: false, ..SECURE });
    assert_eq!(encode(&caps, SteConfig::Bypass, no_ns, |o| o.nonsecure_partitions = true), no("MPAM_NS"));
}
