//! Queue bases and pointers (IHI 0070 6.3.26 to 6.3.36 and page 1).

use super::registers;
use crate::bitfields;

registers! {
    CmdqBase: RW {
        CMDQ_BASE NonSecure V3_0 page0(0x90) none;
        S_CMDQ_BASE Secure V3_0 page0(0x8090) none;
        R_CMDQ_BASE Realm V3_3 realm0(0x90) none;
    }
    CmdqProd: RW {
        CMDQ_PROD NonSecure V3_0 page0(0x98) none;
        S_CMDQ_PROD Secure V3_0 page0(0x8098) none;
        R_CMDQ_PROD Realm V3_3 realm0(0x98) none;
    }
    CmdqCons: RW {
        CMDQ_CONS NonSecure V3_0 page0(0x9c) none;
        S_CMDQ_CONS Secure V3_0 page0(0x809c) none;
        R_CMDQ_CONS Realm V3_3 realm0(0x9c) none;
    }
    EventqBase: RW {
        EVENTQ_BASE NonSecure V3_0 page0(0xa0) none;
        S_EVENTQ_BASE Secure V3_0 page0(0x80a0) none;
        R_EVENTQ_BASE Realm V3_3 realm0(0xa0) none;
    }
    EventqProd: RW {
        EVENTQ_PROD NonSecure V3_0 page1(0xa8) none;
        S_EVENTQ_PROD Secure V3_0 page0(0x80a8) none;
        R_EVENTQ_PROD Realm V3_3 realm1(0xa8) none;
    }
    EventqCons: RW {
        EVENTQ_CONS NonSecure V3_0 page1(0xac) none;
        S_EVENTQ_CONS Secure V3_0 page0(0x80ac) none;
        R_EVENTQ_CONS Realm V3_3 realm1(0xac) none;
    }
    PriqBase: RW {
        PRIQ_BASE NonSecure V3_0 page0(0xc0) none;
        R_PRIQ_BASE Realm V3_3 realm0(0xc0) none;
    }
    PriqProd: RW {
        PRIQ_PROD NonSecure V3_0 page1(0xc8) zero(OVFLG);
        R_PRIQ_PROD Realm V3_3 realm1(0xc8) zero(OVFLG);
    }
    PriqCons: RW {
        PRIQ_CONS NonSecure V3_0 page1(0xcc) none;
        R_PRIQ_CONS Realm V3_3 realm1(0xcc) none;
    }
}

bitfields! {
    /// `SMMU_CMDQ_BASE`: address and size of the command queue (6.3.26).
    pub struct CmdqBase(u64) = "CMDQ_BASE" {
        /// Log2 entries, capped at IDR1.*QS (at most 19).
        LOG2SIZE: u8, 5;
        /// 51:5 before 3.4; base aligned to the larger of queue size and 32 bytes.
        ADDR: u64, 51;
        _: 6;
        /// Hint for reads.
        RA: bool, 1 = { 0: "no allocate hint", 1: "read-allocate" };
        _: 1;
    }

    /// `SMMU_CMDQ_PROD`: where software adds the next command (6.3.27).
    pub struct CmdqProd(u32) = "CMDQ_PROD" {
        /// Index plus wrap bit at bit LOG2SIZE; unused upper bits RES0.
        WR: u32, 20;
        _: 12;
    }

    /// `SMMU_CMDQ_CONS`: where the SMMU takes the next command, and why it stopped (6.3.28).
    pub struct CmdqCons(u32) = "CMDQ_CONS" {
        /// Index plus wrap bit at bit LOG2SIZE.
        RD: u32, 20;
        _: 4;
        /// Valid while GERROR.CMDQ_ERR active.
        ERR: u8, 7 = { 0: "CERROR_NONE", 1: "CERROR_ILL", 2: "CERROR_ABT", 3: "CERROR_ATC_INV_SYNC" };
        _: 1;
    }

    /// `SMMU_EVENTQ_BASE`: address and size of the event queue (6.3.29).
    pub struct EventqBase(u64) = "EVENTQ_BASE" {
        /// Log2 entries, capped at IDR1.*QS (at most 19).
        LOG2SIZE: u8, 5;
        /// 51:5 before 3.4; base aligned to the larger of queue size and 32 bytes.
        ADDR: u64, 51;
        _: 6;
        /// Hint for writes.
        WA: bool, 1 = { 0: "no allocate hint", 1: "write-allocate" };
        _: 1;
    }

    /// `SMMU_EVENTQ_PROD`: where the SMMU writes the next event (6.3.95).
    pub struct EventqProd(u32) = "EVENTQ_PROD" {
        /// Index, and the wrap bit at bit LOG2SIZE.
        WR: u32, 20;
        _: 11;
        /// Toggled by the SMMU on overflow.
        OVFLG: bool, 1;
    }

    /// `SMMU_EVENTQ_CONS`: where software reads the next event (6.3.96).
    pub struct EventqCons(u32) = "EVENTQ_CONS" {
        /// Index, and the wrap bit at bit LOG2SIZE.
        RD: u32, 20;
        _: 11;
        /// Software copies OVFLG to acknowledge.
        OVACKFLG: bool, 1;
    }

    /// `SMMU_PRIQ_BASE`: address and size of the PRI queue (6.3.33).
    pub struct PriqBase(u64) = "PRIQ_BASE" {
        /// Log2 entries, capped at IDR1.*QS (at most 19).
        LOG2SIZE: u8, 5;
        /// 51:5 before 3.4; base aligned to the larger of queue size and 32 bytes.
        ADDR: u64, 51;
        _: 6;
        /// Hint for writes.
        WA: bool, 1 = { 0: "no allocate hint", 1: "write-allocate" };
        _: 1;
    }

    /// `SMMU_PRIQ_PROD`: where the SMMU writes the next page request (6.3.97).
    pub struct PriqProd(u32) = "PRIQ_PROD" {
        /// Index, and the wrap bit at bit LOG2SIZE.
        WR: u32, 20;
        _: 11;
        /// Toggled by the SMMU on overflow.
        OVFLG: bool, 1;
    }

    /// `SMMU_PRIQ_CONS`: where software reads the next page request (6.3.98).
    pub struct PriqCons(u32) = "PRIQ_CONS" {
        /// Index, and the wrap bit at bit LOG2SIZE.
        RD: u32, 20;
        _: 11;
        /// Software copies OVFLG to acknowledge.
        OVACKFLG: bool, 1;
    }
}
