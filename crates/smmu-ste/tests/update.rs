//! Hitless updates: whatever mixture of a step's stores the SMMU sees, it means the old content or the new one; and no
//! plan needs more synchronizations than a plain planner of Linux' kind, which is written out here for comparison.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{CD_FACTS, Place, Random, STE_FACTS, Words, caps_of, example, large, places, typed};
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::platform::Atomicity;
use smmu_regs::vmsa::{
    Granule, HardwareUpdate, Level, Stage1Regime, Stage2Regime, TableBase, UpdateFlags, WalkAttributes,
};
use smmu_regs::{Asid, Caps, Vmid};
use smmu_ste::cd::{Cd, CdConfig, CdFaultMode};
use smmu_ste::ste::{
    Ats, CdTableFormat, CdTablePointer, FaultMode, GuestSte, Stage1Config, Stage2Config, Ste, SteConfig,
    StreamWorld, WithoutSubstream,
};
use smmu_ste::update::{UpdatePlan, UsedBits};
use std::collections::BTreeMap;

const ATOMICITIES: [Atomicity; 2] = [Atomicity::Bits64, Atomicity::Bits128];

/// What the planner and its judge must know of a kind of structure.
trait Kind {
    const VALID: u64;
    /// Bits of which only the value counts, not whether they are looked at.
    const VALUE_ONLY: Words;
    fn used(words: &Words, caps: &Caps) -> Words;
    fn safe(current: &Words, target: &Words) -> Words;
}

struct OfSte;
struct OfCd;

impl Kind for OfSte {
    const VALID: u64 = 1;
    // S2S: SMMUv3.0 may look at it where EATS is 1. EATS is safe to change only where S2S is 0 on both sides.
    const VALUE_ONLY: Words = [0, 0, 1 << 57, 0, 0, 0, 0, 0];
    fn used(words: &Words, caps: &Caps) -> Words {
        Ste::from_words(*words).used_bits(caps)
    }
    fn safe(current: &Words, target: &Words) -> Words {
        Ste::from_words(*current).safe_bits(&Ste::from_words(*target))
    }
}

impl Kind for OfCd {
    const VALID: u64 = 1 << 31;
    const VALUE_ONLY: Words = [0; 8];
    fn used(words: &Words, caps: &Caps) -> Words {
        Cd::from_words(*words).used_bits(caps)
    }
    fn safe(_: &Words, _: &Words) -> Words {
        [0; 8]
    }
}

fn plan<K: Kind>(current: &Words, target: &Words, caps: &Caps, atomicity: Atomicity) -> UpdatePlan {
    let used = UsedBits {
        current: K::used(current, caps),
        target: K::used(target, caps),
        safe: K::safe(current, target),
    };
    UpdatePlan::new(current, target, &used, K::VALID, atomicity)
}

/// What a structure means to the SMMU: which bits it looks at, and what it sees there.
fn meaning<K: Kind>(words: &Words, caps: &Caps, safe: &Words) -> (Words, Words) {
    let used = K::used(words, caps);
    let mask: Words = std::array::from_fn(|word| used[word] & !safe[word]);
    let seen = std::array::from_fn(|word| words[word] & mask[word]);
    (std::array::from_fn(|word| mask[word] & !K::VALUE_ONLY[word]), seen)
}

/// Every content that the SMMU can see between two synchronizations: `from` with any subset of the atomic pieces in
/// which a store was made.
fn visible(from: &Words, to: &Words, stores: u8, atomicity: Atomicity) -> Vec<Words> {
    let pieces: Vec<u8> = match atomicity {
        Atomicity::Bits64 => (0..8).map(|word| 1 << word).filter(|piece| stores & piece != 0).collect(),
        Atomicity::Bits128 => {
            (0..4).map(|pair| 3 << (2 * pair)).filter(|piece| stores & piece != 0).collect()
        }
    };
    (0_u32..1 << pieces.len())
        .map(|subset| {
            let seen = pieces.iter().enumerate().filter(|(index, _)| subset >> index & 1 != 0);
            let seen = seen.fold(0, |mask, (_, piece)| mask | piece);
            std::array::from_fn(|word| if seen >> word & 1 != 0 { to[word] } else { from[word] })
        })
        .collect()
}

