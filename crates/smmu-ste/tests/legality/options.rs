//! Options of STEs and CDs: golden words by name, refusals where they could have no effect, there and back.

use crate::setup::*;
use smmu_ste::cd::{BasePermission, CdOptions, CdWorld, HalfOptions, PermissionIndirection, Termination};
use smmu_ste::mpam::{Mpam, MpamError, MpamLimits, Vms};
use smmu_ste::ste::{
    Allocation, AttributeOverrides, Caching, DptMatch, MemoryType, Overlay, PartitionOf, Privilege, ReadKind,
    Stage1Options, Stage2Options, SteOptions,
};

/// An SMMU with every feature that an option needs: IDR3 has HAD, PBHA, MPAM, E0PD, DPT, EPAN, S1PI, S2PI,
/// S2PO, THE, AIE beside what the example has.
fn everything() -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() & !(3 << 21)); // either endianness
    ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() | 0x00be_a08c);
    let caps = caps_of(&ids);
    for feature in [
        Feature::Pbha,
        Feature::Mpam,
        Feature::E0pd,
        Feature::Dpt,
        Feature::Epan,
        Feature::S1PermissionIndirection,
        Feature::S2PermissionIndirection,
        Feature::S2PermissionOverlay,
        Feature::TranslationHardening,
        Feature::AttributeIndexExtension,
    ] {
        assert!(caps.has(feature), "{feature}");
    }
    caps
}

const LIMITS: MpamLimits = MpamLimits { partid_max: 500, pmg_max: 3 };

fn label(partid: u16, pmg: u8) -> Option<Mpam> {
    Some(LIMITS.label(partid, pmg).unwrap())
}

fn with(config: SteConfig, options: &SteOptions) -> Result<Words, SteError> {
    config.encode_with(&everything(), options).map(|ste| ste.words())
}

/// What `options` add to the words of `config`, by name.
fn adds(config: SteConfig, options: &SteOptions, fields: &[(&str, u64)]) {
    let places = places(STE_FACTS);
    let mut expected = config.encode(&everything()).unwrap().words();
    for (name, value) in fields {
        places[name].set(&mut expected, *value);
    }
    assert_eq!(with(config, options), Ok(expected), "{options:?}");
}

const NESTED_STAGE2: Stage2Config = STAGE2;

fn nested_config() -> SteConfig {
    SteConfig::nested(guest(GUEST), NESTED_STAGE2)
}

