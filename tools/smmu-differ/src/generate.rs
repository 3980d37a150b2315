//! From a seed to a sequence. The generator keeps its own account of what is mapped, so that most operations do something.

use crate::address::{ARENA, ARENA_BASE, PAGE};
use crate::fault::FAULTS;
use crate::op::{Config, Drop, Flush, Op, Sequence, Setup, TableId, Target};
use crate::random::Random;
use crate::setup;
use crate::space::IDENTITY;
use crate::window::{blocks, windows};
use smmu_regs::vmsa::Granule;

/// Devices of a machine.
const DEVICES: u64 = 4;

/// Something that was mapped.
#[derive(Clone, Copy)]
struct Mapped {
    table: TableId,
    iova: u64,
    size: u64,
}

impl Mapped {
    /// What may be used of it.
    fn usable(&self) -> u64 {
        self.size.min(ARENA)
    }
}

struct Generator {
    random: Random,
    setup: Setup,
    tables: Vec<TableId>,
    mapped: Vec<Mapped>,
    gone: Vec<Mapped>,
    attached: [Config; DEVICES as usize],
    ops: Vec<Op>,
    /// Whether the driver makes mistakes.
    sloppy: bool,
    /// Whether fields are set wrongly on purpose.
    faulty: bool,
}

/// The sequence of a seed. Bit 0 of the seed chooses between a linear and a two-level stream table.
#[must_use]
pub fn sequence(seed: u64) -> Sequence {
    let mut random = Random::new(seed >> 1);
    let setup = setup::setup(&mut random, seed & 1 != 0);
    let (sloppy, faulty, length) = (random.chance(65), random.chance(65), random.between(20, 70));
    let mut generator = Generator {
        random,
        tables: setup.tables(),
        setup,
        mapped: Vec::new(),
        gone: Vec::new(),
        attached: [Config::default(); DEVICES as usize],
        ops: Vec::new(),
        sloppy,
        faulty,
    };
    for _ in 0..6 {
        generator.map();
    }
    for device in 0..DEVICES {
        generator.attach(device as usize);
    }
    for _ in 0..length {
        generator.any();
    }
    let Generator { setup, ops, .. } = generator;
    Sequence { seed, setup, ops }
}

impl Generator {
    fn any(&mut self) {
        match self.random.below(100) {
            0..=11 => {
                let device = self.random.below(DEVICES) as usize;
                self.attach(device);
            }
            12..=27 => self.map(),
            28..=41 => self.unmap(),
            42..=46 => self.invalidate(),
            47 => self.withdraw(),
            48..=59 if self.faulty => self.corrupt(),
            _ => self.dma(),
        }
    }

    fn attach(&mut self, device: usize) {
        let config = match self.random.below(10) {
            0 => Config::Abort,
            1 => Config::Bypass,
            2..=6 => Config::Stage1(self.random.below(self.setup.stage1.len() as u64) as usize),
            _ => Config::Stage2(self.random.below(self.setup.stage2.len() as u64) as usize),
        };
        let raw = self.sloppy && self.random.chance(20);
        if let Some(attached) = self.attached.get_mut(device) {
            *attached = config;
        }
        self.ops.push(Op::Attach { device, config, raw });
    }

    fn map(&mut self) {
        let Some(table) = self.random.pick(&self.tables).copied() else { return };
        let Some(granule) = self.setup.shape(table).map(|shape| shape.granule) else { return };
        let Some(window) = self.random.pick(&windows(&self.setup, table)).copied() else { return };
        let (block, _) = blocks(granule);
        let (offset, size) = match self.random.below(10) {
            0 if window.large != 0 => (0, 1 << window.large),
            0 | 1 if block.is_some() && window.size == ARENA => {
                let size = 1 << block.unwrap_or(0);
                (self.random.below(ARENA / size) * size, size)
            }
            _ => self.pages(granule, window.size),
        };
        let iova = window.base.wrapping_add(offset);
        let overlaps = |m: &Mapped| {
            m.table == table && m.iova - iova.min(m.iova) < size && iova - m.iova.min(iova) < m.size
        };
        if self.mapped.iter().any(overlaps) && !self.random.chance(5) {
            return;
        }
        let to = self.target(table, granule, size);
        let writable = self.random.chance(75);
        self.mapped.push(Mapped { table, iova, size });
        self.ops.push(Op::Map { table, iova, size, to, writable });
    }

