//! Stream tables, configuration caches and the Event queue.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
mod common;
use common::*;
use smmu_model::{Access, Irq, Outcome, Profile, Trace};

const BYPASS: [u64; 8] = [1 | 4 << 1, 1 << 44, 0, 0, 0, 0, 0, 0];

#[test]
fn invalid_stes_are_cached_too() {
    let mut rig = Rig::new(Profile::maximum());
    assert_eq!(rig.faults(3, 0x1000), 4);
    rig.ste(3, BYPASS);
    assert_eq!(rig.faults(3, 0x1000), 4, "stale V=0");
    for near in [cfgi_ste(2, 0), cfgi_cd(3, 0, 0), [6 | 3 << 32, 0], [4 | 4 << 32, 0], [0x30, 0]] {
        rig.cmd(near);
        assert_eq!(rig.faults(3, 0x1000), 4, "{near:x?}");
    }
    rig.cmd(cfgi_ste(3, 1));
    assert_eq!(rig.pa(3, 0x1000), 0x1000);
    rig.ste(3, [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rig.pa(3, 0x1000), 0x1000, "stale bypass");
    rig.cmd([4 | 2 << 32, 0]);
    let fault = rig.fault(access(3, 0x1000));
    assert_eq!((fault.event, rig.event()), (None, None), "Config=0 is silent; RANGE=0 at 2 covers 2 and 3");
    rig.ste(3, BYPASS);
    rig.cmd([4, 31]);
    assert_eq!(rig.pa(3, 0x1000), 0x1000, "CFGI_ALL");
    rig.clean();
}

#[test]
fn failed_fetches_are_not_cached() {
    let mut rig = Rig::new(Profile::maximum());
    rig.ste(3, BYPASS);
    rig.mem.break_page(STRTAB, true);
    let fault = rig.fault(access(3, 0));
    assert_eq!((fault.event, fault.fetch), (Some(3), Some(STRTAB + 192)));
    assert_eq!(rig.event().unwrap()[3], STRTAB + 192);
    rig.mem.break_page(STRTAB, false);
    assert_eq!(rig.pa(3, 0), 0);
}

#[test]
fn stream_id_range_and_recinvsid() {
    let mut rig = Rig::new(Profile::maximum());
    assert_eq!(rig.faults(64, 0), 2);
    rig.w32(0x20, 0);
    rig.w32(0x2c, 0);
    rig.w32(0x20, 0xd);
    let fault = rig.fault(access(64, 0));
    assert_eq!((fault.event, fault.recorded), (Some(2), false));
    assert_eq!(rig.fault(access(63, 0)).event, Some(4));
}

fn two_level(split: u64) -> Rig {
    let mut rig = Rig::new(Profile::maximum());
    rig.w32(0x20, 0xc);
    rig.w32(0x88, 16 | split << 6 | 1 << 16);
    rig.w32(0x20, 0xd);
    rig
}

#[test]
fn two_level_stream_tables() {
    for (split, effective) in [(6, 6), (8, 8), (10, 10)] {
        let mut rig = two_level(split);
        let sid = (3u32 << effective) + 5;
        assert_eq!(rig.faults(sid, 0), 2, "Span=0");
        rig.structure(0x60_0000 + 5 * 64, BYPASS);
        let l1 = STRTAB + 3 * 8;
        rig.mem.set(l1, 0x60_0000 | 4);
        assert_eq!(rig.faults(sid, 0), 2, "stale L1STD");
        rig.cmd(cfgi_ste(u64::from(sid), 1));
        assert_eq!(rig.faults(sid, 0), 2, "Leaf=1 keeps the L1STD");
        rig.cmd(cfgi_ste(u64::from(sid), 0));
        assert_eq!(rig.pa(sid, 0x40), 0x40, "Span=4 is 8 entries");
        assert_eq!(rig.faults(sid + 3, 0), 2, "the ninth entry");
        for (span, ok) in [(3, false), (4, true), (split + 1, true), (split + 2, false), (12, false)] {
            rig.mem.set(l1, 0x60_0000 | span);
            rig.cmd(cfgi_ste(u64::from(sid), 0));
            assert_eq!(matches!(rig.read(sid, 0), Outcome::Passed { .. }), ok, "Span {span} SPLIT {split}");
            rig.event();
        }
        rig.clean();
    }
    // SPLIT=7 acts as 6.
    let mut rig = two_level(7);
    rig.structure(0x60_0000 + 64, BYPASS);
    rig.mem.set(STRTAB + 8, 0x60_0000 | 7);
    assert_eq!(rig.pa(65, 0), 0);
    rig.one_complaint("SPLIT 7");
}

#[test]
fn cds_stay_until_cfgi() {
    let fill = || {
        let mut rig = stage1_rig(Profile::maximum());
        rig.pa(1, 0x1000);
        rig.mem.set(CD, 0);
        rig.mem.set(CD + 8, 0);
        rig
    };
    let mut rig = fill();
    for near in [cfgi_cd(2, 0, 0), cfgi_cd(1, 1, 0), [6 | 2 << 32, 0], cfgi_ste(2, 0), [0x30, 0]] {
        rig.cmd(near);
        assert_eq!(rig.pa(1, 0x1000), 0x8000_0000, "{near:x?}");
    }
    for right in [cfgi_cd(1, 0, 1), cfgi_cd(1, 0, 0), [6 | 1 << 32, 0], cfgi_ste(1, 1), [4, 0], [4, 31]] {
        let mut rig = fill();
        rig.cmd(right);
        assert_eq!(rig.faults(1, 0x1000), 0xa, "{right:x?}");
    }
}

#[test]
fn l1cds_stay_until_a_non_leaf_cfgi() {
    let mut rig = stage1_rig(Profile::maximum());
    let mut ste = ste_s1(9);
    ste[0] |= 11 << 59 | 1 << 4;
    rig.ste(1, ste);
    rig.mem.set(CD, 0);
    let a = Access { ssid: Some(3), ..access(1, 0x1000) };
    assert_eq!(rig.fault(a).event, Some(8));
    rig.mem.set(CD, 0x31_0000 | 1);
    rig.structure(0x31_0000 + 192, cd_s1(5));
    rig.cmd(cfgi_cd(1, 3, 1));
    assert_eq!(rig.fault(a).event, Some(8), "Leaf=1 keeps the L1CD");
    rig.cmd(cfgi_cd(1, 64, 0));
    assert_eq!(rig.fault(a).event, Some(8), "another L1CD");
    rig.cmd(cfgi_cd(1, 2, 0));
    assert_eq!(rig.smmu.dma(&a), Outcome::Passed { pa: 0x8000_0000 }, "any index of the same L1CD");
}

#[test]
fn reserved_bits_in_structures() {
    let mut rig = Rig::new(Profile::maximum());
    rig.ste(3, BYPASS);
    rig.pa(3, 0);
    rig.clean();
    let mut ste = BYPASS;
    ste[5] |= 1 << 60;
    rig.ste(4, ste);
    rig.pa(4, 0);
    rig.one_complaint("undefined bits");
    let mut rig = stage1_rig(Profile::maximum());
    let mut cd = cd_s1(5);
    cd[7] = 1 << 63;
    rig.structure(CD, cd);
    rig.pa(1, 0x1000);
    rig.one_complaint("CD 0x0 of StreamID 0x1");
    let mut rig = two_level(6);
    rig.mem.set(STRTAB, 1 << 5);
    rig.faults(0, 0);
    rig.one_complaint("L1STD");
}

#[test]
fn event_queue_overflow_handshake() {
    let mut rig = Rig::new(Profile::maximum());
    assert_eq!(rig.smmu.irqs(), []);
    for n in 0..4 {
        assert!(rig.fault(access(3, n)).recorded);
    }
    assert_eq!(rig.smmu.irqs(), [Irq::Event], "only from empty to non-empty");
    assert_eq!(rig.r32(0x100a8), 4, "full, no overflow yet");
    rig.smmu.trace();
    assert!(!rig.fault(access(3, 9)).recorded);
    assert!(matches!(rig.smmu.trace()[..], [Trace::Lost { .. }]));
    assert_eq!(rig.r32(0x100a8), 4 | 1 << 31);
    rig.fault(access(3, 9));
    assert_eq!(rig.r32(0x100a8), 4 | 1 << 31, "not toggled twice");
    // Space again, overflow not acknowledged: records are written all the same, a new loss is invisible.
    rig.w32(0x100ac, 1);
    assert!(rig.fault(access(3, 9)).recorded);
    rig.fault(access(3, 9));
    assert_eq!(rig.r32(0x100a8), 5 | 1 << 31);
    rig.w32(0x100ac, 5 | 1 << 31);
    for _ in 0..5 {
        rig.fault(access(3, 9));
    }
    assert_eq!(rig.r32(0x100a8), 1, "WR wrapped, OVFLG toggled back to 0");
    rig.clean();
    rig.w32(0x100ac, 2 | 1 << 31);
    rig.one_complaint("not consumption");
}

#[test]
fn event_queue_off_or_aborting() {
    let mut rig = Rig::new(Profile::maximum());
    rig.w32(0x20, 9);
    assert!(!rig.fault(access(3, 0)).recorded);
    assert_eq!(rig.r32(0x100a8), 0, "no overflow while disabled");
    rig.w32(0x20, 0xd);
    rig.mem.break_page(EVENTQ, true);
    assert!(!rig.fault(access(3, 0)).recorded);
    assert_eq!((rig.r32(0x60), rig.r32(0x100a8)), (4, 0));
    rig.mem.break_page(EVENTQ, false);
    assert!(!rig.fault(access(3, 0)).recorded, "until acknowledged");
    rig.w32(0x64, 4);
    assert!(rig.fault(access(3, 0)).recorded);
    rig.clean();
}

#[test]
fn event_msi() {
    let mut rig = Rig::new(Profile::maximum());
    rig.w32(0x50, 0);
    rig.w64(0xb0, 0x61_0000);
    rig.w32(0xb8, 0x77);
    rig.w32(0x50, 4);
    rig.fault(access(3, 0));
    assert_eq!(rig.mem.get(0x61_0000), 0x77);
    rig.event();
    rig.w32(0x50, 0);
    rig.smmu.irqs();
    rig.fault(access(3, 0));
    assert_eq!(rig.smmu.irqs(), [], "disabled");
    rig.clean();
}
