//! Legality against the table of the [oracle](super::oracle), and encoding against legality.

use super::oracle::{self, Queue, Smmu};
use super::strategy;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use smmu_cmds::command::{Command, CommandError, Effect, Opcode, RawCommand, Reason, Ssec};
use smmu_regs::caps::{FirmwareModel, Hints, IdRegisters};
use smmu_regs::{Bank, Caps, Quirk, StreamId};

fn ssec() -> impl Strategy<Value = Ssec> {
    prop_oneof![Just(Ssec::NonSecure), Just(Ssec::Secure)]
}

/// Clears what the architecture ignores altogether, so that words that are legal say something that can be said.
fn without_the_ignored(queue: Queue, [mut low, mut high]: [u64; 2]) -> [u64; 2] {
    let ssv = low >> 11 & 1 != 0;
    match low & 0xff {
        0x01 | 0x02 | 0x40 | 0x41 if !ssv => low &= !0xffff_f000,
        // The StreamID of CMD_CFGI_ALL; other ranges are given by any stream in them.
        0x04 if high & 31 == 31 => low &= 0xffff_ffff,
        0x04 => {
            let ignored = (2_u64 << (high & 31)) - 1;
            low &= !(ignored << 32);
        }
        // AB with AC.
        0x44 if low >> 12 & 1 != 0 => low &= !(1 << 13),
        // MSI operands without an interrupt, and its attributes without an address.
        0x46 => {
            let address = high & 0x00ff_ffff_ffff_fffc != 0;
            if low >> 12 & 3 != 1 {
                (low, high) = (low & 0xffff_ffff, 0);
            }
            if low >> 12 & 3 != 1 || !address {
                low &= !0x0fc0_0000;
            }
            if queue != Queue::Realm {
                high &= !(1 << 63);
            }
        }
        _ => {}
    }
    [low, high]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_words_are_judged_by_the_letter(smmu in oracle::smmu(), queue in oracle::queue(), words in strategy::words()) {
        let raw = RawCommand::from_words(words);
        let verdict = raw.legal(&smmu.caps(), &smmu.interface(queue));
        prop_assert_eq!(verdict.err().map(|objection| objection.effect), oracle::worst(&smmu, queue, words), "{:?}", verdict);
        if let Err(objection) = verdict {
            prop_assert_eq!(objection.command, raw.opcode());
            prop_assert!(objection.to_string().len() > 20);
        }
    }

    #[test]
    fn what_is_encoded_is_legal(
        smmu in oracle::smmu(),
        queue in oracle::queue(),
        ssec in ssec(),
        command in prop_oneof![4 => strategy::command(), 1 => strategy::secure_command()],
    ) {
        let (caps, interface) = (smmu.caps(), smmu.interface(queue));
        if let Ok(raw) = command.encode_on(&caps, &interface, ssec) {
            prop_assert_eq!(raw.legal(&caps, &interface), Ok(()));
            prop_assert_eq!(raw.decode_on(interface.bank()), Ok((command, ssec)));
        }
        if let Ok(raw) = command.encode(&caps) {
            prop_assert_eq!(raw.legal(&caps, &smmu.interface(Queue::NonSecure)), Ok(()));
        }
    }

    /// The converse, but for NS of CMD_TLBI_S_S2_IPA.
    #[test]
    fn what_is_legal_can_be_said(smmu in oracle::smmu(), queue in oracle::queue(), words in strategy::words()) {
        let (caps, interface) = (smmu.caps(), smmu.interface(queue));
        let words = without_the_ignored(queue, words);
        let raw = RawCommand::from_words(words);
        let unsaid = words[0] & 0xff == 0x5a && words[1] & 2 != 0;
        if raw.legal(&caps, &interface).is_ok() && !unsaid {
            let (command, ssec) = raw.decode_on(interface.bank()).unwrap();
            prop_assert_eq!(command.encode_on(&caps, &interface, ssec), Ok(raw), "{}", command);
        }
    }
}

/// Each condition of the table is met, alone or with others, and many words are legal: the properties are about something.
#[test]
fn the_words_that_are_tried_meet_every_condition() {
    let mut runner = TestRunner::deterministic();
    let tried = (oracle::smmu(), oracle::queue(), strategy::words());
    let (mut met, mut legal) = (vec![0; oracle::rows()], 0);
    for _ in 0..40_000 {
        let (smmu, queue, words) = tried.new_tree(&mut runner).unwrap().current();
        oracle::rows_met(&smmu, queue, words).for_each(|row| met[row] += 1);
        legal += u32::from(RawCommand::from_words(words).legal(&smmu.caps(), &smmu.interface(queue)).is_ok());
    }
    assert!(met.iter().all(|count| *count >= 3), "{met:?}");
    assert!(legal > 2000, "{legal}");
}

#[test]
fn objections_name_what_is_wrong() {
    let judge = |smmu: &Smmu, queue, words| {
        let verdict = RawCommand::from_words(words).legal(&smmu.caps(), &smmu.interface(queue));
        verdict.unwrap_err()
    };
    let full = Smmu::FULL;
    let no_range = judge(&full, Queue::NonSecure, [0x12, 0x400]);
    assert_eq!(
        (no_range.command, no_range.effect, no_range.reason),
        (Opcode::TlbiNhVa, Effect::Illegal, Reason::NoRange)
    );
    assert_eq!(
        no_range.to_string(),
        "CMD_TLBI_NH_VA raises CERROR_ILL: TG names a granule, but there is neither a range nor a level hint"
    );
    let ssec = judge(&full, Queue::Realm, [0x403, 1]);
    assert_eq!((ssec.effect, ssec.reason), (Effect::Illegal, Reason::Ssec { bank: Bank::Realm }));
    let realm = judge(&full, Queue::Realm, [0x45, 0]);
    assert_eq!((realm.effect, realm.reason), (Effect::Illegal, Reason::Queue { bank: Bank::Realm }));
    let bits = judge(&full, Queue::NonSecure, [0x3 | 1 << 12, 1]);
    assert_eq!(
        (bits.effect, bits.reason),
        (Effect::MayBeIllegal, Reason::ReservedBits { word: 0, bits: 1 << 12 })
    );
    let narrow = Smmu { sidsize: 8, ..full };
    let wide = judge(&narrow, Queue::NonSecure, [0x3 | 0x100 << 32, 1]);
    assert_eq!(
        (wide.effect, wide.reason),
        (Effect::Unpredictable, Reason::OutOfRange { field: "SID", value: 0x100, bits: 8 })
    );
    // The worst is said, not the first.
    let both = judge(&narrow, Queue::NonSecure, [0x403 | 0x100 << 32, 1]);
    assert_eq!(both.effect, Effect::Illegal);
    assert_eq!(judge(&full, Queue::NonSecure, [0x83, 0]).reason, Reason::ImplementationDefined);
    assert_eq!(judge(&full, Queue::Secure, [0x19, 0]).reason, Reason::Opcode);
}

#[test]
fn a_prefetch_that_an_erratum_forbids_is_not_encoded() {
    let hints = Hints { model: FirmwareModel::HisiliconHi161x, ..Hints::default() };
    let caps = Caps::probe(&IdRegisters::EXAMPLE, &hints).unwrap();
    let command = Command::PrefetchConfig { stream: StreamId::new(1), substream: None };
    let error = CommandError::Erratum { command: Opcode::PrefetchConfig, quirk: Quirk::SkipPrefetch };
    assert_eq!(command.encode(&caps), Err(error));
}
