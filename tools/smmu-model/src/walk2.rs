//! Stage 2: IPA to PA, for client addresses, CD fetches and stage 1 table accesses (IHI 0070 3.4, 5.2, 7.3.13).

use crate::access::{Class, Fault};
use crate::bus::Bus;
use crate::event::{Request, Site, id};
use crate::geometry::Tables;
use crate::layout::{leaf2, ste};
use crate::model::Model;
use crate::perms::{Need, Stage2Perms};
use crate::profile::fits;
use crate::ste::Ste;
use crate::tlb::{Stage2Leaf, Stage2Table, World};

/// Why an IPA is translated: decides CLASS and the permission that is needed (7.3.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Fetch of a CD or L1CD: an implicit data read.
    Context,
    /// Fetch of a stage 1 descriptor: an implicit data read.
    TableRead,
    /// Hardware update of a stage 1 descriptor.
    TableWrite,
    /// The client's own access.
    Client,
}

impl Purpose {
    fn class(self) -> Class {
        match self {
            Self::Context => Class::Cd,
            Self::TableRead | Self::TableWrite => Class::Tt,
            Self::Client => Class::In,
        }
    }

    fn need(self, client: Need) -> Need {
        match self {
            Self::Client => client,
            _ => Need { write: self == Self::TableWrite, instruction: false, privileged: true },
        }
    }
}

impl<B: Bus> Model<B> {
    /// Physical address of `at`: itself unless stage 2 is enabled.
    pub(crate) fn through_stage2(
        &mut self,
        request: &Request,
        entry: &Ste,
        at: u64,
        purpose: Purpose,
    ) -> Result<u64, Fault> {
        if entry.s2() { Ok(self.stage2(request, entry, at, purpose)?.translate(at)) } else { Ok(at) }
    }

    /// Translates an IPA, from the TLB or by a walk, and checks permissions.
    pub(crate) fn stage2(
        &mut self,
        request: &Request,
        entry: &Ste,
        ipa: u64,
        purpose: Purpose,
    ) -> Result<Stage2Leaf, Fault> {
        self.stage2_of(request, entry, ipa, purpose, |_| {})
    }

    /// As [`Model::stage2`]; `then` runs when a translation was imagined, before its permissions are
    /// checked.
    pub(crate) fn stage2_of(
        &mut self,
        request: &Request,
        entry: &Ste,
        ipa: u64,
        purpose: Purpose,
        then: impl FnOnce(&mut Self),
    ) -> Result<Stage2Leaf, Fault> {
        let vmid = entry.vmid(&self.profile, World::El1);
        let need = purpose.need(request.need);
        let site = Site {
            stage: 2,
            class: purpose.class(),
            ipa: Some(ipa),
            table_write: purpose == Purpose::TableWrite,
        };
        if self.imagining() {
            let found = self.imagine_stage2(request, entry, ipa, need, &site)?;
            then(self);
            self.check_stage2(request, entry, &found, need, purpose, &site)?;
            return Ok(found);
        }
        let cached = self.tlb.stage2_leaf(vmid, ipa).filter(|hit| !(need.write && hit.perms.clean));
        let found = match cached {
            Some(hit) => hit,
            None => self.walk_stage2(request, entry, ipa, need, &site)?,
        };
        self.check_stage2(request, entry, &found, need, purpose, &site)?;
        if cached.is_none() {
            self.tlb.forget_stage2_leaf(vmid, ipa);
            self.tlb.put_stage2_leaf(found);
        }
        Ok(found)
    }

    /// Permissions of a stage 2 translation.
    fn check_stage2(
        &mut self,
        request: &Request,
        entry: &Ste,
        found: &Stage2Leaf,
        need: Need,
        purpose: Purpose,
        site: &Site,
    ) -> Result<(), Fault> {
        // S2PTW: CD fetches and stage 1 walks may not touch Device memory (5.2).
        let device = purpose != Purpose::Client && entry.flag(ste::S2PTW) && entry.s1() && found.perms.device;
        if !found.perms.allow(need) || device {
            return Err(self.translation_fault(id::F_PERMISSION, request, site, entry.stage2_policy()));
        }
        Ok(())
    }

    /// Walks the stage 2 tables; faults come in the order of 7.3.22.
    pub(crate) fn walk_stage2(
        &mut self,
        request: &Request,
        entry: &Ste,
        ipa: u64,
        need: Need,
        site: &Site,
    ) -> Result<Stage2Leaf, Fault> {
        let policy = entry.stage2_policy();
        let vmid = entry.vmid(&self.profile, World::El1);
        let tables = entry.stage2_tables(&self.profile).filter(|t| fits(ipa, t.input_bits));
        let Some(tables) = tables else {
            return Err(self.translation_fault(id::F_TRANSLATION, request, site, policy));
        };
        let known = if self.imagining() { None } else { self.tlb.stage2_table(vmid, tables.granule, ipa) };
        let (mut level, mut table) = match known {
            Some(hit) => (hit.place.level + 1, hit.next),
            None => (tables.start_level, tables.start_table()),
        };
        loop {
            let at = tables.descriptor(table, level, ipa);
            let Some(word) = self.load_descriptor(&tables, at, level) else {
                return Err(self.walk_aborted(request, site, at));
            };
            let descriptor = tables.decode(word);
            let step = tables
                .step(descriptor, level, ipa)
                .map_err(|number| self.translation_fault(number, request, site, policy))?;
            if !step.leaf {
                self.may_stay_cached(|drop| drop.of_stage2_table(vmid, &step.place));
                self.stepped();
                if !self.imagining() {
                    self.tlb.put_stage2_table(Stage2Table { vmid, place: step.place, next: step.next });
                }
                (level, table) = (level + 1, step.next);
                continue;
            }
            let descriptor = self.stage2_flags(request, entry, &tables, at, descriptor, need, site)?;
            let fwb = entry.flag(ste::S2FWB);
            let perms = Stage2Perms::new(descriptor, entry.s2_dirty_updates(), fwb, &self.profile);
            let group = tables.contiguous_group(descriptor, &step.place);
            self.may_stay_cached(|drop| drop.of_stage2_leaf(vmid, &step.place, group));
            return Ok(Stage2Leaf { vmid, place: step.place, pa: step.next, perms });
        }
    }

    /// Access flag and dirty state of a leaf: fault, ignore, or hardware update (5.2 S2AFFD, S2HA; 3.13). Returns the
    /// descriptor as it is afterwards.
    #[expect(clippy::too_many_arguments, reason = "one use; a struct would only rename them")]
    fn stage2_flags(
        &mut self,
        request: &Request,
        entry: &Ste,
        tables: &Tables,
        at: u64,
        descriptor: u64,
        need: Need,
        site: &Site,
    ) -> Result<u64, Fault> {
        let mut updated = descriptor;
        if !leaf2::AF.is_set(&[descriptor]) {
            if entry.s2_access_updates() {
                updated |= leaf2::AF.mask();
            } else if !entry.flag(ste::S2AFFD) {
                return Err(self.translation_fault(id::F_ACCESS, request, site, entry.stage2_policy()));
            }
        }
        if need.write && entry.s2_dirty_updates() && leaf2::DBM.is_set(&[descriptor]) {
            updated |= leaf2::S2AP_W.mask();
        }
        if updated != descriptor {
            self.updates(at, tables.decode(descriptor));
            if !self.only_imagining() && self.bus.write64(at, tables.decode(updated)).is_none() {
                return Err(self.walk_aborted(request, site, at));
            }
        }
        Ok(updated)
    }
}
