//! Every way from one kind of stream table entry to another, under DMA at every moment: a device reaches what the old entry
//! gives it or what the new one gives it, never a third thing, and nothing at all only where that cannot be avoided.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_machine::Machine;
use smmu_model::Profile;
use smmu_regs::platform::{Atomicity, Pages};
use smmu_regs::registers::StrtabBase;
use smmu_regs::{PhysAddr, StreamId};
use smmu_ste::table::Progress;
use smmu_ste::update::{Step, UpdatePlan};
use smmu_ste::{Ste, SteConfig};
use support::{
    Bench, PAGE, Place, Seen, Setup, Space1, Space2, TIMEOUT, dma, nested, on_models, on_qemu, outcomes,
    streams,
};

/// An entry and what a device reaches through it.
struct Kind {
    name: &'static str,
    ste: Ste,
    reaches: Seen,
}

/// The machine with an entry of each kind, all of them for the same input address.
struct Stage<'m> {
    bench: Bench<'m, &'m dyn Machine>,
    kinds: Vec<Kind>,
    places: Vec<Place>,
    iova: u64,
    spaces1: Vec<Space1>,
    spaces2: Vec<Space2>,
    pages: Pages,
}

const STREAM: StreamId = StreamId::new(0x8);
const OFFSET: u64 = 0x9c;

impl<'m> Stage<'m> {
    fn new(machine: &'m dyn Machine) -> Self {
        let bench = Bench::new(machine, Setup::default());
        let (p, caps) = (machine, &bench.caps);
        let pages = p.allocate(8 * PAGE, 8 * PAGE).unwrap();
        let page = |n: u64| PhysAddr::new(pages.base().get() + n * PAGE);
        // In bypass, the input address is itself a page of RAM.
        let iova = page(0).get();
        let names = ["bypass", "S1a", "S1b", "S2a", "S2b", "nested"];
        let places: Vec<Place> = (0..)
            .zip(names)
            .map(|(n, name)| Place { name, at: PhysAddr::new(page(n).get() + OFFSET) })
            .collect();

        let mut s1a = Space1::new(&p, caps, 1);
        let mut s1b = Space1::new(&p, caps, 2);
        s1a.map(&p, iova, PAGE, page(1));
        s1b.map(&p, iova, PAGE, page(2));
        let mut s2a = Space2::new(&p, caps, 11);
        let mut s2b = Space2::new(&p, caps, 12);
        s2a.map(&p, iova, PAGE, page(3));
        s2b.map(&p, iova, PAGE, page(4));
        // The guest's CD and tables are where they are; its page is at an IPA that is no RAM.
        let mut host = Space2::new(&p, caps, 13);
        let mut guest = Space1::new(&p, caps, 1);
        let ipa = 0x30_0000_0000;
        host.map_ram(machine);
        host.map(&p, ipa, PAGE, page(5));
        guest.map(&p, iova, PAGE, PhysAddr::new(ipa));
        guest.vmid = host.vmid;

        let kind =
            |name, config: SteConfig, reaches| Kind { name, ste: config.encode(caps).unwrap(), reaches };
        let kinds = vec![
            kind("abort", SteConfig::Abort, Seen::Nowhere),
            kind("bypass", SteConfig::Bypass, Seen::At("bypass")),
            kind("S1a", s1a.ste(), Seen::At("S1a")),
            kind("S1b", s1b.ste(), Seen::At("S1b")),
            kind("S2a", s2a.ste(), Seen::At("S2a")),
            kind("S2b", s2b.ste(), Seen::At("S2b")),
            kind("nested", nested(caps, &guest, &host), Seen::At("nested")),
        ];
        assert_eq!(streams()[0], STREAM);
        Self {
            bench,
            kinds,
            places,
            iova,
            spaces1: vec![s1a, s1b, guest],
            spaces2: vec![s2a, s2b, host],
            pages,
        }
    }

    fn dma(&self) -> Seen {
        dma(self.bench.machine, 0, self.iova + OFFSET, &self.places)
    }

    /// Makes the entry `ste` with nothing cached, whatever it was, and checks that it does what it should.
    fn reset(&mut self, kind: usize) {
        self.store(&self.kinds[kind].ste.words());
        self.bench.forget();
        assert_eq!(self.dma(), self.kinds[kind].reaches);
    }

