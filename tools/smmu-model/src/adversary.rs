//! The adversarial setting: an SMMU that behaves as badly as the architecture allows.
//!
//! * It may have cached anything that it could reach, whenever it could reach it, and keeps it until a completed
//!   invalidation that must drop it (`past`, `drops`, `imagine`).
//! * Of the transactions' permitted outcomes it picks any; [`Model::permitted`] lists them all.
//! * It takes commands late and acknowledges registers late.
//!
//! What it reaches is found from its configuration and from the streams it is told of, not from the transactions that
//! come: those may come at any time (`reach`).

use std::collections::{BTreeMap, BTreeSet};

use crate::access::{Access, Fault, Hang, Outcome};
use crate::bus::Bus;
use crate::cd::Cd;
use crate::command::Command;
use crate::config_cache::Cfgi;
use crate::drops::{BATCH, Drop, Drops};
use crate::ecmdq::Queue;
use crate::event::id;
use crate::imagine::Way;
use crate::layout::{cr0, gbpa, offset};
use crate::model::Model;
use crate::past::Past;
use crate::regs::StreamTable;
use crate::ste::Ste;
use crate::times::{Time, Times};
use crate::tlb::Tag;
use crate::tlbi::Tlbi;

/// What the SMMU reads of a structure in one piece (IHI 0070 3.21.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Atomicity {
    /// An aligned 64-bit word.
    #[default]
    Bits64,
    /// An aligned pair of words.
    Bits128,
}

/// How bad it is.
#[derive(Clone, Debug)]
pub struct Adversity {
    /// StreamIDs and SubstreamIDs that transactions may come from.
    pub streams: Vec<(u32, Option<u32>)>,
    /// What is read in one piece.
    pub atomicity: Atomicity,
    /// Decides what is picked where several outcomes are permitted, and how late commands are taken.
    pub seed: u64,
    /// Register reads that go by before a handshake completes, or before commands are taken after a doorbell.
    pub lag: u32,
    /// Contiguous translations survive unless one command covers their whole group (an erratum of some TLBs).
    pub whole_groups: bool,
}

impl Adversity {
    /// Transactions of `streams`, 64-bit atomicity, handshakes that take three reads.
    #[must_use]
    pub fn new(streams: impl IntoIterator<Item = (u32, Option<u32>)>) -> Self {
        Self {
            streams: streams.into_iter().collect(),
            atomicity: Atomicity::Bits64,
            seed: 1,
            lag: 3,
            whole_groups: false,
        }
    }
}

/// A configuration whose translations by VA may be in a TLB.
#[derive(Clone, Debug)]
pub(crate) struct Donor {
    pub(crate) entry: Ste,
    pub(crate) context: Cd,
    pub(crate) tag: Tag,
    /// When it could be in use.
    pub(crate) times: Times,
}

/// State of the adversarial setting.
#[derive(Debug)]
pub(crate) struct Adversary {
    pub(crate) atomicity: Atomicity,
    pub(crate) streams: Vec<(u32, Option<u32>)>,
    pub(crate) whole_groups: bool,
    pub(crate) past: Past,
    pub(crate) drops: Drops,
    /// Stream tables that were in use: since when, until when.
    pub(crate) roots: Vec<(StreamTable, Time, Time)>,
    /// When translation was enabled: structures and tables are read at no other time (6.3.9.6).
    pub(crate) enabled: Times,
    /// Configurations with stage 2 that could be or could have been in use.
    pub(crate) stage2: Vec<(Ste, Times)>,
    /// Configurations with stage 1.
    pub(crate) stage1: Vec<Donor>,
    /// Lines of memory that can be read at this moment.
    pub(crate) reachable: BTreeSet<u64>,
    /// `stage1` and `stage2` are to be found anew.
    pub(crate) stale: bool,
    /// Invalidations that were taken and wait for a CMD_SYNC of their queue, with the moment at which they were issued.
    pending: Vec<(Queue, (Drop, Time))>,
    /// The last invalidation of all configuration: when it was issued, and when it was complete.
    configuration: Option<(Time, Time)>,
    /// When each queue entry was shown to the SMMU.
    issued: BTreeMap<(Queue, u64), Time>,
    /// GBPA before an Update that is under way.
    pub(crate) gbpa_before: Option<u64>,
    lag: u32,
    /// Reads until handshakes complete.
    waiting: u32,
    /// Reads until commands of a queue are taken.
    idle: BTreeMap<Queue, u32>,
    random: u64,
}

