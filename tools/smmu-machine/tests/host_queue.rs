//! A host's queue when the *physical* queue does not do as it should: an endpoint that does not answer is the host's error, a
//! hang is the hypervisor's; what the host sees is consistent in both.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::CommandQueue;
use smmu_cmds::host::{Completion, HostAction, HostSmmu, Limits, ServeError, Served, Standstill};
use smmu_cmds::queue::{CommandFailure, QueueError};
use smmu_machine::ModelMachine;
use smmu_model::{Hang, Profile, Trace};
use smmu_regs::caps::IdRegisters;
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{Idr0, Idr1, Idr3};
use smmu_regs::trap::{Access, HostView, Verdict};
use smmu_regs::{PhysAddr, StreamId, Vmid};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use support::{Bench, Setting, Setup, TIMEOUT, on_model, on_model_as};

const GERROR: RegisterOffset = RegisterOffset::page0(0x60);
const GERRORN: RegisterOffset = RegisterOffset::page0(0x64);
const PROD: RegisterOffset = RegisterOffset::page0(0x98);
const CONS: RegisterOffset = RegisterOffset::page0(0x9c);

/// The model, whose ATCs always answer, with one that does not: while `stopped`, the queue stands with CERROR_ATC_INV_SYNC
/// until GERRORN acknowledges (7.1).
struct NoAnswer<'m> {
    machine: &'m ModelMachine,
    stopped: Cell<bool>,
}

impl NoAnswer<'_> {
    fn stop(&self) {
        self.machine.set_hang(Hang::CommandQueue);
        self.stopped.set(true);
    }
}

impl Mmio for NoAnswer<'_> {
    fn read32(&self, at: RegisterOffset) -> u32 {
        let value = self.machine.read32(at);
        match at {
            CONS if self.stopped.get() => value | 3 << 24,
            GERROR if self.stopped.get() => value ^ 1,
            _ => value,
        }
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        if at == GERRORN && self.stopped.replace(false) {
            assert_eq!(value ^ self.machine.read32(GERRORN), 1);
            self.machine.set_hang(Hang::None);
        } else {
            self.machine.write32(at, value);
        }
    }

    fn read64(&self, at: RegisterOffset) -> u64 {
        self.machine.read64(at)
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        self.machine.write64(at, value);
    }
}

// SAFETY: every call goes unchanged to the machine, whose promises these are.
unsafe impl Memory for NoAnswer<'_> {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        self.machine.allocate(bytes, align)
    }

    fn free(&self, pages: Pages) {
        self.machine.free(pages);
    }

    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        self.machine.words(address, count)
    }

    fn publish(&self) {
        self.machine.publish();
    }

    fn acquire(&self) {
        self.machine.acquire();
    }

    fn release(&self) {
        self.machine.release();
    }
}

impl Clock for NoAnswer<'_> {
    fn now(&self) -> Duration {
        self.machine.now()
    }
}

/// A host whose queue, of 2^4 commands at address 0x1000 of its own, holds `commands` and is enabled.
fn view(commands: u64) -> HostView {
    let real = IdRegisters::EXAMPLE;
    let idr0 = [Idr0::HYP, Idr0::BTM, Idr0::ATOS, Idr0::VATOS, Idr0::VMW].into_iter();
    let ids = IdRegisters {
        idr0: idr0.fold(real.idr0, |idr0, field| idr0.with(field, false)),
        idr1: real.idr1.with(Idr1::ECMDQ, false),
        idr3: real.idr3.with(Idr3::MPAM, false).with(Idr3::DPT, false),
        ..real
    };
    let mut view = HostView::new(&ids).unwrap();
    for (offset, bytes, value) in [(0x90, 8, 0x1004), (0x20, 4, 9), (0x98, 4, commands)] {
        let access = Access { at: RegisterOffset::page0(offset), bytes, write: Some(value) };
        let Verdict::Emulate(made) = view.judge(&access) else { panic!("{access:?}") };
        view = made.view;
    }
    view
}

fn read(view: &HostView, at: RegisterOffset) -> u64 {
    let Verdict::Emulate(made) = view.judge(&Access::read32(at)) else { panic!("{at:?}") };
    made.value
}

type Done = Result<Served, ServeError<QueueError>>;

