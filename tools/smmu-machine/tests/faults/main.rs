//! Faults that wait for an answer, on devices that stall, make page requests and translate ahead: every one gets its one
//! answer, whatever the machine does in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ats;
mod guests;
mod page_requests;
mod queues;
mod stalls;
#[path = "../support/mod.rs"]
mod support;

use io_pgtable_lpae::{Gather, Regime};
use smmu_cmds::command::{AtcSpan, PriResponse, ResumeAction};
use smmu_cmds::event::EventKind;
use smmu_cmds::fault::{
    Arrival, PageArrival, PageGroup, PageGroups, ResponsePasid, StalledTransaction, Stalls, Unanswered,
    WhenFull,
};
use smmu_cmds::queue::Drained;
use smmu_cmds::{Command, PriQueue, QueueError};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Adversity, AtsAccess, AtsCompletion, PageRequest, PageResponse, Profile, Resumed};
use smmu_regs::handshake::write_cr0;
use smmu_regs::platform::{Memory, Pages};
use smmu_regs::registers::{Cr0, EventqProd, PriqCons, PriqProd, Registers};
use smmu_regs::{PhysAddr, StreamId, SubstreamId};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::ste::{Ats, FaultMode, Stage2Config};
use smmu_ste::{CdConfig, SteConfig};
use support::{
    Bench, INSTANCE, PAGE, Setup, Space1, Space2, TIMEOUT, on_model, range, reclaim_now, streams, tells_all,
};

const IOVA: u64 = 0x12_3000;

/// A device with an address space that stalls or uses ATS, and a page to be mapped there.
struct Lab<'m> {
    machine: &'m ModelMachine,
    bench: Bench<'m, &'m dyn Machine>,
    space: Space1,
    page: Pages,
    stalls: Stalls<u8, 16>,
}

impl<'m> Lab<'m> {
    fn new(machine: &'m ModelMachine, event_queue_log2: u8, stall: bool) -> Self {
        Self::with(machine, Setup { event_queue_log2, ..Setup::default() }, stall)
    }

    fn with(machine: &'m ModelMachine, setup: Setup, stall: bool) -> Self {
        let mut bench = Bench::new(machine as &dyn Machine, setup);
        let mut space = Space1::new(&bench.p, &bench.caps, 1);
        let SteConfig::Stage1(mut ste) = space.ste() else { panic!("not stage 1") };
        if stall {
            let Regime::Stage1(regime) = space.table.regime() else { panic!("not stage 1") };
            let cd = CdConfig { regime, asid: space.asid, faults: CdFaultMode::Stall, private_asid: true };
            let cd = cd.encode(&bench.caps).unwrap();
            space.cds.set_before_use(&bench.p, SubstreamId::ZERO, &cd).unwrap();
            ste.may_stall = true;
        } else {
            ste.ats = Ats::Full;
        }
        bench.attach(streams()[0], &SteConfig::Stage1(ste));
        let page = machine.allocate(PAGE, PAGE).unwrap();
        Self { machine, bench, space, page, stalls: Stalls::new(INSTANCE) }
    }

    fn map(&mut self) {
        self.space.map(&self.bench.p, IOVA, PAGE, self.page.base());
        self.machine.publish();
    }

    /// Unmaps the page; the tables that this frees may still be read, and are kept.
    fn unmap(&mut self) -> Gather {
        let mut gather = Gather::new();
        self.space.table.unmap(&self.bench.p, range(IOVA, PAGE), &mut gather).unwrap();
        self.machine.publish();
        gather
    }

    fn word(&self) -> PhysAddr {
        self.page.base()
    }

    /// Stalls that have been recorded since, given to the ledger.
    fn arrivals(&mut self) -> Vec<StalledTransaction> {
        let mut found = Vec::new();
        let drained =
            self.bench.events.drain(&self.bench.p, |raw| match self.stalls.arrived(&raw.decode()) {
                Arrival::Stalled(stalled) => found.push(stalled),
                other => panic!("{other:?} of {raw}"),
            });
        assert!(!drained.unwrap().lost, "stalls are never lost");
        found
    }

    fn answer(&mut self, stalled: StalledTransaction, action: ResumeAction) {
        let (p, queue) = (&self.bench.p, &mut self.bench.queue);
        self.stalls.resume(stalled, action, |command| queue.push(p, &command, TIMEOUT)).unwrap();
    }

    fn sync(&mut self) {
        let _ = self.bench.run(&[]);
    }

    /// Answers whatever comes until `count` transactions have gone on.
    fn until_resumed(&mut self, count: usize, action: ResumeAction) -> Vec<Resumed> {
        let mut all = Vec::new();
        for _ in 0..1000 {
            for stalled in self.arrivals() {
                self.answer(stalled, action);
            }
            self.sync();
            all.extend(self.machine.resumed());
            if all.len() >= count && self.machine.stalled().is_empty() {
                break;
            }
        }
        assert_eq!((all.len(), self.machine.stalled().len()), (count, 0), "{all:?}");
        // The records that were answered too late to matter.
        for stalled in self.arrivals() {
            self.answer(stalled, ResumeAction::Abort);
        }
        self.sync();
        all
    }

    fn finish(mut self) {
        assert_eq!(
            (self.stalls.len(), self.machine.unanswered()),
            (0, vec![]),
            "something was never answered"
        );
        self.machine.reset_atcs();
        self.bench.attach(streams()[0], &SteConfig::Abort);
        let Self { bench, space, page, .. } = self;
        let mut bench = bench;
        space.destroy(&bench.p, &mut bench.queue);
        bench.p.free(page);
        bench.shut_down();
    }
}

#[test]
fn wrong_answers_are_noticed() {
    let adversity = Adversity::new(streams().iter().map(|stream| (stream.get(), None)));
    for machine in [
        ModelMachine::new(Profile::maximum(), &streams()),
        ModelMachine::adversarial(Profile::maximum(), &streams(), adversity),
    ] {
        let mut lab = Lab::new(&machine, 4, true);
        let resume = |stream, stag| Command::Resume { stream, stag, action: ResumeAction::Retry };
        let answer = Command::PriResp {
            stream: streams()[0],
            substream: None,
            group: 1,
            response: PriResponse::Success,
        };
        let _ = lab.bench.run(&[resume(streams()[0], 77), answer]);
        assert!(machine.dma32(0, IOVA, Some(1)).unwrap().unwrap_err().waits);
        let [stalled] = <[_; 1]>::try_from(lab.arrivals()).unwrap();
        let _ = lab.bench.run(&[resume(streams()[1], stalled.stag())]);
        let _ = lab.bench.run(&[Command::StallTerm { stream: streams()[0] }]);
        let complaints = machine.complaints();
        let expected = [
            "STAG 0x4d: no such stall",
            "PRGIndex 0x1: no such group",
            "StreamID 0x10, STAG",
            "lets transactions through",
        ];
        assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
        for (complaint, part) in complaints.iter().zip(expected) {
            assert!(complaint.contains(part), "{complaint}");
        }
    }
}
