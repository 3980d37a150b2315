//! Options into an STE that is otherwise complete, and back.

use super::attributes::{Allocation, AttributeOverrides, MemoryType, Privilege, ReadKind};
use super::encode::config;
use super::options::{Overlay, PartitionOf, Stage1Options, Stage2Options, SteOptions};
use super::word::{Ste0, Ste1, Ste2, Ste4, Ste5};
use super::{Ste, SteError, SteOddity};
use crate::mpam::Mpam;
use smmu_regs::addr::PhysAddr;
use smmu_regs::caps::TableEndianness;
use smmu_regs::layout::Layout;
use smmu_regs::vmsa::Shareability;
use smmu_regs::{Caps, Feature};

/// What an STE's configuration is to its options.
struct Place<'a> {
    caps: &'a Caps,
    /// Transactions pass.
    pass: bool,
    s1: bool,
    s2: bool,
    /// Some transaction has no stage 1.
    incoming: bool,
}

impl<'a> Place<'a> {
    fn of(caps: &'a Caps, zero: Ste0, one: Ste1) -> Self {
        let code = zero.config();
        let s1 = code == config::STAGE1 || code == config::NESTED;
        let substreams = caps.substream_id_bits != 0 && zero.s1cdmax() != 0;
        Self {
            caps,
            pass: code >= config::BYPASS,
            s1,
            s2: code == config::STAGE2 || code == config::NESTED,
            incoming: code >= config::BYPASS && (!s1 || substreams && one.s1dss() == 1),
        }
    }

    /// Refuses `asked` where the field does not count.
    const fn counts(&self, asked: bool, counts: bool, field: &'static str) -> Result<(), SteError> {
        if asked && !counts { Err(SteError::NoEffect { field }) } else { Ok(()) }
    }

    /// As [`Place::counts`], where the SMMU must have a feature too.
    const fn needs(
        &self,
        asked: bool,
        needs: Feature,
        counts: bool,
        field: &'static str,
    ) -> Result<(), SteError> {
        if asked && !self.caps.has(needs) {
            return Err(SteError::Unsupported { needs });
        }
        self.counts(asked, counts, field)
    }

    fn attributes(&self, one: Ste1, overrides: &AttributeOverrides) -> Result<Ste1, SteError> {
        let (types, permissions) = (Feature::AttrTypesOverride, Feature::AttrPermsOverride);
        let AttributeOverrides { memory_type, allocation, shareability, privilege, reads } = *overrides;
        self.needs(memory_type.is_some(), types, self.pass, "MTCFG")?;
        self.needs(allocation.is_some(), types, self.pass, "ALLOCCFG")?;
        self.needs(shareability.is_some(), types, self.incoming, "SHCFG")?;
        self.needs(privilege.is_some(), permissions, self.pass, "PRIVCFG")?;
        self.needs(reads.is_some(), permissions, self.pass, "INSTCFG")?;
        let mut one = one.with(Ste1::MTCFG, memory_type.is_some());
        if let Some(memory_type) = memory_type {
            one = one.try_with(Ste1::MEMATTR, memory_type.code())?;
        }
        if let Some(allocation) = allocation {
            one = one.try_with(Ste1::ALLOCCFG, allocation.code())?;
        }
        if let Some(shareability) = shareability {
            one = one.try_with(Ste1::SHCFG, shareability as u8)?;
        }
        if let Some(privilege) = privilege {
            one = one.try_with(Ste1::PRIVCFG, privilege as u8)?;
        }
        if let Some(reads) = reads {
            one = one.try_with(Ste1::INSTCFG, reads as u8)?;
        }
        Ok(one)
    }

    fn shared(&self, one: Ste1, options: &SteOptions) -> Result<Ste1, SteError> {
        let translated = (self.s1 || self.s2) && self.caps.minor_version >= 1;
        self.counts(options.merge_events.is_some(), self.pass, "MEV")?;
        self.counts(options.destructive_reads, translated, "DRE")?;
        self.counts(options.directed_prefetch, translated, "DCP")?;
        let answers =
            self.pass && self.caps.substream_id_bits != 0 && !self.caps.has(Feature::PriPasidAlways);
        self.needs(options.pasid_in_auto_response, Feature::Pri, answers, "PPAR")?;
        Ok(one
            .with(Ste1::MEV, options.merge_events.unwrap_or(one.mev()))
            .with(Ste1::DRE, options.destructive_reads)
            .with(Ste1::DCP, options.directed_prefetch)
            .with(Ste1::PPAR, options.pasid_in_auto_response))
    }

