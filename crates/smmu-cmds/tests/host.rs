//! A hostile host's commands: each opcode, each bit, any words at all. What is forwarded is legal, is the host's, and makes the
//! SMMU write nothing.
#![cfg(feature = "hypervisor")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_cmds::command::{DecodeError, Opcode, OperandError};
use smmu_cmds::guest::{Answer, ForwardedFaults};
use smmu_cmds::host::{Completion, HostAction, HostCommandError, HostSmmu, HostVerdict, Ignored, Reshadow};
use smmu_cmds::{Command, RawCommand};
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_regs::{Caps, PhysAddr, StreamId, SubstreamId, Vmid};

const VMID: u16 = 0xbeef;

/// What the host is shown of an SMMU that has it all.
#[derive(Debug, Clone, Copy)]
struct Shown {
    ril: bool,
    ds: bool,
    ats: bool,
    stage2: bool,
    substreams: bool,
    faults: bool,
    msi: bool,
}

const ALL: Shown =
    Shown { ril: true, ds: true, ats: true, stage2: true, substreams: true, faults: true, msi: true };

impl Shown {
    fn of(bits: u8) -> Self {
        let bit = |index: u8| bits >> index & 1 != 0;
        Self {
            ril: bit(0),
            ds: bit(1),
            ats: bit(2),
            stage2: bit(3),
            substreams: bit(4),
            faults: bit(5),
            msi: bit(6),
        }
    }

    fn caps(self) -> Caps {
        let base = IdRegisters::EXAMPLE;
        let idr0 = base.idr0.with(Idr0::ATS, self.ats).with(Idr0::S2P, self.stage2).with(Idr0::HYP, false);
        let idr0 = idr0.with(Idr0::PRI, self.ats && self.faults).with(Idr0::MSI, self.msi);
        let ids = IdRegisters {
            idr0: idr0.try_with(Idr0::STALL_MODEL, u8::from(!self.faults)).unwrap(),
            idr1: base.idr1.try_with(Idr1::SSIDSIZE, if self.substreams { 20_u8 } else { 0 }).unwrap(),
            idr3: base.idr3.with(Idr3::RIL, self.ril),
            idr5: base.idr5.with(Idr5::DS, self.ds),
            ..base
        };
        Caps::probe(&ids, &Hints::default()).unwrap()
    }
}

/// The physical SMMU.
fn physical() -> Caps {
    let base = IdRegisters::EXAMPLE;
    let ids = IdRegisters { idr5: base.idr5.with(Idr5::DS, true), ..base };
    Caps::probe(&ids, &Hints::default()).unwrap()
}

/// The host's streams.
fn owns(stream: StreamId) -> bool {
    matches!(stream.get(), 0 | 8 | 0x1234)
}

/// Even tags and groups wait.
struct Even;

impl ForwardedFaults for Even {
    fn is_stalled(&self, stream: StreamId, stag: u16) -> bool {
        owns(stream) && stag % 2 == 0
    }
    fn next_stall(&self, _: StreamId, after: Option<u16>) -> Option<u16> {
        after.map_or(Some(0), |after| after.checked_add(2))
    }
    fn is_requested(&self, stream: StreamId, _: Option<SubstreamId>, group: u16) -> bool {
        owns(stream) && group % 2 == 0
    }
    fn answered(&self, _: Answer) {}
}

fn judge(shown: Shown, words: [u64; 2]) -> Result<HostVerdict, HostCommandError> {
    judge_on(&physical(), &shown.caps(), words)
}

fn judge_on(physical: &Caps, shown: &Caps, words: [u64; 2]) -> Result<HostVerdict, HostCommandError> {
    let host = HostSmmu::new(physical, shown, Vmid::new(VMID), owns).unwrap();
    host.with_faults(Even).judge(RawCommand::from_words(words))
}

fn forward(low: u64, high: u64) -> Result<HostVerdict, HostCommandError> {
    Ok(HostVerdict::Forward(RawCommand::from_words([low, high])))
}

fn reshadow(what: Reshadow) -> Result<HostVerdict, HostCommandError> {
    Ok(HostVerdict::Act(HostAction::Reshadow(what)))
}

