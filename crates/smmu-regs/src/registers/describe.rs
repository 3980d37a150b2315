//! Any register by its place: for logs and tools.

use super::*;
use core::fmt;

/// A register's name and a value of it, printed with decoded fields.
///
/// `{}` is one line with the fields that are not zero; `{:#}` has a line for each field. Values that have names are
/// printed with them.
#[derive(Clone, Copy)]
pub struct Described {
    name: &'static str,
    /// Number of the control page that the register describes.
    number: Option<u16>,
    layout: LayoutInfo,
    value: u64,
}

impl Described {
    /// The architecture's name, without `SMMU_` and without a number.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Width in bits: 32 or 64.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.layout.width
    }

    fn reserved(&self) -> u64 {
        self.value & !crate::layout::named_bits(self.layout.fields)
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(number) = self.number {
            write!(f, "{number}")?;
        }
        write!(f, " = {:#x}", self.value)?;
        let all = f.alternate();
        for (field, meaning) in self.layout.fields.iter().zip(self.layout.meanings) {
            let bits = field.get(self.value);
            if bits == 0 && !all {
                continue;
            }
            f.write_str(if all { "\n  " } else { " " })?;
            // A field as wide as this holds address bits at their own positions: show the address.
            match bits {
                _ if field.width >= 40 && field.lsb > 0 => {
                    write!(f, "{}={:#x}", field.name, self.value & field.mask())?;
                }
                0..=9 => write!(f, "{}={bits}", field.name)?,
                _ => write!(f, "{}={bits:#x}", field.name)?,
            }
            if let Some(name) = meaning.name(bits) {
                write!(f, " ({name})")?;
            }
        }
        match self.reserved() {
            0 => Ok(()),
            reserved if all => write!(f, "\n  reserved={reserved:#x}"),
            reserved => write!(f, " reserved={reserved:#x}"),
        }
    }
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the register at `at` says if it holds `value`; `None` if no register is known there.
///
/// How far apart the queues of a control page are is for `IDR6` to say: in such a page any place is described where some
/// SMMU has a register.
#[must_use]
pub fn describe(at: RegisterOffset, value: u64) -> Option<Described> {
    for register in REGISTERS {
        if let Some(place) = register.places.iter().find(|place| place.at == at) {
            let layout = register.layout_of(value);
            return Some(Described { name: place.name, number: None, layout, value });
        }
    }
    repeated(at).map(|(name, number, layout)| Described { name, number, layout, value })
}

/// The registers that are many of a kind.
fn repeated(at: RegisterOffset) -> Option<(&'static str, Option<u16>, LayoutInfo)> {
    let base = LayoutInfo::of::<CmdqControlPageBase>();
    let cfg = LayoutInfo::of::<CmdqControlPageCfg>();
    let status = LayoutInfo::of::<CmdqControlPageStatus>();
    let names = match (at.page, at.offset) {
        (Page::CommandQueues { .. }, offset) => {
            // No control page has more than 256 queues, 0x100 bytes apart.
            let layout = match offset & 0xff {
                0 => LayoutInfo::of::<EcmdqBase>(),
                8 => LayoutInfo::of::<EcmdqProd>(),
                0xc => LayoutInfo::of::<EcmdqCons>(),
                _ => return None,
            };
            return Some((layout.name, None, layout));
        }
        (Page::Zero, 0x4000..=0x5fff) => {
            ["CMDQ_CONTROL_PAGE_BASE", "CMDQ_CONTROL_PAGE_CFG", "CMDQ_CONTROL_PAGE_STATUS"]
        }
        (Page::Zero, 0xc000..=0xdfff) => {
            ["S_CMDQ_CONTROL_PAGE_BASE", "S_CMDQ_CONTROL_PAGE_CFG", "S_CMDQ_CONTROL_PAGE_STATUS"]
        }
        (Page::RealmZero, 0x4000..=0x5fff) => {
            ["R_CMDQ_CONTROL_PAGE_BASE", "R_CMDQ_CONTROL_PAGE_CFG", "R_CMDQ_CONTROL_PAGE_STATUS"]
        }
        _ => return None,
    };
    let number = (at.offset & 0x1fff) / 32;
    let [base_name, cfg_name, status_name] = names;
    match at.offset & 0x1f {
        0 => Some((base_name, Some(number), base)),
        8 => Some((cfg_name, Some(number), cfg)),
        0xc => Some((status_name, Some(number), status)),
        _ => None,
    }
}

/// What a register of `bank` says if it holds `value`, or that there is none.
///
/// `offset` counts from the start of the bank's registers as the architecture's own tables do: from page 0 for the
/// Non-secure bank (page 1 from 0x10000) and for the Secure one (its registers are from 0x8000), from Realm page 0 for the
/// Realm bank (Realm page 1 from 0x10000), from the Root Control Page for the Root bank.
///
/// ```
/// use smmu_regs::registers::{Bank, describe_in};
///
/// let line = describe_in(Bank::Secure, 0x8028, 0xd75).to_string();
/// assert!(line.starts_with("S_CR1 = 0xd75 QUEUE_IC=1 (write-back)"), "{line}");
/// assert_eq!(describe_in(Bank::Realm, 0x18, 7).to_string(), "no register at offset 0x18 of the Realm bank (= 0x7)");
/// ```
#[must_use]
pub fn describe_in(bank: Bank, offset: u32, value: u64) -> DescribedIn {
    DescribedIn { bank, offset, value }
}

/// What [`describe_in`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribedIn {
    bank: Bank,
    offset: u32,
    value: u64,
}

impl DescribedIn {
    /// The register, if there is one.
    #[must_use]
    pub fn register(&self) -> Option<Described> {
        let offset = u16::try_from(self.offset & 0xffff).ok()?;
        let at = match (self.bank, self.offset.wrapping_shr(16)) {
            (Bank::NonSecure, 0) if !secure(offset) => RegisterOffset::page0(offset),
            (Bank::NonSecure, 1) => RegisterOffset::page1(offset),
            (Bank::Secure, 0) if secure(offset) => RegisterOffset::page0(offset),
            (Bank::Realm, 0) => RegisterOffset::realm0(offset),
            (Bank::Realm, 1) => RegisterOffset::realm1(offset),
            (Bank::Root, 0) => RegisterOffset::root(offset),
            _ => return None,
        };
        describe(at, self.value)
    }
}

/// Whether an offset in page 0 is one of the Secure registers.
const fn secure(offset: u16) -> bool {
    offset >= 0x8000
}

impl fmt::Display for DescribedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.register() {
            Some(register) => fmt::Display::fmt(&register, f),
            None => {
                let Self { bank, offset, value } = self;
                write!(f, "no register at offset {offset:#x} of the {bank} bank (= {value:#x})")
            }
        }
    }
}
