//! Events as a line of a log.

use super::{Access, Event, EventKind, Fault, FaultKind, Fetch, RawEvent};
use core::fmt;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            EventKind::UnsupportedUpstream { .. } => "F_UUT",
            EventKind::BadStreamId => "C_BAD_STREAMID",
            EventKind::SteFetch(_) => "F_STE_FETCH",
            EventKind::BadSte => "C_BAD_STE",
            EventKind::BadAtsRequest { .. } => "F_BAD_ATS_TREQ",
            EventKind::StreamDisabled => "F_STREAM_DISABLED",
            EventKind::TranslationForbidden { .. } => "F_TRANSL_FORBIDDEN",
            EventKind::BadSubstreamId => "C_BAD_SUBSTREAMID",
            EventKind::CdFetch(_) => "F_CD_FETCH",
            EventKind::BadCd => "C_BAD_CD",
            EventKind::WalkExternalAbort { .. } => "F_WALK_EABT",
            EventKind::Fault(fault) => match fault.kind {
                FaultKind::Translation => "F_TRANSLATION",
                FaultKind::AddressSize => "F_ADDR_SIZE",
                FaultKind::AccessFlag => "F_ACCESS",
                FaultKind::Permission => "F_PERMISSION",
            },
            EventKind::TlbConflict { .. } => "F_TLB_CONFLICT",
            EventKind::ConfigConflict { .. } => "F_CFG_CONFLICT",
            EventKind::PageRequest { .. } => "E_PAGE_REQUEST",
            EventKind::VmsFetch(_) => "F_VMS_FETCH",
            EventKind::Unknown { id } => {
                return write!(f, "unknown event {id:#04x} StreamID={}", self.stream);
            }
        };
        write!(f, "{name} StreamID={}", self.stream)?;
        if let Some(substream) = self.substream {
            write!(f, " SubstreamID={substream}")?;
        }
        match self.kind {
            EventKind::UnsupportedUpstream { reason, access } => write!(f, "{access} reason={reason:#x}"),
            EventKind::SteFetch(fetch) | EventKind::CdFetch(fetch) | EventKind::VmsFetch(fetch) => {
                write!(f, "{fetch}")
            }
            EventKind::BadAtsRequest { input } => write!(f, " address={input:#x}"),
            EventKind::TranslationForbidden { input, read } => {
                write!(f, " {} {input:#x}", if read { "read" } else { "write" })
            }
            EventKind::WalkExternalAbort { access, class, stage2, fetch } => {
                write!(f, "{access} stage {} class {class:?}{fetch}", if stage2 { 2 } else { 1 })
            }
            EventKind::Fault(fault) => write!(f, "{fault}"),
            EventKind::TlbConflict { reason, access, .. } => write!(f, "{access} reason={reason:#x}"),
            EventKind::ConfigConflict { reason } => write!(f, " reason={reason:#x}"),
            EventKind::PageRequest { input, span } => write!(f, " address={input:#x} span=2^{span}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, read, instruction, privileged } = self;
        write!(
            f,
            " {}{}{} {input:#x}",
            if *privileged { "privileged " } else { "" },
            if *instruction { "instruction " } else { "" },
            if *read { "read" } else { "write" }
        )
    }
}

impl fmt::Display for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " fetch of {}", self.address)?;
        if self.granule_protection { f.write_str(" (granule protection)") } else { Ok(()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stage {} class {:?}", self.access, if self.ipa.is_some() { 2 } else { 1 }, self.class)?;
        if let Some(ipa) = self.ipa {
            write!(f, " IPA={ipa}")?;
        }
        if let Some(stag) = self.stalled {
            write!(f, " stalled, STAG={stag:#x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.words();
        write!(f, "RawEvent({a:#018x}, {b:#018x}, {c:#018x}, {d:#018x})")
    }
}

impl fmt::Display for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decode().fmt(f)
    }
}
