//! Events as a line of a log.

use super::{Access, Event, EventKind, Fault, Fetch, RawEvent};
use core::fmt;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} StreamID={}", self.kind.id(), self.stream)?;
        if let EventKind::Unknown { .. } = self.kind {
            return Ok(());
        }
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
