//! What waits for an answer, by raw words: stalls, page requests, translations that devices remember.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use smmu_model::{
    Access, Adversity, AtsAccess, AtsCompletion, Fault, Irq, Model, Outcome, PageRequest, PageResponse,
    Profile, Resumed, Trace, Translation,
};
use std::collections::BTreeSet;
use std::sync::Arc;

const VA: u64 = 0x9000;
const PA: u64 = 0x8000_5000;

fn resume(sid: u64, stag: u64, retry: bool, abort: bool) -> [u64; 2] {
    [0x44 | sid << 32 | u64::from(retry) << 12 | u64::from(abort) << 13, stag]
}

/// Stream 1 stalls where it is not mapped.
fn stalling(profile: Profile) -> Rig {
    let rig = stage1_rig(profile);
    let mut cd = cd_s1(5);
    cd[0] |= 1 << 44;
    rig.structure(CD, cd);
    rig
}

/// STAG of the next record, which is one of a stall.
fn stag(rig: &mut Rig) -> u64 {
    let record = rig.event().unwrap();
    assert_eq!((record[0] & 0xff, record[1] >> 31 & 1), (0x10, 1));
    record[1] & 0xffff
}

fn write(rig: &mut Rig, va: u64, value: u32) -> Fault {
    rig.smmu.dma_write32(&Access { write: true, ..access(1, va) }, value).unwrap_err()
}

#[test]
fn a_retried_write_writes() {
    let mut rig = stalling(Profile::maximum());
    assert!(write(&mut rig, VA, 7).waits);
    let tag = stag(&mut rig);
    assert_eq!(rig.smmu.unanswered_stalls(), [(1, tag as u16)]);
    map(&rig.mem, S1_ROOT, VA, PA, RW1);
    assert_eq!(rig.mem.get(PA), 0);
    rig.cmd(resume(1, tag, true, false));
    assert_eq!(rig.mem.get(PA), 7);
    let done = Access { write: true, ..access(1, VA) };
    assert_eq!(rig.smmu.resumed(), [Resumed { access: done, result: Ok(7) }]);
    assert_eq!((rig.smmu.stalled().len(), rig.smmu.unanswered_stalls().len()), (0, 0));
    rig.clean();
}

#[test]
fn terminated_with_and_without_an_abort() {
    let forced = |idr0: u32| {
        let mut profile = Profile::maximum();
        profile.idr[0] |= idr0;
        profile
    };
    // TERM_MODEL 26: only with aborts.
    for (profile, abort, raz_wi) in
        [(forced(0), false, true), (forced(0), true, false), (forced(1 << 26), false, false)]
    {
        let mut rig = stalling(profile);
        write(&mut rig, VA, 7);
        let tag = stag(&mut rig);
        rig.cmd(resume(1, tag, false, abort));
        let [done] = rig.smmu.resumed()[..] else { panic!("not one") };
        let fault = done.result.unwrap_err();
        assert_eq!((fault.raz_wi, fault.event, fault.waits), (raz_wi, None, false));
        rig.clean();
    }
}

#[test]
fn stalls_wait_for_room_in_the_queue_and_for_tags() {
    let mut rig = stalling(Profile::maximum());
    // The queue holds four.
    for page in 0..6 {
        assert_eq!(write(&mut rig, VA + page * 0x1000, 7).recorded, page < 4);
    }
    assert_eq!(rig.r32(0x100a8) >> 31, 0, "stalls do not overflow the queue (7.4)");
    let tags: BTreeSet<u64> = (0..6).map(|_| stag(&mut rig)).collect();
    assert_eq!((tags.len(), rig.event()), (6, None));
    for tag in tags {
        rig.cmd(resume(1, tag, false, true));
    }
    assert_eq!(rig.smmu.resumed().len(), 6);
    // Two tags (STALL_MAX, IDR5[31:16]).
    let mut profile = Profile::maximum();
    profile.idr[5] = profile.idr[5] & 0xffff | 2 << 16;
    let mut rig = stalling(profile);
    for page in 0..3 {
        assert_eq!(write(&mut rig, VA + page * 0x1000, 7).recorded, page < 2);
    }
    let (first, _) = (stag(&mut rig), stag(&mut rig));
    assert_eq!(rig.event(), None);
    rig.cmd(resume(1, first, false, true));
    // The third is tried when the queue is looked at next.
    rig.w32(0x100ac, 2);
    assert_eq!(rig.smmu.unanswered_stalls().len(), 2);
    rig.clean();
}