impl Adversary {
    pub(crate) fn new(adversity: Adversity) -> Self {
        Self {
            atomicity: adversity.atomicity,
            streams: adversity.streams,
            whole_groups: adversity.whole_groups,
            past: Past::default(),
            drops: Drops::default(),
            roots: Vec::new(),
            enabled: Times::default(),
            stage2: Vec::new(),
            stage1: Vec::new(),
            reachable: BTreeSet::new(),
            stale: true,
            pending: Vec::new(),
            configuration: None,
            issued: BTreeMap::new(),
            gbpa_before: None,
            lag: adversity.lag,
            waiting: 0,
            idle: BTreeMap::new(),
            random: adversity.seed,
        }
    }

    /// A number below `limit` (splitmix64).
    pub(crate) fn pick(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }

    /// A queue entry has been shown to the SMMU, or shown again.
    pub(crate) fn show(&mut self, queue: Queue, index: u64) {
        let now = self.past.now();
        self.idle.insert(queue, self.lag);
        self.issued.insert((queue, index), now);
    }

    /// How many commands each of `queues` has taken from it now, in the order in which that happens. One queue goes on; of
    /// several each may be left waiting once more, since nothing orders them (3.5.6.1).
    fn turns(&mut self, mut queues: Vec<Queue>) -> Vec<(Queue, usize)> {
        let alone = queues.len() == 1;
        if !alone {
            let first = self.pick(queues.len());
            queues.rotate_left(first);
        }
        queues
            .into_iter()
            .map(|queue| {
                let idle = self.idle.get(&queue).copied().unwrap_or(0);
                self.idle.insert(queue, idle.saturating_sub(1));
                let most = if idle > 0 { 0 } else { usize::from(alone) + self.pick(4) };
                (queue, most)
            })
            .collect()
    }

    /// An invalidation was taken from a queue entry.
    pub(crate) fn take(&mut self, what: Drop, queue: Queue, index: u64) {
        let issued = self.issued.get(&(queue, index)).copied().unwrap_or(self.past.now());
        self.pending.push((queue, (what, issued)));
    }

    /// A CMD_SYNC completes: so do the invalidations before it in its queue, and of no other (3.5.6.1).
    pub(crate) fn complete(&mut self, queue: Queue) {
        let (done, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|(of, _)| *of == queue);
        self.pending = others;
        let done: Vec<(Drop, Time)> = done.into_iter().map(|(_, what)| what).collect();
        let start = self.past.pass(BATCH);
        let everything = |wanted: fn(&Drop) -> bool| {
            done.iter().filter(|(what, _)| wanted(what)).map(|(_, issued)| *issued).max()
        };
        let all = everything(|what| matches!(what, Drop::Config(Cfgi::Range { range: 31, .. })));
        let el1 = everything(|what| matches!(what, Drop::Tlb(Tlbi::NsnhAll, _)));
        let el2 = everything(|what| matches!(what, Drop::Tlb(Tlbi::El2All, _)));
        let used_el2 = self.stage1.iter().any(|d| d.tag.world != crate::tlb::World::El1);
        self.stale |= !done.is_empty();
        self.drops.push(start, done);
        // Nothing matters that is older than an invalidation of all configuration, once all translations have been
        // invalidated after that was complete: until then translations were made of what was still cached (4.3.6).
        if let (Some((issued, done)), Some(el1)) = (self.configuration, el1)
            && (el2.is_some() || !used_el2)
            && el1.min(el2.unwrap_or(Time::MAX)) >= done
        {
            self.past.forget(issued, &self.reachable);
            self.roots.retain(|(_, _, until)| *until > issued);
            self.drops.forget(issued);
        }
        if let Some(issued) = all {
            self.configuration = Some((issued, self.past.now()));
        }
    }
}

/// An outcome that is permitted, and a way to it.
pub(crate) type Permitted = (Outcome, Vec<crate::world::Choice>);

