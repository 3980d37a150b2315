//! Sharing a process's address space: every mismatch is found and no other, and the CD comes and goes without a hole.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{large, places};
use smmu_regs::caps::{Hints, IdRegisters};
use smmu_regs::platform::Atomicity;
use smmu_regs::registers::{Idr0, Idr1, Idr3, Idr5};
use smmu_regs::vmsa::Granule;
use smmu_regs::{AddressSize, Asid, Caps, PhysAddr};
use smmu_ste::cd::{CpuMemory, CpuTraits, SvaMismatch, sva_compatible};
use smmu_ste::update::{UpdatePlan, UsedBits};
use smmu_ste::{Cd, CdConfig};

const CPU: CpuTraits = CpuTraits {
    granule: Granule::Size4K,
    input_bits: 48,
    output: AddressSize::Bits48,
    asid_bits: 16,
    mair: 0x0000_00ff_44bb_0400,
    changes_block_size_live: true,
    table_access_flag: true,
    ds: false,
};

fn memory(cpu: CpuTraits) -> CpuMemory {
    CpuMemory { table: PhysAddr::new(0x4567_8000), asid: Asid::new(0x321), cpu, stalls: false }
}

fn mismatches(cpu: &CpuTraits, caps: &Caps) -> Vec<SvaMismatch> {
    sva_compatible(cpu, caps).collect()
}

/// An SMMU like [`large`] with bits of one ID register cleared and set.
fn changed(register: u32, clear: u32, set: u32) -> Caps {
    let mut ids = IdRegisters::EXAMPLE;
    let of = |bits: u32, number: u32, add: u32| {
        let bits = bits | add;
        if number == register { bits & !clear | set } else { bits }
    };
    ids.idr0 = Idr0::from_bits(of(ids.idr0.into_bits(), 0, 3 << 6));
    ids.idr1 = Idr1::from_bits(of(ids.idr1.into_bits(), 1, 0));
    ids.idr3 = Idr3::from_bits(of(ids.idr3.into_bits(), 3, 1 << 9));
    ids.idr5 = Idr5::from_bits(of(ids.idr5.into_bits() & !(3 << 10), 5, 1 << 10 | 1 << 7));
    Caps::probe(&ids, &Hints::default()).unwrap()
}

#[test]
fn each_mismatch_is_found_alone() {
    assert_eq!(mismatches(&CPU, &large()), []);
    let with = |change: fn(&mut CpuTraits)| {
        let mut cpu = CPU;
        change(&mut cpu);
        cpu
    };
    let wide = with(|cpu| cpu.input_bits = 52);
    let small = with(|cpu| cpu.input_bits = 20);
    let ds = with(|cpu| (cpu.input_bits, cpu.ds, cpu.output) = (52, true, AddressSize::Bits52));
    let cases = [
        (SvaMismatch::Stage1, CPU, changed(0, 1 << 1 | 1 << 9 | 1 << 19, 0)),
        (SvaMismatch::NotCoherent, CPU, changed(0, 1 << 4, 0)),
        (SvaMismatch::Granule, CPU, changed(5, 1 << 4, 0)),
        (SvaMismatch::InputSize, wide, large()),
        (SvaMismatch::SmallTables, small, changed(3, 1 << 9, 0)),
        (SvaMismatch::OutputSize, CPU, changed(5, 7, 4)),
        (SvaMismatch::Asid, CPU, changed(0, 1 << 12, 0)),
        (SvaMismatch::BlockSize, CPU, changed(3, 3 << 11, 1 << 11)),
        (SvaMismatch::TableAccessFlag, CPU, changed(0, 3 << 6, 2 << 6)),
        (SvaMismatch::Substreams, CPU, changed(1, 0x1f << 6, 0)),
    ];
    for (mismatch, cpu, caps) in &cases {
        assert_eq!(mismatches(cpu, caps), [*mismatch], "{mismatch}");
    }
    assert_eq!(mismatches(&ds, &large()), []);
    assert_eq!(mismatches(&ds, &changed(5, 1 << 7, 0)), [SvaMismatch::InputSize, SvaMismatch::Ds]);
    // What the CPU does not do is not asked for, and 64K pages need no DS.
    let modest = CpuTraits { changes_block_size_live: false, table_access_flag: false, asid_bits: 8, ..CPU };
    assert_eq!(mismatches(&modest, &changed(3, 3 << 11, 1 << 11)), []);
    assert_eq!(mismatches(&modest, &changed(0, 3 << 6 | 1 << 12, 0)), []);
    let large_pages = CpuTraits { granule: Granule::Size64K, input_bits: 52, ds: true, ..CPU };
    assert_eq!(mismatches(&large_pages, &changed(5, 1 << 7, 0)), []);
    assert_eq!(SvaMismatch::ALL.len(), cases.len() + 1);
}

