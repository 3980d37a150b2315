//! Guests' commands: each opcode, each bit, any words at all; the plan of a batch.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_cmds::command::{CommandError, DecodeError, Opcode, OperandError};
use smmu_cmds::guest::{GuestBatch, GuestCommandError, GuestStep, Refusal};
use smmu_cmds::{Command, RawCommand, VirtualSmmu};
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_regs::vmsa::Granule;
use smmu_regs::{Asid, Caps, Feature, StreamId, SubstreamId, VirtualStreamId, Vmid};
use std::cell::Cell;
use std::iter;

const VMID: Vmid = Vmid::new(0xbeef);

/// What the SMMU has, of all that decides about a guest's commands.
#[derive(Debug, Clone, Copy)]
struct Has {
    ril: bool,
    ds: bool,
    ats: bool,
    asid16: bool,
    substreams: bool,
}

const ALL: Has = Has { ril: true, ds: true, ats: true, asid16: true, substreams: true };

impl Has {
    fn caps(self) -> Caps {
        let base = IdRegisters::EXAMPLE;
        let ids = IdRegisters {
            idr0: base.idr0.with(Idr0::ATS, self.ats).with(Idr0::ASID16, self.asid16),
            idr1: base.idr1.try_with(Idr1::SSIDSIZE, if self.substreams { 20_u8 } else { 0 }).unwrap(),
            idr3: base.idr3.with(Idr3::RIL, self.ril),
            idr5: base.idr5.with(Idr5::DS, self.ds),
            ..base
        };
        Caps::probe(&ids, &Hints::default()).unwrap()
    }
}

/// Device 0 is stream 0, device 8 is stream 0x1234; there are no others.
fn streams(device: VirtualStreamId) -> Option<StreamId> {
    match device.get() {
        0 => Some(StreamId::new(0)),
        8 => Some(StreamId::new(0x1234)),
        _ => None,
    }
}

fn translate(has: Has, words: [u64; 2]) -> Result<[u64; 2], GuestCommandError> {
    let caps = has.caps();
    let smmu = VirtualSmmu::new(&caps, VMID, streams).unwrap();
    smmu.translate(RawCommand::from_words(words)).map(|command| command.words())
}

/// The bits of each command, typed from the figures of IHI 0070 4.3 to 4.5. The ASID's upper half, SCALE's top bit and
/// all that depends on a feature: see `may_set`.
const BITS: [(u64, [u64; 2]); 8] = [
    (0x05, [0xffff_ffff_ffff_f0ff, 0x1]),
    (0x06, [0xffff_ffff_0000_00ff, 0x0]),
    (0x10, [0x0000_ffff_0000_00ff, 0x0]),
    (0x11, [0xffff_ffff_0000_00ff, 0x0]),
    (0x12, [0xffff_ffff_03f1_f0ff, 0xffff_ffff_ffff_ff01]),
    (0x13, [0x0000_ffff_03f1_f0ff, 0xffff_ffff_ffff_ff01]),
    (0x30, [0x0000_0000_0000_00ff, 0x0]),
    (0x40, [0xffff_ffff_ffff_faff, 0xffff_ffff_ffff_f03f]),
];

/// The bits that a guest may set in a command on an SMMU with these features.
fn may_set(has: Has, opcode: u64) -> Option<[u64; 2]> {
    let (_, [mut low, mut high]) = BITS.into_iter().find(|(known, _)| *known == opcode)?;
    match opcode {
        0x11 | 0x12 if !has.asid16 => low &= !(0xff << 56),
        0x40 if !has.ats => return None,
        _ => {}
    }
    match opcode {
        0x12 | 0x13 if !has.ril => (low, high) = (low & !0x03f1_f000, high & !0xf00),
        0x12 | 0x13 if !has.ds => low &= !(1 << 25),
        0x05 | 0x40 if !has.substreams => low &= !0xffff_fa00,
        _ => {}
    }
    Some([low, high])
}