#[test]
fn golden_options_of_stes() {
    let attributes = AttributeOverrides {
        memory_type: Some(MemoryType::Normal { outer: Caching::WriteThrough, inner: Caching::NonCacheable }),
        allocation: Some(Allocation { read: true, write: false, transient: true }),
        shareability: Some(Shareability::Inner),
        privilege: Some(Privilege::Unprivileged),
        reads: Some(ReadKind::Instruction),
    };
    let fields = [
        ("MTCFG", 1),
        ("MEMATTR", 0b1001),
        ("ALLOCCFG", 0b1101),
        ("SHCFG", 3),
        ("PRIVCFG", 2),
        ("INSTCFG", 3),
    ];
    let options = SteOptions { attributes, ..SteOptions::default() };
    for config in [SteConfig::Bypass, SteConfig::Stage2(STAGE2)] {
        adds(config, &options, &fields);
    }
    let options = SteOptions {
        merge_events: Some(true),
        destructive_reads: true,
        directed_prefetch: true,
        mpam: label(500, 3),
        stage1: Stage1Options { permission_indirection: true, partition: PartitionOf::Cd },
        ..SteOptions::default()
    };
    let fields =
        [("MEV", 1), ("DRE", 1), ("DCP", 1), ("PARTID", 500), ("PMG", 3), ("S1PIE", 1), ("S1MPAM", 1)];
    adds(SteConfig::Stage1(STAGE1), &options, &fields);
    // A guest's events are merged unless the host says otherwise.
    let options = SteOptions { merge_events: Some(false), ..SteOptions::default() };
    adds(nested_config(), &options, &[("MEV", 0)]);
    let partition = PartitionOf::CdThroughVms(PhysAddr::new(0xf_ffff_ffff_f000));
    let stage1 = Stage1Options { partition, ..Stage1Options::default() };
    let options = SteOptions { stage1, ..SteOptions::default() };
    adds(nested_config(), &options, &[("S1MPAM", 1), ("VMSPTR", 0xff_ffff_ffff)]);

    let mut overlays = [Overlay::NoAccess; 16];
    (overlays[0], overlays[15]) = (Overlay::ReadWritePux, Overlay::MostlyReadOnlyTl0);
    let stage2 = Stage2Options {
        big_endian: true,
        ignore_access_flag: true,
        permission_indirection: true,
        overlays: Some(overlays),
        assured_only: true,
        top_level_0: true,
        ..Stage2Options::default()
    };
    let options = SteOptions { stage2, ..SteOptions::default() };
    let fields = [
        ("S2ENDI", 1),
        ("S2AFFD", 1),
        ("S2PIE", 1),
        ("S2POE", 1),
        ("S2POI", 0x6000_0000_0000_000f),
        ("ASSUREDONLY", 1),
        ("TL0", 1),
    ];
    adds(SteConfig::Stage2(STAGE2), &options, &fields);
    let stage2 = Stage2Options {
        hardware_bits: [true, false, true, true],
        top_level_1: true,
        ..Stage2Options::default()
    };
    let options = SteOptions { stage2, ..SteOptions::default() };
    adds(nested_config(), &options, &[("S2HWU59", 1), ("S2HWU61", 1), ("S2HWU62", 1), ("TL1", 1)]);
    // DPT checks are an ATS setting.
    let places = places(STE_FACTS);
    let checked = SteConfig::Stage2(STAGE2).with_ats(Ats::Checked(DptMatch::Any));
    let words = with(checked, &SteOptions::default()).unwrap();
    assert_eq!((places["EATS"].get(&words), places["DPT_VMATCH"].get(&words)), (3, 2));
    let ppar = SteOptions { pasid_in_auto_response: true, ..SteOptions::default() };
    let needs_answers = altered(3, 1 << 5, 0); // PPS
    assert!(SteConfig::Bypass.encode_with(&needs_answers, &ppar).unwrap().words()[1] >> 18 & 1 == 1);
}

