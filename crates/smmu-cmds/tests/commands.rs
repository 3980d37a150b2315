//! Commands: golden words, round trips both ways, and refusals.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_cmds::command::{
    AtcSpan, Command, CommandError, DecodeError, Opcode, OperandError, PriResponse, RawCommand, ResumeAction,
    Sync, SyncSignal, TlbiOperand, TlbiRange,
};
use smmu_regs::addr::PhysAddr;
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Asid, Caps, Feature, StreamId, SubstreamId, Vmid};

fn caps() -> Caps {
    Caps::probe_strict(&IdRegisters::EXAMPLE, &Hints::default()).unwrap()
}

fn substream() -> impl Strategy<Value = Option<SubstreamId>> {
    proptest::option::of((0_u32..1 << 20).prop_map(|value| SubstreamId::new(value).unwrap()))
}

fn operand(bits: u32) -> impl Strategy<Value = TlbiOperand> {
    let address = any::<u64>().prop_map(move |address| address >> (64 - bits));
    let range = (address.clone(), any::<bool>(), 0_usize..3, 0_u8..=31, 0_u8..=31, -1..=3_i32).prop_map(
        |(address, leaf, granule, scale, num, hint)| {
            let granule = Granule::ALL[granule];
            // 16K level 1 needs DS, which this SMMU lacks.
            let first = if granule == Granule::Size16K { 2 } else { 1 };
            let hint = Level::new(hint).filter(|level| level.number() >= first);
            match TlbiRange::new(granule, scale, num, hint) {
                Ok(range) => {
                    let shift = hint.map_or(granule.shift(), |level| level.shift(granule));
                    TlbiOperand::range(address >> shift << shift, leaf, range).unwrap()
                }
                Err(error) => {
                    assert_eq!(error, OperandError::Reserved { granule });
                    TlbiOperand::page(address, leaf)
                }
            }
        },
    );
    prop_oneof![(address, any::<bool>()).prop_map(|(address, leaf)| TlbiOperand::page(address, leaf)), range]
}

