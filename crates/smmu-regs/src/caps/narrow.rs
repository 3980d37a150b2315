//! Taking capabilities away: what a host does not show to a guest, or a driver does not want to use.

use super::feature::{Feature, Features};
use super::{BbmLevel, Caps, Ecmdq, Quantity, StallModel, TableEndianness, step_down};
use crate::addr::AddressSize;
use crate::vmsa::{GranuleSet, HardwareUpdate};
use core::fmt;

/// What may stay. The default lets everything stay; name what shall go and take the rest from it.
///
/// ```
/// use smmu_regs::caps::{Features, Hints, IdRegisters, Narrow};
/// use smmu_regs::{Caps, Feature};
///
/// let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
/// let narrow = Narrow { hide: Features::of(&[Feature::Ats]), stalls: false, ..Narrow::default() };
/// let narrowed = caps.narrow(&narrow)?;
/// assert!(!narrowed.has(Feature::Ats) && !narrowed.has(Feature::Pri), "PRI cannot be without ATS");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Narrow {
    /// Features that go, and with them all that cannot be without them. [`Features::RESTRICTIONS`] stay: hiding one would
    /// give something.
    pub hide: Features,
    /// Granules that may stay.
    pub granules: GranuleSet,
    /// Most output address bits.
    pub oas: AddressSize,
    /// Most stage-1 input bits: 48 or more; rounded down to 48, 52 or 56.
    pub stage1_input_bits: u8,
    /// Most ASID bits: 8 or more; rounded down to 8 or 16.
    pub asid_bits: u8,
    /// Most VMID bits: 8 or more; rounded down to 8 or 16.
    pub vmid_bits: u8,
    /// Most StreamID bits.
    pub stream_id_bits: u8,
    /// Most SubstreamID bits; 0 hides substreams.
    pub substream_id_bits: u8,
    /// log2 of the most entries of the command queue.
    pub command_queue_log2: u8,
    /// log2 of the most entries of the event queue.
    pub event_queue_log2: u8,
    /// log2 of the most entries of the PRI queue.
    pub pri_queue_log2: u8,
    /// Most enhanced command queues; hide [`Feature::Ecmdq`] for none.
    pub ecmdq: Ecmdq,
    /// Whether stalls may stay.
    pub stalls: bool,
    /// Most break-before-make level.
    pub bbm: BbmLevel,
    /// Most updates of descriptors by hardware.
    pub httu: HardwareUpdate,
    /// Whether tables may still choose big-endian.
    pub either_endian: bool,
    /// Newest minor architecture version. The features stay as they are; [`Caps::guest_view`] makes them fit.
    pub minor_version: u8,
}

impl Narrow {
    /// Everything stays.
    pub const NOTHING: Self = Self {
        hide: Features::EMPTY,
        granules: GranuleSet::ALL,
        oas: AddressSize::Bits56,
        stage1_input_bits: 56,
        asid_bits: 16,
        vmid_bits: 16,
        stream_id_bits: 32,
        substream_id_bits: 20,
        command_queue_log2: u8::MAX,
        event_queue_log2: u8::MAX,
        pri_queue_log2: u8::MAX,
        ecmdq: Ecmdq { pages_log2: u8::MAX, queues_per_page_log2: u8::MAX },
        stalls: true,
        bbm: BbmLevel::Level2,
        httu: HardwareUpdate::TableAccessFlag,
        either_endian: true,
        minor_version: u8::MAX,
    };

    /// For a guest that owns stage 1 of nested translation while the host owns stage 2 and the queues: no stage 2 and no
    /// EL2 of its own, nothing that reaches past the host (broadcast invalidation, address translation registers, enhanced
    /// queues, memory partitions, device permission tables, realms, power hints), and no page requests, stalls or wake-up
    /// events, which a host must forward by its own means before it shows them. Nor what a guest would set in its STEs outside
    /// the fields that are a guest's (`smmu_ste`'s `GuestSte`): overrides of attributes, permission indirection.
    pub const NESTED_GUEST: Self = Self {
        hide: Features::of(&[
            Feature::Stage2,
            Feature::Hyp,
            Feature::BroadcastTlbi,
            Feature::PrivateTlbMaintenance,
            Feature::DormantHint,
            Feature::Sev,
            Feature::Atos,
            Feature::Pri,
            Feature::AtsRecordErrors,
            Feature::Rme,
            Feature::Ecmdq,
            Feature::Mpam,
            Feature::Dpt,
            Feature::AttrTypesOverride,
            Feature::AttrPermsOverride,
            Feature::S1PermissionIndirection,
        ]),
        stalls: false,
        ..Self::NOTHING
    };