/// What would have no effect is refused, and says so.
#[test]
fn options_without_effect_are_refused() {
    let caps = everything();
    let ask = |config: SteConfig, change: fn(&mut SteOptions)| {
        let mut options = SteOptions::default();
        change(&mut options);
        config.encode_with(&caps, &options).map(|_| ())
    };
    let no = |field| Err(SteError::NoEffect { field });
    let (one, two) = (SteConfig::Stage1(STAGE1), SteConfig::Stage2(STAGE2));
    let privilege = |o: &mut SteOptions| o.attributes.privilege = Some(Privilege::Privileged);
    assert_eq!(ask(SteConfig::Abort, privilege), no("PRIVCFG"));
    assert_eq!(ask(SteConfig::Abort, |o| o.merge_events = Some(true)), no("MEV"));
    assert_eq!(ask(SteConfig::Abort, |o| o.mpam = label(1, 1)), no("PARTID"));
    assert_eq!(ask(one, |o| o.attributes.shareability = Some(Shareability::Inner)), no("SHCFG"));
    assert_eq!(ask(SteConfig::Bypass, |o| o.destructive_reads = true), no("DRE"));
    assert_eq!(ask(SteConfig::Bypass, |o| o.directed_prefetch = true), no("DCP"));
    assert_eq!(ask(two, |o| o.stage1.permission_indirection = true), no("S1PIE"));
    assert_eq!(ask(two, |o| o.stage1.partition = PartitionOf::Cd), no("S1MPAM"));
    assert_eq!(ask(nested_config(), |o| o.stage1.partition = PartitionOf::Cd), no("S1MPAM"));
    let vms = |o: &mut SteOptions| o.stage1.partition = PartitionOf::CdThroughVms(PhysAddr::new(0x1000));
    assert_eq!(ask(one, vms), no("VMSPTR"));
    let low = PhysAddr::new(0x1800);
    assert_eq!(
        ask(nested_config(), |o| o.stage1.partition = PartitionOf::CdThroughVms(PhysAddr::new(0x1800))),
        Err(SteError::Misaligned { address: low, align: 4096 })
    );
    assert_eq!(ask(one, |o| o.stage2.ignore_access_flag = true), no("S2AFFD"));
    assert_eq!(ask(one, |o| o.stage2.big_endian = true), no("S2ENDI"));
    assert_eq!(ask(one, |o| o.stage2.hardware_bits[0] = true), no("S2HWU"));
    assert_eq!(ask(one, |o| o.stage2.assured_only = true), no("ASSUREDONLY"));
    let updating = UpdateFlags { access_flag: true, ..UpdateFlags::default() };
    let updated = Stage2Config { regime: Stage2Regime { update: updating, ..REGIME2 }, ..STAGE2 };
    assert_eq!(ask(SteConfig::Stage2(updated), |o| o.stage2.ignore_access_flag = true), no("S2AFFD"));

    // Nor is anything there that the SMMU lacks: by feature, and by version.
    let lacks = |caps: &Caps, change: fn(&mut SteOptions)| {
        let mut options = SteOptions::default();
        change(&mut options);
        SteConfig::Stage2(STAGE2).encode_with(caps, &options).map(|_| ())
    };
    let (plain, no_types) = (altered(1, 1 << 26, 0), altered(1, 1 << 27, 0));
    let unsupported = |needs| Err(SteError::Unsupported { needs });
    assert_eq!(lacks(&plain, privilege), unsupported(Feature::AttrPermsOverride));
    assert_eq!(
        lacks(&no_types, |o| o.attributes.memory_type = Some(MemoryType::WRITE_BACK)),
        unsupported(Feature::AttrTypesOverride)
    );
    assert_eq!(lacks(&plain, |o| o.mpam = label(1, 1)), unsupported(Feature::Mpam));
    assert_eq!(lacks(&plain, |o| o.stage2.top_level_0 = true), unsupported(Feature::TranslationHardening));
    assert_eq!(lacks(&plain, |o| o.stage2.hardware_bits[1] = true), unsupported(Feature::Pbha));
    let mut first = example();
    first.minor_version = 0;
    assert_eq!(lacks(&first, |o| o.destructive_reads = true), no("DRE"));

    let ask = |change: fn(&mut CdOptions)| {
        let mut options = CdOptions::default();
        change(&mut options);
        CD.encode_with(&caps, &options).map(|_| ())
    };
    let no = |field| Err(CdError::NoEffect { field });
    assert_eq!(ask(|o| o.upper.nonsecure_walk = true), no("NSCFG"));
    assert_eq!(ask(|o| o.enhanced_pan = true), no("EPAN"));
    assert_eq!(ask(|o| o.upper.hardware_bits[3] = true), no("HWU"));
    let indirect = |o: &mut CdOptions| {
        o.permission_indirection = Some(PermissionIndirection::default());
        o.write_execute_never = true;
    };
    assert_eq!(ask(indirect), no("WXN"));
    let none = CdConfig { regime: Stage1Regime { ttb0: None, ..CD.regime }, ..CD };
    let big = CdOptions { big_endian: true, ..CdOptions::default() };
    assert_eq!(none.encode_with(&caps, &big), Err(CdError::NoEffect { field: "ENDI" }));
    let lazy = CdOptions { ignore_access_flag: true, ..CdOptions::default() };
    let updated = CdConfig { regime: Stage1Regime { update: updating, ..CD.regime }, ..CD };
    assert_eq!(updated.encode_with(&caps, &lazy), Err(CdError::NoEffect { field: "AFFD" }));
}

