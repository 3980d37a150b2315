//! What the architecture says of any 128 bits, typed from IHI 0070 as one table: opcodes, a condition on bits and ID
//! register fields, what comes of it, and the section that says so. It knows nothing of the crate but [`Effect`].

use proptest::prelude::*;
use smmu_cmds::command::Effect::{self, Altered, Illegal, MayBeIllegal, Unpredictable};
use smmu_cmds::command::{Interface, NonSecureInterface, RealmInterface, SecureInterface};
use smmu_regs::Caps;
use smmu_regs::caps::{Hints, IdRegisters, StallModel};
use smmu_regs::registers::{Aidr, Idr0, Idr1, Idr3, Idr5};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    NonSecure,
    Secure,
    Realm,
}

/// The fields of ID registers that commands hang on, by their architectural names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Smmu {
    pub s1p: bool,
    pub s2p: bool,
    pub hyp: bool,
    pub ats: bool,
    pub pri: bool,
    pub msi: bool,
    pub sev: bool,
    pub asid16: bool,
    pub vmid16: bool,
    pub rme_impl: bool,
    pub stall_model: u8,
    pub sidsize: u8,
    pub ssidsize: u8,
    pub ril: bool,
    pub mpam: bool,
    pub dpt: bool,
    pub ds: bool,
    pub d128: bool,
    pub oas: u8,
    pub minor: u8,
    pub partid_max: bool,
    // S_IDR0, S_IDR1, S_IDR3
    pub s_stall_model: u8,
    pub s_sidsize: u8,
    pub sel2: bool,
    pub sams: bool,
    pub s_partids: bool,
    // R_IDR0, R_IDR3
    pub r_ats: bool,
    pub r_dpt: bool,
    pub r_partids: bool,
}

const OAS_BITS: [u32; 8] = [32, 36, 40, 42, 44, 48, 52, 56];

fn stall(code: u8) -> StallModel {
    [StallModel::Supported, StallModel::TerminateOnly, StallModel::Forced][code as usize]
}

impl Smmu {
    /// Has everything.
    pub(super) const FULL: Self = Self {
        s1p: true,
        s2p: true,
        hyp: true,
        ats: true,
        pri: true,
        msi: true,
        sev: true,
        asid16: true,
        vmid16: true,
        rme_impl: false,
        stall_model: 0,
        sidsize: 32,
        ssidsize: 20,
        ril: true,
        mpam: true,
        dpt: true,
        ds: true,
        d128: true,
        oas: 7,
        minor: 4,
        partid_max: true,
        s_stall_model: 0,
        s_sidsize: 32,
        sel2: true,
        sams: false,
        s_partids: true,
        r_ats: true,
        r_dpt: true,
        r_partids: true,
    };

    pub(super) fn caps(&self) -> Caps {
        let bit = |set: bool, at: u32| u32::from(set) << at;
        let idr0 = bit(self.s2p, 0)
            | bit(self.s1p, 1)
            | 0b10 << 2
            | bit(self.hyp, 9)
            | bit(self.ats, 10)
            | bit(self.asid16, 12)
            | bit(self.msi, 13)
            | bit(self.sev, 14)
            | bit(self.pri, 16)
            | bit(self.vmid16, 18)
            | u32::from(self.stall_model) << 24
            | bit(self.rme_impl, 30);
        // All granules, and addresses of 52 bits (VAX), as DS asks for.
        let idr5 = u32::from(self.oas) | 0b111 << 4 | 1 << 10;
        // What D128 cannot be without, as far as there are the stages for it (6.3.4, 6.3.6).
        let idr3 = Idr3::from_bits(bit(self.mpam, 7) | bit(self.ril, 10) | bit(self.dpt, 15))
            .with(Idr3::S1PI, self.d128 && self.s1p)
            .with(Idr3::AIE, self.d128 && self.s1p)
            .with(Idr3::S2PI, self.d128 && self.s2p)
            .with(Idr3::S2PO, self.d128 && self.s2p)
            .with(Idr3::MTEPERM, self.d128 && self.s2p);
        let ids = IdRegisters {
            idr0: Idr0::from_bits(idr0).with(Idr0::RME_IMPL, self.rme_impl),
            idr1: Idr1::from_bits(u32::from(self.sidsize) | u32::from(self.ssidsize) << 6),
            idr3,
            idr5: Idr5::from_bits(idr5).with(Idr5::DS, self.ds).with(Idr5::D128, self.d128),
            aidr: Aidr::from_bits(self.minor.into()),
            ..IdRegisters::EXAMPLE
        };
        Caps::probe(&ids, &Hints::default()).unwrap()
    }