fn command() -> impl Strategy<Value = Command> {
    let stream = any::<u32>().prop_map(StreamId::new);
    let vmid = any::<u16>().prop_map(Vmid::new);
    let asid = any::<u16>().prop_map(Asid::new);
    let some = substream().prop_map(|substream| substream.unwrap_or(SubstreamId::ZERO));
    prop_oneof![
        (stream.clone(), substream())
            .prop_map(|(stream, substream)| Command::PrefetchConfig { stream, substream }),
        (stream.clone(), any::<bool>()).prop_map(|(stream, leaf)| Command::CfgiSte { stream, leaf }),
        (stream.clone(), 1_u8..=31)
            .prop_map(|(stream, range_log2)| Command::CfgiSteRange { stream, range_log2 }),
        Just(Command::CfgiAll),
        (stream.clone(), some, any::<bool>()).prop_map(|(stream, substream, leaf)| Command::CfgiCd {
            stream,
            substream,
            leaf
        }),
        stream.clone().prop_map(|stream| Command::CfgiCdAll { stream }),
        vmid.clone().prop_map(|vmid| Command::TlbiNhAll { vmid }),
        (vmid.clone(), asid.clone()).prop_map(|(vmid, asid)| Command::TlbiNhAsid { vmid, asid }),
        (vmid.clone(), asid.clone(), operand(64)).prop_map(|(vmid, asid, operand)| Command::TlbiNhVa {
            vmid,
            asid,
            operand
        }),
        (vmid.clone(), operand(64)).prop_map(|(vmid, operand)| Command::TlbiNhVaa { vmid, operand }),
        Just(Command::TlbiEl2All),
        asid.clone().prop_map(|asid| Command::TlbiEl2Asid { asid }),
        (asid, operand(64)).prop_map(|(asid, operand)| Command::TlbiEl2Va { asid, operand }),
        operand(64).prop_map(|operand| Command::TlbiEl2Vaa { operand }),
        vmid.clone().prop_map(|vmid| Command::TlbiS12Vmall { vmid }),
        (vmid, operand(52)).prop_map(|(vmid, operand)| Command::TlbiS2Ipa { vmid, operand }),
        Just(Command::TlbiNsnhAll),
        (stream.clone(), substream(), any::<bool>(), any::<u64>(), 0_u8..=52).prop_map(
            |(stream, substream, global, address, size)| {
                Command::AtcInv { stream, substream, global, span: AtcSpan::new(address, size).unwrap() }
            }
        ),
        (stream.clone(), substream(), 0_u16..512).prop_map(|(stream, substream, group)| {
            Command::PriResp { stream, substream, group, response: PriResponse::Success }
        }),
        (stream.clone(), any::<u16>(), 0_usize..3).prop_map(|(stream, stag, action)| {
            let action = [ResumeAction::Terminate, ResumeAction::Retry, ResumeAction::Abort][action];
            Command::Resume { stream, stag, action }
        }),
        stream.prop_map(|stream| Command::StallTerm { stream }),
        (0..3, any::<u64>(), any::<u32>(), 0_u8..4, 0_u8..16).prop_map(
            |(signal, address, data, share, attributes)| {
                let address = PhysAddr::new(address >> 12 & !3);
                let signal = match signal {
                    0 => SyncSignal::None,
                    1 => SyncSignal::Interrupt { address, data },
                    _ => SyncSignal::Event,
                };
                Command::Sync(Sync { signal, msi_shareability: share, msi_attributes: attributes })
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_encoded_is_decoded(command in command()) {
        let raw = command.encode(&caps()).unwrap();
        prop_assert_eq!(raw.opcode(), command.opcode());
        prop_assert_eq!(raw.decode(), Ok(command));
    }

    #[test]
    fn what_is_decoded_is_encoded_again(code in 0_usize..23, low: u64, high: u64, sparse: u64) {
        // Sparse bits, so that reserved ones are often clear.
        let low = low & sparse & !0xff | u64::from(u8::from(Opcode::ALL[code]));
        let raw = RawCommand::from_words([low, high & sparse.rotate_left(17)]);
        if let Ok(command) = raw.decode() {
            match command.encode(&caps()) {
                Ok(again) => prop_assert_eq!(again, raw),
                // A StreamID range, IPA, MSI address or 16K hint that this SMMU cannot do.
                Err(error) => prop_assert!(matches!(
                    error,
                    CommandError::Address { .. } | CommandError::Scale { .. } | CommandError::HintNeedsDs
                ), "{error}"),
            }
        }
    }

    #[test]
    fn any_words_are_survived(low: u64, high: u64) {
        let _ = RawCommand::from_words([low, high]).to_string();
    }
}

#[test]
fn golden_words() {
    let caps = caps();
    let words = |command: Command| command.encode(&caps).unwrap().words();
    let (vmid, asid) = (Vmid::new(0x3412), Asid::new(0x7856));
    assert_eq!(words(Command::CfgiAll), [4, 0x1f]);
    assert_eq!(words(Command::CfgiSte { stream: StreamId::new(3), leaf: true }), [0x3_0000_0003, 1]);
    let range = TlbiRange::new(Granule::Size4K, 9, 18, Some(Level::THREE)).unwrap();
    let operand = TlbiOperand::range(0xffff_ffff_0000, true, range).unwrap();
    assert_eq!(words(Command::TlbiNhVa { vmid, asid, operand }), [0x7856_3412_0091_2012, 0xffff_ffff_0701]);
    assert_eq!(words(Command::TlbiS2Ipa { vmid, operand }), [0x3412_0091_202a, 0xffff_ffff_0701]);
    let sync = Command::Sync(Sync::new(SyncSignal::Event));
    assert_eq!(words(sync), [0x0fc0_2046, 0]);
}

#[test]
fn the_reserved_range_cannot_be_made() {
    for granule in Granule::ALL {
        assert_eq!(TlbiRange::new(granule, 0, 0, None), Err(OperandError::Reserved { granule }));
        assert!(TlbiRange::new(granule, 0, 0, Some(Level::THREE)).is_ok());
        assert_eq!(TlbiRange::new(granule, 0, 32, None), Err(OperandError::Num { num: 32 }));
        assert_eq!(TlbiRange::new(granule, 40, 0, None), Err(OperandError::Scale { scale: 40 }));
        let level = Level::ZERO;
        assert_eq!(TlbiRange::new(granule, 1, 1, Some(level)), Err(OperandError::Hint { level }));
    }
    let block = TlbiRange::new(Granule::Size4K, 0, 0, Some(Level::TWO)).unwrap();
    let misaligned = OperandError::Misaligned { address: 0x1000, align: 0x20_0000 };
    assert_eq!(TlbiOperand::range(0x1000, true, block), Err(misaligned));
}

fn narrow(change: impl FnOnce(&mut IdRegisters)) -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    change(&mut ids);
    Caps::probe(&ids, &Hints::default()).unwrap()
}

#[test]
fn each_operand_is_held_against_the_capabilities() {
    let operand = TlbiOperand::page(0x1000, true);
    let (vmid, asid, stream) = (Vmid::new(0x100), Asid::new(0x100), StreamId::new(0x1_0000));
    let eight = narrow(|ids| ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() & !(1 << 12 | 1 << 18)));
    let error = Command::TlbiNhVa { vmid: Vmid::new(1), asid, operand }.encode(&eight).unwrap_err();
    assert_eq!(error, CommandError::Asid { asid, bits: 8 });
    let error = Command::TlbiS2Ipa { vmid, operand }.encode(&eight).unwrap_err();
    assert_eq!(error, CommandError::Vmid { vmid, bits: 8 });

    let short = narrow(|ids| ids.idr1 = Idr1::from_bits(ids.idr1.into_bits() & !0x7ff | 16));
    let error = Command::CfgiSte { stream, leaf: true }.encode(&short).unwrap_err();
    assert_eq!(error, CommandError::Stream { stream, bits: 16 });
    let substream = SubstreamId::ZERO;
    let atc = Command::AtcInv {
        stream: StreamId::new(1),
        substream: Some(substream),
        global: false,
        span: AtcSpan::ALL,
    };
    assert_eq!(atc.encode(&short).unwrap_err(), CommandError::Substream { substream, bits: 0 });

    let no_range = narrow(|ids| ids.idr3 = Idr3::from_bits(ids.idr3.into_bits() & !(1 << 10)));
    let range = TlbiRange::new(Granule::Size4K, 1, 1, None).unwrap();
    let ranged = Command::TlbiNhVaa { vmid, operand: TlbiOperand::range(0, true, range).unwrap() };
    assert!(matches!(
        ranged.encode(&no_range),
        Err(CommandError::Unsupported { command: Opcode::TlbiNhVaa, needs: Feature::RangeInvalidation })
    ));

    let huge = TlbiRange::new(Granule::Size4K, 39, 1, None).unwrap();
    let huge = Command::TlbiNhVaa { vmid, operand: TlbiOperand::range(0, true, huge).unwrap() };
    assert_eq!(huge.encode(&caps()), Err(CommandError::Scale { scale: 39, max: 31 }));
    let ds = narrow(|ids| ids.idr5 = Idr5::from_bits(ids.idr5.into_bits() | 1 << 7));
    assert!(huge.encode(&ds).is_ok());

    let hint = TlbiRange::new(Granule::Size16K, 0, 0, Some(Level::ONE)).unwrap();
    let hint = Command::TlbiNhVaa { vmid, operand: TlbiOperand::range(0, true, hint).unwrap() };
    assert_eq!(hint.encode(&caps()), Err(CommandError::HintNeedsDs));
    assert!(hint.encode(&ds).is_ok());

    let beyond = Command::TlbiS2Ipa { vmid, operand: TlbiOperand::page(1 << 52, true) };
    assert_eq!(beyond.encode(&caps()), Err(CommandError::Address { address: 1 << 52, bits: 52 }));
    let group = Command::PriResp {
        stream: StreamId::new(1),
        substream: None,
        group: 512,
        response: PriResponse::Success,
    };
    assert!(matches!(group.encode(&caps()), Err(CommandError::Field(error)) if error.value == 512));
    let stage1 = narrow(|ids| ids.idr0 = Idr0::from_bits(ids.idr0.into_bits() & !1));
    assert!(matches!(
        Command::TlbiS12Vmall { vmid: Vmid::new(0) }.encode(&stage1),
        Err(CommandError::Unsupported { needs: Feature::Stage2, .. })
    ));
    // Without stage 2 there is no VMID.
    assert!(Command::TlbiNhAll { vmid: Vmid::new(1) }.encode(&stage1).is_err());
}

#[test]
fn odd_words_are_named() {
    let decode = |low, high| RawCommand::from_words([low, high]).decode();
    assert_eq!(decode(0x47, 0), Err(DecodeError::Opcode { opcode: 0x47 }));
    let command = Opcode::CfgiSte;
    assert_eq!(decode(3 | 1 << 12, 0), Err(DecodeError::ReservedBits { command, word: 0, bits: 1 << 12 }));
    assert_eq!(decode(3 | 1 << 10, 0), Err(DecodeError::MustBeZero { command, field: "SSEC", value: 1 }));
    let command = Opcode::Sync;
    assert_eq!(decode(0x3046, 0), Err(DecodeError::ReservedValue { command, field: "CS", value: 3 }));
    let reserved = OperandError::Reserved { granule: Granule::Size4K };
    assert_eq!(decode(0x12, 0x400), Err(DecodeError::Operand(reserved)));
    let command = Opcode::AtcInv;
    assert_eq!(decode(0x40, 53), Err(DecodeError::ReservedValue { command, field: "SIZE", value: 53 }));
    assert_eq!(
        decode(0x40 | 1 << 12, 0),
        Err(DecodeError::MustBeZero { command, field: "SSID without SSV", value: 1 })
    );
}