/// What becomes of a command, by the letter of the rules.
fn oracle(has: Has, words: [u64; 2]) -> Option<[u64; 2]> {
    let [low, high] = words;
    let opcode = low & 0xff;
    let may = may_set(has, opcode)?;
    if low & !may[0] != 0 || high & !may[1] != 0 {
        return None;
    }
    let own = |low: u64| low & !(0xffff << 32) | 0xbeef << 32;
    let device = || {
        let stream = streams(VirtualStreamId::new((low >> 32) as u32))?;
        Some(low & 0xffff_ffff | u64::from(stream.get()) << 32)
    };
    let (num, scale, ttl, tg) = (low >> 12 & 0x1f, low >> 20 & 0x3f, high >> 8 & 3, high >> 10 & 3);
    let single = (num, scale, ttl) == (0, 0, 0);
    let low = match opcode {
        0x30 => 0xbeef_0000_0010,
        0x12 | 0x13 if (tg != 0) == single || tg == 2 && ttl == 1 && !has.ds => return None,
        0x10..=0x13 => own(low),
        0x40 if high & 0x3f > 52 => return None,
        _ => device()?,
    };
    Some([low, high])
}

#[test]
fn every_command_that_is_a_guests() {
    let cases = [
        ([0x30, 0], [0xbeef_0000_0010, 0]),
        ([0x10, 0], [0xbeef_0000_0010, 0]),
        ([0x1234_0000_0010, 0], [0xbeef_0000_0010, 0]),
        ([0x5678_1234_0000_0011, 0], [0x5678_beef_0000_0011, 0]),
        ([0x5678_1234_0000_0012, 0xffff_8000_0000_1001], [0x5678_beef_0000_0012, 0xffff_8000_0000_1001]),
        ([0x1234_0091_2013, 0x7000_0701], [0xbeef_0091_2013, 0x7000_0701]),
        ([0x8_0000_3005, 1], [0x1234_0000_3005, 1]),
        ([0x8_0000_0006, 0], [0x1234_0000_0006, 0]),
        ([0x8_0000_7840, 0x8000_0000_0000_0034], [0x1234_0000_7840, 0x8000_0000_0000_0034]),
        // StreamID 0 is a device like any other, where there is one.
        ([0x40, 0x34], [0x40, 0x34]),
    ];
    for (words, expected) in cases {
        assert_eq!(translate(ALL, words), Ok(expected), "{words:x?}");
        assert_eq!(oracle(ALL, words), Some(expected), "{words:x?}");
    }
}

