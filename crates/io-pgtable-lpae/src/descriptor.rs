//! Descriptors: their fields as the manual draws them, and the words that the tables are made of.
//!
//! Bits that a table descriptor ignores hold the number of non-zero entries of the table it points to. So a table is
//! known to be empty or full without being read, and one word holds the pointer together with the claim on what it
//! points to.

use crate::config::{Stage, TableConfig};
use crate::format::Format;
use smmu_regs::PhysAddr;
use smmu_regs::bitfields;
use smmu_regs::layout::Layout;

bitfields! {
    /// Stage-1 block or page descriptor (D8.3.1.2, table D8-52), without `DS`.
    pub struct Stage1Leaf(u64) = "S1_LEAF" {
        /// `TYPE`: 1 for a block, 3 for a page, even when invalid.
        DESCRIPTOR_TYPE: u8, 2;
        /// Index into `MAIR`.
        ATTRINDX: u8, 3;
        /// Output in the Non-secure address space; ignored for Non-secure streams.
        NS: bool, 1;
        /// `AP[1]`: unprivileged access allowed.
        AP_UNPRIV: bool, 1;
        /// `AP[2]`: read-only; with `DBM`, writable but clean.
        AP_RDONLY: bool, 1;
        /// Shareability.
        SH: u8, 2;
        /// Access flag.
        AF: bool, 1;
        /// Not global: tagged with the ASID.
        NG: bool, 1;
        /// Output address, bits 47 to 12; with 64K pages bits 47 to 16, and below them bits 51 to 48.
        OA: u64, 36;
        _: 2;
        /// Guarded page; PEs only.
        GP: bool, 1;
        /// Dirty bit modifier.
        DBM: bool, 1;
        /// One of a contiguous group.
        CONTIGUOUS: bool, 1;
        /// Privileged execute-never.
        PXN: bool, 1;
        /// Unprivileged execute-never.
        UXN: bool, 1;
        /// For software.
        SW: u8, 4;
        /// Page-based hardware attributes.
        PBHA: u8, 4;
        _: 1;
    }

    /// Stage-2 block or page descriptor (D8.3.1.2, table D8-53), without `DS`.
    pub struct Stage2Leaf(u64) = "S2_LEAF" {
        /// `TYPE`: 1 for a block, 3 for a page, even when invalid.
        DESCRIPTOR_TYPE: u8, 2;
        /// Memory type (D8.6.5, D8.6.6).
        MEMATTR: u8, 4;
        /// `S2AP[0]`: reads allowed.
        S2AP_R: bool, 1;
        /// `S2AP[1]`: writes allowed; with `DBM`, dirty.
        S2AP_W: bool, 1;
        /// Shareability.
        SH: u8, 2;
        /// Access flag.
        AF: bool, 1;
        /// PEs only.
        FNXS: bool, 1;
        /// Output address, bits 47 to 12; with 64K pages bits 47 to 16, and below them bits 51 to 48.
        OA: u64, 36;
        _: 3;
        /// Dirty bit modifier.
        DBM: bool, 1;
        /// One of a contiguous group.
        CONTIGUOUS: bool, 1;
        /// Execute-never: 0 allows, 2 forbids, 1 and 3 (`IDR3.XNX`) depend on privilege.
        XN: u8, 2;
        /// For software.
        SW: u8, 4;
        /// Page-based hardware attributes.
        PBHA: u8, 4;
        _: 1;
    }

    /// Table descriptor (D8.3.1.1, tables D8-50 and D8-51), without `DS`.
    pub struct TableDescriptor(u64) = "TABLE" {
        /// `TYPE`: 3.
        DESCRIPTOR_TYPE: u8, 2;
        _: 8;
        /// Access flag, with `HAFT` only.
        AF: bool, 1;
        _: 1;
        /// Address of the next table, bits 47 to 12; with 64K pages bits 47 to 16, and below them bits 51 to 48.
        ADDR: u64, 36;
        _: 11;
        /// Stage 1: privileged execute-never for all below.
        PXNTABLE: bool, 1;
        /// Stage 1: unprivileged execute-never for all below.
        UXNTABLE: bool, 1;
        /// Stage 1: limit of access permissions for all below.
        APTABLE: u8, 2;
        /// Stage 1, Secure: everything below is Non-secure.
        NSTABLE: bool, 1;
    }
}

/// Bits 1:0 of a table or of a page.
pub(crate) const TABLE_OR_PAGE: u64 = 3;
/// `nT` of a block, at both stages and in every format (tables D8-52, D8-53): kept out of TLBs. Addresses of blocks have a 0
/// there.
pub(crate) const NT: u64 = 1 << 16;
/// Bits 1:0 of a block.
pub(crate) const BLOCK: u64 = 1;

/// Whether a descriptor above level 3 points to a table.
#[inline]
pub(crate) const fn is_table(word: u64) -> bool {
    word & TABLE_OR_PAGE == TABLE_OR_PAGE
}

/// The address in a table descriptor or leaf: of the next table, or of the output.
#[inline(always)]
pub(crate) const fn address<F: Format>(word: u64) -> PhysAddr {
    PhysAddr::new(word & F::IN_PLACE | (word & F::HIGH).wrapping_shl(F::HIGH_SHIFT))
}

/// `address`, which a descriptor can hold, as it stands in one.
#[inline(always)]
pub(crate) const fn address_bits<F: Format>(address: u64) -> u64 {
    if F::HIGH == 0 {
        return address;
    }
    address & F::IN_PLACE | address.wrapping_shr(F::HIGH_SHIFT) & F::HIGH
}

