//! Any command that can be written down.

use crate::vmsa;
use arbitrary::{Arbitrary, Result, Unstructured};
use smmu_cmds::Command;
use smmu_cmds::command::{
    AtcSpan, DptRegion, DptSize, Interface, NonSecureInterface, PrefetchSpan, PriResponse, RealmInterface,
    ResumeAction, SecureInterface, Ssec, Sync, SyncSignal, TlbiOperand, TlbiRange,
};
use smmu_regs::caps::StallModel;
use smmu_regs::{Asid, PhysAddr, StreamId, SubstreamId, Vmid};

/// A command.
#[derive(Debug)]
pub struct AnyCommand(pub Command);

fn substream(u: &mut Unstructured<'_>) -> Result<SubstreamId> {
    Ok(SubstreamId::new(u.int_in_range(0..=0xf_ffff)?).expect("20 bits"))
}

fn optional(u: &mut Unstructured<'_>) -> Result<Option<SubstreamId>> {
    if u.arbitrary()? { substream(u).map(Some) } else { Ok(None) }
}

fn operand(u: &mut Unstructured<'_>) -> Result<TlbiOperand> {
    let (address, leaf): (u64, bool) = u.arbitrary()?;
    let hint = if u.arbitrary()? { Some(vmsa::level(u)?) } else { None };
    let range = TlbiRange::new(vmsa::granule(u)?, u.arbitrary()?, u.arbitrary()?, hint);
    let wide: bool = u.arbitrary()?;
    let ranged = range.ok().and_then(|range| {
        let range = range.with_descriptors_128().ok().filter(|_| wide).unwrap_or(range);
        let shift = range.alignment();
        TlbiOperand::range(address >> shift << shift, leaf, range).ok()
    });
    Ok(ranged.unwrap_or(TlbiOperand::page(address, leaf)))
}

fn span(u: &mut Unstructured<'_>) -> Result<AtcSpan> {
    Ok(AtcSpan::new(u.arbitrary()?, u.int_in_range(0..=52)?).expect("at most 52"))
}

fn sync(u: &mut Unstructured<'_>) -> Result<Sync> {
    let signal = match u.int_in_range(0..=3)? {
        0 => SyncSignal::None,
        1 => SyncSignal::Interrupt { address: PhysAddr::new(u.arbitrary()?), data: u.arbitrary()? },
        2 => SyncSignal::InterruptNonSecure { address: PhysAddr::new(u.arbitrary()?), data: u.arbitrary()? },
        _ => SyncSignal::Event,
    };
    Ok(Sync { signal, msi_shareability: u.arbitrary()?, msi_attributes: u.arbitrary()? })
}

impl<'a> Arbitrary<'a> for AnyCommand {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let which = u.int_in_range(0..=34)?;
        let stream = StreamId::new(u.arbitrary()?);
        let (vmid, asid) = (Vmid::new(u.arbitrary()?), Asid::new(u.arbitrary()?));
        Ok(Self(match which {
            0 => Command::PrefetchConfig { stream, substream: optional(u)? },
            1 => Command::CfgiSte { stream, leaf: u.arbitrary()? },
            2 => Command::CfgiSteRange { stream, range_log2: u.arbitrary()? },
            3 => Command::CfgiAll,
            4 => Command::CfgiCd { stream, substream: substream(u)?, leaf: u.arbitrary()? },
            5 => Command::CfgiCdAll { stream },
            6 => Command::TlbiNhAll { vmid },
            7 => Command::TlbiNhAsid { vmid, asid },
            8 => Command::TlbiNhVa { vmid, asid, operand: operand(u)? },
            9 => Command::TlbiNhVaa { vmid, operand: operand(u)? },
            10 => Command::TlbiEl2All,
            11 => Command::TlbiEl2Asid { asid },
            12 => Command::TlbiEl2Va { asid, operand: operand(u)? },
            13 => Command::TlbiEl2Vaa { operand: operand(u)? },
            14 => Command::TlbiS12Vmall { vmid },
            15 => Command::TlbiS2Ipa { vmid, operand: operand(u)? },
            16 => Command::TlbiNsnhAll,
            17 => {
                let substream = optional(u)?;
                Command::AtcInv { stream, substream, global: u.arbitrary()?, span: span(u)? }
            }
            18 => {
                let answers = [PriResponse::Failure, PriResponse::Invalid, PriResponse::Success];
                let (substream, response) = (optional(u)?, *u.choose(&answers)?);
                Command::PriResp { stream, substream, group: u.arbitrary()?, response }
            }
            19 => {
                let actions = [ResumeAction::Terminate, ResumeAction::Retry, ResumeAction::Abort];
                Command::Resume { stream, stag: u.arbitrary()?, action: *u.choose(&actions)? }
            }
            20 => Command::StallTerm { stream },
            21 => {
                let (substream, ns) = (optional(u)?, u.arbitrary()?);
                let (size, stride) = (u.int_in_range(0..=31)?, u.int_in_range(0..=31)?);
                let span = PrefetchSpan::new(u.arbitrary()?, size, stride).expect("at most 31");
                Command::PrefetchAddr { stream, substream, span, ns }
            }
            22 => Command::CfgiVmsPidm { vmid },
            23 => Command::TlbiEl3All,
            24 => Command::TlbiEl3Va { operand: operand(u)? },
            25 => Command::TlbiSEl2All,
            26 => Command::TlbiSEl2Asid { asid },
            27 => Command::TlbiSEl2Va { asid, operand: operand(u)? },
            28 => Command::TlbiSEl2Vaa { operand: operand(u)? },
            29 => Command::TlbiSS12Vmall { vmid },
            30 => Command::TlbiSS2Ipa { vmid, operand: operand(u)? },
            31 => Command::TlbiSnhAll,
            32 => Command::DptiAll,
            33 => {
                let size = *u.choose(&DptSize::ALL)?;
                let address = PhysAddr::new(u.arbitrary::<u64>()? >> size.shift() << size.shift());
                Command::DptiPa {
                    region: DptRegion::new(address, size).expect("aligned"),
                    leaf: u.arbitrary()?,
                }
            }
            _ => Command::Sync(sync(u)?),
        }))
    }
}

/// The queue of any programming interface, and SSec.
#[derive(Debug)]
pub struct AnyInterface(pub Interface, pub Ssec);

impl<'a> Arbitrary<'a> for AnyInterface {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let non_secure = NonSecureInterface { partids: u.arbitrary()? };
        let interface = match u.int_in_range(0..=2)? {
            0 => Interface::NonSecure(non_secure),
            1 => Interface::Secure(SecureInterface {
                non_secure,
                stream_id_bits: u.int_in_range(0..=32)?,
                sel2: u.arbitrary()?,
                stall_model: *u.choose(&[
                    StallModel::Supported,
                    StallModel::TerminateOnly,
                    StallModel::Forced,
                ])?,
                ats_maintenance: u.arbitrary()?,
                partids: u.arbitrary()?,
            }),
            _ => Interface::Realm(RealmInterface {
                ats: u.arbitrary()?,
                dpt: u.arbitrary()?,
                partids: u.arbitrary()?,
            }),
        };
        Ok(Self(interface, if u.arbitrary()? { Ssec::Secure } else { Ssec::NonSecure }))
    }
}
