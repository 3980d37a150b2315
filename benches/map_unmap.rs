//! What does a map cost, an unmap, a look-up? 1 GiB of 4K pages at stage 2 with four levels, so that every walk is long;
//! the output is shifted by a page, so that no block fits. Limits are plain loops over 512 tables: look and store, clear and
//! store, clear; for single pages a walk without any check.
#![allow(clippy::unwrap_used)]

use criterion::{Bencher, Criterion, Throughput};
use io_pgtable_lpae::{Attributes, Concatenation, EmptyTables, Gather, MemoryType, PageTable, TableConfig};
use smmu_benches::{GIB, InstantSmmu, Random, timed, zero};
use smmu_regs::platform::{Dword, Memory};
use smmu_regs::vmsa::{Granule, IovaRange};
use smmu_regs::{AddressSize, PhysAddr};
use std::hint::black_box;

const PAGE: u64 = 4096;
const PAGES: u64 = GIB / PAGE;
/// Last-level tables, and calls, of 512 pages each.
const CALLS: u64 = 512;
const CHUNK: u64 = GIB / CALLS;
/// Where the gibibyte is, and where it leads.
const IOVA: u64 = GIB;
const PA: u64 = IOVA + PAGE;
/// Single-page operations in one measurement.
const ROUNDS: u64 = 4096;
const MEMORY: usize = 16 << 20;

/// A page table and its memory.
struct Domain {
    memory: InstantSmmu,
    table: PageTable,
}

impl Domain {
    fn new(empty_tables: EmptyTables) -> Self {
        let (memory, size) = (InstantSmmu::new(MEMORY), AddressSize::Bits48);
        let config = TableConfig::stage2(Granule::Size4K, 48, size, Concatenation::WhenRequired).unwrap();
        let mut table = PageTable::new(config, &memory).unwrap();
        table.set_empty_tables(empty_tables);
        Self { memory, table }
    }

    #[inline]
    fn map(&mut self, offset: u64, bytes: u64) {
        let range = IovaRange::from_size(IOVA + offset, bytes).unwrap();
        let attributes = Attributes::read_write(MemoryType::NormalCached);
        self.table.map(&self.memory, range, PhysAddr::new(PA + offset), attributes).unwrap();
    }

    #[inline]
    fn unmap(&mut self, offset: u64, bytes: u64, gather: &mut Gather) {
        let range = IovaRange::from_size(IOVA + offset, bytes).unwrap();
        self.table.unmap(&self.memory, range, gather).unwrap();
    }

    fn map_calls(&mut self) {
        for call in 0..CALLS {
            self.map(call * CHUNK, CHUNK);
        }
    }

    /// No flush before the end: all calls share a gather.
    fn unmap_calls(&mut self) {
        let mut gather = Gather::new();
        for call in 0..CALLS {
            self.unmap(call * CHUNK, CHUNK, &mut gather);
        }
        self.reclaim(gather);
    }

    /// A flush after each call: each has its own gather and an invalidation to show for it.
    fn unmap_calls_strict(&mut self) {
        for call in 0..CALLS {
            let mut gather = Gather::new();
            self.unmap(call * CHUNK, CHUNK, &mut gather);
            self.reclaim(gather);
        }
    }

    fn clear(&mut self) {
        let mut gather = Gather::new();
        let all = IovaRange::from_size(IOVA, GIB).unwrap();
        self.table.unmap_present(&self.memory, all, &mut gather).unwrap();
        self.reclaim(gather);
    }

    fn reclaim(&self, gather: Gather) {
        if let Some((invalidation, freed)) = gather.finish() {
            black_box(invalidation);
            freed.never_seen_by_hardware().reclaim(&self.memory).unwrap();
        }
    }

    #[inline]
    fn translate(&self, iova: u64) -> Option<u64> {
        self.table.translate(&self.memory, iova).ok().map(|found| found.pa.get())
    }