#[test]
fn a_whole_stream_is_terminated() {
    let mut rig = stalling(Profile::maximum());
    for page in 0..6 {
        write(&mut rig, VA + page * 0x1000, 7);
    }
    rig.ste(1, [1, 0, 0, 0, 0, 0, 0, 0]);
    rig.cmd(cfgi_ste(1, 1));
    rig.cmd(SYNC);
    rig.cmd([0x45 | 1 << 32, 0]);
    assert_eq!((rig.smmu.resumed().len(), rig.smmu.stalled().len()), (6, 0));
    assert_eq!(rig.smmu.unanswered_stalls(), []);
    rig.clean();
    // With the STE as it was, or without its invalidation.
    for stored in [false, true] {
        let mut rig = stalling(Profile::maximum());
        write(&mut rig, VA, 7);
        if stored {
            rig.ste(1, [1, 0, 0, 0, 0, 0, 0, 0]);
        }
        rig.cmd([0x45 | 1 << 32, 0]);
        rig.one_complaint("lets transactions through (4.7.2)");
    }
}

#[test]
fn translation_off_ends_stalls() {
    let mut rig = stalling(Profile::maximum());
    write(&mut rig, VA, 7);
    rig.w32(0x20, 0xc);
    assert_eq!((rig.smmu.stalled().len(), rig.smmu.resumed().len()), (0, 1));
    assert_eq!(rig.smmu.unanswered_stalls(), []);
    let mut rig = stalling(Profile::maximum());
    write(&mut rig, VA, 7);
    rig.smmu.fail_service();
    assert_eq!((rig.smmu.stalled().len(), rig.smmu.resumed().len()), (0, 1));
}

#[test]
fn an_answer_to_nothing_is_a_mistake() {
    let mut rig = stalling(Profile::maximum());
    write(&mut rig, VA, 7);
    let tag = stag(&mut rig);
    // Of another stream's.
    rig.cmd(resume(2, tag, true, false));
    rig.one_complaint("no such stall waits");
    assert_eq!(rig.smmu.stalled().len(), 1);
}

/// Stalls answered by a driver that maps first, on an SMMU that does as it likes: every write arrives once, and there is one
/// answer for each record.
#[test]
fn whatever_the_smmu_does_every_write_arrives() {
    let (mut suppressed, mut early, mut late) = (0, 0, 0);
    for seed in 0..60 {
        let mem = Arc::new(Mem::default());
        let adversity = Adversity { seed, ..Adversity::new([(1, None)]) };
        let mut smmu = Model::adversarial(Profile::maximum(), mem.clone(), adversity);
        let write32 = |smmu: &mut Model<_>, at, value| smmu.write(at, smmu_model::Width::W32, value);
        let read32 = |smmu: &mut Model<_>, at| smmu.read(at, smmu_model::Width::W32);
        let wait = |smmu: &mut Model<_>, at, wanted| {
            assert!((0..200).any(|_| smmu.read(at, smmu_model::Width::W32) == wanted), "{at:#x}");
        };
        let store = |at: u64, words: &[u64]| {
            (0..).step_by(8).zip(words).for_each(|(offset, word)| mem.set(at + offset, *word));
        };
        let mut cd = cd_s1(5);
        cd[0] |= 1 << 44;
        store(CD, &cd);
        store(STRTAB + 64, &ste_s1(9));
        map(&mem, S1_ROOT, 0x1000, 0x8000_0000, RW1);
        smmu.barrier();
        for (at, value) in [(0x80, STRTAB), (0x90, CMDQ | 4), (0xa0, EVENTQ | 2)] {
            smmu.write(at, smmu_model::Width::W64, value);
        }
        write32(&mut smmu, 0x28, 0xd75);
        write32(&mut smmu, 0x88, 6);
        for value in [8, 0xc, 0xd] {
            write32(&mut smmu, 0x20, value);
            wait(&mut smmu, 0x24, value);
        }
        let mut prod = 0;
        let mut command = |smmu: &mut Model<_>, words: [u64; 2]| {
            store(CMDQ + (prod & 15) * 16, &words);
            prod = (prod + 1) & 31;
            smmu.barrier();
            write32(smmu, 0x98, prod);
            wait(smmu, 0x9c, prod);
        };
        for value in 1..=6 {
            let at = Access { write: true, ..access(1, VA + 4 * u64::from(value)) };
            let fault = smmu.dma_write32(&at, value).unwrap_err();
            suppressed += u32::from(fault.stall.is_some() && !fault.recorded);
        }
        map(&mem, S1_ROOT, VA, PA, RW1);
        smmu.barrier();
        early += u32::from((0..40).any(|_| read32(&mut smmu, 0x24) == 0xd && !smmu.resumed().is_empty()));
        let (mut cons, mut answers) = (0, 0);
        for _ in 0..200 {
            if read32(&mut smmu, 0x100a8) & 7 != cons {
                let tag = mem.get(EVENTQ + (cons & 3) * 32 + 8) & 0xffff;
                cons = (cons + 1) & 7;
                write32(&mut smmu, 0x100ac, cons);
                command(&mut smmu, resume(1, tag, true, false));
                late += u32::from(!smmu.stalled().is_empty());
                answers += 1;
            }
        }
        assert_eq!((smmu.stalled(), smmu.unanswered_stalls()), (vec![], &[][..]), "seed {seed}");
        assert!((1..=6).contains(&answers));
        for value in 1..=6 {
            let word = mem.get((PA + 4 * value) & !7) >> (32 * (value & 1)) & 0xffff_ffff;
            assert_eq!(word, value, "seed {seed}");
        }
        assert_eq!(smmu.complaints(), &[] as &[String]);
    }
    // All that it may do, it has done.
    assert!(suppressed > 0 && early > 0 && late > 0, "{suppressed} {early} {late}");
}

