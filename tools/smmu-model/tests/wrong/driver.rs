//! A driver that writes raw words and registers, and a judge that looks over its shoulder.

use crate::common::{CMDQ, EVENTQ, Mem, STRTAB, access};
use smmu_model::{Access, Adversity, Model, Outcome, Profile, Width};
use std::sync::Arc;

/// Where a transaction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    /// To this address.
    To(u64),
    /// Nowhere, and no event is raised.
    Silent,
    /// Nowhere, with an event of this number.
    Fault(u8),
}

impl From<&Outcome> for Goes {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Passed { pa } => Self::To(*pa),
            Outcome::Aborted(fault) => fault.event.map_or(Self::Silent, Self::Fault),
        }
    }
}

/// log2 of the command queue's size.
pub(crate) const LOG2: u64 = 4;
/// Register reads after which the driver gives up.
const PATIENCE: u32 = 200;

/// The driver, its SMMU, and what the judge has found.
pub(crate) struct Driver {
    pub(crate) mem: Arc<Mem>,
    pub(crate) smmu: Model<Arc<Mem>>,
    pub(crate) prod: u64,
    findings: Vec<String>,
}

impl Driver {
    /// An SMMU as reset leaves it.
    pub(crate) fn cold(profile: Profile, adversity: Adversity) -> Self {
        let mem = Arc::new(Mem::default());
        let smmu = Model::adversarial(profile, mem.clone(), adversity);
        Self { mem, smmu, prod: 0, findings: Vec::new() }
    }

    /// Stores a word.
    pub(crate) fn store(&mut self, at: u64, value: u64) {
        self.mem.set(at, value);
    }

    /// Stores words one after the other.
    pub(crate) fn store_all(&mut self, at: u64, words: &[u64]) {
        for (offset, word) in (0..).step_by(8).zip(words) {
            self.store(at + offset, *word);
        }
    }

    /// All stores made so far reach memory.
    pub(crate) fn barrier(&mut self) {
        self.smmu.barrier();
    }

    pub(crate) fn w32(&mut self, at: u32, value: u64) {
        self.smmu.write(at, Width::W32, value);
    }

    pub(crate) fn w64(&mut self, at: u32, value: u64) {
        self.smmu.write(at, Width::W64, value);
    }

    pub(crate) fn r32(&mut self, at: u32) -> u64 {
        self.smmu.read(at, Width::W32)
    }

    /// Waits until a register reads `wanted` in `mask`.
    pub(crate) fn wait(&mut self, at: u32, mask: u64, wanted: u64) -> bool {
        (0..PATIENCE).any(|_| self.r32(at) & mask == wanted)
    }

    /// Writes CR0 and waits for CR0ACK.
    pub(crate) fn cr0(&mut self, value: u64) {
        self.w32(0x20, value);
        if !self.wait(0x24, 0xffff_ffff, value) {
            self.finding("CR0ACK does not follow CR0".to_owned());
        }
    }

    /// `GBPA.ABORT` = 1.
    pub(crate) fn abort_while_off(&mut self) {
        self.w32(0x44, 1 << 31 | 1 << 20);
        assert!(self.wait(0x44, 1 << 31, 0));
    }

    /// Off: bases are set, a linear table of 64 streams and both queues.
    pub(crate) fn set_bases(&mut self) {
        self.w32(0x28, 0xd75);
        self.w64(0x80, STRTAB);
        self.w32(0x88, 6);
        self.set_queues();
    }

    /// Both queues and nothing else.
    pub(crate) fn set_queues(&mut self) {
        self.w64(0x90, CMDQ | LOG2);
        self.w32(0x98, 0);
        self.w32(0x9c, 0);
        self.w64(0xa0, EVENTQ | 4);
        self.w32(0x100a8, 0);
        self.w32(0x100ac, 0);
        self.prod = 0;
    }

    /// Bases are set: the command queue starts, everything that is cached goes, then events and translation start.
    pub(crate) fn start(&mut self) {
        self.cr0(8);
        if self.r32(0) >> 9 & 1 != 0 {
            self.command([0x20, 0]);
        }
        self.run(&[[4, 31], [0x30, 0]]);
        self.cr0(0xc);
        self.barrier();
        self.cr0(0xd);
    }

