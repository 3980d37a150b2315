//! Commands there and back: what decodes encodes to the same words, what encodes decodes to the same command and is legal, on
//! any queue of any SMMU; any words are judged; and everything can be printed.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use smmu_cmds::command::{CommandError, ResumeAction};
use smmu_cmds::{Command, RawCommand};
use smmu_fuzz::caps::{AnyCaps, everything};
use smmu_fuzz::command::{AnyCommand, AnyInterface};

#[derive(Debug, Arbitrary)]
enum Input {
    Words([u64; 2], AnyInterface, AnyCaps),
    Command(AnyCommand, AnyInterface, AnyCaps),
}

fn words(words: [u64; 2], AnyInterface(interface, _): &AnyInterface, caps: &AnyCaps) {
    let raw = RawCommand::from_words(words);
    let caps = caps.caps().unwrap_or_else(everything);
    if let Err(objection) = raw.legal(&caps, interface) {
        assert!(!objection.to_string().is_empty());
    }
    let (command, ssec) = match raw.decode_on(interface.bank()) {
        Ok(said) => said,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(!command.to_string().is_empty());
    assert_eq!(command.opcode(), raw.opcode());
    match command.encode_on(&caps, interface, ssec) {
        // With AC, AB says nothing.
        Ok(again) if matches!(command, Command::Resume { action: ResumeAction::Retry, .. }) => {
            assert_eq!(again.decode_on(interface.bank()), Ok((command, ssec)));
        }
        Ok(again) => {
            assert_eq!(again.words(), words, "{command}");
            assert_eq!(raw.legal(&caps, interface), Ok(()), "{command}");
        }
        Err(error) => {
            // Nothing in a field is too large for the field that it came from.
            assert!(!matches!(error, CommandError::Field(_)), "{command}: {error}");
        }
    }
}

fn command(command: Command, AnyInterface(interface, ssec): &AnyInterface, caps: &AnyCaps) {
    let Some(caps) = caps.caps() else { return };
    match command.encode_on(&caps, interface, *ssec) {
        Ok(raw) => {
            assert_eq!(raw.decode_on(interface.bank()), Ok((command, *ssec)));
            assert_eq!(raw.legal(&caps, interface), Ok(()), "{command}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(raw) = command.encode(&caps) {
        assert_eq!(raw.decode(), Ok(command));
    }
}

fuzz_target!(|input: Input| match input {
    Input::Words(pair, interface, caps) => words(pair, &interface, &caps),
    Input::Command(AnyCommand(any), interface, caps) => command(any, &interface, &caps),
});
