//! What could happen: hooks by which the one path of a transaction (`translate`) is run through every way that an
//! adversarial SMMU could take.
//!
//! In the plain setting the hooks read memory and do nothing else. In the adversarial setting each read takes any value
//! that the word has had, and the [`World`] keeps the moments at which everything read so far could be in use together:
//! a table that was read through a descriptor must have been read while that descriptor was in memory or in a cache.

use crate::access::{Class, Fault};
use crate::adversary::{Atomicity, Donor};
use crate::bus::Bus;
use crate::config_cache::Words;
use crate::drops::Drop;
use crate::event::{Request, Site, id};
use crate::layout::{cr0, offset};
use crate::model::Model;
use crate::past::Version;
use crate::perms::Need;
use crate::regs::StreamTable;
use crate::ste::Ste;
use crate::times::Times;
use crate::tlb::{Stage2Leaf, Tag, World as StreamWorld};
use crate::walk1::Walk;
use crate::world::{Choice, World, next_path};

/// Ways that are tried before the model gives up: far more than any test of a driver has met.
const WAYS: usize = 200_000;

/// One way that is possible: what comes of it, when, and by which choices.
#[derive(Clone, Debug)]
pub(crate) struct Way<T> {
    pub(crate) result: T,
    pub(crate) times: Times,
    pub(crate) path: Vec<Choice>,
}

impl<B: Bus> Model<B> {
    /// The SMMU is adversarial, and a way is being followed.
    pub(crate) fn imagining(&self) -> bool {
        self.world.is_some()
    }

    /// What is being followed does not really happen: it leaves no trace.
    pub(crate) fn only_imagining(&self) -> bool {
        self.world.as_ref().is_some_and(|world| !world.real)
    }

    /// Runs `run` in every possible way.
    pub(crate) fn every_way<T>(&mut self, mut run: impl FnMut(&mut Self) -> T) -> Vec<Way<T>> {
        let mut ways = Vec::new();
        let mut path = Some(Vec::new());
        let mut tried = 0;
        while let Some(this) = path {
            self.world = Some(World::along(this, false));
            let result = run(self);
            let Some(world) = self.world.take() else { break };
            let (possible, times) = (world.possible(), world.times.clone());
            let this = world.into_path();
            if possible {
                ways.push(Way { result, times, path: this.clone() });
            }
            path = next_path(this);
            tried += 1;
            if tried > WAYS {
                self.complain(format!("more than {WAYS} ways to do one thing: not all were tried"));
                break;
            }
        }
        ways
    }

    /// Runs `run` for real, along choices that [`Model::every_way`] found possible.
    pub(crate) fn really<T>(&mut self, path: &[Choice], run: impl FnOnce(&mut Self) -> T) -> T {
        self.world = Some(World::along(path.to_vec(), true));
        let result = run(self);
        self.world = None;
        result
    }

    /// The moments of the way that is being followed.
    pub(crate) fn times(&self) -> Times {
        self.world.as_ref().map_or_else(Times::always, |world| world.times.clone())
    }

    /// Restricts the moments of the way.
    pub(crate) fn only_at(&mut self, times: &Times) {
        if let Some(world) = &mut self.world {
            world.at(times);
        }
    }

    pub(crate) fn choose(&mut self, of: usize) -> usize {
        self.world.as_mut().map_or(0, |world| world.choose(of))
    }

    pub(crate) fn contradiction(&mut self) {
        if let Some(world) = &mut self.world {
            world.contradiction();
        }
    }

    /// What has been read so far is in use at this very moment.
    pub(crate) fn in_use_now(&mut self) {
        let now = self.now();
        if !self.times().contains(now) {
            self.contradiction();
        }
    }

    /// What was read last may be kept, and used until a command that drops it.
    pub(crate) fn may_stay_cached(&mut self, drops: impl Fn(&Drop) -> bool) {
        if let (Some(world), Some(adversary)) = (&mut self.world, &mut self.adversary) {
            world.times = adversary.drops.cached(&world.times, drops);
        }
    }

    /// A table descriptor was read, and the walk goes on below it.
    pub(crate) fn stepped(&mut self) {
        if let Some(world) = &mut self.world {
            world.stepped = true;
        }
    }

    /// Whether one was, and none any more.
    fn take_stepped(&mut self) -> bool {
        self.world.as_mut().is_some_and(|world| std::mem::take(&mut world.stepped))
    }

    /// The descriptor at `at`, read as `word`, is being updated: that is possible only at the moment at which memory
    /// holds it so (3.13: the update is atomic).
    pub(crate) fn updates(&mut self, at: u64, word: u64) {
        if self.imagining() {
            let now = self.now();
            self.only_at(&Times::between(now, now + 1));
            if self.bus.read64(at) != Some(word) {
                self.contradiction();
            }
        }
    }

