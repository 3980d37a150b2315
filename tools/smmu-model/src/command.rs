//! Command decoding: 16 bytes to a meaning, or CERROR_ILL (IHI 0070 4.1 to 4.7), for the Non-secure Command queue.
//!
//! A reserved bit that is set is a complaint and is otherwise ignored; 4.1.5 would also permit CERROR_ILL.

use crate::Field;
use crate::ats::AtcInv;
use crate::config_cache::Cfgi;
use crate::geometry::Granule;
use crate::layout::{self as l, idr0, idr3, idr5};
use crate::profile::Profile;
use crate::tlbi::{Span, Tlbi};

/// Meaning of a command, with only the operands the model uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Consumed, nothing to do: prefetches, and invalidations whose operands reach nothing.
    Nothing,
    /// Any CFGI.
    Cfgi(Cfgi),
    /// Any TLBI.
    Tlbi(Tlbi),
    /// ATC_INV.
    AtcInv(AtcInv),
    /// PRI_RESP with its 2-bit code.
    PriResp { sid: u32, ssid: Option<u32>, group: u16, resp: u64 },
    /// RESUME: retry, or terminate with or without an abort.
    Resume { sid: u32, stag: u16, retry: bool, abort: bool },
    /// STALL_TERM.
    StallTerm { sid: u32 },
    /// SYNC with its completion signal.
    Sync { signal: u64, msi_addr: u64, msi_data: u64 },
}

/// The command cannot be consumed: CERROR_ILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Illegal;

/// Names of the layouts by opcode (4.1.1). Opcodes that are reserved on the Non-secure queue of an SMMU without Secure
/// state, EL3, DPT or vendor commands are absent.
const OPCODES: &[(u64, &str)] = &[
    (0x01, l::cmd_prefetch_config::NAME),
    (0x02, l::cmd_prefetch_addr::NAME),
    (0x03, l::cmd_cfgi_ste::NAME),
    (0x04, l::cmd_cfgi_ste_range::NAME),
    (0x05, l::cmd_cfgi_cd::NAME),
    (0x06, l::cmd_cfgi_cd_all::NAME),
    (0x07, l::cmd_cfgi_vms_pidm::NAME),
    (0x10, l::cmd_tlbi_nh_all::NAME),
    (0x11, l::cmd_tlbi_nh_asid::NAME),
    (0x12, l::cmd_tlbi_nh_va::NAME),
    (0x13, l::cmd_tlbi_nh_vaa::NAME),
    (0x20, l::cmd_tlbi_el2_all::NAME),
    (0x21, l::cmd_tlbi_el2_asid::NAME),
    (0x22, l::cmd_tlbi_el2_va::NAME),
    (0x23, l::cmd_tlbi_el2_vaa::NAME),
    (0x28, l::cmd_tlbi_s12_vmall::NAME),
    (0x2a, l::cmd_tlbi_s2_ipa::NAME),
    (0x30, l::cmd_tlbi_nsnh_all::NAME),
    (0x40, l::cmd_atc_inv::NAME),
    (0x41, l::cmd_pri_resp::NAME),
    (0x44, l::cmd_resume::NAME),
    (0x45, l::cmd_stall_term::NAME),
    (0x46, l::cmd_sync::NAME),
];

/// Context of one decoding.
struct Decoder<'a> {
    words: [u64; 2],
    name: &'static str,
    profile: &'a Profile,
    complaints: &'a mut Vec<String>,
}

/// Decodes a command; complaints are appended.
pub(crate) fn decode(
    words: [u64; 2],
    profile: &Profile,
    complaints: &mut Vec<String>,
) -> Result<Command, Illegal> {
    let opcode = l::cmd_sync::OPCODE.get(&words);
    let Some(&(_, name)) = OPCODES.iter().find(|row| row.0 == opcode) else { return Err(Illegal) };
    let mut decoder = Decoder { words, name, profile, complaints };
    decoder.check_reserved();
    decoder.meaning(opcode)
}

