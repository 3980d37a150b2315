//! Operands that name a span of addresses: of an endpoint's cache, of a prefetch, of a Device Permission Table.

use core::fmt;
use smmu_regs::addr::PhysAddr;

/// A span that an endpoint's ATC forgets: 2^`size_log2` pages of 4 KiB, aligned to its size (IHI 0070 4.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AtcSpan {
    address: u64,
    size_log2: u8,
}

/// `Size` of an ATC span is more than 52.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtcSpanError {
    /// The value.
    pub size_log2: u8,
}

impl fmt::Display for AtcSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ATC span of 2^{} pages is more than the address space (2^52)", self.size_log2)
    }
}

impl core::error::Error for AtcSpanError {}

impl AtcSpan {
    /// Everything.
    pub const ALL: Self = Self { address: 0, size_log2: 52 };

    /// The span of 2^`size_log2` pages that holds `address`. The SMMU takes the address bits below the span as zero, so
    /// they are kept as given from bit 12 up.
    ///
    /// # Errors
    /// `size_log2` is more than 52.
    pub const fn new(address: u64, size_log2: u8) -> Result<Self, AtcSpanError> {
        if size_log2 > 52 {
            return Err(AtcSpanError { size_log2 });
        }
        Ok(Self { address: address & !0xfff, size_log2 })
    }

    /// An address in the span, 4 KiB aligned.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.address
    }

    /// log2 of its 4 KiB pages.
    #[must_use]
    pub const fn size_log2(self) -> u8 {
        self.size_log2
    }
}

impl fmt::Display for AtcSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.size_log2 == 52 {
            f.write_str("everything")
        } else {
            write!(f, "{:#x}, 2^{} pages", self.address, self.size_log2)
        }
    }
}

/// What `CMD_PREFETCH_ADDR` is about: 2^SIZE addresses, 2^(12 + STRIDE) bytes apart (IHI 0070 4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefetchSpan {
    address: u64,
    size: u8,
    stride: u8,
}

/// SIZE or STRIDE of a prefetch is more than 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefetchSpanError {
    /// SIZE.
    pub size: u8,
    /// STRIDE.
    pub stride: u8,
}

impl fmt::Display for PrefetchSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIZE {} or STRIDE {} of a prefetch is more than 31", self.size, self.stride)
    }
}

impl core::error::Error for PrefetchSpanError {}

impl PrefetchSpan {
    /// Largest SIZE and largest STRIDE.
    pub const MAX: u8 = 31;

    /// 2^`size` addresses from the page of `address` on, 2^(12 + `stride`) bytes apart. A `stride` that fits the size of
    /// the span's pages or blocks saves the SMMU lookups. SMMUv3.0 knows only 0.
    ///
    /// # Errors
    /// `size` or `stride` is more than 31.
    pub const fn new(address: u64, size: u8, stride: u8) -> Result<Self, PrefetchSpanError> {
        if size > Self::MAX || stride > Self::MAX {
            return Err(PrefetchSpanError { size, stride });
        }
        Ok(Self { address: address & !0xfff, size, stride })
    }

    /// The first address, 4 KiB aligned.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.address
    }

    /// The SIZE field: log2 of the number of addresses.
    #[must_use]
    pub const fn size(self) -> u8 {
        self.size
    }

    /// The STRIDE field: log2 of their distance in units of 4 KiB.
    #[must_use]
    pub const fn stride(self) -> u8 {
        self.stride
    }
}

impl fmt::Display for PrefetchSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, size, stride } = self;
        write!(f, "{address:#x} and on, 2^{size} addresses 2^{} bytes apart", u32::from(*stride) + 12)
    }
}

/// Sizes of a region that `CMD_DPTI_PA` can name (IHI 0070 4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // the names say it
pub enum DptSize {
    Size4K = 0,
    Size16K = 1,
    Size64K = 2,
    Size2M = 3,
    Size32M = 4,
    Size512M = 5,
    Size1G = 6,
    Size16G = 7,
    Size64G = 8,
    Size512G = 9,
}

impl DptSize {
    /// All sizes, by code.
    pub const ALL: [Self; 10] = [
        Self::Size4K,
        Self::Size16K,
        Self::Size64K,
        Self::Size2M,
        Self::Size32M,
        Self::Size512M,
        Self::Size1G,
        Self::Size16G,
        Self::Size64G,
        Self::Size512G,
    ];

    /// The size with this code of the SIZE field; codes above 9 are reserved.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        let (mut rest, mut left): (&[Self], _) = (&Self::ALL, code);
        while let [first, tail @ ..] = rest {
            if left == 0 {
                return Some(*first);
            }
            (rest, left) = (tail, left - 1);
        }
        None
    }

    /// log2 of its bytes.
    #[must_use]
    pub const fn shift(self) -> u32 {
        match self {
            Self::Size4K => 12,
            Self::Size16K => 14,
            Self::Size64K => 16,
            Self::Size2M => 21,
            Self::Size32M => 25,
            Self::Size512M => 29,
            Self::Size1G => 30,
            Self::Size16G => 34,
            Self::Size64G => 36,
            Self::Size512G => 39,
        }
    }
}

/// Physical addresses of which cached Device Permission Table information goes (IHI 0070 4.6.2).
///
/// Only an entry whose own region is no larger than `size` is sure to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DptRegion {
    address: u64,
    size: DptSize,
}

/// A region's address is not aligned to its size: the SMMU need not invalidate anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DptRegionError {
    /// The address.
    pub address: PhysAddr,
    /// The size.
    pub size: DptSize,
}

impl fmt::Display for DptRegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, size } = self;
        write!(f, "region address {address} is not aligned to 2^{} bytes", size.shift())
    }
}

impl core::error::Error for DptRegionError {}

impl DptRegion {
    /// The region of `size` at `address`.
    ///
    /// # Errors
    /// The address is not aligned to the size.
    pub const fn new(address: PhysAddr, size: DptSize) -> Result<Self, DptRegionError> {
        if address.get() & ((1 << size.shift()) - 1) != 0 {
            return Err(DptRegionError { address, size });
        }
        Ok(Self { address: address.get(), size })
    }

    /// The physical address.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.address
    }

    /// The size.
    #[must_use]
    pub const fn size(self) -> DptSize {
        self.size
    }
}

impl fmt::Display for DptRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}, 2^{} bytes", self.address, self.size.shift())
    }
}
