//! The scenes, in order.

use super::DemoError;
use super::bench::{Bench, DemoDriver, Writes, is_fault};
use super::guest::GuestMemory;
use io_pgtable_lpae::{Attributes, Gather, MemoryType, PageTable, Regime, TableConfig};
use kernel_driver::{Config, Domain, DomainKind, Driver};
use smmu_cmds::event::{Event, EventKind, FaultKind};
use smmu_machine::dma::{Place, Seen};
use smmu_machine::{MachineError, Watched};
use smmu_regs::caps::Hints;
use smmu_regs::lifecycle::Interrupts;
use smmu_regs::platform::{Memory, Pages};
use smmu_regs::vmsa::{Granule, IovaRange};
use smmu_regs::{AddressSize, Asid, Feature, InstanceId, PhysAddr, StreamId, SubstreamId, Vmid};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::ste::{Ats, CdTablePointer, Stage1Config, StreamWorld, WithoutSubstream};
use smmu_ste::{CdConfig, CdTable, SteConfig};
use std::time::Duration;

const PAGE: u64 = 4096;
const BLOCK: u64 = 2 << 20;
/// Where the demo's first mapping is, in every address space.
const IOVA: u64 = 0x1_0000;
/// Where a guest sees its memory.
const GUEST: u64 = 0x8000_0000;
const RW: Attributes = Attributes::read_write(MemoryType::NormalCached);
const RO: Attributes = Attributes::read_only(MemoryType::NormalCached);

/// Memory that the demo's devices work on.
struct Stage {
    pages: Pages,
}

impl Stage {
    fn new(bench: &Bench<'_, '_, '_>) -> Result<Self, DemoError> {
        let pages = bench.machine.allocate(4 * BLOCK, BLOCK).map_err(smmu_cmds::QueueError::from)?;
        Ok(Self { pages })
    }

    /// Page number `number`.
    fn page(&self, number: u64) -> PhysAddr {
        PhysAddr::new(self.pages.base().get() + number * PAGE)
    }
}

fn place(name: &'static str, page: PhysAddr) -> Place {
    // Not at the start of the page, so that a lost offset shows.
    Place { name, at: PhysAddr::new(page.get() + 0x48) }
}

fn range(start: u64, size: u64) -> Result<IovaRange, DemoError> {
    IovaRange::from_size(start, size).map_err(|_| DemoError::Driver(kernel_driver::DriverError::WrongKind))
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join("; ") }
}

/// All scenes.
pub(super) fn all(bench: &mut Bench<'_, '_, '_>) -> Result<(), DemoError> {
    let machine = bench.machine;
    let before = machine.allocated();
    let writes = Writes::default();
    let watched = Watched::new(machine).after_write(|write| writes.note(write));
    let mut driver = bring_up(bench, &watched, &writes)?;
    let stage = Stage::new(bench)?;
    let streams = machine.devices();
    let &[near, second_stream, .., far] = &streams[..] else {
        let devices = streams.len();
        return Err(DemoError::Machine(MachineError::Device { device: 2, devices }));
    };

    unattached(bench, &mut driver, &stage, near)?;
    let mut first = stage1(bench, &mut driver, &stage, near)?;
    let mut second = stage2(bench, &mut driver, &stage, near, &mut first)?;
    let guest_pages = if driver.caps().has(Feature::Nested) {
        Some(nested(bench, &mut driver, &stage, near, &mut second)?)
    } else {
        bench.section("Stage 2 to nested");
        bench.line("skipped", "this SMMU cannot nest: it lacks a stage, or an erratum forbids it");
        None
    };
    unmap(bench, &mut driver, &stage, second_stream, &mut first)?;
    permissions(bench, &mut driver, &stage, &mut first)?;
    far_stream(bench, &mut driver, &stage, streams.len() - 1, far, &mut first)?;
    blocked(bench, &mut driver, &stage, second_stream, &mut first)?;

    bench.section("Shutdown");
    let quiet = &mut |_: kernel_driver::Notice<'_>| {};
    let _ = driver.block(near, Some(&mut second), quiet)?;
    let _ = driver.block(far, Some(&mut first), quiet)?;
    driver.destroy(first)?;
    driver.destroy(second)?;
    if let Some(pages) = guest_pages {
        machine.free(pages);
    }
    writes.ignore(false);
    driver.shut_down()?;
    bench.registers(&writes);
    bench.expect_dma(0, IOVA + 0x48, &[place("page A", stage.page(0))], Seen::Nowhere)?;
    machine.free(stage.pages);
    let left = machine.allocated() - before;
    bench.check("all memory came back", left == 0, format_args!("{left} bytes are out"));
    let complaints = machine.complaints();
    bench.check("the machine noticed no mistake of the driver", complaints.is_empty(), list(&complaints));
    Ok(())
}

