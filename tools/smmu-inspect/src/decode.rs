//! `smmu-inspect decode`, `probe` and `errata`: words from a log or a dump, made readable.

use smmu_cmds::command::{Interface, NonSecureInterface, RealmInterface, SecureInterface};
use smmu_cmds::{RawCommand, RawEvent};
use smmu_regs::Caps;
use smmu_regs::caps::{Erratum, Hints, IdRegisters, Match, Narrow, ProbeError, Revisions, StallModel};
use smmu_regs::registers::{Idr3, Idr5};
use smmu_ste::{Cd, Ste};
use std::fmt;

/// What a dump of words is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command: 2 words.
    Command,
    /// An event record: 4 words.
    Event,
    /// A stream table entry: 8 words.
    Ste,
    /// A context descriptor: 8 words.
    Cd,
}

/// Words that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Not a number of at most 64 bits.
    Number(String),
    /// The structure has another number of words.
    Count {
        /// The structure.
        kind: Kind,
        /// Its words.
        wanted: usize,
        /// Those given.
        given: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(text) => write!(f, "{text:?} is not a number of at most 64 bits"),
            Self::Count { kind, wanted, given } => {
                write!(f, "{kind:?} has {wanted} words of 64 bits, not {given}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// A number as people write it: decimal, or hexadecimal with 0x; underscores are allowed.
///
/// # Errors
/// It is no such number.
pub fn number(text: &str) -> Result<u64, DecodeError> {
    let plain = text.replace('_', "");
    let parsed = match plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => plain.parse(),
    };
    parsed.map_err(|_| DecodeError::Number(text.to_owned()))
}

fn exactly<const N: usize>(kind: Kind, words: &[u64]) -> Result<[u64; N], DecodeError> {
    words.try_into().map_err(|_| DecodeError::Count { kind, wanted: N, given: words.len() })
}

/// The words of a structure, readable; what is odd about them is said there too.
///
/// # Errors
/// A word is no number, or there are too few or too many.
pub fn decode(kind: Kind, words: &[String]) -> Result<String, DecodeError> {
    let words = words.iter().map(|word| number(word)).collect::<Result<Vec<u64>, _>>()?;
    Ok(match kind {
        Kind::Command => command(RawCommand::from_words(exactly(kind, &words)?)),
        Kind::Event => RawEvent::from_words(exactly(kind, &words)?).to_string(),
        Kind::Ste => {
            let ste = Ste::from_words(exactly(kind, &words)?);
            match ste.decode() {
                Ok(_) => ste.to_string(),
                Err(odd) => format!("{ste}\n{odd}"),
            }
        }
        Kind::Cd => Cd::from_words(exactly(kind, &words)?).to_string(),
    })
}

/// The command, and what the queues of an SMMU that has everything would object to.
fn command(raw: RawCommand) -> String {
    let mut text = raw.to_string();
    let Some(caps) = everything() else { return text };
    let non_secure = NonSecureInterface { partids: true };
    let secure = SecureInterface {
        non_secure,
        stream_id_bits: 32,
        sel2: true,
        stall_model: StallModel::Supported,
        ats_maintenance: true,
        partids: true,
    };
    for interface in [
        Interface::NonSecure(non_secure),
        Interface::Secure(secure),
        Interface::Realm(RealmInterface { ats: true, dpt: true, partids: true }),
    ] {
        if let Err(objection) = raw.legal(&caps, &interface) {
            text.push_str(&format!("\n{interface} queue: {objection}"));
        }
    }
    text
}

/// The example SMMU with all that its command queue can have besides. `D128` comes with what it includes (6.3.6).
fn everything() -> Option<Caps> {
    let ids = IdRegisters::EXAMPLE;
    let besides = [Idr3::MPAM, Idr3::DPT, Idr3::S1PI, Idr3::S2PI, Idr3::S2PO, Idr3::AIE, Idr3::MTEPERM];
    let idr3 = besides.into_iter().fold(ids.idr3, |idr3, field| idr3.with(field, true));
    let idr5 = ids.idr5.with(Idr5::DS, true).with(Idr5::D128, true);
    Caps::probe_strict(&IdRegisters { idr3, idr5, ..ids }, &Hints::default()).ok()
}

/// What an SMMU with these ID registers can do.
///
/// # Errors
/// It cannot be driven; with `strict`, also if anything in the registers is reserved or impossible.
pub fn probe(ids: &IdRegisters, hints: &Hints, strict: bool) -> Result<String, ProbeError> {
    Ok(caps(ids, hints, strict)?.to_string())
}

fn caps(ids: &IdRegisters, hints: &Hints, strict: bool) -> Result<Caps, ProbeError> {
    if strict { Caps::probe_strict(ids, hints) } else { Caps::probe(ids, hints) }
}

/// The ID registers that are left of such an SMMU for somebody who is shown no more than `narrow` lets stay.
///
/// # Errors
/// Those of [`probe`]; nothing is left that could be driven.
pub fn shown(
    ids: &IdRegisters,
    hints: &Hints,
    strict: bool,
    narrow: &Narrow,
) -> Result<String, Box<dyn std::error::Error>> {
    let shown = caps(ids, hints, strict)?.narrow(narrow)?;
    let ids = shown.to_guest_id_registers()?;
    let words = [
        ("IDR0", ids.idr0.into_bits()),
        ("IDR1", ids.idr1.into_bits()),
        ("IDR2", ids.idr2.into_bits()),
        ("IDR3", ids.idr3.into_bits()),
        ("IDR4", ids.idr4.into_bits()),
        ("IDR5", ids.idr5.into_bits()),
        ("IDR6", ids.idr6.into_bits()),
        ("IIDR", ids.iidr.into_bits()),
        ("AIDR", ids.aidr.into_bits()),
    ];
    Ok(words.map(|(name, word)| format!("{name} {word:#010x}")).join("\n"))
}

/// What an erratum matches, in a few words.
#[must_use]
pub fn matched(erratum: &Erratum) -> String {
    match erratum.matches {
        Match::Iidr { implementer, product, revisions } => {
            let range = |some: &Revisions| {
                let Revisions { variant: (v, w), revision: (p, q) } = some;
                format!("r{v}p{p} to r{w}p{q}")
            };
            let ranges: Vec<_> = revisions.iter().map(range).collect();
            format!("IIDR implementer {implementer:#x}, product {product:#x}, {}", ranges.join(" or "))
        }
        Match::Firmware(model) => format!("firmware that names {model:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smmu_regs::Feature;

    #[test]
    fn numbers_are_read_whole_or_not_at_all() {
        assert_eq!(number("0x1_0000"), Ok(0x1_0000));
        assert_eq!(number("42"), Ok(42));
        for bad in ["", "0x", "0x1_0000_0000_0000_0000", "-1", "12ab", "0b1"] {
            assert_eq!(number(bad), Err(DecodeError::Number(bad.to_owned())));
        }
    }

    #[test]
    fn structures_are_named_and_oddities_said() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            decode(Kind::Command, &words("0x300000003 0x1")).unwrap(),
            "CMD_CFGI_STE StreamID=0x3 leaf"
        );
        assert!(decode(Kind::Command, &words("0x12 0x400")).unwrap().contains("reserved encoding"));
        let resume = decode(Kind::Command, &words("0x300000044 0x1")).unwrap();
        let (first, rest) = resume.split_once('\n').unwrap();
        assert_eq!(first, "CMD_RESUME StreamID=0x3 STAG=0x1 Terminate");
        assert_eq!(rest, "Realm queue: CMD_RESUME raises CERROR_ILL: the Realm queue never takes it");
        assert!(decode(Kind::Ste, &words("0xd 0 0 0 0 0 0 0")).unwrap().contains("S2AA64"));
        // TLBI_NH_VA with a level hint for 128-bit descriptors: an SMMU with D128 takes it.
        let hint = decode(Kind::Command, &words("0x12 0x780")).unwrap();
        assert!(!hint.contains("Non-secure queue"), "{hint}");
        assert!(hint.contains("TTL128") && everything().unwrap().has(Feature::D128), "{hint}");
        let error = decode(Kind::Event, &words("1 2 3")).unwrap_err();
        assert_eq!(error, DecodeError::Count { kind: Kind::Event, wanted: 4, given: 3 });
    }
}