const PRIQ: u64 = 0x22_0000;

/// Stream 1 with full ATS, ATSCHK, and a PRI queue of four.
fn asking(profile: Profile, ats: u64) -> Rig {
    let mut rig = stage1_rig(profile);
    let mut ste = ste_s1(9);
    ste[1] |= ats << 28;
    rig.ste(1, ste);
    rig.w64(0xc0, PRIQ | 2);
    rig.w32(0x100c8, 0);
    rig.w32(0x100cc, 0);
    rig.w32(0x50, 0);
    rig.w32(0x50, 7);
    rig.w32(0x20, 0x1d);
    rig.w32(0x20, 0x1f);
    rig.smmu.irqs();
    rig.clean();
    rig
}

fn wants(group: u16, ssid: Option<u32>, last: bool) -> PageRequest {
    PageRequest {
        sid: 1,
        ssid,
        address: 0x1234_5678_9abc_d000,
        group,
        last,
        read: true,
        write: false,
        execute: false,
        privileged: false,
    }
}

fn answered(group: u16, ssid: Option<u32>, code: u8) -> PageResponse {
    PageResponse { sid: 1, ssid, group, code, auto: true }
}

#[test]
fn a_page_request_as_it_stands_in_the_queue() {
    let mut rig = asking(Profile::maximum(), 1);
    let all =
        PageRequest { write: true, execute: true, privileged: true, ..wants(0x1a5, Some(0xabcde), true) };
    rig.smmu.page_request(&all);
    rig.smmu.page_request(&wants(3, None, false));
    let entry = |number: u64| [rig.mem.get(PRIQ + number * 16), rig.mem.get(PRIQ + number * 16 + 8)];
    assert_eq!(entry(0), [0xfc0a_bcde_0000_0001, 0x1234_5678_9abc_d1a5]);
    assert_eq!(entry(1), [0x1000_0000_0000_0001, 0x1234_5678_9abc_d003]);
    assert_eq!(rig.r32(0x100c8), 2);
    assert_eq!(rig.smmu.irqs(), [Irq::Pri], "from empty to non-empty");
    assert_eq!(rig.smmu.unanswered_groups(), [(1, 0x1a5)]);
    // Success, with the PASID.
    rig.cmd([0x41 | 1 << 11 | 0xabcde << 12 | 1 << 32, 0x1a5 | 2 << 12]);
    let response = PageResponse { auto: false, ..answered(0x1a5, Some(0xabcde), 0) };
    assert_eq!(rig.smmu.page_responses(), [response]);
    rig.clean();
    rig.cmd([0x41 | 1 << 32, 0x1a5 | 2 << 12]);
    rig.one_complaint("no such group waits");
}