fn bring_up<'w, 'm>(
    bench: &Bench<'_, '_, '_>,
    watched: &'w Watched<'m>,
    writes: &Writes,
) -> Result<DemoDriver<'w, 'm>, DemoError> {
    bench.section("Bring-up");
    bench.line("machine", bench.machine.name());
    let config = Config {
        instance: InstanceId::new(0),
        hints: Hints::default(),
        command_queue_log2: 8,
        event_queue_log2: 7,
        stream_id_bits: 16,
        interrupts: Interrupts::WIRED,
        timeout: Duration::from_secs(1),
    };
    let driver = Driver::bring_up(watched, &config, &mut |notice| {
        bench.registers(writes);
        bench.notice(&notice);
    })?;
    bench.registers(writes);
    writes.ignore(true);
    let odd: Vec<String> = driver.caps().oddities().iter().map(|oddity| oddity.to_string()).collect();
    bench.check("the ID registers hold nothing reserved", odd.is_empty(), list(&odd));
    Ok(driver)
}

fn only<'e>(events: &'e [Event], stream: StreamId) -> impl Iterator<Item = &'e Event> + 'e {
    events.iter().filter(move |event| event.stream == stream)
}

fn unattached(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    stream: StreamId,
) -> Result<(), DemoError> {
    bench.section("A device that nobody attached");
    bench.expect_dma(0, stage.page(0).get() + 0x48, &[place("page A", stage.page(0))], Seen::Nowhere)?;
    let events = bench.events(driver)?;
    let named = only(&events, stream).all(|event| event.kind == EventKind::BadStreamId);
    let count = events.len();
    bench.check("its StreamID is reported", named && count > 0, format_args!("{count} C_BAD_STREAMID"));
    Ok(())
}

fn stage1(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    stream: StreamId,
) -> Result<Domain, DemoError> {
    bench.section("Stage 1");
    let mut domain = driver.domain(DomainKind::Stage1)?;
    driver.map(&mut domain, range(IOVA, 16 * PAGE)?, stage.page(0), RW)?;
    driver.map(&mut domain, range(BLOCK, BLOCK)?, stage.page(512), RW)?;
    bench.line("map", format_args!("{IOVA:#x}, 16 pages -> {}", stage.page(0)));
    bench.line("map", format_args!("{BLOCK:#x}, one 2 MiB block -> {}", stage.page(512)));

    let block = place("the block", stage.page(512));
    let places = [place("page A", stage.page(0)), place("page A+1", stage.page(1)), block];
    let allowed = [Seen::Nowhere, Seen::At("page A")];
    let updated = bench.update("attach to stage 1", 0, IOVA + 0x48, &places, &allowed, |observe| {
        Ok(driver.attach(stream, &mut domain, None, observe)?)
    })?;
    bench.check("the way is hitless", updated.plan.is_hitless(), updated.plan.is_hitless());
    bench.expect_dma(0, IOVA + 0x48, &places, Seen::At("page A"))?;
    bench.expect_dma(0, IOVA + PAGE + 0x48, &places, Seen::At("page A+1"))?;
    bench.expect_dma(0, BLOCK + 0x48, &places, Seen::At("the block"))?;
    let found = domain.table().translate(driver.platform(), BLOCK + 0x48);
    let right = found.as_ref().is_ok_and(|found| found.pa == block.at && found.size == BLOCK);
    bench.check(
        "the page table says the same",
        right,
        found.map_or_else(|e| e.to_string(), |t| t.pa.to_string()),
    );
    // A device that was not attached stays out.
    bench.expect_dma(1, IOVA + 0x48, &places, Seen::Nowhere)?;
    bench.drop_events(driver)?;
    Ok(domain)
}