    /// Some pages near the begin of a window, around the middle of it, or anywhere.
    fn pages(&mut self, granule: Granule, window: u64) -> (u64, u64) {
        let all = window / granule.bytes();
        let count =
            if self.random.chance(8) { self.random.between(7, 33) } else { self.random.between(1, 6) };
        let count = count.min(all);
        let free = all - count;
        let first = match self.random.below(3) {
            0 => self.random.below(8).min(free),
            // Often a boundary between two tables of the last level.
            1 => (all / 2).saturating_sub(self.random.below(count)).min(free),
            _ => self.random.below(free + 1),
        };
        (first * granule.bytes(), count * granule.bytes())
    }

    fn target(&mut self, table: TableId, granule: Granule, size: u64) -> Target {
        if self.setup.is_guest(table) && size <= ARENA && self.random.chance(50) {
            // Where the host has mapped something, or could have.
            let ours = |m: &&Mapped| matches!(m.table, TableId::Stage2(_));
            let hosts: Vec<Mapped> = self.mapped.iter().chain(&self.gone).filter(ours).copied().collect();
            if let Some(host) = self.random.pick(&hosts).copied() {
                let within = self.random.below(host.usable() / granule.bytes() + 1) * granule.bytes();
                return Target::Ipa(host.iova.wrapping_add(within) & !(granule.bytes() - 1));
            }
        }
        if size > ARENA {
            return Target::Arena(0);
        }
        let step = if size >= 1 << 21 { 1 << 21 } else { granule.bytes() };
        let choices = (ARENA - size) / step + 1;
        Target::Arena(self.random.below(choices) * step)
    }

    fn unmap(&mut self) {
        let index = self.random.below(self.mapped.len() as u64) as usize;
        let Some(found) = self.mapped.get(index).copied() else { return };
        let flush = self.flush(found.table);
        let Some(granule) = self.setup.shape(found.table).map(|shape| shape.granule) else { return };
        let pages = found.size / granule.bytes();
        let (mut iova, mut size) = (found.iova, found.size);
        if self.random.chance(35) && (2..512).contains(&pages) {
            // Part of it.
            let skip = self.random.below(pages);
            let count = self.random.between(1, pages - skip);
            (iova, size) = (iova.wrapping_add(skip * granule.bytes()), count * granule.bytes());
        } else {
            self.mapped.swap_remove(index);
        }
        self.gone.push(Mapped { iova, size, ..found });
        // Often the same address before and after: what is not cached cannot be stale.
        let probe = self.random.chance(50).then(|| self.probe(found.table, iova, size)).flatten();
        self.ops.extend(probe);
        self.ops.push(Op::Unmap { table: found.table, iova, size, flush });
        self.ops.extend(probe);
    }

    /// A DMA into a range by a device that is attached to its table, if there is one.
    fn probe(&mut self, table: TableId, iova: u64, size: u64) -> Option<Op> {
        let uses = |config: &Config| match (table, *config) {
            (TableId::Low(a) | TableId::High(a), Config::Stage1(b)) => a == b,
            (TableId::Stage2(a), Config::Stage2(b)) => a == b,
            _ => false,
        };
        let devices: Vec<usize> =
            self.attached.iter().enumerate().filter(|(_, config)| uses(config)).map(|(n, _)| n).collect();
        let device = self.random.pick(&devices).copied()?;
        let iova = self.inside(&[Mapped { table, iova, size }], 0x18)?;
        Some(Op::Dma { device, iova })
    }

    /// A host takes everything away that its guests' CDs and tables are in, and gives it back.
    ///
    /// QEMU's configuration cache holds tables' addresses that stage 2 has translated (facts/qemu.md 8): all
    /// configuration is dropped with it.
    fn withdraw(&mut self) {
        let (table, iova, size) = (TableId::Stage2(0), ARENA_BASE, IDENTITY);
        self.ops.push(Op::Unmap { table, iova, size, flush: Flush::Exact });
        self.ops.push(Op::Drop(Drop::Configuration));
        for _ in 0..self.random.between(1, 5) {
            self.dma();
        }
        self.ops.push(Op::Map { table, iova, size, to: Target::Arena(0), writable: self.random.chance(80) });
    }

