//! ID registers for guests: they say what they shall, and nothing that the architecture forbids.

use crate::law::{any_words, everything, forbidden, ids, set, words, wrong_version};
use crate::sets::{any_narrow, within};
use proptest::prelude::*;
use smmu_regs::caps::{Features, GuestError, Hints, IdRegisters, Narrow, Quantity, Quirks};
#[cfg(feature = "hypervisor")]
use smmu_regs::caps::{NarrowError, StallModel};
use smmu_regs::registers::{Idr4, Iidr};
use smmu_regs::vmsa::GranuleSet;
use smmu_regs::{AddressSize, Caps, Feature, Quirk};

fn probe(ids: &IdRegisters) -> Caps {
    Caps::probe_strict(ids, &Hints::default()).unwrap()
}

/// An SMMU that could be says itself again, bit for bit.
#[test]
fn registers_come_back_as_they_were() {
    let mut qemu = [0; 9];
    for (index, word) in [(0, 0x0d44_101b), (1, 0x0273_0010), (3, 0x1414), (5, 0x74), (8, 1)] {
        qemu[index] = word;
    }
    for ids in [ids(everything()), IdRegisters::EXAMPLE, ids(qemu)] {
        // What one cannot say of a queue that is not there, nor of an interface without stalls, is 0.
        assert_eq!(probe(&ids).to_guest_id_registers(), Ok(ids));
    }
}

#[test]
fn a_nested_guest_sees_stage_1_and_no_way_past_the_host() {
    let host = probe(&ids(everything()));
    let shown = host.narrow(&Narrow::NESTED_GUEST).unwrap();
    let guest = probe(&shown.to_guest_id_registers().unwrap());
    assert!(guest.has(Feature::Stage1) && guest.has(Feature::Ats) && guest.has(Feature::RangeInvalidation));
    let never = [
        Feature::Stage2,
        Feature::Nested,
        Feature::Hyp,
        Feature::BroadcastTlbi,
        Feature::Sev,
        Feature::Atos,
        Feature::Vatos,
        Feature::Pri,
        Feature::Ecmdq,
        Feature::Mpam,
        Feature::Dpt,
        Feature::Rme,
        Feature::SplitStageAts,
        // Fields of an STE that are not a guest's (the facts about Linux, section 11).
        Feature::AttrTypesOverride,
        Feature::AttrPermsOverride,
        Feature::S1PermissionIndirection,
        Feature::D128,
    ];
    assert!(guest.features.intersect(Features::of(&never)).is_empty(), "{}", guest.features);
    assert_eq!(guest.minor_version, 4);
    assert_eq!(guest.version_gaps().next(), None);
}

#[test]
fn the_version_goes_down_with_what_it_promises() {
    let host = probe(&ids(everything()));
    let without = |feature| {
        let narrow = Narrow { hide: Features::of(&[feature]), ..Narrow::NOTHING };
        host.narrow(&narrow).unwrap().guest_view().unwrap()
    };
    for (feature, version) in [
        (Feature::Epan, 3),
        (Feature::E0pd, 2),
        (Feature::RangeInvalidation, 1),
        (Feature::Hyp, 1),
        (Feature::Had, 0),
        (Feature::Mpam, 4),
    ] {
        assert_eq!(without(feature).minor_version, version, "{feature}");
    }
    let old = without(Feature::RangeInvalidation);
    assert!(
        !old.has(Feature::E0pd)
            && !old.has(Feature::Ecmdq)
            && !old.has(Feature::Ds)
            && old.has(Feature::S2Fwb)
    );
    assert_eq!((old.stage1_input_bits, old.oas), (52, AddressSize::Bits52));
    // A feature of SMMUv3.1 in an SMMUv3.0, where its field is RES0.
    assert!(!without(Feature::Had).has(Feature::Xnx));
}

#[test]
fn what_the_host_observes_is_not_the_guests() {
    let mut ids = ids(everything());
    ids.iidr = Iidr::from_bits(0x4870_043b);
    ids.idr4 = Idr4::from_bits(0x1234);
    let quirks = Quirks::of(&[Quirk::RepeatCfgiTlbi]);
    let hints = Hints { quirks, host_uses_e2h: true, atomic_128: true, ..Hints::default() };
    let host = Caps::probe_strict(&ids, &hints).unwrap();
    assert!(!host.has(Feature::Nested) && host.has(Feature::Stage2) && host.must(Quirk::ForceSync));
    let registers = host.to_guest_id_registers().unwrap();
    assert_eq!((registers.iidr.into_bits(), registers.idr4.into_bits()), (0, 0));
    let guest = probe(&registers);
    assert!(guest.quirks.is_empty() && guest.errata().next().is_none());
    // No register can say "both stages, but not together", nor who may rely on broadcasts and who must keep out.
    assert!(guest.has(Feature::Stage1) && !guest.has(Feature::Stage2));
    assert!(!guest.has(Feature::BroadcastTlbi) && !guest.has(Feature::PrivateTlbMaintenance));
    assert!(!guest.has(Feature::E2hHost) && !guest.has(Feature::Atomic128));
}

