//! The path of a transaction: bypass, configuration, TLB, walks (IHI 0070 3.3.2, 3.4, chapter 15, 7.3.22).

use crate::access::{Access, Fault};
use crate::bus::Bus;
use crate::cd::{Cd, Half};
use crate::context::Stage1;
use crate::event::{Policy, Request, Site, id};
use crate::layout::{cd, cr0, cr2, gbpa, idr1, offset, ste};
use crate::model::Model;
use crate::perms::Need;
use crate::profile::fits;
use crate::ste::Ste;
use crate::tlb::{Leaf, Stage2Leaf, Tag, World};
use crate::walk1::Walk;
use crate::walk2::Purpose;

impl<B: Bus> Model<B> {
    /// Translates a transaction and records what it ran into.
    pub(crate) fn translate(&mut self, access: &Access) -> Result<u64, Fault> {
        if !self.regs.enabled(cr0::SMMUEN) {
            // GBPA: no event in either case (3.4, 6.3.9.6).
            let abort = gbpa::ABORT.of(self.regs.get(offset::GBPA)) != 0;
            return if abort || !self.profile.in_oas(access.iova) {
                Err(Fault::SILENT)
            } else {
                Ok(access.iova)
            };
        }
        let entry = self.fetch_ste(access)?;
        if entry.illegal(&self.profile).is_some() {
            return Err(self.bad_config(id::C_BAD_STE, access));
        }
        if !entry.passes() {
            // Config=0b000: silent (5.2).
            return Err(Fault::SILENT);
        }
        let request = Request { access: *access, need: self.overridden(access, &entry) };
        match self.select_context(access, &entry)? {
            Stage1::Bypass => self.bypass_stage1(&request, &entry),
            Stage1::Context(index) => {
                let e2h = cr2::E2H.of(self.regs.get(offset::CR2)) != 0;
                let world = entry.world(&self.profile, e2h);
                let context = self.fetch_cd(&request, &entry, world, index)?;
                if context.illegal(&entry, world, &self.profile).is_some() {
                    return Err(self.bad_config(id::C_BAD_CD, access));
                }
                self.through_stage1(&request, &entry, &context, world)
            }
        }
    }

    /// INSTCFG and PRIVCFG (5.2); a write is always Data (13.1.2).
    fn overridden(&self, access: &Access, entry: &Ste) -> Need {
        let effective = self.profile.id1(idr1::ATTR_PERMS_OVR) != 0;
        let pick = |code: u64, incoming: bool| match code {
            2 if effective => false,
            3 if effective => true,
            _ => incoming,
        };
        Need {
            write: access.write,
            instruction: !access.write && pick(entry.get(ste::INSTCFG), access.instruction),
            privileged: pick(entry.get(ste::PRIVCFG), access.privileged),
        }
    }

    /// Stage 1 bypassed: the address is checked against the IAS, or the OAS with no stage at all (3.4).
    fn bypass_stage1(&mut self, request: &Request, entry: &Ste) -> Result<u64, Fault> {
        let iova = request.access.iova;
        let limit = if entry.s2() { self.profile.ias() } else { self.profile.oas() };
        if !fits(iova, limit) {
            return Err(self.translation_fault(id::F_ADDR_SIZE, request, &Site::STAGE1, Policy::BYPASS));
        }
        if !entry.s2() {
            return Ok(iova);
        }
        let found = self.stage2(request, entry, iova, Purpose::Client)?;
        Ok(found.pa + (iova - found.base))
    }

    /// Stage 1 translates, stage 2 perhaps.
    fn through_stage1(
        &mut self,
        request: &Request,
        entry: &Ste,
        context: &Cd,
        world: World,
    ) -> Result<u64, Fault> {
        let iova = request.access.iova;
        let half = if world != World::El2 && iova >> 55 & 1 != 0 { Half::High } else { Half::Low };
        // Top Byte Ignore: bits 63:56 become a sign extension of bit 55 (3.4.1).
        let va = match (context.tbi(half), half) {
            (false, _) => iova,
            (true, Half::Low) => iova & ((1 << 56) - 1),
            (true, Half::High) => iova | !((1 << 56) - 1),
        };
        if world != World::El2 && !request.need.privileged && context.e0pd(half, &self.profile) {
            return Err(self.translation_fault(id::F_TRANSLATION, request, &Site::STAGE1, context.policy()));
        }
        let tag = Tag {
            world,
            vmid: entry.vmid(&self.profile, world),
            asid: context.asid(world),
            aset: context.flag(cd::ASET),
            nested: entry.s2(),
        };
        let walk = Walk { request, entry, context, tag, va, half };
        // A write to a writable-clean translation walks again, to update the descriptor (3.13.3).
        let clean = |hit: &Leaf| hit.stage1.clean || hit.stage2.is_some_and(|p| p.clean);
        match self.tlb.leaf(&tag, va).filter(|hit| !(request.need.write && clean(hit))) {
            Some(hit) => {
                self.check(&walk, &hit)?;
                Ok(hit.pa + (va - hit.base))
            }
            None => self.fill(&walk),
        }
    }

    /// Permissions of both stages, in that order (7.3.22).
    fn check(&mut self, w: &Walk<'_>, hit: &Leaf) -> Result<(), Fault> {
        if !hit.stage1.allow(w.request.need) {
            return Err(self.translation_fault(
                id::F_PERMISSION,
                w.request,
                &Site::STAGE1,
                w.context.policy(),
            ));
        }
        if hit.stage2.is_some_and(|perms| !perms.allow(w.request.need)) {
            let site = Site { stage: 2, ipa: Some(hit.ipa + (w.va - hit.base)), ..Site::STAGE1 };
            return Err(self.translation_fault(id::F_PERMISSION, w.request, &site, w.entry.stage2_policy()));
        }
        Ok(())
    }

    /// TLB miss: walks, checks, and caches the combined translation. Faults leave no leaf entry.
    fn fill(&mut self, w: &Walk<'_>) -> Result<u64, Fault> {
        let found = self.walk_stage1(w)?;
        if !found.perms.allow(w.request.need) {
            return Err(self.translation_fault(
                id::F_PERMISSION,
                w.request,
                &Site::STAGE1,
                w.context.policy(),
            ));
        }
        let ipa = found.output + (w.va - found.base);
        let second: Option<Stage2Leaf> =
            if w.tag.nested { Some(self.stage2(w.request, w.entry, ipa, Purpose::Client)?) } else { None };
        let log2 = second.map_or(found.log2, |s| s.log2.min(found.log2));
        let low = (1 << log2) - 1;
        let pa = second.map_or(ipa, |s| s.pa + (ipa - s.base));
        self.tlb.forget_leaf(&w.tag, w.va);
        self.tlb.put_leaf(Leaf {
            tag: Tag { asid: if found.global { None } else { w.tag.asid }, ..w.tag },
            granule: found.granule,
            level: found.level,
            leaf_base: found.base,
            leaf_log2: found.log2,
            base: w.va & !low,
            log2,
            pa: pa & !low,
            ipa: ipa & !low,
            stage1: found.perms,
            stage2: second.map(|s| s.perms),
        });
        Ok(pa)
    }
}
