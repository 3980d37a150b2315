//! Takeover as far as registers go: enhanced command queues that the last owner left enabled are disabled before `CR1` is set and
//! within one timeout, and fields of `CR0` that are not there are not waited for (IHI 0070 3.5.6.2, 6.3.9, 6.3.11, 6.3.108).
//!
//! The SMMU here is its registers and their handshakes: it knows no more, and it is strict about order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use smmu_regs::InstanceId;
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::handshake::HandshakeError;
use smmu_regs::lifecycle::{Interrupts, LifecycleError, Probed, QueueBases};
use smmu_regs::platform::{Clock, Mmio, Page, RegisterOffset};
use smmu_regs::registers::{
    Aidr, Bank, CmdqBase, Cr0, Cr0ack, Cr1, EcmdqRegisters, EventqBase, Gbpa, Idr0, Idr1, Idr3, Idr5, Idr6,
    IrqCtrl, IrqCtrlack, Register, StrtabBase, StrtabBaseCfg,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const EN: u32 = 1 << 31;

/// One queue's PROD and CONS, and in how many looks CONS.ENACK follows PROD.EN.
#[derive(Clone, Copy, Debug)]
struct Queue {
    prod: u32,
    cons: u32,
    lag: u32,
}

struct Smmu {
    registers: RefCell<BTreeMap<RegisterOffset, u64>>,
    queues: RefCell<BTreeMap<RegisterOffset, Queue>>,
    touched: Cell<u32>,
    deaf: bool,
    /// What of CR0 is acknowledged.
    cr0_fields: u32,
    now: Cell<u64>,
}

impl Smmu {
    /// With an `IDR6` and `IDR1.ECMDQ`, or without; one that translates.
    fn new(idr6: Option<u32>) -> Self {
        let ids = IdRegisters::EXAMPLE;
        let idr1 = ids.idr1.into_bits() | if idr6.is_some() { 1 << 31 } else { 0 };
        let words = [
            // And VMW.
            (Idr0::AT, ids.idr0.into_bits() | 1 << 17),
            (Idr1::AT, idr1),
            (Idr3::AT, ids.idr3.into_bits()),
            (Idr5::AT, ids.idr5.into_bits()),
            (Idr6::AT, idr6.unwrap_or(0)),
            (Aidr::AT, ids.aidr.into_bits()),
            // SMMUEN, PRIQEN, EVENTQEN, CMDQEN, ATSCHK, VMW 0b100.
            (Cr0::AT, 0x11f),
            (Cr0ack::AT, 0x11f),
            (Cr1::AT, 0xd75),
            (StrtabBaseCfg::AT, 4),
        ];
        let mut registers: BTreeMap<_, _> = words.map(|(at, word)| (at, u64::from(word))).into();
        registers.insert(StrtabBase::AT, 0x1_0000);
        let queues = RefCell::default();
        Self {
            registers: RefCell::new(registers),
            queues,
            touched: Cell::new(0),
            deaf: false,
            cr0_fields: 0x1df,
            now: Cell::new(0),
        }
    }

    fn with(self, page: u8, offset: u16, queue: Queue) -> Self {
        let at = RegisterOffset { page: Page::CommandQueues { bank: Bank::NonSecure, page }, offset };
        self.queues.borrow_mut().insert(at, queue);
        self
    }

    fn get(&self, at: RegisterOffset) -> u32 {
        self.registers.borrow().get(&at).map_or(0, |word| *word as u32)
    }

    fn all_off(&self) -> bool {
        self.queues.borrow().values().all(|queue| (queue.prod | queue.cons) & EN == 0)
    }
}

impl Mmio for Smmu {
    fn read32(&self, at: RegisterOffset) -> u32 {
        if !matches!(at.page, Page::CommandQueues { .. }) {
            return self.get(at);
        }
        self.touched.set(self.touched.get() + 1);
        let (base, which) = (RegisterOffset { offset: at.offset & !0xf, ..at }, at.offset & 0xf);
        let mut queues = self.queues.borrow_mut();
        let Some(queue) = queues.get_mut(&base) else { return 0 };
        assert!(which == 8 || which == 12, "{at:?}");
        if (queue.prod ^ queue.cons) & EN != 0 && !self.deaf {
            queue.lag = queue.lag.saturating_sub(1);
            if queue.lag == 0 {
                queue.cons ^= EN;
                queue.lag = 3;
            }
        }
        if which == 8 { queue.prod } else { queue.cons }
    }

    fn write32(&self, at: RegisterOffset, value: u32) {
        if matches!(at.page, Page::CommandQueues { .. }) {
            let mut queues = self.queues.borrow_mut();
            let queue =
                queues.get_mut(&RegisterOffset { offset: at.offset & !0xf, ..at }).expect("nothing there");
            assert_eq!(at.offset & 0xf, 8, "only PROD is to be written");
            assert_eq!(queue.prod & EN, queue.cons & EN, "a write that is ignored: {queue:?}");
            assert_eq!(value, queue.prod & !EN, "only EN is to change");
            queue.prod = value;
            return;
        }
        let answer = |at: RegisterOffset, value: u32| {
            self.registers.borrow_mut().insert(at, value.into());
        };
        if at == Cr0::AT {
            if ((value ^ self.get(at)) & self.cr0_fields) >> 6 & 7 != 0 {
                assert!(
                    self.all_off() && self.get(at) & 1 << 3 == 0,
                    "VMW changes while commands are processed"
                );
            }
            answer(Cr0ack::AT, value & self.cr0_fields);
        } else if at == Cr1::AT {
            assert!(self.all_off(), "CR1 is written while a queue is enabled");
        } else if at == IrqCtrl::AT {
            answer(IrqCtrlack::AT, value);
        }
        answer(at, if at == Gbpa::AT { value & !(1 << 31) } else { value });
    }

    fn read64(&self, at: RegisterOffset) -> u64 {
        self.registers.borrow().get(&at).copied().unwrap_or(0)
    }

    fn write64(&self, at: RegisterOffset, value: u64) {
        assert!(self.all_off(), "a base is written while a queue is enabled");
        self.registers.borrow_mut().insert(at, value);
    }
}

impl Clock for Smmu {
    fn now(&self) -> Duration {
        Duration::from_millis(self.now.replace(self.now.get() + 1))
    }
}

fn probe(smmu: &Smmu) -> Probed {
    Probed::probe(smmu, InstanceId::new(0), &Hints::default()).unwrap()
}

/// 2^2 pages with 2^4 queues in each, which are 4096 bytes apart.
const IDR6: u32 = 2 << 24 | 4 << 16;

fn on(word: u32) -> Queue {
    Queue { prod: EN | word, cons: EN | word, lag: 3 }
}

/// The first, the last, some between; one that stopped at an error; one that is being enabled and one that is being disabled.
fn left_enabled() -> Smmu {
    Smmu::new(Some(IDR6))
        .with(0, 0, on(5))
        .with(3, 0xf000, on(0x7_ffff))
        .with(1, 0x3000, Queue { prod: EN, ..on(1 << 23 | 1 << 24) })
        .with(2, 0x1000, Queue { cons: 7, ..on(7) })
        .with(2, 0x2000, Queue { prod: 9, ..on(9) })
        .with(2, 0x4000, Queue { prod: 0x8_0001, cons: 0x8_0001, lag: 3 })
}

#[test]
fn quiesce_disables_them_before_anything_that_they_guard() {
    let smmu = left_enabled();
    let off = probe(&smmu).quiesce(&smmu, SECOND).unwrap();
    assert!(smmu.all_off(), "{:?}", smmu.queues.borrow());
    assert_eq!((smmu.get(Cr0::AT), smmu.get(Gbpa::AT) >> 20 & 1), (0, 1));
    let kept: Vec<u32> = smmu.queues.borrow().values().map(|queue| queue.prod).collect();
    assert_eq!(kept, [5, 0, 7, 9, 0x8_0001, 0x7_ffff], "the indices stay");
    // Once more, with nothing left to do: nothing is written, which the queues that are not there would notice.
    let _ = off;
    let _off = probe(&smmu).quiesce(&smmu, SECOND).unwrap();
}

#[test]
fn a_new_owner_disables_them_while_translation_goes_on() {
    let smmu = left_enabled();
    let running = probe(&smmu).adopt(&smmu).unwrap();
    assert_eq!(smmu.touched.get(), 0, "adopting looks at what it needs");
    let queues = QueueBases {
        command_queue: CmdqBase::from_bits(0x2_0000 | 4),
        event_queue: EventqBase::from_bits(0x3_0000 | 4),
        pri_queue: None,
    };
    let enabled = running.take_queues(&smmu, &queues, &Interrupts::OFF, SECOND).unwrap();
    assert!(smmu.all_off());
    // VMW, ATSCHK, CMDQEN, EVENTQEN, SMMUEN.
    assert_eq!((enabled.cr0().into_bits(), smmu.get(Cr0::AT)), (0x11d, 0x11d));
}

#[test]
fn a_queue_that_does_not_answer_is_named_and_all_share_one_timeout() {
    let mut smmu = Smmu::new(Some(IDR6));
    for page in 0..4 {
        for queue in 0..16 {
            smmu = smmu.with(page, queue << 12, on(1));
        }
    }
    // Each takes some milliseconds; together they take longer than is allowed.
    let error = probe(&smmu).quiesce(&smmu, Duration::from_millis(60)).unwrap_err();
    assert!(
        matches!(error, LifecycleError::Handshake(HandshakeError { register: "ECMDQ_CONS", .. })),
        "{error}"
    );
    assert!(smmu.now.get() < 120, "{}", smmu.now.get());
    smmu.deaf = true;
    let error = probe(&smmu).quiesce(&smmu, Duration::from_millis(60)).unwrap_err();
    let (register, timeout) = ("ECMDQ_CONS", Duration::from_millis(60));
    let expected = HandshakeError { register, wanted: 1, found: EN | 1, timeout };
    assert_eq!(error, LifecycleError::Handshake(expected));
    assert_eq!(smmu.get(Gbpa::AT) >> 20 & 1, 1, "traffic aborts all the same once SMMUEN is 0");
}

#[test]
fn an_smmu_without_them_is_not_asked_and_one_that_claims_too_many_has_as_many_as_there_can_be() {
    let smmu = Smmu::new(None);
    let _off = probe(&smmu).quiesce(&smmu, SECOND).unwrap();
    assert_eq!(smmu.touched.get(), 0);
    let count = |idr6| EcmdqRegisters::all(Bank::NonSecure, Idr6::from_bits(idr6)).count();
    assert_eq!([0, IDR6, 9 << 24 | 15 << 16].map(count), [1, 64, 65536]);
    assert_eq!(EcmdqRegisters::all(Bank::Root, Idr6::from_bits(IDR6)).count(), 0);
    let idr6 = Idr6::from_bits(IDR6);
    let by_number = (0..64).map(|n| EcmdqRegisters::new(Bank::Realm, idr6, n / 16, n % 16).unwrap());
    assert!(EcmdqRegisters::all(Bank::Realm, idr6).eq(by_number));
    // What we have no use for, because the SMMU is not coherent, somebody else may have enabled.
    let smmu = left_enabled();
    let idr0 = smmu.get(Idr0::AT) & !(1 << 4);
    smmu.registers.borrow_mut().insert(Idr0::AT, idr0.into());
    let _off = probe(&smmu).quiesce(&smmu, SECOND).unwrap();
    assert!(smmu.all_off());
}

/// `CR0` may hold what was once written to a field that the SMMU lacks. It is not acknowledged.
#[test]
fn fields_that_are_not_there_are_not_waited_for() {
    let mut smmu = left_enabled();
    let idr0 = smmu.get(Idr0::AT) & !(1 << 17);
    smmu.registers.borrow_mut().insert(Idr0::AT, idr0.into());
    smmu.cr0_fields = 0x1f;
    smmu.registers.borrow_mut().insert(Cr0ack::AT, 0x1f);
    let queues = QueueBases {
        command_queue: CmdqBase::from_bits(0x2_0000 | 4),
        event_queue: EventqBase::from_bits(0x3_0000 | 4),
        pri_queue: None,
    };
    let running = probe(&smmu).adopt(&smmu).unwrap();
    let enabled = running.take_queues(&smmu, &queues, &Interrupts::OFF, SECOND).unwrap();
    assert_eq!(enabled.cr0().into_bits(), 0x1d);
}
