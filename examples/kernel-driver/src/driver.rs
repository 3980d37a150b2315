//! The driver: bring-up, domains, attaching, mapping, events, shutdown.

use crate::domain::Space;
use crate::tags::Tags;
use crate::{Domain, DomainKind, DriverError};
use alloc::vec::Vec;
use core::time::Duration;
use io_pgtable_lpae::{Attributes, Concatenation, Gather, PageTable, Regime, TableConfig};
use smmu_cmds::queue::{CommandFailure, Drained};
use smmu_cmds::{Command, CommandQueue, EventQueue, RawCommand, RawEvent};
use smmu_regs::caps::Hints;
use smmu_regs::lifecycle::{Bases, Enabled, GlobalError, GlobalErrors, Interrupts, Pending, Probed};
use smmu_regs::platform::Platform;
use smmu_regs::vmsa::{Granule, IovaRange};
use smmu_regs::{Asid, Caps, Feature, InstanceId, PhysAddr, StreamId, SubstreamId, Vmid};
use smmu_ste::cd::CdFaultMode;
use smmu_ste::ste::{Ats, FaultMode, GuestSte, Stage1Config, Stage2Config, StreamWorld, WithoutSubstream};
use smmu_ste::table::{Progress, StreamTableShape, Updated};
use smmu_ste::{CdConfig, CdTable, Ste, SteConfig, StreamTable};
use smmu_tlbi::range::Rules;
use smmu_tlbi::{RangeSupport, Tag, invalidate, invalidate_and_reclaim};

/// What a driver decides.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Which SMMU of the system.
    pub instance: InstanceId,
    /// What firmware says about it.
    pub hints: Hints,
    /// log2 of the command queue's entries.
    pub command_queue_log2: u8,
    /// log2 of the event queue's entries.
    pub event_queue_log2: u8,
    /// Bits of StreamID that occur.
    pub stream_id_bits: u8,
    /// How the SMMU interrupts: by wires, by MSIs, or not at all.
    pub interrupts: Interrupts,
    /// How long to wait for the SMMU.
    pub timeout: Duration,
}