    pub(super) fn interface(&self, queue: Queue) -> Interface {
        let non_secure = NonSecureInterface { partids: self.partid_max };
        match queue {
            Queue::NonSecure => Interface::NonSecure(non_secure),
            Queue::Secure => Interface::Secure(SecureInterface {
                non_secure,
                stream_id_bits: self.s_sidsize,
                sel2: self.sel2,
                stall_model: stall(self.s_stall_model),
                ats_maintenance: !self.sams,
                partids: self.s_partids,
            }),
            Queue::Realm => {
                Interface::Realm(RealmInterface { ats: self.r_ats, dpt: self.r_dpt, partids: self.r_partids })
            }
        }
    }
}

pub(super) fn smmu() -> impl Strategy<Value = Smmu> {
    let often = || proptest::bool::weighted(0.85);
    let flags = proptest::collection::vec(often(), 21);
    let sizes = (prop_oneof![Just(32_u8), 0_u8..=32], prop_oneof![Just(20_u8), 0_u8..=20]);
    (flags, sizes, 0_u8..=32, 0_u8..3, 0_u8..3, 0_u8..8, 0_u8..=4).prop_map(
        |(flag, (sidsize, ssidsize), s_sidsize, stall_model, s_stall_model, oas, minor)| {
            let (s1p, s2p) = (flag[0] || !flag[1], flag[1]);
            // As the architecture rules out the rest: 6.3.1, 6.3.6, 6.3.53.
            Smmu {
                s1p,
                s2p,
                hyp: flag[2] && s1p && s2p,
                ats: flag[3],
                pri: flag[4] && flag[3],
                msi: flag[5],
                sev: flag[6],
                asid16: flag[7],
                vmid16: flag[8],
                rme_impl: !flag[9],
                stall_model,
                sidsize,
                ssidsize,
                ril: flag[10],
                mpam: flag[11],
                dpt: flag[12] && flag[3],
                ds: flag[13],
                d128: flag[14],
                // 52 bits since 3.1, 56 since 3.4 and with D128 (6.3.6).
                oas: match minor {
                    0 => oas.min(5),
                    4 if flag[14] => oas,
                    _ => oas.min(6),
                },
                minor,
                partid_max: flag[15],
                s_stall_model,
                s_sidsize,
                sel2: flag[16] && s1p && s2p,
                sams: !flag[17],
                s_partids: flag[18],
                r_ats: flag[19],
                r_dpt: flag[20],
                r_partids: flag[18] ^ flag[19],
            }
        },
    )
}

pub(super) fn queue() -> impl Strategy<Value = Queue> {
    prop_oneof![Just(Queue::NonSecure), Just(Queue::Secure), Just(Queue::Realm)]
}

/// A command on a queue.
struct On<'a> {
    bits: u128,
    queue: Queue,
    smmu: &'a Smmu,
}

