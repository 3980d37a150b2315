//! Enhanced command queues: the control pages, and the registers of each queue in them (IHI 0070 3.5.6, 6.2.5, 6.3.49 to
//! 6.3.51, 6.3.107 to 6.3.109).
//!
//! These registers have no place of their own: [`ControlPage`] and [`EcmdqRegisters`] tell it.

use super::{Access, Bank, Idr6, RegisterType, Writable};
use crate::bitfields;
use crate::platform::{Page, RegisterOffset};
use core::fmt;

bitfields! {
    /// `SMMU_CMDQ_CONTROL_PAGE_BASE<n>`: where control page n is (6.3.49).
    pub struct CmdqControlPageBase(u64) = "CMDQ_CONTROL_PAGE_BASE" {
        /// Where the queues of this page are.
        CMDQ_CONTROL_PAGE_PRESET: bool, 1 since V3_3 = { 1: "registers of the SMMU" };
        /// Size of the page.
        CMDQGS: u8, 2 since V3_3 = { 1: "64 KiB" };
        _: 13;
        /// Offset of the page from the base address of register page 0; no absolute address.
        ADDR: u64, 40 since V3_3;
        _: 8;
    }

    /// `SMMU_CMDQ_CONTROL_PAGE_CFG<n>`: whether control page n is enabled; read only (6.3.50).
    pub struct CmdqControlPageCfg(u32) = "CMDQ_CONTROL_PAGE_CFG" {
        /// Always 1.
        EN: bool, 1 since V3_3 = { 1: "enabled" };
        _: 31;
    }

    /// `SMMU_CMDQ_CONTROL_PAGE_STATUS<n>`: whether control page n is enabled (6.3.51).
    pub struct CmdqControlPageStatus(u32) = "CMDQ_CONTROL_PAGE_STATUS" {
        /// Always 1.
        ENACK: bool, 1 since V3_3 = { 1: "enabled" };
        _: 31;
    }

    /// `SMMU_ECMDQ_BASE<n>`: address and size of the queue; read only unless `PROD.EN` and `CONS.ENACK` are 0 (6.3.107).
    pub struct EcmdqBase(u64) = "ECMDQ_BASE" {
        /// Log2 entries, at most IDR1.CMDQS.
        LOG2SIZE: u8, 5 since V3_3;
        /// Address of the queue, aligned to the larger of its size and 32 bytes.
        ADDR: u64, 51 since V3_3;
        _: 6;
        /// Hint for reads.
        RA: bool, 1 since V3_3 = { 0: "no read-allocate hint", 1: "read-allocate" };
        _: 1;
    }

    /// `SMMU_ECMDQ_PROD<n>`: where software adds the next command, the enable, the acknowledge of errors; writes are
    /// ignored while `EN` and `CONS.ENACK` differ (6.3.108). A reset clears `EN` and `ERRACK`; `WR` is UNKNOWN then.
    pub struct EcmdqProd(u32) = "ECMDQ_PROD" {
        /// Index, and the wrap bit at bit LOG2SIZE; unused upper bits RES0.
        WR: u32, 20 since V3_3;
        _: 3;
        /// Software copies CONS.ERR to acknowledge; must not differ from it otherwise, least of all when the queue is enabled.
        ERRACK: bool, 1 since V3_3;
        _: 7;
        /// 1: consume commands. Effective when CONS.ENACK is equal.
        EN: bool, 1 since V3_3;
    }

    /// `SMMU_ECMDQ_CONS<n>`: where the SMMU takes the next command, and why it stopped; read only unless `PROD.EN` and
    /// `ENACK` are 0 (6.3.109). A reset clears `ENACK` and `ERR`; the rest is UNKNOWN then.
    pub struct EcmdqCons(u32) = "ECMDQ_CONS" {
        /// Index, and the wrap bit at bit LOG2SIZE. After an error: the command that caused it.
        RD: u32, 20 since V3_3;
        _: 3;
        /// Toggled by the SMMU on an error: active while it differs from PROD.ERRACK.
        ERR: bool, 1 since V3_3;
        /// Valid while an error is active.
        ERR_REASON: u8, 3 since V3_3 = { 0: "CERROR_NONE", 1: "CERROR_ILL", 2: "CERROR_ABT", 3: "CERROR_ATC_INV_SYNC" };
        _: 4;
        /// What of PROD.EN has taken effect.
        ENACK: bool, 1 since V3_3;
    }
}

macro_rules! access {
    ($($name:ident: $access:ident;)*) => {$(
        impl RegisterType for $name {
            const ACCESS: Access = Access::$access;
        }
    )*};
}

access! {
    CmdqControlPageBase: Ro;
    CmdqControlPageCfg: Ro;
    CmdqControlPageStatus: Ro;
    EcmdqBase: Rw;
    EcmdqProd: Rw;
    EcmdqCons: Rw;
}

impl Writable for EcmdqBase {}
impl Writable for EcmdqProd {}
impl Writable for EcmdqCons {}

/// Places of the registers that describe one control page: 32 bytes in the bank's page 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlPage {
    base: RegisterOffset,
}

