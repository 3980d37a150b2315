//! Contiguous groups: descriptors that promise to translate like one large one may be answered for by any of them.
//!
//! A TLB may hold one entry for the whole group, made of any member (DDI 0487 D8.7.1). So a member that was changed alone
//! is still translated as the others say, also after its own invalidation.

use crate::bus::Bus;
use crate::geometry::{Kind, Tables};
use crate::layout::leaf1;
use crate::model::Model;

impl Tables {
    /// Whether a descriptor is a leaf of a contiguous group, and needs no update by hardware.
    fn is_member(&self, descriptor: u64, level: i32) -> bool {
        self.kind(descriptor, level) == Kind::Leaf
            && leaf1::CONTIGUOUS.is_set(&[descriptor])
            && leaf1::AF.is_set(&[descriptor])
            && !leaf1::DBM.is_set(&[descriptor])
    }

    /// What the member of a group at `other` makes of the address whose descriptor is at `at`; `None` if its output is
    /// not where a group's must be.
    fn by_member(&self, descriptor: u64, (at, other): (u64, u64), level: i32) -> Option<u64> {
        let size = self.granule.level_shift(level);
        let entries = self.group_entries(level);
        let offset = |address: u64| ((address / 8) % (1 << entries)) << size;
        let first = self.output(descriptor, size).checked_sub(offset(other))?;
        (first % (1 << (entries + size)) == 0)
            .then(|| descriptor.wrapping_add(offset(at)).wrapping_sub(offset(other)))
    }
}

impl<B: Bus> Model<B> {
    /// Reads the descriptor at `at`, or what another one of its contiguous group makes of it. `None` is an external abort.
    pub(crate) fn load_descriptor(&mut self, tables: &Tables, at: u64, level: i32) -> Option<u64> {
        let others = if self.imagining() { self.other_members(tables, at, level) } else { Vec::new() };
        let choice = self.choose(1 + others.len());
        let Some(other) = choice.checked_sub(1).and_then(|index| others.get(index)) else {
            return self.load_meaning(at, |word| tables.meaning(word, level));
        };
        let found = tables.decode(self.load(*other)?);
        let member = tables.is_member(found, level);
        match tables.by_member(found, (at, *other), level).filter(|_| member) {
            Some(descriptor) => Some(tables.decode(descriptor)),
            None => {
                self.contradiction();
                Some(0)
            }
        }
    }

    /// The members of the group of `at` that have said, or say, something else of it than it says itself now.
    fn other_members(&self, tables: &Tables, at: u64, level: i32) -> Vec<u64> {
        let Some(adversary) = &self.adversary else { return Vec::new() };
        let past = &adversary.past;
        let bytes = 8 << tables.group_entries(level);
        let first = at & !(bytes - 1);
        let mut lines = (first..first + bytes).step_by(64);
        if !lines.any(|line| past.any_of_line(line, |w| tables.is_member(tables.decode(w), level))) {
            return Vec::new();
        }
        let own = past.versions(at).last().map(|version| tables.decode(version.value));
        let says_else = |other: &u64| {
            past.versions(*other).iter().map(|version| tables.decode(version.value)).any(|descriptor| {
                let member = tables.is_member(descriptor, level);
                let answer = tables.by_member(descriptor, (at, *other), level).filter(|_| member);
                answer.is_some() && answer != own
            })
        };
        (first..first + bytes).step_by(8).filter(|other| *other != at).filter(says_else).collect()
    }
}
