//! Options into a CD that is otherwise complete, and back.

use super::options::{BasePermission, CdOptions, CdWorld, HalfOptions, PermissionIndirection, Termination};
use super::word::{Cd0, Cd1, Cd2, Cd4, Cd5};
use super::{Cd, CdConfig, CdError};
use crate::mpam::Mpam;
use smmu_regs::caps::TableEndianness;
use smmu_regs::layout::Layout;
use smmu_regs::{Caps, Feature};

/// Sixteen fields of three bits, the first lowest.
fn packed(permissions: &[BasePermission; 16]) -> u64 {
    permissions.iter().rev().fold(0, |word, permission| word << 3 | *permission as u64)
}

fn unpacked(field: &'static str, word: u64) -> Result<[BasePermission; 16], (&'static str, u8)> {
    let mut all = [BasePermission::None; 16];
    for (index, permission) in (0_u32..).zip(&mut all) {
        let code = (word >> (3 * index) & 7) as u8; // 3 bits
        *permission = BasePermission::from_code(code).ok_or((field, code))?;
    }
    Ok(all)
}

const fn counts(asked: bool, counts: bool, field: &'static str) -> Result<(), CdError> {
    if asked && !counts { Err(CdError::NoEffect { field }) } else { Ok(()) }
}

const fn needs(
    caps: &Caps,
    asked: bool,
    needs: Feature,
    there: bool,
    field: &'static str,
) -> Result<(), CdError> {
    if asked && !caps.has(needs) {
        return Err(CdError::Unsupported { needs });
    }
    counts(asked, there, field)
}

/// With 128-bit descriptors the bits of `HADx` mean something else (5.4 DisCHx).
fn check_half(caps: &Caps, half: &HalfOptions, there: bool, options: &CdOptions) -> Result<(), CdError> {
    let (d128, two) = (caps.has(Feature::D128), options.world == CdWorld::TwoHalves);
    counts(half.nonsecure_walk, there && options.secure, "NSCFG")?;
    counts(half.top_byte_ignored, there, "TBI")?;
    needs(caps, half.hierarchy_disabled, Feature::Had, there && !d128, "HAD")?;
    needs(caps, half.unprivileged_faults, Feature::E0pd, there && two, "E0PD")?;
    needs(caps, half.hardware(), Feature::Pbha, there && half.hierarchy_disabled && !d128, "HWU")
}

/// What the world leaves of halves.
pub(super) fn check_world(config: &CdConfig, world: CdWorld) -> Result<(), CdError> {
    match (world, config.regime.ttb0.is_some(), config.regime.ttb1.is_some()) {
        (CdWorld::OneHalf, false, _) => Err(CdError::NoLowerHalf),
        (CdWorld::OneHalf, _, true) => Err(CdError::UpperHalf),
        _ => Ok(()),
    }
}

fn check_indirection(indirection: &PermissionIndirection, two: bool) -> Result<(), CdError> {
    let PermissionIndirection { unprivileged, privileged } = indirection;
    for (index, (user, kernel)) in (0_u8..).zip(unprivileged.iter().zip(privileged)) {
        counts(*user != BasePermission::None, two, "PIIU")?;
        if user.writes() && kernel.executes() {
            return Err(CdError::WritableExecutable { index });
        }
    }
    Ok(())
}