impl Decoder<'_> {
    fn get(&self, field: Field) -> u64 {
        field.get(&self.words)
    }

    fn flag(&self, field: Field) -> bool {
        self.get(field) != 0
    }

    fn sid(&self) -> u32 {
        (self.get(l::cmd_cfgi_ste::SID) & 0xffff_ffff) as u32
    }

    fn complain(&mut self, why: &str) {
        self.complaints
            .push(format!("{} [{:#018x}, {:#018x}]: {why}", self.name, self.words[0], self.words[1]));
    }

    /// Bits that no field of the command names (4.1.5).
    fn check_reserved(&mut self) {
        let [a, b, ..] = l::defined(self.name);
        if self.words[0] & !a != 0 || self.words[1] & !b != 0 {
            self.complain("reserved bits are set (4.1.5)");
        }
        let has_msi_ns = self.name == l::cmd_sync::NAME && self.flag(l::cmd_sync::MSI_NS);
        let has_ns = self.name == l::cmd_prefetch_addr::NAME && self.flag(l::cmd_prefetch_addr::NS);
        if has_msi_ns || has_ns {
            self.complain("NS is RES0 on the Non-secure queue (4.2.2, 4.7.3)");
        }
    }

    fn illegal_unless(&self, condition: bool) -> Result<(), Illegal> {
        if condition { Ok(()) } else { Err(Illegal) }
    }

    /// SSEC=1 on the Non-secure queue is illegal (4.1.6).
    fn non_secure(&self) -> Result<(), Illegal> {
        self.illegal_unless(!self.flag(l::cmd_cfgi_ste::SSEC))
    }

    fn stage1(&self) -> Result<(), Illegal> {
        self.illegal_unless(self.profile.s1p())
    }

    fn stage2(&self) -> Result<(), Illegal> {
        self.illegal_unless(self.profile.s2p())
    }

    fn el2(&self) -> Result<(), Illegal> {
        self.illegal_unless(self.profile.s1p() && self.profile.hyp())
    }

    fn meaning(&mut self, opcode: u64) -> Result<Command, Illegal> {
        let sid = self.sid();
        Ok(match opcode {
            0x01 | 0x02 => {
                self.non_secure()?;
                Command::Nothing
            }
            0x03 => {
                self.non_secure()?;
                Command::Cfgi(Cfgi::Ste { sid, leaf: self.flag(l::cmd_cfgi_ste::LEAF) })
            }
            0x04 => {
                self.non_secure()?;
                Command::Cfgi(Cfgi::Range { sid, range: self.get(l::cmd_cfgi_ste_range::RANGE) as u32 })
            }
            0x05 => {
                self.non_secure()?;
                self.stage1()?;
                Command::Cfgi(Cfgi::Cd {
                    sid,
                    index: self.get(l::cmd_cfgi_cd::SSID) as u32,
                    leaf: self.flag(l::cmd_cfgi_cd::LEAF),
                })
            }
            0x06 => {
                self.non_secure()?;
                self.stage1()?;
                Command::Cfgi(Cfgi::CdAll { sid })
            }
            // MPAM is not modelled, so IDR3.MPAM=0 (4.3.5).
            0x07 => return Err(Illegal),
            0x10..=0x13 => {
                self.stage1()?;
                self.nh(opcode)?
            }
            0x20..=0x23 => {
                self.el2()?;
                self.hyp(opcode)?
            }
            0x28 => {
                self.stage2()?;
                self.vmid().map_or(Command::Nothing, |vmid| Command::Tlbi(Tlbi::S12VmAll { vmid }))
            }
            0x2a => {
                self.stage2()?;
                let span = self.span(l::cmd_tlbi_s2_ipa::ADDR)?;
                self.vmid()
                    .zip(span)
                    .map_or(Command::Nothing, |(vmid, span)| Command::Tlbi(Tlbi::S2Ipa { vmid, span }))
            }
            0x30 => Command::Tlbi(Tlbi::NsnhAll),
            0x40 => {
                self.illegal_unless(self.profile.id0(idr0::ATS) != 0)?;
                if self.get(l::cmd_atc_inv::SIZE) > 52 {
                    self.complain("SIZE is above 52 (4.5.1)");
                }
                use l::cmd_atc_inv as f;
                Command::AtcInv(AtcInv {
                    sid,
                    ssid: self.flag(f::SSV).then(|| self.get(f::SSID) as u32),
                    global: self.flag(f::GLOBAL),
                    address: self.get(f::ADDR) << 12,
                    size: self.get(f::SIZE),
                })
            }
            0x41 => {
                self.illegal_unless(self.profile.id0(idr0::PRI) != 0)?;
                use l::cmd_pri_resp as f;
                let resp = self.get(f::RESP);
                self.illegal_unless(resp != 3)?;
                let ssid = self.flag(f::SSV).then(|| self.get(f::SSID) as u32);
                Command::PriResp { sid, ssid, group: self.get(f::PRGINDEX) as u16, resp }
            }
            0x44 | 0x45 => {
                self.non_secure()?;
                self.illegal_unless(self.profile.id0(idr0::STALL_MODEL) != 1)?;
                if opcode == 0x44 {
                    use l::cmd_resume as f;
                    let (retry, abort) = (self.flag(f::AC), self.flag(f::AB));
                    Command::Resume { sid, stag: self.get(f::STAG) as u16, retry, abort }
                } else {
                    Command::StallTerm { sid }
                }
            }
            0x46 => {
                let signal = self.get(l::cmd_sync::CS);
                self.illegal_unless(signal != 3)?;
                Command::Sync {
                    signal,
                    msi_addr: self.get(l::cmd_sync::MSIADDR) << 2,
                    msi_data: self.get(l::cmd_sync::MSIDATA),
                }
            }
            _ => return Err(Illegal),
        })
    }

    /// NH_ALL, NH_ASID, NH_VA, NH_VAA (4.4.2).
    fn nh(&mut self, opcode: u64) -> Result<Command, Illegal> {
        let span = if opcode >= 0x12 { Some(self.span(l::cmd_tlbi_nh_va::ADDR)?) } else { None };
        let Some(vmid) = self.vmid() else { return Ok(Command::Nothing) };
        let asid = if matches!(opcode, 0x11 | 0x12) {
            match self.asid(l::cmd_tlbi_nh_asid::ASID) {
                Some(asid) => Some(asid),
                None => return Ok(Command::Nothing),
            }
        } else {
            None
        };
        Ok(match (span, asid) {
            (Some(None), _) => Command::Nothing,
            (Some(Some(span)), asid) => Command::Tlbi(Tlbi::NhVa { vmid, asid, span }),
            (None, Some(asid)) => Command::Tlbi(Tlbi::NhAsid { vmid, asid }),
            (None, None) => Command::Tlbi(Tlbi::NhAll { vmid }),
        })
    }

    /// EL2_ALL, EL2_ASID, EL2_VA, EL2_VAA (4.4.2.7 to 4.4.2.10).
    fn hyp(&mut self, opcode: u64) -> Result<Command, Illegal> {
        let span = if opcode >= 0x22 { Some(self.span(l::cmd_tlbi_el2_va::ADDR)?) } else { None };
        let asid = if matches!(opcode, 0x21 | 0x22) { self.asid(l::cmd_tlbi_el2_asid::ASID) } else { None };
        Ok(match (opcode, span, asid) {
            (0x20, ..) => Command::Tlbi(Tlbi::El2All),
            (0x21, _, Some(asid)) => Command::Tlbi(Tlbi::El2Asid { asid }),
            (0x22, Some(Some(span)), Some(asid)) => Command::Tlbi(Tlbi::El2Va { asid: Some(asid), span }),
            (0x23, Some(Some(span)), _) => Command::Tlbi(Tlbi::El2Va { asid: None, span }),
            _ => Command::Nothing,
        })
    }

    /// VMID operand; `None` when the command is not required to affect anything (4.4, 4.4.2).
    fn vmid(&mut self) -> Option<u16> {
        let vmid = self.get(l::cmd_tlbi_nh_all::VMID) as u16;
        if !self.profile.s2p() {
            if vmid != 0 {
                self.complain("VMID is RES0 without stage 2 (4.4.2)");
                return None;
            }
        } else if self.profile.id0(idr0::VMID16) == 0 && vmid > 0xff {
            self.complain("VMID[15:8] is RES0 without VMID16 (4.4)");
            return None;
        }
        Some(vmid)
    }

    /// ASID operand; `None` when the command is not required to affect anything (4.4).
    fn asid(&mut self, field: Field) -> Option<u16> {
        let asid = self.get(field) as u16;
        if self.profile.id0(idr0::ASID16) == 0 && asid > 0xff {
            self.complain("ASID[15:8] is RES0 without ASID16 (4.4)");
            return None;
        }
        Some(asid)
    }

    /// The addresses an address-based TLBI names (4.4.1.1); `None` when the range is UNPREDICTABLE.
    fn span(&mut self, addr: Field) -> Result<Option<Span>, Illegal> {
        use l::cmd_tlbi_nh_va as f;
        let leaf = self.flag(f::LEAF);
        let base = self.get(addr) << 12;
        let hints = [f::NUM, f::SCALE, f::TTL, f::TG, f::TTL128];
        if self.profile.id3(idr3::RIL) == 0 {
            if hints.into_iter().any(|h| self.flag(h)) {
                self.complain("NUM, SCALE, TTL, TG are RES0 without RIL (4.4.1.1)");
            }
            return Ok(Some(Span::single(base, leaf)));
        }
        let ds = self.profile.id5(idr5::DS) != 0;
        let (num, ttl) = (self.get(f::NUM), self.get(f::TTL));
        let mut scale = self.get(f::SCALE);
        if !ds && scale > 31 {
            self.complain("SCALE[5] is RES0 without 52-bit addresses (4.4.1.1)");
            scale &= 31;
        }
        let Some(granule) = Granule::from_tlbi(self.get(f::TG)) else {
            if hints.into_iter().any(|h| self.flag(h)) {
                self.complain("NUM, SCALE, TTL are RES0 with TG=0 (4.4.1.1)");
            }
            return Ok(Some(Span::single(base, leaf)));
        };
        // TTL=1 with 16KB is reserved without DS and acts as TTL=0.
        let reserved_ttl = granule == Granule::K16 && ttl == 1 && !ds;
        let level = if reserved_ttl { 0 } else { ttl };
        if reserved_ttl {
            self.complain("TTL=1 with TG=16KB is reserved without 52-bit addresses (4.4.1.1)");
        }
        self.illegal_unless(num != 0 || scale != 0 || level != 0)?;
        if self.flag(f::TTL128) {
            self.complain("TTL128 names 128-bit descriptors, which this SMMU does not have (4.4.1.1)");
            return Ok(None);
        }
        // Address bits below the hinted entry size, or below the granule, must be zero (level 0 hint: the granule).
        let low = if level == 0 { granule.shift() } else { granule.level_shift(level as i32) };
        if base & ((1 << low) - 1) != 0 {
            self.complain("the address is not aligned for TG and TTL, the range is UNPREDICTABLE (4.4.1.1)");
            return Ok(None);
        }
        let bytes = u128::from(num + 1) << (scale.min(39) as u32 + granule.shift());
        Ok(Some(Span { base, bytes: Some(bytes), granule: Some(granule), level: level as i32, leaf }))
    }
}
