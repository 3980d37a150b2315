//! What stands at each offset, as far as the host is concerned. What is not here is refused.

use super::Refusal;
use crate::platform::{Page, RegisterOffset};

/// A register that the filter emulates. 64-bit ones are the bases and the MSI addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// IDR0 to IDR6, IIDR, AIDR, by offset; STATUSR.
    Constant(u16),
    Cr0,
    Cr0Ack,
    Cr1,
    Cr2,
    Gbpa,
    IrqCtrl,
    IrqCtrlAck,
    Gerror,
    Gerrorn,
    StrtabBase,
    StrtabBaseCfg,
    /// `x_IRQ_CFG0`, an address.
    MsiAddress(Source),
    /// `x_IRQ_CFG1`.
    MsiData(Source),
    /// `x_IRQ_CFG2`.
    MsiAttributes(Source),
    CmdqBase,
    CmdqProd,
    CmdqCons,
    /// The base, PROD and CONS of the event or PRI queue.
    OutputBase(Source),
    OutputProd(Source),
    OutputCons(Source),
    /// The identification registers, constants of the real SMMU that say nothing of features.
    Identification,
}

/// What interrupts, and has MSI registers; two of them are queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Gerror,
    Event,
    Pri,
}

impl Place {
    /// Whether the register has 64 bits.
    pub(super) const fn is_wide(self) -> bool {
        matches!(self, Self::StrtabBase | Self::CmdqBase | Self::OutputBase(_) | Self::MsiAddress(_))
    }

    /// Whether it is written by the SMMU, or constant.
    pub(super) const fn is_read_only(self) -> bool {
        matches!(
            self,
            Self::Constant(_) | Self::Cr0Ack | Self::IrqCtrlAck | Self::Gerror | Self::Identification
        )
    }
}

/// Whether pages 0 and 1 are one on this SMMU ([`Quirk::Page0Only`](crate::Quirk::Page0Only)).
pub(super) type OnePage = bool;

/// What is at the 32-bit word `at`, and which half of it (0 or 32, a shift).
pub(super) fn place(at: RegisterOffset, one_page: OnePage) -> Result<(Place, u32), Refusal> {
    use Place::*;
    use Source::{Event, Gerror as Global, Pri};
    let absent = |needs| Err(Refusal::Absent { at, needs });
    let whole = |place| Ok((place, 0));
    let output = match (at.page, at.offset) {
        (_, 0xa8) => Some(OutputProd(Event)),
        (_, 0xac) => Some(OutputCons(Event)),
        (_, 0xc8) => Some(OutputProd(Pri)),
        (_, 0xcc) => Some(OutputCons(Pri)),
        _ => None,
    };
    // Page 1 holds these four, and page 0 instead where there is no page 1. Else an alias is permitted, but no driver may
    // use it (6.2).
    match (output, at.page) {
        (Some(register), Page::One) => return whole(register),
        (Some(register), Page::Zero) if one_page => return whole(register),
        (None, Page::Zero) => {}
        _ => return Err(Refusal::Unknown { at }),
    }
    match at.offset {
        0x00..=0x1c | 0x40 | 0x190 => whole(Constant(at.offset)),
        0x20 => whole(Cr0),
        0x24 => whole(Cr0Ack),
        0x28 => whole(Cr1),
        0x2c => whole(Cr2),
        0x30 | 0x34 => absent("IDR3.S2PI"),
        0x44 => whole(Gbpa),
        0x50 => whole(IrqCtrl),
        0x54 => whole(IrqCtrlAck),
        0x60 => whole(Gerror),
        0x64 => whole(Gerrorn),
        0x68 => whole(MsiAddress(Global)),
        0x6c => Ok((MsiAddress(Global), 32)),
        0x70 => whole(MsiData(Global)),
        0x74 => whole(MsiAttributes(Global)),
        0x80 => whole(StrtabBase),
        0x84 => Ok((StrtabBase, 32)),
        0x88 => whole(StrtabBaseCfg),
        0x90 => whole(CmdqBase),
        0x94 => Ok((CmdqBase, 32)),
        0x98 => whole(CmdqProd),
        0x9c => whole(CmdqCons),
        0xa0 => whole(OutputBase(Event)),
        0xa4 => Ok((OutputBase(Event), 32)),
        0xb0 => whole(MsiAddress(Event)),
        0xb4 => Ok((MsiAddress(Event), 32)),
        0xb8 => whole(MsiData(Event)),
        0xbc => whole(MsiAttributes(Event)),
        0xc0 => whole(OutputBase(Pri)),
        0xc4 => Ok((OutputBase(Pri), 32)),
        0xd0 => whole(MsiAddress(Pri)),
        0xd4 => Ok((MsiAddress(Pri), 32)),
        0xd8 => whole(MsiData(Pri)),
        0xdc => whole(MsiAttributes(Pri)),
        0x100..=0x11f => absent("IDR0.ATOS"),
        0x130..=0x13f => absent("IDR3.MPAM"),
        0x180 => absent("IDR0.VATOS"),
        0x200..=0x217 => absent("IDR3.DPT"),
        0xfd0..=0xffc => whole(Identification),
        0x4000..=0x7fff => absent("IDR1.ECMDQ"),
        0x8000..=0xbfff => Err(Refusal::Secure { at }),
        _ => Err(Refusal::Unknown { at }),
    }
}
