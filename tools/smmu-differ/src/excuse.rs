//! What QEMU is known to do wrongly and the comparison therefore excuses: data, each entry as narrow as it can be.
//!
//! Citations are sections of `facts/qemu.md`, where the behaviour was measured, and of IHI 0070, which says otherwise.

use crate::observe::{Landing, Record, Seen};
use crate::op::Config;

/// A kind of stream table entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Config = 0b000.
    Abort,
    /// Config = 0b100.
    Bypass,
    /// Stage 1 alone.
    Stage1,
    /// Stage 2 alone.
    Stage2,
    /// Both.
    Nested,
}

impl Kind {
    /// That of a device that is attached to `config`; `nested` says whether a stage-1 space has a host.
    pub(crate) fn of(config: Config, nested: impl Fn(usize) -> bool) -> Self {
        match config {
            Config::Abort => Self::Abort,
            Config::Bypass => Self::Bypass,
            Config::Stage1(space) if nested(space) => Self::Nested,
            Config::Stage1(_) => Self::Stage1,
            Config::Stage2(_) => Self::Stage2,
        }
    }
}

/// What an event happened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The device's entry.
    pub kind: Kind,
    /// Name of what was wrong on purpose ([`crate::fault`]).
    pub fault: Option<&'static str>,
    /// It was a command without a range that last invalidated a leaf of the space larger than 4 KiB.
    pub single: bool,
}

/// In which way QEMU differs from the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// A record is not there.
    Missing,
    /// A record's IPA is 0.
    NoIpa,
    /// A record is of a read.
    SaysRead,
    /// A record says stage 1, and therefore no IPA.
    SaysStage1,
    /// A record has this number, and perhaps another `CLASS` and no IPA.
    Number(u8),
    /// All of the DMA is refused, with records of this number.
    Refuses(u8),
    /// Anything, where a guest's leaf larger than 4 KiB was invalidated by a command without a range.
    Lingering,
}

/// A known fault of QEMU's. What is empty or `None` matches anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excuse {
    /// What it is, in a few words.
    pub name: &'static str,
    /// Where it was measured, and what the architecture says.
    pub citation: &'static str,
    /// The device's entry is of one of these kinds.
    pub kinds: &'static [Kind],
    /// One of these was wrong on purpose.
    pub faults: &'static [&'static str],
    /// The model's record has one of these numbers.
    pub events: &'static [u8],
    /// The model's record is of stage 2.
    pub stage2: Option<bool>,
    /// It is of a write.
    pub write: Option<bool>,
    /// Its `CLASS`.
    pub class: Option<u8>,
    /// Its input address has a bit at or above this one.
    pub beyond: Option<u32>,
    /// What differs.
    pub difference: Difference,
}

const ANY: Excuse = Excuse {
    name: "",
    citation: "",
    kinds: &[],
    faults: &[],
    events: &[],
    stage2: None,
    write: None,
    class: None,
    beyond: None,
    difference: Difference::Missing,
};

/// F_WALK_EABT, F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION.
const TRANSLATION_RELATED: &[u8] = &[0x0b, 0x10, 0x11, 0x12, 0x13];

/// `CLASS` of the fetch of a CD.
const CD: u8 = 0;
/// `CLASS` of the fetch of a stage-1 descriptor.
const TT: u8 = 1;