    /// All values of a word that could have been read at `times`, and when, as `meaning` sees them.
    fn could_be(
        &mut self,
        at: u64,
        times: &Times,
        meaning: impl Fn(u64) -> u64,
    ) -> Option<Vec<(u64, Times)>> {
        let adversary = self.adversary.as_mut()?;
        let present = self.bus.read64(at)?;
        adversary.past.watch(&self.bus, at);
        let mut versions = adversary.past.versions(at);
        if versions.is_empty() {
            versions.push(Version { value: present, from: adversary.past.now(), until: u64::MAX });
        }
        let times = times.and(&adversary.enabled);
        // The same value from different moments is one.
        let mut readable: Vec<(u64, Times)> = Vec::new();
        for version in &versions {
            let (times, found) = (version.times().and(&times), meaning(version.value));
            if times.is_empty() {
                continue;
            }
            match readable.iter_mut().find(|(value, _)| *value == found) {
                Some((_, all)) => *all = all.or(&times),
                None => readable.push((found, times)),
            }
        }
        if readable.iter().any(|(_, times)| times.contains(adversary.past.now())) {
            adversary.reachable.insert(at & !63);
        }
        Some(readable)
    }

    /// Reads 8 bytes of a translation table or of a level 1 descriptor. `None` is an external abort.
    pub(crate) fn load(&mut self, at: u64) -> Option<u64> {
        self.load_meaning(at, |word| word)
    }

    /// The same of a word of which only the `meaning` counts: values that mean the same are one.
    pub(crate) fn load_meaning(&mut self, at: u64, meaning: impl Fn(u64) -> u64) -> Option<u64> {
        if !self.imagining() {
            return self.bus.read64(at);
        }
        let values = self.could_be(at, &self.times(), meaning)?;
        let choice = self.choose(values.len());
        let Some((value, times)) = values.get(choice) else { return Some(0) };
        self.only_at(times);
        Some(*value)
    }

    /// Reads a 64-byte structure of which caches may hold any part, fetched at any time, until a command that drops it
    /// (3.21.3). `None` on an external abort or beyond the OAS.
    pub(crate) fn fetch_structure(&mut self, at: u64, drops: impl Fn(&Drop) -> bool) -> Option<Words> {
        if !self.profile.in_oas(at) {
            return None;
        }
        let Some(adversary) = self.adversary.as_ref().filter(|_| self.world.is_some()) else {
            return self.bus.read_line(at);
        };
        let through = self.times();
        let atom = adversary.atomicity;
        let mut words = [0; 8];
        let mut together = Times::always();
        for (number, pair) in words.chunks_mut(atom.words()).enumerate() {
            let first = at + (number * atom.words() * 8) as u64;
            let found = self.atom(first, pair.len(), &through)?;
            let drops = &drops;
            let usable = found.into_iter().filter_map(|(values, readable)| {
                let adversary = self.adversary.as_mut()?;
                let times = adversary.drops.cached(&readable, drops).and(&together);
                (!times.is_empty()).then_some((values, times))
            });
            let usable: Vec<_> = usable.collect();
            let choice = self.choose(usable.len());
            if let Some((values, times)) = usable.into_iter().nth(choice) {
                pair.copy_from_slice(values.get(..pair.len()).unwrap_or_default());
                together = times;
            }
        }
        if let Some(world) = &mut self.world {
            world.times = Times::always();
        }
        self.only_at(&together);
        Some(words)
    }

    /// The values that one atom of a structure could have been read as.
    fn atom(&mut self, at: u64, words: usize, through: &Times) -> Option<Vec<(Vec<u64>, Times)>> {
        let mut found = vec![(Vec::new(), through.clone())];
        for number in 0..words {
            let mut longer = Vec::new();
            for (values, times) in found {
                for (value, times) in self.could_be(at + number as u64 * 8, &times, |word| word)? {
                    let mut values: Vec<u64> = values.clone();
                    values.push(value);
                    longer.push((values, times));
                }
            }
            found = longer;
        }
        // The same values from different moments are one choice.
        let mut merged: Vec<(Vec<u64>, Times)> = Vec::new();
        for (values, times) in found {
            match merged.iter_mut().find(|(same, _)| *same == values) {
                Some((_, all)) => *all = all.or(&times),
                None => merged.push((values, times)),
            }
        }
        Some(merged)
    }

