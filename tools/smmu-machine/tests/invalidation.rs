//! Invalidation by plan: what was unmapped is out of reach afterwards, in every shape of range, and what lies beside it is
//! left alone. A machine that never served a stale translation would prove nothing, so each test looks for one first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Gather, Invalidation, PageTable};
use smmu_cmds::Command;
use smmu_machine::Machine;
use smmu_model::{Atomicity, Profile};
use smmu_regs::platform::Pages;
use smmu_regs::{Feature, PhysAddr};
use smmu_ste::SteConfig;
use smmu_tlbi::range::Rules;
use smmu_tlbi::{Policy, RangePlan, RangeSupport, Tag, invalidate};
use std::collections::BTreeSet;
use support::{
    Bench, PAGE, RW, Setting, Setup, Space1, Space2, TIMEOUT, lands, may_land, nested, on_both, on_model_as,
    range, reclaim_now, streams,
};

/// In which table a range is unmapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Stage 1 alone.
    Stage1,
    /// Stage 2 alone.
    Stage2,
    /// The guest's stage 1, stage 2 being there.
    Guest,
    /// Stage 2, with a guest's stage 1 on top.
    Host,
}

const EVERYWHERE: [Where; 4] = [Where::Stage1, Where::Stage2, Where::Guest, Where::Host];

const BLOCK: u64 = 2 << 20;
/// Where the ranges are, as the device sees them; not in RAM.
const IOVA: u64 = 0x20_0000_0000;
/// Memory for them: 32 MiB.
const MEMORY: u64 = 32 << 20;

/// A device with translations of some kind, whose input addresses are those of the table under test.
struct Lab<'m> {
    bench: Bench<'m, &'m dyn Machine>,
    place: Where,
    first: Option<Space1>,
    second: Option<Space2>,
    memory: Pages,
}

impl<'m> Lab<'m> {
    fn new(machine: &'m dyn Machine, place: Where) -> Self {
        let mut bench = Bench::new(machine, Setup::default());
        let p = machine;
        let memory = p.allocate(MEMORY, MEMORY).unwrap();
        let (first, second, ste) = match place {
            Where::Stage1 => {
                let space = Space1::new(&p, &bench.caps, 5);
                let ste = space.ste();
                (Some(space), None, ste)
            }
            Where::Stage2 => {
                let space = Space2::new(&p, &bench.caps, 6);
                let ste = space.ste();
                (None, Some(space), ste)
            }
            Where::Guest | Where::Host => {
                let mut host = Space2::new(&p, &bench.caps, 6);
                let mut guest = Space1::new(&p, &bench.caps, 5);
                guest.vmid = host.vmid;
                host.map_ram(machine);
                if place == Where::Host {
                    // One to one, in pages: combined entries are no larger than those of stage 2.
                    guest.map(&p, IOVA, MEMORY, PhysAddr::new(IOVA));
                }
                let ste = nested(&bench.caps, &guest, &host);
                (Some(guest), Some(host), ste)
            }
        };
        bench.attach(streams()[0], &ste);
        Self { bench, place, first, second, memory }
    }

    fn table(&mut self) -> &mut PageTable {
        match self.place {
            Where::Stage1 | Where::Guest => &mut self.first.as_mut().unwrap().table,
            Where::Stage2 | Where::Host => &mut self.second.as_mut().unwrap().table,
        }
    }

    fn tag(&self) -> Tag {
        match self.place {
            Where::Stage1 | Where::Guest => self.first.as_ref().unwrap().tag(),
            Where::Stage2 => Tag::Stage2 { vmid: self.second.as_ref().unwrap().vmid },
            Where::Host => Tag::NestingParent { vmid: self.second.as_ref().unwrap().vmid },
        }
    }

    fn map(&mut self, iova: u64, size: u64, to: u64) {
        let (p, to) = (self.bench.p, PhysAddr::new(self.memory.base().get() + to));
        self.table().map(&p, range(iova, size), to, RW).unwrap();
    }

    fn unmap(&mut self, iova: u64, size: u64) -> Gather {
        let p = self.bench.p;
        let mut gather = Gather::new();
        let _ = self.table().unmap(&p, range(iova, size), &mut gather).unwrap();
        gather
    }

