//! The register file: which registers exist, how wide they are, which bits they define and what guards them.
//!
//! Only storage and description; what a write does is in `mmio`. Registers that reset to an UNKNOWN value reset to 0.

use std::collections::BTreeMap;

use crate::Field;
use crate::ecmdq::{self, Queue};
use crate::layout::{self, cmdq_base, cr0, idr0, idr1, irq_ctrl, offset, strtab_base, strtab_base_cfg};
use crate::profile::Profile;
use crate::ring::Ring;

/// What must be off for a register to be writable ("Guarded by", 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Always writable.
    Open,
    /// Read only.
    ReadOnly,
    /// A CR0 enable, and its acknowledgement, must be 0.
    Cr0(Field, &'static str),
    /// An IRQ_CTRL enable, and its acknowledgement, must be 0.
    Irq(Field, &'static str),
    /// EN and ENACK of the enhanced queue must be 0.
    EcmdqOff(Queue),
    /// EN and ENACK of the enhanced queue must be equal.
    EcmdqSettled(Queue),
}

/// One register of the Non-secure interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Name in `layout::FIELDS`, without the `SMMU_` prefix.
    pub(crate) name: &'static str,
    /// Offset from the SMMU base, page included.
    pub(crate) offset: u32,
    /// 64-bit register.
    pub(crate) wide: bool,
    /// Write guard.
    pub(crate) guard: Guard,
    /// Exists only with this IDR0 bit; otherwise Reserved.
    pub(crate) needs: Option<Field>,
}

const fn spec(name: &'static str, offset: u32, wide: bool, guard: Guard) -> Spec {
    Spec { name, offset, wide, guard, needs: None }
}

const fn pri(name: &'static str, offset: u32, wide: bool, guard: Guard) -> Spec {
    Spec { name, offset, wide, guard, needs: Some(idr0::PRI) }
}

const SMMUEN: Guard = Guard::Cr0(cr0::SMMUEN, "SMMUEN");
const CMDQEN: Guard = Guard::Cr0(cr0::CMDQEN, "CMDQEN");
const EVENTQEN: Guard = Guard::Cr0(cr0::EVENTQEN, "EVENTQEN");
const PRIQEN: Guard = Guard::Cr0(cr0::PRIQEN, "PRIQEN");
const GERROR_IRQ: Guard = Guard::Irq(irq_ctrl::GERROR_IRQEN, "GERROR_IRQEN");
const EVENTQ_IRQ: Guard = Guard::Irq(irq_ctrl::EVENTQ_IRQEN, "EVENTQ_IRQEN");
const PRIQ_IRQ: Guard = Guard::Irq(irq_ctrl::PRIQ_IRQEN, "PRIQ_IRQEN");

/// All modelled registers. CR1 and CR2 are open here: only a change of their value is forbidden (6.3.11, 6.3.12).
pub(crate) const SPECS: &[Spec] = &[
    spec("IDR0", offset::IDR0, false, Guard::ReadOnly),
    spec("IDR1", offset::IDR1, false, Guard::ReadOnly),
    spec("IDR2", offset::IDR2, false, Guard::ReadOnly),
    spec("IDR3", offset::IDR3, false, Guard::ReadOnly),
    spec("IDR4", offset::IDR4, false, Guard::ReadOnly),
    spec("IDR5", offset::IDR5, false, Guard::ReadOnly),
    spec("IIDR", offset::IIDR, false, Guard::ReadOnly),
    spec("AIDR", offset::AIDR, false, Guard::ReadOnly),
    spec("IDR6", offset::IDR6, false, Guard::ReadOnly),
    spec("CR0", offset::CR0, false, Guard::Open),
    spec("CR0ACK", offset::CR0ACK, false, Guard::ReadOnly),
    spec("CR1", offset::CR1, false, Guard::Open),
    spec("CR2", offset::CR2, false, Guard::Open),
    spec("STATUSR", offset::STATUSR, false, Guard::ReadOnly),
    spec("GBPA", offset::GBPA, false, Guard::Open),
    spec("IRQ_CTRL", offset::IRQ_CTRL, false, Guard::Open),
    spec("IRQ_CTRLACK", offset::IRQ_CTRLACK, false, Guard::ReadOnly),
    spec("GERROR", offset::GERROR, false, Guard::ReadOnly),
    spec("GERRORN", offset::GERRORN, false, Guard::Open),
    spec("GERROR_IRQ_CFG0", offset::GERROR_IRQ_CFG0, true, GERROR_IRQ),
    spec("GERROR_IRQ_CFG1", offset::GERROR_IRQ_CFG1, false, GERROR_IRQ),
    spec("GERROR_IRQ_CFG2", offset::GERROR_IRQ_CFG2, false, GERROR_IRQ),
    spec("STRTAB_BASE", offset::STRTAB_BASE, true, SMMUEN),
    spec("STRTAB_BASE_CFG", offset::STRTAB_BASE_CFG, false, SMMUEN),
    spec("CMDQ_BASE", offset::CMDQ_BASE, true, CMDQEN),
    spec("CMDQ_PROD", offset::CMDQ_PROD, false, Guard::Open),
    spec("CMDQ_CONS", offset::CMDQ_CONS, false, CMDQEN),
    spec("EVENTQ_BASE", offset::EVENTQ_BASE, true, EVENTQEN),
    spec("EVENTQ_PROD", offset::EVENTQ_PROD, false, EVENTQEN),
    spec("EVENTQ_CONS", offset::EVENTQ_CONS, false, Guard::Open),
    spec("EVENTQ_IRQ_CFG0", offset::EVENTQ_IRQ_CFG0, true, EVENTQ_IRQ),
    spec("EVENTQ_IRQ_CFG1", offset::EVENTQ_IRQ_CFG1, false, EVENTQ_IRQ),
    spec("EVENTQ_IRQ_CFG2", offset::EVENTQ_IRQ_CFG2, false, EVENTQ_IRQ),
    pri("PRIQ_BASE", offset::PRIQ_BASE, true, PRIQEN),
    pri("PRIQ_PROD", offset::PRIQ_PROD, false, PRIQEN),
    pri("PRIQ_CONS", offset::PRIQ_CONS, false, Guard::Open),
    pri("PRIQ_IRQ_CFG0", offset::PRIQ_IRQ_CFG0, true, PRIQ_IRQ),
    pri("PRIQ_IRQ_CFG1", offset::PRIQ_IRQ_CFG1, false, PRIQ_IRQ),
    pri("PRIQ_IRQ_CFG2", offset::PRIQ_IRQ_CFG2, false, PRIQ_IRQ),
];

