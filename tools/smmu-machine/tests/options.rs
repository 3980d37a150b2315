//! STEs and CDs with options, on the model: each is legal there, sets nothing that is reserved, and lets the device through.
//! The model's rules are typed from the Arm text and know nothing of the encoder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use io_pgtable_lpae::{PageTable, Regime, TableConfig};
use smmu_machine::ModelMachine;
use smmu_model::Profile;
use smmu_regs::platform::Memory;
use smmu_regs::vmsa::{Granule, Shareability};
use smmu_regs::{AddressSize, Asid, SubstreamId};
use smmu_ste::cd::{CdFaultMode, CdOptions, HalfOptions, Termination};
use smmu_ste::mpam::{MpamLimits, Vms};
use smmu_ste::ste::{
    Allocation, AttributeOverrides, MemoryType, Privilege, ReadKind, Stage2Options, SteOptions,
    WithoutSubstream,
};
use smmu_ste::table::{CdUser, StreamSet, VmsTable};
use smmu_ste::{CdConfig, CdTable, SteConfig, TableError};
use support::{Bench, PAGE, Place, RW, Seen, Setup, Space2, TIMEOUT, dma, on_model, range, streams};

const IOVA: u64 = 0x12_3456_7000;

/// One option set at a time, and all of them together.
fn one_by_one<T: Copy + Default>(changes: &[fn(&mut T)]) -> Vec<T> {
    let mut all = T::default();
    let mut list: Vec<T> = changes
        .iter()
        .map(|change| {
            change(&mut all);
            let mut one = T::default();
            change(&mut one);
            one
        })
        .collect();
    list.push(all);
    list
}

const SHARED: &[fn(&mut SteOptions)] = &[
    |o| o.merge_events = Some(true),
    |o| o.attributes.memory_type = Some(MemoryType::WRITE_BACK),
    |o| o.attributes.allocation = Some(Allocation { read: true, write: true, transient: false }),
    |o| o.attributes.privilege = Some(Privilege::Privileged),
    |o| o.attributes.reads = Some(ReadKind::Data),
    |o| o.pasid_in_auto_response = true,
];

#[test]
fn stes_with_options() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (p, caps, stream) = (machine, bench.caps, streams()[0]);
        let target = p.allocate(PAGE, PAGE).unwrap();
        let places = [Place { name: "page", at: target.base() }];
        let mut check = |config: &SteConfig, options: &SteOptions, iova: u64| {
            let ste = config.encode_with(&caps, options).unwrap();
            let (table, queue) = (&mut bench.streams, &mut bench.queue);
            let _ = table.set(&p, queue, stream, &ste, TIMEOUT, |_| {}).unwrap();
            assert_eq!(dma(machine, 0, iova, &places), Seen::At("page"), "{ste}");
        };
        let mut host = Space2::new(&p, &caps, 7);
        host.map(&p, IOVA, PAGE, target.base());
        for options in one_by_one(SHARED) {
            check(&SteConfig::Bypass, &options, target.base().get());
            check(&host.ste(), &options, IOVA);
        }
        let shareability = Some(Shareability::Outer);
        let attributes = AttributeOverrides { shareability, ..AttributeOverrides::default() };
        let options = SteOptions { attributes, ..SteOptions::default() };
        check(&SteConfig::Bypass, &options, target.base().get());
        let translated: &[fn(&mut SteOptions)] = &[
            |o| o.destructive_reads = true,
            |o| o.directed_prefetch = true,
            |o| o.stage2 = Stage2Options { ignore_access_flag: true, ..Stage2Options::default() },
        ];
        for options in one_by_one(translated) {
            check(&host.ste(), &options, IOVA);
        }
        bench.attach(stream, &SteConfig::Abort);
        host.destroy(&p, &mut bench.queue);
        p.free(target);
        assert_eq!(bench.all_events(), []);
        bench.shut_down();
    });
}

#[test]
fn cds_with_options() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let (p, caps, stream) = (machine, bench.caps, streams()[0]);
        let target = p.allocate(PAGE, PAGE).unwrap();
        let places = [Place { name: "page", at: target.base() }];
        let output = caps.oas.min(AddressSize::Bits48);
        let mut table = PageTable::new(TableConfig::ttb0(Granule::Size4K, 39, output).unwrap(), &p).unwrap();
        table.map(&p, range(IOVA, PAGE), target.base(), RW).unwrap();
        let Regime::Stage1(regime) = table.regime() else { panic!("not stage 1") };
        let mut cds = CdTable::new(&p, &caps, 0).unwrap();
        let pointer = cds.pointer(WithoutSubstream::Terminate);
        bench.attach(stream, &SteConfig::stage1(&caps, pointer));
        let changes: &[fn(&mut CdOptions)] = &[
            |o| o.ignore_access_flag = true,
            |o| o.write_execute_never = true,
            |o| o.lower = HalfOptions { top_byte_ignored: true, hierarchy_disabled: true, ..o.lower },
            |o| o.upper = HalfOptions { unprivileged_faults: true, ..o.upper },
            |o| o.termination = Termination::ZeroAndIgnore,
        ];
        // A new ASID each time: translations of the one before may be cached with its attributes.
        for (asid, options) in (1..).zip(one_by_one(changes)) {
            let config = CdConfig {
                regime,
                asid: Asid::new(asid),
                faults: CdFaultMode::Terminate,
                private_asid: true,
            };
            let cd = config.encode_with(&caps, &options).unwrap();
            let queue = &mut bench.queue;
            let _ = cds.set(&p, queue, &[stream], SubstreamId::ZERO, &cd, TIMEOUT, |_| {}).unwrap();
            let tagged = if options.lower.top_byte_ignored { 0xab << 56 | IOVA } else { IOVA };
            assert_eq!(dma(machine, 0, tagged, &places), Seen::At("page"), "{cd}");
        }
        bench.attach(stream, &SteConfig::Abort);
        bench.forget();
        table.destroy(&p).never_seen_by_hardware().reclaim(&p).unwrap();
        p.free(cds.into_pages());
        p.free(target);
        assert_eq!(bench.all_events(), []);
        bench.shut_down();
    });
}

/// A map of PARTIDs in memory: four at a time, and everything that could be cached of it dropped.
#[test]
fn a_vms_changes_while_it_is_used() {
    on_model(Profile::maximum(), |machine| {
        let mut bench = Bench::new(machine, Setup::default());
        let p = machine;
        let limits = MpamLimits { partid_max: 63, pmg_max: 0 };
        let map = |first: u16| Vms::encode(&std::array::from_fn(|n| first + n as u16), limits).unwrap();
        let mut table = VmsTable::new(&p, &map(0)).unwrap();
        assert_eq!(table.pointer().get() % 4096, 0);
        assert_eq!(table.get(&p).unwrap().physical()[31], 31);
        let list = [streams()[0]];
        let sent = bench.queue.accepted().0;
        let user = CdUser { platform: &p, queue: &mut bench.queue, streams: StreamSet::new(&list) };
        table.set(&mut [user], &map(32), TIMEOUT).unwrap();
        assert_eq!(table.get(&p).unwrap(), map(32));
        assert_eq!(bench.queue.accepted().0, sent + 2);
        let words = p.words(table.pointer(), 512).unwrap();
        assert!(words[8..].iter().all(|word| word.load() == 0), "the rest is RES0");
        let nobody: &mut [CdUser<'_, &ModelMachine>] = &mut [];
        assert_eq!(table.set(nobody, &map(0), TIMEOUT), Err(TableError::NoStream));
        assert_eq!(table.get(&p).unwrap(), map(32));
        p.free(table.into_pages());
        bench.shut_down();
    });
}
