//! What the architecture forbids, stated on register words: typed from IHI 0070 6.3.1 to 6.3.6, 6.3.45 and 2.3 to 2.9, not
//! from the code. Positions come from the facts.

use crate::common::Facts;
use proptest::prelude::*;
use smmu_regs::caps::IdRegisters;
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr2, Idr3, Idr4, Idr5, Idr6, Iidr};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Place of each field of each ID register, by name.
pub(crate) static FIELDS: LazyLock<HashMap<String, (u32, u32)>> = LazyLock::new(|| {
    let mut places = HashMap::new();
    for (register, fact) in Facts::read().0 {
        places.extend(
            fact.fields.iter().map(|field| (format!("{register}.{}", field.name), (field.lsb, field.msb))),
        );
    }
    places
});

/// IDR0 to IDR6, IIDR, AIDR.
pub(crate) type Words = [u32; 9];

pub(crate) fn ids(words: Words) -> IdRegisters {
    let [idr0, idr1, idr2, idr3, idr4, idr5, idr6, iidr, aidr] = words;
    IdRegisters {
        idr0: Idr0::from_bits(idr0),
        idr1: Idr1::from_bits(idr1),
        idr2: Idr2::from_bits(idr2),
        idr3: Idr3::from_bits(idr3),
        idr4: Idr4::from_bits(idr4),
        idr5: Idr5::from_bits(idr5),
        idr6: Idr6::from_bits(idr6),
        iidr: Iidr::from_bits(iidr),
        aidr: Aidr::from_bits(aidr),
    }
}

pub(crate) fn words(ids: &IdRegisters) -> Words {
    [
        ids.idr0.into_bits(),
        ids.idr1.into_bits(),
        ids.idr2.into_bits(),
        ids.idr3.into_bits(),
        ids.idr4.into_bits(),
        ids.idr5.into_bits(),
        ids.idr6.into_bits(),
        ids.iidr.into_bits(),
        ids.aidr.into_bits(),
    ]
}

const REGISTERS: [&str; 9] = ["IDR0", "IDR1", "IDR2", "IDR3", "IDR4", "IDR5", "IDR6", "IIDR", "AIDR"];

fn index(register: &str) -> usize {
    REGISTERS.iter().position(|name| *name == register).unwrap()
}

/// The value of a field, named as in `IDR0.S1P`.
pub(crate) fn get(words: &Words, field: &str) -> u32 {
    let (lsb, msb) = FIELDS[field];
    let width = msb - lsb + 1;
    words[index(field.split_once('.').unwrap().0)] >> lsb & (u32::MAX >> (32 - width))
}

/// `words` with a field set.
pub(crate) fn set(words: &mut Words, field: &str, value: u32) {
    let (lsb, msb) = FIELDS[field];
    let mask = u32::MAX >> (31 - (msb - lsb));
    assert!(value <= mask, "{field} {value:#x}");
    let word = &mut words[index(field.split_once('.').unwrap().0)];
    *word = *word & !(mask << lsb) | value << lsb;
}

/// An SMMUv3.4 with everything that can be together.
pub(crate) fn everything() -> Words {
    let mut words = [0; 9];
    for field in FIELDS.keys() {
        let (register, _) = field.split_once('.').unwrap();
        let (lsb, msb) = FIELDS[field];
        if REGISTERS[..7].contains(&register) && register != "IDR4" && lsb == msb {
            set(&mut words, field, 1);
        }
    }
    for (field, value) in [
        ("IDR0.TTF", 2),
        ("IDR0.HTTU", 3),
        ("IDR0.NS1ATS", 0),
        ("IDR0.TERM_MODEL", 0),
        ("IDR0.ST_LEVEL", 1),
        ("IDR1.TABLES_PRESET", 0),
        ("IDR1.QUEUES_PRESET", 0),
        ("IDR1.REL", 0),
        ("IDR1.CMDQS", 19),
        ("IDR1.EVENTQS", 18),
        ("IDR1.PRIQS", 17),
        ("IDR1.SIDSIZE", 32),
        ("IDR1.SSIDSIZE", 20),
        ("IDR2.BA_VATOS", 7),
        ("IDR3.BBML", 2),
        ("IDR5.OAS", 7),
        ("IDR5.VAX", 2),
        ("IDR5.STALL_MAX", 0x1234),
        ("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMQ", 8),
        ("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP", 2),
        ("AIDR.ARCHMINORREV", 4),
    ] {
        set(&mut words, field, value);
    }
    words
}

