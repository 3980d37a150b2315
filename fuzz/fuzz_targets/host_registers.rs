//! A hostile host's register accesses in any order: nothing but reads of constants is forwarded, and what the host's queues are
//! taken to be stays within what their registers can say.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use smmu_fuzz::caps::AnySmmu;
use smmu_regs::platform::{Page, RegisterOffset};
use smmu_regs::trap::{Access, HostView, RecordSlot, Verdict};

#[derive(Debug, Arbitrary)]
struct Input {
    shown: AnySmmu,
    one_page: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Access { one: bool, offset: u16, bytes: u8, write: Option<u64> },
    Consumed,
    Failed(u8),
    Stored,
    Lost,
}

fuzz_target!(|input: Input| {
    let Ok(view) = HostView::new(&input.shown.registers()) else { return };
    let mut view = view.with_one_page(input.one_page);
    for step in input.steps {
        match step {
            Step::Access { one, offset, bytes, write } => {
                let at = RegisterOffset { page: if one { Page::One } else { Page::Zero }, offset };
                match view.judge(&Access { at, bytes, write }) {
                    Verdict::Forward => {
                        assert!(!one && bytes == 4 && write.is_none() && (0xfd0..=0xffc).contains(&offset));
                    }
                    Verdict::Emulate(made) => {
                        assert!(write.is_some() || made.view == view);
                        view = made.view;
                    }
                    Verdict::Refuse(refusal) => assert!(!refusal.to_string().is_empty()),
                }
            }
            Step::Consumed => view.command_consumed(),
            Step::Failed(code) => view.command_failed(code),
            Step::Stored => (view.event_stored(), view.page_request_stored()).0,
            Step::Lost => (view.event_lost(), view.page_request_lost()).0,
        }
        if let Some(waiting) = view.commands_waiting() {
            assert!(waiting.next.get() >> 56 == 0 && (1..=1 << 19).contains(&waiting.count));
        }
        for slot in [view.event_slot(), view.page_request_slot()] {
            assert!(!matches!(slot, RecordSlot::At(at) if at.get() >> 56 != 0));
        }
    }
});
