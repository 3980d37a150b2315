//! Level-1 descriptors: of stream tables (IHI 0070 5.1) and of CD tables (5.3). The view of either is its one word.

use super::{CdLeaf, TableError};
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::bitfields;
use smmu_regs::layout::{FieldInfo, Layout};

bitfields! {
    /// Level-1 stream table descriptor.
    pub(crate) struct L1Std(u64) = "L1STD" {
        /// 2^(SPAN-1) STEs; 12..31 reserved as 0; SPAN > SPLIT+1 invalid. 0: invalid; 1: 1 STE; 2: 2 STEs;
        /// 11: 1024 STEs.
        SPAN: u8, 5;
        _: 1;
        /// 51:6 before 3.4; aligned to 2^(5+SPAN) bytes.
        L2PTR: u64, 50;
        _: 8;
    }

    /// Level-1 context descriptor.
    pub(crate) struct L1Cd(u64) = "L1CD" {
        /// 0: invalid (C_BAD_SUBSTREAMID); 1: valid.
        V: bool, 1;
        _: 11;
        /// 51:12 before 3.4; IPA when stage 2 enabled.
        L2PTR: u64, 44;
        _: 8;
    }
}

/// The fields of a level-1 stream table descriptor and of a level-1 context descriptor.
#[must_use]
pub fn level1_words() -> [&'static [FieldInfo]; 2] {
    [L1Std::FIELDS, L1Cd::FIELDS]
}

/// A level-1 descriptor of a stream table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level1Stream {
    /// No STEs: C_BAD_STREAMID.
    Absent,
    /// A level-2 table.
    Table {
        /// Its address, aligned to its size.
        base: PhysAddr,
        /// log2 of its STEs, 0 to 10.
        log2: u8,
    },
}

impl Level1Stream {
    /// The descriptor, of a stream table that is split at `split`, for an SMMU with that output size.
    ///
    /// # Errors
    /// More STEs than the split has, or an address that is not aligned to the table or lies beyond the output size.
    pub fn encode(self, split: u8, oas: AddressSize) -> Result<u64, TableError> {
        let Self::Table { base, log2 } = self else { return Ok(0) };
        if log2 > split || log2 > 10 {
            return Err(TableError::Size { log2, max: split.min(10) });
        }
        // `L2Ptr` below the size is taken as 0 (5.1): such a pointer means another table.
        let align = 64_u64.wrapping_shl(u32::from(log2));
        if !base.is_aligned(align) {
            return Err(TableError::Misaligned { address: base, align });
        }
        if !oas.contains(base.get()) {
            return Err(TableError::TooHigh { address: base, size: oas });
        }
        let span = L1Std::new().try_with(L1Std::SPAN, log2.saturating_add(1))?;
        Ok(span.try_with_address(L1Std::L2PTR, base.get())?.into_bits())
    }

    /// What a descriptor says in a stream table that is split at `split`: reserved spans and those beyond the split
    /// are none (5.1).
    #[must_use]
    pub fn decode(word: u64, split: u8) -> Self {
        let descriptor = L1Std::from_word(word);
        let span = descriptor.span();
        match span.checked_sub(1) {
            Some(log2) if span <= 11 && log2 <= split => {
                let low = 64_u64.wrapping_shl(u32::from(log2)).wrapping_sub(1);
                Self::Table { base: PhysAddr::new(descriptor.address(L1Std::L2PTR) & !low), log2 }
            }
            _ => Self::Absent,
        }
    }
}

/// A level-1 descriptor of a CD table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level1Cd {
    /// No CDs: C_BAD_SUBSTREAMID.
    Absent,
    /// A leaf.
    Leaf(PhysAddr),
}

impl Level1Cd {
    /// The descriptor, of a table with leaves of that size, for an SMMU with that output size.
    ///
    /// # Errors
    /// The address is not aligned to the leaf or lies beyond the output size.
    pub fn encode(self, leaf: CdLeaf, oas: AddressSize) -> Result<u64, TableError> {
        let Self::Leaf(address) = self else { return Ok(0) };
        let align = leaf.bytes();
        if !address.is_aligned(align) {
            return Err(TableError::Misaligned { address, align });
        }
        if !oas.contains(address.get()) {
            return Err(TableError::TooHigh { address, size: oas });
        }
        Ok(L1Cd::new().with(L1Cd::V, true).try_with_address(L1Cd::L2PTR, address.get())?.into_bits())
    }

    /// What a descriptor says.
    #[must_use]
    pub fn decode(word: u64) -> Self {
        let descriptor = L1Cd::from_word(word);
        if descriptor.v() { Self::Leaf(PhysAddr::new(descriptor.address(L1Cd::L2PTR))) } else { Self::Absent }
    }
}
