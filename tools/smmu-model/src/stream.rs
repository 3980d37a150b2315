//! From StreamID to STE: range checks, linear and two-level Stream tables (IHI 0070 3.3, 5.1, 6.3.25, 7.3.3).

use crate::access::{Access, Fault};
use crate::bus::Bus;
use crate::config_cache::Words;
use crate::event::id;
use crate::layout::{self, cr2, idr0, idr1, l1std, offset, strtab_base, strtab_base_cfg};
use crate::model::Model;
use crate::ste::Ste;

impl<B: Bus> Model<B> {
    /// The STE of a transaction, from the cache or from memory; any value counts as fetched (5.2.1).
    pub(crate) fn fetch_ste(&mut self, access: &Access) -> Result<Ste, Fault> {
        let sid = u64::from(access.sid);
        let cfg = self.regs.get(offset::STRTAB_BASE_CFG);
        let literal = strtab_base_cfg::LOG2SIZE.of(cfg);
        let log2 = literal.min(self.profile.id1(idr1::SIDSIZE));
        if sid >> log2.min(63) != 0 {
            return Err(self.stream_out_of_range(access));
        }
        if let Some(words) = self.config.ste(access.sid) {
            return Ok(Ste(words));
        }
        let base = strtab_base::ADDR.in_place(&[self.regs.get(offset::STRTAB_BASE)]);
        let two_level = self.profile.id0(idr0::ST_LEVEL) != 0 && strtab_base_cfg::FMT.of(cfg) == 1;
        let at = if two_level {
            // 6.3.25: other SPLIT values behave as 6.
            let split = match strtab_base_cfg::SPLIT.of(cfg) {
                s @ (8 | 10) => s,
                _ => 6,
            };
            let align = (literal + 3).saturating_sub(split).clamp(6, 63);
            self.level2_entry(access, base & !((1 << align) - 1), split as u32)?
        } else {
            (base & !((1 << (literal + 6).min(63)) - 1)) + sid * 64
        };
        let Some(words) = self.fetch_words(at) else {
            return Err(self.fetch_failed(id::F_STE_FETCH, access, at));
        };
        self.config.put_ste(access.sid, words);
        let ste = Ste(words);
        if ste.flag(layout::ste::V) {
            for what in ste.reserved(&self.profile) {
                self.complain(format!(
                    "STE of StreamID {:#x} has reserved fields set: {what} (5.2): {words:x?}",
                    access.sid
                ));
            }
        }
        Ok(ste)
    }

    /// Address of the STE through the L1STD, which is cached on its own.
    fn level2_entry(&mut self, access: &Access, base: u64, split: u32) -> Result<u64, Fault> {
        let word = match self.config.l1std(access.sid) {
            Some(word) => word,
            None => {
                let at = base + u64::from(access.sid >> split) * 8;
                let Some(word) = self.fetch_word(at) else {
                    return Err(self.fetch_failed(id::F_STE_FETCH, access, at));
                };
                self.config.put_l1std(access.sid, split, word);
                if word & !layout::defined(l1std::NAME)[0] != 0 {
                    self.complain(format!("L1STD at {at:#x} has reserved bits set (5.1): {word:#x}"));
                }
                word
            }
        };
        // 7.3.3: Span 0, 12 to 31, above SPLIT+1, or too small for this StreamID.
        let span = l1std::SPAN.of(word);
        let index = u64::from(access.sid) & ((1 << split) - 1);
        if span == 0 || span > 11 || span > u64::from(split) + 1 || index >> (span - 1) != 0 {
            return Err(self.stream_out_of_range(access));
        }
        // 5.1: the array is aligned to its size.
        let table = l1std::L2PTR.in_place(&[word]) & !((1 << (span - 1 + 6)) - 1);
        Ok(table + index * 64)
    }

    fn stream_out_of_range(&mut self, access: &Access) -> Fault {
        let recinvsid = cr2::RECINVSID.of(self.regs.get(offset::CR2)) != 0;
        self.bad_stream(access, recinvsid)
    }

    /// Reads a 64-byte structure; `None` on an external abort or beyond the OAS (3.4.3 note 5).
    pub(crate) fn fetch_words(&self, at: u64) -> Option<Words> {
        let mut words = [0; 8];
        for (offset, word) in (0u64..).step_by(8).zip(words.iter_mut()) {
            *word = self.fetch_word(at + offset)?;
        }
        Some(words)
    }

    /// Reads 8 bytes; `None` on an external abort or beyond the OAS.
    pub(crate) fn fetch_word(&self, at: u64) -> Option<u64> {
        if self.profile.in_oas(at) { self.bus.read64(at) } else { None }
    }
}