impl<B: Bus> Model<B> {
    /// An SMMU out of reset that behaves as badly as the architecture allows.
    #[must_use]
    pub fn adversarial(profile: crate::Profile, bus: B, adversity: Adversity) -> Self {
        let mut model = Self::new(profile, bus);
        model.adversary = Some(Box::new(Adversary::new(adversity)));
        model
    }

    /// A barrier: all stores made so far have reached memory. Does nothing in the plain setting.
    pub fn barrier(&mut self) {
        // What came into reach since the last barrier is met as it was then.
        self.look();
        self.bus.settle();
        if let Some(adversary) = &mut self.adversary {
            adversary.past.settle();
        }
    }

    /// Two adjacent words are about to be stored as one. Does nothing in the plain setting.
    pub fn before_pair(&mut self) {
        self.look();
    }

    /// Two adjacent words at `at`, which is 16-byte aligned, have just been stored as one. Does nothing in the plain
    /// setting.
    pub fn stored_pair(&mut self, at: u64) {
        let (bus, adversary) = (&self.bus, &mut self.adversary);
        if let Some(adversary) = adversary {
            let changed = adversary.past.look_at_pair(bus, at);
            adversary.stale |= changed;
            self.reach();
        }
    }

    /// Time passes: commands are taken, handshakes complete. Does nothing in the plain setting.
    pub fn tick(&mut self) {
        let queues = if self.adversary.is_some() { self.command_queues() } else { Vec::new() };
        let Some(adversary) = &mut self.adversary else { return };
        let turns = adversary.turns(queues);
        if adversary.waiting > 0 {
            adversary.waiting -= 1;
            if adversary.waiting == 0 {
                self.answer();
            }
        }
        for (queue, most) in turns {
            self.take_commands(queue, most);
        }
        self.tick_stalls();
    }

    /// Memory has been given back to whoever hands it out. Complains if the SMMU may still read it: through a structure
    /// or a table that is cached, or that still says so. Does nothing in the plain setting.
    pub fn freed(&mut self, at: u64, bytes: u64) {
        self.look();
        self.reach_again();
        let Some(adversary) = &self.adversary else { return };
        let end = at.saturating_add(bytes);
        if let Some(line) = adversary.reachable.range((at & !63)..end).next() {
            self.complain(format!(
                "memory at {at:#x} ({bytes:#x} bytes) was freed while the SMMU may still read it, at {line:#x} \
                 (3.21.3, 4.4)"
            ));
        }
    }

    /// Looks at memory, if the setting asks for it.
    pub(crate) fn look(&mut self) {
        let (bus, adversary) = (&self.bus, &mut self.adversary);
        if let Some(adversary) = adversary {
            let changed = adversary.past.look(bus);
            adversary.stale |= changed;
            self.reach();
        }
    }

    /// Whether a handshake completes at once.
    pub(crate) fn answers(&mut self, hang: Hang) -> bool {
        if self.hang == hang {
            return false;
        }
        match &mut self.adversary {
            Some(adversary) if adversary.lag > 0 => {
                adversary.waiting = adversary.lag;
                false
            }
            _ => true,
        }
    }

    /// Completes the handshakes that wait.
    pub(crate) fn answer(&mut self) {
        if self.hang != Hang::Cr0Ack {
            self.regs.put(offset::IRQ_CTRLACK, self.regs.get(offset::IRQ_CTRL));
            self.update_cr0();
            self.update_ecmdqs();
        }
        if self.hang != Hang::Gbpa {
            let value = self.regs.get(offset::GBPA) & !gbpa::UPDATE.mask();
            self.regs.put(offset::GBPA, value);
            if let Some(adversary) = &mut self.adversary {
                adversary.gbpa_before = None;
            }
        }
    }

    /// Notes which Stream tables are in use: one that is being enabled already is, one that is being disabled still is.
    pub(crate) fn note_roots(&mut self) {
        let table = self.regs.stream_table(&self.profile);
        let on = cr0::SMMUEN.of(self.regs.get(offset::CR0) | self.regs.get(offset::CR0ACK)) != 0;
        let Some(adversary) = &mut self.adversary else { return };
        let now = adversary.past.tick();
        let open = adversary.roots.last_mut().filter(|(_, _, until)| *until == Time::MAX);
        match (open, on) {
            (None, true) => adversary.roots.push((table, now, Time::MAX)),
            (Some(root), false) => root.2 = now,
            _ => {}
        }
        adversary.enabled =
            Times::union(adversary.roots.iter().map(|(_, from, until)| (*from, *until)).collect());
        adversary.stale = true;
    }

