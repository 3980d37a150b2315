//! From SubstreamID to CD: S1DSS, linear and two-level CD tables, fetched through stage 2 when it is enabled
//! (IHI 0070 5.2 S1DSS, 5.3, 5.4).

use crate::access::{Access, Fault};
use crate::bus::Bus;
use crate::cd::Cd;
use crate::event::{Request, id};
use crate::layout::{self, cd, l1cd, ste};
use crate::model::Model;
use crate::ste::Ste;
use crate::tlb::World;
use crate::walk2::Purpose;

/// What stage 1 does with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage1 {
    /// Bypassed: disabled, or S1DSS=1 without a SubstreamID.
    Bypass,
    /// Translated with the CD at this table index.
    Context(u32),
}

impl<B: Bus> Model<B> {
    /// Which CD a transaction uses (5.2 S1CDMax, S1DSS; 7.3.7, 7.3.9).
    pub(crate) fn select_context(&mut self, access: &Access, entry: &Ste) -> Result<Stage1, Fault> {
        if !entry.s1() {
            return match access.ssid {
                Some(_) => Err(self.bad_substream(access, 0)),
                None => Ok(Stage1::Bypass),
            };
        }
        let substreams = entry.substreams(&self.profile);
        let dss = entry.get(ste::S1DSS);
        match access.ssid {
            Some(ssid) if !substreams || u64::from(ssid) >> entry.get(ste::S1CDMAX) != 0 => {
                Err(self.bad_substream(access, 0))
            }
            Some(0) if dss == 2 => Err(self.stream_disabled(access)),
            Some(ssid) => Ok(Stage1::Context(ssid)),
            None if !substreams || dss == 2 => Ok(Stage1::Context(0)),
            None if dss == 1 => Ok(Stage1::Bypass),
            None => Err(self.stream_disabled(access)),
        }
    }

    /// The CD at `index`, from the cache or from memory.
    pub(crate) fn fetch_cd(
        &mut self,
        request: &Request,
        entry: &Ste,
        world: World,
        index: u32,
    ) -> Result<Cd, Fault> {
        let sid = request.access.sid;
        if !self.imagining()
            && let Some(words) = self.config.cd(sid, index)
        {
            return Ok(Cd(words));
        }
        let through = self.times();
        let table = ste::S1CONTEXTPTR.in_place(&entry.0) & !entry.context_table_low_bits(&self.profile);
        let address = match entry.cd_split(&self.profile) {
            None => table + u64::from(index) * 64,
            Some(split) => self.level2_context(request, entry, table, split, index)?,
        };
        let pa = self.through_stage2(request, entry, address, Purpose::Context)?;
        let Some(words) = self.fetch_structure(pa, |drop| drop.of_cd(sid, index)) else {
            return Err(self.fetch_failed(id::F_CD_FETCH, &request.access, pa));
        };
        // It is used together with the STE, however it was found.
        self.only_at(&through);
        if !self.imagining() {
            self.config.put_cd(sid, index, words);
        }
        let context = Cd(words);
        if context.flag(cd::V) {
            for what in context.reserved(world, &self.profile) {
                self.complain(format!(
                    "CD {index:#x} of StreamID {sid:#x} has reserved fields set: {what} (5.4): {words:x?}"
                ));
            }
        }
        Ok(context)
    }

    /// Address of the CD through the L1CD, which is cached on its own (5.3).
    fn level2_context(
        &mut self,
        request: &Request,
        entry: &Ste,
        table: u64,
        split: u32,
        index: u32,
    ) -> Result<u64, Fault> {
        let sid = request.access.sid;
        let known = if self.imagining() { None } else { self.config.l1cd(sid, index) };
        let word = match known {
            Some(word) => word,
            None => {
                let at = table + u64::from(index >> split) * 8;
                let pa = self.through_stage2(request, entry, at, Purpose::Context)?;
                let Some(word) = self.fetch_word(pa) else {
                    return Err(self.fetch_failed(id::F_CD_FETCH, &request.access, pa));
                };
                self.may_stay_cached(|drop| drop.of_l1cd(sid, index, split));
                if !self.imagining() {
                    self.config.put_l1cd(sid, index, split, word);
                }
                if l1cd::V.of(word) != 0 && word & !layout::defined(l1cd::NAME)[0] != 0 {
                    self.complain(format!("L1CD at {at:#x} has reserved bits set (5.3): {word:#x}"));
                }
                word
            }
        };
        let leaf = l1cd::L2PTR.in_place(&[word]);
        // 5.2 S1Fmt: with 64KB leaf tables L2Ptr[15:12] are RES0.
        let low = leaf & ((1 << (split + 6)) - 1);
        if l1cd::V.of(word) != 0 && low != 0 {
            self.complain(format!("L1CD {word:#x}: L2Ptr is not aligned to its table (5.2 S1Fmt)"));
        }
        // 3.4.3 note 3; note 4b leaves an IPA that is too large to stage 2.
        let too_large = !entry.s2() && !self.profile.in_oas(leaf);
        if l1cd::V.of(word) == 0 || too_large {
            return Err(self.bad_substream(&request.access, index));
        }
        Ok(leaf - low + (u64::from(index) & ((1 << split) - 1)) * 64)
    }
}
