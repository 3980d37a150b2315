//! Queue positions against a naive oracle that counts without wrapping.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use smmu_cmds::queue::QueueSize;

proptest! {
    /// A producer and a consumer that have each done any number of laps: the functions agree with plain counters.
    #[test]
    fn positions_agree_with_counters(log2 in 0_u8..=19, consumed: u32, ahead in 0_u32..=1 << 19, step in 0_u32..=1 << 19) {
        let size = QueueSize::new(log2).unwrap();
        let entries = u64::from(size.entries());
        let (consumed, ahead) = (u64::from(consumed), u64::from(ahead) % (entries + 1));
        let produced = consumed + ahead;
        let at = |count: u64| size.position(u32::try_from(count % (2 * entries)).unwrap());
        let (producer, consumer) = (at(produced), at(consumed));
        prop_assert_eq!(size.is_empty(producer, consumer), ahead == 0);
        prop_assert_eq!(size.is_full(producer, consumer), ahead == entries);
        prop_assert_eq!(size.space(producer, consumer).map(u64::from), Some(entries - ahead));
        prop_assert_eq!(u64::from(size.index(producer)), produced % entries);
        prop_assert_eq!(size.advance(producer, step), at(produced + u64::from(step)));
        // An entry that was added and may or may not have been consumed.
        for back in 1..=entries.min(produced) {
            if back > 40 && back < entries { continue }
            let entry = produced - back;
            prop_assert_eq!(size.has_consumed(consumer, at(entry)), consumed > entry);
        }
    }
}

#[test]
fn ends_more_than_a_lap_apart_are_no_queue() {
    let size = QueueSize::new(2).unwrap();
    assert_eq!(size.space(size.position(5), size.position(0)), None);
    assert_eq!(size.space(size.position(4), size.position(0)), Some(0));
    assert!(QueueSize::new(20).is_none());
    assert_eq!(size.position(0xffff_fff9).bits(), 1);
}