    /// The entry of a page whose tables are there, found without a single check.
    #[inline]
    fn raw_entry(&self, iova: u64) -> &Dword {
        let mut table = self.table.base().get();
        for shift in [39, 30, 21] {
            let [entry] = self.words(table + (iova >> shift & 511) * 8) else { unreachable!() };
            table = entry.load() & 0xffff_ffff_f000;
        }
        let [entry] = self.words(table + (iova >> 12 & 511) * 8) else { unreachable!() };
        entry
    }

    #[inline]
    fn words(&self, address: u64) -> &[Dword] {
        self.memory.words(PhysAddr::new(address), 1).unwrap_or(&[])
    }

    /// All pages lead where they should, each by a leaf of its own, or none leads anywhere.
    fn verify(&self, mapped: bool) {
        for offset in (0..GIB).step_by(PAGE as usize) {
            let found = self.table.translate(&self.memory, IOVA + offset).ok();
            let found = found.map(|found| (found.pa.get(), found.size));
            assert_eq!(found, mapped.then_some((PA + offset, PAGE)));
        }
    }
}

/// 512 tables for the limits.
struct Tables {
    memory: InstantSmmu,
    bases: Vec<PhysAddr>,
}

impl Tables {
    fn new() -> Self {
        let memory = InstantSmmu::new(MEMORY);
        let bases = (0..CALLS).map(|_| memory.allocate(PAGE, PAGE).unwrap().base()).collect();
        Self { memory, bases }
    }

    fn each(&self, mut work: impl FnMut(&[Dword], u64)) {
        for (base, descriptor) in self.bases.iter().zip((0x7ff_u64..).step_by(CHUNK as usize)) {
            if let Ok(table) = self.memory.words(*base, 512) {
                work(black_box(table), descriptor);
            }
        }
    }

    fn zero(&self) {
        self.each(|table, _| zero(table));
    }

    fn check_and_store(&self) {
        self.each(|table, descriptor| {
            assert_eq!(table.iter().fold(0, |all, word| all | word.load()), 0);
            store(table, descriptor);
        });
    }

    fn zero_and_store(&self) {
        self.each(|table, descriptor| {
            zero(table);
            store(black_box(table), descriptor);
        });
    }
}

fn store(table: &[Dword], mut descriptor: u64) {
    for word in table {
        word.store(descriptor);
        descriptor += PAGE;
    }
}

/// One work of a gibibyte: from `mapped` to the contrary, beside its limit.
fn gibibyte(
    c: &mut Criterion,
    name: &str,
    empty_tables: EmptyTables,
    mapped: bool,
    work: impl Fn(&mut Domain),
    limit: impl Fn(&Tables),
) {
    let prepare = |domain: &mut Domain| {
        domain.clear();
        if mapped {
            domain.map_calls();
        }
    };
    let mut domain = Domain::new(empty_tables);
    // Tables that stay are there from here on.
    domain.map_calls();
    prepare(&mut domain);
    work(&mut domain);
    domain.verify(!mapped);

    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(PAGES));
    group.bench_function("ours", |b| b.iter_custom(|n| timed(n, &mut domain, prepare, &work)));
    let mut tables = Tables::new();
    group.bench_function("limit", |b| {
        b.iter_custom(|n| timed(n, &mut tables, |tables| tables.zero(), |tables| limit(tables)));
    });
}

fn gibibytes(c: &mut Criterion) {
    let (keep, detach) = (EmptyTables::Keep, EmptyTables::Detach);
    let once = |domain: &mut Domain| domain.map(0, GIB);
    gibibyte(c, "map_calls_present", keep, false, Domain::map_calls, Tables::check_and_store);
    gibibyte(c, "map_calls_fresh", detach, false, Domain::map_calls, Tables::zero_and_store);
    gibibyte(c, "map_once_present", keep, false, once, Tables::check_and_store);
    gibibyte(c, "map_once_fresh", detach, false, once, Tables::zero_and_store);
    gibibyte(c, "unmap_deferred", keep, true, Domain::unmap_calls, Tables::zero);
    gibibyte(c, "unmap_strict", keep, true, Domain::unmap_calls_strict, Tables::zero);
    gibibyte(c, "unmap_detach", detach, true, Domain::unmap_calls, Tables::zero);
}