    /// Whether a DMA to `iova` reaches the word at offset `to` of the memory.
    fn reaches(&self, iova: u64, to: u64) -> bool {
        lands(self.bench.machine, 0, iova, PhysAddr::new(self.memory.base().get() + to))
    }

    /// Whether a DMA to `iova` may reach it.
    fn may_reach(&self, iova: u64, to: u64) -> bool {
        may_land(self.bench.machine, 0, iova, PhysAddr::new(self.memory.base().get() + to))
    }

    fn rules(&self, policy: Policy) -> Rules {
        Rules { policy, ..Rules::new(RangeSupport::of(&self.bench.caps)) }
    }

    fn invalidate(&mut self, what: &Invalidation, rules: &Rules) {
        let (p, tags) = (self.bench.p, [self.tag()]);
        let _ = invalidate(&p, &mut self.bench.queue, what, rules, &tags, &[], TIMEOUT, |_| {}).unwrap();
    }

    fn drop_events(&mut self) {
        let _ = self.bench.drain();
    }

    fn finish(mut self) {
        self.drop_events();
        self.bench.attach(streams()[0], &SteConfig::Abort);
        let Self { mut bench, first, second, memory, .. } = self;
        let p = bench.p;
        bench.forget();
        if let Some(space) = first {
            space.destroy(&p, &mut bench.queue);
        }
        if let Some(space) = second {
            space.destroy(&p, &mut bench.queue);
        }
        p.free(memory);
        let _ = bench.drain();
        bench.shut_down();
    }
}

#[test]
fn an_unmapped_page_stays_reachable_until_it_is_invalidated() {
    on_both(|machine| {
        for place in EVERYWHERE {
            let mut lab = Lab::new(machine, place);
            lab.map(IOVA, 4 * PAGE, 0);
            let (iova, to) = (IOVA + PAGE + 0x40, PAGE + 0x40);
            assert!(lab.reaches(iova, to), "{place:?}");
            let gather = lab.unmap(IOVA + PAGE, PAGE);
            assert!(lab.may_reach(iova, to), "{place:?}: {} caches nothing", machine.name());
            let (what, freed) = gather.finish().unwrap();
            assert!(freed.get().is_empty());
            lab.invalidate(&what, &lab.rules(Policy::Single));
            assert!(!lab.reaches(iova, to), "{place:?}");
            assert!(lab.reaches(IOVA + 0x40, 0x40) && lab.reaches(IOVA + 2 * PAGE + 0x40, 2 * PAGE + 0x40));
            let _ = freed.never_seen_by_hardware();
            lab.finish();
        }
    });
}

#[test]
fn combined_entries_need_the_second_phase() {
    on_both(|machine| {
        let mut lab = Lab::new(machine, Where::Host);
        lab.map(IOVA, 4 * PAGE, 0);
        let (iova, to) = (IOVA + PAGE + 0x40, PAGE + 0x40);
        assert!(lab.reaches(iova, to));
        let (what, freed) = lab.unmap(IOVA + PAGE, PAGE).finish().unwrap();
        let (tag, plan) = (lab.tag(), RangePlan::new(&what, &lab.rules(Policy::Single)));
        let by_address: Vec<Command> = plan.operands().map(|operand| tag.by_address(operand)).collect();
        assert!(!by_address.is_empty());
        let _ = lab.bench.run(&by_address);
        // CMD_TLBI_S2_IPA does not find entries that combine both stages (IHI 0070 4.4.3.1).
        assert!(lab.may_reach(iova, to), "{}", machine.name());
        let _ = lab.bench.run(&[tag.combined().unwrap()]);
        assert!(!lab.reaches(iova, to));
        // The second phase alone is not enough either: stage-2 entries stay. Map, fill both kinds, unmap again.
        lab.map(IOVA + PAGE, PAGE, PAGE);
        assert!(lab.reaches(iova, to));
        let (_, freed2) = lab.unmap(IOVA + PAGE, PAGE).finish().unwrap();
        let _ = lab.bench.run(&[tag.whole()]);
        assert!(!lab.reaches(iova, to), "the whole tag needs no second phase");
        let _ = (freed.never_seen_by_hardware(), freed2.never_seen_by_hardware());
        lab.finish();
    });
}

