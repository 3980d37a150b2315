//! What a driver, a domain or a guest needs, held against what an SMMU can do.

use super::feature::{Feature, Features};
use super::quirk::{Quirk, Quirks};
use super::{BbmLevel, Caps, Ecmdq, Erratum, StallModel, TableEndianness};
use crate::addr::AddressSize;
use crate::vmsa::{Granule, GranuleSet, HardwareUpdate};
use core::fmt;

/// What is needed of an SMMU. The default needs nothing; name what you need and take the rest from it.
///
/// ```
/// use smmu_regs::caps::{Features, Hints, IdRegisters, Requirements};
/// use smmu_regs::{Caps, Feature};
///
/// let need = Requirements {
///     features: Features::of(&[Feature::Nested, Feature::Dpt]),
///     vmid_bits: 16,
///     ..Requirements::default()
/// };
/// let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
/// let reasons: Vec<String> = caps.missing(&need).map(|missing| missing.to_string()).collect();
/// assert_eq!(reasons, ["DPT is not there (IDR3.DPT)"]);
/// # Ok::<(), smmu_regs::caps::ProbeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Requirements {
    /// Features. Of [`Features::RESTRICTIONS`] nobody has need: they are not asked for.
    pub features: Features,
    /// Quirks that the driver cannot observe: an SMMU that asks for one is refused.
    pub unable: Quirks,
    /// Least output address size.
    pub oas: AddressSize,
    /// Least stage-1 input size of one table base, in bits.
    pub stage1_input_bits: u8,
    /// Least stage-2 input size, in bits.
    pub stage2_input_bits: u32,
    /// Granules, all of them.
    pub granules: GranuleSet,
    /// Least number of ASID bits.
    pub asid_bits: u8,
    /// Least number of VMID bits.
    pub vmid_bits: u8,
    /// Least number of StreamID bits.
    pub stream_id_bits: u8,
    /// Least number of SubstreamID bits.
    pub substream_id_bits: u8,
    /// log2 of the least entries of the command queue.
    pub command_queue_log2: u8,
    /// log2 of the least entries of the event queue.
    pub event_queue_log2: u8,
    /// log2 of the least entries of the PRI queue.
    pub pri_queue_log2: u8,
    /// At least as many enhanced command queues, and pages of them.
    pub ecmdq: Option<Ecmdq>,
    /// Faults can stall.
    pub stalls: bool,
    /// Faults can terminate at once.
    pub terminates: bool,
    /// At least as many transactions can be stalled at a time.
    pub stall_max: u16,
    /// Terminated transactions can read as zero and ignore writes (`CD.A = 0`).
    pub raz_wi: bool,
    /// Least break-before-make level.
    pub bbm: BbmLevel,
    /// Least updates of descriptors by hardware.
    pub httu: HardwareUpdate,
    /// Each table chooses its endianness.
    pub either_endian: bool,
    /// Least minor architecture version. Ask for features rather.
    pub minor_version: u8,
}

impl Default for Requirements {
    fn default() -> Self {
        Self::NOTHING
    }
}

/// Translation tables that CPUs use and an SMMU is to walk too (shared virtual addressing): what of them matters to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTables {
    /// The granule.
    pub granule: Granule,
    /// Bits of a virtual address.
    pub input_bits: u8,
    /// The CPUs' physical address size.
    pub output: AddressSize,
    /// Bits of the ASIDs that the CPUs use.
    pub asid_bits: u8,
    /// The CPUs set the Access flag of table descriptors.
    pub table_access_flag: bool,
    /// The CPUs change the size of live mappings without break-before-make.
    pub changes_block_size: bool,
}

impl Requirements {
    /// What an SMMU must be able to do to walk these tables as the CPUs do. Whether its faults can be handled (stalls, or
    /// page requests) is another question.
    #[must_use]
    pub const fn shared_tables(cpu: &CpuTables) -> Self {
        let wide = cpu.input_bits > 48;
        let small_and_wide = wide && !matches!(cpu.granule, Granule::Size64K);
        Self {
            features: Features::of(&[Feature::Stage1, Feature::Coherent])
                .with_if(Feature::Ds, small_and_wide),
            granules: GranuleSet::EMPTY.with(cpu.granule),
            stage1_input_bits: cpu.input_bits,
            oas: cpu.output,
            asid_bits: cpu.asid_bits,
            httu: if cpu.table_access_flag { HardwareUpdate::TableAccessFlag } else { HardwareUpdate::None },
            bbm: if cpu.changes_block_size { BbmLevel::Level2 } else { BbmLevel::Level0 },
            ..Self::NOTHING
        }
    }