    /// `S1MPAM` and the address of the VMS.
    fn partition(&self, of: PartitionOf) -> Result<(bool, u64), SteError> {
        let nested = self.s1 && self.s2;
        match of {
            PartitionOf::Ste => Ok((false, 0)),
            PartitionOf::Cd => {
                self.needs(true, Feature::Mpam, self.s1 && !nested, "S1MPAM")?;
                Ok((true, 0))
            }
            PartitionOf::CdThroughVms(address) => {
                self.needs(true, Feature::Mpam, nested, "VMSPTR")?;
                let align = crate::mpam::Vms::TABLE_BYTES;
                if !address.is_aligned(align) {
                    return Err(SteError::Misaligned { address, align });
                }
                let size = self.caps.oas;
                if !size.contains(address.get()) {
                    return Err(SteError::TooHigh { address, size });
                }
                Ok((true, address.get()))
            }
        }
    }

    fn stage2(
        &self,
        (one, two, five): (Ste1, Ste2, Ste5),
        options: &Stage2Options,
    ) -> Result<(Ste1, Ste2, Ste5, u64), SteError> {
        let Stage2Options { big_endian, ignore_access_flag, hardware_bits, overlays, .. } = *options;
        if self.s2 {
            match (self.caps.table_endianness, big_endian) {
                (TableEndianness::Little, true) | (TableEndianness::Big, false) => {
                    return Err(SteError::Endianness { big: big_endian });
                }
                _ => {}
            }
        }
        self.counts(big_endian, self.s2, "S2ENDI")?;
        self.counts(ignore_access_flag, self.s2 && !two.s2ha(), "S2AFFD")?;
        let [hwu59, hwu60, hwu61, hwu62] = hardware_bits;
        let hardware = hwu59 || hwu60 || hwu61 || hwu62;
        self.needs(hardware, Feature::Pbha, self.s2, "S2HWU")?;
        let indirect = options.permission_indirection;
        self.needs(indirect, Feature::S2PermissionIndirection, self.s2, "S2PIE")?;
        self.needs(overlays.is_some(), Feature::S2PermissionOverlay, self.s2, "S2POE")?;
        if overlays.is_some() && !indirect {
            return Err(SteError::OverlayWithoutIndirection);
        }
        if overlays.is_some() && hardware {
            return Err(SteError::OverlayWithHardwareBits);
        }
        let hardening = Feature::TranslationHardening;
        self.needs(options.assured_only, hardening, self.s2, "ASSUREDONLY")?;
        self.needs(options.top_level_0, hardening, self.s2, "TL0")?;
        self.needs(options.top_level_1, hardening, self.s2, "TL1")?;

        let one = one
            .with(Ste1::S2HWU59, hwu59)
            .with(Ste1::S2HWU60, hwu60)
            .with(Ste1::S2HWU61, hwu61)
            .with(Ste1::S2HWU62, hwu62);
        let two = two
            .with(Ste2::S2ENDI, big_endian)
            .with(Ste2::S2AFFD, ignore_access_flag)
            .with(Ste2::S2PIE, indirect)
            .with(Ste2::S2POE, overlays.is_some());
        let five = five
            .with(Ste5::ASSUREDONLY, options.assured_only)
            .with(Ste5::TL0, options.top_level_0)
            .with(Ste5::TL1, options.top_level_1);
        let seven = overlays.map_or(0, |all| {
            // The first is the lowest of sixteen fields of four bits.
            all.iter().rev().fold(0, |word, overlay| word << 4 | *overlay as u64)
        });
        Ok((one, two, five, seven))
    }
}

