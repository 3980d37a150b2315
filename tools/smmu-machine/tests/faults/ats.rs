//! Devices that translate ahead.

use super::*;

/// What a device reaches after the page was unmapped, and these commands, each followed by a `CMD_SYNC`.
fn after_unmap(machine: &ModelMachine, batches: &[&[Command]]) -> AtsAccess {
    let mut lab = Lab::new(machine, 4, false);
    lab.map();
    assert_eq!(machine.ats_dma32(0, IOVA, Some(1)).unwrap(), AtsAccess::Done(1));
    let gather = lab.unmap();
    for batch in batches {
        let _ = lab.bench.run(batch);
    }
    let seen = machine.ats_dma32(0, IOVA, Some(2)).unwrap();
    let _ = lab.bench.run(&[lab.space.tag().whole()]);
    let _ = lab.bench.run(&[forget(streams()[0])]);
    assert_eq!(machine.ats_dma32(0, IOVA, Some(3)).unwrap(), AtsAccess::Refused(AtsCompletion::Denied));
    reclaim_now(&lab.bench.p, gather);
    lab.finish();
    seen
}

fn forget(stream: StreamId) -> Command {
    Command::AtcInv { stream, substream: None, global: false, span: AtcSpan::new(IOVA, 0).unwrap() }
}

#[test]
fn a_device_that_remembers_must_be_told() {
    let gone = AtsAccess::Refused(AtsCompletion::Denied);
    on_model(Profile::maximum(), |machine| {
        let tag = smmu_tlbi::Tag::Stage1 { vmid: smmu_regs::Vmid::new(0), asid: smmu_regs::Asid::new(1) };
        let forget = forget(streams()[0]);
        // As 4.5.1 says.
        assert_eq!(after_unmap(machine, &[&[tag.whole()], &[forget]]), gone);
        // Without CMD_ATC_INV the device goes on.
        assert_eq!(after_unmap(machine, &[&[tag.whole()]]), AtsAccess::Done(2));
        // With it, and nothing else, the SMMU still answers from its TLB, or may.
        assert_eq!(after_unmap(machine, &[&[forget]]), AtsAccess::Done(2));
        // And in one batch the device may ask again too early: a machine that is bad enough shows it.
        let early = after_unmap(machine, &[&[tag.whole(), forget]]);
        assert_eq!(early, if tells_all(machine) { AtsAccess::Done(2) } else { gone });
        // Another stream's cache is another one.
        let other =
            Command::AtcInv { stream: streams()[1], substream: None, global: false, span: AtcSpan::ALL };
        assert_eq!(after_unmap(machine, &[&[tag.whole()], &[other]]), AtsAccess::Done(2));
    });
}

#[test]
fn a_stream_without_ats_is_refused_and_cannot_pretend() {
    on_model(Profile::maximum(), |machine| {
        let mut lab = Lab::new(machine, 4, false);
        lab.map();
        assert_eq!(machine.ats_dma32(0, IOVA, Some(1)).unwrap(), AtsAccess::Done(1));
        // ATS is taken away, and the device is not told: what it remembers does not help it (CR0.ATSCHK).
        lab.bench.attach(streams()[0], &lab.space.ste());
        let AtsAccess::Terminated(fault) = machine.ats_dma32(0, IOVA, Some(2)).unwrap() else {
            panic!("it gets through")
        };
        assert_eq!((fault.event, machine.peek32(lab.word()).unwrap()), (Some(7), 1));
        machine.reset_atcs();
        assert_eq!(machine.ats_dma32(0, IOVA, None).unwrap(), AtsAccess::Refused(AtsCompletion::Unsupported));
        let events = lab.bench.all_events();
        assert!(
            matches!(events[0].kind, EventKind::TranslationForbidden { input, read: false } if input == lab.word().get())
        );
        let EventKind::BadAtsRequest(asked) = events[1].kind else { panic!("{events:?}") };
        assert_eq!((asked.input, asked.span, asked.permissions.read, events.len()), (IOVA, 1, true, 2));
        lab.finish();
    });
}