impl On<'_> {
    fn get(&self, lsb: u32, msb: u32) -> u64 {
        (self.bits >> lsb & ((1 << (msb - lsb + 1)) - 1)) as u64
    }

    fn ssec(&self) -> bool {
        self.get(10, 10) == 1
    }

    fn secure(&self) -> bool {
        self.queue == Queue::Secure
    }

    fn sid_bits(&self) -> u32 {
        if self.secure() && self.ssec() { self.smmu.s_sidsize.into() } else { self.smmu.sidsize.into() }
    }

    fn vmid_above(&self, stage2: bool) -> bool {
        let bits = if !stage2 {
            0
        } else if self.smmu.vmid16 {
            16
        } else {
            8
        };
        self.get(32, 47) >> bits != 0
    }

    /// 5.6.1, for the Security state that SSec names.
    fn vms(&self) -> bool {
        self.smmu.s1p
            && self.smmu.s2p
            && match self.queue {
                Queue::NonSecure => self.smmu.partid_max,
                Queue::Secure if self.ssec() => self.smmu.sel2 && self.smmu.s_partids,
                Queue::Secure => self.smmu.partid_max,
                Queue::Realm => self.smmu.r_partids,
            }
    }

    fn tg(&self) -> u64 {
        self.get(74, 75)
    }

    fn ttl(&self) -> u64 {
        self.get(72, 73)
    }

    /// TTL as hardware takes it: level 1 of 16K is reserved without DS and acts as 0.
    fn level(&self) -> u64 {
        if self.tg() == 2 && !self.smmu.ds && self.ttl() == 1 { 0 } else { self.ttl() }
    }

    fn scale(&self) -> u64 {
        if self.smmu.ds { self.get(20, 25) } else { self.get(20, 24) }
    }

    fn ranged(&self) -> bool {
        self.smmu.ril && self.tg() != 0
    }

    /// The address bits that must be 0: the highest of them, by TG, TTL and TTL128 (4.4.1.1). 11 for none.
    fn zero_top(&self) -> u32 {
        match (self.tg(), self.level(), self.get(71, 71)) {
            (1, 1, 0) => 29,
            (1, 2, 0) => 20,
            (1, 1, 1) => 27,
            (1, 2, 1) => 19,
            (2, 1, 0) => 35,
            (2, 2, 0) => 24,
            (2, 1, 1) => 33,
            (2, 2, 1) => 23,
            (2, ..) => 13,
            (3, 1, 0) => 41,
            (3, 2, 0) => 28,
            (3, 1, 1) => 39,
            (3, 2, 1) => 27,
            (3, ..) => 15,
            _ => 11,
        }
    }

    fn low_address_bits(&self) -> bool {
        let top = self.zero_top();
        top > 11 && self.get(76, 64 + top) != 0
    }

    fn output_bits(&self) -> u32 {
        OAS_BITS[self.smmu.oas as usize]
    }
}

/// An opcode's condition.
type Row = (&'static [u8], fn(&On<'_>) -> bool, Effect, &'static str);

const STREAM: &[u8] = &[1, 2, 3, 5, 6, 0x44, 0x45];
const WITH_SSEC: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 0x44, 0x45];
const BY_ADDRESS: &[u8] = &[0x12, 0x13, 0x1a, 0x22, 0x23, 0x2a, 0x52, 0x53, 0x5a];
const SECURE: &[u8] = &[0x50, 0x51, 0x52, 0x53, 0x58, 0x5a, 0x60];