#[test]
fn interrupts_for_last_requests_only() {
    let mut rig = asking(Profile::maximum(), 1);
    rig.w32(0x50, 5);
    rig.w32(0xdc, 1 << 31);
    rig.w32(0x50, 7);
    rig.smmu.page_request(&wants(1, None, false));
    assert_eq!(rig.smmu.irqs(), []);
    for group in 1..6 {
        rig.smmu.page_request(&wants(group, None, true));
    }
    assert_eq!(rig.smmu.irqs(), [Irq::Pri; 5], "also for those that an overflow discards (6.3.36)");
}

#[test]
fn overflow_answers_by_ppar_and_pps() {
    let request = wants(9, Some(7), true);
    // PPS (IDR3 bit 5), PPAR (STE bit 82), valid STE.
    for (pps, ppar, valid, expected) in [
        (true, false, false, answered(9, Some(7), 0)),
        (false, true, true, answered(9, Some(7), 0)),
        (false, false, true, answered(9, None, 0)),
        (false, true, false, answered(9, None, 15)),
    ] {
        let mut profile = Profile::maximum();
        profile.idr[3] = profile.idr[3] & !(1 << 5) | u32::from(pps) << 5;
        let mut rig = asking(profile, 1);
        let mut ste = ste_s1(9);
        ste[0] &= !u64::from(!valid);
        ste[1] |= 1 << 28 | u64::from(ppar) << 18;
        rig.ste(1, ste);
        for group in 0..4 {
            rig.smmu.page_request(&wants(group, None, false));
        }
        rig.smmu.page_request(&wants(8, None, false));
        assert_eq!((rig.r32(0x100c8), rig.smmu.page_responses()), (1 << 31 | 4, vec![]));
        rig.smmu.page_request(&request);
        rig.smmu.page_request(&wants(9, None, true));
        rig.smmu.page_request(&PageRequest { read: false, ..request });
        assert_eq!(rig.smmu.page_responses(), [expected, answered(9, None, 0)], "{pps} {ppar} {valid}");
        assert_eq!((rig.event(), rig.smmu.unanswered_groups()), (None, &[][..]));
        // Room alone does not help; acknowledging does.
        rig.w32(0x100cc, 4);
        rig.smmu.page_request(&wants(9, None, true));
        assert_eq!(rig.smmu.page_responses(), [answered(9, None, 0)]);
        rig.w32(0x100cc, 1 << 31 | 4);
        rig.smmu.page_request(&wants(9, None, true));
        assert_eq!((rig.r32(0x100c8), rig.smmu.page_responses()), (1 << 31 | 5, vec![]));
        rig.clean();
        rig.w32(0x100cc, 1 << 31 | 6);
        rig.one_complaint("PRIQ_CONS moved");
    }
}

#[test]
fn a_queue_that_cannot_be_written_refuses() {
    let mut rig = asking(Profile::maximum(), 1);
    rig.mem.break_page(PRIQ, true);
    rig.smmu.page_request(&wants(1, Some(2), false));
    assert_eq!((rig.r32(0x60) ^ rig.r32(0x64), rig.r32(0x100c8)), (1 << 3, 0));
    rig.mem.break_page(PRIQ, false);
    rig.smmu.page_request(&wants(2, Some(2), true));
    rig.smmu.page_request(&PageRequest { read: false, ..wants(3, Some(2), true) });
    assert_eq!(rig.smmu.page_responses(), [answered(1, None, 15), answered(2, None, 15)]);
    rig.w32(0x64, 1 << 3);
    rig.smmu.page_request(&wants(4, None, true));
    assert_eq!((rig.smmu.page_responses(), rig.smmu.unanswered_groups()), (vec![], &[(1, 4)][..]));
    // Off: the answer that is due is ignored, and the device starts anew.
    rig.w32(0x20, 0x1e);
    rig.cmd([0x41 | 1 << 32, 4 | 2 << 12]);
    assert_eq!((rig.smmu.page_responses(), rig.smmu.unanswered_groups()), (vec![], &[][..]));
    rig.clean();
}

