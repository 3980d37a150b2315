//! Enhanced command queues by raw registers: where they are, the handshake, what may be written when, errors, and that a
//! CMD_SYNC is of its own queue (IHI 0070 3.5.6, 6.2.5, 6.3.49 to 6.3.51, 6.3.107 to 6.3.109).
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use smmu_model::{Adversity, Hang, Irq, Model, Outcome, Profile, Trace, Width};
use std::sync::Arc;

/// Where the model has its control pages, of four queues each.
const PAGES: u32 = 0x8_0000;
const SPACING: u32 = 0x4000;
const MEMORY: u64 = 0x26_0000;
const EN: u64 = 1 << 31;
const ERR: u64 = 1 << 23;
/// CERROR_ILL and CERROR_ABT in CONS.ERR_REASON.
const ILL: u64 = 1 << 24;
const ABT: u64 = 2 << 24;

fn queue(page: u32, number: u32) -> u32 {
    PAGES + page * 0x1_0000 + number * SPACING
}

/// An SMMU that is brought up, and a queue of 16 entries that is enabled.
fn enabled() -> (Rig, u32) {
    let mut rig = Rig::new(Profile::ecmdq());
    let at = queue(1, 2);
    rig.w64(at, MEMORY | 4);
    rig.w32(at + 8, EN);
    assert_eq!(rig.r32(at + 12), EN);
    rig.smmu.trace();
    (rig, at)
}

fn store(rig: &Rig, index: u64, command: [u64; 2]) {
    rig.mem.set(MEMORY + index * 16, command[0]);
    rig.mem.set(MEMORY + index * 16 + 8, command[1]);
}

#[test]
fn pages_say_where_they_are() {
    let mut rig = Rig::cold(Profile::ecmdq());
    assert_eq!(rig.r32(0x190), 1 << 24 | 2 << 16);
    for page in 0..2 {
        let at = 0x4000 + 32 * page;
        // PRESET, 64KB.
        let base = u64::from(PAGES + page * 0x1_0000);
        assert_eq!(rig.smmu.read(at, Width::W64), base | 3);
        assert_eq!(rig.smmu.control_page(page as u8), Some(base as u32));
        assert_eq!((rig.r32(at), rig.r32(at + 4)), (base | 3, 0));
        assert_eq!((rig.r32(at + 8), rig.r32(at + 12)), (1, 1));
    }
    for page in 0..2 {
        for number in 0..4 {
            let at = queue(page, number);
            assert_eq!((rig.r32(at + 8) & (EN | ERR), rig.r32(at + 12) & (EN | ERR)), (0, 0), "after reset");
            rig.w64(at, MEMORY | 1 << 62 | 4);
            assert_eq!(rig.smmu.read(at, Width::W64), MEMORY | 1 << 62 | 4);
        }
    }
    rig.clean();
    assert_eq!(rig.smmu.control_page(2), None);
    // Read only, and nothing behind the last page or between the queues.
    for at in [0x4000, 0x4008, 0x400c] {
        let before = rig.r32(at);
        rig.w32(at, 0);
        assert_eq!(rig.r32(at), before);
    }
    assert_eq!(rig.smmu.complaints().len(), 3);
    for at in [0x4010, 0x4040, queue(0, 0) + 16, queue(1, 3) + 0x100, queue(2, 0)] {
        let before = rig.smmu.complaints().len();
        assert_eq!(rig.r32(at), 0);
        let complaint = &rig.smmu.complaints()[before];
        assert!(complaint.contains("unknown or unimplemented"), "{complaint}");
    }
}

#[test]
fn without_the_feature_there_is_nothing() {
    let mut rig = Rig::cold(Profile::maximum());
    assert_eq!(rig.smmu.control_page(0), None);
    for at in [0x4000, PAGES] {
        assert_eq!(rig.r32(at), 0);
    }
    assert_eq!(rig.smmu.complaints().len(), 2);
}

#[test]
fn every_number_of_queues_is_spread_over_its_page() {
    for log2 in 0..=8_u32 {
        let mut profile = Profile::ecmdq();
        profile.idr[6] = log2 << 16 | (8 - log2) << 24;
        let mut rig = Rig::cold(profile);
        let last_page = (1 << (8 - log2)) - 1;
        let last = PAGES + last_page * 0x1_0000 + ((1 << log2) - 1) * (0x1_0000 >> log2);
        rig.w64(last, MEMORY | 4);
        assert_eq!(rig.smmu.read(last, Width::W64), MEMORY | 4);
        rig.clean();
        let behind = last + (0x1_0000 >> log2);
        rig.w64(behind, MEMORY | 4);
        rig.one_complaint("unknown or unimplemented");
    }
}

