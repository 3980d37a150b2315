//! What an adversarial SMMU can reach, and therefore may read at any time: all of it is watched.
//!
//! From the Stream tables to the STEs and CDs of the streams that exist, and from those to every translation table, by
//! the values that memory holds now; tables that were reachable once stay watched.

use std::collections::BTreeSet;

use crate::access::Access;
use crate::adversary::Donor;
use crate::bus::Bus;
use crate::cd::Half;
use crate::event::Request;
use crate::geometry::Tables;
use crate::model::Model;
use crate::perms::Need;
use crate::ste::Ste;
use crate::times::Times;
use crate::tlb::{Place, Tag, World};
use crate::walk2::Purpose;

/// Whose table it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner<'a> {
    /// Stage 2 of a VMID.
    Stage2(u16),
    /// Stage 1.
    Stage1(&'a Donor),
}

/// A table to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Visit {
    /// Address as the descriptor above says: an IPA for stage 1 below stage 2.
    table: u64,
    level: i32,
    /// First input address.
    input: u64,
    /// When the SMMU can or could read it.
    times: Times,
}

impl<B: Bus> Model<B> {
    /// Finds what can be reached, if that may have changed.
    pub(crate) fn reach(&mut self) {
        if !self.adversary.as_ref().is_some_and(|adversary| adversary.stale) {
            return;
        }
        if let Some(adversary) = &mut self.adversary {
            adversary.reachable.clear();
        }
        self.find_stage2();
        self.find_stage1();
        let Some(adversary) = &mut self.adversary else { return };
        adversary.stale = false;
        if !adversary.enabled.contains(adversary.past.now()) {
            return;
        }
        let (stage2, stage1) = (adversary.stage2.clone(), adversary.stage1.clone());
        for (entry, times) in &stage2 {
            let vmid = entry.vmid(&self.profile, World::El1);
            if let Some(tables) = entry.stage2_tables(&self.profile) {
                self.visit(&tables, (0, times), &Owner::Stage2(vmid));
            }
        }
        for donor in &stage1 {
            for half in [Half::Low, Half::High] {
                let tables = donor.context.tables(half, &self.profile);
                let Some(tables) = tables.filter(|_| !donor.context.disabled(half, donor.tag.world)) else {
                    continue;
                };
                let first = match half {
                    Half::Low => 0,
                    Half::High => !((1u64 << tables.input_bits.min(63)) - 1),
                };
                self.visit(&tables, (first, &donor.times), &Owner::Stage1(donor));
            }
        }
    }

    /// Finds what can be reached, whether or not anything is known to have changed.
    pub(crate) fn reach_again(&mut self) {
        if let Some(adversary) = &mut self.adversary {
            adversary.stale = true;
            self.reach();
        }
    }

    /// A transaction of a stream, of which only the configuration is of interest.
    fn probe(sid: u32, ssid: Option<u32>) -> Access {
        Access { sid, ssid, iova: 0, write: false, instruction: false, privileged: false }
    }

    /// All STEs with stage 2 that could be or could have been in use.
    fn find_stage2(&mut self) {
        let streams = self.adversary.as_ref().map_or_else(Vec::new, |adversary| adversary.streams.clone());
        let mut found: Vec<(Ste, Times)> = Vec::new();
        let sids: BTreeSet<u32> = streams.iter().map(|(sid, _)| *sid).collect();
        for sid in sids {
            for way in self.every_way(|model| model.fetch_ste(&Self::probe(sid, None))) {
                let Ok(entry) = way.result else { continue };
                if !entry.s2() || entry.illegal(&self.profile).is_some() {
                    continue;
                }
                match found.iter_mut().find(|(same, _)| same.stage2_key() == entry.stage2_key()) {
                    Some((_, times)) => *times = times.or(&way.times),
                    None => found.push((entry, way.times)),
                }
            }
        }
        if let Some(adversary) = &mut self.adversary {
            adversary.stage2 = found;
        }
    }

