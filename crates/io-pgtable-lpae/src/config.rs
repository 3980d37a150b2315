//! What a table is: everything that an SMMU has to agree with before it can walk it.

use crate::config_error::{ConfigError, OutputError};
use crate::contiguous::group_log2;
use crate::descriptor;
use crate::format::by_format;
use crate::geometry::{Concatenation, Geometry, block_levels};
use crate::sizes::PageSizes;
use smmu_regs::vmsa::{Granule, HardwareUpdate, IovaRange, Level, LevelSet, WalkAttributes};
use smmu_regs::{AddressSize, PhysAddr};

/// Which table of which stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Stage 1, lower half of the address space (`CD.TTB0`).
    Ttb0,
    /// Stage 1, upper half: addresses whose bits above the input size are all ones (`CD.TTB1`).
    Ttb1,
    /// Stage 2 (`STE.S2TTB`).
    Stage2,
}

/// What a table is. Two tables with equal configurations are walked in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableConfig {
    stage: Stage,
    geometry: Geometry,
    output: AddressSize,
    coherent: bool,
    walk: WalkAttributes,
    fwb: bool,
    update: HardwareUpdate,
    ds: bool,
    /// With 64K pages, whether the SMMU has 52-bit outputs.
    lpa: bool,
    leaf_levels: LevelSet,
    contiguous: LevelSet,
}

impl TableConfig {
    /// A stage-1 table for the lower half: `input_bits` bits of virtual address.
    ///
    /// # Errors
    /// A size that the architecture or this crate does not have.
    pub const fn ttb0(granule: Granule, input_bits: u32, output: AddressSize) -> Result<Self, ConfigError> {
        Self::stage1(Stage::Ttb0, granule, input_bits, output)
    }

    /// A stage-1 table for the upper half: `input_bits` bits below 2^64.
    ///
    /// # Errors
    /// A size that the architecture or this crate does not have.
    pub const fn ttb1(granule: Granule, input_bits: u32, output: AddressSize) -> Result<Self, ConfigError> {
        Self::stage1(Stage::Ttb1, granule, input_bits, output)
    }

    const fn stage1(
        stage: Stage,
        granule: Granule,
        input_bits: u32,
        output: AddressSize,
    ) -> Result<Self, ConfigError> {
        match Geometry::stage1(granule, input_bits) {
            Ok(geometry) => Self::new(stage, geometry, output),
            Err(error) => Err(error),
        }
    }

    /// A stage-2 table: `input_bits` bits of intermediate physical address, no more than the output has.
    ///
    /// # Errors
    /// A size that the architecture or this crate does not have.
    pub const fn stage2(
        granule: Granule,
        input_bits: u32,
        output: AddressSize,
        concatenation: Concatenation,
    ) -> Result<Self, ConfigError> {
        match Geometry::stage2(granule, input_bits, output, concatenation) {
            Ok(geometry) => Self::new(Stage::Stage2, geometry, output),
            Err(error) => Err(error),
        }
    }

    const fn new(stage: Stage, geometry: Geometry, output: AddressSize) -> Result<Self, ConfigError> {
        if output.bits() > Geometry::MAX_BITS {
            return Err(ConfigError::Unsupported { bits: output.bits() });
        }
        let granule = geometry.granule();
        let ds = Geometry::needs_ds(granule, geometry.input_bits(), output);
        let lpa = matches!(granule, Granule::Size64K) && output.bits() >= 52;
        Ok(Self {
            stage,
            geometry,
            output,
            coherent: true,
            walk: WalkAttributes::COHERENT,
            fwb: false,
            update: HardwareUpdate::None,
            ds,
            lpa,
            leaf_levels: geometry.leaf_levels_of(block_levels(granule, lpa || ds)),
            contiguous: LevelSet::EMPTY,
        })
    }

    /// The descriptors with `DS` where sizes alone do not ask for them: 4K pages then have 512G blocks, 16K pages 64G blocks,
    /// and every leaf has the shareability of the table walks (tables D8-17, D8-27; needs `IDR5.DS`). Choose leaf levels
    /// after it.
    ///
    /// # Errors
    /// [`ConfigError::DsWith64K`].
    pub const fn with_ds(mut self) -> Result<Self, ConfigError> {
        if matches!(self.granule(), Granule::Size64K) {
            return Err(ConfigError::DsWith64K);
        }
        self.ds = true;
        self.leaf_levels = self.possible_leaf_levels();
        Ok(self)
    }