    /// From reset to translation.
    pub(crate) fn bring_up(&mut self) {
        self.abort_while_off();
        self.set_bases();
        self.start();
    }

    /// Puts a command into the queue and does not show it to the SMMU.
    pub(crate) fn queue(&mut self, command: [u64; 2]) {
        let at = CMDQ + (self.prod & ((1 << LOG2) - 1)) * 16;
        self.store_all(at, &command);
        self.prod = (self.prod + 1) & ((2 << LOG2) - 1);
    }

    /// Shows what is queued to the SMMU.
    pub(crate) fn ring(&mut self) {
        self.barrier();
        self.w32(0x98, self.prod);
    }

    /// Gives a command.
    pub(crate) fn command(&mut self, command: [u64; 2]) {
        self.queue(command);
        self.ring();
    }

    /// Gives a CMD_SYNC and waits until it is complete.
    pub(crate) fn sync(&mut self) {
        self.command([0x46, 0]);
        self.wait_for_queue();
    }

    /// Waits until the queue is empty.
    pub(crate) fn wait_for_queue(&mut self) {
        if !self.wait(0x9c, 0xf_ffff, self.prod) {
            let (cons, gerror) = (self.r32(0x9c), self.r32(0x60) ^ self.r32(0x64));
            self.finding(format!(
                "CMD_SYNC does not complete: CMDQ_PROD {:#x}, CMDQ_CONS {cons:#x}, active errors {gerror:#x}",
                self.prod
            ));
        }
    }

    /// Gives commands and waits until they are complete.
    pub(crate) fn run(&mut self, commands: &[[u64; 2]]) {
        for command in commands {
            self.command(*command);
        }
        self.sync();
    }

    /// Gives a stream of the linear table, which had an invalid entry or one that aborts, its entry. What the SMMU knows
    /// of the other words goes before the first one makes them count: an entry that aborts may be cached, too.
    pub(crate) fn attach(&mut self, sid: u64, words: [u64; 8]) {
        let at = STRTAB + sid * 64;
        self.store_all(at + 8, &words[1..]);
        self.run(&[[3 | sid << 32, 1]]);
        self.store(at, words[0]);
        self.run(&[[3 | sid << 32, 1]]);
    }

    /// Makes a stream's entry abort, so that it can be built anew.
    pub(crate) fn detach(&mut self, sid: u64) {
        self.store(STRTAB + sid * 64, 1);
        self.run(&[[3 | sid << 32, 1]]);
    }

    /// Memory is given back, and whoever gets it writes what looks like a descriptor into it.
    pub(crate) fn free(&mut self, at: u64, bytes: u64) {
        self.smmu.freed(at, bytes);
    }

    /// Whatever a read of `sid` at `iova` may do at this moment must be one of `allowed`.
    pub(crate) fn expect(&mut self, sid: u32, iova: u64, allowed: &[Goes]) {
        self.expect_of(access(sid, iova), allowed);
    }

    /// The same for a write.
    pub(crate) fn expect_write(&mut self, sid: u32, iova: u64, allowed: &[Goes]) {
        self.expect_of(Access { write: true, ..access(sid, iova) }, allowed);
    }

    fn expect_of(&mut self, access: Access, allowed: &[Goes]) {
        let permitted: Vec<Goes> = self.smmu.permitted(&access).iter().map(Goes::from).collect();
        assert!(!permitted.is_empty(), "{access:?} can do nothing");
        for goes in permitted.iter().filter(|goes| !allowed.contains(goes)) {
            let what = match goes {
                Goes::To(pa) => format!("may reach {pa:#x}"),
                Goes::Silent => "may vanish".to_owned(),
                Goes::Fault(number) => format!("may raise event {number:#x}"),
            };
            self.finding(format!("stream {} at {:#x} {what}", access.sid, access.iova));
        }
        // What is really used is also looked at for reserved values.
        let _ = self.smmu.dma(&access);
    }

    /// Notes something that is wrong.
    pub(crate) fn finding(&mut self, text: String) {
        if !self.findings.contains(&text) {
            self.findings.push(text);
        }
    }

    /// All that was found, by the judge and by the SMMU itself.
    pub(crate) fn findings(&self) -> Vec<String> {
        self.findings.iter().chain(self.smmu.complaints()).cloned().collect()
    }
}