    /// The default, for `const` use.
    pub const NOTHING: Self = Self {
        features: Features::EMPTY,
        unable: Quirks::EMPTY,
        oas: AddressSize::Bits32,
        stage1_input_bits: 0,
        stage2_input_bits: 0,
        granules: GranuleSet::EMPTY,
        asid_bits: 0,
        vmid_bits: 0,
        stream_id_bits: 0,
        substream_id_bits: 0,
        command_queue_log2: 0,
        event_queue_log2: 0,
        pri_queue_log2: 0,
        ecmdq: None,
        stalls: false,
        terminates: false,
        stall_max: 0,
        raz_wi: false,
        bbm: BbmLevel::Level0,
        httu: HardwareUpdate::None,
        either_endian: false,
        minor_version: 0,
    };

    /// Everything that `caps` offers: what satisfies this can do all that `caps` can. So a guest that was told `caps` can be
    /// moved there. Quirks are nothing that is offered: [`Requirements::unable`] is empty.
    #[must_use]
    pub fn all_of(caps: &Caps) -> Self {
        Self {
            features: caps.features.without(Features::RESTRICTIONS),
            unable: Quirks::EMPTY,
            oas: caps.oas,
            stage1_input_bits: caps.stage1_input_bits,
            stage2_input_bits: caps.stage2_input_bits(),
            granules: caps.granules,
            asid_bits: caps.asid_bits,
            vmid_bits: caps.vmid_bits,
            stream_id_bits: caps.stream_id_bits,
            substream_id_bits: caps.substream_id_bits,
            command_queue_log2: caps.command_queue_log2,
            event_queue_log2: caps.event_queue_log2,
            pri_queue_log2: caps.pri_queue_log2,
            ecmdq: caps.ecmdq,
            stalls: caps.stall_model != StallModel::TerminateOnly,
            terminates: caps.stall_model != StallModel::Forced,
            stall_max: caps.stall_max,
            raz_wi: !caps.has(Feature::AbortOnly),
            bbm: caps.bbm,
            httu: caps.httu,
            either_endian: caps.table_endianness == TableEndianness::Mixed,
            minor_version: caps.minor_version,
        }
    }
}

/// A number that can be too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Quantity {
    /// Bits of output addresses.
    OutputBits,
    /// Bits of stage-1 input addresses.
    Stage1InputBits,
    /// Bits of stage-2 input addresses.
    Stage2InputBits,
    /// Bits of ASIDs.
    AsidBits,
    /// Bits of VMIDs.
    VmidBits,
    /// Bits of StreamIDs.
    StreamIdBits,
    /// Bits of SubstreamIDs.
    SubstreamIdBits,
    /// log2 of the entries of the command queue.
    CommandQueueLog2,
    /// log2 of the entries of the event queue.
    EventQueueLog2,
    /// log2 of the entries of the PRI queue.
    PriQueueLog2,
    /// log2 of the command queue control pages.
    EcmdqPagesLog2,
    /// log2 of the queues in a command queue control page.
    EcmdqQueuesLog2,
    /// Transactions that can be stalled.
    StallMax,
    /// Minor architecture version.
    MinorVersion,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutputBits => "output address bits",
            Self::Stage1InputBits => "stage-1 input address bits",
            Self::Stage2InputBits => "stage-2 input address bits",
            Self::AsidBits => "ASID bits",
            Self::VmidBits => "VMID bits",
            Self::StreamIdBits => "StreamID bits",
            Self::SubstreamIdBits => "SubstreamID bits",
            Self::CommandQueueLog2 => "log2 of command queue entries",
            Self::EventQueueLog2 => "log2 of event queue entries",
            Self::PriQueueLog2 => "log2 of PRI queue entries",
            Self::EcmdqPagesLog2 => "log2 of command queue control pages",
            Self::EcmdqQueuesLog2 => "log2 of queues in a command queue control page",
            Self::StallMax => "stalled transactions",
            Self::MinorVersion => "minor architecture version",
        })
    }
}

/// Why an SMMU does not satisfy [`Requirements`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Missing {
    /// A feature.
    Feature {
        /// Which.
        feature: Feature,
        /// The erratum that took it away, if one did.
        erratum: Option<&'static Erratum>,
    },
    /// It has a quirk that the driver cannot observe.
    Quirk(Quirk),
    /// A number is too small.
    Size {
        /// Which number.
        what: Quantity,
        /// What is needed.
        need: u32,
        /// What there is.
        have: u32,
    },
    /// A granule.
    Granule(Granule),
    /// Faults never stall.
    Stalls,
    /// Faults always stall.
    Terminates,
    /// Terminated transactions always abort.
    RazWi,
    /// Live tables cannot change as needed.
    Bbm {
        /// What is needed.
        need: BbmLevel,
        /// What there is.
        have: BbmLevel,
    },
    /// Descriptors are not updated as needed.
    Httu {
        /// What is needed.
        need: HardwareUpdate,
        /// What there is.
        have: HardwareUpdate,
    },
    /// Tables have one endianness only.
    EitherEndian,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature { feature, erratum: None } => {
                write!(f, "{feature} is not there ({})", feature.origin())
            }
            Self::Feature { feature, erratum: Some(erratum) } => {
                write!(f, "{feature} must not be used: erratum {} of {}", erratum.id, erratum.part)
            }
            Self::Quirk(quirk) => write!(f, "it asks for {quirk} ({})", quirk.origin()),
            Self::Size { what, need, have } => write!(f, "{what}: {need} needed, {have} there"),
            Self::Granule(granule) => write!(f, "the granule of {granule} is not there"),
            Self::Stalls => f.write_str("faults never stall (IDR0.STALL_MODEL)"),
            Self::Terminates => f.write_str("faults always stall (IDR0.STALL_MODEL)"),
            Self::RazWi => f.write_str("terminated transactions always abort (IDR0.TERM_MODEL)"),
            Self::Bbm { need, have } => write!(f, "break-before-make: {need:?} needed, {have:?} there"),
            Self::Httu { need, have } => {
                write!(f, "updates by hardware: {need:?} needed, {have:?} there")
            }
            Self::EitherEndian => f.write_str("tables have one endianness only (IDR0.TTENDIAN)"),
        }
    }
}

