//! Address spaces: a page table with what an STE says about it.

use super::TIMEOUT;
use io_pgtable_lpae::{Attributes, Concatenation, Gather, MemoryType, PageTable, Regime, TableConfig};
use smmu_cmds::CommandQueue;
use smmu_machine::Machine;
use smmu_regs::platform::{Memory, Platform};
use smmu_regs::vmsa::{Granule, IovaRange};
use smmu_regs::{AddressSize, Asid, Caps, Feature, PhysAddr, SubstreamId, Vmid};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::ste::{Ats, FaultMode, GuestSte, Stage1Config, Stage2Config, StreamWorld, WithoutSubstream};
use smmu_ste::{CdConfig, CdTable, SteConfig};
use smmu_tlbi::Tag;

pub(crate) const PAGE: u64 = 4096;
pub(crate) const RW: Attributes = Attributes::read_write(MemoryType::NormalCached);

/// `size` bytes from `start`.
pub(crate) fn range(start: u64, size: u64) -> IovaRange {
    IovaRange::from_size(start, size).unwrap()
}

fn output(caps: &Caps) -> AddressSize {
    caps.oas.min(AddressSize::Bits48)
}

/// The tables of an SMMU that is not coherent are cleaned.
fn seen_by_walks(config: TableConfig, caps: &Caps) -> TableConfig {
    if caps.has(Feature::Coherent) { config } else { config.non_coherent() }
}

/// A stage-1 address space of 39 bits in a single CD.
pub(crate) struct Space1 {
    pub(crate) table: PageTable,
    pub(crate) cds: CdTable,
    pub(crate) asid: Asid,
    pub(crate) vmid: Vmid,
}

impl Space1 {
    /// An empty one with VMID 0.
    pub(crate) fn new<P: Memory>(p: &P, caps: &Caps, asid: u16) -> Self {
        let config = TableConfig::ttb0(Granule::Size4K, 39, output(caps)).unwrap();
        Self::of(p, caps, asid, seen_by_walks(config, caps))
    }

    /// An empty one with VMID 0 and this kind of table.
    pub(crate) fn of<P: Memory>(p: &P, caps: &Caps, asid: u16, config: TableConfig) -> Self {
        let table = PageTable::new(config, p).unwrap();
        let mut cds = CdTable::new(p, caps, 0).unwrap();
        let Regime::Stage1(regime) = table.regime() else { panic!("not stage 1") };
        let asid = Asid::new(asid);
        let cd = CdConfig { regime, asid, faults: CdFaultMode::Terminate, private_asid: true };
        cds.set_before_use(p, SubstreamId::ZERO, &cd.encode(caps).unwrap()).unwrap();
        Self { table, cds, asid, vmid: Vmid::new(0) }
    }

    pub(crate) fn map<P: Memory>(&mut self, p: &P, iova: u64, size: u64, to: PhysAddr) {
        self.table.map(p, range(iova, size), to, RW).unwrap();
    }

    pub(crate) fn ste(&self) -> SteConfig {
        SteConfig::Stage1(Stage1Config {
            cd_table: self.cds.pointer(WithoutSubstream::Terminate),
            world: StreamWorld::El1(self.vmid),
            may_stall: false,
            ats: Ats::Disabled,
        })
    }

    /// Whose translations these are; below a stage 2, `self.vmid` is to be its VMID.
    pub(crate) fn tag(&self) -> Tag {
        Tag::Stage1 { vmid: self.vmid, asid: self.asid }
    }

    /// Invalidates everything of it and gives its memory back.
    pub(crate) fn destroy<P: Platform>(self, p: &P, queue: &mut CommandQueue) {
        let Self { table, cds, .. } = self;
        destroy(p, queue, table, self.vmid, self.asid);
        p.free(cds.into_pages());
    }
}

/// A stage-2 address space of 39 bits, which needs no concatenated tables.
pub(crate) struct Space2 {
    pub(crate) table: PageTable,
    pub(crate) vmid: Vmid,
}

impl Space2 {
    /// An empty one.
    pub(crate) fn new<P: Memory>(p: &P, caps: &Caps, vmid: u16) -> Self {
        let bits = caps.stage2_input_bits().min(39);
        let config =
            TableConfig::stage2(Granule::Size4K, bits, output(caps), Concatenation::WhenRequired).unwrap();
        Self::of(p, vmid, seen_by_walks(config, caps))
    }

    /// An empty one with this kind of table.
    pub(crate) fn of<P: Memory>(p: &P, vmid: u16, config: TableConfig) -> Self {
        Self { table: PageTable::new(config, p).unwrap(), vmid: Vmid::new(vmid) }
    }

    pub(crate) fn map<P: Memory>(&mut self, p: &P, ipa: u64, size: u64, to: PhysAddr) {
        self.table.map(p, range(ipa, size), to, RW).unwrap();
    }

    /// Maps all RAM to itself: what a guest needs for its CD and its tables to be where they are.
    pub(crate) fn map_ram(&mut self, machine: &dyn Machine) {
        let ram = machine.ram();
        self.map(&machine, ram.base().get(), ram.bytes(), ram.base());
    }

    pub(crate) fn stage2(&self) -> Stage2Config {
        let Regime::Stage2(regime) = self.table.regime() else { panic!("not stage 2") };
        let faults = FaultMode::Terminate;
        Stage2Config { regime, vmid: self.vmid, faults, ats: Ats::Disabled, protect_walks: true }
    }

    pub(crate) fn ste(&self) -> SteConfig {
        SteConfig::Stage2(self.stage2())
    }

    pub(crate) fn destroy<P: Platform>(self, p: &P, queue: &mut CommandQueue) {
        destroy(p, queue, self.table, self.vmid, Asid::new(0));
    }
}

/// The STE of a guest's stage 1 on top of a host's stage 2.
pub(crate) fn nested(caps: &Caps, guest: &Space1, host: &Space2) -> SteConfig {
    let [zero, one, ..] = guest.ste().encode(caps).unwrap().words();
    let GuestSte::Translate(guest) = GuestSte::new([zero, one]).unwrap() else { panic!("no stage 1") };
    SteConfig::Nested { guest, stage2: host.stage2(), may_stall: false }
}

/// Everything of the VMID and the ASID is invalidated, then the table's memory comes back.
fn destroy<P: Platform>(p: &P, queue: &mut CommandQueue, table: PageTable, vmid: Vmid, asid: Asid) {
    let stage1 = matches!(table.regime(), Regime::Stage1(_));
    let tag = if stage1 { Tag::Stage1 { vmid, asid } } else { Tag::Stage2 { vmid } };
    let first = queue.accepted();
    queue.push(p, &tag.whole(), TIMEOUT).unwrap();
    let receipt = queue.sync(p, TIMEOUT).unwrap();
    let quarantine = table.destroy(p).after_one(queue.ticket_since(first));
    quarantine.open(&[receipt]).unwrap().reclaim(p).unwrap();
}

/// Gives back what a gather holds without any invalidation: for tests whose SMMU has been told by other means.
pub(crate) fn reclaim_now<P: Memory>(p: &P, gather: Gather) {
    if let Some((_, freed)) = gather.finish() {
        freed.never_seen_by_hardware().reclaim(p).unwrap();
    }
}
