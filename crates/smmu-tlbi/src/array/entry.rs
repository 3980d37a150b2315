//! What an array holds: who has to be told, and how many users count on it.

use crate::tag::Tag;
use core::fmt;
use smmu_regs::{Asid, InstanceId, StreamId, SubstreamId, Vmid};

/// Which cached translations an entry is about. The order is that of issue: TLBs, stage-1 clear, endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// TLB entries: [`Tag::Stage1`].
    Stage1 {
        /// VMID.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
    },
    /// TLB entries: [`Tag::Stage1Foreign`].
    Stage1Foreign {
        /// VMID.
        vmid: Vmid,
        /// ASID.
        asid: Asid,
    },
    /// TLB entries: [`Tag::El2`].
    El2,
    /// TLB entries: [`Tag::El2E2h`].
    El2E2h {
        /// ASID.
        asid: Asid,
    },
    /// TLB entries: [`Tag::El2E2hForeign`].
    El2E2hForeign {
        /// ASID.
        asid: Asid,
    },
    /// TLB entries of stage 2: the domain's VMID on this SMMU, or that of a virtual SMMU whose parent the domain is.
    Stage2 {
        /// VMID.
        vmid: Vmid,
    },
    /// A guest's stage 1 on top of [`Target::Stage2`] with the same VMID: what is cached with both stages combined is not
    /// found by IPA, so an invalidation of stage 2 by address is followed by one of all of stage 1 (4.4.3.1). It says nothing
    /// of stage 2 itself: that other entry does.
    Stage1Clear {
        /// VMID.
        vmid: Vmid,
    },
    /// An endpoint's cache, by address.
    Atc {
        /// Its stream.
        stream: StreamId,
        /// The address space; without one, requests without PASID.
        substream: Option<SubstreamId>,
    },
    /// An endpoint's whole cache, all address spaces: its input addresses are a guest's, not those of the page table.
    AtcWhole {
        /// Its stream.
        stream: StreamId,
        /// Which user of the stream it is for. The command names no PASID, whatever this is.
        substream: Option<SubstreamId>,
    },
}

/// Stages of an invalidation, each of which waits for the one before (4.4.3.1, 4.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// TLB entries of each tag.
    Tlb,
    /// Stage 1 of guests whose stage 2 was invalidated by address.
    Stage1Clear,
    /// Caches of endpoints, which could refill from a TLB that still holds the old translation.
    Atc,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Tlb, Self::Stage1Clear, Self::Atc];
}

impl Target {
    /// When it is invalidated.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            Self::Stage1 { .. }
            | Self::Stage1Foreign { .. }
            | Self::El2
            | Self::El2E2h { .. }
            | Self::El2E2hForeign { .. }
            | Self::Stage2 { .. } => Phase::Tlb,
            Self::Stage1Clear { .. } => Phase::Stage1Clear,
            Self::Atc { .. } | Self::AtcWhole { .. } => Phase::Atc,
        }
    }

    /// The tag of TLB entries; [`Target::Stage1Clear`] and endpoints have none.
    #[must_use]
    pub const fn tag(self) -> Option<Tag> {
        Some(match self {
            Self::Stage1 { vmid, asid } => Tag::Stage1 { vmid, asid },
            Self::Stage1Foreign { vmid, asid } => Tag::Stage1Foreign { vmid, asid },
            Self::El2 => Tag::El2,
            Self::El2E2h { asid } => Tag::El2E2h { asid },
            Self::El2E2hForeign { asid } => Tag::El2E2hForeign { asid },
            Self::Stage2 { vmid } => Tag::Stage2 { vmid },
            Self::Stage1Clear { .. } | Self::Atc { .. } | Self::AtcWhole { .. } => return None,
        })
    }
}

/// What an entry is about: a target behind one SMMU. Arrays are sorted by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The SMMU.
    pub instance: InstanceId,
    /// The target.
    pub target: Target,
}

impl Key {
    /// What a device behind `instance` adds to the array of a domain with `tag` when it is attached: the tag's TLB entries
    /// and, for `streams` whose ATS is on, their caches. `substream` is the address space of the device that is attached.
    ///
    /// Sorted if `streams` is, and without duplicates if `streams` has none.
    pub fn of_device(
        instance: InstanceId,
        tag: Tag,
        streams: &[StreamId],
        substream: Option<SubstreamId>,
    ) -> impl Iterator<Item = Self> + '_ {
        let (tlb, clear) = match tag {
            Tag::Stage1 { vmid, asid } => (Target::Stage1 { vmid, asid }, None),
            Tag::Stage1Foreign { vmid, asid } => (Target::Stage1Foreign { vmid, asid }, None),
            Tag::El2 => (Target::El2, None),
            Tag::El2E2h { asid } => (Target::El2E2h { asid }, None),
            Tag::El2E2hForeign { asid } => (Target::El2E2hForeign { asid }, None),
            Tag::Stage2 { vmid } => (Target::Stage2 { vmid }, None),
            Tag::NestingParent { vmid } => (Target::Stage2 { vmid }, Some(Target::Stage1Clear { vmid })),
        };
        let nested = clear.is_some();
        let caches = streams.iter().map(move |&stream| {
            if nested { Target::AtcWhole { stream, substream } } else { Target::Atc { stream, substream } }
        });
        let targets = core::iter::once(tlb).chain(clear).chain(caches);
        targets.map(move |target| Self { instance, target })
    }
}

/// One entry of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is about.
    pub key: Key,
    /// How many attachments count on it. With none, its tag may still be in TLBs: see [`InvalidationArray::unref`].
    ///
    /// [`InvalidationArray::unref`]: super::InvalidationArray::unref
    pub users: u32,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage1 { vmid, asid } => write!(f, "stage 1, VMID {vmid}, ASID {asid}"),
            Self::Stage1Foreign { vmid, asid } => write!(f, "foreign stage 1, VMID {vmid}, ASID {asid}"),
            Self::El2 => f.write_str("EL2"),
            Self::El2E2h { asid } => write!(f, "EL2-E2H, ASID {asid}"),
            Self::El2E2hForeign { asid } => write!(f, "foreign EL2-E2H, ASID {asid}"),
            Self::Stage2 { vmid } => write!(f, "stage 2, VMID {vmid}"),
            Self::Stage1Clear { vmid } => write!(f, "stage-1 clear, VMID {vmid}"),
            Self::Atc { stream, substream } => endpoint(f, "ATC", *stream, *substream),
            Self::AtcWhole { stream, substream } => endpoint(f, "whole ATC", *stream, *substream),
        }
    }
}

fn endpoint(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    stream: StreamId,
    substream: Option<SubstreamId>,
) -> fmt::Result {
    write!(f, "{what}, StreamID {stream}")?;
    substream.map_or(Ok(()), |substream| write!(f, ", SubstreamID {substream}"))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SMMU {}: {}", self.instance, self.target)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} users)", self.key, self.users)
    }
}
