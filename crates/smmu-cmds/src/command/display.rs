//! Commands as a line of a log.

use super::interface::bank_name;
use super::{Command, RawCommand, Ssec, SyncSignal};
use core::fmt;
use smmu_regs::Bank;

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::CfgiAll) {
            return f.write_str("CMD_CFGI_ALL");
        }
        f.write_str(self.opcode().name())?;
        match self {
            Self::PrefetchConfig { stream, substream } => {
                write!(f, " StreamID={stream}")?;
                substream.map_or(Ok(()), |substream| write!(f, " SubstreamID={substream}"))
            }
            Self::PrefetchAddr { stream, substream, span, ns } => {
                write!(f, " StreamID={stream}")?;
                substream.map_or(Ok(()), |substream| write!(f, " SubstreamID={substream}"))?;
                write!(f, " {span}{}", if *ns { " NS" } else { "" })
            }
            Self::CfgiSte { stream, leaf } => write!(f, " StreamID={stream}{}", leaf_name(*leaf)),
            Self::CfgiSteRange { stream, range_log2 } => {
                write!(f, " StreamID={stream} and the 2^{range_log2} around it")
            }
            Self::CfgiCd { stream, substream, leaf } => {
                write!(f, " StreamID={stream} SubstreamID={substream}{}", leaf_name(*leaf))
            }
            Self::CfgiCdAll { stream } | Self::StallTerm { stream } => write!(f, " StreamID={stream}"),
            Self::TlbiNhAll { vmid }
            | Self::TlbiS12Vmall { vmid }
            | Self::TlbiSS12Vmall { vmid }
            | Self::CfgiVmsPidm { vmid } => write!(f, " VMID={vmid}"),
            Self::TlbiNhAsid { vmid, asid } => write!(f, " VMID={vmid} ASID={asid}"),
            Self::TlbiNhVa { vmid, asid, operand } => write!(f, " VMID={vmid} ASID={asid} {operand}"),
            Self::TlbiNhVaa { vmid, operand }
            | Self::TlbiS2Ipa { vmid, operand }
            | Self::TlbiSS2Ipa { vmid, operand } => {
                write!(f, " VMID={vmid} {operand}")
            }
            Self::TlbiEl2Asid { asid } | Self::TlbiSEl2Asid { asid } => write!(f, " ASID={asid}"),
            Self::TlbiEl2Va { asid, operand } | Self::TlbiSEl2Va { asid, operand } => {
                write!(f, " ASID={asid} {operand}")
            }
            Self::TlbiEl3Va { operand } | Self::TlbiEl2Vaa { operand } | Self::TlbiSEl2Vaa { operand } => {
                write!(f, " {operand}")
            }
            Self::DptiPa { region, leaf } => write!(f, " {region}{}", leaf_name(*leaf)),
            Self::AtcInv { stream, substream, global, span } => {
                write!(f, " StreamID={stream}")?;
                if let Some(substream) = substream {
                    write!(f, " SubstreamID={substream}")?;
                }
                write!(f, "{} {span}", if *global { " global" } else { "" })
            }
            Self::PriResp { stream, substream, group, response } => {
                write!(f, " StreamID={stream}")?;
                substream.map_or(Ok(()), |substream| write!(f, " SubstreamID={substream}"))?;
                write!(f, " group={group} {response:?}")
            }
            Self::Resume { stream, stag, action } => {
                write!(f, " StreamID={stream} STAG={stag:#x} {action:?}")
            }
            Self::Sync(sync) => match sync.signal {
                SyncSignal::None => Ok(()),
                SyncSignal::Interrupt { address, data } => write!(f, " interrupt, {data:#x} to {address}"),
                SyncSignal::InterruptNonSecure { address, data } => {
                    write!(f, " interrupt, {data:#x} to Non-secure {address}")
                }
                SyncSignal::Event => f.write_str(" event"),
            },
            Self::CfgiAll
            | Self::TlbiEl3All
            | Self::TlbiEl2All
            | Self::TlbiNsnhAll
            | Self::TlbiSEl2All
            | Self::TlbiSnhAll
            | Self::DptiAll => Ok(()),
        }
    }
}

fn leaf_name(leaf: bool) -> &'static str {
    if leaf { " leaf" } else { "" }
}

impl fmt::Debug for RawCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.words();
        write!(f, "RawCommand({low:#018x}, {high:#018x})")
    }
}

impl fmt::Display for RawCommand {
    /// What it says on the Non-secure queue; if it says nothing there, on another queue, which is then named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match self.decode() {
            Ok(command) => return command.fmt(f),
            Err(error) => error,
        };
        for bank in [Bank::Secure, Bank::Realm] {
            if let Ok((command, ssec)) = self.decode_on(bank) {
                let secure = if ssec == Ssec::Secure { " SSec=1" } else { "" };
                return write!(f, "{command}{secure} (on the {} queue)", bank_name(bank));
            }
        }
        write!(f, "{self:?}: {error}")
    }
}