/// Judges a plan; gives its number of steps.
fn judge<K: Kind>(
    plan: &UpdatePlan,
    current: &Words,
    target: &Words,
    caps: &Caps,
    atomicity: Atomicity,
) -> Result<usize, String> {
    let safe = K::safe(current, target);
    let meaning = |words: &Words| meaning::<K>(words, caps, &safe);
    let (old, new) = (meaning(current), meaning(target));
    let mut now = *current;
    let mut count = 0;
    for step in plan.steps() {
        count += 1;
        let changed =
            (0..8).filter(|word| step.words[*word] != now[*word]).fold(0, |mask, word| mask | 1 << word);
        if step.stores == 0 || step.stores != changed {
            return Err(format!("step {count} stores {:#010b}, changes {changed:#010b}", step.stores));
        }
        if !step
            .stores()
            .eq((0..8).filter(|word| changed >> word & 1 != 0).map(|word| (word, step.words[word])))
        {
            return Err(format!("step {count} lists other stores than its mask"));
        }
        for seen in visible(&now, &step.words, step.stores, atomicity) {
            let invalid = seen[0] & K::VALID == 0;
            let third = ![&old, &new].contains(&&meaning(&seen));
            if third && (plan.is_hitless() || !invalid) {
                return Err(format!("step {count} shows a third content: {seen:#x?}"));
            }
        }
        now = step.words;
    }
    if plan.is_hitless() && count != steps_needed::<K>(current, target, caps, atomicity) {
        return Err(format!("{count} steps are not as few as can be"));
    }
    match count {
        _ if now != *target => Err("does not end at the target".to_owned()),
        0..=3 if plan.is_empty() == (count == 0) && (count == 0) == (current == target) => Ok(count),
        _ => Err(format!("{count} steps")),
    }
}

fn show<K: Kind>(current: &Words, target: &Words, caps: &Caps) -> String {
    format!(
        "from {current:#018x?}\nto   {target:#018x?}\nused {:#018x?}\nused {:#018x?}",
        K::used(current, caps),
        K::used(target, caps)
    )
}

/// The fewest steps of a hitless update: one for bits that only the new content uses, one for the piece that decides, one
/// for bits that only the old content used. Bits that nobody uses, or that are safe, are worth a step only by themselves.
fn steps_needed<K: Kind>(current: &Words, target: &Words, caps: &Caps, atomicity: Atomicity) -> usize {
    let (old, new, safe) = (K::used(current, caps), K::used(target, caps), K::safe(current, target));
    let differs = |word: usize, mask: u64| (current[word] ^ target[word]) & mask & !safe[word] != 0;
    let piece = |word: usize| if atomicity == Atomicity::Bits128 { word / 2 } else { word };
    let switch = (0..8).find(|word| differs(*word, old[*word] & new[*word])).map(piece);
    let elsewhere =
        |of: &dyn Fn(usize) -> u64| (0..8).any(|word| Some(piece(word)) != switch && differs(word, of(word)));
    let first = elsewhere(&|word| new[word] & !old[word]);
    let last = elsewhere(&|word| old[word] & !new[word]);
    let steps = usize::from(first) + usize::from(switch.is_some()) + usize::from(last);
    steps.max(usize::from(current != target))
}

/// How many plans were hitless, and how many steps they have in all.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    plans: u32,
    hitless: u32,
    steps: usize,
}

fn check<K: Kind>(current: &Words, target: &Words, caps: &Caps, tally: &mut Tally) {
    for atomicity in ATOMICITIES {
        let plan = plan::<K>(current, target, caps, atomicity);
        let steps = judge::<K>(&plan, current, target, caps, atomicity)
            .unwrap_or_else(|error| panic!("{atomicity:?}: {error}\n{}", show::<K>(current, target, caps)));
        tally.plans += 1;
        tally.hitless += u32::from(plan.is_hitless());
        tally.steps += steps;
    }
}

