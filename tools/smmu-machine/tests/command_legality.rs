//! What the crates call illegal, the model refuses, and nothing else: two readings of chapter 4 of the architecture, made
//! independently, held against each other on random commands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use smmu_cmds::RawCommand;
use smmu_cmds::command::{Effect, Interface, Opcode};
use smmu_machine::{Machine, ModelMachine};
use smmu_model::{Profile, Trace};
use smmu_regs::Caps;
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::registers::Iidr;
use smmu_ste::table::StreamTableShape;
use support::{Bench, Setup, TIMEOUT, streams};

const COMMANDS: u32 = 4000;

/// A pseudo-random sequence (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Words of which most have a known opcode and few reserved bits.
    fn command(&mut self) -> [u64; 2] {
        let opcode = match self.next() % 8 {
            0 => self.next() as u8,
            _ => Opcode::ALL[self.next() as usize % Opcode::ALL.len()].code(),
        };
        let sparse = |random: &mut Self| match random.next() % 4 {
            0 => random.next(),
            1 => random.next() & random.next(),
            _ => random.next() & random.next() & random.next() & random.next(),
        };
        let (mut low, mut high) = (sparse(self) & !0xff, sparse(self));
        // Often only the fields of ranges, and as often only small identifiers and addresses.
        let [low_mask, high_mask] = match self.next() % 4 {
            0 => [!0, !0],
            1 => [0xffff_ffff_03f1_fb00, 0xffff_ffff_ffff_ff81],
            _ => [0x0003_0003_0000_f200, 0x0000_0000_7fff_f011],
        };
        (low, high) = (low & low_mask, high & high_mask);
        // No MSI goes anywhere.
        if opcode == 0x46 {
            high = 0;
        }
        [low | u64::from(opcode), high]
    }
}

/// Whether the model refuses it.
fn model_says(bench: &mut Bench<'_, &dyn Machine>, machine: &ModelMachine, raw: RawCommand) -> bool {
    machine.trace();
    bench.queue.push_raw(&bench.p, &raw, TIMEOUT).unwrap();
    bench.queue.ring(&bench.p);
    let taken = machine.trace().into_iter().find_map(|entry| match entry {
        Trace::Command { words, error, .. } => Some((words, error)),
        _ => None,
    });
    let (words, error) = taken.expect("the plain model takes commands at once");
    assert_eq!(words, raw.words());
    if error.is_some() {
        bench.queue.recover(&bench.p).unwrap().unwrap();
    }
    let _ = bench.queue.sync(&bench.p, TIMEOUT).unwrap();
    error == Some(1)
}

#[test]
fn the_model_refuses_what_is_illegal_and_complains_only_of_what_is_not_legal() {
    let profiles = [
        Profile::maximum(),
        Profile::minimum(),
        Profile::minimum_stage2(),
        Profile::mmu600(),
        Profile::mmu_s3(),
        Profile::qemu(),
    ];
    for (seed, profile) in (1..).zip(profiles) {
        let machine = ModelMachine::new(profile, &streams());
        let shape = StreamTableShape::Linear { log2: 4 };
        let mut bench = Bench::new(
            &machine,
            Setup { command_queue_log2: 4, event_queue_log2: 2, shape, ..Setup::default() },
        );
        // By what the ID registers say: an erratum takes features away that the hardware has.
        let ids = IdRegisters { iidr: Iidr::from_bits(0), ..IdRegisters::read(&bench.p) };
        let caps = Caps::probe(&ids, &Hints::default()).unwrap();
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let (mut refused, mut odd, mut legal, mut complained) = (0, 0, 0, machine.complaints().len());
        for _ in 0..COMMANDS {
            let raw = RawCommand::from_words(random.command());
            if matches!(raw.opcode().code(), 0x80..=0x8f) {
                continue;
            }
            let verdict = raw.legal(&caps, &Interface::NON_SECURE);
            let model_refuses = model_says(&mut bench, &machine, raw);
            let complaints = machine.complaints();
            // Lawful, and yet a mistake: an answer to what nobody asked, which the command alone does not show.
            let unasked = |complaint: &String| {
                complaint.ends_with("waits for an answer (4.7.1)")
                    || complaint.ends_with("waits for an answer (chapter 8)")
            };
            let model_complains = complaints[complained..].iter().any(|complaint| !unasked(complaint));
            complained = complaints.len();
            let is_illegal = verdict.is_err_and(|objection| objection.effect == Effect::Illegal);
            let name = profile.name;
            assert_eq!(model_refuses, is_illegal, "{name}: {raw:?} {verdict:?}");
            assert!(
                !model_complains || verdict.is_err(),
                "{name}: {raw:?} {:?}",
                machine.complaints().last()
            );
            refused += u32::from(is_illegal);
            legal += u32::from(verdict.is_ok());
            odd += u32::from(verdict.is_err() && !is_illegal);
        }
        assert!(refused > 500 && odd > 150 && legal > 50, "{}: {refused} {odd} {legal}", profile.name);
        bench.shut_down();
    }
}
