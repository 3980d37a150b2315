//! The memory system as the SMMU sees it.
//!
//! The model issues only naturally aligned accesses. An address is a physical address, already truncated or checked
//! against `SMMU_IDR5.OAS` by the model (IHI 0070 3.4.3).

use std::sync::Arc;

/// Memory as the SMMU sees it: physical addresses, little-endian, aligned.
pub trait Bus: Send {
    /// Reads 8 bytes; `pa` is 8-byte aligned. `None` is an external abort.
    fn read64(&self, pa: u64) -> Option<u64>;
    /// Reads the 64 bytes at `pa`, which is 64-byte aligned. `None` is an external abort on any of them.
    fn read_line(&self, pa: u64) -> Option<[u64; 8]> {
        let mut line = [0; 8];
        for (offset, word) in (0u64..).step_by(8).zip(&mut line) {
            *word = self.read64(pa + offset)?;
        }
        Some(line)
    }
    /// The 64 bytes at `pa` as they were at the last barrier: until the next one, the SMMU may still read them so. A
    /// memory that does not remember says what they are now.
    fn settled_line(&self, pa: u64) -> Option<[u64; 8]> {
        self.read_line(pa)
    }
    /// A barrier: what [`Bus::settled_line`] says is what memory is now.
    fn settle(&self) {}
    /// Writes 8 bytes; `pa` is 8-byte aligned. `None` is an external abort.
    fn write64(&self, pa: u64, value: u64) -> Option<()>;
    /// Reads 4 bytes; `pa` is 4-byte aligned. `None` is an external abort.
    fn read32(&self, pa: u64) -> Option<u32>;
    /// Writes 4 bytes; `pa` is 4-byte aligned. `None` is an external abort.
    fn write32(&self, pa: u64, value: u32) -> Option<()>;
}

impl<T: Bus + ?Sized + Sync> Bus for Arc<T> {
    fn read64(&self, pa: u64) -> Option<u64> {
        (**self).read64(pa)
    }
    fn read_line(&self, pa: u64) -> Option<[u64; 8]> {
        (**self).read_line(pa)
    }
    fn settled_line(&self, pa: u64) -> Option<[u64; 8]> {
        (**self).settled_line(pa)
    }
    fn settle(&self) {
        (**self).settle();
    }
    fn write64(&self, pa: u64, value: u64) -> Option<()> {
        (**self).write64(pa, value)
    }
    fn read32(&self, pa: u64) -> Option<u32> {
        (**self).read32(pa)
    }
    fn write32(&self, pa: u64, value: u32) -> Option<()> {
        (**self).write32(pa, value)
    }
}