/// `cd` with `options`.
pub(super) fn apply(cd: &Cd, caps: &Caps, options: &CdOptions) -> Result<Cd, CdError> {
    let [zero, one, two, three, _, _, _, _] = cd.words();
    let (zero, one, two) = (Cd0::from_bits(zero), Cd1::from_bits(one), Cd2::from_bits(two));
    let both = options.world == CdWorld::TwoHalves;
    let has = |feature| caps.has(feature);
    check_half(caps, &options.lower, true, options)?;
    check_half(caps, &options.upper, both, options)?;
    let walks = !(both && zero.epd0() && zero.epd1());
    counts(options.big_endian, walks, "ENDI")?;
    match (caps.table_endianness, options.big_endian) {
        (TableEndianness::Little, true) | (TableEndianness::Big, false) if walks => {
            return Err(CdError::Endianness { big: options.big_endian });
        }
        _ => {}
    }
    counts(options.ignore_access_flag, !zero.ha(), "AFFD")?;
    let indirect = options.permission_indirection;
    needs(caps, indirect.is_some(), Feature::S1PermissionIndirection, true, "PIE")?;
    if let Some(indirection) = &indirect {
        check_indirection(indirection, both)?;
    }
    counts(options.write_execute_never, indirect.is_none(), "WXN")?;
    counts(options.privileged_access_never, both, "PAN")?;
    let pan = options.privileged_access_never && indirect.is_none();
    needs(caps, options.enhanced_pan, Feature::Epan, pan, "EPAN")?;
    if options.termination == Termination::ZeroAndIgnore && has(Feature::AbortOnly) {
        return Err(CdError::Termination);
    }
    needs(caps, options.attribute_index_extension, Feature::AttributeIndexExtension, true, "AIE")?;
    needs(caps, options.protected_attribute, Feature::TranslationHardening, true, "PNCH")?;
    needs(caps, options.mpam.is_some(), Feature::Mpam, true, "PARTID")?;

    let (lower, upper) = (options.lower, options.upper);
    let zero = zero
        .with(Cd0::ENDI, options.big_endian)
        .with(Cd0::AFFD, options.ignore_access_flag)
        .with(Cd0::WXN, options.write_execute_never)
        .with(Cd0::TBI0, lower.top_byte_ignored)
        .with(Cd0::TBI1, upper.top_byte_ignored)
        .with(Cd0::PAN, options.privileged_access_never)
        .with(Cd0::A, options.termination == Termination::Abort);
    let [hwu59, hwu60, hwu61, hwu62] = lower.hardware_bits;
    let one = one
        .with(Cd1::NSCFG0, lower.nonsecure_walk)
        .with(Cd1::HAD0, lower.hierarchy_disabled)
        .with(Cd1::E0PD0, lower.unprivileged_faults)
        .with(Cd1::PNCH, options.protected_attribute)
        .with(Cd1::EPAN, options.enhanced_pan)
        .with(Cd1::HWU059, hwu59)
        .with(Cd1::HWU060, hwu60)
        .with(Cd1::HWU061, hwu61)
        .with(Cd1::HWU062, hwu62);
    let [hwu59, hwu60, hwu61, hwu62] = upper.hardware_bits;
    let two = two
        .with(Cd2::NSCFG1, upper.nonsecure_walk)
        .with(Cd2::HAD1, upper.hierarchy_disabled)
        .with(Cd2::E0PD1, upper.unprivileged_faults)
        .with(Cd2::AIE, options.attribute_index_extension)
        .with(Cd2::PIE, indirect.is_some())
        .with(Cd2::HWU159, hwu59)
        .with(Cd2::HWU160, hwu60)
        .with(Cd2::HWU161, hwu61)
        .with(Cd2::HWU162, hwu62);
    let [low, high] = [options.amair & u64::from(u32::MAX), options.amair >> 32];
    let four = Cd4::new()
        .try_with(Cd4::AMAIR0, low as u32)? // both halves have 32 bits
        .try_with(Cd4::AMAIR1, high as u32)?;
    let mpam = options.mpam.unwrap_or_default();
    let five = Cd5::new().try_with(Cd5::PARTID, mpam.partid)?.try_with(Cd5::PMG, mpam.pmg)?;
    let indirection = indirect.unwrap_or_default();
    Ok(Cd::from_words([
        zero.into_bits(),
        one.into_bits(),
        two.into_bits(),
        three,
        four.into_bits(),
        five.into_bits(),
        packed(&indirection.unprivileged),
        packed(&indirection.privileged),
    ]))
}

impl Cd {
    /// What this CD says beside its tables and tags, if it is used in `world`, by Secure streams or not: the options that
    /// [`CdConfig::encode_with`] made it from.
    ///
    /// # Errors
    /// A field holds a reserved value: its name and the value.
    pub fn options(&self, world: CdWorld, secure: bool) -> Result<CdOptions, (&'static str, u8)> {
        let [zero, one, two, _, amair, five, piiu, piip] = self.words();
        let (zero, one, two) = (Cd0::from_word(zero), Cd1::from_word(one), Cd2::from_word(two));
        let five = Cd5::from_word(five);
        let mpam = Mpam { partid: five.partid(), pmg: five.pmg() };
        let permission_indirection = if two.pie() {
            let (unprivileged, privileged) = (unpacked("PIIU", piiu)?, unpacked("PIIP", piip)?);
            Some(PermissionIndirection { unprivileged, privileged })
        } else {
            None
        };
        Ok(CdOptions {
            world,
            secure,
            lower: HalfOptions {
                top_byte_ignored: zero.tbi0(),
                hierarchy_disabled: one.had0(),
                unprivileged_faults: one.e0pd0(),
                nonsecure_walk: one.nscfg0(),
                hardware_bits: [one.hwu059(), one.hwu060(), one.hwu061(), one.hwu062()],
            },
            upper: HalfOptions {
                top_byte_ignored: zero.tbi1(),
                hierarchy_disabled: two.had1(),
                unprivileged_faults: two.e0pd1(),
                nonsecure_walk: two.nscfg1(),
                hardware_bits: [two.hwu159(), two.hwu160(), two.hwu161(), two.hwu162()],
            },
            big_endian: zero.endi(),
            ignore_access_flag: zero.affd(),
            write_execute_never: zero.wxn(),
            privileged_access_never: zero.pan(),
            enhanced_pan: one.epan(),
            termination: if zero.a() { Termination::Abort } else { Termination::ZeroAndIgnore },
            amair,
            attribute_index_extension: two.aie(),
            protected_attribute: one.pnch(),
            permission_indirection,
            mpam: if mpam == Mpam::default() { None } else { Some(mpam) },
        })
    }
}