/// A world with a single CD for everybody is no identity.
#[test]
fn intents() {
    let caps = example();
    let table = CdTablePointer { cds_log2: 4, format: CdTableFormat::Linear, ..STAGE1.cd_table };
    let places = places(STE_FACTS);
    let encoded = |config: SteConfig| config.encode(&caps).unwrap().words();
    let identity = encoded(SteConfig::identity_with_pasids(&caps, table).unwrap());
    let blocked = encoded(SteConfig::blocked_with_pasids(&caps, table).unwrap());
    assert_eq!((places["S1DSS"].get(&identity), places["SHCFG"].get(&identity)), (1, 1));
    assert_eq!((places["S1DSS"].get(&blocked), places["SHCFG"].get(&blocked)), (0, 0));
    let single = CdTablePointer::single(PhysAddr::new(0x40));
    assert_eq!(SteConfig::identity_with_pasids(&caps, single), Err(SteError::NoSubstreams));
    assert_eq!(SteConfig::blocked_with_pasids(&caps, single), Err(SteError::NoSubstreams));
    assert_eq!((SteConfig::abort(), SteConfig::bypass()), (SteConfig::Abort, SteConfig::Bypass));
    let ats = SteConfig::stage1(&caps, table).with_ats(Ats::Full);
    assert_eq!(places["EATS"].get(&encoded(ats)), 1);
    assert_eq!(places["STRW"].get(&encoded(ats)), 0);
    let hints = smmu_regs::caps::Hints { host_uses_e2h: true, ..Default::default() };
    let host = Caps::probe_strict(&IdRegisters::EXAMPLE, &hints).unwrap();
    assert_eq!(places["STRW"].get(&SteConfig::stage1(&host, table).encode(&host).unwrap().words()), 2);
    // Where everything stalls, so does an intent.
    let forced = altered(0, 0, 2 << 24);
    assert!(SteConfig::stage2(&forced, REGIME2, Vmid::new(5)).encode(&forced).is_ok());
    assert!(SteConfig::stage2(&caps, REGIME2, Vmid::new(5)).encode(&caps).is_ok());
}

#[test]
fn golden_options_of_cds() {
    let caps = everything();
    let places = places(CD_FACTS);
    let adds = |options: &CdOptions, fields: &[(&str, u64)]| {
        let mut expected = CD.encode(&caps).unwrap().words();
        for (name, value) in fields {
            places[name].set(&mut expected, *value);
        }
        assert_eq!(CD.encode_with(&caps, options).unwrap().words(), expected, "{options:?}");
    };
    let half = HalfOptions {
        top_byte_ignored: true,
        hierarchy_disabled: true,
        unprivileged_faults: true,
        nonsecure_walk: false,
        hardware_bits: [false, true, false, true],
    };
    adds(
        &CdOptions { lower: half, ..CdOptions::default() },
        &[("TBI0", 1), ("HAD0", 1), ("E0PD0", 1), ("HWU060", 1), ("HWU062", 1)],
    );
    adds(
        &CdOptions { upper: half, ..CdOptions::default() },
        &[("TBI1", 1), ("HAD1", 1), ("E0PD1", 1), ("HWU160", 1), ("HWU162", 1)],
    );
    let outside = HalfOptions { nonsecure_walk: true, ..HalfOptions::default() };
    adds(&CdOptions { secure: true, lower: outside, ..CdOptions::default() }, &[("NSCFG0", 1)]);
    adds(&CdOptions { secure: true, upper: outside, ..CdOptions::default() }, &[("NSCFG1", 1)]);
    let options = CdOptions {
        big_endian: true,
        ignore_access_flag: true,
        write_execute_never: true,
        privileged_access_never: true,
        enhanced_pan: true,
        termination: Termination::ZeroAndIgnore,
        amair: 0x8765_4321_0fed_cba9,
        attribute_index_extension: true,
        protected_attribute: true,
        mpam: label(7, 2),
        ..CdOptions::default()
    };
    let fields = [
        ("ENDI", 1),
        ("AFFD", 1),
        ("WXN", 1),
        ("PAN", 1),
        ("EPAN", 1),
        ("A", 0),
        ("AMAIR0", 0x0fed_cba9),
        ("AMAIR1", 0x8765_4321),
        ("AIE", 1),
        ("PNCH", 1),
        ("PARTID", 7),
        ("PMG", 2),
    ];
    adds(&options, &fields);
    let mut all = PermissionIndirection::default();
    (all.unprivileged[0], all.unprivileged[15]) = (BasePermission::Read, BasePermission::ReadWrite);
    all.privileged[1] = BasePermission::ReadWriteExecute;
    let options = CdOptions { permission_indirection: Some(all), ..CdOptions::default() };
    adds(&options, &[("PIE", 1), ("PIIU", 1 | 5 << 45), ("PIIP", 7 << 3)]);
}

