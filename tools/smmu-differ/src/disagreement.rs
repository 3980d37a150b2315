//! A disagreement, for a person.

use crate::judge::Matter;
use crate::op::{Config, Drop, Op, Sequence, Setup, Stage1Spec, Stage2Spec, TableId, Target};
use std::collections::BTreeSet;
use std::fmt;

/// Two machines that disagree, and the sequence that brought them to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// In which respect.
    pub matter: Matter,
    /// What was done, up to where it shows.
    pub sequence: Sequence,
    /// What the model had to say about the last operation.
    pub model: String,
    /// What the other machine had.
    pub other: String,
}

impl Disagreement {
    /// A disagreement about operation number `at`, or about the setup or the end.
    pub(crate) fn new(
        matter: Matter,
        sequence: &Sequence,
        at: Option<usize>,
        (model, other): (String, String),
    ) -> Self {
        let mut sequence = sequence.clone();
        if let Some(at) = at {
            sequence.ops.truncate(at + 1);
        }
        Self { matter, sequence, model, other }
    }

    /// Whether it is of the same kind: the same matter, and the same thing wrong on purpose.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let fault = |found: &Self| match found.sequence.ops.last() {
            Some(Op::Corrupt { fault, .. }) => Some(fault.name),
            _ => None,
        };
        self.matter == other.matter && fault(self) == fault(other)
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matter, sequence, model, other } = self;
        writeln!(f, "{matter}; seed {:#x}", sequence.seed)?;
        print_setup(sequence, f)?;
        for (index, op) in sequence.ops.iter().enumerate() {
            writeln!(f, "  {:>3}. {op}", index + 1)?;
        }
        writeln!(f, "  model: {model}")?;
        write!(f, "  other: {other}")
    }
}

/// Of the setup, what the operations use.
fn print_setup(sequence: &Sequence, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Setup { streams, stage1, stage2 } = &sequence.setup;
    writeln!(f, "  stream table: {streams:?}")?;
    let (ones, twos) = used(sequence);
    for (number, spec) in stage1.iter().enumerate().filter(|(number, _)| ones.contains(number)) {
        let Stage1Spec { low, high, asid, vmid, host, detach } = spec;
        write!(f, "  stage1[{number}]: ASID {asid}, VMID {vmid}")?;
        for (name, shape) in [("TTB0", low), ("TTB1", high)] {
            if let Some(shape) = shape {
                write!(f, ", {name} {} {} bits", shape.granule, shape.bits)?;
            }
        }
        if let Some(host) = host {
            write!(f, ", on stage2[{host}]")?;
        }
        writeln!(f, "{}", if *detach { ", detaches empty tables" } else { "" })?;
    }
    for (number, spec) in stage2.iter().enumerate().filter(|(number, _)| twos.contains(number)) {
        let Stage2Spec { shape, vmid, host, detach } = spec;
        write!(f, "  stage2[{number}]: VMID {vmid}, {} {} bits", shape.granule, shape.bits)?;
        write!(f, "{}", if *host { ", host" } else { "" })?;
        writeln!(f, "{}", if *detach { ", detaches empty tables" } else { "" })?;
    }
    Ok(())
}

/// The stage-1 and stage-2 spaces that operations name, hosts included.
fn used(sequence: &Sequence) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut ones, mut twos) = (BTreeSet::new(), BTreeSet::new());
    let mut note = |first, number| {
        let _ = if first { ones.insert(number) } else { twos.insert(number) };
    };
    for op in &sequence.ops {
        match *op {
            Op::Map { table, .. } | Op::Unmap { table, .. } => match table {
                TableId::Low(space) | TableId::High(space) => note(true, space),
                TableId::Stage2(space) => note(false, space),
            },
            Op::Attach { config: Config::Stage1(space), .. } => note(true, space),
            Op::Attach { config: Config::Stage2(space), .. } => note(false, space),
            _ => {}
        }
    }
    twos.extend(ones.iter().filter_map(|space| sequence.setup.stage1.get(*space)?.host));
    (ones, twos)
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Low(space) => write!(f, "stage1[{space}].TTB0"),
            Self::High(space) => write!(f, "stage1[{space}].TTB1"),
            Self::Stage2(space) => write!(f, "stage2[{space}]"),
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort => f.write_str("abort"),
            Self::Bypass => f.write_str("bypass"),
            Self::Stage1(space) => write!(f, "stage1[{space}]"),
            Self::Stage2(space) => write!(f, "stage2[{space}]"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arena(offset) => write!(f, "arena+{offset:#x}"),
            Self::Ipa(ipa) => write!(f, "IPA {ipa:#x}"),
        }
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Configuration => f.write_str("all configuration"),
            Self::Stream(device) => write!(f, "the configuration of device {device}"),
            Self::Translations => f.write_str("all translations"),
            Self::Stage1OfVmid(vmid) => write!(f, "stage 1 of VMID {vmid}"),
            Self::Vmid(vmid) => write!(f, "VMID {vmid}"),
            Self::Address(vmid, iova) => write!(f, "{iova:#x} of VMID {vmid}, any ASID"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attach { device, config, raw } => {
                let how = if *raw { ", stored raw, nothing invalidated" } else { "" };
                write!(f, "attach device {device} to {config}{how}")
            }
            Self::Map { table, iova, size, to, writable } => {
                let how = if *writable { "read-write" } else { "read-only" };
                write!(f, "map {table} {iova:#x}+{size:#x} -> {to}, {how}")
            }
            Self::Unmap { table, iova, size, flush } => {
                let wrong = if flush.is_right() { "" } else { "WRONG " };
                write!(f, "unmap {table} {iova:#x}+{size:#x}, invalidation: {wrong}{flush:?}")
            }
            Self::Drop(what) => write!(f, "invalidate {what}"),
            Self::Corrupt { device, iova, fault } => {
                write!(f, "DMA of device {device} at {iova:#x} with {}, nothing cached", fault.name)
            }
            Self::Dma { device, iova } => write!(f, "DMA of device {device} at {iova:#x}"),
        }
    }
}