    /// For a host that keeps its own driver while a hypervisor at EL2 owns the SMMU (the trap filter, `trap::HostView`): what
    /// the filter does not emulate is gone, and so is what needs more than a filter.
    ///
    /// | gone | because |
    /// |---|---|
    /// | `HYP`, `BTM`, `VMW`, `ATOS`, `VATOS`, `ECMDQ`, `MPAM`, `DPT`, `RME_IMPL`, `S2PI` | their registers and commands are not emulated |
    /// | `ATTR_TYPES_OVR`, `ATTR_PERMS_OVR`, `S1PI`, and with it `D128` | the host's STEs become a guest's: `smmu_ste`'s `GuestSte` |
    /// | `DORMHINT` | the host's `STATUSR` never says "dormant" |
    /// | stage 2 | it is the hypervisor's. The version then also stays, which needs `HYP` only beside both stages |
    /// | `ATS`, and with it `PRI` | a device that lies about translated addresses passes every stage |
    /// | stalls | the hypervisor must know which faults it has handed to the host |
    ///
    /// Preset bases need not be hidden: [`Caps::probe`] refuses them. A hypervisor that shadows the host's stage 2, trusts
    /// the devices, or forwards faults may leave these:
    ///
    /// ```
    /// use smmu_regs::caps::{Features, Narrow};
    /// use smmu_regs::Feature;
    ///
    /// let hide = Narrow::HOST_UNDER_EL2.hide.without(Features::of(&[Feature::Ats]));
    /// let trusting = Narrow { hide, stalls: true, ..Narrow::HOST_UNDER_EL2 };
    /// # assert!(!trusting.hide.contains(Feature::Ats) && trusting.hide.contains(Feature::Atos));
    /// ```
    ///
    /// An SMMU that always stalls faults has stalls that cannot be hidden ([`NarrowError::StallsForced`]).
    pub const HOST_UNDER_EL2: Self = Self {
        hide: Features::of(&[
            Feature::Stage2,
            Feature::Hyp,
            Feature::BroadcastTlbi,
            Feature::PrivateTlbMaintenance,
            Feature::DormantHint,
            Feature::Ats,
            Feature::Atos,
            Feature::Vatos,
            Feature::VmidWildcard,
            Feature::Rme,
            Feature::Ecmdq,
            Feature::Mpam,
            Feature::Dpt,
            Feature::S2PermissionIndirection,
            Feature::AttrTypesOverride,
            Feature::AttrPermsOverride,
            Feature::S1PermissionIndirection,
            // Without stage 1 it would not need S1PI; invalidations for its tables are not the host's (TTL128).
            Feature::D128,
        ]),
        stalls: false,
        ..Self::NOTHING
    };
}

impl Default for Narrow {
    fn default() -> Self {
        Self::NOTHING
    }
}

/// What cannot be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum NarrowError {
    /// The SMMU always stalls faults.
    StallsForced,
    /// No ID register can say so few.
    TooFew {
        /// Which number.
        what: Quantity,
        /// What was asked for.
        value: u8,
        /// The least that can be said.
        least: u8,
    },
}

impl fmt::Display for NarrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StallsForced => {
                f.write_str("stalls cannot be hidden: the SMMU always stalls faults (IDR0.STALL_MODEL)")
            }
            Self::TooFew { what, value, least } => {
                write!(f, "{what}: {value} cannot be said, {least} is the least")
            }
        }
    }
}

impl core::error::Error for NarrowError {}

fn step(what: Quantity, value: u8, steps: &[u8]) -> Result<u8, NarrowError> {
    let least = steps.last().copied().unwrap_or(0);
    step_down(value, steps).ok_or(NarrowError::TooFew { what, value, least })
}

impl Caps {
    /// These capabilities without what `to` does not let stay, and without what cannot be without that. Nothing is added.
    ///
    /// Quirks, errata and oddities stay: they are true of the hardware, whoever uses it.
    ///
    /// # Errors
    /// [`NarrowError`]: something asked for cannot be had by leaving something out.
    pub fn narrow(&self, to: &Narrow) -> Result<Self, NarrowError> {
        let mut less = *self;
        less.features = self.features.without(to.hide.without(Features::RESTRICTIONS));
        less.granules = self.granules.intersect(to.granules);
        less.oas = self.oas.min(to.oas);
        less.stage1_input_bits =
            self.stage1_input_bits.min(step(Quantity::Stage1InputBits, to.stage1_input_bits, &[56, 52, 48])?);
        less.asid_bits = self.asid_bits.min(step(Quantity::AsidBits, to.asid_bits, &[16, 8])?);
        less.vmid_bits = self.vmid_bits.min(step(Quantity::VmidBits, to.vmid_bits, &[16, 8])?);
        less.stream_id_bits = self.stream_id_bits.min(to.stream_id_bits);
        less.substream_id_bits = self.substream_id_bits.min(to.substream_id_bits);
        less.command_queue_log2 = self.command_queue_log2.min(to.command_queue_log2);
        less.event_queue_log2 = self.event_queue_log2.min(to.event_queue_log2);
        less.pri_queue_log2 = self.pri_queue_log2.min(to.pri_queue_log2);
        less.ecmdq = self.ecmdq.map(|ecmdq| ecmdq.smaller(to.ecmdq));
        if !to.stalls {
            if self.stall_model == StallModel::Forced {
                return Err(NarrowError::StallsForced);
            }
            less.stall_model = StallModel::TerminateOnly;
        }
        less.bbm = self.bbm.min(to.bbm);
        less.httu = self.httu.min(to.httu);
        if !to.either_endian && self.table_endianness == TableEndianness::Mixed {
            less.table_endianness = TableEndianness::Little;
        }
        less.minor_version = self.minor_version.min(to.minor_version);
        less.close();
        Ok(less)
    }
}
