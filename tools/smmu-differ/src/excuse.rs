//! What QEMU is known to do wrongly and the comparison therefore excuses: data, each entry as narrow as it can be.
//!
//! Citations are sections of `facts/qemu.md`, where the behaviour was measured, and of IHI 0070, which says otherwise.

use crate::observe::Record;
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

/// In which way QEMU's record differs from the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing,
    /// Its IPA is 0.
    NoIpa,
    /// It is of a read.
    SaysRead,
    /// Anything, where a guest's leaf larger than 4 KiB was invalidated by a command without a range.
    Lingering,
}

/// A known fault of QEMU's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excuse {
    /// What it is, in a few words.
    pub name: &'static str,
    /// Where it was measured, and what the architecture says.
    pub citation: &'static str,
    /// The device's entry.
    pub kind: Kind,
    /// Event number of the model's record.
    pub event: u8,
    /// The model's record is of stage 2.
    pub stage2: bool,
    /// Only writes, only reads, or both.
    pub write: Option<bool>,
    /// Only of this `CLASS`.
    pub class: Option<u8>,
    /// Input addresses have a bit at or above this one.
    pub beyond: Option<u32>,
    /// What differs.
    pub difference: Difference,
}

/// All that is excused of QEMU.
pub const QEMU: &[Excuse] = &[
    Excuse {
        name: "a write to a read-only stage-2 page is not recorded",
        citation: "facts/qemu.md 6, bug 6 (after a cached read); IHI 0070 7.3.16",
        kind: Kind::Stage2,
        event: 0x13,
        stage2: true,
        write: Some(true),
        class: None,
        beyond: None,
        difference: Difference::Missing,
    },
    Excuse {
        name: "a write that nested stage 2 refuses is recorded without its IPA",
        citation: "facts/qemu.md 6, bug 6 (after a cached read); IHI 0070 7.3.16",
        kind: Kind::Nested,
        event: 0x13,
        stage2: true,
        write: Some(true),
        class: None,
        beyond: None,
        difference: Difference::NoIpa,
    },
    Excuse {
        name: "an address beyond the SMMU's is not recorded at stage 2",
        citation: "facts/qemu.md 6, bug 6 (IPA >= 2^OAS); IHI 0070 3.4",
        kind: Kind::Stage2,
        event: 0x11,
        stage2: false,
        write: None,
        class: None,
        beyond: Some(44),
        difference: Difference::Missing,
    },
    Excuse {
        name: "an address beyond the SMMU's is not recorded in bypass",
        citation: "facts/qemu.md does not say: QEMU passes it untranslated, without a check; IHI 0070 3.4",
        kind: Kind::Bypass,
        event: 0x11,
        stage2: false,
        write: None,
        class: None,
        beyond: Some(44),
        difference: Difference::Missing,
    },
    Excuse {
        name: "a write that fails at the fetch of a CD is recorded as a read",
        citation: "facts/qemu.md 6, bug 6 (CD fetches always say RnW=read); IHI 0070 7.3.13",
        kind: Kind::Nested,
        event: 0x10,
        stage2: true,
        write: Some(true),
        class: Some(0),
        beyond: None,
        difference: Difference::SaysRead,
    },
    Excuse {
        name: "a single-address TLBI leaves the rest of a leaf that stage 2 has cut into smaller entries",
        citation: "not in facts/qemu.md yet (7 has TG=0 as one 4K page); DDI 0487 D8.17.6 R_LQLSD",
        kind: Kind::Nested,
        event: 0,
        stage2: false,
        write: None,
        class: None,
        beyond: None,
        difference: Difference::Lingering,
    },
];

impl Excuse {
    /// Whether it excuses `other`, the record or absence of one on the other machine, where the model has `model`.
    pub(crate) fn covers(&self, kind: Kind, model: &Record, other: Option<&Record>) -> bool {
        let differs = match (self.difference, other) {
            (Difference::Missing, None) => true,
            (Difference::SaysRead, Some(other)) => *other == Record { read: true, ..*model },
            (Difference::NoIpa, Some(other)) => *other == Record { ipa: Some(0), ..*model },
            _ => false,
        };
        differs
            && self.kind == kind
            && self.event == model.id
            && self.stage2 == model.stage2
            && self.write.is_none_or(|write| write != model.read)
            && self.class.is_none_or(|class| class == model.class)
            && self.beyond.is_none_or(|bit| model.input >> bit != 0)
    }

    /// Whether it excuses entries that linger after such commands.
    pub(crate) fn lingers(&self, kind: Kind) -> bool {
        self.difference == Difference::Lingering && self.kind == kind
    }

    /// Whether it is the absence of records of this number.
    pub(crate) fn lacks(&self, id: u8) -> bool {
        self.difference == Difference::Missing && self.event == id
    }
}