impl ControlPage {
    /// Control page `number` of `bank`; `None` for the Root bank, which has none.
    #[must_use]
    pub const fn new(bank: Bank, number: u8) -> Option<Self> {
        // At most 0x1fe0.
        let offset = 32 * number as u16;
        let base = match bank {
            Bank::NonSecure => RegisterOffset::page0(0x4000 + offset),
            Bank::Secure => RegisterOffset::page0(0xc000 + offset),
            Bank::Realm => RegisterOffset::realm0(0x4000 + offset),
            Bank::Root => return None,
        };
        Some(Self { base })
    }

    const fn at(self, offset: u16) -> RegisterOffset {
        RegisterOffset { page: self.base.page, offset: self.base.offset + offset }
    }

    /// Place of [`CmdqControlPageBase`].
    #[must_use]
    pub const fn base(self) -> RegisterOffset {
        self.base
    }

    /// Place of [`CmdqControlPageCfg`].
    #[must_use]
    pub const fn cfg(self) -> RegisterOffset {
        self.at(8)
    }

    /// Place of [`CmdqControlPageStatus`].
    #[must_use]
    pub const fn status(self) -> RegisterOffset {
        self.at(0xc)
    }
}

/// Places of the registers of one enhanced command queue: 16 bytes in a control page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcmdqRegisters {
    base: RegisterOffset,
}

/// No such enhanced command queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EcmdqError {
    /// The Root bank has no command queue.
    Bank(Bank),
    /// `IDR6` claims more than 2^8 pages or 2^8 queues in a page.
    Idr6(Idr6),
    /// There are fewer control pages.
    Page {
        /// The page asked for.
        page: u16,
        /// Number of control pages.
        pages: u16,
    },
    /// There are fewer queues in a control page.
    Queue {
        /// The queue asked for.
        queue: u16,
        /// Number of queues in each control page.
        queues: u16,
    },
}

impl fmt::Display for EcmdqError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bank(bank) => write!(f, "the {bank} bank has no enhanced command queues"),
            Self::Idr6(idr6) => write!(f, "{idr6:?}: more than 256 control pages, or queues in each"),
            Self::Page { page, pages } => write!(f, "control page {page} of {pages}"),
            Self::Queue { queue, queues } => write!(f, "queue {queue} of {queues} in a control page"),
        }
    }
}

impl core::error::Error for EcmdqError {}

impl EcmdqRegisters {
    /// Number of control pages, and of queues in each of them.
    ///
    /// # Errors
    /// [`EcmdqError::Idr6`].
    pub const fn count(idr6: Idr6) -> Result<(u16, u16), EcmdqError> {
        let (pages, queues) = (idr6.cmdq_control_page_log2nump(), idr6.cmdq_control_page_log2numq());
        if pages > 8 || queues > 8 { Err(EcmdqError::Idr6(idr6)) } else { Ok((1 << pages, 1 << queues)) }
    }

    /// Queue `queue` of control page `page` of `bank`, whose `IDR6` is given. Queues are spread evenly over their page.
    ///
    /// # Errors
    /// There is no such queue.
    pub const fn new(bank: Bank, idr6: Idr6, page: u16, queue: u16) -> Result<Self, EcmdqError> {
        if matches!(bank, Bank::Root) {
            return Err(EcmdqError::Bank(bank));
        }
        let (pages, queues) = match Self::count(idr6) {
            Ok(count) => count,
            Err(error) => return Err(error),
        };
        if page >= pages {
            return Err(EcmdqError::Page { page, pages });
        }
        if queue >= queues {
            return Err(EcmdqError::Queue { queue, queues });
        }
        // `page` is below 256.
        Ok(Self::place(bank, page as u8, queue, idr6.cmdq_control_page_log2numq()))
    }

    /// Every queue of `bank`, page by page; none of the Root bank. Where `IDR6` claims more pages, or queues in each, than
    /// the architecture has room for, those that it has room for.
    pub fn all(bank: Bank, idr6: Idr6) -> impl Iterator<Item = Self> {
        let most = if matches!(bank, Bank::Root) { 0 } else { u16::MAX };
        let pages = (1 << idr6.cmdq_control_page_log2nump().min(8)).min(most);
        let queues_log2 = idr6.cmdq_control_page_log2numq().min(8);
        (0..pages).flat_map(move |page| {
            // Below 256.
            (0..1 << queues_log2).map(move |queue| Self::place(bank, page as u8, queue, queues_log2))
        })
    }

    /// Queue `queue` of the 2^`queues_log2` that share a page of 2^16 bytes. `queues_log2` is at most 8 and `queue` below
    /// their number, so the offset is below 2^16.
    const fn place(bank: Bank, page: u8, queue: u16, queues_log2: u8) -> Self {
        let spacing = 16_u32.saturating_sub(queues_log2 as u32);
        let offset = (queue as u32).wrapping_shl(spacing);
        let page = Page::CommandQueues { bank, page };
        Self { base: RegisterOffset { page, offset: offset as u16 } }
    }

    const fn at(self, offset: u16) -> RegisterOffset {
        // The queue's own offset is a multiple of at least 256.
        RegisterOffset { page: self.base.page, offset: self.base.offset | offset }
    }

    /// Place of [`EcmdqBase`].
    #[must_use]
    pub const fn base(self) -> RegisterOffset {
        self.base
    }

    /// Place of [`EcmdqProd`].
    #[must_use]
    pub const fn prod(self) -> RegisterOffset {
        self.at(8)
    }

    /// Place of [`EcmdqCons`].
    #[must_use]
    pub const fn cons(self) -> RegisterOffset {
        self.at(0xc)
    }
}