    /// All pairs of an STE and a CD that could be or could have been in use.
    fn find_stage1(&mut self) {
        let streams = self.adversary.as_ref().map_or_else(Vec::new, |adversary| adversary.streams.clone());
        let mut found: Vec<Donor> = Vec::new();
        for (sid, ssid) in streams {
            for way in self.every_way(|model| model.configure(&Self::probe(sid, ssid))) {
                let Ok((_, entry, Some((context, world)))) = way.result else { continue };
                let tag = self.tag(&entry, &context, world);
                let same = |donor: &&mut Donor| {
                    donor.tag == tag
                        && donor.context.0 == context.0
                        && (!tag.nested || donor.entry.stage2_key() == entry.stage2_key())
                };
                match found.iter_mut().find(same) {
                    Some(donor) => donor.times = donor.times.or(&way.times),
                    None => found.push(Donor { entry, context, tag, times: way.times }),
                }
            }
        }
        if let Some(adversary) = &mut self.adversary {
            adversary.stage1 = found;
        }
    }

    /// Watches a table and all tables below it that can be read now.
    fn visit(&mut self, tables: &Tables, (first, times): (u64, &Times), owner: &Owner<'_>) {
        let times = times.clone();
        let start = Visit { table: tables.start_table(), level: tables.start_level, input: first, times };
        let mut seen = BTreeSet::from([start.clone()]);
        let mut open = vec![start];
        while let Some(visit) = open.pop() {
            if !visit.times.contains(self.now()) {
                continue;
            }
            let end = visit.table + (8u64 << tables.index_bits(visit.level));
            let mut page = visit.table & !0xfff;
            while page < end {
                for pa in self.places(page, owner) {
                    let lines = (page.max(visit.table & !63)..end.min(page + 0x1000)).step_by(64);
                    for at in lines {
                        self.look_at_line(tables, owner, &visit, at, pa + (at - page), &mut |child| {
                            if seen.insert(child.clone()) {
                                open.push(child);
                            }
                        });
                    }
                }
                page += 0x1000;
            }
        }
    }

    /// Each descriptor of the line at `at`, which is in physical memory at `pa`: the tables below it, and changes that
    /// break the rules.
    fn look_at_line(
        &mut self,
        tables: &Tables,
        owner: &Owner<'_>,
        visit: &Visit,
        at: u64,
        pa: u64,
        child: &mut impl FnMut(Visit),
    ) {
        let now = self.now();
        let Some(adversary) = &mut self.adversary else { return };
        adversary.past.watch(&self.bus, pa);
        adversary.reachable.insert(pa);
        let Some((line, touched)) = adversary.past.line(pa) else { return };
        if visit.level == 3 && touched != now {
            return;
        }
        let calm = adversary.past.calm(pa);
        for (offset, word) in (0u64..).step_by(8).zip(line) {
            let Some(index) = (at + offset).checked_sub(visit.table).map(|offset| offset / 8) else {
                continue;
            };
            if index >> tables.index_bits(visit.level) != 0 || calm && tables.decode(word) & 3 != 3 {
                continue;
            }
            let input = visit.input | (index << tables.granule.level_shift(visit.level));
            let place = Place::around(tables.granule, visit.level, input);
            if touched == now {
                self.check_replacement(tables, owner, &place, pa + offset, &visit.times);
            }
            let Some(adversary) = self.adversary.as_mut().filter(|_| visit.level < 3) else { continue };
            for version in adversary.past.versions(pa + offset) {
                let readable = version.times().and(&visit.times).and(&adversary.enabled);
                if let Ok(step) = tables.step(tables.decode(version.value), visit.level, input)
                    && !step.leaf
                {
                    let times = adversary.drops.cached(&readable, |drop| match owner {
                        Owner::Stage1(donor) => drop.of_table(&donor.tag, &place),
                        Owner::Stage2(vmid) => drop.of_stage2_table(*vmid, &place),
                    });
                    child(Visit { table: step.next, level: visit.level + 1, input, times });
                }
            }
        }
    }

    /// Where an address of a table is in physical memory: by every stage 2 translation that is possible.
    fn places(&mut self, at: u64, owner: &Owner<'_>) -> Vec<u64> {
        let Owner::Stage1(donor) = owner else { return vec![at] };
        if !donor.tag.nested {
            return vec![at];
        }
        let need = Need { write: false, instruction: false, privileged: true };
        let request = Request { access: Self::probe(0, None), need };
        let ways = self.every_way(|model| model.stage2(&request, &donor.entry, at, Purpose::TableRead));
        let mut places: Vec<u64> =
            ways.into_iter().filter_map(|way| Some(way.result.ok()?.translate(at))).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

impl Owner<'_> {
    /// The tag of stage 1 translations.
    pub(crate) fn tag(&self) -> Option<Tag> {
        match self {
            Self::Stage1(donor) => Some(donor.tag),
            Self::Stage2(_) => None,
        }
    }
}
