//! Commands and words to try.

use proptest::prelude::*;
use smmu_cmds::command::{
    AtcSpan, Command, DptRegion, DptSize, Opcode, OperandError, PrefetchSpan, PriResponse, ResumeAction,
    Sync, SyncSignal, TlbiOperand, TlbiRange,
};
use smmu_regs::addr::PhysAddr;
use smmu_regs::vmsa::{Granule, Level};
use smmu_regs::{Asid, StreamId, SubstreamId, Vmid};

fn span() -> impl Strategy<Value = PrefetchSpan> {
    (any::<u64>(), 0_u8..32, 0_u8..32)
        .prop_map(|(address, size, stride)| PrefetchSpan::new(address, size, stride).unwrap())
}

fn substream() -> impl Strategy<Value = Option<SubstreamId>> {
    proptest::option::of((0_u32..1 << 20).prop_map(|value| SubstreamId::new(value).unwrap()))
}

pub(super) fn operand(bits: u32) -> impl Strategy<Value = TlbiOperand> {
    let address = any::<u64>().prop_map(move |address| address >> (64 - bits));
    let fields = (0_usize..3, 0_u8..=39, 0_u8..=31, -1..=3_i32, any::<bool>());
    let range = (address.clone(), any::<bool>(), fields).prop_map(
        |(address, leaf, (granule, scale, num, hint, wide))| {
            let granule = Granule::ALL[granule];
            let hint = Level::new(hint).filter(|level| level.number() >= 1);
            match TlbiRange::new(granule, scale, num, hint) {
                Ok(range) => {
                    let range = if wide { range.with_descriptors_128().unwrap_or(range) } else { range };
                    let shift = range.alignment();
                    TlbiOperand::range(address >> shift << shift, leaf, range).unwrap()
                }
                Err(error) => {
                    assert_eq!(error, OperandError::Reserved { granule });
                    TlbiOperand::page(address, leaf)
                }
            }
        },
    );
    prop_oneof![(address, any::<bool>()).prop_map(|(address, leaf)| TlbiOperand::page(address, leaf)), range]
}

/// A command that the Non-secure queue of an SMMU with everything takes.
pub(super) fn command() -> impl Strategy<Value = Command> {
    let stream = any::<u32>().prop_map(StreamId::new);
    let vmid = any::<u16>().prop_map(Vmid::new);
    let asid = any::<u16>().prop_map(Asid::new);
    let some = substream().prop_map(|substream| substream.unwrap_or(SubstreamId::ZERO));
    prop_oneof![
        (stream.clone(), substream())
            .prop_map(|(stream, substream)| Command::PrefetchConfig { stream, substream }),
        (stream.clone(), substream(), span()).prop_map(|(stream, substream, span)| Command::PrefetchAddr {
            stream,
            substream,
            span,
            ns: false
        }),
        (stream.clone(), any::<bool>()).prop_map(|(stream, leaf)| Command::CfgiSte { stream, leaf }),
        (stream.clone(), 1_u8..=31)
            .prop_map(|(stream, range_log2)| Command::CfgiSteRange { stream, range_log2 }),
        Just(Command::CfgiAll),
        (stream.clone(), some, any::<bool>()).prop_map(|(stream, substream, leaf)| Command::CfgiCd {
            stream,
            substream,
            leaf
        }),
        stream.clone().prop_map(|stream| Command::CfgiCdAll { stream }),
        vmid.clone().prop_map(|vmid| Command::CfgiVmsPidm { vmid }),
        vmid.clone().prop_map(|vmid| Command::TlbiNhAll { vmid }),
        (vmid.clone(), asid.clone()).prop_map(|(vmid, asid)| Command::TlbiNhAsid { vmid, asid }),
        (vmid.clone(), asid.clone(), operand(64)).prop_map(|(vmid, asid, operand)| Command::TlbiNhVa {
            vmid,
            asid,
            operand
        }),
        (vmid.clone(), operand(64)).prop_map(|(vmid, operand)| Command::TlbiNhVaa { vmid, operand }),
        Just(Command::TlbiEl2All),
        asid.clone().prop_map(|asid| Command::TlbiEl2Asid { asid }),
        (asid, operand(64)).prop_map(|(asid, operand)| Command::TlbiEl2Va { asid, operand }),
        operand(64).prop_map(|operand| Command::TlbiEl2Vaa { operand }),
        vmid.clone().prop_map(|vmid| Command::TlbiS12Vmall { vmid }),
        (vmid, operand(52)).prop_map(|(vmid, operand)| Command::TlbiS2Ipa { vmid, operand }),
        Just(Command::TlbiNsnhAll),
        (stream.clone(), substream(), any::<bool>(), any::<u64>(), 0_u8..=52).prop_map(
            |(stream, substream, global, address, size)| {
                let global = global && substream.is_some();
                Command::AtcInv { stream, substream, global, span: AtcSpan::new(address, size).unwrap() }
            }
        ),
        (stream.clone(), substream(), 0_u16..512, 0_usize..3).prop_map(
            |(stream, substream, group, response)| {
                let response = [PriResponse::Failure, PriResponse::Invalid, PriResponse::Success][response];
                Command::PriResp { stream, substream, group, response }
            }
        ),
        (stream.clone(), any::<u16>(), 0_usize..3).prop_map(|(stream, stag, action)| {
            let action = [ResumeAction::Terminate, ResumeAction::Retry, ResumeAction::Abort][action];
            Command::Resume { stream, stag, action }
        }),
        stream.prop_map(|stream| Command::StallTerm { stream }),
        Just(Command::DptiAll),
        (any::<u64>(), 0_usize..10, any::<bool>()).prop_map(|(address, size, leaf)| {
            let size = DptSize::ALL[size];
            let address = PhysAddr::new(address >> 8 >> size.shift() << size.shift());
            Command::DptiPa { region: DptRegion::new(address, size).unwrap(), leaf }
        }),
        (0..3, any::<u64>(), any::<u32>(), 0_usize..3, 0_usize..13).prop_map(
            |(signal, address, data, share, attributes)| {
                let share = [0, 2, 3][share];
                let attributes = [0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15][attributes];
                let address = PhysAddr::new(address >> 12 & !3);
                let signal = match signal {
                    0 => SyncSignal::None,
                    1 => SyncSignal::Interrupt { address, data },
                    _ => SyncSignal::Event,
                };
                Command::Sync(Sync { signal, msi_shareability: share, msi_attributes: attributes })
            }
        ),
    ]
}