/// Serves the host whose queue holds `words`, and says what it was told. `before` is called before a command with this opcode
/// is pushed.
fn serve(
    bench: &mut Bench<'_, NoAnswer<'_>>,
    view: &mut HostView,
    words: &[[u64; 2]],
    limits: Limits,
    (opcode, before): (u64, impl Fn(&NoAnswer<'_>)),
) -> (Done, Vec<HostAction>) {
    let told = RefCell::new(Vec::new());
    let done = serve_with(bench, view, words, limits, (opcode, before), |p, queue, action| {
        // As a hypervisor does that makes an STE anew.
        if matches!(action, HostAction::Reshadow(_)) {
            let _ = queue.sync(p, TIMEOUT)?;
        }
        told.borrow_mut().push(action);
        Ok(())
    });
    (done, told.into_inner())
}

fn serve_with(
    bench: &mut Bench<'_, NoAnswer<'_>>,
    view: &mut HostView,
    words: &[[u64; 2]],
    limits: Limits,
    (opcode, before): (u64, impl Fn(&NoAnswer<'_>)),
    act: impl Fn(&NoAnswer<'_>, &mut CommandQueue, HostAction) -> Result<(), QueueError>,
) -> Done {
    let Bench { p, queue, caps, .. } = bench;
    let load = |at: PhysAddr| {
        let index = usize::try_from(at.get().checked_sub(0x1000)? / 8).ok()?;
        let word = *words.get(index / 2)?.get(index % 2)?;
        if word & 0xff == opcode && index % 2 == 0 {
            before(p);
        }
        Some(word)
    };
    let host = HostSmmu::new(caps, caps, Vmid::new(7), |stream: StreamId| stream.get() == 8).unwrap();
    host.serve(p, queue, view, &load, limits, |queue, action| act(p, queue, action))
}

const COMPLETED: HostAction = HostAction::Completed(Completion::None);
const ATC: [u64; 2] = [8 << 32 | 0x40, 52];
const SYNC: [u64; 2] = [0x46, 0];
const CFGI_STE: [u64; 2] = [8 << 32 | 0x03, 1];
/// No command has this opcode.
const NEVER: (u64, fn(&NoAnswer<'_>)) = (0x100, |_| {});

fn acknowledge(view: &mut HostView) {
    let Verdict::Emulate(made) = view.judge(&Access::write32(GERRORN, 1)) else { panic!() };
    *view = made.view;
}

fn no_answer(machine: &ModelMachine) -> NoAnswer<'_> {
    NoAnswer { machine, stopped: Cell::new(false) }
}

#[test]
fn an_endpoint_that_does_not_answer_is_the_hosts_error() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::on(no_answer(machine), machine, Setup::default());
        let limits = Limits { commands: 100, timeout: TIMEOUT };
        let (words, mut view) = ([ATC, SYNC, ATC], view(3));
        let (done, told) = serve(&mut bench, &mut view, &words, limits, (0x46, |p| p.stop()));
        let failure = CommandFailure::AtcTimeout;
        let command = Some(smmu_cmds::RawCommand::from_words(SYNC));
        assert_eq!(done, Ok(Served { commands: 1, end: Standstill::Failed { failure, command } }));
        assert!(told.is_empty());
        // CONS stands at the CMD_SYNC; the real queue goes on for everybody else.
        assert_eq!((read(&view, CONS), read(&view, GERROR)), (3 << 24 | 1, 1));
        let _ = bench.run(&[]);
        // The host acknowledges, and its CMD_SYNC is read anew.
        acknowledge(&mut view);
        let (done, told) = serve(&mut bench, &mut view, &words, limits, NEVER);
        assert_eq!(done, Ok(Served { commands: 2, end: Standstill::Idle }));
        assert_eq!((told, read(&view, CONS) & 0xff), (vec![COMPLETED], 3));
        let _ = bench.run(&[]);
        bench.shut_down();
    });
}

/// A host that sends no CMD_SYNC leaves its endpoint's time-out to nobody else: not to what the hypervisor does for its next
/// command, and not to the next user of the real queue.
#[test]
fn an_endpoint_that_does_not_answer_is_nobody_elses_error() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::on(no_answer(machine), machine, Setup::default());
        let limits = Limits { commands: 100, timeout: TIMEOUT };
        for (words, actions) in [(&[ATC, SYNC][..], 0), (&[ATC, CFGI_STE, SYNC][..], 1)] {
            let before = words.len() as u64 - 1;
            let mut view = view(before);
            let (done, told) = serve(&mut bench, &mut view, words, limits, (0x40, |p| p.stop()));
            assert_eq!(done, Ok(Served { commands: before as u32, end: Standstill::Idle }));
            assert_eq!(told.len(), actions);
            // Somebody else.
            let _ = bench.run(&[]);
            assert_eq!((read(&view, CONS), read(&view, GERROR)), (before, 0));
            // The host hears of it at its CMD_SYNC, once.
            let Verdict::Emulate(made) = view.judge(&Access::write32(PROD, before + 1)) else { panic!() };
            view = made.view;
            let (done, told) = serve(&mut bench, &mut view, words, limits, NEVER);
            let failure = CommandFailure::AtcTimeout;
            let command = Some(smmu_cmds::RawCommand::from_words(SYNC));
            assert_eq!(done, Ok(Served { commands: 0, end: Standstill::Failed { failure, command } }));
            assert!(told.is_empty());
            assert_eq!((read(&view, CONS), read(&view, GERROR)), (3 << 24 | before, 1));
            acknowledge(&mut view);
            let (done, told) = serve(&mut bench, &mut view, words, limits, NEVER);
            assert_eq!(done, Ok(Served { commands: 1, end: Standstill::Idle }));
            assert_eq!(told, [COMPLETED]);
        }
        bench.shut_down();
    });
}