impl Caps {
    /// Whether all of `need` is there.
    #[must_use]
    pub fn satisfies(&self, need: &Requirements) -> bool {
        self.missing(need).next().is_none()
    }

    /// What of `need` is not there, and why.
    pub fn missing(&self, need: &Requirements) -> impl Iterator<Item = Missing> {
        let features = need.features.without(Features::RESTRICTIONS).without(self.features);
        let features = features.iter().map(|feature| {
            let took = |erratum: &&Erratum| erratum.clears.contains(feature);
            Missing::Feature { feature, erratum: self.errata().find(took) }
        });
        let quirks = self.quirks.intersect(need.unable);
        let have = self.granules;
        let granules = Granule::ALL.into_iter().filter(move |g| !have.contains(*g));
        let needed = need.granules;
        features
            .chain(quirks.iter().map(Missing::Quirk))
            .chain(granules.filter(move |g| needed.contains(*g)).map(Missing::Granule))
            .chain(self.too_small(need))
            .chain(self.unlike(need))
    }

    fn too_small(&self, need: &Requirements) -> impl Iterator<Item = Missing> + use<> {
        let (pages, queues) = self.ecmdq.map_or((0, 0), |e| (e.pages_log2, e.queues_per_page_log2));
        let (need_pages, need_queues) = need.ecmdq.map_or((0, 0), |e| (e.pages_log2, e.queues_per_page_log2));
        [
            (Quantity::OutputBits, need.oas.bits(), self.oas.bits()),
            (Quantity::Stage1InputBits, need.stage1_input_bits.into(), self.stage1_input_bits.into()),
            (Quantity::Stage2InputBits, need.stage2_input_bits, self.stage2_input_bits()),
            (Quantity::AsidBits, need.asid_bits.into(), self.asid_bits.into()),
            (Quantity::VmidBits, need.vmid_bits.into(), self.vmid_bits.into()),
            (Quantity::StreamIdBits, need.stream_id_bits.into(), self.stream_id_bits.into()),
            (Quantity::SubstreamIdBits, need.substream_id_bits.into(), self.substream_id_bits.into()),
            (Quantity::CommandQueueLog2, need.command_queue_log2.into(), self.command_queue_log2.into()),
            (Quantity::EventQueueLog2, need.event_queue_log2.into(), self.event_queue_log2.into()),
            (Quantity::PriQueueLog2, need.pri_queue_log2.into(), self.pri_queue_log2.into()),
            (Quantity::EcmdqPagesLog2, need_pages.into(), pages.into()),
            (Quantity::EcmdqQueuesLog2, need_queues.into(), queues.into()),
            (Quantity::StallMax, need.stall_max.into(), self.stall_max.into()),
            (Quantity::MinorVersion, need.minor_version.into(), self.minor_version.into()),
        ]
        .into_iter()
        .filter(|(_, need, have)| have < need)
        .map(|(what, need, have)| Missing::Size { what, need, have })
    }

    fn unlike(&self, need: &Requirements) -> impl Iterator<Item = Missing> + use<> {
        let never_stalls = self.stall_model == StallModel::TerminateOnly;
        let always_stalls = self.stall_model == StallModel::Forced;
        let no_ecmdq =
            need.ecmdq.is_some() && self.ecmdq.is_none() && !need.features.contains(Feature::Ecmdq);
        let one_endian = self.table_endianness != TableEndianness::Mixed;
        [
            (no_ecmdq, Missing::Feature { feature: Feature::Ecmdq, erratum: None }),
            (need.stalls && never_stalls, Missing::Stalls),
            (need.terminates && always_stalls, Missing::Terminates),
            (need.raz_wi && self.has(Feature::AbortOnly), Missing::RazWi),
            (self.bbm < need.bbm, Missing::Bbm { need: need.bbm, have: self.bbm }),
            (self.httu < need.httu, Missing::Httu { need: need.httu, have: self.httu }),
            (need.either_endian && one_endian, Missing::EitherEndian),
        ]
        .into_iter()
        .filter_map(|(is, missing)| is.then_some(missing))
    }
}
