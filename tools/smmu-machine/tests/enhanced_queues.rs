//! Enhanced command queues beside the main one (IHI 0070 3.5.6), on the model as it is and at its worst: bring-up, invalidations
//! that count only once the CMD_SYNC of their own queue has completed, refused commands, many producers, the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::Gather;
use smmu_cmds::queue::{
    CommandFailure, Completion, Ecmdq, QueueRegisters, SharedOptions, SharedPlatform, SharedQueue,
};
use smmu_cmds::{Command, CommandQueue, QueueError, RawCommand};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Hang, Profile, Trace};
use smmu_regs::handshake::{acknowledge_errors, active_errors};
use smmu_regs::platform::{Memory, Mmio, Page, Pages};
use smmu_regs::receipt::{Receipt, Ticket};
use smmu_regs::registers::{
    Bank, CmdqControlPageBase, CmdqControlPageStatus, ControlPage, EcmdqCons, EcmdqRegisters, Gerror, Idr6,
    Registers,
};
use smmu_regs::{Feature, Vmid};
use std::thread;
use std::time::Duration;
use support::{
    Bench, INSTANCE, PAGE, Setup, Space1, TIMEOUT, lands, may_land, on_model, range, streams, tells_all,
};

const ILLEGAL: [u64; 2] = [0xff, 0x1234];
const IOVA: u64 = 0x20_0000_0000;

/// The main queue, translations of a device, and memory that they lead to.
struct Lab<'m> {
    machine: &'m ModelMachine,
    bench: Bench<'m, &'m dyn Machine>,
    space: Space1,
    memory: Pages,
}

impl<'m> Lab<'m> {
    fn new(machine: &'m ModelMachine) -> Self {
        let mut bench = Bench::new(machine, Setup::default());
        let space = Space1::new(machine, &bench.caps, 5);
        machine.publish();
        bench.attach(streams()[0], &space.ste());
        let memory = machine.allocate(PAGE, PAGE).unwrap();
        Self { machine, bench, space, memory }
    }

    /// Queue `number` of control page `page`.
    fn interface(&self, page: u16, number: u16) -> Ecmdq {
        let idr6: Idr6 = self.machine.get();
        Ecmdq::new(EcmdqRegisters::new(Bank::NonSecure, idr6, page, number).unwrap())
    }

    /// An exclusive queue that is enabled.
    fn exclusive(&self, interface: Ecmdq) -> CommandQueue<Ecmdq> {
        let queue = CommandQueue::with(self.machine, &self.bench.caps, INSTANCE, interface, 4).unwrap();
        interface.enable(self.machine, queue.base_register().unwrap(), TIMEOUT).unwrap();
        queue
    }

    fn reaches(&self) -> bool {
        may_land(self.machine, 0, IOVA, self.memory.base())
    }

    /// Maps the page, sees a transaction pass, and unmaps it. What is gathered goes back with [`Lab::reclaim`].
    fn map_use_unmap(&mut self) -> Gather {
        self.space.map(self.machine, IOVA, PAGE, self.memory.base());
        self.machine.publish();
        assert!(lands(self.machine, 0, IOVA, self.memory.base()));
        let mut gather = Gather::new();
        self.space.table.unmap(self.machine, range(IOVA, PAGE), &mut gather).unwrap();
        self.machine.publish();
        assert!(self.reaches(), "nothing has been invalidated");
        gather
    }

    /// Tables come back against a receipt of the queue that invalidated.
    fn reclaim(&self, gather: Gather, ticket: Ticket, receipt: Receipt) {
        let (_, freed) = gather.finish().unwrap();
        freed.after_one(ticket).open(&[receipt]).unwrap().reclaim(self.machine).unwrap();
    }

    fn finish(self) {
        let Self { machine, mut bench, space, memory, .. } = self;
        bench.attach(streams()[0], &smmu_ste::SteConfig::Abort);
        space.destroy(&bench.p, &mut bench.queue);
        machine.free(memory);
        bench.shut_down();
    }
}

/// Waits until a queue has been emptied, whether or not anything is complete.
fn wait_until_taken(machine: &ModelMachine, interface: &impl QueueRegisters, rd: u32) {
    let taken = (0..1000).any(|_| {
        let _ = smmu_regs::platform::Clock::now(machine);
        interface.consumer(machine).rd == rd
    });
    assert!(taken, "{:?}", interface.consumer(machine));
}