const ROWS: &[Row] = &[
    (WITH_SSEC, |c| c.ssec() && !c.secure(), Illegal, "4.1.6, 3.10.3"),
    (STREAM, |c| c.get(32, 63) >> c.sid_bits() != 0, Unpredictable, "4.1.7"),
    (&[0x40, 0x41], |c| c.get(32, 63) >> c.smmu.sidsize != 0, Unpredictable, "4.1.7, 4.5"),
    // The bottom RANGE + 1 bits are ignored.
    (
        &[4],
        |c| {
            let range = c.get(64, 68) as u32 + 1;
            (c.get(32, 63) >> range << range) >> c.sid_bits() != 0
        },
        Unpredictable,
        "4.1.7, 4.3.2",
    ),
    (&[1, 2, 0x40, 0x41], |c| c.get(11, 11) == 1 && c.smmu.ssidsize == 0, Unpredictable, "4.2, 4.5"),
    (
        &[1, 2, 0x40, 0x41],
        |c| c.get(11, 11) == 1 && c.get(12, 31) >> c.smmu.ssidsize != 0,
        Unpredictable,
        "4.1.7",
    ),
    (&[5], |c| c.get(12, 31) >> c.smmu.ssidsize != 0, Unpredictable, "4.3.3"),
    (&[2], |c| c.smmu.minor == 0 && c.get(69, 73) != 0, MayBeIllegal, "4.2.2"),
    (&[2], |c| c.get(75, 75) == 1 && !(c.secure() && c.ssec() && c.smmu.sel2), MayBeIllegal, "4.2.2, 4.1.5"),
    (&[5, 6], |c| !c.smmu.s1p, Illegal, "4.3.3, 4.3.4"),
    (&[7], |c| !c.smmu.mpam || !c.vms(), Illegal, "4.3.5, 5.6.1"),
    (&[7], |c| c.vmid_above(c.smmu.s2p), Unpredictable, "4.3.5, 4.4"),
    (&[0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x23], |c| !c.smmu.s1p, Illegal, "4.4.2"),
    (
        &[0x10, 0x11, 0x12, 0x13],
        |c| c.vmid_above(if c.secure() { c.smmu.sel2 } else { c.smmu.s2p }),
        Unpredictable,
        "4.4, 4.4.2",
    ),
    (&[0x11, 0x12, 0x21, 0x22, 0x51, 0x52], |c| !c.smmu.asid16 && c.get(56, 63) != 0, Unpredictable, "4.4"),
    (&[0x18, 0x1a], |c| !c.secure() || c.smmu.rme_impl || !c.smmu.s1p, Illegal, "4.4.2.5, 4.4.2.6, 2.6"),
    (&[0x20, 0x21, 0x22, 0x23], |c| !c.smmu.hyp, Illegal, "4.4.2.7 to 4.4.2.10"),
    (&[0x28, 0x2a], |c| !c.smmu.s2p, Illegal, "4.4.3.1, 4.4.3.2"),
    (&[0x28, 0x2a, 0x58, 0x5a], |c| c.vmid_above(c.smmu.s2p), Unpredictable, "4.4"),
    // IAS: these SMMUs have no VMSAv8-32, so it is OAS (3.4).
    (&[0x2a, 0x5a], |c| c.get(64, 119) >> 12 << 12 >> c.output_bits() != 0, Unpredictable, "4.4.3.1"),
    // Addresses of 48 bits in 3.0, of 52 to 3.3, if IDR5.OAS has no more; MSIADDR only where an MSI is sent.
    (
        &[0x2a, 0x5a, 0x73, 0x46],
        |c| {
            let ignored = c.get(0, 7) == 0x46 && (c.get(12, 13) != 1 || !c.smmu.msi);
            let beyond = match (c.smmu.minor, c.output_bits()) {
                (0, ..=48) => c.get(64 + 48, 64 + 55),
                (0..=3, ..=52) => c.get(64 + 52, 64 + 55),
                _ => 0,
            };
            !ignored && beyond != 0
        },
        MayBeIllegal,
        "4.1.6",
    ),
    (SECURE, |c| !c.secure() || !c.smmu.sel2, Illegal, "4.4.2.11 to 14, 4.4.3.3, 4.4.3.4, 4.4.4.2"),
    (
        BY_ADDRESS,
        |c| c.ranged() && c.get(12, 16) == 0 && c.scale() == 0 && c.level() == 0,
        Illegal,
        "4.4.1.1",
    ),
    (
        BY_ADDRESS,
        |c| {
            let any = c.get(12, 16) != 0 || c.get(20, 25) != 0 || c.get(71, 73) != 0;
            (!c.smmu.ril && (any || c.tg() != 0)) || (c.tg() == 0 && any)
        },
        MayBeIllegal,
        "4.4.1.1, 4.1.5",
    ),
    (BY_ADDRESS, |c| c.ranged() && !c.smmu.ds && c.get(25, 25) == 1, MayBeIllegal, "4.4.1.1"),
    (BY_ADDRESS, |c| c.ranged() && c.smmu.ds && c.get(20, 25) > 39, Altered, "4.4.1.1"),
    (BY_ADDRESS, |c| c.ranged() && c.ttl() != c.level(), Altered, "4.4.1.1"),
    (
        BY_ADDRESS,
        |c| c.ranged() && c.get(71, 71) == 1 && (c.ttl() == 0 || !c.smmu.d128),
        MayBeIllegal,
        "4.4.1.1",
    ),
    (BY_ADDRESS, |c| c.ranged() && c.low_address_bits(), Unpredictable, "4.4.1.1"),
    (&[0x40], |c| c.queue != Queue::Realm && !c.smmu.ats, Illegal, "4.5.1"),
    (&[0x40], |c| c.queue == Queue::Realm && !c.smmu.r_ats, Illegal, "4.5.1"),
    (&[0x40, 0x41], |c| c.secure() && c.smmu.sams, Illegal, "4.5.1, 4.5.2"),
    (&[0x40], |c| c.get(64, 69) > 52, MayBeIllegal, "4.5.1"),
    (&[0x40], |c| c.get(9, 9) == 1 && c.get(11, 11) == 0, Altered, "4.5.1"),
    (&[0x41], |c| !c.smmu.pri || c.get(76, 77) == 3, Illegal, "4.5.2"),
    (&[0x44, 0x45], |c| c.queue == Queue::Realm, Illegal, "4.7.1, 4.7.2"),
    (&[0x44, 0x45], |c| c.queue == Queue::NonSecure && c.smmu.stall_model == 1, Illegal, "4.7.1, 4.7.2"),
    (&[0x44, 0x45], |c| c.secure() && c.smmu.s_stall_model == 1, Illegal, "4.7.1, 4.7.2"),
    (&[0x46], |c| c.get(12, 13) == 3, Illegal, "4.7.3"),
    (&[0x46], |c| c.queue != Queue::Realm && c.get(127, 127) == 1, MayBeIllegal, "4.7.3"),
    (&[0x46], |c| c.get(12, 13) == 2 && !c.smmu.sev, Altered, "4.7.3"),
    (
        &[0x46],
        |c| {
            let address = c.get(66, 119) << 2;
            let odd = matches!(c.get(24, 27), 4 | 8 | 12) || c.get(22, 23) == 1;
            let other = !c.smmu.msi || address >> c.output_bits() != 0 || odd;
            c.get(12, 13) == 1 && address != 0 && other
        },
        Altered,
        "4.7.3, 3.4.3, 5.2",
    ),
    (&[0x70, 0x73], |c| c.queue == Queue::Realm && !c.smmu.r_dpt, Illegal, "4.6"),
    (&[0x70, 0x73], |c| c.queue != Queue::Realm && !c.smmu.dpt, Illegal, "4.6"),
    (&[0x70, 0x73], |c| c.secure() && c.smmu.sams, Illegal, "4.6"),
    (
        &[0x73],
        |c| {
            let address = c.get(76, 119) << 12;
            match [4, 16, 64, 2 << 10, 32 << 10, 512 << 10, 1 << 20, 16 << 20, 64 << 20, 512 << 20]
                .get(c.get(72, 75) as usize)
            {
                Some(kib) => address % (kib << 10) != 0,
                None => true,
            }
        },
        Unpredictable,
        "4.6.2",
    ),
    (&[0x73], |c| (c.get(76, 119) << 12) >> c.output_bits() != 0, Altered, "4.6.2"),
];