/// The rules that these registers break, whatever the version; empty for an SMMU that could be. What no driver here can
/// work with is not repeated.
pub(crate) fn forbidden(w: &Words) -> Vec<&'static str> {
    let v = |field: &str| get(w, field);
    let on = |field: &str| v(field) != 0;
    let (s1, s2, ats, pri) = (on("IDR0.S1P"), on("IDR0.S2P"), on("IDR0.ATS"), on("IDR0.PRI"));
    let aarch32 = v("IDR0.TTF") & 1 != 0;
    let substreams = v("IDR1.SSIDSIZE") > 0;
    let d128 = on("IDR5.D128");
    let small = on("IDR5.GRAN4K") || on("IDR5.GRAN16K");
    let wide = on("IDR5.GRAN64K") || on("IDR5.DS") && small;
    let implies = |one: bool, other: bool| !one || other;
    [
        ("6.3.1 ST_LEVEL", v("IDR0.ST_LEVEL") <= 1),
        ("6.3.1 STALL_MODEL", v("IDR0.STALL_MODEL") != 3),
        ("6.3.1 ATSRECERR", implies(on("IDR0.ATSRECERR"), ats)),
        ("6.3.1 VATOS", implies(on("IDR0.VATOS"), on("IDR0.ATOS") && s1 && s2)),
        ("6.3.1 VMW", implies(on("IDR0.VMW"), s2)),
        ("6.3.1 PRI", implies(pri, ats)),
        ("6.3.1 NS1ATS", implies(on("IDR0.NS1ATS"), ats && s1 && s2)),
        ("6.3.1 HYP", implies(on("IDR0.HYP"), s1 && s2)),
        ("6.3.1 TTF and DPT", implies(on("IDR3.DPT"), !aarch32)),
        ("6.3.2 ECMDQ", implies(on("IDR1.ECMDQ"), on("IDR0.COHACC") && on("IDR0.MSI"))),
        ("6.3.2 queues", v("IDR1.CMDQS").max(v("IDR1.EVENTQS")) <= 19 && implies(pri, v("IDR1.PRIQS") <= 19)),
        ("6.3.2 SSIDSIZE", v("IDR1.SSIDSIZE") <= 20),
        ("6.3.2 SIDSIZE", v("IDR1.SIDSIZE") <= 32),
        ("6.3.2 SIDSIZE and ST_LEVEL", implies(v("IDR1.SIDSIZE") >= 7, on("IDR0.ST_LEVEL"))),
        ("6.3.3 BA_VATOS", implies(on("IDR2.BA_VATOS"), on("IDR0.VATOS"))),
        ("6.3.4 AIE", implies(on("IDR3.AIE"), s1) && implies(s1 && d128, on("IDR3.AIE"))),
        ("6.3.4 MTEPERM", implies(on("IDR3.MTEPERM"), s2)),
        ("6.3.4 THE", implies(on("IDR3.THE"), s1 && implies(s2, on("IDR3.S2PI")))),
        ("6.3.4 S2PO", implies(on("IDR3.S2PO"), on("IDR3.S2PI"))),
        ("6.3.4 S2PI", implies(on("IDR3.S2PI"), s2) && implies(s2 && d128, on("IDR3.S2PI"))),
        ("6.3.4 S1PI", implies(on("IDR3.S1PI"), s1) && implies(s1 && d128, on("IDR3.S1PI"))),
        ("6.3.4 PASIDTT", implies(on("IDR3.PASIDTT"), ats && substreams)),
        ("6.3.4 DPT", implies(on("IDR3.DPT"), ats)),
        ("6.3.4 PTWNNC", implies(on("IDR3.PTWNNC"), s2)),
        ("6.3.4 BBML", v("IDR3.BBML") != 3),
        ("6.3.4 PPS", implies(on("IDR3.PPS"), pri && substreams)),
        ("6.3.4 XNX", implies(on("IDR3.XNX"), s2)),
        ("6.3.4 PBHA", implies(on("IDR3.PBHA"), on("IDR3.HAD"))),
        ("6.3.4 HAD", implies(on("IDR3.HAD"), s1)),
        ("6.3.6 VAX", v("IDR5.VAX") != 3),
        ("6.3.6 VAX and granules", implies(matches!(v("IDR5.VAX"), 1 | 2), wide)),
        ("6.3.6 VAX and D128", implies(v("IDR5.VAX") == 2, d128)),
        ("6.3.6 D128 and TTF", implies(d128, !aarch32)),
        ("6.3.6 D128 and S2PO, MTEPERM", implies(d128 && s2, on("IDR3.S2PO") && on("IDR3.MTEPERM"))),
        ("6.3.6 DS", implies(on("IDR5.DS"), small && matches!(v("IDR5.VAX"), 1 | 2))),
        ("6.3.6 GRAN4K", implies(aarch32, on("IDR5.GRAN4K"))),
        ("6.3.6 OAS 52", implies(v("IDR5.OAS") == 6, wide || d128)),
        ("6.3.6 OAS 56", implies(v("IDR5.OAS") == 7, d128)),
        ("a granule", small || on("IDR5.GRAN64K")),
        (
            "6.3.45 numbers",
            implies(
                on("IDR1.ECMDQ"),
                v("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMP") <= 8 && v("IDR6.CMDQ_CONTROL_PAGE_LOG2NUMQ") <= 8,
            ),
        ),
        ("6.3.45", implies(w[6] != 0, on("IDR1.ECMDQ"))),
    ]
    .into_iter()
    .filter_map(|(rule, kept)| (!kept).then_some(rule))
    .collect()
}

