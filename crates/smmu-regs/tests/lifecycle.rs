//! What the life cycle refuses before it writes a register: bases and interrupts that the SMMU cannot have.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use smmu_regs::PhysAddr;
use smmu_regs::caps::{Caps, Feature, Hints, IdRegisters};
use smmu_regs::layout::{FieldInfo, Layout};
use smmu_regs::lifecycle::{
    BaseProblem, Bases, Interrupt, InterruptError, InterruptProblem, Interrupts, Msi, MsiMemory,
};
use smmu_regs::registers::{
    CmdqBase, EventqBase, EventqIrqCfg2, GerrorIrqCfg2, Idr0, Idr1, PriqBase, PriqIrqCfg2, StrtabBase,
    StrtabBaseCfg,
};

/// SIDSIZE 20, all queues up to 2^10, 52-bit output.
fn caps(change: impl FnOnce(Idr0) -> Idr0) -> Caps {
    let ids = IdRegisters::EXAMPLE;
    let sizes = ids.idr1.try_with(Idr1::SIDSIZE, 20_u8).unwrap().try_with(Idr1::CMDQS, 10_u8).unwrap();
    let idr1 = sizes.try_with(Idr1::EVENTQS, 10_u8).unwrap().try_with(Idr1::PRIQS, 10_u8).unwrap();
    Caps::probe(&IdRegisters { idr0: change(ids.idr0), idr1, ..ids }, &Hints::default()).unwrap()
}

/// Bases as raw words.
#[derive(Clone, Copy)]
struct Raw {
    table: u64,
    shape: u32,
    commands: u64,
    events: u64,
    requests: Option<u64>,
}

/// A linear table of 2^8, queues of 2^8, 2^7 and 2^6, each at the lowest place that it can be at.
const GOOD: Raw =
    Raw { table: 1 << 14, shape: 8, commands: 1 << 12 | 8, events: 1 << 12 | 7, requests: Some(1 << 10 | 6) };

fn check(raw: Raw, caps: &Caps) -> Result<(), (&'static str, u64, BaseProblem)> {
    let bases = Bases {
        stream_table: StrtabBase::from_bits(raw.table),
        stream_table_shape: StrtabBaseCfg::from_bits(raw.shape),
        command_queue: CmdqBase::from_bits(raw.commands),
        event_queue: EventqBase::from_bits(raw.events),
        pri_queue: raw.requests.map(PriqBase::from_bits),
    };
    bases.check(caps).map_err(|error| (error.register, error.value, error.problem))
}

