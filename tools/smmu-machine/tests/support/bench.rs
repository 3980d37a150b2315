//! An SMMU that has been brought up from these crates, with nothing in between.

use super::TIMEOUT;
use smmu_cmds::event::Event;
use smmu_cmds::queue::Drained;
use smmu_cmds::{Command, CommandQueue, EventQueue};
use smmu_machine::Machine;
use smmu_regs::caps::Hints;
use smmu_regs::lifecycle::{Bases, Enabled, Probed};
use smmu_regs::platform::Platform;
use smmu_regs::receipt::Receipt;
use smmu_regs::{Caps, Feature, InstanceId, StreamId};
use smmu_ste::table::StreamTableShape;
use smmu_ste::{SteConfig, StreamTable};

/// What a test decides about its bench.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) command_queue_log2: u8,
    pub(crate) event_queue_log2: u8,
    pub(crate) shape: StreamTableShape,
    pub(crate) hints: Hints,
    pub(crate) instance: InstanceId,
}

impl Default for Setup {
    /// A linear stream table for all the usual devices: where its entries are can be computed.
    fn default() -> Self {
        Self {
            command_queue_log2: 6,
            event_queue_log2: 6,
            shape: StreamTableShape::Linear { log2: 9 },
            hints: Hints::default(),
            instance: INSTANCE,
        }
    }
}

/// The instance of benches that are alone.
pub(crate) const INSTANCE: InstanceId = InstanceId::new(3);

/// An enabled SMMU on platform `P`, its queues and its stream table.
pub(crate) struct Bench<'m, P> {
    pub(crate) p: P,
    pub(crate) machine: &'m dyn Machine,
    pub(crate) caps: Caps,
    pub(crate) smmu: Enabled,
    pub(crate) queue: CommandQueue,
    pub(crate) events: EventQueue,
    pub(crate) streams: StreamTable,
    before: u64,
}

impl<'m> Bench<'m, &'m dyn Machine> {
    /// Brings the machine's SMMU up.
    pub(crate) fn new(machine: &'m dyn Machine, setup: Setup) -> Self {
        Self::on(machine, machine, setup)
    }
}

impl<'m, P: Platform> Bench<'m, P> {
    /// Brings the SMMU of `machine` up through platform `p`.
    pub(crate) fn on(p: P, machine: &'m dyn Machine, setup: Setup) -> Self {
        let before = machine.allocated();
        let probed = Probed::probe(&p, setup.instance, &setup.hints).unwrap();
        let caps = *probed.caps();
        let streams = StreamTable::new(&p, &caps, setup.shape).unwrap();
        let mut queue = CommandQueue::new(&p, &caps, setup.instance, setup.command_queue_log2).unwrap();
        let events = EventQueue::new(&p, &caps, setup.event_queue_log2).unwrap();
        let bases = bases(&streams, &queue, &events);
        let ready = probed.quiesce(&p, TIMEOUT).unwrap().configure(&p, &bases).unwrap();
        let ready = ready.enable_commands(&p, TIMEOUT).unwrap();
        let clean = queue.drop_everything(&p, TIMEOUT).unwrap();
        let smmu = ready.enable(&p, clean, TIMEOUT).unwrap();
        Self { p, machine, caps, smmu, queue, events, streams, before }
    }

    /// Adds commands and waits for their completion.
    pub(crate) fn run(&mut self, commands: &[Command]) -> Receipt {
        for command in commands {
            self.queue.push(&self.p, command, TIMEOUT).unwrap();
        }
        self.queue.sync(&self.p, TIMEOUT).unwrap()
    }

    /// Drops everything that the SMMU has cached.
    pub(crate) fn forget(&mut self) {
        let _ = self.queue.drop_everything(&self.p, TIMEOUT).unwrap();
    }

    /// Gives a stream its entry.
    pub(crate) fn attach(&mut self, stream: StreamId, config: &SteConfig) {
        self.streams.ensure(&self.p, &mut self.queue, stream, TIMEOUT).unwrap();
        let ste = config.encode(&self.caps).unwrap();
        let _ = self.streams.set(&self.p, &mut self.queue, stream, &ste, TIMEOUT, |_| {}).unwrap();
    }

    /// All events that wait.
    pub(crate) fn drain(&mut self) -> (Vec<Event>, Drained) {
        let mut events = Vec::new();
        let drained = self.events.drain(&self.p, |raw| events.push(raw.decode())).unwrap();
        (events, drained)
    }

    /// Events until none comes, of which none may be lost.
    pub(crate) fn all_events(&mut self) -> Vec<Event> {
        let mut all = Vec::new();
        loop {
            let (events, drained) = self.drain();
            assert!(!drained.lost);
            if events.is_empty() {
                return all;
            }
            all.extend(events);
        }
    }

    /// [`Bench::shut_down`], with memory that was allocated by the test.
    pub(crate) fn shut_down_with(self, pages: smmu_regs::platform::Pages) {
        self.p.free(pages);
        self.shut_down();
    }

    /// Switches the SMMU off and checks that all memory that was allocated since has come back.
    pub(crate) fn shut_down(self) {
        let Self { p, machine, smmu, queue, events, streams, before, .. } = self;
        let _off = smmu.disable(&p, TIMEOUT).unwrap();
        p.free(queue.into_pages());
        p.free(events.into_pages());
        streams.free(&p).unwrap();
        assert_eq!(machine.ram().allocated(), before, "{}: memory was lost", machine.name());
    }
}

/// Where tables and queues are.
pub(crate) fn bases(streams: &StreamTable, queue: &CommandQueue, events: &EventQueue) -> Bases {
    let (stream_table, stream_table_shape) = streams.registers().unwrap();
    Bases {
        stream_table,
        stream_table_shape,
        command_queue: queue.base_register().unwrap(),
        event_queue: events.base_register().unwrap(),
        pri_queue: None,
    }
}
