//! Who writes PROD: one CPU at a time, and nobody waits for it.
//!
//! PROD may only move forward (IHI 0070 3.5.1), so two CPUs must not write it at the same time. Whoever has something to
//! tell leaves a note; if the bell was free it is now his, and he rings until no note is left. If it was not, whoever has it
//! reads the note before he lets go: letting go is a compare-exchange that a note makes fail. So a list is told of by its
//! owner or by somebody who saw it, one doorbell may do for many lists, and no CPU ever spins for another one.

use crate::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const NOTE: u32 = 2;

/// The right to write PROD.
#[derive(Debug)]
pub(super) struct Bell(AtomicU32);

impl Bell {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Has `ring` called, here or by whoever is at it, after everything that this CPU has done.
    #[inline]
    pub(super) fn note(&self, mut ring: impl FnMut()) {
        // Release: whoever reads the note sees what it is about. Acquire: what the last ringer did.
        if self.0.fetch_or(TAKEN | NOTE, Ordering::AcqRel) & TAKEN != 0 {
            return;
        }
        loop {
            // Acquire: all notes so far are read, with what they are about.
            let _ = self.0.fetch_and(!NOTE, Ordering::AcqRel);
            ring();
            // Release: the next ringer goes on from here. It fails where a note has been left since.
            let left = self.0.compare_exchange(TAKEN, FREE, Ordering::AcqRel, Ordering::Relaxed);
            if left.is_ok() {
                return;
            }
        }
    }
}
