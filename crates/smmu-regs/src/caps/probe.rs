//! ID registers to capabilities: one pure function.

use super::errata::ErrataSet;
use super::error::{Oddities, Oddity, ProbeError};
use super::feature::{Feature, Features};
use super::hints::Hints;
use super::ids::IdRegisters;
use super::rules;
use super::{BbmLevel, Caps, Ecmdq, StallModel, TableEndianness};
use crate::addr::AddressSize;
use crate::registers::Idr5;
use crate::vmsa::{Granule, GranuleSet, HardwareUpdate};

impl Caps {
    /// What an SMMU with these ID registers can do, errata applied.
    ///
    /// A reserved value, or a combination that the architecture rules out, is read in the safe way - the feature is
    /// taken as absent - and listed in [`Caps::oddities`].
    ///
    /// ```
    /// use smmu_regs::caps::{Hints, IdRegisters};
    /// use smmu_regs::{Caps, Feature};
    ///
    /// let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
    /// assert!(caps.has(Feature::RangeInvalidation) && caps.oddities().is_empty());
    /// # Ok::<(), smmu_regs::caps::ProbeError>(())
    /// ```
    ///
    /// # Errors
    /// The SMMU cannot be driven: see [`ProbeError`].
    pub fn probe(ids: &IdRegisters, hints: &Hints) -> Result<Self, ProbeError> {
        check_drivable(ids)?;
        let (mut caps, odd) = read(ids, hints);
        caps.oddities = odd.union(rules::broken(&caps));
        caps.close();
        caps.apply_errata(ids, hints);
        Ok(caps)
    }

    /// As [`Caps::probe`], but a reserved value or an impossible combination is an error too.
    ///
    /// # Errors
    /// Those of [`Caps::probe`], and [`ProbeError::Odd`].
    pub fn probe_strict(ids: &IdRegisters, hints: &Hints) -> Result<Self, ProbeError> {
        let caps = Self::probe(ids, hints)?;
        match caps.oddities.iter().next() {
            None => Ok(caps),
            Some(oddity) => Err(ProbeError::Odd { oddity, value: ids.word(oddity.register()) }),
        }
    }

    fn apply_errata(&mut self, ids: &IdRegisters, hints: &Hints) {
        self.errata = ErrataSet::matching(ids.iidr, hints.model);
        for erratum in self.errata.iter() {
            self.features = self.features.without(erratum.clears);
            self.quirks = self.quirks.union(erratum.asks);
        }
        self.close();
    }
}

/// log2 of the most entries that any queue can have (IHI 0070 6.3.2).
pub(super) const MAX_QUEUE_LOG2: u8 = 19;
/// log2 of the most control pages, and of the most queues in one (6.3.45).
pub(super) const MAX_ECMDQ_LOG2: u8 = 8;
/// Where the VATOS page can be: from here in steps of 64 KiB (6.3.3).
pub(super) const VATOS_BASE: u32 = 0x2_0000;
pub(super) const VATOS_STEP: u32 = 0x1_0000;
/// With this many StreamID bits there are two-level stream tables (6.3.2).
pub(super) const TWO_LEVEL_STREAM_BITS: u8 = 7;

fn check_drivable(ids: &IdRegisters) -> Result<(), ProbeError> {
    let idr0 = ids.idr0.into_bits();
    if idr0 == u32::MAX && ids.idr1.into_bits() == u32::MAX {
        return Err(ProbeError::NotThere);
    }
    if ids.aidr.archmajorrev() != 0 {
        return Err(ProbeError::Architecture { aidr: ids.aidr.into_bits() });
    }
    if !matches!(ids.idr0.ttendian(), 0 | 2) {
        return Err(ProbeError::Endianness { idr0 });
    }
    if !ids.idr0.s1p() && !ids.idr0.s2p() {
        return Err(ProbeError::NoStage { idr0 });
    }
    if ids.idr0.ttf() & 0b10 == 0 {
        return Err(ProbeError::NoAarch64Tables { idr0 });
    }
    if ids.idr1.tables_preset() || ids.idr1.queues_preset() || ids.idr1.rel() {
        return Err(ProbeError::Preset { idr1: ids.idr1.into_bits() });
    }
    Ok(())
}

