//! A device that shares a process's address space (SVA): what the CPU must have in common with the SMMU, the CD of a
//! process, and what remains of it when the process is gone.

use super::{CdConfig, CdFaultMode};
use core::fmt;
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::caps::{BbmLevel, StallModel};
use smmu_regs::vmsa::{Granule, HardwareUpdate, Stage1Regime, TableBase, UpdateFlags, WalkAttributes};
use smmu_regs::{Asid, Caps, Feature};

/// What all CPUs of the system have: the properties of address spaces that a device is to share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CpuTraits {
    /// Granule of processes' tables.
    pub granule: Granule,
    /// Bits of a process's addresses, `64 - TCR_EL1.T0SZ`.
    pub input_bits: u8,
    /// Output size (`ID_AA64MMFR0_EL1.PARange`).
    pub output: AddressSize,
    /// Bits of an ASID: 8 or 16.
    pub asid_bits: u8,
    /// `MAIR_EL1`, or `MAIR_EL2` where the kernel runs there.
    pub mair: u64,
    /// The kernel changes the size of live blocks without break-before-make (`ID_AA64MMFR2_EL1.BBM` is 2 or more and used).
    pub changes_block_size_live: bool,
    /// The tables rely on the Access flag of table descriptors being set by hardware (`TCR2_EL1.HAFT`).
    pub table_access_flag: bool,
    /// Descriptors hold 52-bit addresses with 4K or 16K pages (`TCR_EL1.DS`).
    pub ds: bool,
}

/// Why a device behind this SMMU cannot share the CPU's address spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum SvaMismatch {
    /// No stage 1.
    Stage1,
    /// The SMMU's walks do not snoop the CPU's caches, and nobody cleans them for a process's tables.
    NotCoherent,
    /// The SMMU has not the granule.
    Granule,
    /// Addresses of a process are wider than the SMMU translates with this granule.
    InputSize,
    /// Addresses of a process are narrower than the SMMU takes with this granule.
    SmallTables,
    /// Physical addresses are wider than the SMMU's.
    OutputSize,
    /// ASIDs are wider than the SMMU's.
    Asid,
    /// The SMMU does not tolerate blocks that change their size while live.
    BlockSize,
    /// The SMMU does not set the Access flag of table descriptors.
    TableAccessFlag,
    /// The SMMU has no 52-bit descriptors with this granule.
    Ds,
    /// No SubstreamIDs: there is no room for a process beside the kernel.
    Substreams,
}

impl SvaMismatch {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::Stage1,
        Self::NotCoherent,
        Self::Granule,
        Self::InputSize,
        Self::SmallTables,
        Self::OutputSize,
        Self::Asid,
        Self::BlockSize,
        Self::TableAccessFlag,
        Self::Ds,
        Self::Substreams,
    ];

    fn holds(self, cpu: &CpuTraits, caps: &Caps) -> bool {
        let wide = cpu.granule == Granule::Size64K || cpu.ds && caps.has(Feature::Ds);
        let largest = if wide { caps.stage1_input_bits.min(52) } else { 48 };
        match self {
            Self::Stage1 => !caps.has(Feature::Stage1),
            Self::NotCoherent => !caps.has(Feature::Coherent),
            Self::Granule => !caps.granules.contains(cpu.granule),
            Self::InputSize => cpu.input_bits > largest,
            Self::SmallTables => cpu.input_bits < caps.smallest_input_bits(cpu.granule),
            Self::OutputSize => cpu.output > caps.oas,
            Self::Asid => cpu.asid_bits > caps.asid_bits,
            Self::BlockSize => cpu.changes_block_size_live && caps.bbm < BbmLevel::Level2,
            Self::TableAccessFlag => cpu.table_access_flag && caps.httu < HardwareUpdate::TableAccessFlag,
            Self::Ds => cpu.ds && cpu.granule != Granule::Size64K && !caps.has(Feature::Ds),
            Self::Substreams => caps.substream_id_bits == 0,
        }
    }
}

impl fmt::Display for SvaMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stage1 => "the SMMU has no stage 1",
            Self::NotCoherent => "the SMMU's walks are not coherent",
            Self::Granule => "the SMMU has not the CPU's granule",
            Self::InputSize => "the CPU's virtual addresses are wider than the SMMU's",
            Self::SmallTables => "the CPU's virtual addresses are fewer than the SMMU takes",
            Self::OutputSize => "the CPU's physical addresses are wider than the SMMU's",
            Self::Asid => "the CPU's ASIDs are wider than the SMMU's",
            Self::BlockSize => "the SMMU needs break-before-make where the CPU does without (BBML)",
            Self::TableAccessFlag => "the SMMU does not set the Access flag of tables (HAFT)",
            Self::Ds => "the SMMU has no 52-bit addresses with the CPU's granule (DS)",
            Self::Substreams => "the SMMU has no SubstreamIDs",
        })
    }
}

