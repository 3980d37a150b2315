//! Invalidation arrays carried out: one domain behind two SMMUs, each a machine of its own, and what is out of reach when both
//! have given their receipts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{Gather, Invalidation, PageTable};
use smmu_cmds::CommandQueue;
use smmu_machine::Machine;
use smmu_model::Profile;
use smmu_regs::platform::Pages;
use smmu_regs::receipt::Detached;
use smmu_regs::{Caps, InstanceId, PhysAddr};
use smmu_tlbi::array::{Done, InvalidationArray, IssueError, Issued, Key, Smmus};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangeSupport, Tag};
use support::{
    Bench, PAGE, RW, Setup, Space1, Space2, TIMEOUT, lands, may_land, nested, on_both, on_model, range,
    streams,
};

const IOVA: u64 = 0x20_0000_0000;
const BYTES: u64 = 8 * PAGE;

/// The domain's part behind one SMMU: a device with a page table that maps a few pages. The SMMUs of two machines have no
/// memory in common, so each has a copy of the table.
struct Half<'m> {
    bench: Bench<'m, &'m dyn Machine>,
    tag: Tag,
    first: Space1,
    second: Option<Space2>,
    memory: Pages,
}

impl<'m> Half<'m> {
    /// With stage 1 alone, or with a guest's stage 1 on top of the domain, whose tag is then the VMID `id`.
    fn new(machine: &'m dyn Machine, instance: u16, id: u16, parent: bool) -> Self {
        let setup = Setup { instance: InstanceId::new(instance), ..Setup::default() };
        let mut bench = Bench::new(machine, setup);
        let p = machine;
        let memory = p.allocate(BYTES, BYTES).unwrap();
        let mut first = Space1::new(&p, &bench.caps, id);
        let (second, tag, ste) = if parent {
            let mut host = Space2::new(&p, &bench.caps, id);
            first.vmid = host.vmid;
            host.map_ram(machine);
            first.map(&p, IOVA, BYTES, PhysAddr::new(IOVA));
            let (tag, ste) = (Tag::NestingParent { vmid: host.vmid }, nested(&bench.caps, &first, &host));
            (Some(host), tag, ste)
        } else {
            (None, first.tag(), first.ste())
        };
        bench.attach(streams()[0], &ste);
        let mut half = Self { bench, tag, first, second, memory };
        half.map();
        half
    }

    fn table(&mut self) -> &mut PageTable {
        self.second.as_mut().map_or(&mut self.first.table, |host| &mut host.table)
    }

    fn map(&mut self) {
        let (p, to) = (self.bench.p, self.memory.base());
        self.table().map(&p, range(IOVA, BYTES), to, RW).unwrap();
    }

    fn unmap(&mut self) -> Gather {
        let (p, mut gather) = (self.bench.p, Gather::new());
        let _ = self.table().unmap(&p, range(IOVA, BYTES), &mut gather).unwrap();
        gather
    }

    /// Input address and where it leads, of each page.
    fn pages(&self) -> impl Iterator<Item = (u64, PhysAddr)> {
        let to = self.memory.base().get();
        (0..BYTES / PAGE).map(move |page| (IOVA + page * PAGE + 8, PhysAddr::new(to + page * PAGE + 8)))
    }

    fn reaches_all(&self) -> bool {
        self.pages().all(|(iova, to)| lands(self.bench.machine, 0, iova, to))
    }

    fn may_reach_all(&self) -> bool {
        self.pages().all(|(iova, to)| may_land(self.bench.machine, 0, iova, to))
    }

    fn may_reach_any(&self) -> bool {
        self.pages().any(|(iova, to)| may_land(self.bench.machine, 0, iova, to))
    }

    fn key(&self) -> Vec<Key> {
        Key::of_device(self.bench.queue.instance(), self.tag, &[], None).collect()
    }

    fn finish(mut self) {
        let _ = self.bench.all_events();
        self.bench.attach(streams()[0], &smmu_ste::SteConfig::Abort);
        let Self { mut bench, first, second, memory, .. } = self;
        let p = bench.p;
        first.destroy(&p, &mut bench.queue);
        if let Some(second) = second {
            second.destroy(&p, &mut bench.queue);
        }
        p.free(memory);
        bench.shut_down();
    }
}

/// The SMMUs that a test has.
struct Halves<'a, 'm>(&'a mut [Half<'m>]);

impl<'m> Smmus for Halves<'_, 'm> {
    type Platform = &'m dyn Machine;

    fn with<R>(
        &mut self,
        instance: InstanceId,
        f: impl FnOnce(&Self::Platform, &mut CommandQueue) -> R,
    ) -> Option<R> {
        let half = self.0.iter_mut().find(|half| half.bench.queue.instance() == instance)?;
        Some(f(&half.bench.p, &mut half.bench.queue))
    }
}

fn rules(caps: &Caps) -> Rules {
    Rules::new(RangeSupport::of(caps))
}