/// The bits of each opcode that some field has: from the facts.
pub(super) fn named() -> &'static BTreeMap<u8, u128> {
    static NAMED: LazyLock<BTreeMap<u8, u128>> = LazyLock::new(read_facts);
    &NAMED
}

fn read_facts() -> BTreeMap<u8, u128> {
    let mut all = BTreeMap::new();
    let mut code = 0;
    for line in include_str!("../facts/commands.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "cmd" {
            code = u8::from_str_radix(words[2].trim_start_matches("0x"), 16).unwrap();
        } else {
            let (lsb, msb): (u32, u32) = (words[1].parse().unwrap(), words[2].parse().unwrap());
            *all.entry(code).or_insert(0) |= ((1_u128 << (msb - lsb + 1)) - 1) << lsb;
        }
    }
    all
}

/// The worst that comes of these words, by the table.
pub(super) fn worst(smmu: &Smmu, queue: Queue, [low, high]: [u64; 2]) -> Option<Effect> {
    let on = On { bits: u128::from(low) | u128::from(high) << 64, queue, smmu };
    let opcode = (low & 0xff) as u8;
    let Some(fields) = named().get(&opcode) else {
        return Some(if (0x80..=0x8f).contains(&opcode) { Unpredictable } else { Illegal });
    };
    let reserved = (on.bits & !fields != 0).then_some(MayBeIllegal);
    let rows = ROWS.iter().filter(|(opcodes, when, ..)| opcodes.contains(&opcode) && when(&on));
    rows.map(|row| row.2).chain(reserved).max()
}

/// Every row applies to some command of some SMMU, by itself: a condition that cannot be met would prove nothing.
pub(super) fn rows_met(smmu: &Smmu, queue: Queue, [low, high]: [u64; 2]) -> impl Iterator<Item = usize> {
    let bits = u128::from(low) | u128::from(high) << 64;
    let smmu = *smmu;
    ROWS.iter().enumerate().filter_map(move |(index, (opcodes, when, ..))| {
        let on = On { bits, queue, smmu: &smmu };
        (opcodes.contains(&((low & 0xff) as u8)) && when(&on)).then_some(index)
    })
}

/// How many rows there are.
pub(super) const fn rows() -> usize {
    ROWS.len()
}
