//! What must be refused, and that a refusal changes nothing; memory that runs out; tables that somebody has damaged.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{
    AttributeError, Attributes, Concatenation, CreateError, Gather, MapError, MemoryType, PageTable,
    TableConfig, TranslateError, UnmapError,
};
use smmu_regs::platform::AllocationError;
use smmu_regs::vmsa::{Granule, IovaRange, Level};
use smmu_regs::{AddressSize, PhysAddr};
use support::{TestMemory, check_tree, plain, range};

const WB: Attributes = Attributes::read_write(MemoryType::NormalCached);

/// A table with a page at 0x1000, a 2M block at 2M and a 1G block at 2G.
fn some(memory: &TestMemory) -> PageTable {
    let mut table = PageTable::new(plain(), memory).unwrap();
    table.map(memory, range(0x1000, 0x1000), PhysAddr::new(0), WB).unwrap();
    table.map(memory, range(2 << 20, 2 << 20), PhysAddr::new(4 << 20), WB).unwrap();
    table.map(memory, range(2 << 30, 1 << 30), PhysAddr::new(3 << 30), WB).unwrap();
    table
}

#[test]
fn map_refuses() {
    let memory = TestMemory::new(1 << 20);
    let mut table = some(&memory);
    let before = (memory.live_words(), memory.publishes.get());
    let input = table.config().input();
    let granule = Granule::Size4K;
    let pa = PhysAddr::new;
    let output = AddressSize::Bits48;
    let mut none = WB;
    (none.read, none.write) = (false, false);
    let top = 1u64 << 48;
    let cases = [
        (IovaRange::new(0x1000, 0x1ffe).unwrap(), pa(0), WB, None),
        (IovaRange::new(0x1001, 0x1fff).unwrap(), pa(0), WB, None),
        (range(0x9000, 0x1000), pa(0x800), WB, Some(MapError::MisalignedOutput { pa: pa(0x800), granule })),
        (range(top - 0x1000, 0x2000), pa(0), WB, None),
        (range(top, 0x1000), pa(0), WB, None),
        (IovaRange::ALL, pa(0), WB, None),
        (range(0x9000, 0x2000), pa(top - 0x1000), WB, None),
        (range(0x9000, 0x2000), pa(u64::MAX - 0xfff), WB, None),
        (range(0x9000, 0x1000), pa(0), none, Some(MapError::Attributes(AttributeError::NoAccess))),
        (range(0x1000, 0x1000), pa(0), WB, Some(MapError::Mapped { iova: 0x1000 })),
        (range(0, 0x4000), pa(0), WB, Some(MapError::Mapped { iova: 0x1000 })),
        (range(0, 0x4000), pa(1 << 21), WB, Some(MapError::Mapped { iova: 0x1000 })),
        // a block over a table that holds a page
        (range(0, 2 << 20), pa(0), WB, Some(MapError::Mapped { iova: 0x1000 })),
        (range(0, 1 << 30), pa(0), WB, Some(MapError::Mapped { iova: 0x1000 })),
        // tables would be needed before and after, and the last page is in the way
        (range((2 << 20) + 0x5000, 0x1000), pa(0), WB, Some(MapError::Mapped { iova: (2 << 20) + 0x5000 })),
        (range(1 << 30, (1 << 30) + 0x1000), pa(0x7000), WB, Some(MapError::Mapped { iova: 2 << 30 })),
    ];
    for (asked, to, attributes, expected) in cases {
        let error = table.map(&memory, asked, to, attributes).unwrap_err();
        let expected = expected.unwrap_or(if !asked.is_aligned(granule) {
            MapError::Misaligned { range: asked, granule }
        } else if !input.contains(asked) {
            MapError::OutsideInput { range: asked, input }
        } else {
            MapError::OutsideOutput { pa: to, range: asked, output }
        });
        assert_eq!(error, expected);
        assert!(!error.to_string().is_empty());
        assert_eq!(before, (memory.live_words(), memory.publishes.get()), "{error}");
    }
    // the very last page of input and output is not refused
    table.map(&memory, range(top - 0x1000, 0x1000), pa(top - 0x1000), WB).unwrap();
    assert_eq!(table.translate(&memory, top - 1).unwrap().pa, pa(top - 1));
}