    /// For SMMUs with 52-bit outputs (`IDR5.OAS`, `FEAT_LPA`), of which this table uses fewer: 64K pages then have 4T blocks
    /// (table D8-36). Choose leaf levels after it.
    ///
    /// # Errors
    /// [`ConfigError::LpaWithout64K`].
    pub const fn with_lpa(mut self) -> Result<Self, ConfigError> {
        if !matches!(self.granule(), Granule::Size64K) {
            return Err(ConfigError::LpaWithout64K { granule: self.granule() });
        }
        self.lpa = true;
        self.leaf_levels = self.possible_leaf_levels();
        Ok(self)
    }

    /// `map` marks leaves as contiguous wherever a whole group of them maps a range aligned like one large leaf, at every
    /// level that has the hint (D8.7.1): 16 leaves with 4K pages, 32 blocks or 128 pages with 16K, 32 with 64K. TLBs may
    /// then keep the group as one entry. Part of a group cannot be unmapped, as part of a block cannot.
    #[must_use]
    pub const fn with_contiguous(mut self) -> Self {
        self.contiguous = self.possible_contiguous_levels();
        self
    }

    /// [`TableConfig::with_contiguous`] at some levels only.
    ///
    /// # Errors
    /// [`ConfigError::ContiguousLevel`]: a level whose leaves have no contiguous groups.
    pub fn with_contiguous_levels(mut self, levels: LevelSet) -> Result<Self, ConfigError> {
        let possible = self.possible_contiguous_levels();
        if let Some(level) = levels.iter().find(|level| !possible.contains(*level)) {
            return Err(ConfigError::ContiguousLevel { granule: self.granule(), level });
        }
        self.contiguous = levels;
        Ok(self)
    }

    const fn possible_contiguous_levels(&self) -> LevelSet {
        let (granule, possible) = (self.granule(), self.possible_leaf_levels());
        let mut levels = LevelSet::EMPTY;
        let mut rest: &[Level] = &[Level::ONE, Level::TWO, Level::THREE];
        while let [level, others @ ..] = rest {
            if possible.contains(*level) && group_log2(granule, *level).is_some() {
                levels = levels.with(*level);
            }
            rest = others;
        }
        levels
    }

    /// For SMMUs whose walks do not snoop the CPU's caches (`IDR0.COHACC` = 0): every store is cleaned to memory.
    #[must_use]
    pub const fn non_coherent(mut self) -> Self {
        self.coherent = false;
        self.walk = WalkAttributes::NON_COHERENT;
        self
    }

    /// Walk attributes other than those that coherence suggests.
    #[must_use]
    pub const fn with_walk(mut self, walk: WalkAttributes) -> Self {
        self.walk = walk;
        self
    }

    /// Stage-2 descriptors that force the memory type (`STE.S2FWB`, D8.6.6; needs `IDR3.FWB`).
    ///
    /// # Errors
    /// [`ConfigError::FwbAtStage1`].
    pub const fn with_fwb(mut self) -> Result<Self, ConfigError> {
        if !matches!(self.stage, Stage::Stage2) {
            return Err(ConfigError::FwbAtStage1);
        }
        self.fwb = true;
        Ok(self)
    }

    /// What hardware updates in descriptors. With dirty state, writable leaves get `DBM` and are born dirty.
    ///
    /// # Errors
    /// [`ConfigError::UnsupportedUpdate`]: the access flag of table descriptors.
    pub const fn with_update(mut self, update: HardwareUpdate) -> Result<Self, ConfigError> {
        if matches!(update, HardwareUpdate::TableAccessFlag) {
            return Err(ConfigError::UnsupportedUpdate { update });
        }
        self.update = update;
        Ok(self)
    }

