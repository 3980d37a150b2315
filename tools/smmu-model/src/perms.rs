//! Permissions of leaf descriptors, direct scheme (DDI 0487 D8.4; IHI 0070 13.4).

use crate::cd::Cd;
use crate::layout::{cd, idr3, leaf1, leaf2, table};
use crate::profile::Profile;
use crate::tlb::World;

/// What an access needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) write: bool,
    /// Instruction fetch; never with `write`.
    pub(crate) instruction: bool,
    /// After `STE.PRIVCFG`.
    pub(crate) privileged: bool,
}

/// Stage 1: read, write, execute, for each privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage1Perms {
    privileged: [bool; 3],
    unprivileged: [bool; 3],
    /// All accesses count as privileged (EL2, 13.4.1).
    single: bool,
    wxn: bool,
    /// Writable-clean: the first write updates the descriptor (3.13.3).
    pub(crate) clean: bool,
}

impl Stage1Perms {
    /// Permissions from a leaf and from bits 63:59 gathered on the way (`S1DirectBasePermissions` in DDI 0487 J1.1).
    pub(crate) fn new(leaf: u64, hierarchy: u64, context: &Cd, world: World, profile: &Profile) -> Self {
        let (leaf, tables) = ([leaf], [hierarchy]);
        let dirty = context.dirty_updates() && leaf1::DBM.is_set(&leaf);
        let read_only = leaf1::AP_RDONLY.is_set(&leaf);
        let ap_table = table::APTABLE.get(&tables);
        let writable = (!read_only || dirty) && ap_table & 2 == 0;
        let clean = read_only && dirty;
        let wxn = context.flag(cd::WXN);
        let uxn = leaf1::UXN.is_set(&leaf) || table::UXNTABLE.is_set(&tables);
        if world == World::El2 {
            let privileged = [true, writable, !uxn];
            return Self { privileged, unprivileged: [false; 3], single: true, wxn, clean };
        }
        let user = leaf1::AP_UNPRIV.is_set(&leaf) && ap_table & 1 == 0;
        let pxn = leaf1::PXN.is_set(&leaf) || table::PXNTABLE.is_set(&tables);
        let user_writable = user && writable;
        let epan = profile.id3(idr3::EPAN) != 0 && context.flag(cd::EPAN);
        let pan = context.flag(cd::PAN) && (user || (epan && !uxn));
        Self {
            privileged: [!pan, writable && !pan, !(pxn || user_writable)],
            unprivileged: [user, user_writable, !uxn],
            single: false,
            wxn,
            clean,
        }
    }

    /// Whether the access is permitted.
    pub(crate) fn allow(&self, need: Need) -> bool {
        let [read, write, execute] =
            if self.single || need.privileged { self.privileged } else { self.unprivileged };
        if need.write {
            write
        } else if need.instruction {
            execute && !(self.wxn && write)
        } else {
            read
        }
    }
}

/// Stage 2 permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage2Perms {
    read: bool,
    write: bool,
    /// Execute, privileged and unprivileged.
    execute: [bool; 2],
    /// Mapped as any Device type: closed to table walks with S2PTW (5.2).
    pub(crate) device: bool,
    /// Writable-clean.
    pub(crate) clean: bool,
}

impl Stage2Perms {
    /// Permissions from a stage 2 leaf. `dirty` is S2HD in effect, `fwb` is S2FWB in effect.
    pub(crate) fn new(leaf: u64, dirty: bool, fwb: bool, profile: &Profile) -> Self {
        let leaf = [leaf];
        let writable = leaf2::S2AP_W.is_set(&leaf);
        let hardware = dirty && leaf2::DBM.is_set(&leaf);
        let (xn1, xn0) = (leaf2::XN1.is_set(&leaf), leaf2::XN0.is_set(&leaf));
        // XN[1:0] with XNX: 0 both, 1 unprivileged only, 2 none, 3 privileged only; without XNX bit 54 alone (6.3.4).
        let execute = if profile.id3(idr3::XNX) != 0 { [xn1 == xn0, !xn1] } else { [!xn1, !xn1] };
        let attr = leaf2::MEMATTR.get(&leaf);
        // Device: MemAttr[3:2]=0 without FWB; MemAttr[2]=0 with FWB (D8.6).
        let device = if fwb { attr & 4 == 0 } else { attr & 0xc == 0 };
        Self {
            read: leaf2::S2AP_R.is_set(&leaf),
            write: writable || hardware,
            execute,
            device,
            clean: !writable && hardware,
        }
    }

    /// Whether the access is permitted.
    pub(crate) fn allow(&self, need: Need) -> bool {
        if need.write {
            self.write
        } else if need.instruction {
            let [privileged, unprivileged] = self.execute;
            if need.privileged { privileged } else { unprivileged }
        } else {
            self.read
        }
    }
}