/// The planner of Linux 7.3.4 as it behaves, for any used and safe bits: the contents at its synchronizations, and
/// whether all of them are valid. It knows words only, zeroes the whole of word 0 to break, and takes one word that
/// decides as the limit.
fn naive(current: &Words, target: &Words, used: &UsedBits) -> (Vec<Words>, bool) {
    let free = |word: usize| !used.current[word] | used.safe[word];
    let prepared: Words = std::array::from_fn(|word| current[word] & !free(word) | target[word] & free(word));
    let critical: Vec<usize> =
        (0..8).filter(|word| (prepared[*word] ^ target[*word]) & used.target[*word] != 0).collect();
    let passes = match critical[..] {
        [] => vec![*target],
        [switch] => {
            let mut first = prepared;
            first[switch] = current[switch];
            let mut second = first;
            second[switch] = target[switch];
            vec![first, second, *target]
        }
        _ => {
            let mut first = *current;
            first[0] = 0;
            let mut second = *target;
            second[0] = 0;
            vec![first, second, *target]
        }
    };
    let mut now = *current;
    let passes = passes.into_iter().filter(|pass| std::mem::replace(&mut now, *pass) != *pass).collect();
    (passes, critical.len() < 2)
}

/// No more steps than the plain planner with the same knowledge, and hitless wherever it is.
fn no_worse<K: Kind>(current: &Words, target: &Words, caps: &Caps, used: &UsedBits) {
    let (passes, hitless) = naive(current, target, used);
    for atomicity in ATOMICITIES {
        let plan = plan::<K>(current, target, caps, atomicity);
        let context = || format!("{atomicity:?}\n{}", show::<K>(current, target, caps));
        assert!(plan.steps().count() <= passes.len(), "{} passes; {}", passes.len(), context());
        assert!(plan.is_hitless() || !hitless, "the plain planner is hitless; {}", context());
    }
}

/// What Linux 7.3.4 takes for used, coarser than the architecture: field names by the facts of the layout.
fn linux_ste_used(places: &BTreeMap<&str, Place>, words: &Words) -> Words {
    let get = |name: &str| places[name].get(words);
    let mut names = vec!["V"];
    if get("V") == 1 {
        let config = get("CONFIG");
        names.push("CONFIG");
        if config & 4 != 0 && config & 1 != 0 {
            names.extend(["S1FMT", "S1CONTEXTPTR", "S1CDMAX", "S1DSS", "S1CIR", "S1COR", "S1CSH"]);
            names.extend(["S1STALLD", "STRW", "EATS", "MEV", "S2VMID"]);
            names.extend((get("S1DSS") == 1).then_some("SHCFG"));
        }
        if config & 4 != 0 && config & 2 != 0 {
            names.extend(["S2FWB", "EATS", "SHCFG", "MEV", "S2VMID", "S2T0SZ", "S2SL0", "S2IR0", "S2OR0"]);
            names.extend(["S2SH0", "S2TG", "S2PS", "S2AA64", "S2ENDI", "S2PTW", "S2S", "S2R", "S2TTB"]);
            // Fields that the grid below uses and Linux leaves 0.
            names.extend(["S2HA", "S2HD"]);
        }
        names.extend((config == 4).then_some("SHCFG"));
    }
    union(names.iter().map(|name| places[name].bits()))
}

fn linux_ste_safe(places: &BTreeMap<&str, Place>, current: &Words, target: &Words) -> Words {
    let mut safe = places["MEV"].bits();
    let split_or_stall = |words: &Words| places["EATS"].get(words) & 2 != 0 || places["S2S"].get(words) != 0;
    if !split_or_stall(current) && !split_or_stall(target) {
        safe[1] |= 1 << 28;
    }
    safe
}