#[test]
fn what_is_no_smmu_is_refused() {
    let host = probe(&ids(everything()));
    let hide = |features: &[Feature]| Narrow { hide: Features::of(features), ..Narrow::NOTHING };
    let view = |narrow: &Narrow| host.narrow(narrow).unwrap().to_guest_id_registers();
    assert_eq!(view(&hide(&[Feature::Stage1, Feature::Stage2])), Err(GuestError::NoStage));
    assert_eq!(view(&hide(&[Feature::Aarch64Tables])), Err(GuestError::NoAarch64Tables));
    let narrow = Narrow { granules: GranuleSet::EMPTY, ..Narrow::NOTHING };
    assert_eq!(view(&narrow), Err(GuestError::NoGranule));
    let mut few = host;
    few.asid_bits = 4;
    let error = GuestError::TooFew { what: Quantity::AsidBits, value: 4 };
    assert_eq!(few.to_guest_id_registers(), Err(error));
    // A page that no IDR2 can point at is not shown.
    let mut far = host;
    far.vatos_offset = Some(0x2_8000);
    assert!(!far.guest_view().unwrap().has(Feature::Vatos));
}

#[test]
fn linear_stream_tables_are_small() {
    let host = probe(&ids(everything()));
    let narrow = Narrow { hide: Features::of(&[Feature::TwoLevelStreamTable]), ..Narrow::NOTHING };
    let shown = host.narrow(&narrow).unwrap();
    assert_eq!((shown.stream_id_bits, shown.guest_view().unwrap().stream_id_bits), (32, 6));
    let mut small = everything();
    set(&mut small, "IDR1.SIDSIZE", 6);
    set(&mut small, "IDR0.ST_LEVEL", 0);
    let small = probe(&ids(small));
    assert_eq!(small.guest_view(), Ok(small));
}

/// ID registers of SMMUs that exist: QEMU's two-stage one as it was read; Arm's products by their IIDRs, with the features that
/// the reference vectors (`idr_probe`) give them.
#[cfg(feature = "hypervisor")]
const REAL: [(&str, [u32; 6]); 7] = [
    ("QEMU", [0x0d44_101b, 0x0273_0010, 0x1414, 0x74, 0, 1]),
    ("MMU-600 r0p2", [0x0c4d_76bb, 0x0273_9d1e, 0, 0x75, 0x4830_243b, 2]),
    ("MMU-600 r2p0", [0x0c4d_76bb, 0x0273_9d1a, 0, 0x75, 0x4832_043b, 2]),
    ("MMU-700 r0p0", [0x0c4d_76bf, 0x0a73_9d19, 0x1500, 0x75, 0x4870_043b, 2]),
    ("MMU-700 r1p1", [0x0c4d_76bb, 0x0a73_9d1e, 0x1500, 0x75, 0x4871_143b, 2]),
    ("MMU-L1 r0p0", [0x0c4d_76bb, 0x0a73_9d1c, 0x1500, 0x75, 0x48a0_043b, 2]),
    ("MMU-S3 r1p1", [0x0c4d_76bb, 0x0a73_9d1a, 0x1500, 0x75, 0x4981_143b, 2]),
];

/// The trap filter emulates all that a host under EL2 is shown, and the host's driver can work with it.
#[cfg(feature = "hypervisor")]
fn is_filtered(real: &IdRegisters, narrow: &Narrow) -> Caps {
    use smmu_regs::platform::RegisterOffset;
    use smmu_regs::trap::{Access, HostView, Verdict};
    let host = Caps::probe(real, &Hints::default()).unwrap();
    let shown = host.narrow(narrow).unwrap().to_guest_id_registers().unwrap();
    let view = HostView::new(&shown).unwrap();
    // What the host reads through the filter is what was made for it. IDR2, IDR4 and IDR6 have nothing to say.
    let read = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x190, 0x18, 0x1c].map(|offset| {
        match view.judge(&Access::read32(RegisterOffset::page0(offset))) {
            Verdict::Emulate(made) => u32::try_from(made.value).unwrap(),
            Verdict::Refuse(_) if offset == 0x190 => 0,
            other => panic!("{offset:#x}: {other:?}"),
        }
    });
    assert_eq!(read, words(&shown));
    let guest = probe(&ids(read));
    assert!(guest.has(Feature::Stage1) && within(&guest, &host));
    guest
}

