//! Commands: golden words, round trips both ways, and refusals.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod legality;
mod oracle;
mod strategy;

use oracle::{Queue, Smmu};
use proptest::prelude::*;
use smmu_cmds::command::{
    AtcSpan, Command, CommandError, DecodeError, Opcode, OperandError, PriResponse, RawCommand, ResumeAction,
    Ssec, Sync, SyncSignal, TlbiOperand, TlbiRange,
};
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Asid, Bank, Caps, Feature, StreamId, SubstreamId, Vmid};

fn caps() -> Caps {
    Caps::probe_strict(&IdRegisters::EXAMPLE, &Hints::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn what_is_encoded_is_decoded(command in strategy::command(), queue in oracle::queue()) {
        // The Non-secure queue takes all of these, the Secure one too; the Realm queue has no stalls.
        let stalls = matches!(command, Command::Resume { .. } | Command::StallTerm { .. });
        let queue = if stalls && queue == Queue::Realm { Queue::NonSecure } else { queue };
        let (caps, interface) = (Smmu::FULL.caps(), Smmu::FULL.interface(queue));
        let raw = command.encode_on(&caps, &interface, Ssec::NonSecure).unwrap();
        prop_assert_eq!(raw.opcode(), command.opcode());
        prop_assert_eq!(raw.decode_on(interface.bank()), Ok((command, Ssec::NonSecure)));
        if !matches!(command, Command::CfgiVmsPidm { .. }) {
            // Whether there is a VMS is not in the capabilities.
            prop_assert_eq!(command.encode(&caps), Ok(raw));
            prop_assert_eq!(raw.decode(), Ok(command));
        }
    }

    #[test]
    fn secure_commands_are_those_of_the_secure_queue(command in strategy::secure_command()) {
        let (caps, interface) = (Smmu::FULL.caps(), Smmu::FULL.interface(Queue::Secure));
        let ssec = if matches!(command, Command::PrefetchAddr { .. }) { Ssec::Secure } else { Ssec::NonSecure };
        let raw = command.encode_on(&caps, &interface, ssec).unwrap();
        prop_assert_eq!(raw.decode_on(Bank::Secure), Ok((command, ssec)));
        for queue in [Queue::NonSecure, Queue::Realm] {
            let interface = Smmu::FULL.interface(queue);
            let error = command.encode_on(&caps, &interface, ssec).unwrap_err();
            let (command, bank) = (command.opcode(), interface.bank());
            if ssec == Ssec::Secure {
                prop_assert_eq!(error, CommandError::Ssec { command, bank });
            } else {
                prop_assert_eq!(error, CommandError::Queue { command, bank });
                prop_assert_eq!(raw.decode_on(bank), Err(DecodeError::Opcode { opcode: command.code() }));
            }
        }
    }

    #[test]
    fn what_is_decoded_is_encoded_again(words in strategy::words(), queue in oracle::queue()) {
        let (caps, interface) = (Smmu::FULL.caps(), Smmu::FULL.interface(queue));
        let raw = RawCommand::from_words(words);
        if let Ok((command, ssec)) = raw.decode_on(interface.bank()) {
            let again = command.encode_on(&caps, &interface, ssec).unwrap();
            // With AC, AB says nothing.
            let aborts = matches!(command, Command::Resume { action: ResumeAction::Retry, .. });
            let mask = if aborts { !(1 << 13) } else { !0 };
            prop_assert_eq!(again.words(), [words[0] & mask, words[1]], "{}", command);
        }
    }

    #[test]
    fn any_words_are_survived(words: [u64; 2]) {
        let raw = RawCommand::from_words(words);
        let _ = raw.to_string();
        for bank in [Bank::NonSecure, Bank::Secure, Bank::Realm, Bank::Root] {
            if let Ok((command, _)) = raw.decode_on(bank) {
                prop_assert!(command.to_string().starts_with("CMD_"));
            }
        }
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

#[test]
fn words_are_shown_for_the_queue_that_takes_them() {
    let show = |low, high| RawCommand::from_words([low, high]).to_string();
    assert_eq!(show(0x3_0000_0003, 1), "CMD_CFGI_STE StreamID=0x3 leaf");
    assert_eq!(show(0x3_0000_0403, 1), "CMD_CFGI_STE StreamID=0x3 leaf SSec=1 (on the Secure queue)");
    assert_eq!(show(0x7_0000_0058, 0), "CMD_TLBI_S_S12_VMALL VMID=0x7 (on the Secure queue)");
    assert_eq!(
        show(0x1_0fc0_1046, 1 << 63 | 0x1000),
        "CMD_SYNC interrupt, 0x1 to Non-secure 0x1000 (on the Realm queue)"
    );
    assert_eq!(show(0x73, 0x4000_0601), "CMD_DPTI_PA 0x40000000, 2^30 bytes leaf");
    assert_eq!(
        show(0x5_0000_0002, 0x1000_0043),
        "CMD_PREFETCH_ADDR StreamID=0x5 0x10000000 and on, 2^3 addresses 2^14 bytes apart"
    );
    assert!(show(0x12, 0x400).contains("reserved encoding"));
}