#[test]
fn labels_and_maps_of_partitions() {
    let error = |partid| Err(MpamError::PartId { partid, max: 500 });
    assert_eq!(LIMITS.label(501, 0), error(501));
    assert_eq!(LIMITS.label(500, 4), Err(MpamError::Pmg { pmg: 4, max: 3 }));
    assert_eq!(LIMITS.virtual_label(32, 0), Err(MpamError::Virtual { partid: 32 }));
    let map: [u16; 32] = std::array::from_fn(|n| 16 * n as u16);
    let vms = Vms::encode(&map, LIMITS).unwrap();
    // Sixteen bits each, from the bottom (5.6).
    assert_eq!(vms.words()[0], 0x0030_0020_0010_0000);
    assert_eq!(vms.words()[7], 0x01f0_01e0_01d0_01c0);
    assert_eq!(vms.physical(), map);
    let mut high = map;
    high[9] = 501;
    assert_eq!(Vms::encode(&high, LIMITS), Err(MpamError::PartId { partid: 501, max: 500 }));
}

fn optional<T: Copy + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = Option<T>> {
    (0..=values.len()).prop_map(|index| values.get(index).copied())
}

prop_compose! {
    fn attributes()(
        memory in 0_u8..20,
        allocation in 0_u8..16,
        shareability in optional(&[Shareability::Non, Shareability::Outer, Shareability::Inner]),
        privilege in optional(&[Privilege::Unprivileged, Privilege::Privileged]),
        reads in optional(&[ReadKind::Data, ReadKind::Instruction]),
    ) -> AttributeOverrides {
        let allocation = (allocation < 8).then_some(Allocation {
            read: allocation & 4 != 0,
            write: allocation & 2 != 0,
            transient: allocation & 1 != 0,
        });
        AttributeOverrides { memory_type: MemoryType::from_code(memory), allocation, shareability, privilege, reads }
    }
}

prop_compose! {
    fn options()(
        attributes in attributes(),
        flags: u16,
        label in (1_u16..=500, 0_u8..=3),
        overlays in prop::array::uniform16(0_usize..14),
        hardware: [bool; 4],
    ) -> SteOptions {
        let flag = |bit: u32| flags >> bit & 1 != 0;
        let overlay = flag(0).then(|| overlays.map(|index| Overlay::ALL[index]));
        SteOptions {
            attributes,
            merge_events: flag(1).then_some(true),
            destructive_reads: flag(2),
            directed_prefetch: flag(3),
            pasid_in_auto_response: false,
            mpam: flag(4).then(|| LIMITS.label(label.0, label.1).unwrap()),
            stage1: Stage1Options {
                permission_indirection: flag(5),
                partition: if flag(6) { PartitionOf::Cd } else { PartitionOf::Ste },
            },
            stage2: Stage2Options {
                big_endian: flag(7),
                ignore_access_flag: flag(8),
                hardware_bits: if overlay.is_some() || flag(9) { [false; 4] } else { hardware },
                permission_indirection: flag(10) || overlay.is_some(),
                overlays: overlay,
                assured_only: flag(11),
                top_level_0: flag(12),
                top_level_1: flag(13),
            },
        }
    }
}

