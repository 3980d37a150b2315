//! `queue`: index arithmetic on PROD and CONS, and the overflow flag of the event queue (IHI 0070 3.5, 6.3.95, 6.3.96).

use super::error::{Answer, Stop};
use super::input::Fields;
use super::output::object;
use smmu_cmds::queue::{Position, QueueSize};
use smmu_regs::registers::{EventqCons, EventqProd};

/// "The hardware's overflow flag differs from ours", as the vectors say it: -EOVERFLOW.
const LOST: i32 = -75;

/// Answers one record: all that is asked of the two ends of a queue.
pub(super) fn answer(record: &Fields<'_>) -> Answer {
    let input = record.inputs()?;
    let log2 = input.byte("log2_size")?;
    let producer = EventqProd::from_bits(input.register("prod")?);
    let consumer = EventqCons::from_bits(input.register("cons")?);
    let hardware = EventqProd::from_bits(input.register("hwprod")?);
    let (count, earlier) = (input.register("n")?, input.register("prod2")?);
    let size = QueueSize::new(log2).ok_or_else(|| {
        Stop::Refused(format!("a queue has at most 2^{} entries, not 2^{log2}", QueueSize::MAX_LOG2))
    })?;

    let (prod, cons) = (size.position(producer.wr()), size.position(consumer.rd()));
    let advanced =
        EventqProd::from_bits(size.advance(prod, count).bits()).with(EventqProd::OVFLG, producer.ovflg());
    let taken =
        EventqCons::from_bits(size.advance(cons, 1).bits()).with(EventqCons::OVACKFLG, consumer.ovackflg());
    let unacknowledged = producer.ovflg() != consumer.ovackflg();
    let acknowledged = EventqCons::from_bits(cons.bits()).with(EventqCons::OVACKFLG, producer.ovflg());
    let lost = hardware.ovflg() != producer.ovflg();

    Ok(object([
        ("has_space", has_space(size, prod, cons, count).into()),
        ("full", size.is_full(prod, cons).into()),
        ("empty", size.is_empty(prod, cons).into()),
        ("consumed_prod2", size.has_consumed(cons, size.position(earlier)).into()),
        ("inc_prod_n", advanced.into_bits().into()),
        ("inc_cons", taken.into_bits().into()),
        ("cons_after_ovf_sync", acknowledged.into_bits().into()),
        ("ovf_sync_wrote", unacknowledged.into()),
        ("prod_in_ret", if lost { LOST } else { 0 }.into()),
    ]))
}

/// Whether `count` entries can be added.
///
/// The vectors hold pairs that cannot be the ends of one queue (more than a lap apart), for which the library has no answer
/// and the vectors' is a difference of indexes, in 32 bits.
fn has_space(size: QueueSize, producer: Position, consumer: Position, count: u32) -> bool {
    let space = size.space(producer, consumer).unwrap_or_else(|| {
        let lap = (producer.bits() ^ consumer.bits()) & size.entries() == 0;
        let behind = size.index(consumer).wrapping_sub(size.index(producer));
        if lap { size.entries().wrapping_add(behind) } else { behind }
    });
    space >= count
}
