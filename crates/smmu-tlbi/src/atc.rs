//! ATC spans: which part of an endpoint's address translation cache a range of addresses is (IHI 0070 4.5.1).

use smmu_cmds::command::AtcSpan;
use smmu_regs::vmsa::IovaRange;

/// log2 of the smallest page of ATS.
const PAGE: u32 = 12;

/// The smallest aligned power of two of 4 KiB pages that holds `range`.
///
/// A range that straddles a large power of two becomes much larger than itself; that is the form of the command. An
/// endpoint with a larger smallest translation unit (STU) may ignore a span below it: widen the range to the STU first.
#[must_use]
pub const fn span(range: IovaRange) -> AtcSpan {
    let (first, last) = (range.start() >> PAGE, range.last() >> PAGE);
    // The highest bit in which first and last page differ: at most 52.
    let log2 = u64::BITS - (first ^ last).leading_zeros();
    let start = if log2 >= u64::BITS { 0 } else { first >> log2 << log2 };
    match AtcSpan::new(start << PAGE, log2 as u8) {
        Ok(span) => span,
        Err(_) => AtcSpan::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_their_range_and_are_the_smallest() {
        let of = |start, last| {
            let span = span(IovaRange::new(start, last).unwrap());
            (span.address(), span.size_log2())
        };
        assert_eq!(of(0x1000, 0x1fff), (0x1000, 0));
        assert_eq!(of(0x7000, 0x8fff), (0, 4));
        assert_eq!(of(0x1_0800, 0x1_08ff), (0x1_0000, 0));
        assert_eq!(of(0, u64::MAX), (0, 52));
        assert_eq!(of(u64::MAX - 0xfff, u64::MAX), (0xffff_ffff_ffff_f000, 0));
        assert_eq!(of(0x7fff_ffff_f000, 0x8000_0000_0fff), (0, 36));
    }
}