/// The register that covers `at`, and whether `at` is its upper half.
pub(crate) fn find(at: u32, profile: &Profile) -> Option<(Spec, bool)> {
    let fixed =
        SPECS.iter().filter(|s| s.needs.is_none_or(|bit| profile.id0(bit) != 0)).find_map(|s| {
            match at.checked_sub(s.offset)? {
                0 => Some((*s, false)),
                4 if s.wide => Some((*s, true)),
                _ => None,
            }
        });
    fixed.or_else(|| ecmdq::find(at, profile))
}

/// Bits that software may set in a register of this SMMU: its fields, less those whose feature is missing (6.3).
pub(crate) fn writable_bits(name: &str, profile: &Profile) -> u64 {
    use layout::{cr2, gerrorn};
    let mut bits = layout::defined(name).first().copied().unwrap_or(0);
    let has = |field: Field| profile.id0(field) != 0;
    let mut drop_unless = |present: bool, field: Field| {
        if !present {
            bits &= !field.mask();
        }
    };
    match name {
        "CR0" => {
            drop_unless(has(idr0::PRI), cr0::PRIQEN);
            drop_unless(has(idr0::ATS), cr0::ATSCHK);
            drop_unless(has(idr0::VMW), cr0::VMW);
            drop_unless(false, cr0::DPT_WALK_EN);
        }
        "CR2" => {
            drop_unless(profile.hyp(), cr2::E2H);
            drop_unless(has(idr0::BTM), cr2::PTM);
            drop_unless(has(idr0::ATSRECERR), cr2::REC_CFG_ATS);
        }
        "IRQ_CTRL" => drop_unless(has(idr0::PRI), irq_ctrl::PRIQ_IRQEN),
        "GERRORN" => {
            drop_unless(has(idr0::PRI), gerrorn::PRIQ_ABT_ERR);
            drop_unless(has(idr0::MSI), gerrorn::MSI_CMDQ_ABT_ERR);
            drop_unless(has(idr0::MSI), gerrorn::MSI_EVENTQ_ABT_ERR);
            drop_unless(has(idr0::MSI) && has(idr0::PRI), gerrorn::MSI_PRIQ_ABT_ERR);
            drop_unless(has(idr0::MSI), gerrorn::MSI_GERROR_ABT_ERR);
            drop_unless(profile.id1(idr1::ECMDQ) != 0, gerrorn::CMDQP_ERR);
            drop_unless(false, gerrorn::DPT_ERR);
        }
        "STRTAB_BASE_CFG" => {
            drop_unless(has(idr0::ST_LEVEL), strtab_base_cfg::FMT);
            drop_unless(has(idr0::ST_LEVEL), strtab_base_cfg::SPLIT);
        }
        "GERROR_IRQ_CFG0" | "GERROR_IRQ_CFG1" | "GERROR_IRQ_CFG2" | "EVENTQ_IRQ_CFG0" | "EVENTQ_IRQ_CFG1"
        | "EVENTQ_IRQ_CFG2" | "PRIQ_IRQ_CFG0" | "PRIQ_IRQ_CFG1"
            if !has(idr0::MSI) =>
        {
            bits = 0
        }
        _ => {}
    }
    // Address bits above the OAS are RES0 (6.3.21, 6.3.24, 6.3.26).
    if matches!(
        name,
        "STRTAB_BASE"
            | "CMDQ_BASE"
            | "ECMDQ_BASE"
            | "EVENTQ_BASE"
            | "PRIQ_BASE"
            | "GERROR_IRQ_CFG0"
            | "EVENTQ_IRQ_CFG0"
            | "PRIQ_IRQ_CFG0"
    ) {
        let hints = strtab_base::RA.mask();
        bits &= hints | ((1 << profile.oas()) - 1);
    }
    bits
}

