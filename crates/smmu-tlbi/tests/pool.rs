//! Tags: handed out once, and again only when TLBs have forgotten them.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use smmu_regs::caps::{Caps, Features, Hints, IdRegisters};
use smmu_regs::receipt::{QueuePosition, Receipt, Ticket};
use smmu_regs::{Asid, Feature, InstanceId, Vmid};
use smmu_tlbi::pool::{AsidPool, OwnedTag, PoolError, VmidPool};
use std::collections::BTreeSet;

fn caps(asid_bits: u8, vmid_bits: u8) -> Caps {
    let mut caps = Caps::probe(&IdRegisters::EXAMPLE, &Hints::default()).unwrap();
    (caps.asid_bits, caps.vmid_bits) = (asid_bits, vmid_bits);
    caps
}

const INSTANCE: InstanceId = InstanceId::new(2);

#[test]
fn pools_are_as_large_as_the_smallest_smmu_and_their_memory() {
    assert_eq!(AsidPool::<1024>::new([&caps(16, 16)]).size(), 0x1_0000);
    assert_eq!(AsidPool::<1024>::new([&caps(16, 16), &caps(8, 16)]).size(), 0x100);
    assert_eq!(AsidPool::<2>::new([&caps(16, 16)]).size(), 128);
    assert_eq!(AsidPool::<0>::new([&caps(16, 16)]).size(), 0);
    assert_eq!(VmidPool::<1024>::new(INSTANCE, &caps(16, 8)).size(), 0x100);
    let mut without = caps(16, 16);
    without.features = without.features.without(Features::of(&[Feature::Stage2, Feature::Nested]));
    assert_eq!(VmidPool::<4>::new(INSTANCE, &without).size(), 1, "VMID fields are RES0 (4.4.2)");
}

#[test]
fn the_last_one_is_the_last_one() {
    let mut pool = VmidPool::<4>::new(INSTANCE, &caps(16, 8));
    let reserved = pool.reserve(Vmid::new(0)).unwrap();
    let all: Vec<_> = (0..255).map(|_| pool.take().unwrap()).collect();
    let values: BTreeSet<u16> = all.iter().map(|tag| tag.value().get()).collect();
    assert!(values.into_iter().eq(1..256));
    assert_eq!(pool.take().unwrap_err(), PoolError::Exhausted { size: 256 });
    assert_eq!((pool.in_use(), reserved.instance()), (256, Some(INSTANCE)));
    let error = PoolError::InUse { value: Vmid::new(7) };
    assert_eq!(pool.reserve(Vmid::new(7)).unwrap_err(), error);
    assert_eq!(error.to_string(), "VMID 0x7 is in use");
    let large = PoolError::TooLarge { value: Vmid::new(256), size: 256 };
    assert_eq!(pool.reserve(Vmid::new(256)).unwrap_err(), large);
}

#[test]
fn a_tag_rests_until_its_invalidation_is_complete() {
    let mut pool = VmidPool::<1>::new(INSTANCE, &caps(16, 16));
    let mut all: Vec<OwnedTag<Vmid>> = (0..64).map(|_| pool.take().unwrap()).collect();
    let tag = all.swap_remove(9);
    let value = tag.value();
    let ticket = Ticket::new(INSTANCE, QueuePosition(3), QueuePosition(5));
    let through = |end| Receipt::assert_completed_by_platform(INSTANCE, QueuePosition(0), QueuePosition(end));
    let waiting = tag.retire().after_one(ticket).open(&[through(4)]).unwrap_err();
    assert_eq!(pool.take().unwrap_err(), PoolError::Exhausted { size: 64 });
    let retired = waiting.open(&[through(5)]).unwrap();
    pool.put(retired).unwrap();
    assert_eq!(pool.take().unwrap().value(), value);
    // timed out, and never opened: out of circulation
    let _lost = all.pop().map(OwnedTag::retire);
    assert_eq!(pool.take().unwrap_err(), PoolError::Exhausted { size: 64 });
}

#[test]
fn tags_of_others_are_refused() {
    let mut here = VmidPool::<1>::new(INSTANCE, &caps(16, 16));
    let mut there = VmidPool::<1>::new(InstanceId::new(3), &caps(16, 16));
    let retired = |tag: OwnedTag<Vmid>| tag.retire().never_seen_by_hardware();
    let (mine, theirs) = (here.take().unwrap(), there.take().unwrap());
    assert_eq!(mine.value(), theirs.value(), "each SMMU has its own");
    let (value, instance) = (theirs.value(), theirs.instance());
    assert_eq!(here.put(retired(theirs)), Err(PoolError::Foreign { value, instance }));
    here.put(retired(mine)).unwrap();
    let mut other = AsidPool::<1>::new([&caps(16, 16)]);
    let asid = other.take().unwrap();
    let value = asid.value();
    let mut empty = AsidPool::<1>::new([&caps(16, 16)]);
    let error = empty.put(asid.retire().never_seen_by_hardware()).unwrap_err();
    assert_eq!(error, PoolError::Foreign { value, instance: None });
    assert!(error.to_string().contains("not taken from this pool"));
}

proptest! {
    /// Against a set: no tag is ever handed out twice.
    #[test]
    fn pools_are_sets(operations in proptest::collection::vec((0u8..3, any::<u16>()), 1..400)) {
        let mut pool = AsidPool::<2>::new([&caps(16, 16)]);
        let mut held: Vec<OwnedTag<Asid>> = Vec::new();
        for (operation, number) in operations {
            let values: BTreeSet<u16> = held.iter().map(|tag| tag.value().get()).collect();
            match operation {
                0 => match pool.take() {
                    Ok(tag) => {
                        prop_assert!(!values.contains(&tag.value().get()));
                        held.push(tag);
                    }
                    Err(_) => prop_assert_eq!(held.len(), 128),
                },
                1 => {
                    let result = pool.reserve(Asid::new(number % 140));
                    let free = number % 140 < 128 && !values.contains(&(number % 140));
                    prop_assert_eq!(result.is_ok(), free);
                    held.extend(result);
                }
                _ if !held.is_empty() => {
                    let tag = held.swap_remove(usize::from(number) % held.len());
                    pool.put(tag.retire().never_seen_by_hardware()).unwrap();
                }
                _ => {}
            }
            prop_assert_eq!(pool.in_use() as usize, held.len());
        }
    }
}
