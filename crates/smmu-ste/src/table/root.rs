//! Where the STEs of a stream table are (IHI 0070 3.3.1, 5.1).

use super::TableError;
use super::stream_shape::{STE_BYTES, StreamTableShape};
use super::word::Level1Stream;
use smmu_regs::StreamId;
use smmu_regs::addr::{AddressSize, PhysAddr};
use smmu_regs::platform::Memory;

/// Where a stream table begins, how it is laid out, and whether somebody else made it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root {
    pub(super) shape: StreamTableShape,
    pub(super) base: PhysAddr,
    /// Then level-2 tables may be shorter than the split, and the memory is not ours to give back.
    pub(super) inherited: bool,
}

impl Root {
    /// Address of the level-1 descriptor of a stream that is in range.
    pub(super) fn level1(self, stream: StreamId, split: u8) -> PhysAddr {
        let offset = u64::from(stream).wrapping_shr(u32::from(split)).wrapping_mul(8);
        PhysAddr::new(self.base.get().wrapping_add(offset))
    }

    /// The level-2 table that a stream in range is in, or would be in if it were longer, and log2 of its STEs.
    pub(super) fn level2<M: Memory>(
        self,
        memory: &M,
        stream: StreamId,
        split: u8,
    ) -> Result<Option<(PhysAddr, u8)>, TableError> {
        let at = self.level1(stream, split);
        let descriptor = memory.words(at, 1)?.first().map_or(0, |word| word.load());
        let decoded = Level1Stream::decode(descriptor, split);
        match decoded {
            // The rest of such a descriptor is ignored.
            Level1Stream::Absent if self.inherited => return Ok(None),
            _ if decoded.encode(split, AddressSize::Bits56) != Ok(descriptor) => {}
            Level1Stream::Absent => return Ok(None),
            Level1Stream::Table { base, log2 } if log2 == split || self.inherited => {
                return Ok(Some((base, log2)));
            }
            Level1Stream::Table { .. } => {}
        }
        Err(TableError::Level1 { descriptor })
    }

    /// Address of the STE of a stream that is in range; `None` if no level-2 table has it.
    pub(super) fn find<M: Memory>(
        self,
        memory: &M,
        stream: StreamId,
    ) -> Result<Option<PhysAddr>, TableError> {
        let (base, index) = match (self.shape, self.shape.index(stream)) {
            (StreamTableShape::TwoLevel { split, .. }, (_, Some(index))) => {
                match self.level2(memory, stream, split)? {
                    Some((base, log2)) if index.wrapping_shr(u32::from(log2)) == 0 => (base, index),
                    _ => return Ok(None),
                }
            }
            (_, (index, _)) => (self.base, index),
        };
        Ok(Some(PhysAddr::new(base.get().wrapping_add(index.wrapping_mul(STE_BYTES)))))
    }
}