/// All that is excused of QEMU.
pub const QEMU: &[Excuse] = &[
    Excuse {
        name: "a write to a read-only stage-2 page is not recorded",
        citation: "facts/qemu.md 6, bug 6 (after a cached read); IHI 0070 7.3.16",
        kinds: &[Kind::Stage2],
        events: &[0x13],
        stage2: Some(true),
        write: Some(true),
        difference: Difference::Missing,
        ..ANY
    },
    Excuse {
        name: "a write that nested stage 2 refuses is recorded without its IPA",
        citation: "facts/qemu.md 6, bug 6 (after a cached read); IHI 0070 7.3.16",
        kinds: &[Kind::Nested],
        events: &[0x13],
        stage2: Some(true),
        write: Some(true),
        difference: Difference::NoIpa,
        ..ANY
    },
    Excuse {
        name: "an address beyond the SMMU's is not recorded at stage 2",
        citation: "facts/qemu.md 6, bug 6 (IPA >= 2^OAS); IHI 0070 3.4",
        kinds: &[Kind::Stage2],
        events: &[0x11],
        stage2: Some(false),
        beyond: Some(44),
        difference: Difference::Missing,
        ..ANY
    },
    Excuse {
        name: "the address of a CD beyond the SMMU's is not recorded at stage 2",
        citation: "facts/qemu.md 6, bug 6 (IPA >= 2^OAS), here nested; IHI 0070 3.4.3 note 2",
        kinds: &[Kind::Nested],
        faults: &["STE.S1ContextPtr is too large"],
        events: &[0x10],
        stage2: Some(true),
        class: Some(CD),
        difference: Difference::Missing,
        ..ANY
    },
    Excuse {
        name: "the address of a CD beyond the SMMU's is an error of the fetch, not of the STE",
        citation: "not in facts/qemu.md yet; IHI 0070 3.4.3 note 1 (from SMMUv3.1 on, as QEMU's AIDR says)",
        kinds: &[Kind::Stage1],
        faults: &["STE.S1ContextPtr is too large"],
        difference: Difference::Refuses(0x09),
        ..ANY
    },
    Excuse {
        name: "an address beyond the SMMU's is not recorded in bypass",
        citation: "not in facts/qemu.md yet: QEMU passes it on without a check; IHI 0070 3.4",
        kinds: &[Kind::Bypass],
        events: &[0x11],
        stage2: Some(false),
        beyond: Some(44),
        difference: Difference::Missing,
        ..ANY
    },
    Excuse {
        name: "a write that fails at the fetch of a CD is recorded as a read",
        citation: "facts/qemu.md 6, bug 6 (CD fetches always say RnW=read); IHI 0070 7.3",
        kinds: &[Kind::Nested],
        events: TRANSLATION_RELATED,
        stage2: Some(true),
        write: Some(true),
        class: Some(CD),
        difference: Difference::SaysRead,
        ..ANY
    },
    Excuse {
        name: "TTBs are translated when the CD is fetched, whether or not they are used, as reads",
        citation: "facts/qemu.md 6, bug 6, and 8 (TTBs in the configuration cache); IHI 0070 7.3.22",
        kinds: &[Kind::Nested],
        faults: &["CD.TTB0 is nowhere", "CD.TTB1 is nowhere"],
        difference: Difference::Refuses(0x10),
        ..ANY
    },
    Excuse {
        name: "a stage-1 table that stage 2 does not map is recorded as a fault of stage 1",
        citation: "facts/qemu.md 6, bug 6 (class TT has S2=0); IHI 0070 7.3.13",
        kinds: &[Kind::Nested],
        events: TRANSLATION_RELATED,
        stage2: Some(true),
        class: Some(TT),
        difference: Difference::SaysStage1,
        ..ANY
    },
    Excuse {
        name: "the address of a next table is not checked against IPS or S2PS, but read",
        citation: "not in facts/qemu.md yet; IHI 0070 7.3.14 (intermediate or leaf descriptor)",
        faults: &["stage-1 table is too high", "stage-2 table is too high"],
        events: &[0x11],
        difference: Difference::Number(0x0b),
        ..ANY
    },
    Excuse {
        name: "a stage-1 table beyond stage 2's output is recorded with the class of a table",
        citation: "not in facts/qemu.md yet; IHI 0070 7.3.13 (CLASS == IN if S2 == 0)",
        kinds: &[Kind::Nested],
        faults: &["stage-1 table is too high"],
        events: &[0x11],
        stage2: Some(false),
        difference: Difference::Number(0x11),
        ..ANY
    },
    Excuse {
        name: "a write to a read-only page whose output is too large is a permission fault",
        citation: "not in facts/qemu.md yet; IHI 0070 7.3.22 (F_ADDR_SIZE before F_PERMISSION)",
        faults: &["CD.IPS=0", "stage-1 output is too large", "stage-2 output is too large"],
        events: &[0x11],
        write: Some(true),
        difference: Difference::Number(0x13),
        ..ANY
    },
    Excuse {
        name: "S1STALLD is looked at although there is no stage 1",
        citation: "not in facts/qemu.md yet (10 has S1STALLD); IHI 0070 5.2 SteIllegal()",
        kinds: &[Kind::Stage2],
        faults: &["STE.S1STALLD=1"],
        difference: Difference::Refuses(0x04),
        ..ANY
    },
    Excuse {
        name: "S2T0SZ is checked against S2PS, not against the SMMU's address size",
        citation: "facts/qemu.md 10 (out of range for S2PS); IHI 0070 5.2 S2T0SZ",
        kinds: &[Kind::Stage2, Kind::Nested],
        faults: &["STE.S2PS=0"],
        difference: Difference::Refuses(0x04),
        ..ANY
    },
    Excuse {
        name: "a single-address TLBI leaves the rest of a leaf that stage 2 has cut into smaller entries",
        citation: "not in facts/qemu.md yet (7 has TG=0 as one 4K page); DDI 0487 D8.17.6 R_LQLSD",
        kinds: &[Kind::Nested],
        difference: Difference::Lingering,
        ..ANY
    },
];