#[test]
fn unmap_refuses() {
    let memory = TestMemory::new(1 << 20);
    let mut table = some(&memory);
    let before = memory.live_words();
    let input = table.config().input();
    let granule = Granule::Size4K;
    let not_mapped = |iova| Some(UnmapError::NotMapped { iova });
    let part = |iova, start, size| Some(UnmapError::PartOfBlock { iova, block: range(start, size) });
    let (mega, giga) = (1 << 20, 1 << 30);
    // what is asked, what strict says, what the other says
    let cases = [
        (IovaRange::new(0, 0x1ffe).unwrap(), None, None),
        (IovaRange::ALL, None, None),
        (range(0, 0x2000), not_mapped(0), Some(UnmapError::Memory(bogus()))),
        (range(0x1000, 0x2000), not_mapped(0x2000), Some(UnmapError::Memory(bogus()))),
        (range(0, giga), not_mapped(0), Some(UnmapError::Memory(bogus()))),
        (range(2 * mega, 0x1000), part(2 * mega, 2 * mega, 2 * mega), part(2 * mega, 2 * mega, 2 * mega)),
        (range(2 * mega + 0x3000, 2 * mega), part(2 * mega + 0x3000, 2 * mega, 2 * mega), None),
        (range(2 * giga - 0x1000, 0x2000), not_mapped(2 * giga - 0x1000), part(2 * giga, 2 * giga, giga)),
        (range(3 * giga - 2 * mega, 2 * mega), part(3 * giga - 2 * mega, 2 * giga, giga), None),
    ];
    for (asked, strict, present) in cases {
        let shape = if asked.is_aligned(granule) {
            UnmapError::OutsideInput { range: asked, input }
        } else {
            UnmapError::Misaligned { range: asked, granule }
        };
        let strict = strict.unwrap_or(shape);
        let mut gather = Gather::new();
        let error = table.unmap(&memory, asked, &mut gather).unwrap_err();
        assert_eq!(error, strict);
        assert!(!error.to_string().is_empty());
        // `Memory(bogus)` marks what the other does not refuse
        if present != Some(UnmapError::Memory(bogus())) {
            assert_eq!(table.unmap_present(&memory, asked, &mut gather), Err(present.unwrap_or(strict)));
        }
        assert_eq!(before, memory.live_words());
        assert!(gather.finish().is_none());
    }
}

#[test]
fn a_hole_deep_in_full_tables_is_found() {
    let memory = TestMemory::new(8 << 20);
    let mut table = PageTable::new(plain(), &memory).unwrap();
    // 512 full last-level tables in a full table above them
    table.map(&memory, range(1 << 30, 1 << 30), PhysAddr::new(0x1000), WB).unwrap();
    let hole = (1 << 30) + (300 << 21) + (77 << 12);
    let mut gather = Gather::new();
    table.unmap(&memory, range(hole, 0x1000), &mut gather).unwrap();
    let before = memory.live_words();
    let refused = table.unmap(&memory, range(1 << 30, 1 << 30), &mut gather);
    assert_eq!(refused, Err(UnmapError::NotMapped { iova: hole }));
    assert_eq!(before, memory.live_words());
    let gone = table.unmap_present(&memory, range(1 << 30, 1 << 30), &mut gather).unwrap();
    assert_eq!(gone.bytes, (1 << 30) - 0x1000);
    assert_eq!(gather.finish().map(|(_, freed)| freed.get().len()), Some(514));
}

fn bogus() -> smmu_regs::platform::MemoryError {
    smmu_regs::platform::MemoryError { address: PhysAddr::new(0), words: 0 }
}