#[test]
fn all_other_opcodes_are_refused() {
    for code in 0..=u8::MAX {
        let known = BITS.iter().any(|(opcode, _)| *opcode == u64::from(code));
        let made = translate(ALL, [u64::from(code), 0]);
        if known {
            assert!(made.is_ok(), "{code:#x}: {made:?}");
        } else {
            assert_eq!(made, Err(GuestCommandError::Opcode { command: Opcode::from(code) }));
        }
    }
    for named in
        ["CMD_SYNC", "CMD_CFGI_STE", "CMD_TLBI_S12_VMALL", "CMD_TLBI_EL2_ALL", "CMD_RESUME", "CMD_PRI_RESP"]
    {
        let opcode = Opcode::ALL.into_iter().find(|opcode| opcode.name() == named).unwrap();
        let error = translate(ALL, [u64::from(u8::from(opcode)), 0]).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn each_bit_is_a_field_or_a_refusal() {
    for features in 0_u8..32 {
        let bit = |index: u8| features >> index & 1 != 0;
        let has = Has { ril: bit(0), ds: bit(1), ats: bit(2), asid16: bit(3), substreams: bit(4) };
        for (opcode, _) in BITS {
            let Some(may) = may_set(has, opcode) else {
                let needs = Feature::Ats;
                let error = GuestCommandError::Unsupported { command: Opcode::AtcInv, needs };
                assert_eq!(translate(has, [opcode, 0]), Err(error), "{has:?}");
                continue;
            };
            for (word, bit) in (0..2).flat_map(|word| (0..64).map(move |bit| (word, bit))) {
                let flipped = 1_u64 << bit;
                // The opcode's bits make another command, which has its own test.
                if word == 0 && bit < 8 {
                    continue;
                }
                let mut words = [opcode, 0];
                words[word] |= flipped;
                let made = translate(has, words);
                assert_eq!(made.ok(), oracle(has, words), "{has:?} {words:x?}");
                let command = Opcode::from(opcode as u8);
                let error = GuestCommandError::Bits { command, word: word as u8, bits: flipped };
                assert_eq!(made == Err(error), may[word] & flipped == 0, "{has:?} {words:x?}: {made:?}");
            }
        }
    }
}

#[test]
fn ranges_that_are_reserved() {
    let no_ds = Has { ds: false, ..ALL };
    let command = Opcode::TlbiNhVaa;
    let without = |field, value| Err(GuestCommandError::WithoutGranule { command, field, value });
    assert_eq!(translate(ALL, [0x5013, 0x1000]), without("NUM", 5));
    assert_eq!(translate(ALL, [0x60_0013, 0x1000]), without("SCALE", 6));
    assert_eq!(translate(ALL, [0x13, 0x1300]), without("TTL", 3));
    for (tg, granule) in [(1, Granule::Size4K), (2, Granule::Size16K), (3, Granule::Size64K)] {
        let error = GuestCommandError::Operand(OperandError::Reserved { granule });
        assert_eq!(translate(ALL, [0x13, tg << 10]), Err(error));
    }
    let error = GuestCommandError::ReservedValue { command, field: "TTL", value: 1 };
    assert_eq!(translate(no_ds, [0x1013, 0x900]), Err(error));
    assert!(translate(ALL, [0x1013, 0x900]).is_ok() && translate(no_ds, [0x1013, 0x500]).is_ok());
    let size = |size| translate(ALL, [0x40, size]);
    assert!(size(52).is_ok());
    for value in 53..64 {
        let error = GuestCommandError::ReservedValue { command: Opcode::AtcInv, field: "SIZE", value };
        assert_eq!(size(value), Err(error));
    }
}

#[test]
fn a_device_that_is_not_there() {
    for (opcode, command) in [(5, Opcode::CfgiCd), (6, Opcode::CfgiCdAll), (0x40, Opcode::AtcInv)] {
        for device in [1, 0x1234, u32::MAX] {
            let error = GuestCommandError::NoDevice { command, device: VirtualStreamId::new(device) };
            assert_eq!(translate(ALL, [u64::from(device) << 32 | opcode, 0]), Err(error));
        }
    }
}

#[test]
fn a_host_that_is_mistaken_is_told_so() {
    let small = IdRegisters {
        idr0: IdRegisters::EXAMPLE.idr0.with(Idr0::VMID16, false),
        idr1: IdRegisters::EXAMPLE.idr1.try_with(Idr1::SIDSIZE, 8_u8).unwrap(),
        ..IdRegisters::EXAMPLE
    };
    let caps = Caps::probe(&small, &Hints::default()).unwrap();
    let wide = VirtualSmmu::new(&caps, Vmid::new(0x100), streams).err();
    assert_eq!(wide, Some(CommandError::Vmid { vmid: Vmid::new(0x100), bits: 8 }));
    let smmu = VirtualSmmu::new(&caps, Vmid::new(0xff), streams).unwrap();
    let error = smmu.translate(RawCommand::from_words([0x8_0000_0006, 0])).unwrap_err();
    let stream = StreamId::new(0x1234);
    assert_eq!(error, GuestCommandError::Host(CommandError::Stream { stream, bits: 8 }));
    assert!(error.to_string().contains("0x1234"), "{error}");

    let stage1 =
        IdRegisters { idr0: IdRegisters::EXAMPLE.idr0.with(Idr0::S2P, false), ..IdRegisters::EXAMPLE };
    let caps = Caps::probe(&stage1, &Hints::default()).unwrap();
    let error = VirtualSmmu::new(&caps, Vmid::new(0), streams).err().unwrap();
    assert!(matches!(error, CommandError::Unsupported { needs: Feature::Nested, .. }), "{error}");
}

/// Words in which reserved bits are often clear and fields are often small.
fn words() -> impl Strategy<Value = [u64; 2]> {
    let opcode = prop_oneof![9 => (0..BITS.len()).prop_map(|index| BITS[index].0), 1 => 0..=0xff_u64];
    (opcode, any::<[u64; 2]>(), any::<[u64; 2]>(), any::<bool>(), any::<bool>()).prop_map(
        |(opcode, [low, high], [sparse, sparser], tame, known)| {
            let may = BITS.iter().find(|(code, _)| *code == opcode).filter(|_| tame);
            let may = may.map_or([!0, !0], |(_, may)| *may);
            let mut low = low & sparse & may[0] & !0xff | opcode;
            if known && matches!(opcode, 5 | 6 | 0x40) {
                low = low & 0xffff_ffff | 8 << 32;
            }
            [low, high & sparser & sparser.rotate_left(9) & may[1]]
        },
    )
}

fn has() -> impl Strategy<Value = Has> {
    any::<[bool; 5]>().prop_map(|[ril, ds, ats, asid16, substreams]| Has { ril, ds, ats, asid16, substreams })
}

/// Whose a command is: everything that it names besides addresses.
fn is_the_guests(command: &Command) -> bool {
    match command {
        Command::TlbiNhAll { vmid }
        | Command::TlbiNhAsid { vmid, .. }
        | Command::TlbiNhVa { vmid, .. }
        | Command::TlbiNhVaa { vmid, .. } => *vmid == VMID,
        Command::CfgiCd { stream, .. } | Command::CfgiCdAll { stream } | Command::AtcInv { stream, .. } => {
            matches!(stream.get(), 0 | 0x1234)
        }
        _ => false,
    }
}

/// The command without what is only odd and hurts nobody but the guest, which decoding refuses.
fn without_oddities(words: [u64; 2], error: DecodeError) -> Option<[u64; 2]> {
    let [low, high] = words;
    match error {
        DecodeError::Operand(OperandError::Misaligned { .. }) => Some([low, high & 0xfff]),
        DecodeError::Operand(OperandError::Scale { scale: 40..=63 }) => {
            Some([low & !(0x3f << 20) | 39 << 20, high])
        }
        DecodeError::MustBeZero { command: Opcode::AtcInv, field: "SSID without SSV", .. } => {
            Some([low & !0xffff_f000, high])
        }
        DecodeError::MustBeZero { command: Opcode::AtcInv, field: "GLOBAL without SSV", .. } => {
            Some([low & !(1 << 9), high])
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_words_are_judged_by_the_letter(has in has(), words in words()) {
        let made = translate(has, words);
        prop_assert_eq!(made.ok(), oracle(has, words), "{:?}", made);
        if let Err(error) = made {
            prop_assert!(error.to_string().len() > 20);
        }
    }

    #[test]
    fn words_of_any_kind_are_survived(has in has(), words: [u64; 2]) {
        prop_assert_eq!(translate(has, words).ok(), oracle(has, words));
    }

    #[test]
    fn what_is_accepted_is_lawful_and_the_guests(has in has(), words in words()) {
        let Ok(mut made) = translate(has, words) else { return Ok(()) };
        let command = loop {
            match RawCommand::from_words(made).decode() {
                Ok(command) => break command,
                Err(error) => match without_oddities(made, error) {
                    Some(less) => made = less,
                    None => return Err(TestCaseError::fail(format!("{made:x?}: {error}"))),
                },
            }
        };
        prop_assert!(is_the_guests(&command), "{}", command);
        let again = command.encode(&has.caps());
        prop_assert_eq!(again.map(|command| command.words()), Ok(made));
    }
}

/// The steps of a batch: `None` for a `CMD_SYNC`.
fn plan(commands: &[[u64; 2]]) -> (Vec<Option<u64>>, Option<Refusal>) {
    let caps = ALL.caps();
    let smmu = VirtualSmmu::new(&caps, VMID, streams).unwrap();
    let mut batch = GuestBatch::new(&smmu, commands.iter().copied().map(RawCommand::from_words));
    let steps = batch.by_ref().map(|step| match step {
        GuestStep::Push(command) => Some(command.words()[0] & 0xff),
        GuestStep::Sync => None,
    });
    (steps.collect(), batch.refusal())
}

const ASID: [u64; 2] = [0x11, 0];
const ATC: [u64; 2] = [0x40, 0x34];
const SYNC: [u64; 2] = [0x46, 0];

#[test]
fn a_batch_is_synced_in_time() {
    assert_eq!(plan(&[]), (vec![], None));
    assert_eq!(plan(&[ASID]), (vec![Some(0x11), None], None));
    for count in [62, 63, 64, 126, 127, 200] {
        let (steps, refusal) = plan(&vec![ASID; count]);
        assert_eq!(refusal, None);
        assert_eq!(steps.iter().flatten().count(), count);
        assert_eq!(steps.len() - count, count.div_ceil(63), "one CMD_SYNC for each 63 begun");
        assert_eq!(steps.last(), Some(&None));
        assert!(steps.split(Option::is_none).all(|run| run.len() <= 63));
    }
}

#[test]
fn an_atc_invalidation_never_overtakes_those_of_the_smmu() {
    let (tlbi, atc) = (Some(0x11), Some(0x40));
    assert_eq!(plan(&[ASID, ATC, ATC]).0, [tlbi, None, atc, atc, None]);
    assert_eq!(plan(&[ATC, ASID, ATC]).0, [atc, tlbi, None, atc, None]);
    // The CMD_SYNC that is due anyway is enough.
    let mut commands = vec![ASID; 63];
    commands.push(ATC);
    let (steps, _) = plan(&commands);
    assert_eq!(steps[62..], [tlbi, None, atc, None]);
}

#[test]
fn a_batch_ends_at_the_command_that_is_refused() {
    for (before, after) in [(0, 0), (0, 5), (1, 0), (62, 3), (63, 3), (64, 1)] {
        let commands: Vec<_> =
            iter::repeat_n(ASID, before).chain([SYNC]).chain(iter::repeat_n(ASID, after)).collect();
        let (steps, refusal) = plan(&commands);
        let error = GuestCommandError::Opcode { command: Opcode::Sync };
        assert_eq!(refusal, Some(Refusal { index: before, command: RawCommand::from_words(SYNC), error }));
        // All before it are issued and synced, nothing after it is.
        assert_eq!(steps.iter().flatten().count(), before);
        assert_eq!(steps.last(), if before == 0 { None } else { Some(&None) });
    }
}

/// A guest that changes its queue all the time is judged by what was read, and nothing is read twice.
#[test]
fn each_command_is_read_once() {
    let caps = ALL.caps();
    let smmu = VirtualSmmu::new(&caps, VMID, streams).unwrap();
    let reads = Cell::new(0_u64);
    // Another ASID each time that the guest's queue is read.
    let read = |_| RawCommand::from_words([reads.replace(reads.get() + 1) << 48 | 0x11, 0]);
    let mut batch = GuestBatch::new(&smmu, (0..100).map(read));
    let pushed = batch.by_ref().filter_map(|step| match step {
        GuestStep::Push(command) => Some(command.words()[0]),
        GuestStep::Sync => None,
    });
    let expected: Vec<u64> = (0..100).map(|asid| asid << 48 | 0xbeef_0000_0011).collect();
    assert_eq!(pushed.collect::<Vec<_>>(), expected);
    assert_eq!((reads.get(), batch.refusal()), (100, None));
    // It is over, and stays so.
    assert_eq!((batch.next(), reads.get()), (None, 100));
}

#[test]
fn what_becomes_of_it_is_what_the_types_say() {
    let caps = ALL.caps();
    let smmu = VirtualSmmu::new(&caps, VMID, streams).unwrap();
    let stream = StreamId::new(8);
    let guest = Command::CfgiCd { stream, substream: SubstreamId::ZERO, leaf: true };
    let made = smmu.translate(guest.encode(&caps).unwrap()).unwrap().decode();
    let stream = StreamId::new(0x1234);
    assert_eq!(made, Ok(Command::CfgiCd { stream, substream: SubstreamId::ZERO, leaf: true }));
    let guest = Command::TlbiNhAsid { vmid: Vmid::new(0), asid: Asid::new(7) };
    let made = smmu.translate(guest.encode(&caps).unwrap()).unwrap().decode();
    assert_eq!(made, Ok(Command::TlbiNhAsid { vmid: VMID, asid: Asid::new(7) }));
}
