//! A hostile host in front of a real (model) SMMU that a hypervisor owns: the trap filter and the host's command policy stand
//! between. Nothing it does lets a device, or the SMMU, reach a page that is not the host's; changes a register of the real
//! SMMU; stops the real queue; or puts a command there that names anybody else.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod lab;

use lab::{BOUND, Lab, OTHER, OTHERS, STREAM, p0, p1};
use smmu_cmds::host::{Completion, HostAction, Standstill};
use smmu_machine::Machine;
use smmu_model::Profile;
use smmu_regs::PhysAddr;
use smmu_regs::platform::{Page, RegisterOffset};
use smmu_regs::trap::Access;
use std::cell::Cell;
use std::rc::Rc;
use support::on_model;

const IOVA: u64 = 0x7000_0000;
/// CERROR_ILL, CERROR_ABT.
const ILLEGAL: Option<u64> = Some(1);
const ABORTED: Option<u64> = Some(2);

/// CMD_SYNC with an MSI: CS=SIG_IRQ, data 0x5a5a5a5a.
const SYNC_MSI: u64 = 0x5a5a_5a5a << 32 | 1 << 12 | 0x46;

/// A lawful STE of the host's that bypasses stage 1.
const BYPASS: [u64; 8] = [0x9, 0, 0, 0, 0, 0, 0, 0];

/// One attack on a host that is up.
type Attack = (&'static str, fn(&mut Lab<'_>));

