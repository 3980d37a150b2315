//! The address spaces of a setup on one machine: tables, CDs, and the entries that point to them.

use crate::DifferError;
use crate::address::ARENA_BASE;
use crate::op::{Config, Setup, Shape, Stage1Spec, Stage2Spec, TableId};
use io_pgtable_lpae::{Attributes, Concatenation, EmptyTables, MemoryType, PageTable, Regime, TableConfig};
use smmu_machine::Machine;
use smmu_regs::vmsa::{IovaRange, Stage1Regime, Stage2Regime, TableBase};
use smmu_regs::{AddressSize, Asid, Caps, PhysAddr, SubstreamId, Vmid};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::ste::{Ats, FaultMode, GuestSte, Stage1Config, Stage2Config, StreamWorld, WithoutSubstream};
use smmu_ste::{CdConfig, CdTable, Ste, SteConfig};
use smmu_tlbi::Tag;

/// Bytes from the begin of RAM that a host maps to itself: all that a guest's CD and tables may be in.
pub(crate) const IDENTITY: u64 = 1 << 30;

/// A stage-1 address space.
struct Stage1 {
    low: Option<PageTable>,
    high: Option<PageTable>,
    cds: CdTable,
    spec: Stage1Spec,
}

/// A stage-2 address space.
struct Stage2 {
    table: PageTable,
    spec: Stage2Spec,
}

/// All of them.
pub(crate) struct Spaces {
    stage1: Vec<Stage1>,
    stage2: Vec<Stage2>,
}

const fn output(caps: &Caps) -> AddressSize {
    if caps.oas.bits() > 48 { AddressSize::Bits48 } else { caps.oas }
}

/// An empty table; `make` knows its stage.
fn table<E: std::fmt::Display>(
    p: &dyn Machine,
    shape: Shape,
    detach: bool,
    make: impl Fn(Shape) -> Result<TableConfig, E>,
) -> Result<PageTable, DifferError> {
    let config = make(shape).map_err(|e| DifferError::driver("the shape of a table")(&e))?;
    let mut table = PageTable::new(config, &p).map_err(|e| DifferError::driver("a new table")(&e))?;
    table.set_empty_tables(if detach { EmptyTables::Detach } else { EmptyTables::Keep });
    Ok(table)
}

/// The base of a stage-1 table.
fn base(table: Option<&PageTable>) -> (Option<TableBase>, Option<TableBase>) {
    match table.map(PageTable::regime) {
        Some(Regime::Stage1(regime)) => (regime.ttb0, regime.ttb1),
        _ => (None, None),
    }
}

impl Stage1 {
    fn new(p: &dyn Machine, caps: &Caps, spec: &Stage1Spec) -> Result<Self, DifferError> {
        let make = |shape: Option<Shape>, upper: bool| {
            shape
                .map(|shape| {
                    table(p, shape, spec.detach, |Shape { granule, bits }| {
                        let new = if upper { TableConfig::ttb1 } else { TableConfig::ttb0 };
                        new(granule, u32::from(bits), output(caps))
                    })
                })
                .transpose()
        };
        let (low, high) = (make(spec.low, false)?, make(spec.high, true)?);
        let regime = Stage1Regime {
            ttb0: base(low.as_ref()).0,
            ttb1: base(high.as_ref()).1,
            ips: output(caps),
            mair: io_pgtable_lpae::MAIR,
            update: smmu_regs::vmsa::UpdateFlags::default(),
            ds: false,
        };
        let asid = Asid::new(spec.asid);
        let cd = CdConfig { regime, asid, faults: CdFaultMode::Terminate, private_asid: true };
        let cd = cd.encode(caps).map_err(|e| DifferError::driver("a CD")(&e))?;
        let mut cds = CdTable::new(&p, caps, 0).map_err(|e| DifferError::driver("a CD table")(&e))?;
        cds.set_before_use(&p, SubstreamId::ZERO, &cd).map_err(|e| DifferError::driver("a CD table")(&e))?;
        Ok(Self { low, high, cds, spec: *spec })
    }

    fn ste(&self) -> SteConfig {
        SteConfig::Stage1(Stage1Config {
            cd_table: self.cds.pointer(WithoutSubstream::Terminate),
            world: StreamWorld::El1(Vmid::new(self.spec.vmid)),
            may_stall: false,
            ats: Ats::Disabled,
        })
    }
}