/// What each field says by itself, and which values are reserved. Combinations are for [`rules`].
fn read(ids: &IdRegisters, hints: &Hints) -> (Caps, Oddities) {
    let (idr0, idr1, idr3, idr5) = (ids.idr0, ids.idr1, ids.idr3, ids.idr5);
    let mut odd = Oddities::default();
    let both_stages = idr0.s1p() && idr0.s2p();
    odd.add_if(Oddity::Ns1atsWithoutAts, idr0.ns1ats() && !(idr0.ats() && both_stages));
    odd.add_if(Oddity::StreamTableLevel, idr0.st_level() > 1);
    odd.add_if(Oddity::StreamIdSize, idr1.sidsize() > 32);
    odd.add_if(Oddity::SubstreamIdSize, idr1.ssidsize() > 20);
    odd.add_if(Oddity::LargeLinear, idr1.sidsize() >= TWO_LEVEL_STREAM_BITS && idr0.st_level() == 0);
    let queues = [idr1.cmdqs(), idr1.eventqs(), if idr0.pri() { idr1.priqs() } else { 0 }];
    odd.add_if(Oddity::QueueSize, queues.into_iter().any(|log2| log2 > MAX_QUEUE_LOG2));
    odd.add_if(Oddity::EcmdqWithoutCoherence, idr1.ecmdq() && !(idr0.cohacc() && idr0.msi()));
    odd.add_if(Oddity::VatosPage, !idr0.vatos() && ids.idr2.ba_vatos() != 0);
    let granules = granules(idr5);
    odd.add_if(Oddity::NoGranule, granules.is_empty());

    let stall_model = match idr0.stall_model() {
        0 => StallModel::Supported,
        2 => StallModel::Forced,
        model => {
            odd.add_if(Oddity::StallModel, model == 3);
            StallModel::TerminateOnly
        }
    };
    let bbm = match idr3.bbml() {
        1 => BbmLevel::Level1,
        2 => BbmLevel::Level2,
        level => {
            odd.add_if(Oddity::Bbml, level == 3);
            BbmLevel::Level0
        }
    };
    let stage1_input_bits = match idr5.vax() {
        1 => 52,
        2 => 56,
        vax => {
            odd.add_if(Oddity::Vax, vax == 3);
            48
        }
    };
    let oas = match AddressSize::from_code(idr5.oas()) {
        Some(AddressSize::Bits56) if !idr5.d128() => {
            odd.add_if(Oddity::Oas, true);
            AddressSize::Bits48
        }
        Some(size) => size,
        None => AddressSize::Bits48,
    };
    let httu = hints.httu.unwrap_or(match idr0.httu() {
        0 => HardwareUpdate::None,
        1 => HardwareUpdate::AccessFlag,
        2 => HardwareUpdate::Dirty,
        _ => HardwareUpdate::TableAccessFlag,
    });
    let ecmdq = ecmdq(ids, &mut odd);
    let offset =
        VATOS_STEP.checked_mul(u32::from(ids.idr2.ba_vatos())).and_then(|at| at.checked_add(VATOS_BASE));

    let caps = Caps {
        features: features(ids, hints),
        quirks: hints.quirks,
        minor_version: ids.aidr.archminorrev(),
        oas,
        stage1_input_bits,
        granules,
        asid_bits: if idr0.asid16() { 16 } else { 8 },
        vmid_bits: if idr0.vmid16() { 16 } else { 8 },
        stream_id_bits: idr1.sidsize().min(32),
        substream_id_bits: idr1.ssidsize().min(20),
        command_queue_log2: idr1.cmdqs().min(MAX_QUEUE_LOG2),
        event_queue_log2: idr1.eventqs().min(MAX_QUEUE_LOG2),
        pri_queue_log2: idr1.priqs().min(MAX_QUEUE_LOG2),
        ecmdq,
        vatos_offset: if idr0.vatos() { offset } else { None },
        stall_model,
        stall_max: idr5.stall_max(),
        bbm,
        httu,
        table_endianness: if idr0.ttendian() == 2 { TableEndianness::Little } else { TableEndianness::Mixed },
        errata: ErrataSet::default(),
        oddities: Oddities::default(),
    };
    (caps, odd)
}

fn granules(idr5: Idr5) -> GranuleSet {
    let with_if = |set: GranuleSet, granule, there| if there { set.with(granule) } else { set };
    let set = with_if(GranuleSet::EMPTY, Granule::Size4K, idr5.gran4k());
    let set = with_if(set, Granule::Size16K, idr5.gran16k());
    with_if(set, Granule::Size64K, idr5.gran64k())
}

