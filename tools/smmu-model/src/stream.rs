//! From StreamID to STE: range checks, linear and two-level Stream tables (IHI 0070 3.3, 5.1, 6.3.25, 7.3.3).

use crate::access::{Access, Fault};
use crate::ats::Kind;
use crate::bus::Bus;
use crate::event::id;
use crate::layout::{self, cr2, l1std, offset};
use crate::model::Model;
use crate::ste::Ste;

impl<B: Bus> Model<B> {
    /// The STE of a transaction, from the cache or from memory; any value counts as fetched (5.2.1).
    pub(crate) fn fetch_ste(&mut self, access: &Access) -> Result<Ste, Fault> {
        let sid = access.sid;
        let table = self.stream_table();
        if u64::from(sid) >> table.ids != 0 {
            return Err(self.stream_out_of_range(access));
        }
        if !self.imagining()
            && let Some(words) = self.config.ste(sid)
        {
            return Ok(Ste(words));
        }
        let at = match table.split {
            Some(split) => self.level2_entry(access, table.base, split)?,
            None => table.base + u64::from(sid) * 64,
        };
        let Some(words) = self.fetch_structure(at, |drop| drop.of_ste(sid)) else {
            return Err(self.fetch_failed(id::F_STE_FETCH, access, at));
        };
        if !self.imagining() {
            self.config.put_ste(sid, words);
        }
        let ste = Ste(words);
        if ste.flag(layout::ste::V) {
            for what in ste.reserved(&self.profile) {
                self.complain(format!(
                    "STE of StreamID {sid:#x} has reserved fields set: {what} (5.2): {words:x?}"
                ));
            }
        }
        Ok(ste)
    }

    /// Address of the STE through the L1STD, which is cached on its own.
    fn level2_entry(&mut self, access: &Access, base: u64, split: u32) -> Result<u64, Fault> {
        let sid = access.sid;
        let known = if self.imagining() { None } else { self.config.l1std(sid) };
        let word = match known {
            Some(word) => word,
            None => {
                let at = base + u64::from(sid >> split) * 8;
                let Some(word) = self.fetch_word(at) else {
                    return Err(self.fetch_failed(id::F_STE_FETCH, access, at));
                };
                self.may_stay_cached(|drop| drop.of_l1std(sid, split));
                if !self.imagining() {
                    self.config.put_l1std(sid, split, word);
                }
                if word & !layout::defined(l1std::NAME)[0] != 0 {
                    self.complain(format!("L1STD at {at:#x} has reserved bits set (5.1): {word:#x}"));
                }
                word
            }
        };
        // 7.3.3: Span 0, 12 to 31, above SPLIT+1, or too small for this StreamID.
        let span = l1std::SPAN.of(word);
        let index = u64::from(sid) & ((1 << split) - 1);
        if span == 0 || span > 11 || span > u64::from(split) + 1 || index >> (span - 1) != 0 {
            return Err(self.stream_out_of_range(access));
        }
        // 5.1: the array is aligned to its size.
        let table = l1std::L2PTR.in_place(&[word]) & !((1 << (span - 1 + 6)) - 1);
        Ok(table + index * 64)
    }

    fn stream_out_of_range(&mut self, access: &Access) -> Fault {
        let recinvsid = cr2::RECINVSID.of(self.regs.get(offset::CR2)) != 0;
        // 3.9.1.3: of a translated transaction, REC_CFG_ATS alone decides.
        self.bad_stream(access, recinvsid || self.interface == Some(Kind::Translated))
    }

    /// Reads 8 bytes; `None` on an external abort or beyond the OAS (3.4.3 note 5).
    pub(crate) fn fetch_word(&mut self, at: u64) -> Option<u64> {
        if self.profile.in_oas(at) { self.load(at) } else { None }
    }
}