/// One work of single pages in a domain whose tables are there, beside its limit.
fn single(
    c: &mut Criterion,
    name: &str,
    elements: u64,
    mut domain: Domain,
    ours: impl Fn(&mut Bencher<'_>, &mut Domain),
    limit: impl Fn(&mut Bencher<'_>, &mut Domain),
) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(elements));
    group.bench_function("ours", |b| ours(b, &mut domain));
    group.bench_function("limit", |b| limit(b, &mut domain));
}

/// A domain with all tables there, every page mapped or none.
fn warm(mapped: bool) -> Domain {
    let mut domain = Domain::new(EmptyTables::Keep);
    domain.map_calls();
    if !mapped {
        domain.clear();
    }
    domain.verify(mapped);
    domain
}

fn random_pair(c: &mut Criterion) {
    let ours = |b: &mut Bencher<'_>, domain: &mut Domain| {
        b.iter(|| {
            let (mut random, mut gather) = (Random::new(), Gather::new());
            for _ in 0..ROUNDS {
                let offset = random.below(PAGES) * PAGE;
                domain.map(offset, PAGE);
                domain.unmap(offset, PAGE, &mut gather);
            }
            domain.reclaim(gather);
        });
        domain.verify(false);
    };
    let limit = |b: &mut Bencher<'_>, domain: &mut Domain| {
        b.iter(|| {
            let mut random = Random::new();
            for _ in 0..ROUNDS {
                let iova = IOVA + random.below(PAGES) * PAGE;
                domain.raw_entry(iova).store(iova | 0x7ff);
                domain.raw_entry(black_box(iova)).store(0);
            }
        });
    };
    single(c, "page_random_map_unmap", ROUNDS, warm(false), ours, limit);
}

fn sequential(c: &mut Criterion) {
    let map = |domain: &mut Domain| (0..PAGES).for_each(|page| domain.map(page * PAGE, PAGE));
    let unmap = |domain: &mut Domain| {
        let mut gather = Gather::new();
        (0..PAGES).for_each(|page| domain.unmap(page * PAGE, PAGE, &mut gather));
        domain.reclaim(gather);
    };
    let raw = |domain: &mut Domain, value: u64| {
        for page in 0..PAGES {
            domain.raw_entry(black_box(IOVA + page * PAGE)).store(value);
        }
    };
    single(
        c,
        "page_sequential_map",
        PAGES,
        warm(false),
        |b, domain| {
            b.iter_custom(|n| timed(n, domain, Domain::clear, map));
            domain.verify(true);
        },
        |b, domain| b.iter(|| raw(domain, black_box(0x7ff))),
    );
    single(
        c,
        "page_sequential_unmap",
        PAGES,
        warm(true),
        |b, domain| {
            let prepare = |domain: &mut Domain| {
                domain.clear();
                domain.map_calls();
            };
            b.iter_custom(|n| timed(n, domain, prepare, unmap));
            domain.verify(false);
        },
        |b, domain| b.iter(|| raw(domain, black_box(0))),
    );
}

fn translate(c: &mut Criterion) {
    let ours = |b: &mut Bencher<'_>, domain: &mut Domain| {
        b.iter(|| {
            let mut random = Random::new();
            (0..ROUNDS).fold(0, |all, _| all ^ domain.translate(IOVA + random.below(GIB)).unwrap_or(0))
        });
    };
    let limit = |b: &mut Bencher<'_>, domain: &mut Domain| {
        b.iter(|| {
            let mut random = Random::new();
            (0..ROUNDS).fold(0, |all, _| {
                let iova = IOVA + random.below(GIB);
                all ^ (domain.raw_entry(iova).load() & 0xffff_ffff_f000 | iova & (PAGE - 1))
            })
        });
    };
    single(c, "translate_random", ROUNDS, warm(true), ours, limit);
}

pub(crate) fn run(c: &mut Criterion) {
    gibibytes(c);
    random_pair(c);
    sequential(c);
    translate(c);
}