fn linux_cd_used(places: &BTreeMap<&str, Place>, words: &Words) -> Words {
    if places["V"].get(words) == 0 {
        return places["V"].bits();
    }
    let mut used = [u64::MAX; 8];
    if places["EPD0"].get(words) == 1 {
        for name in ["T0SZ", "TG0", "IR0", "OR0", "SH0", "TTB0"] {
            let bits = places[name].bits();
            used = std::array::from_fn(|word| used[word] & !bits[word]);
        }
    }
    used
}

fn union(all: impl Iterator<Item = Words>) -> Words {
    all.fold([0; 8], |mask, bits| std::array::from_fn(|word| mask[word] | bits[word]))
}

/// A grid of STEs that drivers write.
fn stes(caps: &Caps) -> Vec<Words> {
    let mut all = vec![SteConfig::Abort, SteConfig::Bypass];
    let table = |base, format, cds_log2, without_substream| CdTablePointer {
        base: PhysAddr::new(base),
        format,
        cds_log2,
        without_substream,
    };
    let tables = [
        CdTablePointer::single(PhysAddr::new(0x4_0000)),
        table(0x8_0000, CdTableFormat::Linear, 4, WithoutSubstream::Terminate),
        table(0x8_0000, CdTableFormat::Linear, 4, WithoutSubstream::UseCd0),
        table(0x10_0000, CdTableFormat::TwoLevel64K, 10, WithoutSubstream::Bypass),
        table(0x20_0000, CdTableFormat::TwoLevel4K, 10, WithoutSubstream::UseCd0),
    ];
    for cd_table in tables {
        for ats in [Ats::Disabled, Ats::Full] {
            for world in [StreamWorld::El1(Vmid::new(0)), StreamWorld::El1(Vmid::new(9)), StreamWorld::El2] {
                for may_stall in [false, true] {
                    all.push(SteConfig::Stage1(Stage1Config { cd_table, world, may_stall, ats }));
                }
            }
        }
    }
    let guests = [
        GuestSte::new([1 | 5 << 1 | 0x7_0000, 1 << 2 | 1 << 4 | 3 << 6]),
        GuestSte::new([1 | 5 << 1 | 2 << 4 | 0x9_0000 | 4 << 59, 1 | 1 << 2 | 1 << 4 | 3 << 6 | 1 << 28]),
    ];
    for (ttb, vmid, faults, ats, dirty) in [
        (0x100_0000, 1, FaultMode::Terminate, Ats::Disabled, false),
        (0x200_0000, 1, FaultMode::Terminate, Ats::Disabled, false),
        (0x200_0000, 2, FaultMode::Terminate, Ats::Full, true),
        (0x100_0000, 2, FaultMode::TerminateSilently, Ats::Disabled, false),
        (0x100_0000, 1, FaultMode::Stall, Ats::Disabled, false),
        (0x300_0000, 0, FaultMode::Terminate, Ats::Full, false),
    ] {
        let regime = Stage2Regime {
            ttb: PhysAddr::new(ttb),
            granule: Granule::Size4K,
            input_bits: 48,
            start_level: Level::ZERO,
            ps: AddressSize::Bits48,
            walk: WalkAttributes::COHERENT,
            update: if dirty { HardwareUpdate::Dirty.flags() } else { UpdateFlags::default() },
            ds: false,
            fwb: dirty,
        };
        let stage2 = Stage2Config { regime, vmid: Vmid::new(vmid), faults, ats, protect_walks: true };
        all.push(SteConfig::Stage2(stage2));
        for guest in guests {
            let GuestSte::Translate(guest) = guest.unwrap() else { panic!("stage 1") };
            all.push(SteConfig::Nested { guest, stage2, may_stall: true });
            if ats == Ats::Full {
                let stage2 = Stage2Config { ats: Ats::SplitStage, ..stage2 };
                all.push(SteConfig::Nested { guest, stage2, may_stall: true });
            }
        }
    }
    let mut words: Vec<Words> = all.iter().map(|config| config.encode(caps).unwrap().words()).collect();
    words.push([0; 8]);
    words
}