    fn flush(&mut self, table: TableId) -> Flush {
        let host = matches!(table, TableId::Stage2(0));
        let wrong = [Flush::Omitted, Flush::Short, Flush::OtherAsid, Flush::OtherVmid, Flush::FirstPhase];
        let right = [Flush::Single, Flush::Exact, Flush::Steps, Flush::WholeTag];
        let wrong = if host { wrong.as_slice() } else { wrong.get(..4).unwrap_or(&wrong) };
        let choices = if self.sloppy && self.random.chance(35) { wrong } else { right.as_slice() };
        self.random.pick(choices).copied().unwrap_or(Flush::WholeTag)
    }

    fn invalidate(&mut self) {
        let vmid = self.random.pick(&[0, 11, 12]).copied().unwrap_or(0);
        let found = self.random.pick(&self.gone).copied();
        let what = match self.random.below(10) {
            0 => Drop::Configuration,
            1 => Drop::Stream(self.random.below(DEVICES) as usize),
            2 => Drop::Translations,
            3 => Drop::Stage1OfVmid(vmid),
            4 => Drop::Vmid(vmid),
            5 => Drop::Address(vmid, found.map_or(0, |gone| gone.iova)),
            _ => Drop::Everything,
        };
        self.ops.push(Op::Drop(what));
    }

    fn corrupt(&mut self) {
        let before = self.ops.len();
        self.dma();
        let fault = self.random.pick(FAULTS);
        if let (Some(fault), Some(op)) = (fault, self.ops.get_mut(before)) {
            if let Op::Dma { device, iova } = *op {
                *op = Op::Corrupt { device, iova, fault };
            }
        }
    }

    fn dma(&mut self) {
        let device = self.random.below(DEVICES) as usize;
        let config = self.attached.get(device).copied().unwrap_or_default();
        let tables: Vec<TableId> = match config {
            Config::Stage1(space) => vec![TableId::Low(space), TableId::High(space)],
            Config::Stage2(space) => vec![TableId::Stage2(space)],
            _ => self.tables.clone(),
        };
        let of = |all: &[Mapped]| -> Vec<Mapped> {
            all.iter().filter(|m| tables.contains(&m.table)).copied().collect()
        };
        let (mapped, gone) = (of(&self.mapped), of(&self.gone));
        let within = self.random.pick(&[0, 0x18, PAGE - 4]).copied().unwrap_or(0);
        let iova = match self.random.below(20) {
            0..=9 => self.inside(&mapped, within),
            10..=13 => self.inside(&gone, within),
            14 => self.random.pick(&mapped).map(|m| m.iova.wrapping_sub(4)),
            15 => self.random.pick(&mapped).map(|m| m.iova.wrapping_add(m.size)),
            16..=17 => Some(ARENA_BASE + self.random.below(ARENA / PAGE) * PAGE + within),
            _ => Some(self.odd()),
        };
        let iova = iova.unwrap_or(ARENA_BASE + within);
        self.ops.push(Op::Dma { device, iova });
    }

    /// An address in one of `all`.
    fn inside(&mut self, all: &[Mapped], within: u64) -> Option<u64> {
        let found = self.random.pick(all).copied()?;
        let pages = found.usable() / PAGE;
        let page = match self.random.below(3) {
            0 => 0,
            1 => pages - 1,
            _ => self.random.below(pages),
        };
        Some(found.iova.wrapping_add(page * PAGE + within))
    }

    /// An address at some limit.
    fn odd(&mut self) -> u64 {
        let bit = self.random.pick(&[31, 32, 36, 39, 40, 44, 48, 52, 55, 56, 63]).copied().unwrap_or(48);
        let sizes: Vec<u8> =
            self.tables.iter().filter_map(|t| self.setup.shape(*t)).map(|s| s.bits).collect();
        let bits = self.random.pick(&sizes).copied().unwrap_or(32);
        match self.random.below(5) {
            0 => 1 << bits,
            1 => (1_u64 << bits) - 4,
            2 => u64::MAX << bits,
            3 => (u64::MAX << bits) - 4,
            _ => 1 << bit,
        }
    }
}