#[test]
fn commands_are_taken_while_both_queues_go_their_own_way() {
    let (mut rig, at) = enabled();
    // Independent of CR0.CMDQEN, and of the main queue's error.
    rig.w32(0x20, 5);
    store(&rig, 0, SYNC);
    rig.w32(at + 8, EN | 1);
    assert_eq!(rig.r32(at + 12), EN | 1);
    rig.w32(0x20, 0xd);
    rig.push([0xff, 0]);
    assert_eq!((rig.r32(0x60) ^ rig.r32(0x64), rig.r32(0x9c) >> 24), (1, 1));
    store(&rig, 1, SYNC);
    rig.w32(at + 8, EN | 2);
    assert_eq!(rig.r32(at + 12), EN | 2);
    let of: Vec<(u32, u32)> = rig
        .smmu
        .trace()
        .iter()
        .filter_map(|entry| match entry {
            Trace::Command { queue, index, .. } => Some((*queue, *index)),
            _ => None,
        })
        .collect();
    assert_eq!(of, [(at, 0), (0x90, 0), (at, 1)]);
    rig.clean();
}

#[test]
fn an_error_is_the_queue_s_own_until_it_is_acknowledged() {
    let (mut rig, at) = enabled();
    let mut acknowledged = 0;
    for (index, round) in (0..12).step_by(3).zip(0..) {
        for (ahead, command) in [SYNC, [0xff, 0], SYNC].into_iter().enumerate() {
            store(&rig, index + ahead as u64, command);
        }
        rig.w32(at + 8, EN | acknowledged | (index + 3));
        let err = acknowledged ^ ERR;
        assert_eq!(rig.r32(at + 12), EN | err | ILL | (index + 1), "round {round}");
        // Reported once more, and without effect on the queue.
        assert_eq!(rig.r32(0x60) ^ rig.r32(0x64), 1 << 9);
        assert!(rig.smmu.irqs().contains(&Irq::GlobalError));
        let errors = rig.r32(0x60);
        rig.w32(0x64, errors);
        assert_eq!(rig.r32(at + 12) & 0xf_ffff, index + 1);
        // The main queue works on.
        rig.cmd(SYNC);
        store(&rig, index + 1, SYNC);
        acknowledged = err;
        rig.w32(at + 8, EN | acknowledged | (index + 3));
        assert_eq!(rig.r32(at + 12) & (EN | ERR | 0xf_ffff), EN | acknowledged | (index + 3));
    }
    rig.clean();
}

#[test]
fn a_fetch_that_aborts_is_an_error_with_its_own_reason() {
    let (mut rig, at) = enabled();
    rig.mem.break_page(MEMORY, true);
    rig.w32(at + 8, EN | 1);
    assert_eq!(rig.r32(at + 12), EN | ERR | ABT);
    // Commands that were not taken may be withdrawn while the error is active (7.1).
    rig.w32(at + 8, EN | ERR);
    rig.mem.break_page(MEMORY, false);
    store(&rig, 0, SYNC);
    rig.w32(at + 8, EN | ERR | 1);
    assert_eq!(rig.r32(at + 12) & (EN | ERR | 0xf_ffff), EN | ERR | 1);
    rig.clean();
    // Without one they may not.
    rig.smmu.set_hang(Hang::CommandQueue);
    rig.w32(at + 8, EN | ERR | 3);
    rig.w32(at + 8, EN | ERR | 2);
    rig.one_complaint("moved back");
}

#[test]
fn what_is_enabled_is_read_only_and_what_changes_is_too() {
    let (mut rig, at) = enabled();
    for (place, name) in [(at, "ECMDQ_BASE"), (at + 12, "ECMDQ_CONS")] {
        let (before, complaints) = (rig.r32(place), rig.smmu.complaints().len());
        rig.w32(place, 0);
        assert_eq!(rig.r32(place), before, "ignored");
        let complaint = &rig.smmu.complaints()[complaints];
        assert!(complaint.contains(name) && complaint.contains("while EN | ENACK is 1"), "{complaint}");
    }
    // The enable is under way: not even PROD can be written.
    let (mut rig, at) = enabled();
    rig.smmu.set_hang(Hang::Cr0Ack);
    rig.w32(at + 8, 0);
    assert_eq!((rig.r32(at + 8), rig.r32(at + 12)), (0, EN));
    rig.w32(at + 8, EN);
    assert_eq!((rig.r32(at + 8), rig.r32(at + 12)), (0, EN));
    rig.one_complaint("ECMDQ_PROD while EN ^ ENACK is 1");
    rig.smmu.set_hang(Hang::None);
    assert_eq!((rig.r32(at + 8), rig.r32(at + 12)), (0, 0));
    // Off: everything can be written, but ENACK is the SMMU's.
    rig.w64(at, 0x27_0000 | 3);
    assert_eq!(rig.smmu.read(at, Width::W64), 0x27_0000 | 3);
    rig.w32(at + 12, ERR | ABT | 5);
    rig.w32(at + 8, ERR | 5);
    assert_eq!((rig.r32(at + 8), rig.r32(at + 12)), (ERR | 5, ERR | ABT | 5));
    assert_eq!(rig.smmu.complaints().len(), 1);
    rig.w32(at + 12, EN);
    assert_eq!(rig.r32(at + 12), 0);
    assert!(rig.smmu.complaints()[1].contains("ENACK is set by software"));
}