fn stage2(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    stream: StreamId,
    first: &mut Domain,
) -> Result<Domain, DemoError> {
    bench.section("Stage 1 to stage 2");
    let mut domain = driver.domain(DomainKind::Stage2)?;
    driver.map(&mut domain, range(IOVA, 16 * PAGE)?, stage.page(32), RW)?;
    bench.line("map", format_args!("{IOVA:#x}, 16 pages -> {}", stage.page(32)));
    let places = [place("page A", stage.page(0)), place("page B", stage.page(32))];
    bench.expect_dma(0, IOVA + 0x48, &places, Seen::At("page A"))?;
    // Both contents use Config (word 0) and S2VMID (word 2): two pieces decide, so there is no hitless way.
    let allowed = [Seen::At("page A"), Seen::Nowhere, Seen::At("page B")];
    let updated = bench.update("stage 1 to stage 2", 0, IOVA + 0x48, &places, &allowed, |observe| {
        Ok(driver.attach(stream, &mut domain, Some(first), observe)?)
    })?;
    bench.check(
        "two words decide (Config and S2VMID), so the way leads through an invalid entry",
        !updated.plan.is_hitless(),
        format_args!("{} steps", updated.plan.steps().count()),
    );
    bench.expect_dma(0, IOVA + 0x48, &places, Seen::At("page B"))?;
    let events = bench.drop_events(driver)?;
    let expected = only(&events, stream).all(|event| event.kind == EventKind::BadSte);
    bench.check(
        "in between the SMMU reports C_BAD_STE and nothing else",
        expected,
        format_args!("{} events", events.len()),
    );
    Ok(domain)
}

