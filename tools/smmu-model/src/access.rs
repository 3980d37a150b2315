//! What goes in and out of the model besides registers and memory: client transactions, faults, interrupts, the trace.

/// Size of a register access (IHI 0070 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Aligned 32-bit access.
    W32,
    /// Aligned 64-bit access.
    W64,
}

/// One untranslated client transaction (IHI 0070 3.3.4, 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// StreamID, Non-secure.
    pub sid: u32,
    /// SubstreamID (PASID), when the transaction carries one (SSV=1).
    pub ssid: Option<u32>,
    /// Input address, all 64 bits.
    pub iova: u64,
    /// Write (true) or read.
    pub write: bool,
    /// Instruction fetch; ignored for writes, which are always Data (13.1.2).
    pub instruction: bool,
    /// Privileged, before `STE.PRIVCFG`.
    pub privileged: bool,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The transaction goes to memory at `pa`.
    Passed {
        /// Physical address, all bits of the page offset included.
        pa: u64,
    },
    /// The transaction was not performed.
    Aborted(Fault),
}

/// CLASS of an event record (IHI 0070 7.3): what the SMMU was translating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// Fetch of a CD or L1CD through stage 2.
    Cd = 0,
    /// Fetch of a stage 1 translation table descriptor.
    Tt = 1,
    /// The input address itself.
    In = 2,
}

/// Why a transaction did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Event number (IHI 0070 7.3) that was recorded or would have been; `None` for a silent abort.
    pub event: Option<u8>,
    /// Whether a record was written into the Event queue.
    pub recorded: bool,
    /// Stage of the fault, 1 or 2; 0 for configuration errors and silent aborts.
    pub stage: u8,
    /// CLASS of the record; `None` for events without that field.
    pub class: Option<Class>,
    /// Intermediate physical address, for stage 2 faults.
    pub ipa: Option<u64>,
    /// Physical address of the access that aborted (`FetchAddr`).
    pub fetch: Option<u64>,
    /// Terminated with RAZ/WI instead of an abort (`CD.A` == 0, 5.5): reads return 0, writes are dropped, no bus error.
    pub raz_wi: bool,
    /// The transaction is stalled (5.5): it waits until it is retried or terminated. [`Model::resumed`](crate::Model::resumed)
    /// tells what became of it.
    pub waits: bool,
    /// STAG of the record of a stalled transaction, or of the record of the one that it waits behind (then nothing was
    /// recorded). `None` while there is no room for a record.
    pub stall: Option<u16>,
}

impl Fault {
    /// Abort without any event.
    pub(crate) const SILENT: Self = Self {
        event: None,
        recorded: false,
        stage: 0,
        class: None,
        ipa: None,
        fetch: None,
        raz_wi: false,
        waits: false,
        stall: None,
    };
}

/// An interrupt line, wired or MSI (IHI 0070 3.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Irq {
    /// Event queue went from empty to non-empty.
    Event,
    /// `CMD_SYNC` with CS=SIG_IRQ completed.
    CmdSync,
    /// A global error was activated.
    GlobalError,
    /// PRI queue.
    Pri,
}

/// What the SMMU did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// A command was taken from the queue.
    Command {
        /// Which queue: the offset of its BASE register from the SMMU base, 0x90 for the one that every SMMU has.
        queue: u32,
        /// Entry number in the queue.
        index: u32,
        /// The 16 bytes as fetched (0 when the fetch aborted).
        words: [u64; 2],
        /// `CMDQ_CONS.ERR` or `ECMDQ_CONS.ERR_REASON` code when the command was not consumed (7.1).
        error: Option<u8>,
    },
    /// An event record was written to the queue.
    Event {
        /// The 32 bytes.
        record: [u64; 4],
    },
    /// An event record was lost because the queue was full (overflow, 7.4), disabled or aborted.
    Lost {
        /// The 32 bytes.
        record: [u64; 4],
    },
    /// An MSI was written.
    Msi {
        /// Target address.
        pa: u64,
        /// Payload.
        data: u32,
    },
    /// A WFE wake-up event was sent (`CMD_SYNC` with CS=SIG_SEV).
    Sev,
}

/// Something that never answers, for tests of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Hang {
    /// Everything answers.
    #[default]
    None,
    /// `CR0ACK`, `IRQ_CTRLACK` and `ECMDQ_CONS.ENACK` do not follow `CR0`, `IRQ_CTRL` and `ECMDQ_PROD.EN`.
    Cr0Ack,
    /// No command is consumed, from no queue.
    CommandQueue,
    /// `GBPA.UPDATE` stays 1.
    Gbpa,
    /// Interrupts get lost on their way, wired ones and MSIs.
    Interrupts,
}