#[test]
fn memory_that_runs_out_leaves_no_trace() {
    // ranges that need one to many new tables, in trees that have none or some of them
    let asked = [
        range(0x5000, 0x1000),
        range((1 << 30) - 0x2000, 0x4000),
        range((1 << 39) - 0x1000, 0x2000),
        range((1 << 30) - (3 << 21) - 0x1000, (7 << 21) + 0x3000),
        range(1 << 30, 40 << 21),
    ];
    let mut refused = 0;
    for config in [plain(), plain().non_coherent()] {
        for mapped in [None, Some(range(0x1000, 0x1000)), Some(range((1 << 30) - 0x1000, 0x1000))] {
            for asked in asked {
                let mut allowance = 0;
                loop {
                    let memory = TestMemory::new(1 << 20);
                    let mut table = PageTable::new(config, &memory).unwrap();
                    if let Some(mapped) = mapped.filter(|mapped| !mapped.overlaps(asked)) {
                        table.map(&memory, mapped, PhysAddr::new(0), WB).unwrap();
                    }
                    let before = memory.live_words();
                    memory.allowance.set(allowance);
                    let result = table.map(&memory, asked, PhysAddr::new(0x1000), WB);
                    if result.is_ok() {
                        break;
                    }
                    let error = AllocationError { bytes: 4096, align: 4096 };
                    assert_eq!(result, Err(MapError::NoMemory(error)));
                    assert_eq!(before, memory.live_words());
                    // and it works when memory has come back
                    memory.allowance.set(u64::MAX);
                    table.map(&memory, asked, PhysAddr::new(0x1000), WB).unwrap();
                    let (tables, empty) = check_tree(&memory, &config, table.base().get());
                    assert_eq!((tables, empty), (memory.live(), 0));
                    allowance += 1;
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100, "only {refused} refusals");
    let memory = TestMemory::new(1 << 20);
    memory.allowance.set(0);
    let error = AllocationError { bytes: 4096, align: 4096 };
    assert_eq!(PageTable::new(plain(), &memory).unwrap_err(), CreateError::NoMemory(error));
}

#[test]
fn tables_beyond_the_output_are_refused() {
    // the arena begins at 2G; 4G is the end of a 32-bit output, so this works ...
    let memory = TestMemory::new(1 << 20);
    let config = TableConfig::ttb0(Granule::Size4K, 48, AddressSize::Bits32).unwrap();
    let table = PageTable::new(config, &memory).unwrap();
    assert_eq!(table.destroy(&memory).never_seen_by_hardware().reclaim(&memory), Ok(1));
    // ... and memory beyond it does not
    let far = Far(TestMemory::new(1 << 20));
    let address = PhysAddr::new(support::BASE + (1 << 40));
    let error = CreateError::TableAddress { address, output: AddressSize::Bits32 };
    assert_eq!(PageTable::new(config, &far).unwrap_err(), error);
    assert_eq!(far.0.live(), 0);
}

/// The arena, 1T further up.
struct Far(TestMemory);

// SAFETY: that of the arena; only the addresses are others.
unsafe impl smmu_regs::platform::Memory for Far {
    fn allocate(&self, bytes: u64, align: u64) -> Result<smmu_regs::platform::Pages, AllocationError> {
        let pages = self.0.allocate(bytes, align)?;
        Ok(smmu_regs::platform::Pages::from_raw(PhysAddr::new(pages.base().get() + (1 << 40)), pages.bytes()))
    }
    fn free(&self, pages: smmu_regs::platform::Pages) {
        let base = PhysAddr::new(pages.base().get() - (1 << 40));
        self.0.free(smmu_regs::platform::Pages::from_raw(base, pages.bytes()));
    }
    fn words(
        &self,
        address: PhysAddr,
        count: usize,
    ) -> Result<&[smmu_regs::platform::Dword], smmu_regs::platform::MemoryError> {
        self.0.words(PhysAddr::new(address.get().wrapping_sub(1 << 40)), count)
    }
    fn publish(&self) {}
    fn acquire(&self) {}
    fn release(&self) {}
}

#[test]
fn translate_tells_misses_apart() {
    let memory = TestMemory::new(1 << 20);
    let table = some(&memory);
    assert_eq!(table.translate(&memory, 0x1234).unwrap().pa, PhysAddr::new(0x234));
    let miss = |iova, level| Err(TranslateError::NotMapped { iova, level });
    assert_eq!(table.translate(&memory, 0), miss(0, Level::THREE));
    assert_eq!(table.translate(&memory, 4 << 20), miss(4 << 20, Level::TWO));
    assert_eq!(table.translate(&memory, 1 << 30), miss(1 << 30, Level::ONE));
    assert_eq!(table.translate(&memory, 1 << 40), miss(1 << 40, Level::ZERO));
    let input = table.config().input();
    assert_eq!(table.translate(&memory, 1 << 48), Err(TranslateError::OutsideInput { iova: 1 << 48, input }));
    let block = table.translate(&memory, (2 << 30) + 5).unwrap();
    assert_eq!((block.pa, block.level, block.size), (PhysAddr::new((3 << 30) + 5), Level::ONE, 1 << 30));
}

#[test]
fn damaged_tables_are_errors() {
    let memory = TestMemory::new(1 << 20);
    let mut table = some(&memory);
    let root = table.base().get();
    let level1 = memory.read(root) & 0xffff_ffff_f000;
    let good = memory.read(level1);
    // a table descriptor that leads out of the arena
    memory.write(level1, 0x7777_0003);
    assert!(matches!(table.translate(&memory, 0x1000), Err(TranslateError::Memory(_))));
    let result = table.map(&memory, range(0x9000, 0x1000), PhysAddr::new(0), WB);
    assert!(matches!(result, Err(MapError::Memory(_))));
    let mut gather = Gather::new();
    assert!(matches!(table.unmap(&memory, range(0x1000, 0x1000), &mut gather), Err(UnmapError::Memory(_))));
    // a block where there are none, and the reserved type at level 3
    memory.write(root + 8 * 5, 0x701);
    let reserved = TranslateError::Reserved { iova: 5 << 39, level: Level::ZERO, descriptor: 0x701 };
    assert_eq!(table.translate(&memory, 5 << 39), Err(reserved));
    memory.write(root + 8 * 5, 0);
    memory.write(level1, good);
    let level2 = good & 0xffff_ffff_f000;
    let level3 = memory.read(level2) & 0xffff_ffff_f000;
    memory.write(level3 + 8 * 9, 0x701);
    let reserved = TranslateError::Reserved { iova: 0x9000, level: Level::THREE, descriptor: 0x701 };
    assert_eq!(table.translate(&memory, 0x9000), Err(reserved));
    // what cannot be reached is counted, not followed
    memory.write(level1, 0x7777_0003);
    let freed = table.destroy(&memory).never_seen_by_hardware();
    assert_eq!((freed.len(), freed.unreachable()), (2, 1));
    assert_eq!(freed.reclaim(&memory), Ok(2));
}

#[test]
fn upper_half_ends_where_addresses_end() {
    let memory = TestMemory::new(1 << 20);
    let config = TableConfig::ttb1(Granule::Size4K, 48, AddressSize::Bits48).unwrap();
    let mut table = PageTable::new(config, &memory).unwrap();
    let top = IovaRange::new(0u64.wrapping_sub(2 << 30), u64::MAX).unwrap();
    table.map(&memory, top, PhysAddr::new((1 << 48) - (2 << 30)), WB).unwrap();
    assert_eq!(table.translate(&memory, u64::MAX).unwrap().pa, PhysAddr::new((1 << 48) - 1));
    let low = table.map(&memory, range(0x1000, 0x1000), PhysAddr::new(0), WB);
    assert!(matches!(low, Err(MapError::OutsideInput { .. })));
    let below = range((!0 << 48) - 0x1000, 0x1000);
    assert!(matches!(table.map(&memory, below, PhysAddr::new(0), WB), Err(MapError::OutsideInput { .. })));
    let mut gather = Gather::new();
    assert_eq!(table.unmap(&memory, top, &mut gather).unwrap().bytes, 2 << 30);
    let (invalidation, freed) = gather.finish().unwrap();
    assert_eq!((invalidation.range, freed.get().len()), (top, 1));
    assert_eq!(freed.never_seen_by_hardware().reclaim(&memory), Ok(1));
}

#[test]
fn concatenated_tables_are_one() {
    let memory = TestMemory::new(1 << 20);
    let config =
        TableConfig::stage2(Granule::Size4K, 42, AddressSize::Bits42, Concatenation::WhenRequired).unwrap();
    let mut table = PageTable::new(config, &memory).unwrap();
    assert!(table.base().is_aligned(8 << 12));
    // over the seam between the first two tables, and the last page of the last one
    let seam = range((1 << 39) - (1 << 30), 2 << 30);
    table.map(&memory, seam, PhysAddr::new(0), WB).unwrap();
    let last = range((1 << 42) - 0x1000, 0x1000);
    table.map(&memory, last, PhysAddr::new(0), WB).unwrap();
    assert_eq!(memory.read(table.base().get() + 511 * 8) & 3, 1);
    assert_eq!(memory.read(table.base().get() + 512 * 8) & 3, 1);
    assert_eq!(memory.read(table.base().get() + 4095 * 8) & 3, 3);
    let freed = table.destroy(&memory).never_seen_by_hardware();
    assert_eq!(freed.reclaim(&memory), Ok(3));
    assert_eq!(memory.live(), 0);
}