fn nested(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    stream: StreamId,
    domain: &mut Domain,
) -> Result<Pages, DemoError> {
    bench.section("Stage 2 to nested");
    // The guest: 2 MiB of memory, in which it keeps its own tables and its own CD.
    let pages = bench.machine.allocate(BLOCK, BLOCK).map_err(smmu_cmds::QueueError::from)?;
    let guest = GuestMemory::new(bench.machine, &pages, GUEST);
    driver.map(domain, range(GUEST, BLOCK)?, pages.base(), RW)?;
    bench.line("map", format_args!("guest memory {GUEST:#x}, one 2 MiB block -> {}", pages.base()));

    let buffer = guest.allocate(PAGE, PAGE).map_err(smmu_cmds::QueueError::from)?;
    let config = TableConfig::ttb0(Granule::Size4K, 39, AddressSize::Bits40)?;
    let coherent = driver.caps().has(Feature::Coherent);
    let mut table = PageTable::new(if coherent { config } else { config.non_coherent() }, &guest)?;
    table.map(&guest, range(IOVA, PAGE)?, buffer.base(), RW)?;
    // A page whose guest-physical address the host will move.
    let moving = PhysAddr::new(IOVA);
    table.map(&guest, range(IOVA + PAGE, PAGE)?, moving, RW)?;
    bench.line(
        "guest",
        format_args!("{IOVA:#x} -> IPA {}, {:#x} -> IPA {moving}", buffer.base(), IOVA + PAGE),
    );
    let Regime::Stage1(regime) = table.regime() else {
        return Err(kernel_driver::DriverError::WrongKind.into());
    };
    let asid = Asid::new(7);
    let cd = CdConfig { regime, asid, faults: CdFaultMode::Terminate, private_asid: true };
    let mut cds = CdTable::new(&guest, driver.caps(), 0)?;
    cds.set_before_use(&guest, SubstreamId::ZERO, &cd.encode(driver.caps())?)?;
    let pointer = CdTablePointer { ..cds.pointer(WithoutSubstream::Terminate) };
    let config = SteConfig::Stage1(Stage1Config {
        cd_table: pointer,
        world: StreamWorld::El1(Vmid::new(0)),
        may_stall: false,
        ats: Ats::Disabled,
    });
    let ste = config.encode(driver.caps())?;
    bench.line("guest", format_args!("STE {ste}"));
    let [zero, one, ..] = ste.words();

    let in_buffer = place("the guest's buffer", guest.host_address(buffer.base()));
    let places = [place("page B", stage.page(32)), in_buffer, place("page C", stage.page(48))];
    let allowed = [Seen::At("page B"), Seen::At("the guest's buffer")];
    let updated = bench.update("stage 2 to nested", 0, IOVA + 0x48, &places, &allowed, |observe| {
        Ok(driver.attach_guest(stream, domain, None, [zero, one], observe)?)
    })?;
    bench.check("the way is hitless", updated.plan.is_hitless(), updated.plan.is_hitless());
    bench.expect_dma(0, IOVA + 0x48, &places, Seen::At("the guest's buffer"))?;
    bench.expect_dma(0, IOVA + PAGE + 0x48, &places, Seen::At("page B"))?;

    bench.section("The host moves a page under the guest");
    driver.unmap(domain, range(IOVA, PAGE)?, &mut |notice| bench.notice(&notice))?;
    bench.expect_dma(0, IOVA + PAGE + 0x48, &places, Seen::Nowhere)?;
    let events = bench.events(driver)?;
    let fault = events.iter().find_map(|event| match event.kind {
        EventKind::Fault(fault) if event.stream == stream => Some(fault),
        _ => None,
    });
    let ipa = fault.and_then(|fault| fault.ipa).map(|ipa| ipa.get() & !(PAGE - 1));
    bench.check("the fault names the IPA", ipa == Some(moving.get()), format_args!("{ipa:x?}"));
    driver.map(domain, range(IOVA, PAGE)?, stage.page(48), RW)?;
    bench.line("map", format_args!("IPA {IOVA:#x} -> {}", stage.page(48)));
    bench.expect_dma(0, IOVA + PAGE + 0x48, &places, Seen::At("page C"))?;
    bench.expect_dma(0, IOVA + 0x48, &places, Seen::At("the guest's buffer"))?;

    bench.section("The guest unmaps a page of its own");
    let mut gather = Gather::new();
    table.unmap(&guest, range(IOVA + PAGE, PAGE)?, &mut gather)?;
    if let Some((what, freed)) = gather.finish() {
        driver.invalidate_guest(domain, &what, asid)?;
        bench.line("guest", format_args!("invalidates {} of ASID {asid}", what.range));
        // The guest's tables live and die with its memory.
        let _ = freed.never_seen_by_hardware().reclaim(&guest);
    }
    bench.expect_dma(0, IOVA + PAGE + 0x48, &places, Seen::Nowhere)?;
    let events = bench.events(driver)?;
    let stage1 = events.iter().filter(|event| is_fault(event)).all(|event| match event.kind {
        EventKind::Fault(fault) => fault.kind == FaultKind::Translation && fault.ipa.is_none(),
        _ => false,
    });
    bench.check(
        "the fault is the guest's: stage 1",
        stage1 && !events.is_empty(),
        format_args!("{} events", events.len()),
    );
    Ok(pages)
}

