//! What a platform on aarch64 needs beside [`Device`](super::Device): barriers, cache maintenance, a 128-bit store, a
//! clock. All of it is safe to call; an implementation of [`Memory`](super::Memory) made of it still has to promise what
//! that trait says.
#![allow(unsafe_code)]

use super::{Clock, Dword};
use core::arch::asm;
use core::num::{NonZeroU32, NonZeroU64};
use core::ptr;
use core::time::Duration;

/// For [`Memory::publish`](super::Memory::publish) where the SMMU is coherent: `DMB OSHST`.
#[inline]
pub fn publish() {
    // SAFETY: a barrier changes no register and no memory; without `nomem` the compiler moves no access across it.
    unsafe { asm!("dmb oshst", options(nostack, preserves_flags)) }
}

/// For [`Memory::acquire`](super::Memory::acquire): `DMB OSHLD`.
#[inline]
pub fn acquire() {
    // SAFETY: as for `publish`.
    unsafe { asm!("dmb oshld", options(nostack, preserves_flags)) }
}

/// For [`Memory::release`](super::Memory::release): `DMB OSH`.
#[inline]
pub fn release() {
    // SAFETY: as for `publish`.
    unsafe { asm!("dmb osh", options(nostack, preserves_flags)) }
}

/// For [`Memory::store_pair`](super::Memory::store_pair): `STP`, which is single-copy atomic on a PE with FEAT_LSE2 if the
/// pair is 16-byte aligned and in coherent write-back memory. Only then may
/// [`Memory::atomicity`](super::Memory::atomicity) say `Bits128`.
#[inline]
pub fn store_pair(pair: &[Dword; 2], values: [u64; 2]) {
    let [low, high] = values.map(u64::to_le);
    // SAFETY: the pair is 16 bytes that may be changed through a shared reference, for `Dword` is an atomic; each half is
    // stored whole at least, so no atomic load beside it sees a torn word.
    unsafe {
        asm!(
            "stp {low}, {high}, [{at}]",
            low = in(reg) low,
            high = in(reg) high,
            at = in(reg) ptr::from_ref(pair),
            options(nostack, preserves_flags),
        );
    }
}

/// Calls `maintain` for each cache line that holds a part of `words`, then waits until all are done.
fn each_line(words: &[Dword], maintain: impl Fn(*const u8)) {
    let type_register: u64;
    // SAFETY: reads the cache type register, which every Exception level may unless software traps it.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) type_register, options(nomem, nostack, preserves_flags)) }
    // DminLine is the log2 of the 4-byte words of the smallest line, at most 15.
    let line = 4_usize.wrapping_shl((type_register >> 16 & 0xf) as u32);
    let range = words.as_ptr_range();
    let mut at = range.start.cast::<u8>().map_addr(|address| address & !(line - 1));
    while at < range.end.cast() {
        maintain(at);
        at = at.wrapping_add(line);
    }
    // SAFETY: as for `publish`.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) }
}

/// For [`Memory::clean`](super::Memory::clean) where the SMMU is not coherent: `DC CVAC` on each line, `DSB SY`.
pub fn clean(words: &[Dword]) {
    each_line(words, |line| {
        // SAFETY: writes back a line that holds words which are borrowed: it is mapped; contents do not change.
        unsafe { asm!("dc cvac, {}", in(reg) line, options(nostack, preserves_flags)) }
    });
}

/// For [`Memory::invalidate`](super::Memory::invalidate) where the SMMU is not coherent: `DC CIVAC` on each line, `DSB SY`.
///
/// What the CPU has not yet written back of those lines goes out first, so that neighbours lose nothing; hence the CPU
/// must not have stored to the words since it last cleaned them, or it overwrites what the SMMU wrote.
pub fn invalidate(words: &[Dword]) {
    each_line(words, |line| {
        // SAFETY: writes back and drops a line that holds words which are borrowed: it is mapped; nothing that the CPU
        // stored is lost.
        unsafe { asm!("dc civac, {}", in(reg) line, options(nostack, preserves_flags)) }
    });
}

/// How [`GenericTimer`] waits for an event of the SMMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EventWait {
    /// It does not: it spins.
    #[default]
    Spin,
    /// `WFE`. Only where an event stream is running (`CNTKCTL_EL1.EVNTEN` or `CNTHCTL_EL2.EVNTEN`): it bounds the wait.
    EventStream,
    /// `WFET`, for at most so many ticks of the counter. Only on PEs with FEAT_WFxT; elsewhere it is undefined.
    Timeout {
        /// Ticks of the counter: a fraction of the timeouts in use.
        ticks: u64,
    },
}

/// A [`Clock`] made of the virtual counter, `CNTVCT_EL0`.
///
/// It is for PEs whose counter can be trusted: where an erratum makes a single read of it wrong, the platform has to
/// bring its own clock.
#[derive(Debug, Clone, Copy)]
pub struct GenericTimer {
    frequency: NonZeroU32,
    wait: EventWait,
}

impl GenericTimer {
    /// The counter at the frequency that firmware has stored in `CNTFRQ_EL0`; `None` if that is 0.
    #[must_use]
    pub fn new() -> Option<Self> {
        let frequency: u64;
        // SAFETY: reads a register that says the frequency.
        unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags)) }
        let frequency = u32::try_from(frequency & u64::from(u32::MAX)).ok()?;
        NonZeroU32::new(frequency).map(Self::with_frequency)
    }

    /// The counter at a frequency, in Hz, that is known from elsewhere.
    #[must_use]
    pub const fn with_frequency(frequency: NonZeroU32) -> Self {
        Self { frequency, wait: EventWait::Spin }
    }

    /// With another way to wait for an event.
    #[must_use]
    pub const fn with_event_wait(self, wait: EventWait) -> Self {
        Self { wait, ..self }
    }

    fn ticks() -> u64 {
        let ticks: u64;
        // SAFETY: reads the counter; the ISB keeps it from being read ahead of what the program has done before. Not
        // `nomem`: the compiler keeps its place among accesses to memory.
        unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nostack, preserves_flags)) }
        ticks
    }
}

impl Clock for GenericTimer {
    #[inline]
    fn now(&self) -> Duration {
        let ticks = Self::ticks();
        let second = NonZeroU64::from(self.frequency);
        // A remainder is below 2^32, times 10^9 below 2^62.
        let nanoseconds = (ticks % second).wrapping_mul(1_000_000_000) / second;
        Duration::from_secs(ticks / second).saturating_add(Duration::from_nanos(nanoseconds))
    }

    #[inline]
    fn wait_for_event(&self) {
        match self.wait {
            EventWait::Spin => self.relax(),
            // SAFETY: a hint: it changes no register and no memory.
            EventWait::EventStream => unsafe { asm!("wfe", options(nostack, preserves_flags)) },
            EventWait::Timeout { ticks } => {
                let until = Self::ticks().wrapping_add(ticks);
                // SAFETY: `WFET X0`, written as a number for assemblers that are not told of FEAT_WFxT; a hint: it changes
                // no register and no memory.
                unsafe { asm!(".inst 0xd5031000", in("x0") until, options(nostack, preserves_flags)) }
            }
        }
    }
}