#[cfg(feature = "hypervisor")]
#[test]
fn a_host_under_el2_is_shown_what_the_filter_emulates() {
    let real = REAL
        .map(|(_, [idr0, idr1, idr3, idr5, iidr, aidr])| ids([idr0, idr1, 0, idr3, 0, idr5, 0, iidr, aidr]));
    for real in real.into_iter().chain([IdRegisters::EXAMPLE, ids(everything())]) {
        let guest = is_filtered(&real, &Narrow::HOST_UNDER_EL2);
        let never = [
            Feature::Stage2,
            Feature::Ats,
            Feature::Pri,
            Feature::Hyp,
            Feature::D128,
            Feature::AttrTypesOverride,
            Feature::AttrPermsOverride,
        ];
        assert!(guest.features.intersect(Features::of(&never)).is_empty(), "{}", guest.features);
        assert_eq!(guest.stall_model, StallModel::TerminateOnly);
    }
    // Nothing is lost that need not be.
    let guest = is_filtered(&ids(everything()), &Narrow::HOST_UNDER_EL2);
    let kept =
        [Feature::Msi, Feature::RangeInvalidation, Feature::TwoLevelCdTable, Feature::Ds, Feature::Epan];
    assert!(guest.features.covers(Features::of(&kept)), "{}", guest.features);
    assert_eq!((guest.minor_version, guest.substream_id_bits), (4, 20));
}

#[cfg(feature = "hypervisor")]
#[test]
fn a_host_under_el2_can_be_shown_what_the_hypervisor_forwards() {
    let hide = Narrow::HOST_UNDER_EL2.hide;
    let hide = hide.without(Features::of(&[Feature::Ats, Feature::Stage2]));
    let narrow = Narrow { hide, stalls: true, ..Narrow::HOST_UNDER_EL2 };
    let guest = is_filtered(&ids(everything()), &narrow);
    let shown = [Feature::Nested, Feature::Ats, Feature::Pri];
    assert!(guest.features.covers(Features::of(&shown)), "{}", guest.features);
    assert_eq!(guest.stall_model, StallModel::Supported);
    // Both stages without HYP are of no later version (6.3.1).
    assert_eq!(guest.minor_version, 1);
    let mut forced = everything();
    set(&mut forced, "IDR0.STALL_MODEL", 2);
    assert_eq!(is_filtered(&ids(forced), &narrow).stall_model, StallModel::Forced);
    assert_eq!(probe(&ids(forced)).narrow(&Narrow::HOST_UNDER_EL2), Err(NarrowError::StallsForced));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever the SMMU is: what is left of it for a host under EL2, if anything is, the filter emulates.
    #[cfg(feature = "hypervisor")]
    #[test]
    fn the_filter_refuses_no_host_under_el2(real in any_words(), stalls: bool) {
        let Ok(caps) = Caps::probe(&ids(real), &Hints::default()) else { return Ok(()) };
        let narrow = Narrow { stalls, ..Narrow::HOST_UNDER_EL2 };
        if let Some(Ok(shown)) = caps.narrow(&narrow).ok().map(|caps| caps.to_guest_id_registers()) {
            prop_assert!(smmu_regs::trap::HostView::new(&shown).is_ok(), "{shown:?}");
        }
    }

    /// Whatever the host is and whatever it hides: the guest reads exactly the view, which is within the host's
    /// capabilities, and nothing that it reads is forbidden.
    #[test]
    fn a_guest_reads_what_it_is_told(host in any_words(), narrow in any_narrow()) {
        let Ok(host) = Caps::probe(&ids(host), &Hints::default()) else { return Ok(()) };
        for shown in [Ok(host), host.narrow(&narrow)].into_iter().flatten() {
            let Ok(registers) = shown.to_guest_id_registers() else {
                prop_assert!(shown.guest_view().is_err());
                continue;
            };
            let read = words(&registers);
            prop_assert_eq!(forbidden(&read), Vec::<&str>::new());
            prop_assert_eq!(wrong_version(&read), Vec::<&str>::new());
            let view = shown.guest_view().unwrap();
            prop_assert_eq!(Caps::probe_strict(&registers, &Hints::default()), Ok(view));
            prop_assert!(within(&view, &host) && within(&view, &shown));
            prop_assert_eq!(view.guest_view(), Ok(view));
            prop_assert_eq!(view.to_guest_id_registers(), Ok(registers));
        }
    }

    /// An SMMU that breaks no rule and has no erratum is its own view, up to the newest version that is known.
    #[test]
    fn a_lawful_smmu_is_its_own_view(words in any_words()) {
        let mut words = words;
        words[7] = 0;
        let lawful = forbidden(&words).is_empty() && wrong_version(&words).is_empty();
        if let (true, Ok(caps)) = (lawful && words[8] <= 4, Caps::probe(&ids(words), &Hints::default())) {
            prop_assert_eq!(caps.guest_view(), Ok(caps));
        }
    }
}
