//! What the event queue and the PRI queue have in common.

use super::page_requests::Pri;
use super::*;

#[test]
fn positions_that_no_queue_can_have_are_errors() {
    // Both queues off, so that their registers can be written; 16 events, 8 requests.
    let machine = ModelMachine::new(Profile::maximum(), &streams());
    let mut lab = Lab::new(&machine, 4, false);
    let mut pri = Pri::new(&lab, 3);
    let off = lab.bench.smmu.cr0().with(Cr0::EVENTQEN, false);
    write_cr0(&lab.bench.p, off, TIMEOUT).unwrap();
    let p = &lab.bench.p;
    let pointer = |register, value| QueueError::Pointer { register, value, other: 0 };
    for value in [17, 31, 32, 1 << 19, 1 << 20, u32::MAX] {
        p.put(EventqProd::from_bits(value));
        let value: EventqProd = p.get();
        let found = lab.bench.events.drain(p, |raw| panic!("{raw}"));
        let stored = value.into_bits();
        if stored == 0 {
            // The machine does not store reserved bits.
            assert_eq!(found.unwrap().records, 0);
        } else {
            assert_eq!(found, Err(pointer("EVENTQ_PROD", stored)));
            assert_eq!(lab.bench.events.discard(p), Err(pointer("EVENTQ_PROD", stored)));
        }
    }
    for value in [9, 15, 16, 1 << 19] {
        p.put(PriqProd::from_bits(value));
        assert_eq!(pri.queue.drain(p, |raw| panic!("{raw:?}")), Err(pointer("PRIQ_PROD", value)));
    }
    // What is possible is dropped without being looked at, and the overflow goes with it.
    p.put(PriqProd::from_bits(1 << 31 | 8));
    let dropped = pri.queue.discard(p).unwrap();
    assert_eq!((dropped.records, dropped.lost, dropped.more), (8, true, false));
    assert_eq!(p.get::<PriqCons>().into_bits(), 1 << 31 | 8);
    let nothing = pri.queue.drain(p, |raw| panic!("{raw:?}")).unwrap();
    assert_eq!((nothing.records, nothing.lost), (0, false));
    // Begun anew.
    pri.queue.restart();
    p.put(PriqProd::new());
    assert_eq!(pri.queue.drain(p, |raw| panic!("{raw:?}")).unwrap().records, 0);
}

#[test]
fn a_limited_drain_acknowledges_at_once_what_goes_on_and_late_what_does_not() {
    on_model(Profile::maximum(), |machine| {
        let mut bench =
            Bench::new(machine as &dyn Machine, Setup { event_queue_log2: 2, ..Setup::default() });
        let space = Space1::new(&bench.p, &bench.caps, 1);
        bench.attach(streams()[0], &space.ste());
        let fault = || assert!(machine.dma32(0, IOVA, None).unwrap().is_err());
        (0..5).for_each(|_| fault());
        let mut drain = |limit| bench.events.drain_some(&bench.p, limit, |_| {}).unwrap();
        let told = |drained: Drained| (drained.records, drained.lost, drained.more);
        assert_eq!(told(drain(0)), (0, false, true));
        assert_eq!(told(drain(1)), (1, true, true));
        fault();
        assert_eq!(told(drain(2)), (2, false, true));
        assert_eq!(told(drain(9)), (2, false, false));
        bench.attach(streams()[0], &SteConfig::Abort);
        space.destroy(&bench.p, &mut bench.queue);
        bench.shut_down();
    });
}
