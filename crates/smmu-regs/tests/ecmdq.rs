//! Where the registers of enhanced command queues are, against what IHI 0070 6.2.5 and 6.3.49 say.
#![allow(clippy::unwrap_used)]

use smmu_regs::layout::Layout;
use smmu_regs::platform::{Page, RegisterOffset};
use smmu_regs::registers::*;

fn idr6(log2_pages: u8, log2_queues: u8) -> Idr6 {
    let idr6 = Idr6::new().try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMP, log2_pages).unwrap();
    idr6.try_with(Idr6::CMDQ_CONTROL_PAGE_LOG2NUMQ, log2_queues).unwrap()
}

#[test]
fn queues_are_spread_evenly_over_their_page() {
    // The section's own example: 128 queues are 512 bytes apart.
    let third = EcmdqRegisters::new(Bank::NonSecure, idr6(0, 7), 0, 3).unwrap();
    let page = Page::CommandQueues { bank: Bank::NonSecure, page: 0 };
    assert_eq!(third.base(), RegisterOffset { page, offset: 0x600 });
    assert_eq!(third.prod(), RegisterOffset { page, offset: 0x608 });
    assert_eq!(third.cons(), RegisterOffset { page, offset: 0x60c });
    for log2 in 0..=8 {
        let queues = 1_u16 << log2;
        let mut last = None;
        for queue in 0..queues {
            let at = EcmdqRegisters::new(Bank::Realm, idr6(8, log2), 255, queue).unwrap();
            assert_eq!(at.base().page, Page::CommandQueues { bank: Bank::Realm, page: 255 });
            assert_eq!(u32::from(at.base().offset) * u32::from(queues), u32::from(queue) << 16);
            assert!(last < Some(at.base().offset));
            last = Some(at.cons().offset);
        }
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let new = EcmdqRegisters::new;
    assert_eq!(new(Bank::Root, idr6(0, 0), 0, 0), Err(EcmdqError::Bank(Bank::Root)));
    assert_eq!(new(Bank::Secure, idr6(1, 0), 2, 0), Err(EcmdqError::Page { page: 2, pages: 2 }));
    assert_eq!(new(Bank::Secure, idr6(0, 3), 0, 8), Err(EcmdqError::Queue { queue: 8, queues: 8 }));
    assert_eq!(new(Bank::NonSecure, idr6(0, 9), 0, 0), Err(EcmdqError::Idr6(idr6(0, 9))));
    assert_eq!(new(Bank::NonSecure, idr6(9, 0), 0, 0), Err(EcmdqError::Idr6(idr6(9, 0))));
    assert_eq!(EcmdqRegisters::count(idr6(8, 8)), Ok((256, 256)));
}

#[test]
fn control_pages_are_described_in_the_page_of_their_bank() {
    let at = |bank, number| ControlPage::new(bank, number).unwrap();
    assert_eq!(at(Bank::NonSecure, 0).base(), RegisterOffset::page0(0x4000));
    assert_eq!(at(Bank::NonSecure, 255).status(), RegisterOffset::page0(0x5fec));
    assert_eq!(at(Bank::Secure, 1).cfg(), RegisterOffset::page0(0xc028));
    assert_eq!(at(Bank::Realm, 2).base(), RegisterOffset::realm0(0x4040));
    assert_eq!(ControlPage::new(Bank::Root, 0), None);
}

#[test]
fn bits_are_where_the_text_has_them() {
    // Typed from the field descriptions of 6.3.49 to 6.3.51 and 6.3.107 to 6.3.109: name, lowest bit, highest bit.
    fn check<L: Layout>(width: u32, facts: &[(&str, u32, u32)]) {
        let code: Vec<_> = L::FIELDS.iter().map(|f| (f.name, f.lsb, f.lsb + f.width - 1)).collect();
        assert_eq!((L::WIDTH, &code[..]), (width, facts), "{}", L::NAME);
    }
    check::<CmdqControlPageBase>(
        64,
        &[("CMDQ_CONTROL_PAGE_PRESET", 0, 0), ("CMDQGS", 1, 2), ("ADDR", 16, 55)],
    );
    check::<CmdqControlPageCfg>(32, &[("EN", 0, 0)]);
    check::<CmdqControlPageStatus>(32, &[("ENACK", 0, 0)]);
    check::<EcmdqBase>(64, &[("LOG2SIZE", 0, 4), ("ADDR", 5, 55), ("RA", 62, 62)]);
    check::<EcmdqProd>(32, &[("WR", 0, 19), ("ERRACK", 23, 23), ("EN", 31, 31)]);
    check::<EcmdqCons>(32, &[("RD", 0, 19), ("ERR", 23, 23), ("ERR_REASON", 24, 26), ("ENACK", 31, 31)]);
}