/// Every reason why devices behind an SMMU with these capabilities cannot share the CPU's address spaces; none if they can.
///
/// ```
/// use smmu_regs::caps::{Caps, Hints, IdRegisters};
/// use smmu_regs::{AddressSize, vmsa::Granule};
/// use smmu_ste::cd::{CpuTraits, SvaMismatch, sva_compatible};
///
/// let caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default())?;
/// let cpu = CpuTraits {
///     granule: Granule::Size4K,
///     input_bits: 48,
///     output: AddressSize::Bits48,
///     asid_bits: 16,
///     mair: 0,
///     changes_block_size_live: false,
///     table_access_flag: true,
///     ds: false,
/// };
/// // This SMMU has no HAFT; everything else agrees.
/// assert!(sva_compatible(&cpu, &caps).eq([SvaMismatch::TableAccessFlag]));
/// # Ok::<(), smmu_regs::caps::ProbeError>(())
/// ```
pub fn sva_compatible(cpu: &CpuTraits, caps: &Caps) -> impl Iterator<Item = SvaMismatch> + use<> {
    let (cpu, caps) = (*cpu, *caps);
    SvaMismatch::ALL.into_iter().filter(move |mismatch| mismatch.holds(&cpu, &caps))
}

/// The address space of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CpuMemory {
    /// Its first-level table, `TTBR0_EL1.BADDR`.
    pub table: PhysAddr,
    /// Its ASID, which the CPU must keep for it as long as devices share it.
    pub asid: Asid,
    /// What the tables are.
    pub cpu: CpuTraits,
    /// A device's access that faults waits for the page; it needs a stream that may stall. Otherwise it aborts (and a
    /// device with PRI asks for the page before).
    pub stalls: bool,
}

impl CpuMemory {
    /// Access flag and dirty state, as far as the SMMU updates them; that of tables only where the CPU's tables rely on it.
    const fn update(&self, caps: &Caps) -> UpdateFlags {
        let all = caps.httu.flags();
        UpdateFlags { table_access_flag: all.table_access_flag && self.cpu.table_access_flag, ..all }
    }

    const fn config(&self, caps: &Caps, ttb0: Option<TableBase>, faults: CdFaultMode) -> CdConfig {
        let regime = Stage1Regime {
            ttb0,
            ttb1: None,
            ips: self.cpu.output,
            mair: self.cpu.mair,
            update: self.update(caps),
            // RES0 with 64K pages.
            ds: self.cpu.ds && !matches!(self.cpu.granule, Granule::Size64K),
        };
        CdConfig { regime, asid: self.asid, faults, private_asid: true }
    }
}

impl CdConfig {
    /// The CD of a process whose address space a device shares: its tables, the CPU's attributes and output size, and the
    /// descriptor updates that both know. Walks are coherent: ask [`sva_compatible`] before.
    ///
    /// The ASID is the CPU's, but broadcast TLB maintenance does not reach it (`ASET`): whoever changes the tables
    /// invalidates by command.
    #[must_use]
    pub const fn sva(caps: &Caps, memory: &CpuMemory) -> Self {
        let CpuTraits { granule, input_bits, .. } = memory.cpu;
        let ttb0 = TableBase { base: memory.table, granule, input_bits, walk: WalkAttributes::COHERENT };
        let stalls = memory.stalls || matches!(caps.stall_model, StallModel::Forced);
        let faults = if stalls { CdFaultMode::Stall } else { CdFaultMode::Terminate };
        memory.config(caps, Some(ttb0), faults)
    }

    /// What replaces [`CdConfig::sva`] when the process is gone and the device is not quiet yet: no walks any more
    /// (`EPD0`), and every access aborts without an event. Where the SMMU stalls everything, it stalls these too, and they
    /// must be resumed with an abort.
    ///
    /// It differs from the CD before in what one store switches, so that the change is hitless. TLB entries stay until
    /// the ASID is invalidated.
    #[must_use]
    pub const fn sva_released(caps: &Caps, memory: &CpuMemory) -> Self {
        let faults = match (caps.stall_model, memory.stalls) {
            (StallModel::Forced, _) => CdFaultMode::Stall,
            _ => CdFaultMode::TerminateSilently,
        };
        memory.config(caps, None, faults)
    }
}