    /// Stores the whole entry as it is, which nobody may do to a live one: the test forgets all caches before the next DMA.
    fn store(&self, words: &[u64; 8]) {
        let (base, _) = self.bench.streams.registers().unwrap();
        let at = base.address(StrtabBase::ADDR) + u64::from(STREAM.get()) * 64;
        for (word, value) in self.bench.p.words(PhysAddr::new(at), 8).unwrap().iter().zip(words) {
            word.store(*value);
        }
        self.bench.p.publish();
    }

    fn finish(self) {
        let Self { mut bench, spaces1, spaces2, pages, .. } = self;
        bench.attach(STREAM, &SteConfig::Abort);
        bench.forget();
        let p = bench.p;
        for space in spaces1 {
            space.destroy(&p, &mut bench.queue);
        }
        for space in spaces2 {
            space.destroy(&p, &mut bench.queue);
        }
        p.free(pages);
        bench.shut_down();
    }

    /// What a DMA may do while the entry goes from kind `from` to kind `to` by `plan`.
    fn allowed(&self, from: usize, to: usize, plan: &UpdatePlan) -> Vec<Seen> {
        let mut allowed = vec![self.kinds[from].reaches.clone(), self.kinds[to].reaches.clone()];
        if !plan.is_hitless() {
            allowed.push(Seen::Nowhere);
        }
        allowed
    }

    fn what(&self, from: usize, to: usize) -> String {
        format!("{}: {} -> {}", self.bench.machine.name(), self.kinds[from].name, self.kinds[to].name)
    }
}

/// All ordered pairs, also of an entry with itself.
fn pairs(stage: &Stage<'_>) -> Vec<(usize, usize)> {
    let count = stage.kinds.len();
    (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).collect()
}

/// `StreamTable::set` with a DMA after every store and after every `CMD_SYNC`.
fn carried_out(machine: &dyn Machine) {
    let mut stage = Stage::new(machine);
    for (from, to) in pairs(&stage) {
        stage.reset(from);
        let mut seen = Vec::new();
        let target = stage.kinds[to].ste;
        let (iova, places) = (stage.iova + OFFSET, &stage.places);
        let bench = &mut stage.bench;
        let updated = bench
            .streams
            .set(&bench.p, &mut bench.queue, STREAM, &target, TIMEOUT, |progress| {
                if let Progress::Stored(_) | Progress::Synchronized(..) = progress {
                    seen.extend(outcomes(machine, 0, iova, places));
                }
            })
            .unwrap();
        let what = stage.what(from, to);
        let allowed = stage.allowed(from, to, &updated.plan);
        assert!(seen.iter().all(|one| allowed.contains(one)), "{what}: {seen:?}");
        assert!(seen.len() >= 2 * updated.plan.steps().count());
        assert_eq!(updated.plan.is_empty(), from == to, "{what}");
        assert_eq!(updated.receipt.is_some(), from != to, "{what}");
        // The old entry's translations are another tag's: they may not serve the new one.
        assert_eq!(stage.dma(), stage.kinds[to].reaches, "{what}");
        let found = stage.bench.streams.get(&stage.bench.p, STREAM).unwrap();
        assert_eq!(found, Some(target), "{what}: unused bits are as asked, too");
        let _ = stage.bench.drain();
    }
    stage.finish();
}

/// The content after the stores of `mask`, which picks among those of `step`.
fn partly(before: &[u64; 8], step: &Step, mask: usize) -> [u64; 8] {
    let mut words = *before;
    for (number, (word, value)) in step.stores().enumerate() {
        if mask >> number & 1 != 0 {
            words[word] = value;
        }
    }
    words
}