proptest! {
    /// Encoded, they come back, and touch nothing else; and no bit is set that is not used.
    #[test]
    fn options_of_stes_come_back(options in options(), stage in 0_usize..4) {
        let caps = everything();
        let config = [SteConfig::Bypass, SteConfig::Stage1(STAGE1), SteConfig::Stage2(STAGE2), nested_config()][stage];
        let mut options = options;
        if stage != 1 && stage != 3 {
            options.stage1 = Stage1Options::default();
        }
        if stage == 3 && options.stage1.partition == PartitionOf::Cd {
            options.stage1.partition = PartitionOf::CdThroughVms(PhysAddr::new(0x7000));
        }
        if stage < 2 {
            options.stage2 = Stage2Options::default();
        }
        if stage == 0 {
            (options.destructive_reads, options.directed_prefetch) = (false, false);
        }
        if stage & 1 != 0 {
            options.attributes.shareability = None;
        }
        if stage == 3 {
            options.merge_events = Some(true);
        }
        let ste = config.encode_with(&caps, &options).unwrap();
        prop_assert_eq!(ste.options(&caps), Ok(options));
        prop_assert_eq!(ste.decode(), config.encode(&caps).unwrap().decode());
        let mut used = ste.used_bits(&caps);
        // Written, and without effect: SHCFG of nested STEs without S1DSS, S2PTW without stage 1.
        used[1] |= 3 << 44;
        used[2] |= 1 << 54;
        for (word, used) in ste.words().iter().zip(used) {
            prop_assert_eq!(word & !used, 0, "{}", ste);
        }
    }

    #[test]
    fn options_of_cds_come_back(
        flags: u32,
        hardware: [[bool; 4]; 2],
        amair: u64,
        label in (1_u16..=500, 0_u8..=3),
        permissions in prop::array::uniform16((0_usize..6, 0_usize..6)),
    ) {
        let caps = everything();
        let flag = |bit: u32| flags >> bit & 1 != 0;
        let half = |at: u32, hardware| HalfOptions {
            top_byte_ignored: flag(at),
            hierarchy_disabled: flag(at + 1),
            unprivileged_faults: flag(at + 2),
            nonsecure_walk: flag(16) && flag(17 + at),
            hardware_bits: if flag(at + 1) { hardware } else { [false; 4] },
        };
        let table = PermissionIndirection {
            unprivileged: permissions.map(|(user, _)| BasePermission::ALL[user]),
            privileged: permissions.map(|(_, kernel)| BasePermission::ALL[kernel]),
        };
        let indirect = flag(6).then_some(table);
        let options = CdOptions {
            world: CdWorld::TwoHalves,
            secure: flag(16),
            lower: half(0, hardware[0]),
            upper: half(3, hardware[1]),
            big_endian: flag(7),
            ignore_access_flag: flag(8),
            write_execute_never: flag(9) && indirect.is_none(),
            privileged_access_never: flag(10),
            enhanced_pan: flag(10) && flag(11) && indirect.is_none(),
            termination: if flag(12) { Termination::ZeroAndIgnore } else { Termination::Abort },
            amair,
            attribute_index_extension: flag(13),
            protected_attribute: flag(14),
            permission_indirection: indirect,
            mpam: flag(15).then(|| LIMITS.label(label.0, label.1).unwrap()),
        };
        let bad = permissions.iter().any(|(user, kernel)| {
            let (user, kernel) = (BasePermission::ALL[*user] as u8, BasePermission::ALL[*kernel] as u8);
            user & 4 != 0 && kernel & 2 != 0
        });
        match CD.encode_with(&caps, &options) {
            Ok(cd) => {
                prop_assert!(!bad || indirect.is_none());
                prop_assert_eq!(cd.options(CdWorld::TwoHalves, flag(16)), Ok(options));
                prop_assert_eq!(cd.decode(), CD.encode(&caps).unwrap().decode());
                let used = cd.used_bits_secure(&caps, CdWorld::TwoHalves);
                let used = if flag(16) { used } else { cd.used_bits(&caps) };
                for (word, used) in cd.words().iter().zip(used) {
                    prop_assert_eq!(word & !used, 0, "{}", cd);
                }
            }
            Err(error) => prop_assert!(bad && matches!(error, CdError::WritableExecutable { .. }), "{}", error),
        }
    }
}