#[test]
fn each_command_of_the_host() {
    let stream = StreamId::new(8);
    let nh_all = forward(0xbeef_0000_0010, 0);
    let first = |first, log2| reshadow(Reshadow::Streams { first: StreamId::new(first), log2 });
    let ignored = |number| Ok(HostVerdict::Ignore(Ignored::NotTheHosts { stream: StreamId::new(number) }));
    let waits = Ok(HostVerdict::Ignore(Ignored::NothingWaits { stream }));
    for (words, expected) in [
        ([0x8_0000_0003, 0], reshadow(Reshadow::Stream { stream, leaf: false })),
        ([0x8_0000_0003, 1], reshadow(Reshadow::Stream { stream, leaf: true })),
        ([0x9_0000_0003, 1], ignored(9)),
        // Bits below the range are ignored; a range beyond the SMMU is one all the same.
        ([0x1237_0000_0004, 3], first(0x1230, 4)),
        ([0xffff_ffff_0000_0004, 30], first(0x8000_0000, 31)),
        ([0xffff_ffff_0000_0004, 31], reshadow(Reshadow::All)),
        ([0x8_0000_5005, 1], forward(0x8_0000_5005, 1)),
        ([0x9_0000_5005, 1], ignored(9)),
        ([0x1234_0000_0006, 0], forward(0x1234_0000_0006, 0)),
        ([0x7777_0000_0010, 0], nh_all),
        ([0x30, 0], nh_all),
        ([0x7777_0000_0028, 0], nh_all),
        ([0x7777_0000_002a, 0x1000], nh_all),
        ([0x5_7777_0000_0011, 0], forward(0x5_beef_0000_0011, 0)),
        ([0x5678_7777_0000_0012, 0x7000_1001], forward(0x5678_beef_0000_0012, 0x7000_1001)),
        ([0x7777_0091_2013, 0x7000_0701], forward(0xbeef_0091_2013, 0x7000_0701)),
        ([0x8_0000_7840, 0x34], forward(0x8_0000_7840, 0x34)),
        ([0x9_0000_7840, 0x34], ignored(9)),
        ([0x8_0000_1044, 4], forward(0x8_0000_1044, 4)),
        ([0x8_0000_1044, 5], waits),
        ([0x9_0000_1044, 4], ignored(9)),
        ([0x8_0000_0045, 0], Ok(HostVerdict::Terminate(stream))),
        ([0x9_0000_0045, 0], ignored(9)),
        ([0x8_0000_0041, 0x2004], forward(0x8_0000_0041, 0x2004)),
        ([0x8_0000_0041, 0x2005], waits),
        ([0x8_0000_0001, 0], Ok(HostVerdict::Ignore(Ignored::Hint))),
        ([0x9_0000_0002, 0x1000], Ok(HostVerdict::Ignore(Ignored::Hint))),
    ] {
        assert_eq!(judge(ALL, words), expected, "{words:x?}");
    }
}

/// CMD_SYNC never goes on: its MSI would be a write of the SMMU's to any address.
#[test]
fn a_sync_becomes_a_completion() {
    let sync = |signal: u64, data: u64, address: u64| {
        judge(ALL, [data << 32 | 0xf << 24 | 3 << 22 | signal << 12 | 0x46, address])
    };
    let completed = |completion| Ok(HostVerdict::Sync(completion));
    assert_eq!(sync(0, 7, 0xdead_beec), completed(Completion::None));
    assert_eq!(sync(2, 7, 0xdead_beec), completed(Completion::Event));
    assert_eq!(sync(1, 7, 0), completed(Completion::Wired));
    let message = Completion::Message { address: PhysAddr::new(0xdead_beec), data: 7 };
    assert_eq!(sync(1, 7, 0xdead_beec), completed(message));
    let without = judge(Shown { msi: false, ..ALL }, [7 << 32 | 1 << 12 | 0x46, 0xdead_beec]);
    assert_eq!(without, completed(Completion::Wired));
    let error = HostCommandError::Reserved { command: Opcode::Sync, field: "CS", value: 3 };
    assert_eq!(sync(3, 0, 0), Err(error));
    // MSI_NS and the bits below the address.
    for bit in [0, 1, 56, 62, 63] {
        assert!(matches!(sync(1, 0, 1 << bit), Err(HostCommandError::Bits { word: 1, .. })), "{bit}");
    }
}