/// The worst that hardware may do: it sees any of a step's stores and not the others, in any order, with nothing cached.
fn single_stores(machine: &dyn Machine) {
    let mut stage = Stage::new(machine);
    let mut states = 0;
    for (from, to) in pairs(&stage) {
        let (old, new) = (stage.kinds[from].ste, stage.kinds[to].ste);
        let plan = stage.bench.streams.plan(&old, &new, machine.atomicity());
        let allowed = stage.allowed(from, to, &plan);
        let what = stage.what(from, to);
        let mut before = old.words();
        for step in plan.steps() {
            let all = 1 << step.stores().count();
            for mask in 0..all {
                let words = partly(&before, step, mask);
                stage.store(&words);
                stage.bench.forget();
                let seen = stage.dma();
                assert!(allowed.contains(&seen), "{what}: {seen:?} with {:?}", Ste::from_words(words));
                // And it says nothing new if it is asked again, now from its caches.
                assert_eq!(stage.dma(), seen, "{what}");
                states += 1;
                if plan.is_hitless() && from != 0 && to != 0 {
                    assert_ne!(seen, Seen::Nowhere, "{what}");
                    let (events, _) = stage.bench.drain();
                    assert!(events.is_empty(), "{what}: {events:?}");
                }
            }
            before = partly(&before, step, all - 1);
            assert_eq!(before, step.words);
        }
        assert_eq!(before, new.words(), "{what}");
        let _ = stage.bench.drain();
    }
    assert!(states > 200, "{states}");
    stage.finish();
}

/// What the plan promises for each pair, where stage 2 counts and no other attribute differs.
fn which_are_hitless(machine: &dyn Machine) {
    let stage = Stage::new(machine);
    let mut breaks = Vec::new();
    for (from, to) in pairs(&stage) {
        let plan =
            stage.bench.streams.plan(&stage.kinds[from].ste, &stage.kinds[to].ste, machine.atomicity());
        if !plan.is_hitless() {
            breaks.push((stage.kinds[from].name, stage.kinds[to].name));
        }
    }
    breaks.sort_unstable();
    // Config is in word 0, S2VMID in word 2 and S2TTB in word 3: changing two that both sides use cannot be hidden.
    let mut expected = Vec::new();
    for s1 in ["S1a", "S1b"] {
        for s2 in ["S2a", "S2b", "nested"] {
            expected.extend([(s1, s2), (s2, s1)]);
        }
    }
    for (a, b) in [("S2a", "nested"), ("S2b", "nested")] {
        expected.extend([(a, b), (b, a)]);
    }
    // Words 2 and 3 alone are one atom where atoms have 128 bits.
    if machine.atomicity() == Atomicity::Bits64 {
        expected.extend([("S2a", "S2b"), ("S2b", "S2a")]);
    }
    expected.sort_unstable();
    assert_eq!(breaks, expected, "{}", machine.name());
    stage.finish();
}

/// Proves that the judge judges: an entry that is changed in the wrong order is seen half-done.
fn a_wrong_order_is_noticed(machine: &dyn Machine) {
    let mut stage = Stage::new(machine);
    // From abort to S2a with the switch first: Config says stage 2 while its fields say nothing.
    let (abort, s2a) = (stage.kinds[0].ste.words(), stage.kinds[4].ste.words());
    let mut words = s2a;
    words[3] = abort[3];
    stage.store(&words);
    stage.bench.forget();
    assert_eq!(stage.dma(), Seen::Nowhere);
    let (events, _) = stage.bench.drain();
    assert!(!events.is_empty(), "{}: a half-done entry is reported", machine.name());
    // A change that is not followed by an invalidation is not seen.
    stage.reset(1);
    stage.store(&s2a);
    let seen = outcomes(machine, 0, stage.iova + OFFSET, &stage.places);
    assert!(seen.contains(&Seen::At("bypass")), "{}: it caches nothing", machine.name());
    stage.finish();
}

/// Models on which all seven kinds are possible: other features, other bits that matter.
fn profiles() -> [Profile; 3] {
    [Profile::maximum(), Profile::qemu(), Profile::mmu700_r1p1()]
}

#[test]
fn a_device_reaches_old_or_new_while_an_entry_changes_on_the_model() {
    on_models(&profiles(), carried_out);
}

#[test]
fn a_device_reaches_old_or_new_while_an_entry_changes_on_qemu() {
    on_qemu(carried_out);
}

#[test]
fn every_mixture_of_a_steps_stores_means_old_or_new_on_the_model() {
    on_models(&profiles(), single_stores);
}

#[test]
fn every_mixture_of_a_steps_stores_means_old_or_new_on_qemu() {
    on_qemu(single_stores);
}

#[test]
fn plans_are_hitless_where_one_word_decides() {
    on_models(&profiles(), which_are_hitless);
    on_qemu(which_are_hitless);
}

#[test]
fn the_machines_notice_a_wrong_order() {
    on_models(&profiles(), a_wrong_order_is_noticed);
    on_qemu(a_wrong_order_is_noticed);
}
