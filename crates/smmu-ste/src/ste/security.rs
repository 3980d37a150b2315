//! STEs of Secure and of Realm stream tables: the same configurations with other rules, and fields of their own
//! (IHI 0070 3.10, 5.2).
//!
//! Only the entries: their stream tables and command queues are those of other register banks.

use super::encode::{check_regime, config};
use super::word::{Ste0, Ste1, Ste2, Ste3, Ste4, Ste5, Ste6};
use super::{Ats, DptMatch, Stage1Config, Stage2Config, Ste, SteConfig, SteError, SteOptions, StreamWorld};
use smmu_regs::caps::{Features, StallModel};
use smmu_regs::vmsa::Stage2Regime;
use smmu_regs::{Caps, Feature};

/// The Security state of a stream table other than the Non-secure one, and what its own ID registers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// Secure.
    Secure(SecureCaps),
    /// Realm.
    Realm(RealmCaps),
}

/// What the Secure ID registers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecureCaps {
    /// Secure EL2 and Secure stage 2 (`S_IDR1.SEL2`).
    pub stage2: bool,
    /// Behaviour of Secure streams on faults (`S_IDR0.STALL_MODEL`).
    pub stall_model: StallModel,
    /// Non-secure PARTIDs can be used (`S_MPAMIDR.HAS_MPAM_NS`).
    pub nonsecure_partitions: bool,
}

/// What the Realm ID registers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RealmCaps {
    /// ATS (`R_IDR0.ATS`).
    pub ats: bool,
    /// Device Permission Table (`R_IDR3.DPT`).
    pub dpt: bool,
    /// Bits of a MECID: `R_MECIDR.MECIDSIZE` + 1; 0 without `R_IDR3.MEC`.
    pub mecid_bits: u8,
    /// The NS attribute of transactions can be checked (`R_IDR3.XT`).
    pub checks_incoming: bool,
    /// Non-secure PARTIDs can be used (`R_MPAMIDR.HAS_MPAM_NS`).
    pub nonsecure_partitions: bool,
}

/// What only an STE of another Security state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SecurityOptions {
    /// Where transactions go that no stage 1 decides about (`NSCFG`).
    pub incoming: IncomingSpace,
    /// PARTIDs are Non-secure ones (`MPAM_NS`).
    pub nonsecure_partitions: bool,
    /// Memory encryption context of a Realm stream (`MECID`); all STEs of a VMID should have the same.
    pub mecid: u16,
    /// The second stage 2 that a Secure one needs.
    pub secure_stage2: Option<SecureStage2>,
}

/// The address space that a transaction asks for, as the SMMU takes it (`NSCFG`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum IncomingSpace {
    /// As it comes.
    #[default]
    Incoming = 0,
    /// As it comes, and what is Non-secure is checked. Realm only.
    Check = 1,
    /// The stream's own: Secure, or Realm.
    Own = 2,
    /// Non-secure.
    NonSecure = 3,
}

/// Which physical addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PaSpace {
    /// Secure.
    #[default]
    Secure,
    /// Non-secure.
    NonSecure,
}

/// Secure stage 2 translates two spaces of IPAs: [`Stage2Config::regime`] is that of Non-secure IPAs (`S2TTB`), and this
/// of Secure ones (`S_S2TTB`). Both have one output size, one kind of walk and the same descriptor formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecureStage2 {
    /// The tables for Secure IPAs.
    pub regime: Stage2Regime,
    /// Where these tables are (`S2SW`).
    pub secure_walks: PaSpace,
    /// Where Secure IPAs lead (`S2SA`); Non-secure if the tables are.
    pub secure_output: PaSpace,
    /// Where the tables for Non-secure IPAs are (`S2NSW`).
    pub nonsecure_walks: PaSpace,
    /// Where Non-secure IPAs lead (`S2NSA`); Non-secure if their tables are, or if Secure IPAs lead there.
    pub nonsecure_output: PaSpace,
}