/// Stretches of a shape, one after the other: pages or blocks.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Pages(u64),
    Blocks(u64),
}
use Piece::{Blocks, Pages as Run};

/// A shape, and by how many pages it begins after a block boundary.
const SHAPES: [(&[Piece], u64); 14] = [
    (&[Run(1)], 5),
    (&[Run(2)], 31),
    (&[Run(31)], 1),
    (&[Run(32)], 3),
    (&[Run(33)], 480),
    (&[Run(63)], 500),
    (&[Run(512)], 0),
    (&[Run(513)], 17),
    (&[Run(4097)], 2),
    (&[Blocks(1)], 0),
    (&[Blocks(3)], 0),
    (&[Run(3), Blocks(1)], 509),
    (&[Blocks(2), Run(7)], 0),
    (&[Run(1), Blocks(2), Run(300)], 511),
];

/// Pages kept on either side of the range.
const BESIDE: u64 = 3;
/// Where the range itself is in the input addresses, in blocks: there is room in front.
const START: u64 = IOVA + BLOCK;

struct Case {
    start: u64,
    size: u64,
    /// Input address and offset in memory of a word in each page that is looked at.
    inside: Vec<(u64, u64)>,
    before: Vec<(u64, u64)>,
    after: Vec<(u64, u64)>,
}

/// Maps a shape and a few pages on either side of it.
fn lay_out(lab: &mut Lab<'_>, pieces: &[Piece], skew: u64) -> Case {
    let start = START + skew * PAGE;
    let (mut iova, mut inside) = (start, Vec::new());
    let mut index = 0;
    for piece in pieces {
        match *piece {
            // No block fits, the memory being off by some pages against the block boundaries. Few pages are scattered;
            // for many, one call is quicker.
            Run(pages) if pages > 600 => {
                lab.map(iova, pages * PAGE, PAGE);
                inside.extend((0..pages).map(|page| (iova + page * PAGE + 0x18, (page + 1) * PAGE + 0x18)));
                iova += pages * PAGE;
            }
            Run(pages) => {
                for _ in 0..pages {
                    let to = (index * 3 + 1) * PAGE;
                    lab.map(iova, PAGE, to);
                    inside.push((iova + 0x18, to + 0x18));
                    iova += PAGE;
                    index += 1;
                }
            }
            Blocks(blocks) => {
                assert_eq!(iova % BLOCK, 0);
                lab.map(iova, blocks * BLOCK, MEMORY / 2);
                for page in 0..blocks * (BLOCK / PAGE) {
                    inside.push((iova + page * PAGE + 0x18, MEMORY / 2 + page * PAGE + 0x18));
                }
                iova += blocks * BLOCK;
            }
        }
    }
    let size = iova - start;
    let mut beside = |from: u64| -> Vec<(u64, u64)> {
        let at = |n: u64| (from + n * PAGE, MEMORY - (n + 1) * PAGE);
        (0..BESIDE)
            .map(|n| {
                lab.map(at(n).0, PAGE, at(n).1);
                (at(n).0 + 0x18, at(n).1 + 0x18)
            })
            .collect()
    };
    let before = beside(start - BESIDE * PAGE);
    let after = beside(iova);
    Case { start, size, inside, before, after }
}

/// At most 100 of `all`: both ends, what is around powers of two, and some of the rest. A machine's TLB holds them all.
fn sample(all: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut picked = BTreeSet::new();
    let last = all.len() - 1;
    for log2 in 0..14 {
        for index in [(1 << log2) - 1, 1 << log2, (1_usize << log2) + 1] {
            picked.extend([index, last.saturating_sub(index)]);
        }
    }
    picked.extend((0..100).map(|n| n * last / 99).take(100_usize.saturating_sub(picked.len())));
    picked.into_iter().filter(|index| *index <= last).map(|index| all[index]).collect()
}