fn invalidate(
    array: &InvalidationArray<8>,
    what: &Invalidation,
    halves: &mut [Half<'_>],
) -> (Issued, Vec<u16>) {
    let mut syncs = Vec::new();
    let issued = array.invalidate(what, &mut Halves(halves), rules, TIMEOUT, |instance, command| {
        if command.is_none() {
            syncs.push(instance.get());
        }
    });
    (issued, syncs)
}

/// One unmap, told to both SMMUs by one walk.
fn both_are_told(machines: [&dyn Machine; 2], parent: bool) {
    // A VMID belongs to one SMMU, an ASID to the domain.
    let ids = if parent { [5, 6] } else { [5, 5] };
    let mut halves = [Half::new(machines[0], 0, ids[0], parent), Half::new(machines[1], 1, ids[1], parent)];
    let mut array = InvalidationArray::<8>::new();
    for half in &halves {
        array.merge(&half.key()).unwrap();
    }
    assert!(halves.iter().all(Half::reaches_all));
    let [one, other] = halves.each_mut().map(Half::unmap);
    // The other SMMU's copy of the table loses the same.
    let ((what, freed), (same, other)) = (one.finish().unwrap(), other.finish().unwrap());
    assert_eq!(what, same);
    assert!(halves.iter().all(Half::may_reach_all), "nothing is stale");

    let (issued, syncs) = invalidate(&array, &what, &mut halves);
    assert_eq!(syncs, if parent { vec![0, 0, 1, 1] } else { vec![0, 1] }, "one CMD_SYNC for each phase");
    assert_eq!(issued.receipts().map(|receipt| receipt.instance().get()).collect::<Vec<_>>(), [0, 1]);
    assert!(!halves.iter().any(Half::may_reach_any), "still reached");
    for (half, freed) in halves.iter().zip([freed, other]) {
        let freed = issued.open(freed).expect("both are done");
        freed.reclaim(&half.bench.p).unwrap();
    }

    // One device goes: its tag is flushed, and the other SMMU's entry stays.
    let gone = halves[1].key();
    array.unref(&gone, |_| {}).unwrap();
    let flushed: Vec<_> =
        array.flush(&mut Halves(&mut halves), TIMEOUT, |_, _| {}).outcomes().copied().collect();
    assert!(matches!(flushed[..], [Ok(Done { receipt, .. })] if receipt.instance() == InstanceId::new(1)));
    let mut freed = Vec::new();
    array.purge(|key| freed.push(key));
    assert_eq!(freed, gone);
    assert!(array.entries().iter().all(|entry| entry.key.instance == InstanceId::new(0)));
    halves.into_iter().for_each(Half::finish);
}

#[test]
fn one_walk_for_two_smmus() {
    for parent in [false, true] {
        on_model(Profile::maximum(), |one| {
            on_model(Profile::qemu(), |other| both_are_told([one, other], parent));
        });
    }
}

/// The SMMU that is there is told although the other is not; and nothing is given out.
#[test]
fn an_smmu_that_is_missing() {
    on_both(|machine| {
        let mut halves = [Half::new(machine, 1, 5, false)];
        let mut array = InvalidationArray::<8>::new();
        let missing = InstanceId::new(0);
        array.merge(&Key::of_device(missing, halves[0].tag, &[], None).collect::<Vec<_>>()).unwrap();
        array.merge(&halves[0].key()).unwrap();
        assert!(halves[0].reaches_all());
        let (what, freed) = halves[0].unmap().finish().unwrap();
        let (issued, _) = invalidate(&array, &what, &mut halves);
        assert!(issued.failures().eq([&IssueError::NoQueue { instance: missing }]));
        assert_eq!(issued.receipts().count(), 1);
        assert!(!halves[0].may_reach_any());
        let freed: Detached<_> = issued.open(freed).expect_err("one SMMU was not told");

        // Without its entry the rest is enough.
        let key = Key { instance: missing, ..halves[0].key()[0] };
        array.unref(&[key], |_| {}).unwrap();
        let (issued, _) = invalidate(&array, &what, &mut halves);
        issued.open(freed).expect("all that are left").reclaim(&halves[0].bench.p).unwrap();
        halves.into_iter().for_each(Half::finish);
    });
}

/// Nobody is in the array: nobody holds anything, unless a tag waits for its flush.
#[test]
fn an_array_without_users() {
    let mut array = InvalidationArray::<8>::new();
    let what = Invalidation {
        granule: smmu_regs::vmsa::Granule::Size4K,
        range: range(IOVA, BYTES),
        leaf_levels: smmu_regs::vmsa::LevelSet::only(smmu_regs::vmsa::Level::THREE),
        table_levels: smmu_regs::vmsa::LevelSet::EMPTY,
    };
    assert_eq!(invalidate(&array, &what, &mut []).0.open(Detached::new(5)).ok(), Some(5));
    let key: Vec<Key> = Key::of_device(InstanceId::new(0), Tag::El2, &[], None).collect();
    array.merge(&key).unwrap();
    array.unref(&key, |_| {}).unwrap();
    assert!(invalidate(&array, &what, &mut []).0.open(Detached::new(5)).is_err());
}