impl Security {
    /// Capabilities as this state has them: for the CDs of its streams too.
    #[must_use]
    pub const fn caps(&self, caps: &Caps) -> Caps {
        let ats = Features::of(&[Feature::Ats, Feature::SplitStageAts, Feature::Dpt]);
        let stage2 = Features::of(&[Feature::Stage2, Feature::Nested, Feature::Hyp]);
        let mut own = *caps;
        match self {
            Self::Secure(secure) => {
                own.features = own.features.without(ats);
                if !secure.stage2 {
                    own.features = own.features.without(stage2);
                }
                own.stall_model = secure.stall_model;
            }
            Self::Realm(realm) => {
                let split = realm.ats && caps.has(Feature::SplitStageAts);
                own.features = own
                    .features
                    .without(ats)
                    .with_if(Feature::Ats, realm.ats)
                    .with_if(Feature::SplitStageAts, split)
                    .with_if(Feature::Dpt, realm.dpt);
                // The only model that this state has (6.3.122).
                own.stall_model = StallModel::TerminateOnly;
            }
        }
        own
    }
}

const fn no_effect(asked: bool, counts: bool, field: &'static str) -> Result<(), SteError> {
    if asked && !counts { Err(SteError::NoEffect { field }) } else { Ok(()) }
}

impl SteConfig {
    /// The STE of a Secure or Realm stream table.
    ///
    /// # Errors
    /// As [`SteConfig::encode_with`], and what this Security state does not have: a world, ATS of Secure streams, an
    /// option that could have no effect; a Secure stage 2 without the second regime, or whose regimes disagree.
    pub fn encode_for(
        &self,
        caps: &Caps,
        security: &Security,
        options: &SteOptions,
        more: &SecurityOptions,
    ) -> Result<Ste, SteError> {
        let own = security.caps(caps);
        let secure = matches!(security, Security::Secure(_));
        let (plain, world) = self.without_el3(caps, secure)?;
        if let (Security::Realm(_), Ats::Checked(matching)) = (security, self.ats()) {
            // Illegal in this state (5.2 DPT_VMATCH).
            if matching != DptMatch::Restricted {
                return Err(SteError::DptWorld);
            }
        }
        let ste = plain.encode_with(&own, options)?;
        let [zero, one, two, three, four, five, six, seven] = ste.words();
        let (zero, one) = (Ste0::from_bits(zero), Ste1::from_bits(one));
        let (two, three) = (Ste2::from_bits(two), Ste3::from_bits(three));
        let (four, five, six) = (Ste4::from_bits(four), Ste5::from_bits(five), Ste6::from_bits(six));
        let one = one.try_with(Ste1::STRW, world.unwrap_or(one.strw()))?;
        let stage2 = matches!(self, Self::Stage2(_) | Self::Nested { .. });
        no_effect(two.s2vmid() != 0, !secure || stage2, "S2VMID")?;
        let one = incoming_space(&own, security, (zero, one), more.incoming)?;

        let pass = zero.config() >= config::BYPASS;
        let partitions = match security {
            Security::Secure(secure) => secure.nonsecure_partitions,
            Security::Realm(realm) => realm.nonsecure_partitions,
        };
        no_effect(more.nonsecure_partitions, partitions && pass, "MPAM_NS")?;
        let five = five.with(Ste5::MPAM_NS, more.nonsecure_partitions);
        let four = match security {
            Security::Realm(realm) if pass => {
                let bits = realm.mecid_bits.min(16);
                no_effect(more.mecid != 0, bits != 0, "MECID")?;
                if u32::from(more.mecid) >> bits != 0 {
                    return Err(SteError::Mecid { mecid: more.mecid, bits });
                }
                four.try_with(Ste4::MECID, more.mecid)?
            }
            _ => {
                no_effect(more.mecid != 0, false, "MECID")?;
                four
            }
        };
        let (three, four, six) = match (secure && stage2, &more.secure_stage2) {
            (false, None) => (three, four, six),
            (false, Some(_)) => return Err(SteError::NoEffect { field: "S_S2TTB" }),
            (true, None) => return Err(SteError::NoSecureRegime),
            (true, Some(second)) => second.into_words(&own, self.stage2_config(), (three, four, six))?,
        };
        Ok(Ste::from_words([
            zero.into_bits(),
            one.into_bits(),
            two.into_bits(),
            three.into_bits(),
            four.into_bits(),
            five.into_bits(),
            six.into_bits(),
            seven,
        ]))
    }

