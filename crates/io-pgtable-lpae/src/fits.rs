//! Whether an SMMU can walk a table, decided from what the table is and from nothing else: no SMMU owns a table.
//!
//! A domain that several SMMUs use has one table. Each of them must have everything that the table's configuration asks for;
//! what one of them has beyond that does not matter.

use crate::config::{Stage, TableConfig};
use core::fmt;
use smmu_regs::vmsa::{Granule, HardwareUpdate};
use smmu_regs::{AddressSize, Caps, Feature};

/// Why an SMMU cannot walk a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misfit {
    /// It lacks a feature that the table needs: the stage, `DS`, forced write-back, small tables, or coherent walks.
    Feature(Feature),
    /// It does not have the granule.
    Granule(Granule),
    /// The table translates more input bits than it has (IHI 0070 3.4, 5.2 S2T0SZ, 5.4 T0SZ).
    Input {
        /// The table's.
        input_bits: u32,
        /// The SMMU's.
        most: u32,
    },
    /// The table's output is larger than its own.
    Output {
        /// The table's.
        output: AddressSize,
        /// The SMMU's (`IDR5.OAS`).
        oas: AddressSize,
    },
    /// The table has 4T blocks, which need 52-bit outputs.
    LargeBlocks {
        /// The SMMU's output size.
        oas: AddressSize,
    },
    /// The table relies on descriptor updates that the SMMU does not make (`IDR0.HTTU`).
    Update {
        /// What the table relies on.
        wanted: HardwareUpdate,
        /// What the SMMU does.
        has: HardwareUpdate,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(feature) => write!(f, "the table needs {feature}"),
            Self::Granule(granule) => write!(f, "the table has {granule} pages, which this SMMU has not"),
            Self::Input { input_bits, most } => {
                write!(f, "the table translates {input_bits} bits, this SMMU at most {most}")
            }
            Self::Output { output, oas } => {
                write!(f, "the table's output of {output} is larger than this SMMU's, {oas}")
            }
            Self::LargeBlocks { oas } => {
                write!(f, "the table has 4T blocks, which an SMMU with outputs of {oas} does not know")
            }
            Self::Update { wanted, has } => {
                write!(f, "the table relies on {wanted:?}, this SMMU's hardware update is {has:?}")
            }
        }
    }
}

impl core::error::Error for Misfit {}

/// Which of several SMMUs cannot walk a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CannotShare {
    /// Its place among those that were asked about.
    pub index: usize,
    /// Why.
    pub why: Misfit,
}

impl fmt::Display for CannotShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SMMU number {}: {}", self.index, self.why)
    }
}

impl core::error::Error for CannotShare {}

impl TableConfig {
    /// Everything that keeps an SMMU of these capabilities from walking such a table.
    pub fn misfits(&self, caps: &Caps) -> impl Iterator<Item = Misfit> + use<> {
        let (granule, input_bits) = (self.granule(), self.geometry().input_bits());
        let stage2 = matches!(self.stage(), Stage::Stage2);
        let needs =
            |wanted: bool, feature| (wanted && !caps.has(feature)).then_some(Misfit::Feature(feature));
        let most = if stage2 { caps.stage2_input_bits() } else { u32::from(caps.stage1_input_bits) };
        let small = input_bits < u32::from(caps.smallest_input_bits(granule));
        let (wanted, has) = (self.update(), caps.httu);
        let large = granule == Granule::Size64K
            && self.leaf_levels().contains(smmu_regs::vmsa::Level::ONE)
            && caps.oas < AddressSize::Bits52;
        [
            needs(!stage2, Feature::Stage1),
            needs(stage2, Feature::Stage2),
            (!caps.granules.contains(granule)).then_some(Misfit::Granule(granule)),
            (input_bits > most).then_some(Misfit::Input { input_bits, most }),
            needs(small, Feature::SmallTables),
            (self.output() > caps.oas).then_some(Misfit::Output { output: self.output(), oas: caps.oas }),
            large.then_some(Misfit::LargeBlocks { oas: caps.oas }),
            needs(self.ds(), Feature::Ds),
            needs(self.fwb(), Feature::S2Fwb),
            // what is cleaned to memory can be read by those that snoop as well, but not the other way round
            needs(self.is_coherent(), Feature::Coherent),
            (wanted > has).then_some(Misfit::Update { wanted, has }),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether an SMMU of these capabilities can walk such a table.
    ///
    /// # Errors
    /// The first of [`TableConfig::misfits`].
    pub fn fits(&self, caps: &Caps) -> Result<(), Misfit> {
        self.misfits(caps).next().map_or(Ok(()), Err)
    }

    /// Whether all of these SMMUs can walk such a table: what a domain asks before it is attached behind another SMMU.
    ///
    /// # Errors
    /// The first SMMU that cannot, and why.
    pub fn can_share<'c>(&self, smmus: impl IntoIterator<Item = &'c Caps>) -> Result<(), CannotShare> {
        for (index, caps) in smmus.into_iter().enumerate() {
            self.fits(caps).map_err(|why| CannotShare { index, why })?;
        }
        Ok(())
    }
}
