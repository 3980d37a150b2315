//! Every erratum against every revision of its part, and of what looks almost like it. What is expected is typed here, from
//! the public facts, not from the table.

use smmu_regs::caps::{ERRATA, FirmwareModel, Hints, IdRegisters, Match};
use smmu_regs::registers::{Idr0, Iidr};
use smmu_regs::{Caps, Feature, Quirk};
use std::collections::BTreeSet;

/// The example with broadcast TLB maintenance.
fn smmu(iidr: u32) -> IdRegisters {
    let base = IdRegisters::EXAMPLE;
    IdRegisters { idr0: base.idr0.with(Idr0::BTM, true), iidr: Iidr::from_bits(iidr), ..base }
}

/// What is expected of one Arm part: the errata, the features that they take, the quirks that they ask for.
fn expected(product: u32, variant: u32, revision: u32) -> (Vec<&'static str>, Vec<Feature>, Vec<Quirk>) {
    match product {
        // MMU-600: r0p0 to r0p2 must not use wake-up events; before r2p0 no nesting.
        0x483 => match (variant, revision) {
            (0, 0..=2) => (vec!["1076982", "1209401"], vec![Feature::Sev, Feature::Nested], vec![]),
            (0 | 1, _) => (vec!["1209401"], vec![Feature::Nested], vec![]),
            _ => (vec![], vec![], vec![]),
        },
        // MMU-700: never broadcast; r0pX and rXp0 no nesting and forced CMD_SYNCs.
        0x487 if variant == 0 || revision == 0 => (
            vec!["2133013, 3777127", "2812531", "2268618"],
            vec![Feature::BroadcastTlbi, Feature::Nested],
            vec![Quirk::ForceSync],
        ),
        0x487 => (vec!["2133013, 3777127"], vec![Feature::BroadcastTlbi], vec![]),
        0x48a => (vec!["3878312"], vec![Feature::BroadcastTlbi], vec![]),
        0x498 => (vec!["3995052"], vec![Feature::BroadcastTlbi], vec![]),
        _ => (vec![], vec![], vec![]),
    }
}

#[test]
fn errata_match_exactly_their_revisions() {
    let sound = Caps::probe_strict(&smmu(0), &Hints::default()).unwrap();
    let products: BTreeSet<u32> = [0x483_u32, 0x487, 0x48a, 0x498]
        .into_iter()
        .flat_map(|p| [p - 1, p, p + 1, p ^ 0x800])
        .chain([0, 0xfff])
        .collect();
    for product in products {
        for (variant, revision) in
            (0..16).flat_map(|variant| (0..16).map(move |revision| (variant, revision)))
        {
            // Arm, its neighbours, and others that share its identity or its continuation code.
            for implementer in [0x43b, 0x43a, 0x43c, 0x03b, 0x53b, 0x4bb, 0x000, 0xfff] {
                let iidr = product << 20 | variant << 16 | revision << 12 | implementer;
                let caps = Caps::probe_strict(&smmu(iidr), &Hints::default()).unwrap();
                let (ids, gone, quirks) = if implementer == 0x43b {
                    expected(product, variant, revision)
                } else {
                    (vec![], vec![], vec![])
                };
                let found: Vec<_> = caps.errata().map(|erratum| erratum.id).collect();
                assert_eq!(found, ids, "{iidr:#x}");
                assert_eq!(caps.quirks.iter().collect::<Vec<_>>(), quirks, "{iidr:#x}");
                for feature in Feature::ALL {
                    // Split-stage ATS is nothing without nested translation.
                    let with_it = gone.contains(&Feature::Nested) && *feature == Feature::SplitStageAts;
                    let wanted = sound.has(*feature) && !gone.contains(feature) && !with_it;
                    assert_eq!(caps.has(*feature), wanted, "{feature} of {iidr:#x}");
                }
                // Whoever must not rely on broadcast maintenance must still be told to keep out of it.
                assert!(caps.has(Feature::PrivateTlbMaintenance), "{iidr:#x}");
            }
        }
    }
}

#[test]
fn firmware_models_bring_their_errata_and_no_others() {
    let cases: [(FirmwareModel, &[&str], &[Quirk]); 4] = [
        (FirmwareModel::Generic, &[], &[]),
        (
            FirmwareModel::HisiliconHi161x,
            &["HI161x-prefetch", "161010701, 161010803"],
            &[Quirk::SkipPrefetch, Quirk::UntranslatedMsi],
        ),
        (FirmwareModel::CaviumCn99xx, &["74", "126"], &[Quirk::Page0Only, Quirk::CombinedInterrupt]),
        (FirmwareModel::Tegra264, &["T264-SMMU-3"], &[Quirk::RepeatCfgiTlbi]),
    ];
    for (model, ids, quirks) in cases {
        // A part's own errata come on top.
        for (iidr, own) in [(0, None), (0x4981_043b, Some("3995052"))] {
            let caps = Caps::probe(&smmu(iidr), &Hints { model, ..Hints::default() }).unwrap();
            let found: BTreeSet<_> = caps.errata().map(|erratum| erratum.id).collect();
            assert_eq!(found, ids.iter().copied().chain(own).collect(), "{model:?}");
            assert!(caps.quirks.iter().eq(quirks.iter().copied()), "{model:?}: {}", caps.quirks);
        }
    }
}

#[test]
fn the_table_can_be_read() {
    let numbers: BTreeSet<_> = ERRATA.iter().map(|erratum| erratum.id).collect();
    assert_eq!(numbers.len(), ERRATA.len(), "two errata have one number");
    assert_eq!(ERRATA.len(), 12);
    for erratum in ERRATA {
        let said = erratum.to_string();
        assert!(
            said.contains(erratum.id) && said.contains(erratum.part) && said.contains(erratum.text),
            "{said}"
        );
        assert!(erratum.source.starts_with("Linux 7.3"), "{said}");
        assert!(!erratum.clears.is_empty() || !erratum.asks.is_empty(), "{} does nothing", erratum.id);
        for feature in erratum.clears.iter() {
            assert!(said.contains(feature.name()), "{said}");
        }
        if let Match::Iidr { implementer, revisions, .. } = erratum.matches {
            assert!(implementer == 0x43b && !revisions.is_empty(), "{said}");
        }
    }
    // Each quirk has an erratum that asks for it.
    for quirk in Quirk::ALL {
        assert!(ERRATA.iter().any(|erratum| erratum.asks.contains(*quirk)), "{quirk}");
    }
}