#[test]
fn bases_are_aligned_within_the_output_size_and_no_larger_than_the_smmu_takes() {
    let caps = caps(|idr0| idr0);
    assert_eq!(check(GOOD, &caps), Ok(()));
    let hint = 1 << 62;
    let hints = Raw { table: GOOD.table | hint, commands: GOOD.commands | hint, ..GOOD };
    assert_eq!(check(Raw { events: GOOD.events | hint, requests: None, ..hints }, &caps), Ok(()));

    // Half the alignment, for each.
    for (raw, register, value, align) in [
        (Raw { table: 1 << 13, ..GOOD }, "STRTAB_BASE", 1 << 13, 1 << 14),
        (Raw { commands: 1 << 11 | 8, ..GOOD }, "CMDQ_BASE", 1 << 11 | 8, 1 << 12),
        (Raw { events: 1 << 11 | 7, ..GOOD }, "EVENTQ_BASE", 1 << 11 | 7, 1 << 12),
        (Raw { requests: Some(1 << 9 | 6), ..GOOD }, "PRIQ_BASE", 1 << 9 | 6, 1 << 10),
    ] {
        assert_eq!(check(raw, &caps), Err((register, value, BaseProblem::Alignment { align })));
    }
    // 2^11 entries of 2^10.
    for (raw, register, value) in [
        (Raw { commands: 1 << 16 | 11, ..GOOD }, "CMDQ_BASE", 1 << 16 | 11),
        (Raw { events: 1 << 16 | 11, ..GOOD }, "EVENTQ_BASE", 1 << 16 | 11),
        (Raw { requests: Some(1 << 16 | 11), ..GOOD }, "PRIQ_BASE", 1 << 16 | 11),
    ] {
        let problem = BaseProblem::Size { log2: 11, max: 10 };
        assert_eq!(check(raw, &caps), Err((register, value, problem)));
    }
    // Bit 52 of 52, and reserved bits.
    for (raw, register, value) in [
        (Raw { table: 1 << 52, ..GOOD }, "STRTAB_BASE", 1 << 52),
        (Raw { commands: 1 << 52, ..GOOD }, "CMDQ_BASE", 1 << 52),
        (Raw { events: 1 << 52, ..GOOD }, "EVENTQ_BASE", 1 << 52),
        (Raw { requests: Some(1 << 52), ..GOOD }, "PRIQ_BASE", 1 << 52),
    ] {
        assert_eq!(check(raw, &caps), Err((register, value, BaseProblem::Address { bits: 52 })));
    }
    for (raw, register, value, bits) in [
        (Raw { table: 1 << 63 | 1, ..GOOD }, "STRTAB_BASE", 1 << 63 | 1, 1 << 63 | 1),
        (Raw { shape: 8 | 1 << 11, ..GOOD }, "STRTAB_BASE_CFG", 8 | 1 << 11, 1 << 11),
        (Raw { commands: 1 << 63, ..GOOD }, "CMDQ_BASE", 1 << 63, 1 << 63),
    ] {
        assert_eq!(check(raw, &caps), Err((register, value, BaseProblem::Reserved { bits })));
    }
}

#[test]
fn stream_tables_have_a_format_a_split_and_a_size_that_the_smmu_has() {
    let caps2 = caps(|idr0| idr0);
    let shape = |log2: u32, split: u32, format: u32| log2 | split << 6 | format << 16;
    let with = |shape, table, caps: &Caps| check(Raw { table, shape, ..GOOD }, caps);
    // 2^20 StreamIDs split at 8: 2^12 descriptors.
    assert_eq!(with(shape(20, 8, 1), 1 << 15, &caps2), Ok(()));
    assert_eq!(with(shape(4, 6, 1), 64, &caps2), Ok(()));
    let align = |align| BaseProblem::Alignment { align };
    assert_eq!(with(shape(20, 8, 1), 1 << 14, &caps2), Err(("STRTAB_BASE", 1 << 14, align(1 << 15))));
    // The split of a linear table is ignored.
    assert_eq!(with(shape(8, 31, 0), 1 << 14, &caps2), Ok(()));
    let refused = |log2, split, format, problem| {
        let word = shape(log2, split, format);
        assert_eq!(with(word, 1 << 40, &caps2), Err(("STRTAB_BASE_CFG", word.into(), problem)));
    };
    for (format, split) in [(1, 7), (1, 0), (1, 31), (2, 8), (3, 8)] {
        refused(10, split, format, BaseProblem::Format { format: format as u8, split: split as u8 });
    }
    refused(21, 8, 1, BaseProblem::Size { log2: 21, max: 20 });
    refused(63, 8, 0, BaseProblem::Size { log2: 63, max: 20 });
    let caps1 = caps(|idr0| idr0.try_with(Idr0::ST_LEVEL, 0_u8).unwrap());
    let problem = BaseProblem::Format { format: 1, split: 8 };
    assert_eq!(
        with(shape(20, 8, 1), 1 << 15, &caps1),
        Err(("STRTAB_BASE_CFG", shape(20, 8, 1).into(), problem))
    );
    let no_pri = caps(|idr0| idr0.with(Idr0::PRI, false));
    assert_eq!(check(GOOD, &no_pri), Err(("PRIQ_BASE", 1 << 10 | 6, BaseProblem::Lacks(Feature::Pri))));
    assert_eq!(check(Raw { requests: None, ..GOOD }, &no_pri), Ok(()));
}

