//! The path of a transaction: bypass, configuration, TLB, walks (IHI 0070 3.3.2, 3.4, chapter 15, 7.3.22).

use crate::access::{Access, Fault};
use crate::bus::Bus;
use crate::cd::{Cd, Half};
use crate::context::Stage1;
use crate::event::{Policy, Request, Site, id};
use crate::layout::{cd, cr2, gbpa, idr1, offset, ste};
use crate::model::Model;
use crate::perms::{Need, Stage1Perms};
use crate::profile::fits;
use crate::ste::Ste;
use crate::tlb::{Leaf, Stage2Leaf, Tag, World};
use crate::walk1::Walk;
use crate::walk2::Purpose;

impl<B: Bus> Model<B> {
    /// Translates a transaction and records what it ran into.
    pub(crate) fn translate(&mut self, access: &Access) -> Result<u64, Fault> {
        if self.failed {
            // 12.3: terminated, and nothing is recorded.
            return Err(Fault::SILENT);
        }
        if !self.translating() {
            // GBPA: no event in either case (3.4, 6.3.9.6).
            let abort = gbpa::ABORT.of(self.bypass_attributes()) != 0;
            return if abort || !self.profile.in_oas(access.iova) {
                Err(Fault::SILENT)
            } else {
                Ok(access.iova)
            };
        }
        let (request, entry, context) = self.configure(access)?;
        self.in_use_now();
        match context {
            None => self.bypass_stage1(&request, &entry),
            Some((context, world)) => self.through_stage1(&request, &entry, &context, world),
        }
    }

    /// The configuration that a transaction uses: its STE, and its CD unless stage 1 is bypassed.
    pub(crate) fn configure(&mut self, access: &Access) -> Result<Configuration, Fault> {
        let entry = self.fetch_ste(access)?;
        if entry.illegal(&self.profile).is_some() {
            return Err(self.bad_config(id::C_BAD_STE, access));
        }
        if !entry.passes() {
            // Config=0b000: silent (5.2).
            return Err(Fault::SILENT);
        }
        let request = Request { access: *access, need: self.overridden(access, &entry) };
        let Stage1::Context(index) = self.select_context(access, &entry)? else {
            return Ok((request, entry, None));
        };
        let e2h = cr2::E2H.of(self.regs.get(offset::CR2)) != 0;
        let world = entry.world(&self.profile, e2h);
        let context = self.fetch_cd(&request, &entry, world, index)?;
        if context.illegal(&entry, world, &self.profile).is_some() {
            return Err(self.bad_config(id::C_BAD_CD, access));
        }
        Ok((request, entry, Some((context, world))))
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
        self.through_stage2(request, entry, iova, Purpose::Client)
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
        let tag = self.tag(entry, context, world);
        let walk = Walk { request, entry, context, tag, asked: tag, policy: context.policy(), va, half };
        if self.imagining() {
            return self.imagine_stage1(&walk);
        }
        // A write to a writable-clean translation walks again, to update the descriptor (3.13.3).
        let clean = |hit: &Leaf| hit.stage1.clean || hit.stage2.is_some_and(|p| p.clean);
        match self.tlb.leaf(&tag, va).filter(|hit| !(request.need.write && clean(hit))) {
            Some(hit) => {
                self.check_stage1(&walk, &hit.stage1)?;
                if hit.stage2.is_some_and(|perms| !perms.allow(request.need)) {
                    let site = Site { stage: 2, ipa: Some(hit.ipa + (va - hit.base)), ..Site::STAGE1 };
                    let policy = entry.stage2_policy();
                    return Err(self.translation_fault(id::F_PERMISSION, request, &site, policy));
                }
                Ok(hit.pa + (va - hit.base))
            }
            None => {
                let found = self.walk_both(&walk)?;
                self.tlb.forget_leaf(&tag, va);
                self.tlb.put_leaf(found);
                Ok(found.pa + (va - found.base))
            }
        }
    }

    /// What tells the translations of a context from those of others.
    pub(crate) fn tag(&self, entry: &Ste, context: &Cd, world: World) -> Tag {
        Tag {
            world,
            vmid: entry.vmid(&self.profile, world),
            asid: context.asid(world),
            aset: context.flag(cd::ASET),
            nested: entry.s2(),
        }
    }

    /// Permissions of stage 1.
    fn check_stage1(&mut self, w: &Walk<'_>, perms: &Stage1Perms) -> Result<(), Fault> {
        if perms.allow(w.request.need) { Ok(()) } else { Err(self.stage1_fault(id::F_PERMISSION, w)) }
    }

    /// Walks both stages and checks them, in that order (7.3.22): the combined translation. Faults leave no leaf entry.
    pub(crate) fn walk_both(&mut self, w: &Walk<'_>) -> Result<Leaf, Fault> {
        let found = self.walk_stage1(w)?;
        if !found.tag.serves(&w.asked) {
            self.contradiction();
        }
        self.check_stage1(w, &found.perms)?;
        let ipa = found.output + (w.va - found.place.base);
        // What is made of both may be cached without permitting this access, and refuse it then.
        let keep = |model: &mut Self| {
            model.may_stay_cached(|drop| drop.of_leaf(&found.tag, &found.place, found.group));
        };
        let second: Option<Stage2Leaf> = if w.tag.nested {
            Some(self.stage2_of(w.request, w.entry, ipa, Purpose::Client, keep)?)
        } else {
            keep(self);
            None
        };
        let log2 = second.map_or(found.place.log2, |s| s.place.log2.min(found.place.log2));
        let low = (1 << log2) - 1;
        let pa = second.map_or(ipa, |s| s.translate(ipa));
        Ok(Leaf {
            tag: found.tag,
            leaf: found.place,
            base: w.va & !low,
            log2,
            pa: pa & !low,
            ipa: ipa & !low,
            stage1: found.perms,
            stage2: second.map(|s| s.perms),
        })
    }
}

/// What is asked for, the STE, and the CD with its StreamWorld unless stage 1 is bypassed.
pub(crate) type Configuration = (Request, Ste, Option<(Cd, World)>);