    /// Whether transactions are translated: while an Update of SMMUEN is under way, either (6.3.9).
    pub(crate) fn translating(&mut self) -> bool {
        let (before, after) =
            (self.regs.enabled(cr0::SMMUEN), cr0::SMMUEN.of(self.regs.get(offset::CR0)) != 0);
        if self.imagining() && before != after {
            return self.choose(2) == 1;
        }
        before
    }

    /// GBPA, which may be the one before while its Update is under way (6.3.14.1).
    pub(crate) fn bypass_attributes(&mut self) -> u64 {
        let before = self.adversary.as_ref().and_then(|adversary| adversary.gbpa_before);
        match before {
            Some(before) if self.imagining() && self.choose(2) == 1 => before,
            _ => self.regs.get(offset::GBPA),
        }
    }

    /// The Stream table: any that was enabled.
    pub(crate) fn stream_table(&mut self) -> StreamTable {
        let Some(adversary) = self.adversary.as_ref().filter(|_| self.world.is_some()) else {
            return self.regs.stream_table(&self.profile);
        };
        let roots = adversary.roots.clone();
        let choice = self.choose(roots.len());
        match roots.get(choice) {
            Some((table, from, until)) => {
                self.only_at(&Times::between(*from, *until));
                *table
            }
            None => self.regs.stream_table(&self.profile),
        }
    }

    /// A translation by IPA that is cached or can be made: whoever uses the VMID may have brought it in.
    pub(crate) fn imagine_stage2(
        &mut self,
        request: &Request,
        entry: &Ste,
        ipa: u64,
        need: Need,
        site: &Site,
    ) -> Result<Stage2Leaf, Fault> {
        let through = self.times();
        let vmid = entry.vmid(&self.profile, StreamWorld::El1);
        let donors: Vec<(Ste, Times)> = match &self.adversary {
            Some(adversary) => adversary
                .stage2
                .iter()
                .filter(|(donor, _)| donor.vmid(&self.profile, StreamWorld::El1) == vmid)
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        let choice = self.choose(donors.len());
        let Some((donor, times)) = donors.get(choice) else {
            return Err(Fault::SILENT);
        };
        if let Some(world) = &mut self.world {
            world.times = times.clone();
        }
        let before = self.take_stepped();
        let found = self.walk_stage2(request, &donor.faulting_as(entry), ipa, need, site);
        self.only_at(&through);
        // Faults are not cached, but a table above one may be: a walk that faults at once is the transaction's own.
        if !self.take_stepped() && found.is_err() && donor.stage2_key() != entry.stage2_key() {
            self.contradiction();
        }
        if before {
            self.stepped();
        }
        found
    }

    /// A translation by VA that is cached or can be made: whoever uses the tag may have brought it in.
    pub(crate) fn imagine_stage1(&mut self, w: &Walk<'_>) -> Result<u64, Fault> {
        let donors: Vec<Donor> = match &self.adversary {
            Some(adversary) => {
                adversary.stage1.iter().filter(|donor| donor.tag.may_meet(&w.tag)).cloned().collect()
            }
            None => Vec::new(),
        };
        // The first course is a walk of its own, which may fault.
        let choice = self.choose(1 + donors.len());
        let Some(donor) = choice.checked_sub(1).and_then(|index| donors.get(index)) else {
            return self.walk_both(w).map(|found| found.pa + (w.va - found.base));
        };
        if let Some(world) = &mut self.world {
            world.times = donor.times.clone();
        }
        let asked = Tag { nested: donor.tag.nested, ..w.tag };
        let entry = donor.entry.faulting_as(w.entry);
        let walk = Walk { entry: &entry, context: &donor.context, tag: donor.tag, asked, ..*w };
        self.take_stepped();
        let found = self.walk_both(&walk);
        let cached = self.take_stepped() && donor.tag.serves(&walk.asked);
        match found {
            Ok(found) => Ok(found.pa + (w.va - found.base)),
            // An entry that does not permit the access is as good as any other.
            Err(fault) if fault.event == Some(id::F_PERMISSION) && fault.class == Some(Class::In) => {
                Err(fault)
            }
            // Faults are not cached, but the table above one may be.
            Err(fault) if cached && fault.stage == 1 && fault.class == Some(Class::In) => Err(fault),
            Err(_) => {
                self.contradiction();
                Err(Fault::SILENT)
            }
        }
    }

    /// The present moment; in the plain setting there is only one.
    pub(crate) fn now(&self) -> u64 {
        self.adversary.as_ref().map_or(0, |adversary| adversary.past.now())
    }
}

impl Atomicity {
    fn words(self) -> usize {
        match self {
            Self::Bits64 => 1,
            Self::Bits128 => 2,
        }
    }
}
