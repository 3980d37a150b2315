//! Stage 1 table walks: VA to IPA or PA (IHI 0070 3.4, 5.4, 7.3.22; DDI 0487 D8.2, D8.3).

use crate::access::{Class, Fault};
use crate::bus::Bus;
use crate::cd::{Cd, Half};
use crate::event::{Policy, Request, Site, id};
use crate::geometry::Tables;
use crate::layout::{cd, leaf1};
use crate::model::Model;
use crate::perms::Stage1Perms;
use crate::profile::fits;
use crate::ste::Ste;
use crate::tlb::{Place, Table, Tag, World};
use crate::tlbi::Group;
use crate::walk2::Purpose;

/// Bits 63:59 of table descriptors: NSTable, APTable, UXNTable, PXNTable.
const HIERARCHY: u64 = 0x1f << 59;

/// Everything a stage 1 walk depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    pub(crate) request: &'a Request,
    pub(crate) entry: &'a Ste,
    pub(crate) context: &'a Cd,
    /// Tag of the address space; its ASID is that of the CD.
    pub(crate) tag: Tag,
    /// Tag of the lookup: another one where an entry may serve that somebody else has brought in.
    pub(crate) asked: Tag,
    /// What becomes of a transaction that faults: its own CD says so.
    pub(crate) policy: Policy,
    /// Address after Top Byte Ignore.
    pub(crate) va: u64,
    pub(crate) half: Half,
}

/// Result of a stage 1 walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage1Leaf {
    /// The leaf in VA space.
    pub(crate) place: Place,
    /// The contiguous group that it says it is part of.
    pub(crate) group: Group,
    /// Output address of its start: an IPA when nested.
    pub(crate) output: u64,
    /// Tag of its entry: without ASID when it is global.
    pub(crate) tag: Tag,
    pub(crate) perms: Stage1Perms,
}

impl<B: Bus> Model<B> {
    /// Walks; access flag faults included, permissions not.
    pub(crate) fn walk_stage1(&mut self, w: &Walk<'_>) -> Result<Stage1Leaf, Fault> {
        let tables = w.context.tables(w.half, &self.profile).filter(|t| {
            // The bits above the input size must all equal the half's sign, and walks must be enabled (5.4.1.1).
            let sign = if w.half == Half::High { !w.va } else { w.va };
            !w.context.disabled(w.half, w.tag.world) && fits(sign, t.input_bits)
        });
        let Some(tables) = tables else {
            return Err(self.stage1_fault(id::F_TRANSLATION, w));
        };
        let known = if self.imagining() { None } else { self.tlb.table(&w.tag, tables.granule, w.va) };
        let (mut level, mut table, mut hierarchy) = match known {
            Some(hit) => (hit.place.level + 1, hit.next, hit.hierarchy),
            None => (tables.start_level, tables.start_table(), 0),
        };
        loop {
            let at = tables.descriptor(table, level, w.va);
            let pa = self.table_address(w, at, Purpose::TableRead)?;
            if level > tables.start_level {
                // A walk cache may hold where the table is in physical memory, too: like what it came from.
                let above = Place::around(tables.granule, level - 1, w.va);
                self.may_stay_cached(|drop| drop.of_table(&w.tag, &above));
            }
            let Some(word) = self.load_descriptor(&tables, pa, level) else {
                return Err(self.table_aborted(w, pa));
            };
            let descriptor = tables.decode(word);
            let step = tables.step(descriptor, level, w.va).map_err(|number| self.stage1_fault(number, w))?;
            if !step.leaf {
                if !w.context.had(w.half, &self.profile) {
                    hierarchy |= descriptor & HIERARCHY;
                }
                self.may_stay_cached(|drop| drop.of_table(&w.tag, &step.place));
                self.stepped();
                if !self.imagining() {
                    self.tlb.put_table(Table { tag: w.tag, place: step.place, next: step.next, hierarchy });
                }
                (level, table) = (level + 1, step.next);
                continue;
            }
            let descriptor = self.stage1_flags(w, &tables, at, descriptor, hierarchy)?;
            let perms = Stage1Perms::new(descriptor, hierarchy, w.context, w.tag.world, &self.profile);
            // nG is not used in the EL2 world, which has no ASIDs.
            let global = w.tag.world == World::El2 || !leaf1::NG.is_set(&[descriptor]);
            let tag = Tag { asid: if global { None } else { w.tag.asid }, ..w.tag };
            let group = tables.contiguous_group(descriptor, &step.place);
            self.may_stay_cached(|drop| drop.of_leaf(&tag, &step.place, group));
            return Ok(Stage1Leaf { place: step.place, group, output: step.next, tag, perms });
        }
    }

    /// A stage 1 fault on the input address.
    pub(crate) fn stage1_fault(&mut self, number: u8, w: &Walk<'_>) -> Fault {
        self.translation_fault(number, w.request, &Site::STAGE1, w.policy)
    }

    /// Physical address of a stage 1 descriptor.
    fn table_address(&mut self, w: &Walk<'_>, at: u64, purpose: Purpose) -> Result<u64, Fault> {
        self.through_stage2(w.request, w.entry, at, purpose)
    }

    /// F_WALK_EABT at stage 1: CLASS is TT although it is a stage 1 fault (7.3.12).
    fn table_aborted(&mut self, w: &Walk<'_>, pa: u64) -> Fault {
        let site = Site { class: Class::Tt, ..Site::STAGE1 };
        self.walk_aborted(w.request, &site, pa)
    }

    /// Access flag and dirty state of a leaf: fault, ignore, or hardware update (5.4 AFFD, HA; 3.13). A descriptor is
    /// made dirty only by a write that it permits. Returns the descriptor as it is afterwards.
    fn stage1_flags(
        &mut self,
        w: &Walk<'_>,
        tables: &Tables,
        at: u64,
        descriptor: u64,
        hierarchy: u64,
    ) -> Result<u64, Fault> {
        let mut updated = descriptor;
        if !leaf1::AF.is_set(&[descriptor]) {
            if w.context.access_updates() {
                updated |= leaf1::AF.mask();
            } else if !w.context.flag(cd::AFFD) {
                return Err(self.stage1_fault(id::F_ACCESS, w));
            }
        }
        let perms = Stage1Perms::new(descriptor, hierarchy, w.context, w.tag.world, &self.profile);
        if w.request.need.write && perms.clean && perms.allow(w.request.need) {
            updated &= !leaf1::AP_RDONLY.mask();
        }
        if updated != descriptor {
            let pa = self.table_address(w, at, Purpose::TableWrite)?;
            self.updates(pa, tables.decode(descriptor));
            if !self.only_imagining() && self.bus.write64(pa, tables.decode(updated)).is_none() {
                return Err(self.table_aborted(w, pa));
            }
        }
        Ok(updated)
    }
}