fn unmap(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    stream: StreamId,
    domain: &mut Domain,
) -> Result<(), DemoError> {
    bench.section("A large unmap on a second device");
    let quiet = &mut |_: kernel_driver::Notice<'_>| {};
    let _ = driver.attach(stream, domain, None, quiet)?;
    // One block and 37 pages: two leaf levels, and a table that becomes empty.
    let start = 8 * BLOCK;
    let size = BLOCK + 37 * PAGE;
    driver.map(domain, range(start, size)?, stage.page(512), RW)?;
    bench.line("map", format_args!("{start:#x}, 2 MiB and 37 pages -> {}", stage.page(512)));
    let places = [place("the block", stage.page(512)), place("the last page", stage.page(1024 + 36))];
    bench.expect_dma(1, start + 0x48, &places, Seen::At("the block"))?;
    bench.expect_dma(1, start + size - PAGE + 0x48, &places, Seen::At("the last page"))?;
    bench.drop_events(driver)?;
    driver.unmap(domain, range(start, size)?, &mut |notice| bench.notice(&notice))?;
    bench.expect_dma(1, start + 0x48, &places, Seen::Nowhere)?;
    bench.expect_dma(1, start + size - PAGE + 0x48, &places, Seen::Nowhere)?;
    let events = bench.events(driver)?;
    let mut faults = only(&events, stream).filter_map(|event| match event.kind {
        EventKind::Fault(fault) if fault.kind == FaultKind::Translation => Some(fault),
        _ => None,
    });
    let first = faults.next();
    let right = first.is_some_and(|fault| fault.access.input == start + 0x48 && fault.access.read);
    let found = first.map_or("no fault".to_owned(), |fault| format!("{:#x}", fault.access.input));
    bench.check("F_TRANSLATION names stream, address and direction", right, found);
    Ok(())
}

fn permissions(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    domain: &mut Domain,
) -> Result<(), DemoError> {
    bench.section("A page that may only be read");
    let at = 16 * BLOCK;
    driver.map(domain, range(at, PAGE)?, stage.page(64), RO)?;
    let places = [place("page D", stage.page(64))];
    bench.expect_dma(1, at + 0x48, &places, Seen::Nowhere)?;
    let events = bench.events(driver)?;
    let kinds: Vec<(FaultKind, bool)> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Fault(fault) => Some((fault.kind, fault.access.read)),
            _ => None,
        })
        .collect();
    let right = kinds == [(FaultKind::Permission, false)];
    bench.check("its read passes, its write is a permission fault", right, format_args!("{kinds:?}"));
    Ok(())
}

fn far_stream(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    device: usize,
    stream: StreamId,
    domain: &mut Domain,
) -> Result<(), DemoError> {
    bench.section("A device in another part of the stream table");
    bench.line("stream", format_args!("StreamID {stream}"));
    let places = [place("page A", stage.page(0))];
    let allowed = [Seen::Nowhere, Seen::At("page A")];
    let updated = bench.update("attach", device, IOVA + 0x48, &places, &allowed, |observe| {
        Ok(driver.attach(stream, domain, None, observe)?)
    })?;
    bench.check("the way is hitless", updated.plan.is_hitless(), updated.plan.is_hitless());
    bench.expect_dma(device, IOVA + 0x48, &places, Seen::At("page A"))?;
    bench.drop_events(driver)?;
    Ok(())
}

fn blocked(
    bench: &Bench<'_, '_, '_>,
    driver: &mut DemoDriver<'_, '_>,
    stage: &Stage,
    stream: StreamId,
    domain: &mut Domain,
) -> Result<(), DemoError> {
    bench.section("A blocked device");
    let places = [place("page A", stage.page(0))];
    bench.expect_dma(1, IOVA + 0x48, &places, Seen::At("page A"))?;
    let allowed = [Seen::At("page A"), Seen::Nowhere];
    let updated = bench.update("block", 1, IOVA + 0x48, &places, &allowed, |observe| {
        Ok(driver.block(stream, Some(domain), observe)?)
    })?;
    bench.check("the way is hitless", updated.plan.is_hitless(), updated.plan.is_hitless());
    bench.drop_events(driver)?;
    bench.expect_dma(1, IOVA + 0x48, &places, Seen::Nowhere)?;
    let events = bench.events(driver)?;
    bench.check("it is blocked silently", events.is_empty(), format_args!("{} events", events.len()));
    let ste = driver.ste(stream)?;
    let text = ste.map_or("none".to_owned(), |ste| ste.to_string());
    bench.check("its STE says so", text.starts_with("abort"), text);
    Ok(())
}