    /// A command is executed by an adversarial SMMU; `false` if it is not one that such an SMMU puts off.
    pub(crate) fn put_off(&mut self, command: &Command, queue: Queue, index: u64) -> bool {
        let what = match command {
            Command::Cfgi(cfgi) => Drop::Config(*cfgi),
            Command::Tlbi(tlbi) => Drop::Tlb(tlbi.clone(), self.tlbi_rules()),
            _ => return false,
        };
        match &mut self.adversary {
            Some(adversary) => {
                adversary.take(what, queue, index);
                true
            }
            None => false,
        }
    }

    /// Everything that the architecture permits a transaction to do at this moment, or nothing in the plain setting.
    /// Whether and where a fault is recorded is left open (`recorded` is false, `stall` absent).
    pub fn permitted(&mut self, access: &Access) -> Vec<Outcome> {
        if self.adversary.is_none() {
            return Vec::new();
        }
        self.ways(access).into_iter().map(|(outcome, _)| outcome).collect()
    }

    /// Outcomes that are permitted to an ordinary transaction now, and for each a way to it.
    fn ways(&mut self, access: &Access) -> Vec<Permitted> {
        self.ways_as(access, |model| model.translate(access))
    }

    /// The same of whatever `run` does for `access`.
    pub(crate) fn ways_as(
        &mut self,
        access: &Access,
        run: impl Fn(&mut Self) -> Result<u64, Fault>,
    ) -> Vec<Permitted> {
        if let Some(adversary) = &mut self.adversary {
            let stream = (access.sid, access.ssid);
            if !adversary.streams.contains(&stream) {
                adversary.streams.push(stream);
                adversary.stale = true;
            }
        }
        self.look();
        let now = self.now();
        let mut outcomes: Vec<(Outcome, Vec<_>)> = Vec::new();
        for Way { result, times, path } in self.every_way(run) {
            let outcome = match result {
                Ok(pa) => Outcome::Passed { pa },
                Err(fault) => Outcome::Aborted(Fault { recorded: false, waits: false, stall: None, ..fault }),
            };
            if times.contains(now) && !outcomes.iter().any(|(other, _)| *other == outcome) {
                outcomes.push((outcome, path));
            }
        }
        outcomes
    }

    /// Does one of the things that a transaction may do.
    pub(crate) fn perform(&mut self, access: &Access) -> Result<u64, Fault> {
        self.perform_as(access, |model| model.translate(access))
    }

    /// Does one of the things that `run` may do for `access`.
    pub(crate) fn perform_as(
        &mut self,
        access: &Access,
        run: impl Fn(&mut Self) -> Result<u64, Fault>,
    ) -> Result<u64, Fault> {
        if self.adversary.is_none() {
            return run(self);
        }
        let ways = self.ways_as(access, &run);
        let Some(adversary) = &mut self.adversary else { return Err(Fault::SILENT) };
        let chosen = adversary.pick(ways.len());
        match ways.get(chosen) {
            Some((_, path)) => {
                let path = path.clone();
                self.really(&path, run)
            }
            None => {
                self.complain(format!("{access:?} has no permitted outcome: a mistake of the model"));
                Err(Fault::SILENT)
            }
        }
    }

    /// Whether a transaction may pass or be faulted by translation, rather than being terminated by its configuration.
    pub(crate) fn may_translate(&mut self, access: &Access) -> bool {
        self.ways(access).iter().any(|(outcome, _)| match outcome {
            Outcome::Passed { .. } => true,
            Outcome::Aborted(fault) => matches!(fault.event, Some(id::F_TRANSLATION..=id::F_PERMISSION)),
        })
    }

    /// A transaction is tried: where it goes if it gets through, and if not, nothing has happened.
    pub(crate) fn gets_through(&mut self, access: &Access) -> Option<u64> {
        let ways = self.ways(access);
        let chosen = self.adversary.as_mut()?.pick(ways.len());
        match ways.get(chosen)? {
            (Outcome::Passed { .. }, path) => {
                let path = path.clone();
                self.really(&path, |model| model.translate(access)).ok()
            }
            _ => None,
        }
    }
}
