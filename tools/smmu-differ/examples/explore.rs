use smmu_differ::{Campaign, Random, op::Op, sequence};
use std::collections::BTreeMap;
fn main() {
    let n: u64 = std::env::args().nth(1).map_or(1000, |s| s.parse().unwrap());
    let mut campaign = Campaign::with_qemu(None);
    let mut random = Random::new(std::env::args().nth(2).map_or(9, |s| s.parse().unwrap()));
    let mut classes: BTreeMap<String, u64> = BTreeMap::new();
    for i in 0..n {
        let s = sequence(random.bits() & !1 | (i / 64 & 1));
        if let Some(found) = campaign.run_one(&s).unwrap() {
            let what = match found.sequence.ops.last() {
                Some(Op::Corrupt { fault, .. }) => fault.name,
                _ => "-",
            };
            let key = format!("{what} {:?}", found.matter);
            let count = classes.entry(key.clone()).or_default();
            *count += 1;
            if *count == 1 {
                let small = campaign.shrink(found).unwrap();
                println!("=== {key}\n{small}\n");
            }
        }
    }
    println!("{classes:#?}\n{}", campaign.counts());
}
