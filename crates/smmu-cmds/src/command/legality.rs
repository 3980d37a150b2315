//! Legality: what a queue makes of any 128 bits (IHI 0070 4.1.3 to 4.1.7, and the conditions of each command).
//!
//! It reads words, not reprs, and has no code in common with encoding: what one of them has wrong, the other's tests find.

use super::word::{
    Atc, AtcSpanWord, Cd, DptPhysical, MsiAddress, Prefetch, PriAnswer, Range, RangeTags, Stream,
    StreamSubstream, Sync as SyncWord, Tags, VirtualAddress,
};
use super::{DptSize, Effect, Interface, Objection, Opcode, RawCommand, Reason, Ssec, words_of};
use smmu_regs::layout::{Layout, named_bits};
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Bank, Caps, Feature};

impl RawCommand {
    /// What the queue of `interface` of an SMMU with these capabilities makes of the command: [`Ok`] if it does what the command
    /// says, else the worst objection.
    ///
    /// It is judged by what an SMMU with these capabilities may do: where an erratum took a feature away, as if it were
    /// not there. Operands that the architecture ignores altogether (a StreamID of `CMD_CFGI_ALL`, a SubstreamID without SSV,
    /// MSI operands of a `CMD_SYNC` without an interrupt) are no objection, and neither is a virtual address that no table
    /// of the SMMU's can translate, since TBI may apply (4.4.2). What hangs on configuration (`STE.S1CDMax`, the effective
    /// `CR2.E2H`, `SMMUEN`) is for whoever writes it to observe.
    ///
    /// # Errors
    /// See [`Objection`].
    pub fn legal(&self, caps: &Caps, interface: &Interface) -> Result<(), Objection> {
        let [low, high] = self.words();
        let mut judge = Judge { caps, interface, command: self.opcode(), low, high, worst: None };
        judge.command();
        match judge.worst {
            None => Ok(()),
            Some((effect, reason)) => Err(Objection { command: judge.command, effect, reason }),
        }
    }
}

/// A command being judged.
struct Judge<'a> {
    caps: &'a Caps,
    interface: &'a Interface,
    command: Opcode,
    low: u64,
    high: u64,
    worst: Option<(Effect, Reason)>,
}

