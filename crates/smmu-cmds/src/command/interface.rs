//! Whose command queue: what a programming interface adds to the capabilities (IHI 0070 3.10, 4.1.6).

use core::fmt;
use smmu_regs::caps::StallModel;
use smmu_regs::{Bank, Caps, Feature};

/// The programming interface whose command queue a command is for.
///
/// [`Caps`] are made of the Non-secure ID registers. What another interface's ID registers say of commands is here, and so is
/// what no register in [`Caps`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    /// The Non-secure queue.
    NonSecure(NonSecureInterface),
    /// The Secure queue, whose commands also act on Non-secure streams and translations.
    Secure(SecureInterface),
    /// The Realm queue, whose commands act on Realm streams and translations only.
    Realm(RealmInterface),
}

/// What the Non-secure interface says besides [`Caps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NonSecureInterface {
    /// `MPAMIDR.PARTID_MAX` is not 0: there may be a VMS (5.6.1).
    pub partids: bool,
}

/// What the Secure interface says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecureInterface {
    /// What the Non-secure interface says, for commands that name its streams.
    pub non_secure: NonSecureInterface,
    /// `S_IDR1.S_SIDSIZE`: bits of a Secure StreamID.
    pub stream_id_bits: u8,
    /// `S_IDR1.SEL2`: there are Secure EL2 and Secure stage 2.
    pub sel2: bool,
    /// `S_IDR0.STALL_MODEL`.
    pub stall_model: StallModel,
    /// `S_IDR3.SAMS` is 0: the Secure queue takes ATS, PRI and DPT commands for Non-secure streams.
    pub ats_maintenance: bool,
    /// `S_MPAMIDR.PARTID_MAX` is not 0, or `MPAMIDR.PARTID_MAX` is not 0 and `S_MPAMIDR.HAS_MPAM_NS` is 1 (5.6.1).
    pub partids: bool,
}

/// What the Realm interface says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RealmInterface {
    /// `R_IDR0.ATS`.
    pub ats: bool,
    /// `R_IDR3.DPT`.
    pub dpt: bool,
    /// `R_MPAMIDR.PARTID_MAX` is not 0, or `MPAMIDR.PARTID_MAX` is not 0 and `R_MPAMIDR.HAS_MPAM_NS` is 1 (5.6.1).
    pub partids: bool,
}

/// `SSec`: whether the StreamID or VMID of a command is Secure (4.1.6). Only the Secure queue has the choice.
///
/// [`PREFETCH_*`](super::Opcode::PrefetchConfig), `CFGI_*`, [`RESUME`](super::Opcode::Resume) and `STALL_TERM` have the field. ATC,
/// PRI and DPT commands on the Secure queue are always about Non-secure streams. TLB invalidations have a command for each
/// world instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ssec {
    /// Non-secure, or Realm on the Realm queue.
    #[default]
    NonSecure,
    /// Secure.
    Secure,
}

impl Interface {
    /// The Non-secure queue of an SMMU about whose MPAM nothing is known.
    pub const NON_SECURE: Self = Self::NonSecure(NonSecureInterface { partids: false });

    /// Its bank of registers.
    #[inline]
    #[must_use]
    pub const fn bank(&self) -> Bank {
        match self {
            Self::NonSecure(_) => Bank::NonSecure,
            Self::Secure(_) => Bank::Secure,
            Self::Realm(_) => Bank::Realm,
        }
    }

    /// Bits of a StreamID in its commands (4.1.7).
    pub(crate) const fn stream_id_bits(&self, caps: &Caps, ssec: Ssec) -> u8 {
        match (self, ssec) {
            (Self::Secure(secure), Ssec::Secure) => secure.stream_id_bits,
            _ => caps.stream_id_bits,
        }
    }

    /// Bits of the VMID of a stage-1 invalidation: none where the queue's Security state has no stage 2 (4.4.2).
    pub(crate) const fn stage1_vmid_bits(&self, caps: &Caps) -> u8 {
        match self {
            Self::Secure(secure) if !secure.sel2 => 0,
            _ => caps.usable_vmid_bits(),
        }
    }

    /// Whether stalled transactions exist that its commands can end (4.7.1, 4.7.2).
    pub(crate) const fn has_stalls(&self, caps: &Caps) -> bool {
        let model = match self {
            Self::NonSecure(_) => caps.stall_model,
            Self::Secure(secure) => secure.stall_model,
            Self::Realm(_) => return false,
        };
        !matches!(model, StallModel::TerminateOnly)
    }

    /// Whether it takes `CMD_ATC_INV` (4.5.1).
    pub(crate) const fn has_ats(&self, caps: &Caps) -> bool {
        match self {
            Self::NonSecure(_) => caps.has(Feature::Ats),
            Self::Secure(secure) => caps.has(Feature::Ats) && secure.ats_maintenance,
            Self::Realm(realm) => realm.ats,
        }
    }

    /// Whether it takes `CMD_PRI_RESP` (4.5.2).
    pub(crate) const fn has_pri(&self, caps: &Caps) -> bool {
        match self {
            Self::NonSecure(_) | Self::Realm(_) => caps.has(Feature::Pri),
            Self::Secure(secure) => caps.has(Feature::Pri) && secure.ats_maintenance,
        }
    }

    /// Whether it takes `CMD_DPTI_*` (4.6).
    pub(crate) const fn has_dpt(&self, caps: &Caps) -> bool {
        match self {
            Self::NonSecure(_) => caps.has(Feature::Dpt),
            Self::Secure(secure) => caps.has(Feature::Dpt) && secure.ats_maintenance,
            Self::Realm(realm) => realm.dpt,
        }
    }

    /// Whether the Security state that it and `ssec` name has a VMS (4.3.5, 5.6.1).
    pub(crate) const fn has_vms(&self, caps: &Caps, ssec: Ssec) -> bool {
        let stages = caps.has(Feature::Mpam) && caps.has(Feature::Stage1) && caps.has(Feature::Stage2);
        stages
            && match (self, ssec) {
                (Self::NonSecure(interface), _) => interface.partids,
                (Self::Secure(secure), Ssec::NonSecure) => secure.non_secure.partids,
                (Self::Secure(secure), Ssec::Secure) => secure.sel2 && secure.partids,
                (Self::Realm(realm), _) => realm.partids,
            }
    }

    /// Whether it is the Secure interface of an SMMU with Secure EL2 and Secure stage 2.
    pub(crate) const fn has_secure_el2(&self) -> bool {
        matches!(self, Self::Secure(secure) if secure.sel2)
    }
}

impl Default for Interface {
    fn default() -> Self {
        Self::NON_SECURE
    }
}

/// `bank`, as the architecture writes it in a sentence.
pub(super) const fn bank_name(bank: Bank) -> &'static str {
    match bank {
        Bank::NonSecure => "Non-secure",
        Bank::Secure => "Secure",
        Bank::Realm => "Realm",
        Bank::Root => "Root",
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(bank_name(self.bank()))
    }
}