impl Excuse {
    fn fits(&self, context: Context) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&context.kind))
            && (self.faults.is_empty() || context.fault.is_some_and(|fault| self.faults.contains(&fault)))
    }

    /// Whether it excuses `other`, the record or absence of one on the other machine, where the model has `model`.
    pub(crate) fn covers(&self, context: Context, model: &Record, other: Option<&Record>) -> bool {
        let as_if = |expected: Record| other == Some(&expected);
        let differs = match self.difference {
            Difference::Missing => other.is_none(),
            Difference::NoIpa => as_if(Record { ipa: Some(0), ..*model }),
            Difference::SaysRead => as_if(Record { read: true, ..*model }),
            Difference::SaysStage1 => as_if(Record { stage2: false, ipa: None, ..*model }),
            Difference::Number(id) => other.is_some_and(|other| {
                // That fetches of CDs are always recorded as reads is an entry of its own.
                let read = model.read || model.class == CD && other.read;
                *other == Record { id, class: other.class, ipa: other.ipa, read, ..*model }
            }),
            Difference::Refuses(_) | Difference::Lingering => false,
        };
        differs
            && self.fits(context)
            && (self.events.is_empty() || self.events.contains(&model.id))
            && self.stage2.is_none_or(|stage2| stage2 == model.stage2)
            && self.write.is_none_or(|write| write != model.read)
            && self.class.is_none_or(|class| class == model.class)
            && self.beyond.is_none_or(|bit| model.input >> bit != 0)
    }

    /// Whether it excuses that all of a DMA is refused.
    pub(crate) fn refuses(&self, context: Context, other: &Seen) -> bool {
        let Difference::Refuses(id) = self.difference else { return false };
        let refused = other.landing == Landing::Nowhere && !other.events.is_empty();
        refused && other.events.iter().all(|event| event.id == id) && self.fits(context)
    }

    /// Whether it excuses entries that linger after commands without a range.
    pub(crate) fn lingers(&self, context: Context, other: &Seen) -> bool {
        let served = matches!(other.landing, Landing::At(_) | Landing::WrittenAt(_)) && !other.lost;
        self.difference == Difference::Lingering && served && context.single && self.fits(context)
    }

    /// Whether it is the absence of records of this number for a write or a read at `iova`, with nothing wrong on
    /// purpose. What the device's entry is does not count: it may be a stale one.
    pub(crate) fn lacks(&self, id: u8, write: bool, iova: Option<u64>) -> bool {
        self.difference == Difference::Missing
            && self.faults.is_empty()
            && self.events.contains(&id)
            && self.write.is_none_or(|only| only == write)
            && self.beyond.zip(iova).is_none_or(|(bit, iova)| iova >> bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FAULTS;

    #[test]
    fn every_excuse_is_named_cited_and_about_something() {
        for (number, excuse) in QEMU.iter().enumerate() {
            assert!(!excuse.name.is_empty() && !excuse.citation.is_empty());
            assert!(!excuse.kinds.is_empty() || !excuse.faults.is_empty(), "{}", excuse.name);
            assert!(!QEMU[..number].iter().any(|other| other.name == excuse.name), "{}", excuse.name);
            for fault in excuse.faults {
                assert!(FAULTS.iter().any(|other| other.name == *fault), "{fault}");
            }
        }
    }
}
