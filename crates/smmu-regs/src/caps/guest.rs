//! Capabilities back to ID registers: what a guest's driver reads from the SMMU that its host makes up.

use super::errata::ErrataSet;
use super::error::Oddities;
use super::feature::{Feature, Features};
use super::ids::IdRegisters;
use super::probe::{MAX_ECMDQ_LOG2, MAX_QUEUE_LOG2, TWO_LEVEL_STREAM_BITS, VATOS_BASE, VATOS_STEP};
use super::quirk::Quirks;
use super::{BbmLevel, Caps, Ecmdq, Quantity, StallModel, TableEndianness, step_down};
use crate::layout::FieldError;
use crate::registers::{Aidr, Idr0, Idr1, Idr2, Idr3, Idr4, Idr5, Idr6, Iidr};
use crate::vmsa::Granule;
use core::fmt;

/// Capabilities that no SMMU's ID registers can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestError {
    /// Neither stage.
    NoStage,
    /// No VMSAv8-64 tables.
    NoAarch64Tables,
    /// No granule.
    NoGranule,
    /// Big-endian tables only: a guest of these crates could not drive it.
    BigEndian,
    /// Fewer bits of ASIDs or VMIDs than 8, or of stage-1 input than 48.
    TooFew {
        /// Which number.
        what: Quantity,
        /// The value.
        value: u8,
    },
    /// A value does not fit its field.
    Field(FieldError),
}

impl From<FieldError> for GuestError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