#[test]
fn interrupts_are_some_that_the_smmu_can_make() {
    let full = caps(|idr0| idr0);
    let to = |address| Interrupt::Msi(Msi::to_register(PhysAddr::new(address), 5));
    let check = |interrupts: Interrupts, caps: &Caps| {
        interrupts.check(caps).map_err(|InterruptError { register, problem }| (register, problem))
    };
    for good in [4, 0x800_0000, (1 << 52) - 4] {
        let all = Interrupts {
            global_errors: to(good),
            event_queue: to(good),
            pri_queue: to(good),
            pri_last_only: true,
        };
        assert_eq!(check(all, &full), Ok(()));
    }
    for (address, problem) in [
        (0, InterruptProblem::Address(PhysAddr::new(0))),
        (0x1002, InterruptProblem::Address(PhysAddr::new(0x1002))),
        (1 << 52, InterruptProblem::AboveOutput { address: PhysAddr::new(1 << 52), bits: 52 }),
    ] {
        let wrong = to(address);
        for (interrupts, register) in [
            (Interrupts { global_errors: wrong, ..Interrupts::WIRED }, "GERROR_IRQ_CFG0"),
            (Interrupts { event_queue: wrong, ..Interrupts::WIRED }, "EVENTQ_IRQ_CFG0"),
            (Interrupts { pri_queue: wrong, ..Interrupts::WIRED }, "PRIQ_IRQ_CFG0"),
        ] {
            assert_eq!(check(interrupts, &full), Err((register, problem)));
        }
    }
    let wired = caps(|idr0| idr0.with(Idr0::MSI, false));
    let no_pri = caps(|idr0| idr0.with(Idr0::PRI, false));
    let event = Interrupts { event_queue: to(4), ..Interrupts::WIRED };
    assert_eq!(check(event, &wired), Err(("EVENTQ_IRQ_CFG0", InterruptProblem::Lacks(Feature::Msi))));
    let request = Interrupts { pri_queue: to(4), ..Interrupts::WIRED };
    assert_eq!(check(request, &no_pri), Err(("PRIQ_IRQ_CFG2", InterruptProblem::Lacks(Feature::Pri))));
    let last = Interrupts { pri_last_only: true, ..Interrupts::WIRED };
    assert_eq!(check(last, &wired), Err(("PRIQ_IRQ_CFG2", InterruptProblem::Lacks(Feature::Msi))));
    for caps in [&full, &wired, &no_pri] {
        assert_eq!(check(Interrupts::WIRED, caps), Ok(()));
        assert_eq!(check(Interrupts::OFF, caps), Ok(()));
    }
}

/// 5.2 STE.MemAttr, which is the stage-2 encoding: Device in 0b00xx; else outer in 3:2 and inner in 1:0, 1 non-cacheable, 2
/// write-through, 3 write-back.
#[test]
fn msi_memory_types_are_encoded_as_mem_attr() {
    let normal = |code: u8| code << 2 | code;
    for (memory, code) in [
        (MsiMemory::DeviceNGnRnE, 0),
        (MsiMemory::DeviceNGnRE, 1),
        (MsiMemory::DeviceNGRE, 2),
        (MsiMemory::DeviceGRE, 3),
        (MsiMemory::NormalNonCacheable, normal(1)),
        (MsiMemory::NormalWriteThrough, normal(2)),
        (MsiMemory::NormalWriteBack, normal(3)),
    ] {
        assert_eq!(memory as u8, code);
    }
    let places = |fields: &'static [FieldInfo]| {
        fields.iter().map(|field| (field.name, field.lsb, field.width)).collect::<Vec<_>>()
    };
    assert_eq!(places(GerrorIrqCfg2::FIELDS), [("MEMATTR", 0, 4), ("SH", 4, 2)]);
    assert_eq!(places(EventqIrqCfg2::FIELDS), places(GerrorIrqCfg2::FIELDS));
    assert_eq!(places(PriqIrqCfg2::FIELDS), [("MEMATTR", 0, 4), ("SH", 4, 2), ("LO", 31, 1)]);
}