/// Facts of the CPU's registers in the CD, by name.
#[test]
fn golden_cds_of_processes() {
    let places = places(common::CD_FACTS);
    let fields = |cd: &Cd, names: &[&str]| -> Vec<u64> {
        names.iter().map(|name| places[name].get(&cd.words())).collect()
    };
    let caps = large();
    let shared = CdConfig::sva(&caps, &memory(CPU)).encode(&caps).unwrap();
    let tables = ["V", "AA64", "T0SZ", "TG0", "IR0", "OR0", "SH0", "EPD0", "EPD1", "TTB0", "ASID", "IPS"];
    assert_eq!(fields(&shared, &tables), [1, 1, 16, 0, 1, 1, 3, 0, 1, 0x456_7800, 0x321, 5]);
    assert_eq!(fields(&shared, &["HA", "HD", "HAFT", "R", "S", "A", "ASET"]), [1, 1, 1, 1, 0, 1, 1]);
    assert_eq!(fields(&shared, &["MAIR0", "MAIR1"]), [0x44bb_0400, 0xff]);
    let released = CdConfig::sva_released(&caps, &memory(CPU)).encode(&caps).unwrap();
    assert_eq!(fields(&released, &tables), [1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0x321, 5]);
    assert_eq!(fields(&released, &["HA", "HD", "HAFT", "R", "S", "A", "ASET"]), [1, 1, 1, 0, 0, 1, 1]);
    // HAFT is of both or of none.
    let plain = CpuTraits { table_access_flag: false, ..CPU };
    let cd = CdConfig::sva(&caps, &memory(plain)).encode(&caps).unwrap();
    assert_eq!(fields(&cd, &["HA", "HD", "HAFT"]), [1, 1, 0]);
    // Where everything stalls, a released CD must too.
    let forced = changed(0, 0, 2 << 24);
    for config in [CdConfig::sva(&forced, &memory(CPU)), CdConfig::sva_released(&forced, &memory(CPU))] {
        assert_eq!(fields(&config.encode(&forced).unwrap(), &["S", "R"]), [1, 1]);
    }
}

/// Release is hitless, for 4K pages with and without DS, and for 64K pages.
#[test]
fn a_process_goes_without_a_hole() {
    let caps = large();
    for (granule, ds) in [(Granule::Size4K, false), (Granule::Size4K, true), (Granule::Size64K, false)] {
        let cpu = CpuTraits { granule, ds, ..CPU };
        let memory = CpuMemory { table: PhysAddr::new(0x4567_0000), ..memory(cpu) };
        let from = CdConfig::sva(&caps, &memory).encode(&caps).unwrap();
        let to = CdConfig::sva_released(&caps, &memory).encode(&caps).unwrap();
        for (from, to) in [(from, to), (to, from)] {
            let used = UsedBits { current: from.used_bits(&caps), target: to.used_bits(&caps), safe: [0; 8] };
            let plan = UpdatePlan::new(&from.words(), &to.words(), &used, 1 << 31, Atomicity::Bits64);
            assert!(plan.is_hitless() && plan.steps().count() <= 2, "{granule} {ds}\n{from}\n{to}");
        }
    }
}