/// Every page of a range that was unmapped and invalidated faults. `exact`: nothing beside it was invalidated.
fn ranges(machine: &dyn Machine, place: Where, rules: impl Fn(&Lab<'_>) -> Rules, exact: bool) {
    let mut lab = Lab::new(machine, place);
    let rules = rules(&lab);
    for (pieces, skew) in SHAPES {
        let case = lay_out(&mut lab, pieces, skew);
        let what = format!("{}: {place:?} {:?} {pieces:?} at {skew}", machine.name(), rules.policy);
        let inside = sample(&case.inside);
        lab.bench.forget();
        let everything = || inside.iter().chain(&case.before).chain(&case.after);
        for (iova, to) in everything() {
            assert!(lab.reaches(*iova, *to), "{what}: {iova:#x}");
        }
        // The pages beside are unmapped too, without any invalidation: they are out of reach only if one hits them.
        let mut others = Gather::new();
        let p = lab.bench.p;
        for start in [case.start - BESIDE * PAGE, case.start + case.size] {
            let _ = lab.table().unmap(&p, range(start, BESIDE * PAGE), &mut others).unwrap();
        }
        let gather = lab.unmap(case.start, case.size);
        for (iova, to) in everything() {
            assert!(lab.may_reach(*iova, *to), "{what}: {iova:#x} is not stale");
        }
        let (invalidation, freed) = gather.finish().unwrap();
        lab.invalidate(&invalidation, &rules);
        for (iova, to) in &inside {
            assert!(!lab.reaches(*iova, *to), "{what}: {iova:#x} is still reached");
        }
        if exact {
            for (iova, to) in case.before.iter().chain(&case.after) {
                assert!(lab.may_reach(*iova, *to), "{what}: {iova:#x} beside the range is gone");
            }
        }
        lab.drop_events();
        lab.bench.forget();
        freed.never_seen_by_hardware().reclaim(&p).unwrap();
        reclaim_now(&p, others);
    }
    lab.finish();
}

/// A descriptor is one word: wider atoms change nothing here.
const IN_64_BITS: [Setting; 2] = [Setting::Plain, Setting::Adversarial(Atomicity::Bits64)];

/// In front of the range nothing is ever hit, behind it only by `Policy::Exact` nothing; a host's second phase takes all.
fn by_policy(machine: &dyn Machine) {
    for place in EVERYWHERE {
        ranges(machine, place, |lab| lab.rules(Policy::Single), false);
        ranges(machine, place, |lab| lab.rules(Policy::Exact), place != Where::Host);
    }
}

#[test]
fn ranges_of_all_shapes_on_the_model() {
    for setting in IN_64_BITS {
        on_model_as(setting, Profile::maximum(), |machine| by_policy(machine));
    }
}

#[test]
fn ranges_of_all_shapes_on_the_model_that_is_like_qemu() {
    // Other limits of the commands (no DS), the same code otherwise: two places are enough.
    for setting in IN_64_BITS {
        on_model_as(setting, Profile::qemu(), |machine| {
            for place in [Where::Stage1, Where::Host] {
                ranges(machine, place, |lab| lab.rules(Policy::Exact), place != Where::Host);
            }
        });
    }
}

#[test]
fn ranges_of_all_shapes_on_qemu() {
    support::on_qemu(by_policy);
}

#[test]
fn ranges_of_all_shapes_without_range_commands() {
    // As MMU-600 r1p0 is, without RIL; nesting is out by an erratum there.
    for setting in IN_64_BITS {
        on_model_as(setting, Profile::mmu600_r1p0(), |machine| {
            for place in [Where::Stage1, Where::Stage2] {
                let lab = Lab::new(machine, place);
                assert!(!lab.bench.caps.has(Feature::RangeInvalidation));
                lab.finish();
                ranges(machine, place, |lab| lab.rules(Policy::Single), false);
                // One command a page, however many: exact by nature. Thousands of commands that may take effect in any
                // order are too much for the adversarial setting.
                if setting == Setting::Plain {
                    ranges(
                        machine,
                        place,
                        |lab| Rules { max_commands: 5000, ..lab.rules(Policy::Single) },
                        true,
                    );
                }
            }
        });
    }
    // The same from an SMMU that has them, if the driver does without.
    support::on_qemu(|machine| {
        let without = RangeSupport { ranges: false, ds: false };
        ranges(machine, Where::Stage1, |_| Rules { max_commands: 5000, ..Rules::new(without) }, true);
        ranges(machine, Where::Stage2, |_| Rules::new(without), false);
    });
}