fn ecmdq(ids: &IdRegisters, odd: &mut Oddities) -> Option<Ecmdq> {
    if !ids.idr1.ecmdq() {
        odd.add_if(Oddity::Idr6WithoutEcmdq, ids.idr6.into_bits() != 0);
        return None;
    }
    let (pages, queues) = (ids.idr6.cmdq_control_page_log2nump(), ids.idr6.cmdq_control_page_log2numq());
    odd.add_if(Oddity::EcmdqSize, pages.max(queues) > MAX_ECMDQ_LOG2);
    Some(Ecmdq { pages_log2: pages.min(MAX_ECMDQ_LOG2), queues_per_page_log2: queues.min(MAX_ECMDQ_LOG2) })
}

fn features(ids: &IdRegisters, hints: &Hints) -> Features {
    let (idr0, idr1, idr3, idr5) = (ids.idr0, ids.idr1, ids.idr3, ids.idr5);
    let both_stages = idr0.s1p() && idr0.s2p();
    Features::EMPTY
        .with_if(Feature::Stage1, idr0.s1p())
        .with_if(Feature::Stage2, idr0.s2p())
        .with_if(Feature::Nested, both_stages)
        .with_if(Feature::Aarch32Tables, idr0.ttf() & 1 != 0)
        .with_if(Feature::Aarch64Tables, idr0.ttf() & 2 != 0)
        .with_if(Feature::Coherent, hints.coherent.unwrap_or(idr0.cohacc()))
        .with_if(Feature::BroadcastTlbi, idr0.btm())
        .with_if(Feature::PrivateTlbMaintenance, idr0.btm())
        .with_if(Feature::DormantHint, idr0.dormhint())
        .with_if(Feature::Hyp, idr0.hyp())
        .with_if(Feature::Ats, idr0.ats())
        .with_if(Feature::SplitStageAts, idr0.ats() && both_stages && !idr0.ns1ats())
        .with_if(Feature::Msi, idr0.msi())
        .with_if(Feature::Sev, idr0.sev())
        .with_if(Feature::Atos, idr0.atos())
        .with_if(Feature::Vatos, idr0.vatos())
        .with_if(Feature::Pri, idr0.pri())
        .with_if(Feature::VmidWildcard, idr0.vmw())
        .with_if(Feature::TwoLevelCdTable, idr0.cd2l())
        .with_if(Feature::TwoLevelStreamTable, idr0.st_level() == 1)
        .with_if(Feature::AbortOnly, idr0.term_model())
        .with_if(Feature::AtsRecordErrors, idr0.atsrecerr())
        .with_if(Feature::Rme, idr0.rme_impl())
        .with_if(Feature::AttrTypesOverride, idr1.attr_types_ovr())
        .with_if(Feature::AttrPermsOverride, idr1.attr_perms_ovr())
        .with_if(Feature::Ecmdq, idr1.ecmdq() && idr0.cohacc() && idr0.msi())
        .with_if(Feature::Had, idr3.had())
        .with_if(Feature::Pbha, idr3.pbha())
        .with_if(Feature::Xnx, idr3.xnx())
        .with_if(Feature::PriPasidAlways, idr3.pps())
        .with_if(Feature::Mpam, idr3.mpam())
        .with_if(Feature::S2Fwb, idr3.fwb())
        .with_if(Feature::SmallTables, idr3.stt())
        .with_if(Feature::RangeInvalidation, idr3.ril())
        .with_if(Feature::E0pd, idr3.e0pd())
        .with_if(Feature::Ptwnnc, idr3.ptwnnc())
        .with_if(Feature::Dpt, idr3.dpt())
        .with_if(Feature::PasidTranslated, idr3.pasidtt())
        .with_if(Feature::Epan, idr3.epan())
        .with_if(Feature::S1PermissionIndirection, idr3.s1pi())
        .with_if(Feature::S2PermissionIndirection, idr3.s2pi())
        .with_if(Feature::S2PermissionOverlay, idr3.s2po())
        .with_if(Feature::TranslationHardening, idr3.the())
        .with_if(Feature::MtePermission, idr3.mteperm())
        .with_if(Feature::AttributeIndexExtension, idr3.aie())
        .with_if(Feature::Ds, idr5.ds())
        .with_if(Feature::D128, idr5.d128())
        .with_if(Feature::E2hHost, idr0.hyp() && hints.host_uses_e2h)
        .with_if(Feature::Atomic128, hints.atomic_128)
}