    /// Leaves only at `levels`: pages, and fewer block sizes than there are.
    ///
    /// # Errors
    /// [`ConfigError::LeafLevel`]: no pages, or a level that has no leaves in this table.
    pub fn with_leaf_levels(mut self, levels: LevelSet) -> Result<Self, ConfigError> {
        if !levels.contains(Level::THREE) {
            return Err(ConfigError::LeafLevel { level: Level::THREE });
        }
        let possible = self.possible_leaf_levels();
        if let Some(level) = levels.iter().find(|level| !possible.contains(*level)) {
            return Err(ConfigError::LeafLevel { level });
        }
        self.leaf_levels = levels;
        Ok(self)
    }

    /// Which table of which stage.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// The shape of the tree.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The granule.
    #[must_use]
    pub const fn granule(&self) -> Granule {
        self.geometry.granule()
    }

    /// Output address size.
    #[must_use]
    pub const fn output(&self) -> AddressSize {
        self.output
    }

    /// Whether walks snoop the CPU's caches.
    #[must_use]
    pub const fn is_coherent(&self) -> bool {
        self.coherent
    }

    /// How the SMMU reads the tables.
    #[must_use]
    pub const fn walk(&self) -> WalkAttributes {
        self.walk
    }

    /// Whether stage-2 descriptors force the memory type.
    #[must_use]
    pub const fn fwb(&self) -> bool {
        self.fwb
    }

    /// What hardware updates in descriptors.
    #[must_use]
    pub const fn update(&self) -> HardwareUpdate {
        self.update
    }

    /// Whether the descriptors are those with `DS`: 52-bit addresses with 4K and 16K pages, no shareability in leaves
    /// (`CD.DS`, `STE.S2DS`).
    #[must_use]
    pub const fn ds(&self) -> bool {
        self.ds
    }

    /// Levels at which `map` marks whole groups as contiguous.
    #[must_use]
    pub const fn contiguous_levels(&self) -> LevelSet {
        self.contiguous
    }

    /// Levels whose descriptors can be leaves in such a table: those of [`Geometry::leaf_levels`]; level 1 with 64K pages where
    /// the SMMU has 52-bit outputs (4T blocks, table D8-36); with `DS`, level 0 with 4K pages and level 1 with 16K.
    #[must_use]
    pub const fn possible_leaf_levels(&self) -> LevelSet {
        self.geometry.leaf_levels_of(block_levels(self.granule(), self.ds || self.lpa))
    }

    /// Levels at which `map` puts leaves.
    #[must_use]
    pub const fn leaf_levels(&self) -> LevelSet {
        self.leaf_levels
    }

    /// The sizes of those leaves, and of their contiguous groups.
    #[must_use]
    pub const fn page_sizes(&self) -> PageSizes {
        PageSizes::of_levels(self.granule(), self.leaf_levels)
            .union(PageSizes::of_groups(self.granule(), self.contiguous.intersect(self.leaf_levels)))
    }

    /// An output address, or that of a table, as it stands in a descriptor of this table: in place, but for bits 51:48,
    /// which 64K pages keep in bits 15:12, and bits 51:50, which `DS` keeps in bits 9:8.
    ///
    /// # Errors
    /// It is not the address of a page, or beyond the output size.
    pub fn address_bits(&self, pa: PhysAddr) -> Result<u64, OutputError> {
        let (granule, output) = (self.granule(), self.output);
        if !pa.is_aligned(granule.bytes()) {
            return Err(OutputError::Misaligned { pa, granule });
        }
        if !output.contains(pa.get()) {
            return Err(OutputError::Outside { pa, output });
        }
        Ok(by_format!(self, F => descriptor::address_bits::<F>(pa.get())))
    }

    /// The address in a descriptor of this table.
    #[must_use]
    pub const fn address(&self, descriptor: u64) -> PhysAddr {
        let address = by_format!(self, F => descriptor::address::<F>(descriptor));
        PhysAddr::new(address.get() & !self.granule().bytes().wrapping_sub(1))
    }

    /// All addresses that the table translates.
    #[must_use]
    pub const fn input(&self) -> IovaRange {
        let low = 1u64.wrapping_shl(self.geometry.input_bits()).wrapping_sub(1);
        let range = match self.stage {
            Stage::Ttb0 | Stage::Stage2 => IovaRange::new(0, low),
            Stage::Ttb1 => IovaRange::new(!low, u64::MAX),
        };
        match range {
            Ok(range) => range,
            Err(_) => IovaRange::ALL,
        }
    }
}