/// As on an SMMU whose SMMUEN is 0 (4.5.1).
#[test]
fn a_host_whose_smmu_is_disabled_has_no_atcs() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::on(no_answer(machine), machine, Setup::default());
        let limits = Limits { commands: 100, timeout: TIMEOUT };
        let mut view = view(2);
        let Verdict::Emulate(made) = view.judge(&Access::write32(RegisterOffset::page0(0x20), 8)) else {
            panic!()
        };
        view = made.view;
        machine.trace();
        let (done, told) = serve(&mut bench, &mut view, &[ATC, SYNC], limits, NEVER);
        assert_eq!(done, Ok(Served { commands: 2, end: Standstill::Idle }));
        assert_eq!(told, [COMPLETED]);
        let atc =
            |entry: &Trace| matches!(entry, Trace::Command { words: [low, _], .. } if low & 0xff == 0x40);
        assert!(!machine.trace().iter().any(atc));
        bench.shut_down();
    });
}

/// The other way round: what stands in the real queue by somebody else's fault is no error of the host's.
#[test]
fn somebody_elses_endpoint_is_not_the_hosts_error() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::on(no_answer(machine), machine, Setup::default());
        let limits = Limits { commands: 100, timeout: TIMEOUT };
        let mut view = view(1);
        let (done, told) = serve(&mut bench, &mut view, &[SYNC], limits, (0x46, |p| p.stop()));
        let Err(ServeError::Queue(QueueError::Stopped { failure, .. })) = done else { panic!("{done:?}") };
        assert_eq!((failure, told.len()), (CommandFailure::AtcTimeout, 0));
        assert_eq!((read(&view, CONS), read(&view, GERROR)), (0, 0));
        let Bench { p, queue, .. } = &mut bench;
        assert!(queue.recover(p).unwrap().is_some());
        let (done, told) = serve(&mut bench, &mut view, &[SYNC], limits, NEVER);
        assert_eq!(done, Ok(Served { commands: 1, end: Standstill::Idle }));
        assert_eq!(told, [COMPLETED]);
        bench.shut_down();
    });
}

#[test]
fn a_host_that_could_not_be_told_is_told_later() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::on(no_answer(machine), machine, Setup::default());
        let limits = Limits { commands: 100, timeout: TIMEOUT };
        let mut view = view(1);
        let error = QueueError::Base { address: 0 };
        let done = serve_with(&mut bench, &mut view, &[SYNC], limits, NEVER, |_, _, _| Err(error));
        assert_eq!(done, Err(ServeError::Action(error)));
        assert_eq!((read(&view, CONS), read(&view, GERROR)), (0, 0));
        let (done, told) = serve(&mut bench, &mut view, &[SYNC], limits, NEVER);
        assert_eq!(done, Ok(Served { commands: 1, end: Standstill::Idle }));
        assert_eq!((told, read(&view, CONS)), (vec![COMPLETED], 1));
        bench.shut_down();
    });
}

#[test]
fn a_hang_is_the_hypervisors_and_the_host_is_told_nothing_false() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::on(no_answer(machine), machine, Setup::default());
        let limits = Limits { commands: 100, timeout: Duration::from_millis(20) };
        let (words, mut view) = ([ATC, SYNC], view(2));
        let hang = |p: &NoAnswer<'_>| p.machine.set_hang(Hang::CommandQueue);
        let (done, told) = serve(&mut bench, &mut view, &words, limits, (0x46, hang));
        assert!(matches!(done, Err(ServeError::Queue(QueueError::Timeout { .. }))), "{done:?}");
        assert!(told.is_empty(), "nothing has completed");
        assert_eq!((read(&view, CONS), read(&view, GERROR)), (1, 0));
        machine.set_hang(Hang::None);
        let limits = Limits { timeout: TIMEOUT, ..limits };
        let (done, told) = serve(&mut bench, &mut view, &words, limits, NEVER);
        assert_eq!(done, Ok(Served { commands: 1, end: Standstill::Idle }));
        assert_eq!((told, read(&view, CONS)), (vec![COMPLETED], 2));
        bench.shut_down();
    });
}

/// What was served is shown to the SMMU without a CMD_SYNC, and no call does more than it may. (The adversarial model takes
/// commands only when it must.)
#[test]
fn work_is_bounded_and_what_is_served_is_rung() {
    on_model_as(Setting::Plain, Profile::maximum(), |machine| {
        let mut bench = Bench::on(no_answer(machine), machine, Setup::default());
        machine.trace();
        let (words, mut view) = ([[0x30, 0]; 16], view(16));
        for (bound, commands, end) in [
            (0, 0, Standstill::Bound),
            (5, 5, Standstill::Bound),
            (11, 11, Standstill::Idle),
            (5, 0, Standstill::Idle),
        ] {
            let limits = Limits { commands: bound, timeout: TIMEOUT };
            let (done, _) = serve(&mut bench, &mut view, &words, limits, NEVER);
            assert_eq!(done, Ok(Served { commands, end }));
            let taken = machine.trace().into_iter().filter(|entry| {
                matches!(entry, Trace::Command { words: [0x7_0000_0010, 0], error: None, .. })
            });
            assert_eq!(taken.count(), commands as usize);
        }
        let _ = bench.run(&[]);
        bench.shut_down();
    });
}