impl Stage2 {
    fn new(p: &dyn Machine, caps: &Caps, spec: &Stage2Spec) -> Result<Self, DifferError> {
        let mut table = table(p, spec.shape, spec.detach, |Shape { granule, bits }| {
            TableConfig::stage2(granule, u32::from(bits), output(caps), Concatenation::WhenRequired)
        })?;
        if spec.host {
            let range = IovaRange::from_size(ARENA_BASE, IDENTITY);
            let range = range.map_err(|e| DifferError::driver("a host's own map")(&e))?;
            let all = Attributes::read_write(MemoryType::NormalCached);
            table
                .map(&p, range, PhysAddr::new(ARENA_BASE), all)
                .map_err(|e| DifferError::driver("a host's own map")(&e))?;
        }
        Ok(Self { table, spec: *spec })
    }

    fn config(&self) -> Option<Stage2Config> {
        let Regime::Stage2(regime) = self.table.regime() else { return None };
        let regime: Stage2Regime = regime;
        let vmid = Vmid::new(self.spec.vmid);
        Some(Stage2Config {
            regime,
            vmid,
            faults: FaultMode::Terminate,
            ats: Ats::Disabled,
            protect_walks: true,
        })
    }
}

impl Spaces {
    /// Builds everything that `setup` names.
    pub(crate) fn new(p: &dyn Machine, caps: &Caps, setup: &Setup) -> Result<Self, DifferError> {
        let stage2 = setup.stage2.iter().map(|spec| Stage2::new(p, caps, spec)).collect::<Result<_, _>>()?;
        let stage1 = setup.stage1.iter().map(|spec| Stage1::new(p, caps, spec)).collect::<Result<_, _>>()?;
        Ok(Self { stage1, stage2 })
    }

    /// A table.
    pub(crate) fn table(&mut self, id: TableId) -> Option<&mut PageTable> {
        match id {
            TableId::Low(space) => self.stage1.get_mut(space)?.low.as_mut(),
            TableId::High(space) => self.stage1.get_mut(space)?.high.as_mut(),
            TableId::Stage2(space) => Some(&mut self.stage2.get_mut(space)?.table),
        }
    }

    /// Where the CD of a stage-1 space is.
    pub(crate) fn cd_address(&self, space: usize) -> Option<PhysAddr> {
        Some(self.stage1.get(space)?.cds.pointer(WithoutSubstream::Terminate).base)
    }

    /// The stage-2 space under a guest's.
    pub(crate) fn host(&self, space: usize) -> Option<usize> {
        self.stage1.get(space)?.spec.host
    }

    /// Whose translations those of a table are.
    pub(crate) fn tag(&self, id: TableId) -> Option<Tag> {
        match id {
            TableId::Low(space) | TableId::High(space) => {
                let spec = &self.stage1.get(space)?.spec;
                Some(Tag::Stage1 { vmid: Vmid::new(spec.vmid), asid: Asid::new(spec.asid) })
            }
            TableId::Stage2(space) => {
                let spec = &self.stage2.get(space)?.spec;
                let vmid = Vmid::new(spec.vmid);
                Some(if spec.host { Tag::NestingParent { vmid } } else { Tag::Stage2 { vmid } })
            }
        }
    }

    /// The entry of a device that is attached to `config`; `None` if the setup has no such space.
    pub(crate) fn ste(&self, caps: &Caps, config: Config) -> Option<Result<Ste, DifferError>> {
        let config = match config {
            Config::Abort => SteConfig::Abort,
            Config::Bypass => SteConfig::Bypass,
            Config::Stage2(space) => SteConfig::Stage2(self.stage2.get(space)?.config()?),
            Config::Stage1(space) => {
                let space = self.stage1.get(space)?;
                match space.spec.host {
                    None => space.ste(),
                    Some(host) => {
                        let words = space.ste().encode(caps).map_err(|e| DifferError::driver("an STE")(&e));
                        let [zero, one, ..] = match words {
                            Ok(ste) => ste.words(),
                            Err(error) => return Some(Err(error)),
                        };
                        let Ok(GuestSte::Translate(guest)) = GuestSte::new([zero, one]) else { return None };
                        let stage2 = self.stage2.get(host)?.config()?;
                        SteConfig::Nested { guest, stage2, may_stall: false }
                    }
                }
            }
        };
        Some(config.encode(caps).map_err(|e| DifferError::driver("an STE")(&e)))
    }

    /// Gives all memory back: the SMMU is off.
    pub(crate) fn free(self, p: &dyn Machine) -> Result<(), DifferError> {
        let mut tables: Vec<PageTable> = self.stage2.into_iter().map(|space| space.table).collect();
        for Stage1 { low, high, cds, .. } in self.stage1 {
            tables.extend(low);
            tables.extend(high);
            p.free(cds.into_pages());
        }
        for table in tables {
            let freed = table.destroy(&p).never_seen_by_hardware();
            freed.reclaim(&p).map_err(|e| DifferError::driver("freeing tables")(&e))?;
        }
        Ok(())
    }
}