impl Judge<'_> {
    /// The first of the worst is kept.
    fn object(&mut self, effect: Effect, reason: Reason) {
        if self.worst.is_none_or(|(worst, _)| effect > worst) {
            self.worst = Some((effect, reason));
        }
    }

    fn illegal_unless(&mut self, there: bool, reason: Reason) {
        if !there {
            self.object(Effect::Illegal, reason);
        }
    }

    fn needs(&mut self, feature: Feature) {
        self.illegal_unless(self.caps.has(feature), Reason::Missing(feature));
    }

    fn only_secure(&mut self) -> bool {
        let bank = self.interface.bank();
        self.illegal_unless(bank == Bank::Secure, Reason::Queue { bank });
        bank == Bank::Secure
    }

    fn fits(&mut self, field: &'static str, value: u64, bits: u32) {
        if value.checked_shr(bits).unwrap_or(0) != 0 {
            self.object(Effect::Unpredictable, Reason::OutOfRange { field, value, bits });
        }
    }

    fn command(&mut self) {
        let Some([low_fields, high_fields]) = words_of(self.command) else {
            return match self.command.code() {
                0x80..=0x8f => self.object(Effect::Unpredictable, Reason::ImplementationDefined),
                _ => self.object(Effect::Illegal, Reason::Opcode),
            };
        };
        self.availability();
        for (word, value, fields) in [(0, self.low, low_fields), (1, self.high, high_fields)] {
            let bits = value & !named_bits(fields);
            if bits != 0 {
                self.object(Effect::MayBeIllegal, Reason::ReservedBits { word, bits });
            }
        }
        self.operands();
    }

    /// Whether this queue of this SMMU knows the command.
    fn availability(&mut self) {
        let (caps, interface) = (self.caps, self.interface);
        let realm = interface.bank() == Bank::Realm;
        match self.command {
            Opcode::CfgiCd
            | Opcode::CfgiCdAll
            | Opcode::TlbiNhAll
            | Opcode::TlbiNhAsid
            | Opcode::TlbiNhVa
            | Opcode::TlbiNhVaa => self.needs(Feature::Stage1),
            Opcode::CfgiVmsPidm => {
                self.needs(Feature::Mpam);
                self.illegal_unless(interface.has_vms(caps, self.ssec()), Reason::Interface("a VMS (5.6.1)"));
            }
            Opcode::TlbiEl3All | Opcode::TlbiEl3Va => {
                let _ = self.only_secure();
                self.needs(Feature::Stage1);
                self.illegal_unless(!caps.has(Feature::Rme), Reason::Excluded(Feature::Rme));
            }
            Opcode::TlbiEl2All | Opcode::TlbiEl2Asid | Opcode::TlbiEl2Va | Opcode::TlbiEl2Vaa => {
                self.needs(Feature::Stage1);
                self.needs(Feature::Hyp);
            }
            Opcode::TlbiS12Vmall | Opcode::TlbiS2Ipa => self.needs(Feature::Stage2),
            Opcode::TlbiSEl2All
            | Opcode::TlbiSEl2Asid
            | Opcode::TlbiSEl2Va
            | Opcode::TlbiSEl2Vaa
            | Opcode::TlbiSS12Vmall
            | Opcode::TlbiSS2Ipa
            | Opcode::TlbiSnhAll => {
                if self.only_secure() {
                    self.illegal_unless(interface.has_secure_el2(), Reason::Interface("S_IDR1.SEL2"));
                }
            }
            Opcode::AtcInv if realm => {
                self.illegal_unless(interface.has_ats(caps), Reason::Interface("R_IDR0.ATS"));
            }
            Opcode::AtcInv => {
                self.needs(Feature::Ats);
                self.illegal_unless(interface.has_ats(caps), Reason::Interface("S_IDR3.SAMS = 0"));
            }
            Opcode::PriResp => {
                self.needs(Feature::Pri);
                self.illegal_unless(interface.has_pri(caps), Reason::Interface("S_IDR3.SAMS = 0"));
            }
            Opcode::DptiAll | Opcode::DptiPa if realm => {
                self.illegal_unless(interface.has_dpt(caps), Reason::Interface("R_IDR3.DPT"));
            }
            Opcode::DptiAll | Opcode::DptiPa => {
                self.needs(Feature::Dpt);
                self.illegal_unless(interface.has_dpt(caps), Reason::Interface("S_IDR3.SAMS = 0"));
            }
            Opcode::Resume | Opcode::StallTerm => {
                self.illegal_unless(!realm, Reason::Queue { bank: Bank::Realm });
                self.illegal_unless(interface.has_stalls(caps), Reason::Interface("stalls (STALL_MODEL)"));
            }
            Opcode::PrefetchConfig
            | Opcode::PrefetchAddr
            | Opcode::CfgiSte
            | Opcode::CfgiSteRange
            | Opcode::TlbiNsnhAll
            | Opcode::Sync
            | Opcode::Unknown(_) => {}
        }
    }

    fn ssec(&self) -> Ssec {
        if Stream::from_word(self.low).ssec() { Ssec::Secure } else { Ssec::NonSecure }
    }

    fn operands(&mut self) {
        match self.command {
            Opcode::PrefetchConfig => {
                self.ssec_and_stream();
                self.substream();
            }
            Opcode::PrefetchAddr => {
                self.ssec_and_stream();
                self.substream();
                self.prefetch();
            }
            Opcode::CfgiSte | Opcode::CfgiCdAll | Opcode::Resume | Opcode::StallTerm => {
                self.ssec_and_stream()
            }
            Opcode::CfgiSteRange => self.stream_range(),
            Opcode::CfgiCd => {
                self.ssec_and_stream();
                let bits = u32::from(self.caps.substream_id_bits);
                self.fits("SSID", Cd::from_word(self.low).ssid().into(), bits);
            }
            Opcode::CfgiVmsPidm => {
                self.check_ssec();
                self.vmid(self.caps.usable_vmid_bits());
            }
            Opcode::TlbiNhAll => self.vmid(self.interface.stage1_vmid_bits(self.caps)),
            Opcode::TlbiNhAsid => {
                self.vmid(self.interface.stage1_vmid_bits(self.caps));
                self.asid();
            }
            Opcode::TlbiNhVa => {
                self.vmid(self.interface.stage1_vmid_bits(self.caps));
                self.asid();
                self.range();
            }
            Opcode::TlbiNhVaa => {
                self.vmid(self.interface.stage1_vmid_bits(self.caps));
                self.range();
            }
            Opcode::TlbiEl2Asid | Opcode::TlbiSEl2Asid => self.asid(),
            Opcode::TlbiEl2Va | Opcode::TlbiSEl2Va => {
                self.asid();
                self.range();
            }
            Opcode::TlbiEl3Va | Opcode::TlbiEl2Vaa | Opcode::TlbiSEl2Vaa => self.range(),
            Opcode::TlbiS12Vmall | Opcode::TlbiSS12Vmall => self.vmid(self.caps.usable_vmid_bits()),
            Opcode::TlbiS2Ipa | Opcode::TlbiSS2Ipa => {
                self.vmid(self.caps.usable_vmid_bits());
                self.range();
                let address = VirtualAddress::from_word(self.high).address(VirtualAddress::ADDR);
                self.fits("ADDR", address, self.caps.stage2_input_bits());
                self.address_bits("ADDR", address);
            }
            Opcode::AtcInv => {
                self.stream(Ssec::NonSecure);
                self.substream();
                let (word, size) = (Atc::from_word(self.low), AtcSpanWord::from_word(self.high).size());
                if word.global() && !word.ssv() {
                    self.object(Effect::Altered, Reason::Ignored { field: "GLOBAL", value: 1 });
                }
                if size > 52 {
                    let reason = Reason::ReservedValue { field: "SIZE", value: size.into() };
                    self.object(Effect::MayBeIllegal, reason);
                }
            }
            Opcode::PriResp => {
                self.stream(Ssec::NonSecure);
                self.substream();
                let response = PriAnswer::from_word(self.high).resp();
                let reason = Reason::ReservedValue { field: "RESP", value: response.into() };
                self.illegal_unless(response != 3, reason);
            }
            Opcode::DptiPa => self.dpt_region(),
            Opcode::Sync => self.sync(),
            Opcode::TlbiEl3All
            | Opcode::TlbiEl2All
            | Opcode::TlbiNsnhAll
            | Opcode::TlbiSEl2All
            | Opcode::TlbiSnhAll
            | Opcode::DptiAll
            | Opcode::Unknown(_) => {}
        }
    }

    /// The bits of a physical address or an IPA that this version has not (4.1.6). An SMMU whose IDR5.OAS says more than its
    /// version has them: fields decide.
    fn address_bits(&mut self, field: &'static str, address: u64) {
        let of_version = match self.caps.minor_version {
            0 => 48,
            1..=3 => 52,
            _ => return,
        };
        let bits = self.caps.oas.bits().max(of_version);
        if address >> bits != 0 {
            self.object(Effect::MayBeIllegal, Reason::Res0 { field, value: address });
        }
    }

    fn check_ssec(&mut self) {
        let bank = self.interface.bank();
        let allowed = bank == Bank::Secure || self.ssec() == Ssec::NonSecure;
        self.illegal_unless(allowed, Reason::Ssec { bank });
    }

    fn stream(&mut self, ssec: Ssec) {
        let bits = self.interface.stream_id_bits(self.caps, ssec);
        self.fits("SID", Stream::from_word(self.low).sid().into(), bits.into());
    }

    fn ssec_and_stream(&mut self) {
        self.check_ssec();
        self.stream(self.ssec());
    }

    /// The lowest RANGE + 1 bits of the StreamID are ignored, with RANGE 31 all of them (4.3.2, 4.3.6).
    fn stream_range(&mut self) {
        self.check_ssec();
        let (sid, range) = (Stream::from_word(self.low).sid(), Range::from_word(self.high).range());
        let ignored = u64::MAX.wrapping_shl(u32::from(range) + 1);
        let bits = self.interface.stream_id_bits(self.caps, self.ssec());
        self.fits("SID", u64::from(sid) & ignored, bits.into());
    }

    /// SSV and SSID, which all commands that have both have in the same place.
    fn substream(&mut self) {
        let (word, bits) = (StreamSubstream::from_word(self.low), self.caps.substream_id_bits);
        if !word.ssv() {
            return;
        }
        if bits == 0 {
            self.object(Effect::Unpredictable, Reason::OutOfRange { field: "SSV", value: 1, bits: 0 });
        }
        self.fits("SSID", word.ssid().into(), bits.into());
    }

    fn prefetch(&mut self) {
        let word = Prefetch::from_word(self.high);
        if self.caps.minor_version == 0 && word.stride() != 0 {
            let reason = Reason::Res0 { field: "STRIDE", value: word.stride().into() };
            self.object(Effect::MayBeIllegal, reason);
        }
        if word.ns() && !(self.interface.has_secure_el2() && self.ssec() == Ssec::Secure) {
            self.object(Effect::MayBeIllegal, Reason::Res0 { field: "NS", value: 1 });
        }
    }

    fn vmid(&mut self, bits: u8) {
        self.fits("VMID", Tags::from_word(self.low).vmid().into(), bits.into());
    }

    fn asid(&mut self) {
        self.fits("ASID", Tags::from_word(self.low).asid().into(), self.caps.asid_bits.into());
    }

    /// NUM, SCALE, TTL128, TTL and TG, which are in the same place in all commands (4.4.1.1).
    fn range(&mut self) {
        let (low, high) = (RangeTags::from_word(self.low), VirtualAddress::from_word(self.high));
        let (num, ttl, ds) = (low.num(), high.ttl(), self.caps.has(Feature::Ds));
        let fields = [
            ("NUM", u64::from(num)),
            ("SCALE", low.scale().into()),
            ("TTL", ttl.into()),
            ("TTL128", high.ttl128().into()),
        ];
        let first = |fields: &[(&'static str, u64)]| fields.iter().copied().find(|(_, value)| *value != 0);
        if !self.caps.has(Feature::RangeInvalidation) {
            let tg = [("TG", u64::from(high.tg()))];
            if let Some((field, value)) = first(&tg).or_else(|| first(&fields)) {
                self.object(Effect::MayBeIllegal, Reason::Res0 { field, value });
            }
            return;
        }
        let Some(granule) = Granule::from_tlbi_tg(high.tg()) else {
            if let Some((field, value)) = first(&fields) {
                self.object(Effect::MayBeIllegal, Reason::Res0 { field, value });
            }
            return;
        };
        // Bit 5 of SCALE is ignored, if it is not refused, and so is the reserved level.
        let scale = if ds { low.scale() } else { low.scale() & 31 };
        let no_level = granule == Granule::Size16K && ttl == 1 && !ds;
        let level = if no_level { 0 } else { ttl };
        self.illegal_unless(num != 0 || scale != 0 || level != 0, Reason::NoRange);
        if scale != low.scale() {
            let reason = Reason::Res0 { field: "SCALE", value: low.scale().into() };
            self.object(Effect::MayBeIllegal, reason);
        }
        if scale > 39 {
            let reason = Reason::ReservedValue { field: "SCALE", value: scale.into() };
            self.object(Effect::Altered, reason);
        }
        if no_level {
            self.object(Effect::Altered, Reason::ReservedValue { field: "TTL", value: 1 });
        }
        if high.ttl128() && (ttl == 0 || !self.caps.has(Feature::D128)) {
            self.object(Effect::MayBeIllegal, Reason::Res0 { field: "TTL128", value: 1 });
        }
        let shift = match Level::new(level.into()) {
            Some(hint) if level != 0 && high.ttl128() => hint.shift(granule) - hint.above_pages(),
            Some(hint) if level != 0 => hint.shift(granule),
            _ => granule.shift(),
        };
        let (address, align) = (high.address(VirtualAddress::ADDR), 1 << shift);
        if address & (align - 1) != 0 {
            self.object(Effect::Unpredictable, Reason::Misaligned { address, align });
        }
    }

    fn dpt_region(&mut self) {
        let word = DptPhysical::from_word(self.high);
        let (address, bits) = (word.address(DptPhysical::ADDR), self.caps.oas.bits());
        self.address_bits("ADDR", address);
        match DptSize::from_code(word.size()) {
            None => {
                let reason = Reason::ReservedValue { field: "SIZE", value: word.size().into() };
                self.object(Effect::Unpredictable, reason);
            }
            Some(size) => {
                let align = 1 << size.shift();
                if address & (align - 1) != 0 {
                    self.object(Effect::Unpredictable, Reason::Misaligned { address, align });
                }
            }
        }
        if !self.caps.oas.contains(address) {
            self.object(Effect::Altered, Reason::OutOfRange { field: "ADDR", value: address, bits });
        }
    }

    fn sync(&mut self) {
        let (word, msi) = (SyncWord::from_word(self.low), MsiAddress::from_word(self.high));
        let signal = word.cs();
        self.illegal_unless(signal != 3, Reason::ReservedValue { field: "CS", value: 3 });
        if msi.msi_ns() && self.interface.bank() != Bank::Realm {
            self.object(Effect::MayBeIllegal, Reason::Res0 { field: "MSI_NS", value: 1 });
        }
        if signal == 2 && !self.caps.has(Feature::Sev) {
            self.object(Effect::Altered, Reason::Missing(Feature::Sev));
        }
        let address = msi.address(MsiAddress::MSIADDR);
        if signal != 1 || address == 0 {
            return;
        }
        if !self.caps.has(Feature::Msi) {
            self.object(Effect::Altered, Reason::Missing(Feature::Msi));
            return;
        }
        self.address_bits("MSIADDR", address);
        if !self.caps.oas.contains(address) {
            let bits = self.caps.oas.bits();
            self.object(Effect::Altered, Reason::OutOfRange { field: "MSIADDR", value: address, bits });
        }
        for (field, value, reserved) in [
            ("MSH", word.msh(), word.msh() == 1),
            ("MSIATTR", word.msiattr(), matches!(word.msiattr(), 4 | 8 | 12)),
        ] {
            if reserved {
                self.object(Effect::Altered, Reason::ReservedValue { field, value: value.into() });
            }
        }
    }
}