const ATTACKS: &[Attack] = &[
    ("a CMD_SYNC whose MSI goes to the hypervisor", |lab| {
        let told = lab.completions.len();
        let address = lab.secret;
        lab.command([SYNC_MSI, address.get()]);
        let completed = HostAction::Completed(Completion::Message { address, data: 0x5a5a_5a5a });
        assert_eq!(lab.completions[told..], [completed]);
    }),
    ("an MSI address for global errors", |lab| {
        lab.write32(p0(0x50), 0);
        lab.write64(p0(0x68), lab.secret.get());
        lab.write32(p0(0x50), 7);
        lab.command([0xff, 0]);
        assert_eq!(lab.failure(), ILLEGAL);
    }),
    ("an MSI address for events", |lab| {
        lab.write32(p0(0x50), 0);
        lab.write64(p0(0xb0), lab.secret.get());
        lab.write32(p0(0xb8), 9);
        lab.write32(p0(0x50), 7);
        lab.ste(STREAM, BYPASS);
    }),
    ("an MSI address for page requests", |lab| {
        let refusals = lab.refusals;
        lab.write64(p0(0xd0), lab.secret.get());
        lab.write32(p0(0xd8), 9);
        assert_eq!(lab.refusals, refusals + 2);
    }),
    ("an event queue in the hypervisor's page", |lab| {
        lab.write32(p0(0x20), 9);
        lab.write64(p0(0xa0), lab.secret.get() | 5);
        lab.write32(p0(0x20), 0xd);
        lab.ste(STREAM, BYPASS);
        // Its device faults at stage 2, and the record finds no memory of the host's.
        lab.machine.dma_invert(0, lab.secret.get()).unwrap();
        lab.write32(p1(0xac), 0);
        assert_eq!(lab.read32(p0(0x60)) & 4, 4);
    }),
    ("an event queue in the hypervisor's page while it is enabled", |lab| {
        let refusals = lab.refusals;
        lab.write64(p0(0xa0), lab.secret.get() | 5);
        lab.write32(p0(0xa4), 0);
        lab.write32(p1(0xa8), 3);
        assert_eq!(lab.refusals, refusals + 3);
    }),
    ("a PRI queue in the hypervisor's page", |lab| {
        lab.write64(p0(0xc0), lab.secret.get() | 5);
        lab.write32(p0(0x20), 0xf);
        assert_eq!(lab.read32(p0(0x24)), 0xd);
    }),
    ("a command queue in the hypervisor's page", |lab| {
        lab.write32(p0(0x20), 5);
        lab.write64(p0(0x90), lab.secret.get() | 6);
        lab.write32(p0(0x20), 0xd);
        lab.write32(p0(0x9c), 0);
        lab.write32(p0(0x98), 5);
        let _ = lab.read32(p0(0x9c));
        assert_eq!(lab.read32(p0(0x9c)) >> 24, 2);
    }),
    ("a command queue at the end of the address space", |lab| {
        lab.write32(p0(0x20), 5);
        lab.write64(p0(0x90), 0x00ff_ffff_ffff_ffe6);
        lab.write32(p0(0x20), 0xd);
        lab.write32(p0(0x98), 0x3f);
        assert_eq!(lab.read32(p0(0x9c)) >> 24, 2);
    }),
    ("a stream table in the hypervisor's page", |lab| {
        lab.write32(p0(0x20), 0xc);
        lab.write64(p0(0x80), lab.secret.get());
        lab.write32(p0(0x20), 0xd);
        lab.command([0x04, 31]);
    }),
    ("a stream table moved while it is enabled, in halves", |lab| {
        let refusals = lab.refusals;
        lab.write32(p0(0x80), lab.secret.get() & 0xffff_ffff);
        lab.write32(p0(0x84), 0);
        lab.write32(p0(0x88), 0x3f);
        assert_eq!(lab.refusals, refusals + 3);
        lab.command([0x04, 31]);
    }),
    ("a stream table of absurd size and shape", |lab| {
        for shape in [0x3f, 0x1_0209, 0x3_07ff, 0] {
            lab.write32(p0(0x20), 0xc);
            lab.write32(p0(0x88), shape);
            lab.write32(p0(0x20), 0xd);
            lab.command([0x04, 31]);
        }
    }),
    ("an STE that bypasses", |lab| {
        lab.ste(STREAM, BYPASS);
        assert!(lab.reaches_own(lab.own.get()));
    }),
    ("an STE with a stage 2 of the host's", |lab| {
        let table = lab.own.get();
        for config in [6, 7] {
            lab.ste(
                STREAM,
                [config << 1 | 1, 0, 0x0005_3500_0000_0000 | u64::from(OTHER), table, 0, 0, 0, 0],
            );
        }
    }),
    ("STEs with each single bit set", |lab| {
        for bit in 0..128 {
            let mut words = BYPASS;
            words[bit / 64] ^= 1 << (bit % 64);
            for (index, word) in (0..).zip(words) {
                lab.store(PhysAddr::new(lab.table.get() + u64::from(STREAM) * 64 + index * 8), word);
            }
            lab.command([u64::from(STREAM) << 32 | 0x03, 1]);
        }
    }),
    ("a context pointer into the hypervisor's page", |lab| {
        lab.ste(STREAM, [lab.secret.get() | 5 << 1 | 1, 0x54, 0, 0, 0, 0, 0, 0]);
    }),
    ("a stage 1 that maps the hypervisor's page", |lab| {
        let secret = lab.secret;
        let _ = lab.stage1(IOVA, secret);
        assert!(!lab.reaches_own(IOVA));
    }),
    ("a stage 1 that is moved under the SMMU", |lab| {
        let own = lab.own;
        let _ = lab.stage1(IOVA, own);
        assert!(lab.reaches_own(IOVA), "a host that behaves is served");
        let secret = lab.secret;
        let _ = lab.stage1(IOVA, secret);
    }),
    ("translation tables in the hypervisor's page", |lab| {
        let own = lab.own;
        let space = lab.stage1(IOVA, own);
        let cd = space.cds.pointer(smmu_ste::ste::WithoutSubstream::Terminate).base;
        let ttb0 = PhysAddr::new(cd.get() + 8);
        lab.store(ttb0, lab.secret.get());
        lab.command([u64::from(STREAM) << 32 | 0x05, 1]);
        lab.command([0x30, 0]);
        lab.command([0x46, 0]);
    }),
    ("GBPA bypass with the SMMU disabled", |lab| {
        lab.write32(p0(0x20), 0);
        lab.write32(p0(0x44), 1 << 31);
        assert!(lab.reaches_own(lab.own.get()));
    }),
    ("GBPA with every attribute", |lab| {
        for bit in 0..31 {
            lab.write32(p0(0x44), 1 << 31 | 1 << bit);
        }
        lab.write32(p0(0x20), 0);
    }),
    ("CR0 with everything, on and off", |lab| {
        for value in [0x5df, 0, 0x1f, 0x40, 0xffff_ffff, 1, 0x1d, 0, 0xd] {
            lab.write32(p0(0x20), value);
        }
    }),
    ("CR1 and CR2 with everything", |lab| {
        for cr0 in [0xd, 0] {
            lab.write32(p0(0x20), cr0);
            for value in [0xfff, 0xf, 7, 0xffff_ffff] {
                lab.write32(p0(0x28), value);
                lab.write32(p0(0x2c), value);
            }
        }
    }),
    ("an STE and commands for another guest's stream", |lab| {
        let other = u64::from(OTHERS) << 32;
        lab.ste(OTHERS, BYPASS);
        for low in [0x03, 0x05, 0x06] {
            lab.command([other | low, 0]);
        }
        for range in 0..32 {
            lab.command([other | 0x04, range]);
        }
        assert_eq!(lab.failure(), None);
    }),
    ("another guest's ATC", |lab| {
        for stream in [OTHERS, 0x100, u32::MAX] {
            lab.command([u64::from(stream) << 32 | 0x40, 52]);
            let _ = lab.failure();
        }
    }),
    ("another guest's VMID", |lab| {
        for low in [0x10, 0x11, 0x12, 0x13, 0x28, 0x2a] {
            lab.command([u64::from(OTHER) << 32 | low, 0]);
            let _ = lab.failure();
        }
        for vmid in 0..=0xff {
            lab.command([vmid << 32 | 0x10, 0]);
        }
        lab.command([0x30, 0]);
    }),
    ("EL2, EL3, Secure, DPT and implementation defined commands", |lab| {
        let codes =
            [0x07, 0x18, 0x1a, 0x20, 0x21, 0x22, 0x23, 0x50, 0x51, 0x52, 0x53, 0x58, 0x5a, 0x60, 0x70, 0x73];
        for code in codes.into_iter().chain(0x80..0x90).chain([0, 0xff]) {
            lab.command([code, 0]);
            assert_eq!(lab.failure(), ILLEGAL, "{code:#x}");
        }
    }),
    ("Secure StreamIDs", |lab| {
        for code in [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x44, 0x45] {
            lab.command([u64::from(STREAM) << 32 | 1 << 10 | code, 0]);
            assert_eq!(lab.failure(), ILLEGAL, "{code:#x}");
        }
    }),
    ("answers to somebody else's faults", |lab| {
        for stream in [STREAM, OTHERS] {
            for low in [0x41, 0x44 | 1 << 12, 0x44, 0x45] {
                lab.command([u64::from(stream) << 32 | low, 0]);
                assert_eq!(lab.failure(), ILLEGAL);
            }
        }
    }),
    ("prefetches of addresses", |lab| {
        for stream in [STREAM, OTHERS] {
            lab.command([u64::from(stream) << 32 | 0x02, lab.secret.get() | 0x1f]);
            lab.command([u64::from(stream) << 32 | 0x01, 0]);
        }
        assert_eq!(lab.failure(), None);
    }),
    ("ECMDQ pages", |lab| {
        for offset in (0x4000..0x4100).step_by(8) {
            lab.write64(p0(offset), lab.secret.get() | 1 << 63);
            lab.write32(p0(offset), 1);
        }
    }),
    ("address translation registers", |lab| {
        let refusals = lab.refusals;
        lab.write64(p0(0x108), u64::from(OTHERS));
        lab.write64(p0(0x110), lab.secret.get());
        lab.write32(p0(0x100), 1);
        lab.write32(p0(0x180), u64::from(OTHER));
        assert_eq!((lab.refusals, lab.read32(p0(0x118))), (refusals + 4, 0));
    }),
    ("Secure registers", |lab| {
        for offset in (0x8000..0x8200).step_by(4) {
            lab.write32(p0(offset), 0xffff_ffff);
            assert_eq!(lab.read32(p0(offset)), 0);
        }
    }),
    ("every other offset, odd widths", |lab| {
        for page in [Page::Zero, Page::One] {
            for offset in (0x200..=0xfffc).step_by(4) {
                let at = RegisterOffset { page, offset };
                for bytes in [1, 2, 4, 8] {
                    lab.trap(Access { at, bytes, write: Some(lab.secret.get()) });
                }
            }
        }
    }),
    ("registers through the wrong page, unaligned", |lab| {
        for at in [p1(0x20), p1(0x80), p1(0x90), p0(0xa8), p0(0xac), p1(0xb0)] {
            lab.write32(at, lab.secret.get() & 0xffff_ffff);
            lab.write64(at, lab.secret.get());
        }
        for bytes in [2, 4, 8] {
            lab.trap(Access { at: p0(0x81), bytes, write: Some(u64::MAX) });
        }
    }),
    ("any PROD at all", |lab| {
        for prod in [0xf_ffff, 0x7f, 0x40, 0x41, 0x3f, 0, 0xffff_ffff, 1 << 31] {
            lab.write32(p0(0x98), prod);
            for _ in 0..20 {
                let _ = lab.read32(p0(0x9c));
            }
            let _ = lab.failure();
        }
    }),
    ("a queue that is never empty", |lab| {
        let before = lab.served.len();
        for _ in 0..64 {
            lab.queue([0x30, 0]);
        }
        lab.ring();
        let served = &lab.served[before..];
        assert_eq!(served[0].end, Standstill::Bound);
        assert!(served.len() as u32 >= 64 / BOUND);
    }),
    ("an STE that changes while it is read", |lab| {
        let entry = lab.table.get() + u64::from(STREAM) * 64;
        // Each look at it finds something else: stage 1, stage 2, both, bypass; the pointer and the attributes too.
        let mut turn = 0;
        *lab.after_load.borrow_mut() = Box::new(move |at, word| {
            if (entry..entry + 64).contains(&at.get()) {
                turn += 1;
                word.store([0x9, 0xb, 0xd, 0xf, u64::MAX, 0x0005_3500_0000_0009][turn % 6]);
            }
        });
        for _ in 0..40 {
            lab.command([u64::from(STREAM) << 32 | 0x03, 1]);
        }
        *lab.after_load.borrow_mut() = Box::new(|_, _| {});
    }),
    ("a command that changes while it is read", |lab| {
        let (queue, secret, told) = (lab.commands.get(), lab.secret.get(), lab.completions.len());
        let loads = Rc::new(Cell::new(0));
        let count = Rc::clone(&loads);
        *lab.after_load.borrow_mut() = Box::new(move |at, word| {
            if (queue..queue + 1024).contains(&at.get()) {
                count.set(count.get() + 1);
                // Whoever looks again finds an MSI to the hypervisor.
                word.store(if at.get() % 16 == 0 { SYNC_MSI } else { secret });
            }
        });
        for _ in 0..40 {
            lab.command([0x30, 0]);
            lab.command([0x46, 0]);
        }
        *lab.after_load.borrow_mut() = Box::new(|_, _| {});
        assert_eq!(loads.get(), 2 * 80, "each word is read once");
        assert_eq!(lab.completions[told..], [HostAction::Completed(Completion::None); 40]);
    }),
    ("a global error acknowledged before it is there", |lab| {
        let refusals = lab.refusals;
        lab.write32(p0(0x64), 0x7ff & !2);
        assert_eq!(lab.refusals, refusals + 1);
        lab.command([0xff, 0]);
        // Stopped: nothing is consumed, whatever the host rings.
        lab.write32(p0(0x98), 0x10);
        let served = lab.served.len();
        let _ = lab.read32(p0(0x9c));
        assert_eq!(lab.served.len(), served);
    }),
];

