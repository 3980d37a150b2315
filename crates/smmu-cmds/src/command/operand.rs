//! The operand of a by-address TLB invalidation: a type in which the reserved forms cannot be written.

use super::word::{RangeTags, VirtualAddress};
use super::{OperandError, TlbiRange};
use core::fmt;
use smmu_regs::layout::FieldInfo;
use smmu_regs::vmsa::{Granule, Level};

/// What a by-address TLB invalidation covers (IHI 0070 4.4.1).
///
/// It is held as the fields of the two words that all such commands share, ready to be joined with an opcode and a tag: a
/// plan makes it once, and each command costs two ORs. So nothing but the constructors makes one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlbiOperand {
    /// NUM and SCALE.
    low: u64,
    /// LEAF, TTL128, TTL, TG and the address.
    high: u64,
}

const ADDRESS: u64 = VirtualAddress::ADDR.mask();

const fn place(field: FieldInfo, value: u8) -> u64 {
    (value as u64).wrapping_shl(field.lsb)
}

impl TlbiOperand {
    /// The entries of any granule that translate the address; its low 12 bits are no part of it.
    #[inline]
    #[must_use]
    pub const fn page(address: u64, leaf: bool) -> Self {
        Self { low: 0, high: address & ADDRESS | leaf as u64 }
    }

    /// The entries of the range's granule from `address` on.
    ///
    /// # Errors
    /// The address is not aligned as 4.4.1.1 asks: to the granule, and to what an entry of the hinted level covers.
    #[inline]
    pub const fn range(address: u64, leaf: bool, range: TlbiRange) -> Result<Self, OperandError> {
        let align = 1 << range.alignment();
        if address & (align - 1) != 0 {
            return Err(OperandError::Misaligned { address, align });
        }
        // The fields hold what a TlbiRange can be: NUM to 31, SCALE to 39, levels 1 to 3.
        let hint = match range.hint() {
            Some(level) => place(VirtualAddress::TTL.info(), level.number() as u8),
            None => 0,
        };
        let low = place(RangeTags::NUM.info(), range.num()) | place(RangeTags::SCALE.info(), range.scale());
        let high = address
            | leaf as u64
            | hint
            | place(VirtualAddress::TG.info(), range.granule().tlbi_tg())
            | place(VirtualAddress::TTL128.info(), range.descriptors_128() as u8);
        Ok(Self { low, high })
    }

    /// First address.
    #[inline]
    #[must_use]
    pub const fn address(self) -> u64 {
        self.high & ADDRESS
    }

    /// Only last-level entries; table entries may stay.
    #[inline]
    #[must_use]
    pub const fn leaf(self) -> bool {
        self.high & VirtualAddress::LEAF.mask() != 0
    }

    /// Whether it is a range.
    #[inline]
    #[must_use]
    pub const fn is_range(self) -> bool {
        self.high & VirtualAddress::TG.mask() != 0
    }

    /// The range, if it is one.
    #[must_use]
    pub const fn as_range(self) -> Option<TlbiRange> {
        let Some(granule) = Granule::from_tlbi_tg(VirtualAddress::TG.info().get(self.high) as u8) else {
            return None;
        };
        let hint = match VirtualAddress::TTL.info().get(self.high) {
            0 => None,
            level => Level::new(level as i32),
        };
        let (scale, num) = (RangeTags::SCALE.info().get(self.low), RangeTags::NUM.info().get(self.low));
        // What went in comes out: none of this fails.
        match TlbiRange::new(granule, scale as u8, num as u8, hint) {
            Ok(range) if self.high & VirtualAddress::TTL128.mask() != 0 => match range.with_descriptors_128()
            {
                Ok(range) => Some(range),
                Err(_) => None,
            },
            Ok(range) => Some(range),
            Err(_) => None,
        }
    }

    /// Its fields in the two words of a command.
    #[inline]
    pub(super) const fn words(self) -> [u64; 2] {
        [self.low, self.high]
    }
}

impl fmt::Debug for TlbiOperand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlbiOperand")
            .field("address", &format_args!("{:#x}", self.address()))
            .field("leaf", &self.leaf())
            .field("range", &self.as_range())
            .finish()
    }
}

impl fmt::Display for TlbiOperand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address())?;
        if let Some(range) = self.as_range() {
            let (scale, num) = (range.scale(), range.num());
            let granule = range.granule();
            write!(f, " {}<<{scale} granules of {granule} (NUM={num} SCALE={scale}", u32::from(num) + 1)?;
            if let Some(level) = range.hint() {
                write!(f, " TTL={level}")?;
            }
            if range.descriptors_128() {
                f.write_str(" TTL128")?;
            }
            f.write_str(")")?;
        }
        if self.leaf() { f.write_str(" leaf") } else { Ok(()) }
    }
}