/// Of which queues, by the place of BASE, commands with this opcode were taken.
fn taken_of(trace: &[Trace], opcode: u64) -> Vec<u32> {
    let of = |entry: &Trace| match entry {
        Trace::Command { queue, words, error: None, .. } if words[0] & 0xff == opcode => Some(*queue),
        _ => None,
    };
    trace.iter().filter_map(of).collect()
}

#[test]
fn the_platform_leads_to_the_control_pages() {
    on_model(Profile::ecmdq(), |machine| {
        let lab = Lab::new(machine);
        assert!(lab.bench.caps.has(Feature::Ecmdq));
        let counts = EcmdqRegisters::count(machine.get::<Idr6>()).unwrap();
        let found = lab.bench.caps.ecmdq.unwrap();
        assert_eq!((found.pages(), found.queues_per_page()), (counts.0.into(), counts.1.into()));
        let mut last = None;
        for page in 0..counts.0 {
            let at = ControlPage::new(Bank::NonSecure, page.try_into().unwrap()).unwrap();
            let base: CmdqControlPageBase = machine.get_at(at.base());
            assert!(base.cmdq_control_page_preset() && base.cmdqgs() == 1, "{base:?}");
            assert!(machine.get_at::<CmdqControlPageStatus>(at.status()).enack());
            let place = base.into_bits() & !0xffff;
            assert_eq!(machine.control_page(page.try_into().unwrap()), Some(place));
            // Contiguous, in ascending order.
            assert!(last.is_none_or(|last| place == last + 0x1_0000));
            last = Some(place);
            for number in 0..counts.1 {
                let registers = EcmdqRegisters::new(Bank::NonSecure, machine.get(), page, number).unwrap();
                assert!(matches!(registers.base().page, Page::CommandQueues { .. }));
                assert!(!machine.get_at::<EcmdqCons>(registers.cons()).enack());
            }
        }
        // Pages that there are not, and other banks' pages: zeros, and no complaint.
        for (bank, page) in [(Bank::NonSecure, 2), (Bank::NonSecure, 255), (Bank::Realm, 0)] {
            let at =
                smmu_regs::platform::RegisterOffset { page: Page::CommandQueues { bank, page }, offset: 0 };
            machine.write64(at, u64::MAX);
            assert_eq!(machine.read64(at), 0);
        }
        lab.finish();
    });
}

#[test]
fn an_invalidation_counts_once_its_own_queue_s_sync_is_complete() {
    on_model(Profile::ecmdq(), |machine| {
        let mut lab = Lab::new(machine);
        let (one, two) = (lab.interface(0, 1), lab.interface(1, 3));
        let (mut first, mut second) = (lab.exclusive(one), lab.exclusive(two));
        let again = one.enable(machine, first.base_register().unwrap(), TIMEOUT);
        assert!(matches!(again, Err(QueueError::AlreadyEnabled { .. })), "{again:?}");
        machine.trace();

        // In the enhanced queue: neither the main queue's CMD_SYNC nor that of the other one completes it.
        for round in 0..20_u64 {
            let gather = lab.map_use_unmap();
            let start = first.accepted();
            first.push(machine, &lab.space.tag().whole(), TIMEOUT).unwrap();
            first.ring(machine);
            wait_until_taken(machine, &one, first.accepted().0 as u32 % 32);
            let ticket = first.ticket_since(start);
            for receipt in [lab.bench.run(&[]), second.sync(machine, TIMEOUT).unwrap()] {
                assert!(!receipt.covers(ticket), "round {round}: {receipt:?} {ticket:?}");
            }
            if tells_all(machine) {
                assert!(lab.reaches(), "round {round}: completed by another queue");
            }
            let receipt = first.sync(machine, TIMEOUT).unwrap();
            assert!(receipt.covers(ticket));
            assert!(!lab.reaches(), "round {round}");
            lab.reclaim(gather, ticket, receipt);
        }

        // In the main queue: no enhanced queue completes it.
        let gather = lab.map_use_unmap();
        let start = lab.bench.queue.accepted();
        lab.bench.queue.push(&lab.bench.p, &lab.space.tag().whole(), TIMEOUT).unwrap();
        lab.bench.queue.ring(&lab.bench.p);
        let ticket = lab.bench.queue.ticket_since(start);
        wait_until_taken(machine, &smmu_cmds::queue::Cmdq, lab.bench.queue.accepted().0 as u32 % 128);
        assert!(!first.sync(machine, TIMEOUT).unwrap().covers(ticket));
        if tells_all(machine) {
            assert!(lab.reaches(), "completed by an enhanced queue");
        }
        let receipt = lab.bench.run(&[]);
        assert!(!lab.reaches());
        lab.reclaim(gather, ticket, receipt);

        let places: std::collections::BTreeSet<u32> = taken_of(&machine.trace(), 0x46).into_iter().collect();
        assert_eq!(places.len(), 3, "{places:x?}");
        for (interface, queue) in [(one, first), (two, second)] {
            interface.disable(machine, TIMEOUT).unwrap();
            machine.free(queue.into_pages());
        }
        lab.finish();
    });
}