/// What a driver tells an observer while it works.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// The ID registers have been read.
    Probed(&'a Caps),
    /// The stream table has been laid out.
    StreamTable(StreamTableShape),
    /// All that the SMMU had cached has been invalidated, completely.
    EverythingDropped,
    /// An STE or a CD is being changed.
    Update(Progress<'a>),
    /// A command has been queued; `None`: a `CMD_SYNC` has completed.
    Command(Option<&'a Command>),
}

/// A driver of one SMMU.
#[derive(Debug)]
pub struct Driver<P> {
    p: P,
    smmu: Enabled,
    commands: CommandQueue,
    events: EventQueue,
    streams: StreamTable,
    asids: Tags,
    vmids: Tags,
    rules: Rules,
    timeout: Duration,
}

impl<P: Platform> Driver<P> {
    /// Takes the SMMU over and enables it. Every stream aborts until it is attached.
    ///
    /// # Errors
    /// The SMMU cannot be driven, does not answer, or there is no memory.
    pub fn bring_up(p: P, config: &Config, observe: &mut dyn FnMut(Notice<'_>)) -> Result<Self, DriverError> {
        let timeout = config.timeout;
        let probed = Probed::probe(&p, config.instance, &config.hints)?;
        let caps = *probed.caps();
        observe(Notice::Probed(&caps));
        let shape = StreamTableShape::choose(&caps, config.stream_id_bits)?;
        observe(Notice::StreamTable(shape));

        let streams = StreamTable::new(&p, &caps, shape)?;
        let mut commands = CommandQueue::new(&p, &caps, config.instance, config.command_queue_log2)?;
        let events = EventQueue::new(&p, &caps, config.event_queue_log2)?;
        let (stream_table, stream_table_shape) = streams.registers()?;
        let bases = Bases {
            stream_table,
            stream_table_shape,
            command_queue: commands.base_register()?,
            event_queue: events.base_register()?,
            pri_queue: None,
        };
        let configured = probed.quiesce(&p, timeout)?.configure(&p, &bases)?;
        let ready = configured.with_interrupts(&p, &config.interrupts)?.enable_commands(&p, timeout)?;
        // Whatever the SMMU still holds from before is dropped before it translates again.
        let clean = commands.drop_everything(&p, timeout)?;
        observe(Notice::EverythingDropped);
        let smmu = ready.enable(&p, clean, timeout)?;
        Ok(Self {
            p,
            smmu,
            commands,
            events,
            streams,
            asids: Tags::new(caps.asid_bits),
            vmids: Tags::new(caps.vmid_bits),
            rules: Rules::new(RangeSupport::of(&caps)),
            timeout,
        })
    }

    /// The platform.
    pub const fn platform(&self) -> &P {
        &self.p
    }

    /// What the SMMU can do.
    pub const fn caps(&self) -> &Caps {
        self.smmu.caps()
    }

    /// The STE of a stream, as it is in memory.
    ///
    /// # Errors
    /// The stream is beyond the table.
    pub fn ste(&self, stream: StreamId) -> Result<Option<Ste>, DriverError> {
        Ok(self.streams.get(&self.p, stream)?)
    }

    /// A new address space with 4K pages: of 39 input bits at stage 1, of the SMMU's own size (or 40) at stage 2.
    ///
    /// # Errors
    /// No memory, no tag, or the SMMU lacks the stage.
    pub fn domain(&mut self, kind: DomainKind) -> Result<Domain, DriverError> {
        let caps = *self.smmu.caps();
        let output = caps.oas.min(smmu_regs::AddressSize::Bits48);
        let config = match kind {
            DomainKind::Stage1 => TableConfig::ttb0(Granule::Size4K, 39, output)?,
            // 39 bits need no concatenated tables, which not every emulator gets right.
            DomainKind::Stage2 => TableConfig::stage2(
                Granule::Size4K,
                caps.stage2_input_bits().min(39),
                output,
                Concatenation::WhenRequired,
            )?,
        };
        let config = if caps.has(Feature::Coherent) { config } else { config.non_coherent() };
        let tags = match kind {
            DomainKind::Stage1 => &mut self.asids,
            DomainKind::Stage2 => &mut self.vmids,
        };
        let tag = tags.take()?;
        let built =
            PageTable::new(config, &self.p).map_err(DriverError::from).and_then(|table| {
                match space(&self.p, &caps, &table, kind, tag) {
                    Ok(space) => Ok(Domain { table, space, streams: Vec::new(), nesting: false }),
                    Err(error) => {
                        table.destroy(&self.p).never_seen_by_hardware().reclaim(&self.p)?;
                        Err(error)
                    }
                }
            });
        if built.is_err() {
            tags.give_back(tag);
        }
        built
    }

    /// Attaches a stream to a domain, from whatever it was attached to before. `from` is that domain, if any.
    ///
    /// # Errors
    /// The SMMU lacks what the domain needs, or the update failed.
    pub fn attach(
        &mut self,
        stream: StreamId,
        domain: &mut Domain,
        from: Option<&mut Domain>,
        observe: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Updated, DriverError> {
        let config = match &domain.space {
            Space::Stage1 { cds, .. } => SteConfig::Stage1(Stage1Config {
                cd_table: cds.pointer(WithoutSubstream::Terminate),
                world: StreamWorld::El1(Vmid::new(0)),
                may_stall: false,
                ats: Ats::Disabled,
            }),
            Space::Stage2 { .. } => SteConfig::Stage2(self.stage2(domain)?),
        };
        let ste = config.encode(self.smmu.caps())?;
        // The domain knows of the stream before the stream can use it, so no invalidation misses it.
        domain.streams.push(stream);
        self.set(stream, &ste, from, observe)
    }

    /// Attaches a stream to a stage-2 domain with a guest's stage 1 on top, as the guest's STE `words` say. `from` is the
    /// domain it was attached to before, if that is another.
    ///
    /// # Errors
    /// The guest's STE must be refused, or as [`Driver::attach`].
    pub fn attach_guest(
        &mut self,
        stream: StreamId,
        domain: &mut Domain,
        from: Option<&mut Domain>,
        words: [u64; 2],
        observe: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Updated, DriverError> {
        let config = match GuestSte::new(words)? {
            GuestSte::Abort => SteConfig::Abort,
            GuestSte::Bypass => SteConfig::Stage2(self.stage2(domain)?),
            GuestSte::Translate(guest) => {
                guest.check(self.smmu.caps())?;
                SteConfig::Nested { guest, stage2: self.stage2(domain)?, may_stall: false }
            }
        };
        let ste = config.encode(self.smmu.caps())?;
        if !domain.streams.contains(&stream) {
            domain.streams.push(stream);
        }
        // From now on translations of both stages may be cached combined.
        domain.nesting |= matches!(config, SteConfig::Nested { .. });
        self.set(stream, &ste, from, observe)
    }

    /// Blocks a stream: its transactions abort, silently.
    ///
    /// # Errors
    /// The update failed.
    pub fn block(
        &mut self,
        stream: StreamId,
        from: Option<&mut Domain>,
        observe: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Updated, DriverError> {
        let ste = SteConfig::Abort.encode(self.smmu.caps())?;
        self.set(stream, &ste, from, observe)
    }

    fn stage2(&self, domain: &Domain) -> Result<Stage2Config, DriverError> {
        let (Space::Stage2 { vmid }, Regime::Stage2(regime)) = (&domain.space, domain.table.regime()) else {
            return Err(DriverError::WrongKind);
        };
        let faults = FaultMode::Terminate;
        Ok(Stage2Config { regime, vmid: *vmid, faults, ats: Ats::Disabled, protect_walks: true })
    }

    fn set(
        &mut self,
        stream: StreamId,
        ste: &Ste,
        from: Option<&mut Domain>,
        observe: &mut dyn FnMut(Notice<'_>),
    ) -> Result<Updated, DriverError> {
        let (p, timeout) = (&self.p, self.timeout);
        self.streams.ensure(p, &mut self.commands, stream, timeout)?;
        let updated = self.streams.set(p, &mut self.commands, stream, ste, timeout, |progress| {
            observe(Notice::Update(progress));
        })?;
        if let Some(from) = from {
            from.streams.retain(|other| *other != stream);
        }
        Ok(updated)
    }

    /// Maps `range` of a domain to physical memory from `to` on.
    ///
    /// # Errors
    /// See [`io_pgtable_lpae::MapError`]: nothing has changed then.
    pub fn map(
        &mut self,
        domain: &mut Domain,
        range: IovaRange,
        to: PhysAddr,
        attributes: Attributes,
    ) -> Result<(), DriverError> {
        Ok(domain.table.map(&self.p, range, to, attributes)?)
    }

    /// Unmaps `range` of a domain. When it returns, no device reaches the memory any more.
    ///
    /// # Errors
    /// Something in the range is not mapped (nothing has changed), or the invalidation failed.
    pub fn unmap(
        &mut self,
        domain: &mut Domain,
        range: IovaRange,
        observe: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), DriverError> {
        let mut gather = Gather::new();
        let unmapped = domain.table.unmap(&self.p, range, &mut gather);
        self.flush(domain, gather, observe)?;
        unmapped?;
        Ok(())
    }

    fn flush(
        &mut self,
        domain: &Domain,
        gather: Gather,
        observe: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), DriverError> {
        let (p, tags) = (&self.p, [domain.tag()]);
        invalidate_and_reclaim(
            p,
            &mut self.commands,
            gather,
            &self.rules,
            &tags,
            &[],
            self.timeout,
            |command| {
                observe(Notice::Command(command));
            },
        )?;
        Ok(())
    }

    /// Destroys a domain that no stream uses: its whole tag is invalidated, then table and tag come back.
    ///
    /// # Errors
    /// A stream is still attached, or the invalidation failed: the domain's memory then stays out of use.
    pub fn destroy(&mut self, domain: Domain) -> Result<(), DriverError> {
        if let Some(stream) = domain.streams.first() {
            return Err(DriverError::InUse { stream: *stream });
        }
        let tag = domain.tag();
        let first = self.commands.accepted();
        self.commands.push(&self.p, &tag.whole(), self.timeout)?;
        let receipt = self.commands.sync(&self.p, self.timeout)?;
        let ticket = self.commands.ticket_since(first);
        let quarantine = domain.table.destroy(&self.p).after_one(ticket);
        quarantine.open(&[receipt]).map_err(|_| DriverError::Lost(ticket))?.reclaim(&self.p)?;
        match domain.space {
            Space::Stage1 { cds, asid } => {
                self.p.free(cds.into_pages());
                self.asids.give_back(asid.get());
            }
            Space::Stage2 { vmid } => self.vmids.give_back(vmid.get()),
        }
        Ok(())
    }

    /// Gets the command queue going again if the SMMU has stopped at a command. Says what it stopped at; whatever waits for
    /// an invalidation from before must then be invalidated anew.
    ///
    /// # Errors
    /// The queue's pointers are impossible.
    pub fn recover(&mut self) -> Result<Option<(CommandFailure, RawCommand)>, DriverError> {
        Ok(self.commands.recover(&self.p)?)
    }

    /// What waits to be looked at: for the one handler of an SMMU whose interrupts share a line, and for a driver that polls.
    pub fn pending(&self) -> Pending {
        self.smmu.pending(&self.p)
    }

    /// Changes the interrupts. What is pending then was announced by none, the old or the new one: handle it now.
    ///
    /// # Errors
    /// The SMMU cannot make them, or does not answer.
    pub fn set_interrupts(&mut self, interrupts: &Interrupts) -> Result<Pending, DriverError> {
        Ok(self.smmu.set_interrupts(&self.p, interrupts, self.timeout)?)
    }

    /// The handler of the global error interrupt: repairs what can be repaired, acknowledges, and says what it was. Events that
    /// were in the queue when a write to it was aborted are lost; this driver lets nobody stall, so no stall is among them.
    ///
    /// In Service failure mode nothing helps but a reset of the system: all traffic is terminated (12.3).
    ///
    /// # Errors
    /// The command queue's pointers are impossible, or the SMMU does not answer.
    pub fn service_errors(&mut self) -> Result<GlobalErrors, DriverError> {
        let errors = self.smmu.service_errors(&self.p);
        if errors.contains(GlobalError::CommandQueue) {
            self.commands.recover(&self.p)?;
        }
        if errors.contains(GlobalError::EventQueue) {
            self.smmu.restart_event_queue(&self.p, self.timeout)?;
            self.events.restart();
        }
        Ok(errors)
    }

    /// Hands every waiting event to `handle`.
    ///
    /// # Errors
    /// The queue's pointers are impossible.
    pub fn events(&mut self, handle: impl FnMut(RawEvent)) -> Result<Drained, DriverError> {
        Ok(self.events.drain(&self.p, handle)?)
    }

    /// Invalidates part of a guest's own translations, as a guest's command would ask.
    ///
    /// # Errors
    /// The queue failed.
    pub fn invalidate_guest(
        &mut self,
        domain: &Domain,
        what: &io_pgtable_lpae::Invalidation,
        guest_asid: Asid,
    ) -> Result<(), DriverError> {
        let Space::Stage2 { vmid } = domain.space else { return Err(DriverError::WrongKind) };
        let tags = [Tag::Stage1Foreign { vmid, asid: guest_asid }];
        let _ = invalidate(&self.p, &mut self.commands, what, &self.rules, &tags, &[], self.timeout, |_| {})?;
        Ok(())
    }

    /// Disables the SMMU, all traffic aborting, and gives all memory back. Destroy the domains first.
    ///
    /// # Errors
    /// The SMMU does not answer: nothing is given back.
    pub fn shut_down(self) -> Result<P, DriverError> {
        let Self { p, smmu, commands, events, streams, timeout, .. } = self;
        let _off = smmu.disable(&p, timeout)?;
        p.free(commands.into_pages());
        p.free(events.into_pages());
        streams.free(&p)?;
        Ok(p)
    }
}

/// What a domain has besides its page table.
fn space<P: Platform>(
    p: &P,
    caps: &Caps,
    table: &PageTable,
    kind: DomainKind,
    tag: u16,
) -> Result<Space, DriverError> {
    match (kind, table.regime()) {
        (DomainKind::Stage1, Regime::Stage1(regime)) => {
            let asid = Asid::new(tag);
            let cd = CdConfig { regime, asid, faults: CdFaultMode::Terminate, private_asid: true };
            let cd = cd.encode(caps)?;
            let mut cds = CdTable::new(p, caps, 0)?;
            cds.set_before_use(p, SubstreamId::ZERO, &cd)?;
            Ok(Space::Stage1 { cds, asid })
        }
        (DomainKind::Stage2, Regime::Stage2(_)) => Ok(Space::Stage2 { vmid: Vmid::new(tag) }),
        _ => Err(DriverError::WrongKind),
    }
}
