//! Tags and ATC spans: which command is whose, and the smallest aligned power of two.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use smmu_cmds::Command;
use smmu_cmds::command::{AtcSpan, TlbiOperand};
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::vmsa::IovaRange;
use smmu_regs::{Asid, Caps, Vmid};
use smmu_tlbi::Tag;
use smmu_tlbi::atc;

fn tags(vmid: Vmid, asid: Asid) -> [Tag; 4] {
    [Tag::Stage1 { vmid, asid }, Tag::El2E2h { asid }, Tag::Stage2 { vmid }, Tag::NestingParent { vmid }]
}

/// Opcode, VMID and ASID of a command, by the positions of the facts.
fn words(command: Command) -> (u64, u64, u64) {
    let caps = Caps::probe_strict(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    let [low, _] = command.encode(&caps).unwrap().words();
    (low & 0xff, low >> 32 & 0xffff, low >> 48)
}

proptest! {
    #[test]
    fn each_tag_has_its_commands(vmid: u16, asid: u16, page in 0_u64..1 << 40, leaf: bool) {
        let operand = TlbiOperand::page(page << 12, leaf);
        let [stage1, el2, stage2, parent] = tags(Vmid::new(vmid), Asid::new(asid));
        let (vmid, asid) = (u64::from(vmid), u64::from(asid));
        // NH_VA and NH_ASID; EL2_VA and EL2_ASID; S2_IPA and S12_VMALL.
        prop_assert_eq!(words(stage1.by_address(operand)), (0x12, vmid, asid));
        prop_assert_eq!(words(stage1.whole()), (0x11, vmid, asid));
        prop_assert_eq!(words(el2.by_address(operand)), (0x22, 0, asid));
        for tag in [stage2, parent] {
            prop_assert_eq!(words(tag.by_address(operand)), (0x2a, vmid, 0));
            prop_assert_eq!(words(tag.whole()), (0x28, vmid, 0));
        }
        // Combined entries are not found by IPA (4.4.3.1): NH_ALL, for nesting alone.
        prop_assert_eq!(parent.combined().map(words), Some((0x10, vmid, 0)));
        for tag in [stage1, el2, stage2] {
            prop_assert_eq!(tag.combined(), None);
        }
    }

    #[test]
    fn an_el2_e2h_address_space_goes_by_asid(asid in 1_u16..) {
        let tag = Tag::El2E2h { asid: Asid::new(asid) };
        prop_assert_eq!(words(tag.whole()), (0x21, 0, u64::from(asid)));
    }

    /// An invalidation by ASID leaves global entries (4.4.2.4), so a table that may hold some goes with all of its VMID or
    /// world; by address it is found as any other (4.4.2.2).
    #[test]
    fn global_entries_go_too_where_there_may_be_some(vmid: u16, asid: u16, page in 0_u64..1 << 40) {
        let operand = TlbiOperand::page(page << 12, true);
        let (number, space) = (Vmid::new(vmid), Asid::new(asid));
        let foreign = Tag::Stage1Foreign { vmid: number, asid: space };
        let (vmid, asid) = (u64::from(vmid), u64::from(asid));
        prop_assert_eq!(words(foreign.whole()), (0x10, vmid, 0));
        prop_assert_eq!(words(foreign.by_address(operand)), (0x12, vmid, asid));
        let foreign = Tag::El2E2hForeign { asid: space };
        prop_assert_eq!(words(foreign.whole()), (0x20, 0, 0));
        prop_assert_eq!(words(foreign.by_address(operand)), (0x22, 0, asid));
        prop_assert_eq!(foreign.combined(), None);
    }
}

/// "EL2 (non-ASID-tagged) entries are not required to be invalidated" by CMD_TLBI_EL2_ASID (4.4.2.10).
#[test]
fn an_el2_address_space_goes_whole() {
    assert_eq!(Tag::El2.whole(), Command::TlbiEl2All);
    assert_eq!(words(Tag::El2.by_address(TlbiOperand::page(0x5000, true))), (0x22, 0, 0));
}

/// The smallest span that holds both ends, found by trying all sizes from the smallest.
fn smallest(first: u64, last: u64) -> (u64, u8) {
    (0_u8..=52)
        .find_map(|log2| {
            let low = u128::from(u64::MAX).min((1 << (u32::from(log2) + 12)) - 1) as u64;
            (first & !low == last & !low).then_some((first & !low, log2))
        })
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn a_span_is_the_smallest_aligned_power_of_two(start: u64, size: u64, log2 in 0_u32..64, top: bool) {
        let size = size >> log2;
        let start = if top { u64::MAX - size } else { start.min(u64::MAX - size) };
        let last = start + size;
        let span = atc::span(IovaRange::new(start, last).unwrap());
        prop_assert_eq!((span.address(), span.size_log2()), smallest(start, last));
        // It holds the range and is aligned to its size.
        let bytes = 1_u128 << (u32::from(span.size_log2()) + 12);
        prop_assert_eq!(u128::from(span.address()) % bytes, 0);
        prop_assert!(span.address() <= start);
        prop_assert!(u128::from(last) < u128::from(span.address()) + bytes);
        // Half of it does not.
        let middle = u128::from(span.address()) + bytes / 2;
        let both = u128::from(start) < middle && u128::from(last) >= middle;
        prop_assert!(span.size_log2() == 0 || both);
    }
}

#[test]
fn spans_of_every_size() {
    let span = |first, last| atc::span(IovaRange::new(first, last).unwrap());
    for log2 in 0_u8..52 {
        let bytes = 1_u64 << (log2 + 12);
        for address in [0, bytes, 0_u64.wrapping_sub(bytes)] {
            let all = span(address, address + (bytes - 1));
            assert_eq!((all.address(), all.size_log2()), (address, log2));
            if log2 > 0 {
                // A byte on both sides of the middle is enough for all of it.
                let middle = address + bytes / 2;
                assert_eq!(span(middle - 1, middle), all);
                assert_eq!(span(middle, middle).size_log2(), 0);
            }
        }
    }
    assert_eq!(span(0, u64::MAX), AtcSpan::ALL);
    assert_eq!(span((1 << 63) - 1, 1 << 63), AtcSpan::ALL);
}