/// Whether consecutive addresses from `first` to `last` are consecutive in descriptors too.
#[inline(always)]
pub(crate) const fn is_straight<F: Format>(first: u64, last: u64) -> bool {
    let lowest = const { F::HIGH.trailing_zeros().wrapping_add(F::HIGH_SHIFT) };
    F::HIGH == 0 || (first ^ last).wrapping_shr(lowest) == 0
}

/// Where the count is: bits 7:2, 11, 51 and 58:53, lowest first. They are IGNORED in table descriptors of both stages
/// (tables D8-50 and D8-51) whatever features there are; the other ignored bits have a use with 52-bit addresses (9:8),
/// HAFT (10) or FEAT_THE (52). That makes 14 bits, just what 8192 entries need.
const COUNT: u64 = 0x3f << 2 | 1 << 11 | 1 << 51 | 0x3f << 53;

/// A number of entries spread over the bits of the count. Spreading keeps the order, so counts are compared as they stand,
/// and added with the gaps filled, so that carries run through them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(u64);

impl Count {
    pub(crate) const ZERO: Self = Self(0);

    /// `entries`, at most 8192.
    #[inline]
    pub(crate) const fn new(entries: usize) -> Self {
        let n = entries as u64;
        Self((n & 0x3f) << 2 | (n >> 6 & 1) << 11 | (n >> 7 & 1) << 51 | (n >> 8 & 0x3f) << 53)
    }

    /// The count in a table descriptor: the non-zero entries of the table that it points to.
    #[inline]
    pub(crate) const fn of(word: u64) -> Self {
        Self(word & COUNT)
    }

    /// The number.
    #[inline]
    pub(crate) const fn get(self) -> u32 {
        let word = self.0;
        (word >> 2 & 0x3f | word >> 11 << 6 & 0x40 | word >> 51 << 7 & 0x80 | word >> 53 << 8) as u32
    }

    /// The table descriptor `word` with this count.
    #[inline]
    pub(crate) const fn put(self, word: u64) -> u64 {
        word & !COUNT | self.0
    }

    #[inline]
    pub(crate) const fn plus(self, more: Self) -> Self {
        Self((self.0 | !COUNT).wrapping_add(more.0) & COUNT)
    }

    #[inline]
    pub(crate) const fn minus(self, less: Self) -> Self {
        Self(self.0.wrapping_sub(less.0) & COUNT)
    }
}

/// The descriptor of the table at `address` with `entries` non-zero entries.
#[inline]
pub(crate) const fn table<F: Format>(address: PhysAddr, entries: usize) -> u64 {
    address_bits::<F>(address.get()) | TABLE_OR_PAGE | Count::new(entries).0
}

/// A block or page descriptor, decoded for its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    /// Of a stage-1 table.
    Stage1(Stage1Leaf),
    /// Of a stage-2 table.
    Stage2(Stage2Leaf),
}

impl Leaf {
    /// The leaf with this word in a table of this configuration.
    #[inline]
    #[must_use]
    pub fn new(word: u64, config: &TableConfig) -> Self {
        match config.stage() {
            Stage::Ttb0 | Stage::Ttb1 => Self::Stage1(Stage1Leaf::from_word(word)),
            Stage::Stage2 => Self::Stage2(Stage2Leaf::from_word(word)),
        }
    }

    /// The descriptor as it stands in memory.
    #[must_use]
    pub fn word(self) -> u64 {
        match self {
            Self::Stage1(leaf) => leaf.word(),
            Self::Stage2(leaf) => leaf.word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Pages4K, Pages4KDs, Pages16KDs, Pages64K};

    #[test]
    fn counts_hide_in_ignored_bits_and_nothing_else_moves() {
        let mut before = None;
        for entries in 0..=8192 {
            let word = table::<Pages4K>(PhysAddr::new(0x1234_5678_9000), entries);
            let count = Count::of(word);
            assert_eq!(count.get() as usize, entries);
            assert!(before < Some(count));
            before = Some(count);
            assert_eq!(address::<Pages4K>(word), PhysAddr::new(0x1234_5678_9000));
            assert_eq!(word & !COUNT, 0x1234_5678_9003);
            assert_eq!(Count::ZERO.put(word), 0x1234_5678_9003);
            for more in [0, 1, 63, 64, 511, 4096] {
                let sum = count.plus(Count::new(more));
                assert_eq!(sum.get() as usize, (entries + more) & 0x3fff);
                assert_eq!(sum.minus(Count::new(more)).get() as usize, entries);
            }
        }
    }

    #[test]
    fn nt_is_where_the_facts_have_it() {
        let facts = include_str!("../tests/facts/descriptors.txt");
        let bit = facts.lines().find_map(|line| line.strip_prefix("nt ")).unwrap();
        assert_eq!(NT, 1 << bit.parse::<u32>().unwrap());
    }

    #[test]
    fn high_bits_of_64k_tables_stand_below_the_page_and_beside_the_count() {
        for bit in 16..52 {
            let there = PhysAddr::new(1 << bit);
            let word = table::<Pages64K>(there, 8192);
            assert_eq!(address::<Pages64K>(word), there);
            assert_eq!(Count::of(word).get(), 8192);
            let lone = if bit < 48 { 1 << bit } else { 1 << (bit - 36) };
            assert_eq!(Count::ZERO.put(word), lone | 3);
        }
    }

    #[test]
    fn high_bits_with_ds_stand_where_shareability_was() {
        for bit in 14..52 {
            let there = PhysAddr::new(1 << bit);
            let words = [table::<Pages4KDs>(there, 8192), table::<Pages16KDs>(there, 8192)];
            let lone = if bit < 50 { 1 << bit } else { 1 << (bit - 42) };
            for word in words {
                assert_eq!(address::<Pages4KDs>(word), there);
                assert_eq!(Count::of(word).get(), 8192);
                assert_eq!(Count::ZERO.put(word), lone | 3);
            }
        }
    }
}
