//! Events as a line of a log.

use super::{Access, AtsRequest, Event, EventKind, Fault, Fetch, PageHint, Permissions, RawEvent, Refusal};
use core::fmt;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} StreamID={}", self.kind.id(), self.stream)?;
        if let EventKind::Unknown { record, .. } = self.kind {
            return write!(f, " {record:?}");
        }
        if let Some(substream) = self.substream {
            write!(f, " SubstreamID={substream}")?;
        }
        match self.kind {
            EventKind::UnsupportedUpstream { reason, access } => write!(f, "{access} reason={reason:#x}"),
            EventKind::SteFetch(fetch) | EventKind::CdFetch(fetch) | EventKind::VmsFetch(fetch) => {
                write!(f, "{fetch}")
            }
            EventKind::BadAtsRequest(request) => write!(f, "{request}"),
            EventKind::TranslationForbidden { input, read } => {
                write!(f, " {} {input:#x}", if read { "read" } else { "write" })
            }
            EventKind::WalkExternalAbort { access, class, stage2, fetch } => {
                write!(f, "{access} stage {} class {class:?}{fetch}", if stage2 { 2 } else { 1 })
            }
            EventKind::Fault(fault) => write!(f, "{fault}"),
            EventKind::TlbConflict { reason, access, .. } => write!(f, "{access} reason={reason:#x}"),
            EventKind::ConfigConflict { reason } => write!(f, " reason={reason:#x}"),
            EventKind::PageRequest(hint) => write!(f, "{hint}"),
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
        self.refusal.map_or(Ok(()), |refusal| refusal.fmt(f))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(read) = self.table_read {
            write!(f, " of a {} of the table", if read { "read" } else { "write" })?;
        }
        for (set, why) in
            [(self.dirty, " (clean)"), (self.assured_only, " (AssuredOnly)"), (self.overlay, " (overlay)")]
        {
            if set {
                f.write_str(why)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |set: bool, sign: char| if set { sign } else { '-' };
        write!(f, "{}{}{}", sign(self.read, 'r'), sign(self.write, 'w'), sign(self.execute, 'x'))
    }
}

impl fmt::Display for AtsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, span, permissions, privileged } = self;
        let who = if *privileged { "privileged " } else { "" };
        write!(f, " {who}{permissions} {input:#x}, {span} translation units")
    }
}

impl fmt::Display for PageHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, pages, privileged, unprivileged } = self;
        write!(f, " {input:#x}, {pages} pages, privileged {privileged}, unprivileged {unprivileged}")
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
