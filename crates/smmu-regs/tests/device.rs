//! The hardware `Mmio` on ordinary memory: which address an access goes to, how wide it is, and which are not made.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::undocumented_unsafe_blocks)]

use smmu_regs::platform::{Access64, Device, Mmio, PAGE_BYTES, Page, RegisterOffset};
use smmu_regs::registers::*;
use std::ptr::NonNull;

const WORDS: usize = PAGE_BYTES / 8;

/// Pages of "registers": each word says which page it is in and where.
struct Pages(Vec<u64>);

impl Pages {
    fn new(count: usize) -> Self {
        Self((0..count * WORDS).map(|word| 0xa500_0000_0000_0000 | (8 * word as u64)).collect())
    }

    fn page(&mut self, number: usize) -> NonNull<u8> {
        assert!((number + 1) * WORDS <= self.0.len());
        // SAFETY: inside the vector; its own pointer, so that pages taken before stay good.
        NonNull::new(unsafe { self.0.as_mut_ptr().add(number * WORDS) }.cast()).unwrap()
    }

    /// Address and value of each word that is not as it was.
    fn changed(&self) -> Vec<(usize, u64)> {
        let fresh = Self::new(self.0.len() / WORDS);
        let words = self.0.iter().zip(fresh.0).enumerate();
        words.filter(|(_, (now, then))| *now != then).map(|(word, (now, _))| (8 * word, *now)).collect()
    }
}

fn at(page: Page, offset: u16) -> RegisterOffset {
    RegisterOffset { page, offset }
}

fn queues(bank: Bank, page: u8) -> Page {
    Page::CommandQueues { bank, page }
}

#[test]
fn each_page_is_where_it_was_mapped() {
    let mut memory = Pages::new(12);
    let pages: [NonNull<u8>; 12] = std::array::from_fn(|number| memory.page(number));
    // SAFETY: memory of this test, whose words are only accessed through the device from here on.
    let device = unsafe {
        Device::new(pages[0], pages[1])
            .with_vatos(pages[2])
            .with_secure_vatos(pages[3])
            .with_realm(pages[4], pages[5])
            .with_root_control(pages[6])
            .with_command_queues(Bank::NonSecure, pages[7], 2)
            .with_command_queues(Bank::Secure, pages[9], 1)
            .with_command_queues(Bank::Realm, pages[10], 2)
    };
    let order = [
        Page::Zero,
        Page::One,
        Page::Vatos,
        Page::SecureVatos,
        Page::RealmZero,
        Page::RealmOne,
        Page::RootControl,
        queues(Bank::NonSecure, 0),
        queues(Bank::NonSecure, 1),
        queues(Bank::Secure, 0),
        queues(Bank::Realm, 0),
        queues(Bank::Realm, 1),
    ];
    for (number, page) in order.into_iter().enumerate() {
        for offset in [0, 0x98, 0xa08, 0xfff8] {
            let word = (number * PAGE_BYTES) as u64 + u64::from(offset);
            assert_eq!(device.read64(at(page, offset)), 0xa500_0000_0000_0000 | word, "{page:?}");
            assert_eq!(u64::from(device.read32(at(page, offset))), word, "{page:?}");
            assert_eq!(device.read32(at(page, offset + 4)), 0xa500_0000, "{page:?}");
        }
    }
    assert_eq!(device.get::<CmdqProd>().into_bits(), 0x98);
    // What is not mapped is as if no register were there.
    for page in
        [queues(Bank::NonSecure, 2), queues(Bank::Secure, 1), queues(Bank::Realm, 255), queues(Bank::Root, 0)]
    {
        assert_eq!((device.read32(at(page, 8)), device.read64(at(page, 8))), (0, 0));
        device.write32(at(page, 8), 1);
        device.write64(at(page, 8), 1);
    }
    assert_eq!(memory.changed(), []);
}

#[test]
fn a_device_without_optional_pages_has_none() {
    let mut memory = Pages::new(2);
    let (page0, page1) = (memory.page(0), memory.page(1));
    // SAFETY: memory of this test, whose words are only accessed through the device from here on.
    let device = unsafe { Device::new(page0, page1) };
    let optional = [
        Page::Vatos,
        Page::SecureVatos,
        Page::RealmZero,
        Page::RealmOne,
        Page::RootControl,
        queues(Bank::NonSecure, 0),
    ];
    for page in optional {
        assert_eq!((device.read32(at(page, 8)), device.read64(at(page, 8))), (0, 0));
        device.write32(at(page, 8), 1);
        device.write64(at(page, 8), 1);
    }
    assert_eq!(memory.changed(), []);
}

#[test]
fn writes_change_their_register_and_nothing_else() {
    for access in [Access64::Whole, Access64::Halves] {
        let mut memory = Pages::new(2);
        let (page0, page1) = (memory.page(0), memory.page(1));
        // SAFETY: memory of this test, whose words are only accessed through the device until it is looked at.
        let device = unsafe { Device::new(page0, page1) }.with_access64(access);
        device.put(CmdqProd::from_bits(0x1_2345));
        device.write64(CmdqBase::AT, 0x1122_3344_5566_7788);
        device.put(EventqCons::from_bits(0x8000_0001));
        assert_eq!(device.read64(CmdqBase::AT), 0x1122_3344_5566_7788);
        let expected = [
            (0x90, 0x1122_3344_5566_7788),
            (0x98, 0xa500_0000_0001_2345),
            // EVENTQ_CONS is the upper half of its word, in page 1.
            (0x1_00a8, 0x8000_0001_0001_00a8),
        ];
        assert_eq!(memory.changed(), expected);
    }
}

#[test]
fn on_an_smmu_with_page_0_only_both_are_one() {
    let mut memory = Pages::new(1);
    let page0 = memory.page(0);
    // SAFETY: memory of this test, whose words are only accessed through the device until it is looked at.
    let device = unsafe { Device::page0_only(page0) };
    device.put(EventqProd::from_bits(7));
    assert_eq!(memory.changed(), [(0xa8, 0xa500_0000_0000_0007)]);
}

#[test]
fn an_access_that_is_not_aligned_is_not_made() {
    let mut memory = Pages::new(1);
    let page0 = memory.page(0);
    // SAFETY: memory of this test, whose words are only accessed through the device until it is looked at.
    let device = unsafe { Device::page0_only(page0) };
    for offset in (0..=u16::MAX).rev().take(64) {
        let place = RegisterOffset::page0(offset);
        for access in [Access64::Whole, Access64::Halves] {
            let device = device.with_access64(access);
            if offset % 8 != 0 {
                assert_eq!(device.read64(place), u64::MAX, "{offset:#x}");
                device.write64(place, 0);
            }
        }
        if offset % 4 != 0 {
            assert_eq!(device.read32(place), u32::MAX, "{offset:#x}");
            device.write32(place, 0);
        }
    }
    assert_eq!(memory.changed(), []);
}