/// `ste` with `options`.
pub(super) fn apply(ste: &Ste, caps: &Caps, options: &SteOptions) -> Result<Ste, SteError> {
    let [zero, one, two, three, four, five, six, seven] = ste.words();
    let (zero, one, two) = (Ste0::from_bits(zero), Ste1::from_bits(one), Ste2::from_bits(two));
    let (mut four, mut five) = (Ste4::from_bits(four), Ste5::from_bits(five));
    let place = Place::of(caps, zero, one);

    let one = place.attributes(one, &options.attributes)?;
    let one = place.shared(one, options)?;
    place.needs(options.mpam.is_some(), Feature::Mpam, place.pass, "PARTID")?;
    if let Some(Mpam { partid, pmg }) = options.mpam {
        four = four.try_with(Ste4::PARTID, partid)?;
        five = five.try_with(Ste5::PMG, pmg)?;
    }
    let Stage1Options { permission_indirection, partition } = options.stage1;
    place.needs(permission_indirection, Feature::S1PermissionIndirection, place.s1, "S1PIE")?;
    let (of_cd, vms) = place.partition(partition)?;
    let one = one.with(Ste1::S1PIE, permission_indirection).with(Ste1::S1MPAM, of_cd);
    let five = five.try_with_address(Ste5::VMSPTR, vms)?;
    let (one, two, five, overlays) = place.stage2((one, two, five), &options.stage2)?;
    Ok(Ste::from_words([
        zero.into_bits(),
        one.into_bits(),
        two.into_bits(),
        three,
        four.into_bits(),
        five.into_bits(),
        six,
        seven | overlays,
    ]))
}

impl Ste {
    /// What this STE says beside whose tables translate, on an SMMU with these capabilities: the options that
    /// [`SteConfig::encode_with`](super::SteConfig::encode_with) made it from. The shareability is read where it counts;
    /// other fields that the configuration ignores are read as they stand.
    ///
    /// # Errors
    /// A field holds a reserved value.
    pub fn options(&self, caps: &Caps) -> Result<SteOptions, SteOddity> {
        let [zero, one, two, _, four, five, _, seven] = self.words();
        let (zero, one, two) = (Ste0::from_word(zero), Ste1::from_word(one), Ste2::from_word(two));
        let (four, five) = (Ste4::from_word(four), Ste5::from_word(five));
        let reserved = |field, value: u8| SteOddity::Reserved { field, value: u64::from(value) };
        let memory_type = match one.mtcfg() {
            false => None,
            true => Some(MemoryType::from_code(one.memattr()).ok_or(reserved("MEMATTR", one.memattr()))?),
        };
        let privilege = match one.privcfg() {
            0 => None,
            2 => Some(Privilege::Unprivileged),
            3 => Some(Privilege::Privileged),
            value => return Err(reserved("PRIVCFG", value)),
        };
        let reads = match one.instcfg() {
            0 => None,
            2 => Some(ReadKind::Data),
            3 => Some(ReadKind::Instruction),
            value => return Err(reserved("INSTCFG", value)),
        };
        let nested = zero.config() == config::NESTED;
        let counts = Place::of(caps, zero, one).incoming && caps.has(Feature::AttrTypesOverride);
        // 1 is "use incoming", which is no attribute.
        let shareability = if counts { Shareability::from_code(one.shcfg()) } else { None };
        let attributes = AttributeOverrides {
            memory_type,
            allocation: Allocation::from_code(one.alloccfg()),
            shareability,
            privilege,
            reads,
        };
        let partition = match (one.s1mpam(), nested) {
            (false, _) => PartitionOf::Ste,
            (true, false) => PartitionOf::Cd,
            (true, true) => PartitionOf::CdThroughVms(PhysAddr::new(five.address(Ste5::VMSPTR))),
        };
        let overlays = if two.s2poe() {
            let mut all = [Overlay::NoAccess; 16];
            for (index, overlay) in (0_u32..).zip(&mut all) {
                let code = (seven >> (4 * index) & 15) as u8; // 4 bits
                *overlay = Overlay::from_code(code).ok_or(reserved("S2POI", code))?;
            }
            Some(all)
        } else {
            None
        };
        let mpam = Mpam { partid: four.partid(), pmg: five.pmg() };
        Ok(SteOptions {
            attributes,
            merge_events: if one.mev() { Some(true) } else { None },
            destructive_reads: one.dre(),
            directed_prefetch: one.dcp(),
            pasid_in_auto_response: one.ppar(),
            mpam: if mpam == Mpam::default() { None } else { Some(mpam) },
            stage1: Stage1Options { permission_indirection: one.s1pie(), partition },
            stage2: Stage2Options {
                big_endian: two.s2endi(),
                ignore_access_flag: two.s2affd(),
                hardware_bits: [one.s2hwu59(), one.s2hwu60(), one.s2hwu61(), one.s2hwu62()],
                permission_indirection: two.s2pie(),
                overlays,
                assured_only: five.assuredonly(),
                top_level_0: five.tl0(),
                top_level_1: five.tl1(),
            },
        })
    }
}