    /// This configuration in a world that the encoder knows, and the `STRW` that it really has.
    fn without_el3(&self, caps: &Caps, secure: bool) -> Result<(Self, Option<u8>), SteError> {
        match self {
            Self::Stage1(stage1 @ Stage1Config { world: StreamWorld::El3, .. }) => {
                if !secure || caps.has(Feature::Rme) {
                    return Err(SteError::World);
                }
                let world = StreamWorld::El1(smmu_regs::Vmid::new(0));
                Ok((Self::Stage1(Stage1Config { world, ..*stage1 }), Some(1)))
            }
            _ => Ok((*self, None)),
        }
    }

    const fn ats(&self) -> Ats {
        match self {
            Self::Abort | Self::Bypass => Ats::Disabled,
            Self::Stage1(stage1) => stage1.ats,
            Self::Stage2(stage2) | Self::Nested { stage2, .. } => stage2.ats,
        }
    }

    const fn stage2_config(&self) -> Option<&Stage2Config> {
        match self {
            Self::Stage2(stage2) | Self::Nested { stage2, .. } => Some(stage2),
            _ => None,
        }
    }
}

/// `NSCFG`: 13.5, 3.10; when it counts is in the field's own text.
fn incoming_space(
    own: &Caps,
    security: &Security,
    (zero, one): (Ste0, Ste1),
    space: IncomingSpace,
) -> Result<Ste1, SteError> {
    let code = zero.config();
    let substreams = own.substream_id_bits != 0 && zero.s1cdmax() != 0;
    let skips = substreams && one.s1dss() == 1;
    let stage1 = code == config::STAGE1 || code == config::NESTED;
    let pass = code >= config::BYPASS;
    let asked = space != IncomingSpace::Incoming;
    match security {
        Security::Secure(_) => {
            if asked && !own.has(Feature::AttrPermsOverride) {
                return Err(SteError::Unsupported { needs: Feature::AttrPermsOverride });
            }
            let counts = pass && (!stage1 || skips) && space != IncomingSpace::Check;
            no_effect(asked, counts, "NSCFG")?;
        }
        Security::Realm(realm) => {
            let ats = own.has(Feature::Ats) && one.eats() == 1;
            let bypasses = code == config::BYPASS || code == config::STAGE1 && skips;
            let counts = pass && (bypasses || realm.checks_incoming || ats);
            no_effect(asked, counts && (space != IncomingSpace::Check || realm.checks_incoming), "NSCFG")?;
        }
    }
    Ok(one.try_with(Ste1::NSCFG, space as u8)?)
}

impl SecureStage2 {
    fn into_words(
        self,
        own: &Caps,
        first: Option<&Stage2Config>,
        (three, four, six): (Ste3, Ste4, Ste6),
    ) -> Result<(Ste3, Ste4, Ste6), SteError> {
        let Self { regime, secure_walks, secure_output, nonsecure_walks, nonsecure_output } = self;
        let shared = |regime: &Stage2Regime| {
            let Stage2Regime { ps, walk, update, ds, fwb, .. } = *regime;
            (ps, walk, update, ds, fwb)
        };
        if first.is_none_or(|first| shared(&first.regime) != shared(&regime)) {
            return Err(SteError::SecureRegime);
        }
        check_regime(own, &regime)?;
        let outside = |space| space == PaSpace::NonSecure;
        // What leads outside once cannot lead back.
        no_effect(outside(secure_walks) && !outside(secure_output), false, "S2SA")?;
        let led_out = outside(secure_output) || outside(nonsecure_walks);
        no_effect(led_out && !outside(nonsecure_output), false, "S2NSA")?;
        let (sl0, sl2) = regime.sl0()?;
        let three = three
            .with(Ste3::S2NSW, outside(nonsecure_walks))
            .with(Ste3::S2NSA, outside(nonsecure_output) && !led_out);
        let four = four
            .try_with(Ste4::S_S2T0SZ, 64_u8.saturating_sub(regime.input_bits))?
            .try_with(Ste4::S_S2SL0, sl0)?
            .try_with(Ste4::S_S2TG, regime.granule.tg0())?;
        let six = six
            .with(Ste6::S2SW, outside(secure_walks))
            .with(Ste6::S2SA, outside(secure_output) && !outside(secure_walks))
            .with(Ste6::S_S2SL0_2, sl2)
            .try_with_address(Ste6::S_S2TTB, regime.ttb.get())?;
        Ok((three, four, six))
    }
}