impl fmt::Display for GuestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStage => f.write_str("neither stage is left"),
            Self::NoAarch64Tables => f.write_str("VMSAv8-64 tables are not left"),
            Self::NoGranule => f.write_str("no translation granule is left"),
            Self::BigEndian => f.write_str("only big-endian tables are left"),
            Self::TooFew { what, value } => write!(f, "{what}: {value} cannot be said"),
            Self::Field(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for GuestError {}

/// What registers cannot say: it comes from the platform.
const UNSAYABLE: Features = Features::of(&[Feature::E2hHost, Feature::Atomic128]);

impl Caps {
    /// As much of these capabilities as ID registers can say without a combination that the architecture forbids. A guest
    /// that probes [`Caps::to_guest_id_registers`] has exactly these capabilities.
    ///
    /// What differs from `self`:
    /// - Quirks, errata and oddities are gone. They are the host's to observe; where a guest must do so too (repeated
    ///   invalidations), the host tells it by firmware's means ([`Hints::quirks`](super::Hints::quirks)).
    /// - Both stages without [`Feature::Nested`] cannot be said: stage 2 is gone.
    /// - What the platform vouched for, not a register, is gone.
    /// - The version is the newest of which nothing mandatory is missing, and features too new for it are gone (IHI 0070
    ///   2.9): a guest that shall have SMMUv3.3 features must not have range invalidation hidden. [`Caps::version_gaps`] says
    ///   beforehand what stands in the way.
    /// - Without two-level stream tables there are at most 6 StreamID bits.
    ///
    /// # Errors
    /// [`GuestError`]: nothing is left that could be called an SMMU.
    pub fn guest_view(&self) -> Result<Self, GuestError> {
        let mut view = *self;
        view.quirks = Quirks::EMPTY;
        view.errata = ErrataSet::default();
        view.oddities = Oddities::EMPTY;
        view.features = view.features.without(UNSAYABLE);
        if !view.has(Feature::BroadcastTlbi) {
            view.features = view.features.without(Features::of(&[Feature::PrivateTlbMaintenance]));
        }
        view.close();
        if !view.has(Feature::Nested) && view.has(Feature::Stage1) {
            view.features = view.features.without(Features::of(&[Feature::Stage2]));
            view.close();
        }
        view.minor_version = view.honest_version();
        view.drop_too_new();
        view.asid_bits = least(Quantity::AsidBits, view.asid_bits, &[16, 8])?;
        view.vmid_bits = least(Quantity::VmidBits, view.vmid_bits, &[16, 8])?;
        view.stage1_input_bits = least(Quantity::Stage1InputBits, view.stage1_input_bits, &[56, 52, 48])?;
        let most_streams =
            if view.has(Feature::TwoLevelStreamTable) { 32 } else { TWO_LEVEL_STREAM_BITS - 1 };
        view.stream_id_bits = view.stream_id_bits.min(most_streams);
        view.substream_id_bits = view.substream_id_bits.min(20);
        for log2 in [&mut view.command_queue_log2, &mut view.event_queue_log2, &mut view.pri_queue_log2] {
            *log2 = (*log2).min(MAX_QUEUE_LOG2);
        }
        let most = Ecmdq { pages_log2: MAX_ECMDQ_LOG2, queues_per_page_log2: MAX_ECMDQ_LOG2 };
        view.ecmdq = view.ecmdq.map(|ecmdq| ecmdq.smaller(most));
        view.vatos_offset = view.vatos_offset.filter(|offset| vatos_page(*offset).is_some());
        view.close();
        if !view.has(Feature::Stage1) && !view.has(Feature::Stage2) {
            return Err(GuestError::NoStage);
        }
        if !view.has(Feature::Aarch64Tables) {
            return Err(GuestError::NoAarch64Tables);
        }
        if view.granules.is_empty() {
            return Err(GuestError::NoGranule);
        }
        if view.table_endianness == TableEndianness::Big {
            return Err(GuestError::BigEndian);
        }
        Ok(view)
    }

    /// The ID registers that say [`Caps::guest_view`]: `Caps::probe` of them, without hints, gives it back, and
    /// [`Caps::probe_strict`] finds nothing odd. `IIDR` is 0, since what a guest sees is nobody's product and has nobody's
    /// errata; so is `IDR4`.
    ///
    /// ```
    /// use smmu_regs::Caps;
    /// use smmu_regs::caps::{Hints, IdRegisters, Narrow};
    ///
    /// let host = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
    /// let shown = host.narrow(&Narrow::NESTED_GUEST)?;
    /// let ids = shown.to_guest_id_registers()?;
    /// assert_eq!(Caps::probe_strict(&ids, &Hints::default())?, shown.guest_view()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Caps::guest_view`].
    pub fn to_guest_id_registers(&self) -> Result<IdRegisters, GuestError> {
        let view = self.guest_view()?;
        Ok(IdRegisters {
            idr0: view.idr0()?,
            idr1: view.idr1()?,
            idr2: Idr2::new()
                .try_with(Idr2::BA_VATOS, view.vatos_offset.and_then(vatos_page).unwrap_or(0))?,
            idr3: view.idr3()?,
            idr4: Idr4::from_bits(0),
            idr5: view.idr5()?,
            idr6: match view.ecmdq {
                None => Idr6::from_bits(0),
                Some(ecmdq) => Idr6::new()
                    .try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMP, ecmdq.pages_log2)?
                    .try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMQ, ecmdq.queues_per_page_log2)?,
            },
            iidr: Iidr::from_bits(0),
            aidr: Aidr::new().try_with(Aidr::ARCHMINORREV, view.minor_version)?,
        })
    }

    fn idr0(&self) -> Result<Idr0, FieldError> {
        let has = |feature| self.has(feature);
        let stall_model: u8 = match self.stall_model {
            StallModel::Supported => 0,
            StallModel::TerminateOnly => 1,
            StallModel::Forced => 2,
        };
        let ttendian: u8 = match self.table_endianness {
            TableEndianness::Mixed => 0,
            TableEndianness::Little => 2,
            TableEndianness::Big => 3,
        };
        let no_split = has(Feature::Ats) && has(Feature::Nested) && !has(Feature::SplitStageAts);
        Idr0::new()
            .with(Idr0::S2P, has(Feature::Stage2))
            .with(Idr0::S1P, has(Feature::Stage1))
            .with(Idr0::COHACC, has(Feature::Coherent))
            .with(Idr0::BTM, has(Feature::BroadcastTlbi))
            .with(Idr0::DORMHINT, has(Feature::DormantHint))
            .with(Idr0::HYP, has(Feature::Hyp))
            .with(Idr0::ATS, has(Feature::Ats))
            .with(Idr0::NS1ATS, no_split)
            .with(Idr0::ASID16, self.asid_bits == 16)
            .with(Idr0::MSI, has(Feature::Msi))
            .with(Idr0::SEV, has(Feature::Sev))
            .with(Idr0::ATOS, has(Feature::Atos))
            .with(Idr0::PRI, has(Feature::Pri))
            .with(Idr0::VMW, has(Feature::VmidWildcard))
            .with(Idr0::VMID16, self.vmid_bits == 16)
            .with(Idr0::CD2L, has(Feature::TwoLevelCdTable))
            .with(Idr0::VATOS, has(Feature::Vatos))
            .with(Idr0::ATSRECERR, has(Feature::AtsRecordErrors))
            .with(Idr0::TERM_MODEL, has(Feature::AbortOnly))
            .with(Idr0::RME_IMPL, has(Feature::Rme))
            .try_with(
                Idr0::TTF,
                u8::from(has(Feature::Aarch32Tables)) | u8::from(has(Feature::Aarch64Tables)) << 1,
            )?
            .try_with(Idr0::HTTU, self.httu as u8)?
            .try_with(Idr0::TTENDIAN, ttendian)?
            .try_with(Idr0::STALL_MODEL, stall_model)?
            .try_with(Idr0::ST_LEVEL, u8::from(has(Feature::TwoLevelStreamTable)))
    }

    fn idr1(&self) -> Result<Idr1, FieldError> {
        Idr1::new()
            .with(Idr1::ATTR_PERMS_OVR, self.has(Feature::AttrPermsOverride))
            .with(Idr1::ATTR_TYPES_OVR, self.has(Feature::AttrTypesOverride))
            .with(Idr1::ECMDQ, self.has(Feature::Ecmdq))
            .try_with(Idr1::SIDSIZE, self.stream_id_bits)?
            .try_with(Idr1::SSIDSIZE, self.substream_id_bits)?
            .try_with(Idr1::PRIQS, self.pri_queue_log2)?
            .try_with(Idr1::EVENTQS, self.event_queue_log2)?
            .try_with(Idr1::CMDQS, self.command_queue_log2)
    }

    fn idr3(&self) -> Result<Idr3, FieldError> {
        let has = |feature| self.has(feature);
        let bbml: u8 = match self.bbm {
            BbmLevel::Level0 => 0,
            BbmLevel::Level1 => 1,
            BbmLevel::Level2 => 2,
        };
        Idr3::new()
            .with(Idr3::HAD, has(Feature::Had))
            .with(Idr3::PBHA, has(Feature::Pbha))
            .with(Idr3::XNX, has(Feature::Xnx))
            .with(Idr3::PPS, has(Feature::PriPasidAlways))
            .with(Idr3::MPAM, has(Feature::Mpam))
            .with(Idr3::FWB, has(Feature::S2Fwb))
            .with(Idr3::STT, has(Feature::SmallTables))
            .with(Idr3::RIL, has(Feature::RangeInvalidation))
            .with(Idr3::E0PD, has(Feature::E0pd))
            .with(Idr3::PTWNNC, has(Feature::Ptwnnc))
            .with(Idr3::DPT, has(Feature::Dpt))
            .with(Idr3::PASIDTT, has(Feature::PasidTranslated))
            .with(Idr3::EPAN, has(Feature::Epan))
            .with(Idr3::S1PI, has(Feature::S1PermissionIndirection))
            .with(Idr3::S2PI, has(Feature::S2PermissionIndirection))
            .with(Idr3::S2PO, has(Feature::S2PermissionOverlay))
            .with(Idr3::THE, has(Feature::TranslationHardening))
            .with(Idr3::MTEPERM, has(Feature::MtePermission))
            .with(Idr3::AIE, has(Feature::AttributeIndexExtension))
            .try_with(Idr3::BBML, bbml)
    }

    fn idr5(&self) -> Result<Idr5, FieldError> {
        let vax: u8 = match self.stage1_input_bits {
            56.. => 2,
            52..=55 => 1,
            _ => 0,
        };
        Idr5::new()
            .with(Idr5::GRAN4K, self.granules.contains(Granule::Size4K))
            .with(Idr5::GRAN16K, self.granules.contains(Granule::Size16K))
            .with(Idr5::GRAN64K, self.granules.contains(Granule::Size64K))
            .with(Idr5::DS, self.has(Feature::Ds))
            .with(Idr5::D128, self.has(Feature::D128))
            .try_with(Idr5::OAS, self.oas.code())?
            .try_with(Idr5::STALL_MAX, self.stall_max)?
            .try_with(Idr5::VAX, vax)
    }
}

/// `BA_VATOS` for the page at this offset, if it can be there.
fn vatos_page(offset: u32) -> Option<u16> {
    let distance = offset.checked_sub(VATOS_BASE)?;
    let page = u16::try_from(distance / VATOS_STEP).ok()?;
    (distance % VATOS_STEP == 0 && page < 1 << 10).then_some(page)
}

fn least(what: Quantity, value: u8, steps: &[u8]) -> Result<u8, GuestError> {
    step_down(value, steps).ok_or(GuestError::TooFew { what, value })
}
