//! Capabilities in files: names, not bits, and there and back.

use crate::law::{any_words, everything, ids};
use proptest::prelude::*;
use serde_json::{Value, json};
use smmu_regs::caps::{
    ERRATA, Features, FirmwareModel, Hints, IdRegisters, Narrow, Quirk, Quirks, Requirements,
};
use smmu_regs::vmsa::HardwareUpdate;
use smmu_regs::{Caps, Feature};

#[test]
fn sets_are_lists_of_names() {
    let mut registers = ids(everything());
    registers.iidr = smmu_regs::registers::Iidr::from_bits(0x4870_043b);
    let caps = Caps::probe(&registers, &Hints::default()).unwrap();
    let stored = serde_json::to_value(caps).unwrap();
    assert_eq!(stored["features"][0], json!("Stage1"));
    assert_eq!(stored["features"].as_array().unwrap().len(), caps.features.iter().count());
    assert_eq!(stored["quirks"], json!(["ForceSync"]));
    assert_eq!(stored["errata"], json!(["2133013, 3777127", "2812531", "2268618"]));
    assert_eq!(stored["oas"], json!("Bits56"));
}

#[test]
fn names_that_are_none_are_refused() {
    let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    let stored = serde_json::to_value(caps).unwrap();
    for (key, value) in [
        ("features", json!(["Stage9"])),
        ("features", json!(12)),
        ("errata", json!(["0"])),
        ("quirks", json!([7])),
        ("oddities", json!(["Fine"])),
        ("asid_bits", json!(256)),
    ] {
        let mut wrong = stored.clone();
        wrong[key] = value.clone();
        assert!(serde_json::from_value::<Caps>(wrong).is_err(), "{key} {value}");
    }
    assert!(serde_json::from_value::<IdRegisters>(json!({ "idr7": 1 })).is_err());
    // A slip in a file must not show a guest what was to be hidden.
    assert!(serde_json::from_value::<Narrow>(json!({ "hidden": ["Ats"] })).is_err());
    assert!(serde_json::from_value::<Requirements>(json!({ "feature": ["Ats"] })).is_err());
    assert!(serde_json::from_value::<Hints>(json!({ "coherence": false })).is_err());
    assert_eq!(
        serde_json::from_value::<Narrow>(json!({ "hide": ["Ats"], "stalls": false })).unwrap(),
        Narrow { hide: Features::of(&[Feature::Ats]), stalls: false, ..Narrow::NOTHING }
    );
    let mut more = stored;
    more["ats"] = json!(true);
    assert!(serde_json::from_value::<Caps>(more).is_err());
}

#[test]
fn all_types_go_there_and_back() {
    let hints = Hints {
        coherent: Some(true),
        httu: Some(HardwareUpdate::Dirty),
        model: FirmwareModel::Tegra264,
        quirks: Quirks::ALL,
        host_uses_e2h: true,
        atomic_128: true,
    };
    let back: Hints = serde_json::from_value(serde_json::to_value(hints).unwrap()).unwrap();
    assert_eq!(back, hints);
    assert_eq!(serde_json::from_value::<Hints>(json!({})).unwrap(), Hints::default());
    let narrow = Narrow::NESTED_GUEST;
    let back: Narrow = serde_json::from_value(serde_json::to_value(narrow).unwrap()).unwrap();
    assert_eq!(back, narrow);
    let need = Requirements::all_of(&Caps::probe(&ids(everything()), &hints).unwrap());
    let back: Requirements = serde_json::from_value(serde_json::to_value(need).unwrap()).unwrap();
    assert_eq!(back, need);
    for feature in Feature::ALL {
        let back: Feature = serde_json::from_value(serde_json::to_value(feature).unwrap()).unwrap();
        assert_eq!(back, *feature);
    }
    for quirk in Quirk::ALL {
        let back: Quirk = serde_json::from_value(serde_json::to_value(quirk).unwrap()).unwrap();
        assert_eq!(back, *quirk);
    }
    let table = serde_json::to_value(ERRATA).unwrap();
    assert_eq!(table[0]["matches"]["Iidr"]["revisions"], json!([{ "variant": [0, 0], "revision": [0, 2] }]));
    let no_smmu = Caps::probe(&IdRegisters::default(), &hints).unwrap_err();
    assert_eq!(serde_json::to_value(no_smmu).unwrap(), json!({ "NoStage": { "idr0": 0 } }));
}

proptest! {
    /// Registers and capabilities come back as they were stored, oddities and errata too.
    #[test]
    fn capabilities_come_back(words in any_words(), model in 0_u8..4) {
        let registers = ids(words);
        let stored: Value = serde_json::to_value(registers).unwrap();
        prop_assert_eq!(serde_json::from_value::<IdRegisters>(stored).unwrap(), registers);
        let model = [
            FirmwareModel::Generic,
            FirmwareModel::HisiliconHi161x,
            FirmwareModel::CaviumCn99xx,
            FirmwareModel::Tegra264,
        ][usize::from(model)];
        if let Ok(caps) = Caps::probe(&registers, &Hints { model, ..Hints::default() }) {
            let text = serde_json::to_string(&caps).unwrap();
            prop_assert_eq!(serde_json::from_str::<Caps>(&text).unwrap(), caps);
        }
    }
}
