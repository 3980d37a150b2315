//! What does a list cost in the queue that all CPUs share, beside the exclusive one, if the hardware takes no time? One list of
//! four commands, with a `CMD_SYNC` that is waited for or without; by one thread, and by two at the same time (then the time is
//! that in which each of them has done one). The limit stores the same words, rings and looks.
#![allow(clippy::unwrap_used)]

use criterion::{Criterion, Throughput};
use smmu_benches::caps;
use smmu_cmds::queue::{Cmdq, Completion, SharedOptions, SharedPlatform, SharedQueue};
use smmu_cmds::{Command, CommandQueue, RawCommand};
use smmu_regs::platform::{AllocationError, Clock, Dword, Memory, MemoryError, Mmio, Pages, RegisterOffset};
use smmu_regs::registers::{CmdqCons, CmdqProd, Register};
use smmu_regs::{Caps, InstanceId, PhysAddr};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(1);
/// log2 of the queue's entries.
const LOG2: u8 = 8;
const COMMANDS: usize = 4;

/// An SMMU that has done every command when it is told of it; for many threads.
struct Hardware {
    words: Box<[Dword]>,
    allocated: AtomicU64,
    producer: AtomicU32,
    started: Instant,
}

impl Hardware {
    fn new() -> Self {
        Self {
            words: (0..4 << LOG2).map(|_| Dword::new(0)).collect(),
            allocated: AtomicU64::new(0),
            producer: AtomicU32::new(0),
            started: Instant::now(),
        }
    }
}

impl Mmio for Hardware {
    #[inline]
    fn read32(&self, at: RegisterOffset) -> u32 {
        if at == CmdqCons::AT { self.producer.load(Ordering::Acquire) } else { 0 }
    }

    #[inline]
    fn write32(&self, at: RegisterOffset, value: u32) {
        if at == CmdqProd::AT {
            self.producer.store(value, Ordering::Release);
        }
    }

    fn read64(&self, _: RegisterOffset) -> u64 {
        0
    }

    fn write64(&self, _: RegisterOffset, _: u64) {}
}

// SAFETY: memory is handed out once, zeroed, aligned as `allocate` rounds it from an address that is aligned to all of it; it
// is reached through `Dword`s alone, which live as long as `self`; no hardware looks at it.
unsafe impl Memory for Hardware {
    fn allocate(&self, bytes: u64, align: u64) -> Result<Pages, AllocationError> {
        let start = self.allocated.load(Ordering::Relaxed).next_multiple_of(align);
        self.allocated.store(start + bytes, Ordering::Relaxed);
        if start + bytes > 8 * self.words.len() as u64 {
            return Err(AllocationError { bytes, align });
        }
        Ok(Pages::from_raw(PhysAddr::new(start), bytes))
    }

    fn free(&self, pages: Pages) {
        let _ = pages.base();
    }

    #[inline]
    fn words(&self, address: PhysAddr, count: usize) -> Result<&[Dword], MemoryError> {
        let first = (address.get() / 8) as usize;
        self.words.get(first..first.wrapping_add(count)).ok_or(MemoryError { address, words: count })
    }

    #[inline]
    fn publish(&self) {
        fence(Ordering::Release);
    }

    #[inline]
    fn acquire(&self) {
        fence(Ordering::Acquire);
    }

    #[inline]
    fn release(&self) {
        fence(Ordering::AcqRel);
    }
}

impl Clock for Hardware {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn relax(&self) {
        thread::yield_now();
    }
}

impl SharedPlatform for Hardware {
    type Guard<'a> = ();

    #[inline]
    fn uninterrupted(&self) {}
}

fn shared(caps: &Caps) -> (Hardware, SharedQueue) {
    let hardware = Hardware::new();
    let options = SharedOptions { completion: Completion::Poll, ..SharedOptions::new(caps, LOG2) };
    let queue = SharedQueue::with(&hardware, caps, InstanceId::new(0), Cmdq, options).unwrap();
    (hardware, queue)
}

#[inline]
fn one(hardware: &Hardware, queue: &SharedQueue, list: &[RawCommand], sync: bool) {
    if sync {
        let _ = black_box(queue.issue(hardware, list, TIMEOUT).unwrap());
    } else {
        let _ = black_box(queue.post(hardware, list, TIMEOUT).unwrap());
    }
}

/// The time in which each of `threads` threads does `iterations` lists.
fn together(
    threads: usize,
    iterations: u64,
    hardware: &Hardware,
    work: impl Fn(&Hardware) + Sync,
) -> Duration {
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let run = || {
            barrier.wait();
            let start = Instant::now();
            for _ in 0..iterations {
                work(hardware);
            }
            start.elapsed()
        };
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mine = run();
        others.into_iter().map(|other| other.join().unwrap()).fold(mine, Duration::max)
    })
}

/// A list of words, the doorbell, a look at CONS.
fn limit(hardware: &Hardware, position: &mut u32, commands: u32) {
    for _ in 0..commands {
        let slot = (*position & ((1 << LOG2) - 1)) as usize * 2;
        for (word, value) in hardware.words.iter().skip(slot).take(2).zip([0x46, 0]) {
            word.store(value);
        }
        *position = position.wrapping_add(1) & ((2 << LOG2) - 1);
    }
    hardware.publish();
    hardware.write32(CmdqProd::AT, *position);
    assert_eq!(hardware.read32(CmdqCons::AT), *position);
}

pub(crate) fn run(c: &mut Criterion) {
    let caps = caps().unwrap();
    let list = [Command::TlbiNsnhAll.encode(&caps).unwrap(); COMMANDS];
    for (name, sync, threads) in [
        ("queue_shared_sync", true, 1),
        ("queue_shared_post", false, 1),
        ("queue_shared_sync_2", true, 2),
        ("queue_shared_post_2", false, 2),
    ] {
        let (hardware, queue) = shared(&caps);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(threads as u64));
        if threads == 1 {
            group.bench_function("ours", |b| b.iter(|| one(&hardware, &queue, black_box(&list), sync)));
        } else {
            group.bench_function("ours", |b| {
                b.iter_custom(|n| {
                    together(threads, n, &hardware, |p| one(p, &queue, black_box(&list), sync))
                });
            });
        }
        let (hardware, mut position) = (Hardware::new(), 0);
        let commands = (COMMANDS + usize::from(sync)) as u32 * threads as u32;
        group.bench_function("limit", |b| b.iter(|| limit(&hardware, &mut position, black_box(commands))));
    }

    let hardware = Hardware::new();
    let mut queue = CommandQueue::new(&hardware, &caps, InstanceId::new(0), LOG2).unwrap();
    let mut group = c.benchmark_group("queue_exclusive_sync");
    group.bench_function("ours", |b| {
        b.iter(|| {
            for command in black_box(&list) {
                queue.push_raw(&hardware, command, TIMEOUT).unwrap();
            }
            black_box(queue.sync(&hardware, TIMEOUT).unwrap())
        });
    });
    let (hardware, mut position) = (Hardware::new(), 0);
    group.bench_function("limit", |b| b.iter(|| limit(&hardware, &mut position, black_box(5))));
}