/// The rules about versions that these registers break.
pub(crate) fn wrong_version(w: &Words) -> Vec<&'static str> {
    let v = |field: &str| get(w, field);
    let on = |field: &str| v(field) != 0;
    let minor = v("AIDR.ARCHMINORREV");
    let (s1, s2) = (on("IDR0.S1P"), on("IDR0.S2P"));
    let since = |version: u32, must: bool| minor < version || must;
    let mut broken: Vec<_> = [
        ("HYP in 3.2", since(2, !(s1 && s2) || on("IDR0.HYP"))),
        ("HAD in 3.1", since(1, !s1 || on("IDR3.HAD"))),
        ("XNX in 3.1", since(1, !s2 || on("IDR3.XNX"))),
        ("FWB in 3.2", since(2, on("IDR3.FWB"))),
        ("RIL in 3.2", since(2, on("IDR3.RIL"))),
        ("BBML in 3.2", since(2, on("IDR3.BBML"))),
        ("E0PD in 3.3", since(3, on("IDR3.E0PD"))),
        ("PTWNNC in 3.3", since(3, !s2 || on("IDR3.PTWNNC"))),
        ("EPAN in 3.4", since(4, on("IDR3.EPAN"))),
        ("MTEPERM in 3.4", since(4, !s2 || on("IDR3.MTEPERM"))),
        ("VAX in 3.0", minor > 0 || !on("IDR5.VAX")),
        ("OAS 52 in 3.0", minor > 0 || v("IDR5.OAS") < 6),
        ("OAS 56 in 3.3", minor > 3 || v("IDR5.OAS") < 7),
        ("VAX 56 in 3.2", minor > 2 || v("IDR5.VAX") < 2),
        ("HAFT in 3.2", minor > 2 || v("IDR0.HTTU") < 3),
        ("XNX in 3.0", minor > 0 || !on("IDR3.XNX")),
        ("PBHA in 3.0", minor > 0 || !on("IDR3.PBHA")),
        ("RME before 3.2", minor > 1 || !on("IDR0.RME_IMPL")),
    ]
    .into_iter()
    .filter_map(|(rule, kept)| (!kept).then_some(rule))
    .collect();
    // 2.9: nothing of the version after the next.
    for (introduced, fields) in [
        (2, &["IDR3.MPAM", "IDR3.FWB", "IDR3.STT", "IDR3.RIL", "IDR3.BBML"][..]),
        (3, &["IDR0.ATSRECERR", "IDR1.ECMDQ", "IDR3.E0PD", "IDR3.PTWNNC", "IDR3.DPT"]),
        (
            4,
            &[
                "IDR3.PASIDTT",
                "IDR3.EPAN",
                "IDR3.S1PI",
                "IDR3.S2PI",
                "IDR3.S2PO",
                "IDR3.THE",
                "IDR3.MTEPERM",
                "IDR3.AIE",
                "IDR5.DS",
                "IDR5.D128",
            ],
        ),
    ] {
        if minor + 1 < introduced && fields.iter().any(|field| on(field)) {
            broken.push("2.9");
        }
    }
    broken
}

/// Words that are often an SMMU: everything with a few or some bits turned over, or anything at all.
pub(crate) fn any_words() -> impl Strategy<Value = Words> {
    let few = proptest::collection::vec((0_usize..8, 0_u32..32), 0..6).prop_map(|bits| {
        bits.into_iter().fold([0; 9], |mut words: Words, (word, bit)| {
            words[word] ^= 1 << bit;
            words
        })
    });
    let some = (any::<Words>(), any::<Words>(), any::<Words>())
        .prop_map(|(a, b, c)| [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|i| a[i] & b[i] & c[i]));
    let flips = prop_oneof![3 => few, 2 => some, 1 => any::<Words>()];
    (flips, prop_oneof![Just(4_u32), 0_u32..6], any::<bool>(), any::<bool>()).prop_map(
        |(flips, minor, drivable, aarch32)| {
            let base = everything();
            let mut words: Words = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|i| base[i] ^ flips[i]);
            words[8] = minor;
            if drivable {
                let either = get(&words, "IDR0.TTENDIAN") & 2;
                set(&mut words, "IDR0.TTENDIAN", either);
                set(&mut words, "IDR0.TTF", 2 | u32::from(aarch32));
                for preset in ["IDR1.TABLES_PRESET", "IDR1.QUEUES_PRESET", "IDR1.REL"] {
                    set(&mut words, preset, 0);
                }
            }
            words
        },
    )
}

#[test]
fn everything_is_an_smmu_that_could_be() {
    assert_eq!(forbidden(&everything()), Vec::<&str>::new());
    assert_eq!(wrong_version(&everything()), Vec::<&str>::new());
}
