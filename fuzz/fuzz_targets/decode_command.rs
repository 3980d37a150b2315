//! Commands there and back: what decodes encodes to the same words, what encodes decodes to the same command, on any SMMU;
//! and everything can be printed.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use smmu_cmds::command::{CommandError, ResumeAction};
use smmu_cmds::{Command, RawCommand};
use smmu_fuzz::caps::{AnyCaps, everything};
use smmu_fuzz::command::AnyCommand;

#[derive(Debug, Arbitrary)]
enum Input {
    Words([u64; 2]),
    Command(AnyCommand, AnyCaps),
}

fn words(words: [u64; 2]) {
    let raw = RawCommand::from_words(words);
    let command = match raw.decode() {
        Ok(command) => command,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(!command.to_string().is_empty());
    assert_eq!(command.opcode(), raw.opcode());
    match command.encode(&everything()) {
        // With AC, AB says nothing.
        Ok(again) if matches!(command, Command::Resume { action: ResumeAction::Retry, .. }) => {
            assert_eq!(again.decode(), Ok(command));
        }
        Ok(again) => assert_eq!(again.words(), words, "{command}"),
        Err(error) => assert!(matches!(error, CommandError::Address { .. }), "{command}: {error}"),
    }
}

fn command(command: Command, caps: &AnyCaps) {
    let Some(caps) = caps.caps() else { return };
    match command.encode(&caps) {
        Ok(raw) => assert_eq!(raw.decode(), Ok(command)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fuzz_target!(|input: Input| match input {
    Input::Words(pair) => words(pair),
    Input::Command(AnyCommand(any), caps) => command(any, &caps),
});