#[test]
fn translation_requests_are_completed() {
    let mut rig = asking(Profile::maximum(), 1);
    let ask = |rig: &mut Rig, va, write| rig.smmu.ats_request(&Access { write, ..access(1, va) });
    let page = Translation { page: 0x8000_0000, read: true, write: false };
    assert_eq!(ask(&mut rig, 0x1234, false), AtsCompletion::Granted(page));
    assert_eq!(ask(&mut rig, 0x1234, true), AtsCompletion::Granted(Translation { write: true, ..page }));
    // Read-only (AP[2], bit 7): fewer permissions than were asked for.
    map(&rig.mem, S1_ROOT, 0x2000, PA, RW1 | 1 << 7);
    let read_only = Translation { page: PA, read: true, write: false };
    assert_eq!(ask(&mut rig, 0x2000, true), AtsCompletion::Granted(read_only));
    assert_eq!(ask(&mut rig, VA, true), AtsCompletion::Denied);
    rig.structure(CD, [0; 8]);
    rig.cmd(cfgi_cd(1, 0, 1));
    assert_eq!(ask(&mut rig, 0x1000, false), AtsCompletion::Aborted);
    assert_eq!(ask(&mut rig, 0x1000, false), AtsCompletion::Aborted);
    assert_eq!(rig.event(), None, "failures of ATS are not recorded");
    // ATS off: Unsupported, and recorded (SPAN, P, W, R, page).
    let mut rig = asking(Profile::maximum(), 0);
    assert_eq!(ask(&mut rig, 0x1234, true), AtsCompletion::Unsupported);
    assert_eq!(rig.event().unwrap(), [1 << 32 | 5, 1 | 1 << 31, 0x1000, 0]);
    rig.clean();
}

#[test]
fn translated_transactions_are_checked() {
    for (ats, event) in [(1, None), (0, Some(7))] {
        let mut rig = asking(Profile::maximum(), ats);
        let outcome = rig.smmu.translated(&Access { write: true, ..access(1, PA) });
        match event {
            None => assert_eq!(outcome, Outcome::Passed { pa: PA }),
            Some(number) => {
                assert_eq!(rig.event().unwrap(), [1 << 32 | number, 0, PA, 0]);
                assert!(matches!(outcome, Outcome::Aborted(_)));
            }
        }
        // A stream without a valid STE: silent.
        rig.ste(2, [0; 8]);
        assert!(matches!(rig.smmu.translated(&access(2, PA)), Outcome::Aborted(_)));
        assert_eq!(rig.event(), None);
        // Without ATSCHK anybody passes; with SMMUEN 0 nobody does.
        rig.w32(0x20, 0xf);
        assert_eq!(rig.smmu.translated(&access(2, PA)), Outcome::Passed { pa: PA });
        rig.w32(0x20, 0xe);
        assert!(matches!(rig.smmu.translated(&access(1, PA)), Outcome::Aborted(f) if f.event == Some(7)));
        rig.one_complaint("clears ATSCHK while SMMUEN is 1");
    }
}

#[test]
fn a_device_forgets_what_it_is_told_to() {
    let atc_inv = |ssid: Option<u64>, global: bool, va: u64, size: u64| {
        let pasid = ssid.map_or(0, |ssid| 1 << 11 | ssid << 12);
        [0x40 | 1 << 32 | pasid | u64::from(global) << 9, size | va & !0xfff]
    };
    for (command, forgets) in [
        (atc_inv(None, false, 0x1000, 0), true),
        (atc_inv(None, false, 0x2000, 0), false),
        (atc_inv(None, false, 0x2000, 1), false),
        (atc_inv(None, false, 0x2000, 2), true),
        (atc_inv(None, false, 0, 52), true),
        (atc_inv(Some(1), false, 0x1000, 0), false),
        (atc_inv(Some(1), true, 0, 52), false),
    ] {
        let mut rig = asking(Profile::maximum(), 1);
        let write = |rig: &mut Rig, value| rig.smmu.ats_dma32(&access(1, 0x1008), Some(value));
        assert_eq!(write(&mut rig, 1), AtsAccess::Done(1));
        map(&rig.mem, S1_ROOT, 0x1000, 0, 0);
        rig.cmd([0x11 | 9 << 32 | 5 << 48, 0]);
        assert_eq!(write(&mut rig, 2), AtsAccess::Done(2), "it was not told");
        rig.cmd(command);
        rig.cmd(SYNC);
        let expected = if forgets { AtsAccess::Refused(AtsCompletion::Denied) } else { AtsAccess::Done(3) };
        assert_eq!(write(&mut rig, 3), expected, "{command:x?}");
        let lost = rig.smmu.trace().iter().any(|trace| matches!(trace, Trace::Lost { .. }));
        assert_eq!((rig.mem.get(0x8000_0008), lost), (if forgets { 2 } else { 3 }, false));
        rig.clean();
    }
}