/// The bits of each command, typed from the figures of IHI 0070 4.2 to 4.7.
const BITS: [(u64, [u64; 2]); 19] = [
    (0x01, [0xffff_ffff_ffff_f8ff, 0]),
    (0x02, [0xffff_ffff_ffff_f8ff, 0xffff_ffff_ffff_f3ff]),
    (0x03, [0xffff_ffff_0000_00ff, 0x1]),
    (0x04, [0xffff_ffff_0000_00ff, 0x1f]),
    (0x05, [0xffff_ffff_ffff_f0ff, 0x1]),
    (0x06, [0xffff_ffff_0000_00ff, 0x0]),
    (0x10, [0x0000_ffff_0000_00ff, 0x0]),
    (0x11, [0xffff_ffff_0000_00ff, 0x0]),
    (0x12, [0xffff_ffff_03f1_f0ff, 0xffff_ffff_ffff_ff01]),
    (0x13, [0x0000_ffff_03f1_f0ff, 0xffff_ffff_ffff_ff01]),
    (0x28, [0x0000_ffff_0000_00ff, 0x0]),
    (0x2a, [0x0000_ffff_03f1_f0ff, 0x00ff_ffff_ffff_ff01]),
    (0x30, [0x0000_0000_0000_00ff, 0x0]),
    (0x40, [0xffff_ffff_ffff_faff, 0xffff_ffff_ffff_f03f]),
    (0x41, [0xffff_ffff_ffff_f8ff, 0x31ff]),
    (0x44, [0xffff_ffff_0000_30ff, 0xffff]),
    (0x45, [0xffff_ffff_0000_00ff, 0]),
    (0x46, [0xffff_ffff_0fc0_30ff, 0x00ff_ffff_ffff_fffc]),
    // Not a command of any queue.
    (0x00, [0, 0]),
];

/// The bits that the host may set on the SMMU that it is shown.
fn may_set(shown: Shown, opcode: u64) -> Option<[u64; 2]> {
    let (_, [mut low, mut high]) = BITS.into_iter().find(|(known, _)| *known == opcode && *known != 0)?;
    let there = match opcode {
        0x28 | 0x2a => shown.stage2,
        0x40 => shown.ats,
        0x41 => shown.ats && shown.faults,
        0x44 | 0x45 => shown.faults,
        _ => true,
    };
    if !there {
        return None;
    }
    match opcode {
        0x12 | 0x13 | 0x2a if !shown.ril => (low, high) = (low & !0x03f1_f000, high & !0xf00),
        0x12 | 0x13 | 0x2a if !shown.ds => low &= !(1 << 25),
        0x01 | 0x02 | 0x05 | 0x40 | 0x41 if !shown.substreams => low &= !0xffff_fa00,
        _ => {}
    }
    if matches!(opcode, 0x10..=0x13) && !shown.stage2 {
        low &= !(0xffff << 32);
    }
    Some([low, high])
}

#[test]
fn each_bit_is_a_field_or_illegal() {
    for features in 0..128 {
        let shown = Shown::of(features);
        let (real, caps) = (physical(), shown.caps());
        for (opcode, bit) in (0..=0xff).flat_map(|opcode| (8..128).map(move |bit| (opcode, bit))) {
            let words = if bit < 64 { [opcode | 1 << bit, 0] } else { [opcode, 1 << (bit - 64)] };
            let Some(may) = may_set(shown, opcode) else {
                // The reason is the same for every bit.
                if bit == 8 {
                    let error = judge_on(&real, &caps, words).unwrap_err();
                    assert!(!matches!(error, HostCommandError::Bits { .. }), "{opcode:#x}: {error}");
                }
                continue;
            };
            let named = words[0] & !may[0] == 0 && words[1] & !may[1] == 0;
            let made = judge_on(&real, &caps, words);
            assert_eq!(
                !matches!(made, Err(HostCommandError::Bits { .. })),
                named,
                "{shown:?} {words:x?}: {made:?}"
            );
        }
    }
}

#[test]
fn a_command_that_the_real_smmu_lacks_is_illegal_whatever_is_shown() {
    let real = Shown { ats: false, ril: false, ..ALL }.caps();
    let shown = ALL.caps();
    let host = HostSmmu::new(&real, &shown, Vmid::new(1), owns).unwrap().with_faults(Even);
    for words in [[8 << 32 | 0x40, 0], [0x1013, 0x400]] {
        assert!(host.judge(RawCommand::from_words(words)).is_err());
    }
}

#[test]
fn no_nesting_no_host() {
    let caps = Shown { stage2: false, ..ALL }.caps();
    assert!(HostSmmu::new(&caps, &caps, Vmid::new(0), owns).is_err());
}

#[test]
fn what_a_reshadow_covers() {
    let covers = |what: Reshadow, stream| what.covers(StreamId::new(stream));
    let one = Reshadow::Stream { stream: StreamId::new(5), leaf: true };
    assert!(covers(one, 5) && !covers(one, 4));
    let some = Reshadow::Streams { first: StreamId::new(0x40), log2: 3 };
    assert!(covers(some, 0x40) && covers(some, 0x47) && !covers(some, 0x48) && !covers(some, 0x3f));
    let half = Reshadow::Streams { first: StreamId::new(1 << 31), log2: 31 };
    assert!(covers(half, u32::MAX) && !covers(half, 0x7fff_ffff) && covers(Reshadow::All, 7));
}