#[test]
fn a_disabled_queue_takes_nothing_and_goes_on_where_it_was() {
    let (mut rig, at) = enabled();
    rig.w32(at + 8, 0);
    store(&rig, 0, SYNC);
    rig.w32(at + 8, 1);
    assert_eq!(rig.r32(at + 12), 0);
    rig.w32(at + 8, EN | 1);
    assert_eq!(rig.r32(at + 12), EN | 1);
    // With an error that nobody acknowledges, too (3.5.6.2).
    store(&rig, 1, [0xff, 0]);
    rig.w32(at + 8, EN | 2);
    rig.w32(at + 8, 2);
    assert_eq!(rig.r32(at + 12), ERR | ILL | 1);
    rig.clean();
    rig.w32(at + 8, EN | 2);
    rig.one_complaint("enabled while ERRACK differs from CONS.ERR");
    assert_eq!(rig.r32(at + 12) & (EN | 0xf_ffff), EN | 1, "enabled, and stopped");
}

#[test]
fn a_msi_that_aborts_is_reported_as_of_the_main_queue() {
    let (mut rig, at) = enabled();
    rig.mem.break_page(0x66_0000, true);
    // CS=SIG_IRQ with an address.
    store(&rig, 0, [0x46 | 1 << 12, 0x66_0000]);
    rig.w32(at + 8, EN | 1);
    assert_eq!(rig.r32(at + 12), EN | 1);
    assert_eq!(rig.r32(0x60) ^ rig.r32(0x64), 1 << 4, "MSI_CMDQ_ABT_ERR");
    rig.clean();
}

/// Whether a read of stream 1 may still go where it went before.
fn stale(smmu: &mut Model<Arc<Mem>>) -> bool {
    smmu.permitted(&access(1, 0x1000)).iter().any(|outcome| matches!(outcome, Outcome::Passed { .. }))
}

#[test]
fn a_sync_is_of_its_own_queue() {
    // The invalidation is in `of`, the first CMD_SYNC in `first`.
    for (of, first, complete) in [(0, 0, true), (1, 1, true), (0, 1, false), (1, 0, false), (1, 2, false)] {
        let mem = Arc::new(Mem::default());
        let adversity = Adversity { lag: 0, ..Adversity::new([(1, None)]) };
        let mut smmu = Model::adversarial(Profile::ecmdq(), mem.clone(), adversity);
        for (number, word) in (0..).zip(ste_s1(9)) {
            mem.set(STRTAB + 64 + number * 8, word);
        }
        for (number, word) in (0..).zip(cd_s1(5)) {
            mem.set(CD + number * 8, word);
        }
        map(&mem, S1_ROOT, 0x1000, 0x8000_0000, RW1);
        smmu.barrier();
        let w32 = Width::W32;
        smmu.write(0x28, w32, 0xd75);
        smmu.write(0x80, Width::W64, STRTAB);
        smmu.write(0x88, w32, 6);
        let queues = [(0x90, CMDQ, 0), (queue(0, 0), MEMORY, EN), (queue(1, 3), MEMORY + 0x1000, EN)];
        for (at, memory, enable) in queues {
            smmu.write(at, Width::W64, memory | 4);
            smmu.write(at + 8, w32, enable);
        }
        smmu.write(0x20, w32, 9);
        let mut produced = [0; 3];
        let mut give = |smmu: &mut Model<Arc<Mem>>, number: usize, command: [u64; 2]| {
            let (at, memory, enable) = queues[number];
            mem.set(memory + produced[number] * 16, command[0]);
            mem.set(memory + produced[number] * 16 + 8, command[1]);
            smmu.barrier();
            produced[number] += 1;
            smmu.write(at + 8, w32, enable | produced[number]);
            assert!((0..1000).any(|_| smmu.read(at + 12, w32) & 0xf_ffff == produced[number]), "taken");
        };
        map(&mem, S1_ROOT, 0x1000, 0, 0);
        smmu.barrier();
        give(&mut smmu, of, nh_va(9, 5, 0x1000));
        assert!(stale(&mut smmu), "taken, and nothing more");
        give(&mut smmu, first, SYNC);
        assert_eq!(stale(&mut smmu), !complete, "invalidation in {of}, CMD_SYNC in {first}");
        give(&mut smmu, of, SYNC);
        assert!(!stale(&mut smmu));
        assert_eq!(smmu.complaints(), &[] as &[String]);
    }
}