#[test]
fn no_attack_gets_out() {
    assert!(ATTACKS.len() >= 20);
    on_model(Profile::maximum(), |machine| {
        for (name, attack) in ATTACKS {
            let mut lab = Lab::new(machine);
            lab.bring_up();
            attack(&mut lab);
            lab.assert_contained(name);
            lab.shut_down();
        }
    });
}

/// The queue in memory that is not the host's is an abort, and goes on after the host has put it right.
#[test]
fn an_abort_is_recovered_from() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine);
        lab.bring_up();
        lab.write32(p0(0x20), 5);
        lab.write64(p0(0x90), lab.secret.get() | 6);
        lab.write32(p0(0x9c), 0);
        lab.write32(p0(0x98), 1);
        lab.write32(p0(0x20), 0xd);
        assert_eq!(Some(lab.read32(p0(0x9c)) >> 24), ABORTED);
        lab.write32(p0(0x20), 5);
        lab.write64(p0(0x90), lab.commands.get() | 6);
        lab.write32(p0(0x20), 0xd);
        lab.write32(p0(0x64), 1);
        assert_eq!(lab.read32(p0(0x9c)) & 0xf_ffff, 1, "the command in the right queue was consumed");
        lab.assert_contained("an abort");
        lab.shut_down();
    });
}