#[test]
fn a_refused_command_stops_its_own_queue_and_is_repaired() {
    on_model(Profile::ecmdq(), |machine| {
        let mut lab = Lab::new(machine);
        let interface = lab.interface(1, 0);
        let mut queue = lab.exclusive(interface);
        for round in 0..5 {
            let gather = lab.map_use_unmap();
            let start = queue.accepted();
            queue.push_raw(machine, &RawCommand::from_words(ILLEGAL), TIMEOUT).unwrap();
            let behind = queue.accepted();
            queue.push(machine, &lab.space.tag().whole(), TIMEOUT).unwrap();
            let error = queue.sync(machine, TIMEOUT).unwrap_err();
            let QueueError::Stopped { failure: CommandFailure::Illegal, command, .. } = error else {
                panic!("{error:?}")
            };
            assert_eq!(command.words(), ILLEGAL);
            // The global error says that some queue has one; acknowledged, it restarts none.
            assert!(active_errors(&machine).cmdqp_err() && !active_errors(&machine).cmdq_err());
            acknowledge_errors(&machine, Gerror::new().with(Gerror::CMDQP_ERR, true));
            assert!(matches!(queue.sync(machine, TIMEOUT), Err(QueueError::Stopped { .. })));
            // The main queue goes on meanwhile, and completes nothing of it.
            let _ = lab.bench.run(&[Command::TlbiNhAll { vmid: Vmid::new(7) }]);
            assert!(lab.reaches(), "round {round}");

            let repaired = queue.recover(machine).unwrap().unwrap();
            assert_eq!((repaired.0, repaired.1.words()), (CommandFailure::Illegal, ILLEGAL));
            assert_eq!(queue.recover(machine), Ok(None));
            let receipt = queue.sync(machine, TIMEOUT).unwrap();
            assert!(!receipt.covers(queue.ticket_since(start)), "the refused command is lost");
            let ticket = queue.ticket_since(behind);
            assert!(receipt.covers(ticket) && !lab.reaches(), "round {round}");
            lab.reclaim(gather, ticket, receipt);
        }
        interface.disable(machine, TIMEOUT).unwrap();
        machine.free(queue.into_pages());
        lab.finish();
    });
}

#[test]
fn a_queue_is_disabled_and_begins_anew() {
    on_model(Profile::ecmdq(), |machine| {
        let mut lab = Lab::new(machine);
        let interface = lab.interface(0, 3);
        let mut queue = lab.exclusive(interface);
        let base = queue.base_register().unwrap();
        for round in 0..5 {
            let gather = lab.map_use_unmap();
            // Disabled with an error that nobody has acknowledged: the next enable begins without it.
            queue.push_raw(machine, &RawCommand::from_words(ILLEGAL), TIMEOUT).unwrap();
            let lost = queue.accepted();
            queue.push(machine, &lab.space.tag().whole(), TIMEOUT).unwrap();
            assert!(matches!(queue.sync(machine, TIMEOUT), Err(QueueError::Stopped { .. })));
            let ticket = queue.ticket_since(lost);
            interface.disable(machine, TIMEOUT).unwrap();
            acknowledge_errors(&machine, Gerror::new().with(Gerror::CMDQP_ERR, true));
            machine.trace();
            let _ = lab.bench.run(&[]);
            assert!(lab.reaches(), "round {round}: the commands behind the error have not happened");
            assert_eq!(taken_of(&machine.trace(), 0x46), [0x90], "only the main queue is left");
            queue.restart();
            interface.enable(machine, base, TIMEOUT).unwrap();
            assert!(!queue.sync(machine, TIMEOUT).unwrap().covers(ticket), "what was lost stays lost");
            let start = queue.accepted();
            queue.push(machine, &lab.space.tag().whole(), TIMEOUT).unwrap();
            let receipt = queue.sync(machine, TIMEOUT).unwrap();
            assert!(!lab.reaches(), "round {round}");
            lab.reclaim(gather, queue.ticket_since(start), receipt);
        }
        interface.disable(machine, TIMEOUT).unwrap();
        machine.free(queue.into_pages());
        lab.finish();
    });
}