/// A command that only the Secure queue takes.
pub(super) fn secure_command() -> impl Strategy<Value = Command> {
    let (vmid, asid) = (any::<u16>().prop_map(Vmid::new), any::<u16>().prop_map(Asid::new));
    prop_oneof![
        Just(Command::TlbiEl3All),
        operand(64).prop_map(|operand| Command::TlbiEl3Va { operand }),
        Just(Command::TlbiSEl2All),
        asid.clone().prop_map(|asid| Command::TlbiSEl2Asid { asid }),
        (asid, operand(64)).prop_map(|(asid, operand)| Command::TlbiSEl2Va { asid, operand }),
        operand(64).prop_map(|operand| Command::TlbiSEl2Vaa { operand }),
        vmid.clone().prop_map(|vmid| Command::TlbiSS12Vmall { vmid }),
        (vmid, operand(52)).prop_map(|(vmid, operand)| Command::TlbiSS2Ipa { vmid, operand }),
        Just(Command::TlbiSnhAll),
        (any::<u32>(), substream(), span()).prop_map(|(stream, substream, span)| Command::PrefetchAddr {
            stream: StreamId::new(stream),
            substream,
            span,
            ns: true
        }),
    ]
}

/// Words in which reserved bits are often clear, fields are often small or full, and the opcode is mostly known.
pub(super) fn words() -> impl Strategy<Value = [u64; 2]> {
    let opcode =
        prop_oneof![9 => (0..Opcode::ALL.len()).prop_map(|code| Opcode::ALL[code].code()), 1 => any::<u8>()];
    let named = super::oracle::named();
    let bits = (any::<[u64; 2]>(), any::<[u64; 2]>(), any::<[u64; 2]>());
    (opcode, bits, 0..6, proptest::bool::weighted(0.8)).prop_map(move |(opcode, (a, b, c), density, tame)| {
        let fields = named.get(&opcode).copied().filter(|_| tame).unwrap_or(u128::MAX);
        let masks = [fields as u64, (fields >> 64) as u64];
        let mut words = [0, 0];
        for (index, word) in words.iter_mut().enumerate() {
            let (a, b, c) = (a[index], b[index], c[index]);
            *word = masks[index]
                & match density {
                    0 => a,
                    1 => a & b,
                    2 => a & b & c,
                    3 => a & b & c & a.rotate_left(17) & b.rotate_left(29),
                    4 => a & b & c & 0x0000_0001_03f1_ff00,
                    _ => a & b.rotate_left(7) & 0xffff_ffff_f000_0fff,
                };
        }
        [words[0] & !0xff | u64::from(opcode), words[1]]
    })
}