/// A grid of CDs that drivers write.
fn cds(caps: &Caps) -> Vec<Words> {
    let mut all = Vec::new();
    let base = |base, input_bits| {
        let granule = Granule::Size4K;
        Some(TableBase { base: PhysAddr::new(base), granule, input_bits, walk: WalkAttributes::COHERENT })
    };
    for (ttb0, ttb1) in [
        (base(0x10_0000, 48), None),
        (base(0x20_0000, 48), None),
        (base(0x20_0000, 39), None),
        (None, None),
        (base(0x10_0000, 48), base(0x30_0000, 48)),
        (None, base(0x30_0000, 48)),
    ] {
        for asid in [1, 2] {
            for update in [HardwareUpdate::None, HardwareUpdate::AccessFlag, HardwareUpdate::Dirty, caps.httu]
            {
                for faults in [CdFaultMode::Terminate, CdFaultMode::Stall, CdFaultMode::TerminateSilently] {
                    let mair = if asid == 2 && update == HardwareUpdate::None { 0xff } else { 0x44_ff04 };
                    let update = update.flags();
                    let ips = AddressSize::Bits48;
                    let regime = Stage1Regime { ttb0, ttb1, ips, mair, update, ds: false };
                    let config = CdConfig { regime, asid: Asid::new(asid), faults, private_asid: true };
                    all.push(config.encode(caps).unwrap().words());
                }
            }
        }
    }
    all.push([0; 8]);
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn all_pairs_of_encoded_stes() {
    let caps = example();
    let places = places(STE_FACTS);
    let stes = stes(&caps);
    let mut tally = Tally::default();
    for current in &stes {
        for target in &stes {
            check::<OfSte>(current, target, &caps, &mut tally);
            let coarse = UsedBits {
                current: linux_ste_used(&places, current),
                target: linux_ste_used(&places, target),
                safe: linux_ste_safe(&places, current, target),
            };
            no_worse::<OfSte>(current, target, &caps, &coarse);
        }
    }
    // Neither way of updating is rare here.
    assert!(tally.hitless > tally.plans / 8 && tally.hitless < tally.plans * 7 / 8, "{tally:?}");
}

#[test]
fn all_pairs_of_encoded_cds() {
    let places = places(CD_FACTS);
    for caps in [example(), large()] {
        let cds = cds(&caps);
        let mut tally = Tally::default();
        for (index, current) in cds.iter().enumerate() {
            // Each with every second other, a different half each time.
            for target in cds.iter().skip(index % 2).step_by(2) {
                check::<OfCd>(current, target, &caps, &mut tally);
                let coarse = UsedBits {
                    current: linux_cd_used(&places, current),
                    target: linux_cd_used(&places, target),
                    safe: [0; 8],
                };
                no_worse::<OfCd>(current, target, &caps, &coarse);
            }
        }
        assert!(tally.hitless > tally.plans / 8 && tally.hitless < tally.plans * 7 / 8, "{tally:?}");
    }
}

/// Random words, and a second content that differs in a few fields or in everything.
fn random_pair(random: &mut Random, places: &BTreeMap<&str, Place>, valid: &str) -> (Words, Words) {
    let names: Vec<&str> = places.keys().copied().collect();
    let content = |random: &mut Random| {
        let mut words = [0; 8].map(|_: u64| random.word());
        places[valid].set(&mut words, u64::from(!random.one_in(8)));
        if let Some(config) = places.get("CONFIG") {
            config.set(&mut words, random.pick(&[5, 6, 7, 5, 7, 4, 0, 3]));
        }
        words
    };
    let current = content(random);
    if random.one_in(3) {
        return (current, content(random));
    }
    let mut target = current;
    for _ in 0..random.pick(&[0, 1, 1, 2, 3, 5]) {
        let place = places[random.pick(&names)];
        let value = random.bits() & place.mask;
        place.set(&mut target, value);
    }
    (current, target)
}

#[test]
fn random_stes() {
    let mut random = Random(11);
    let places = places(STE_FACTS);
    let mut tally = Tally::default();
    for _ in 0..6_000 {
        let caps = caps_of(&random.ids());
        let (current, target) = random_pair(&mut random, &places, "V");
        check::<OfSte>(&current, &target, &caps, &mut tally);
        let used = UsedBits {
            current: OfSte::used(&current, &caps),
            target: OfSte::used(&target, &caps),
            safe: OfSte::safe(&current, &target),
        };
        no_worse::<OfSte>(&current, &target, &caps, &used);
    }
    assert!(tally.hitless > tally.plans / 8 && tally.hitless < tally.plans * 7 / 8, "{tally:?}");
}

#[test]
fn random_cds() {
    let mut random = Random(12);
    let places = places(CD_FACTS);
    let mut tally = Tally::default();
    for _ in 0..6_000 {
        let caps = caps_of(&random.ids());
        let (current, target) = random_pair(&mut random, &places, "V");
        check::<OfCd>(&current, &target, &caps, &mut tally);
        let used = UsedBits {
            current: OfCd::used(&current, &caps),
            target: OfCd::used(&target, &caps),
            safe: [0; 8],
        };
        no_worse::<OfCd>(&current, &target, &caps, &used);
    }
    assert!(tally.hitless > tally.plans / 8 && tally.hitless < tally.plans * 7 / 8, "{tally:?}");
}

/// Plans whose form the architecture or Linux' behaviour fixes: (from, to, hitless, steps with 64-bit stores).
#[test]
fn well_known_updates() {
    let caps = example();
    let places = places(CD_FACTS);
    let cd = |fields: &[(&str, u64)]| {
        let common = [("V", 1), ("AA64", 1), ("A", 1), ("R", 1), ("IPS", 5), ("EPD1", 1), ("MAIR0", 0xff)];
        typed(&places, &[&common, fields].concat())
    };
    let lower = [("T0SZ", 16), ("IR0", 1), ("OR0", 1), ("SH0", 3), ("TTB0", 0x1_0000)];
    let with = |more: &[(&'static str, u64)]| cd(&[&lower, more].concat());
    let of = |current: &Words, target: &Words| {
        let plan = plan::<OfCd>(current, target, &caps, Atomicity::Bits64);
        (plan.is_hitless(), plan.steps().count())
    };
    let live = with(&[("ASID", 1)]);
    assert_eq!(of(&live, &live), (true, 0));
    assert_eq!(of(&[0; 8], &live), (true, 2), "others first, then V");
    assert_eq!(of(&live, &[0; 8]), (true, 2), "V first, then others");
    assert_eq!(of(&live, &with(&[("ASID", 2)])), (true, 1), "one word");
    assert_eq!(of(&live, &with(&[("ASID", 1), ("HA", 1), ("HD", 1)])), (true, 1), "one word");
    let released = cd(&[("EPD0", 1), ("ASID", 1)]);
    assert_eq!(of(&live, &released), (true, 2), "EPD0, then TTB0 that nobody reads");
    assert_eq!(of(&released, &live), (true, 2), "TTB0, then EPD0");
    let moved = cd(&[("T0SZ", 16), ("IR0", 1), ("OR0", 1), ("SH0", 3), ("TTB0", 0x2_0000), ("ASID", 2)]);
    assert_eq!(of(&live, &moved), (false, 3), "ASID and TTB0 lie in two words");
    // But in one pair.
    let paired = plan::<OfCd>(&live, &moved, &caps, Atomicity::Bits128);
    assert_eq!((paired.is_hitless(), paired.steps().count()), (true, 1));

    let ste = |config: SteConfig| config.encode(&caps).unwrap().words();
    let of = |current: &Words, target: &Words| {
        let plan = plan::<OfSte>(current, target, &caps, Atomicity::Bits64);
        (plan.is_hitless(), plan.steps().count())
    };
    let (abort, bypass) = (ste(SteConfig::Abort), ste(SteConfig::Bypass));
    assert_eq!(of(&abort, &bypass), (true, 2));
    assert_eq!(of(&bypass, &abort), (true, 2));
}