#[test]
fn a_handshake_that_is_not_answered_ends() {
    on_model(Profile::ecmdq(), |machine| {
        let lab = Lab::new(machine);
        let interface = lab.interface(0, 0);
        let queue = CommandQueue::with(machine, &lab.bench.caps, INSTANCE, interface, 4).unwrap();
        let base = queue.base_register().unwrap();
        machine.set_hang(Hang::Cr0Ack);
        let error = interface.enable(machine, base, Duration::from_millis(20)).unwrap_err();
        let QueueError::Handshake(error) = error else { panic!("{error:?}") };
        assert_eq!((error.register, error.wanted, error.found), ("ECMDQ_CONS", 1 << 31, 0));
        machine.set_hang(Hang::None);
        let again = interface.enable(machine, base, TIMEOUT);
        assert!(matches!(again, Err(QueueError::AlreadyEnabled { .. })), "{again:?}");
        interface.disable(machine, TIMEOUT).unwrap();
        machine.free(queue.into_pages());
        lab.finish();
    });
}

/// A producer among others: lists of two invalidations, of which some begin with a command that is refused. A list that is
/// in doubt has run (its owner looked too late), so the count of commands is the same.
fn produce<P: SharedPlatform>(p: &P, queue: &SharedQueue<Ecmdq>, thread: u16, lists: u16) {
    for number in 0..lists {
        let vmid = Vmid::new(thread << 8 | number);
        let good = Command::TlbiS12Vmall { vmid }.encode(queue.caps()).unwrap();
        let bad = RawCommand::from_words([0xff, u64::from(number)]);
        let is_bad = number % 5 == 4;
        let list = [if is_bad { bad } else { good }, good];
        let pending = queue.submit(p, &list, TIMEOUT).unwrap();
        match queue.wait(p, &pending, TIMEOUT) {
            Ok(receipt) => assert!(!is_bad && receipt.covers(pending.ticket())),
            Err(QueueError::Refused { failure: CommandFailure::Illegal, index: 0, command }) => {
                assert!(is_bad && command == bad);
            }
            Err(error) => assert_eq!(error, QueueError::InDoubt),
        }
    }
}

#[test]
fn shared_enhanced_queues_and_the_main_queue_work_side_by_side() {
    const LISTS: u16 = 20;
    for completion in [Completion::Memory, Completion::Event, Completion::Poll] {
        on_model(Profile::ecmdq(), |machine| {
            let mut lab = Lab::new(machine);
            let interfaces = [lab.interface(0, 0), lab.interface(1, 2)];
            let queues = interfaces.map(|interface| {
                let options = SharedOptions { completion, ..SharedOptions::new(&lab.bench.caps, 4) };
                let queue =
                    SharedQueue::with(machine, &lab.bench.caps, INSTANCE, interface, options).unwrap();
                interface.enable(machine, queue.base_register().unwrap(), TIMEOUT).unwrap();
                queue
            });
            machine.trace();
            thread::scope(|scope| {
                for thread in 0..4_u16 {
                    let queue = &queues[usize::from(thread) % 2];
                    scope.spawn(move || produce(machine, queue, thread, LISTS));
                }
                for _ in 0..10 {
                    let _ = lab.bench.run(&[Command::TlbiS12Vmall { vmid: Vmid::new(0x7fff) }]);
                }
            });
            let trace = machine.trace();
            let taken = taken_of(&trace, 0x28);
            let places: std::collections::BTreeSet<u32> = taken.iter().copied().collect();
            assert_eq!(places.len(), 3);
            for place in places {
                let count = taken.iter().filter(|queue| **queue == place).count();
                // Two producers each: two commands of every list, one where the other was refused.
                let wanted = if place == 0x90 { 10 } else { 2 * (2 * 16 + 4) };
                assert_eq!(count, wanted, "queue at {place:#x}");
            }
            // And they really invalidate.
            let gather = lab.map_use_unmap();
            let command = lab.space.tag().whole().encode(&lab.bench.caps).unwrap();
            let list = [command];
            let pending = queues[1].submit(machine, &list, TIMEOUT).unwrap();
            let ticket = pending.ticket();
            assert!(!lab.bench.run(&[]).covers(ticket));
            let receipt = queues[1].wait(machine, &pending, TIMEOUT).unwrap();
            assert!(!lab.reaches());
            lab.reclaim(gather, ticket, receipt);
            acknowledge_errors(&machine, Gerror::new().with(Gerror::CMDQP_ERR, true));
            for (interface, queue) in interfaces.into_iter().zip(queues) {
                interface.disable(machine, TIMEOUT).unwrap();
                queue.free(machine);
            }
            lab.finish();
        });
    }
}