/// Words in which reserved bits are often clear and fields are often small.
fn words() -> impl Strategy<Value = [u64; 2]> {
    let opcode = prop_oneof![9 => (0..BITS.len()).prop_map(|index| BITS[index].0), 1 => 0..=0xff_u64];
    (opcode, any::<[u64; 2]>(), any::<[u64; 2]>(), any::<bool>(), any::<bool>()).prop_map(
        |(opcode, [low, high], [sparse, sparser], tame, known)| {
            let may = BITS.iter().find(|(code, _)| *code == opcode).filter(|_| tame);
            let may = may.map_or([!0, !0], |(_, may)| *may);
            let mut low = low & sparse & may[0] & !0xff | opcode;
            if known && matches!(opcode, 3..=6 | 0x40..=0x45) {
                low = low & 0xffff_ffff | 8 << 32;
            }
            [low, high & sparser & sparser.rotate_left(9) & may[1]]
        },
    )
}

/// The command without what is only odd and hurts nobody but the host, which decoding refuses.
fn without_oddities(words: [u64; 2], error: DecodeError) -> Option<[u64; 2]> {
    let [low, high] = words;
    match error {
        DecodeError::Operand(OperandError::Misaligned { .. }) => Some([low, high & 0xfff]),
        DecodeError::Operand(OperandError::Scale { scale: 40..=63 }) => {
            Some([low & !(0x3f << 20) | 39 << 20, high])
        }
        DecodeError::MustBeZero {
            command: Opcode::AtcInv | Opcode::PriResp,
            field: "SSID without SSV",
            ..
        } => Some([low & !0xffff_f000, high]),
        DecodeError::MustBeZero { command: Opcode::AtcInv, field: "GLOBAL without SSV", .. } => {
            Some([low & !(1 << 9), high])
        }
        _ => None,
    }
}

/// What a forwarded command reaches: the host's VMID or the host's streams, and no memory.
fn is_the_hosts(command: &Command) -> bool {
    match command {
        Command::TlbiNhAll { vmid }
        | Command::TlbiNhAsid { vmid, .. }
        | Command::TlbiNhVa { vmid, .. }
        | Command::TlbiNhVaa { vmid, .. } => vmid.get() == VMID,
        Command::CfgiCd { stream, .. }
        | Command::CfgiCdAll { stream }
        | Command::AtcInv { stream, .. }
        | Command::PriResp { stream, .. }
        | Command::Resume { stream, .. } => owns(*stream),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn what_is_forwarded_is_lawful_and_the_hosts(features in 0..128_u8, words in words()) {
        let shown = Shown::of(features);
        match judge(shown, words) {
            Ok(HostVerdict::Forward(command)) => {
                let mut made = command.words();
                let command = loop {
                    match RawCommand::from_words(made).decode() {
                        Ok(command) => break command,
                        Err(error) => match without_oddities(made, error) {
                            Some(less) => made = less,
                            None => return Err(TestCaseError::fail(format!("{made:x?}: {error}"))),
                        },
                    }
                };
                prop_assert!(is_the_hosts(&command), "{}", command);
                prop_assert!(command.encode(&physical()).is_ok());
            }
            Ok(HostVerdict::Act(HostAction::Reshadow(what))) => {
                let lawful = match what {
                Reshadow::Stream { stream, .. } => owns(stream),
                Reshadow::Streams { first, log2 } => (1..=31).contains(&log2) && first.get() & ((1 << log2) - 1) == 0,
                Reshadow::All => true,
                };
                prop_assert!(lawful);
            }
            Ok(HostVerdict::Terminate(stream)) => prop_assert!(owns(stream)),
            Ok(HostVerdict::Act(_)) => prop_assert!(false, "a completion is no verdict"),
            Ok(HostVerdict::Sync(_) | HostVerdict::Ignore(_)) => {}
            Err(error) => prop_assert!(error.to_string().len() > 20),
        }
        let may = may_set(shown, words[0] & 0xff);
        let within = may.is_some_and(|may| words[0] & !may[0] == 0 && words[1] & !may[1] == 0);
        prop_assert!(within || judge(shown, words).is_err(), "{:x?}", words);
    }

    #[test]
    fn words_of_any_kind_are_survived(features in 0..128_u8, words: [u64; 2]) {
        let _ = judge(Shown::of(features), words);
    }
}