/// Shape and place of the Stream table (6.3.24, 6.3.25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamTable {
    /// Address, as the SMMU aligns it.
    pub(crate) base: u64,
    /// log2 of the alignment.
    pub(crate) align: u32,
    /// log2 of the number of StreamIDs.
    pub(crate) ids: u32,
    /// log2 of the StreamIDs of a level 1 descriptor; `None` when the table is linear.
    pub(crate) split: Option<u32>,
}

/// Current register values, by offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regs {
    values: BTreeMap<u32, u64>,
}

impl Regs {
    /// State after reset. GBPA: SHCFG "use incoming", ABORT 0 (IMPLEMENTATION DEFINED, 6.3.14).
    pub(crate) fn reset(profile: &Profile) -> Self {
        let mut regs = Self::default();
        for (at, word) in
            [offset::IDR0, offset::IDR1, offset::IDR2, offset::IDR3, offset::IDR4, offset::IDR5, offset::IDR6]
                .into_iter()
                .zip(profile.idr)
        {
            regs.put(at, u64::from(word));
        }
        regs.put(offset::IIDR, u64::from(profile.iidr));
        regs.put(offset::AIDR, u64::from(profile.aidr));
        regs.put(offset::GBPA, 0x1000);
        ecmdq::reset(profile, &mut regs);
        regs
    }

    /// Value of a register.
    pub(crate) fn get(&self, at: u32) -> u64 {
        self.values.get(&at).copied().unwrap_or(0)
    }

    /// Sets a register.
    pub(crate) fn put(&mut self, at: u32, value: u64) {
        self.values.insert(at, value);
    }

    /// Places at or behind `first` that have been set, in order.
    pub(crate) fn places_from(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        self.values.range(first..).map(|(at, _)| *at)
    }

    /// Whether an enable is 1 after its Update: what the SMMU acts on (6.3.9).
    pub(crate) fn enabled(&self, field: Field) -> bool {
        field.of(self.get(offset::CR0ACK)) != 0
    }

    /// Whether an interrupt source is enabled after its Update (6.3.16).
    pub(crate) fn irq_enabled(&self, field: Field) -> bool {
        field.of(self.get(offset::IRQ_CTRLACK)) != 0
    }

    /// Global errors that are active (7.5).
    pub(crate) fn active_errors(&self) -> u64 {
        self.get(offset::GERROR) ^ self.get(offset::GERRORN)
    }

    /// Whether a guard forbids writing now: the enable or its acknowledgement is 1.
    pub(crate) fn guarded(&self, guard: Guard) -> Option<&'static str> {
        let (a, b, field, name) = match guard {
            Guard::Open | Guard::ReadOnly => return None,
            Guard::EcmdqOff(queue) => return self.ecmdq_on(queue).then_some("EN | ENACK"),
            Guard::EcmdqSettled(queue) => return self.ecmdq_in_transition(queue).then_some("EN ^ ENACK"),
            Guard::Cr0(field, name) => (offset::CR0, offset::CR0ACK, field, name),
            Guard::Irq(field, name) => (offset::IRQ_CTRL, offset::IRQ_CTRLACK, field, name),
        };
        (field.of(self.get(a) | self.get(b)) != 0).then_some(name)
    }

    /// The Stream table that the registers describe. Reserved values of SPLIT act as 6 (6.3.25).
    pub(crate) fn stream_table(&self, profile: &Profile) -> StreamTable {
        let cfg = self.get(offset::STRTAB_BASE_CFG);
        let log2 = strtab_base_cfg::LOG2SIZE.of(cfg) as u32;
        let split = match strtab_base_cfg::SPLIT.of(cfg) {
            split @ (8 | 10) => split as u32,
            _ => 6,
        };
        let split = (strtab_base_cfg::FMT.of(cfg) == 1).then_some(split);
        let align = split.map_or(log2 + 6, |split| (log2 + 3).saturating_sub(split).max(6)).min(63);
        let base = strtab_base::ADDR.in_place(&[self.get(offset::STRTAB_BASE)]) & !((1 << align) - 1);
        StreamTable { base, align, ids: log2.min(profile.id1(idr1::SIDSIZE) as u32), split }
    }

    /// Shape and base of a queue: LOG2SIZE capped at its IDR1 maximum, base aligned to the larger of the queue and 32
    /// bytes (6.3.26, 6.3.29). `entry` is the size of an entry in bytes.
    pub(crate) fn queue(&self, base: u32, max: u64, entry: u64) -> (Ring, u64) {
        let register = self.get(base);
        let ring = Ring::new(cmdq_base::LOG2SIZE.of(register).min(max));
        let bytes = (ring.entries() * entry).max(32);
        (ring, cmdq_base::ADDR.in_place(&[register]) & !(bytes - 1))
    }
}
