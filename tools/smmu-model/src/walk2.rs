//! Stage 2: IPA to PA, for client addresses, CD fetches and stage 1 table accesses (IHI 0070 3.4, 5.2, 7.3.13).

use crate::access::{Class, Fault};
use crate::bus::Bus;
use crate::event::{Request, Site, id};
use crate::geometry::{Kind, Tables};
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
    /// Translates an IPA, from the TLB or by a walk, and checks permissions. The PA is `pa + (ipa - base)` of the result.
    pub(crate) fn stage2(
        &mut self,
        request: &Request,
        entry: &Ste,
        ipa: u64,
        purpose: Purpose,
    ) -> Result<Stage2Leaf, Fault> {
        let vmid = entry.vmid(&self.profile, World::El1);
        let need = purpose.need(request.need);
        let site = Site {
            stage: 2,
            class: purpose.class(),
            ipa: Some(ipa),
            table_write: purpose == Purpose::TableWrite,
        };
        let cached = self.tlb.stage2_leaf(vmid, ipa).filter(|hit| !(need.write && hit.perms.clean));
        let found = match cached {
            Some(hit) => hit,
            None => self.walk_stage2(request, entry, ipa, need, &site)?,
        };
        // S2PTW: CD fetches and stage 1 walks may not touch Device memory (5.2).
        let device = purpose != Purpose::Client && entry.flag(ste::S2PTW) && entry.s1() && found.perms.device;
        if !found.perms.allow(need) || device {
            return Err(self.translation_fault(id::F_PERMISSION, request, &site, entry.stage2_policy()));
        }
        if cached.is_none() {
            self.tlb.forget_stage2_leaf(vmid, ipa);
            self.tlb.put_stage2_leaf(found);
        }
        Ok(found)
    }

    /// Walks the stage 2 tables; faults come in the order of 7.3.22.
    fn walk_stage2(
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
        let (mut level, mut table) = match self.tlb.stage2_table(vmid, tables.granule, ipa) {
            Some(hit) => (hit.level + 1, hit.next),
            None => (tables.start_level, tables.start_table()),
        };
        loop {
            let at = tables.descriptor(table, level, ipa);
            let Some(word) = self.bus.read64(at) else { return Err(self.walk_aborted(request, site, at)) };
            let descriptor = tables.decode(word);
            let log2 = tables.granule.level_shift(level);
            let base = ipa & !((1 << log2) - 1);
            let kind = tables.kind(descriptor, level);
            let low = if kind == Kind::Leaf { log2 } else { tables.granule.shift() };
            let next = tables.output(descriptor, low);
            if kind == Kind::Invalid {
                return Err(self.translation_fault(id::F_TRANSLATION, request, site, policy));
            }
            if !fits(next, tables.output_bits) {
                return Err(self.translation_fault(id::F_ADDR_SIZE, request, site, policy));
            }
            if kind == Kind::Table {
                self.tlb.put_stage2_table(Stage2Table {
                    vmid,
                    granule: tables.granule,
                    level,
                    base,
                    log2,
                    next,
                });
                (level, table) = (level + 1, next);
                continue;
            }
            let descriptor = self.stage2_flags(request, entry, &tables, at, descriptor, need, site)?;
            let fwb = entry.flag(ste::S2FWB);
            let perms = Stage2Perms::new(descriptor, entry.s2_dirty_updates(), fwb, &self.profile);
            return Ok(Stage2Leaf { vmid, granule: tables.granule, level, base, log2, pa: next, perms });
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
        if updated != descriptor && self.bus.write64(at, tables.decode(updated)).is_none() {
            return Err(self.walk_aborted(request, site, at));
        }
        Ok(updated)
    }
}
