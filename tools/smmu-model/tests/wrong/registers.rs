//! Mistakes with registers: bring-up, takeover, handshakes.

use super::Mistake;
use super::driver::{Driver, Goes};
use crate::common::{CMDQ, STRTAB};
use smmu_model::Profile;

const VA: u64 = 0x1000;

pub(crate) const MISTAKES: &[Mistake] = &[
    Mistake::new("an SMMU is taken over without GBPA.ABORT", window, "stream 1 at 0x1000 may reach 0x1000"),
    Mistake::new("nobody waits for GBPA.UPDATE", gbpa_early, "stream 1 at 0x1000 may reach 0x1000"),
    Mistake::new("GBPA is written without UPDATE", gbpa_plain, "without UPDATE"),
    Mistake::new("GBPA is written while UPDATE is 1", gbpa_twice, "while UPDATE is 1"),
    Mistake::new(
        "caches are not invalidated before SMMUEN",
        dirty_start,
        "stream 1 at 0x1000 may reach 0x1000",
    ),
    Mistake::new(
        "nobody waits for CR0ACK before memory is freed",
        ack_ignored,
        "was freed while the SMMU may",
    ),
    Mistake::new("CR0 is written again before CR0ACK follows", cr0_twice, "before their Update completed"),
    Mistake::new("ATSCHK is cleared together with SMMUEN", unchecked, "clears ATSCHK while SMMUEN is 1"),
    Mistake::new("VMW changes while the command queue runs", wildcard, "changes VMW while commands"),
    Mistake::new("the Stream table changes while SMMUEN is 1", table_late, "STRTAB_BASE while SMMUEN is 1"),
    Mistake::new("the Stream table is not aligned to its size", unaligned, "STRTAB_BASE"),
    Mistake::new("SPLIT has a reserved value", split, "SPLIT 7 is reserved"),
    Mistake::new("CR1 changes while the queues run", cr1_late, "CR1 changed"),
    Mistake::new("GERRORN is written with errors that are not active", gerrorn, "toggles inactive errors"),
    Mistake::new(
        "the MSI of the event queue changes while it is enabled",
        msi_late,
        "EVENTQ_IRQ_CFG0 while EVENTQ_IRQEN is 1",
    ),
    Mistake::new("EVENTQ_PROD is looked for in page 0", wrong_page, "is in the other page"),
    Mistake::new("a 64-bit access to a 32-bit register", too_wide, "64-bit write of the 32-bit register"),
    Mistake::new("an ID register is written", read_only, "it is read only"),
    Mistake::new("CR2.E2H is set without Hyp", e2h, "reserved bits").on(Profile::qemu),
];

/// The last owner lets stream 1 through, by its table and while the SMMU is off.
fn careless(d: &mut Driver) {
    d.set_bases();
    d.start();
    d.attach(1, [1 | 4 << 1, 1 << 44, 0, 0, 0, 0, 0, 0]);
    d.expect(1, VA, &[Goes::To(VA)]);
}

fn window(d: &mut Driver, wrong: bool) {
    careless(d);
    if !wrong {
        d.abort_while_off();
    }
    d.cr0(0);
    d.expect(1, VA, &[Goes::Silent]);
}

fn gbpa_early(d: &mut Driver, wrong: bool) {
    d.w32(0x44, 1 << 31 | 1 << 20);
    if !wrong {
        assert!(d.wait(0x44, 1 << 31, 0));
    }
    d.expect(1, VA, &[Goes::Silent]);
}

fn gbpa_plain(d: &mut Driver, wrong: bool) {
    d.w32(0x44, if wrong { 1 << 20 } else { 1 << 31 | 1 << 20 });
}

fn gbpa_twice(d: &mut Driver, wrong: bool) {
    d.w32(0x44, 1 << 31);
    if !wrong {
        assert!(d.wait(0x44, 1 << 31, 0));
    }
    d.w32(0x44, 1 << 31 | 1 << 20);
}

fn dirty_start(d: &mut Driver, wrong: bool) {
    careless(d);
    d.abort_while_off();
    d.cr0(0);
    // A new table, of which all entries abort.
    let table = STRTAB + 0x8000;
    for sid in 0..64 {
        d.store(table + sid * 64, 1);
    }
    d.set_bases();
    d.w64(0x80, table);
    if wrong {
        d.cr0(8);
        d.barrier();
        d.cr0(0xd);
    } else {
        d.start();
    }
    d.expect(1, VA, &[Goes::Silent]);
}

fn ack_ignored(d: &mut Driver, wrong: bool) {
    d.bring_up();
    if wrong {
        d.w32(0x20, 0)
    } else {
        d.cr0(0)
    }
    d.free(STRTAB, 0x1000);
}

fn unchecked(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    d.start();
    d.cr0(0x1d);
    if !wrong {
        d.cr0(0x10);
    }
    d.cr0(0);
}

fn wildcard(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    d.cr0(if wrong { 8 } else { 0x40 });
    d.cr0(0x48);
}

fn cr0_twice(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    if wrong {
        d.w32(0x20, 8)
    } else {
        d.cr0(8)
    }
    d.w32(0x20, 0);
}

fn table_late(d: &mut Driver, wrong: bool) {
    d.bring_up();
    if !wrong {
        d.cr0(0);
    }
    d.w64(0x80, STRTAB + 0x8000);
}

fn unaligned(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    d.w64(0x80, STRTAB + if wrong { 0x40 } else { 0x1000 });
    d.start();
}

fn split(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    d.w32(0x88, 1 << 16 | if wrong { 7 } else { 8 } << 6 | 12);
    d.start();
}

fn cr1_late(d: &mut Driver, wrong: bool) {
    d.bring_up();
    if !wrong {
        d.cr0(0);
    }
    d.w32(0x28, 0);
}

fn gerrorn(d: &mut Driver, wrong: bool) {
    d.bring_up();
    d.w32(0x64, if wrong { 4 } else { 0 });
}

fn msi_late(d: &mut Driver, wrong: bool) {
    d.bring_up();
    if wrong {
        d.w32(0x50, 4);
        assert!(d.wait(0x54, 4, 4));
    }
    d.w64(0xb0, 0x800_0000);
}

fn wrong_page(d: &mut Driver, wrong: bool) {
    d.bring_up();
    let _ = d.r32(if wrong { 0xa8 } else { 0x100a8 });
}

fn too_wide(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    if wrong { d.w64(0x98, 0) } else { d.w32(0x98, 0) }
}

fn read_only(d: &mut Driver, wrong: bool) {
    let id = d.r32(0);
    if wrong {
        d.w32(0, id);
    }
}

fn e2h(d: &mut Driver, wrong: bool) {
    d.abort_while_off();
    d.set_bases();
    d.w64(0x90, CMDQ | 4);
    d.w32(0x2c, u64::from(wrong));
}
