//! Level-1 descriptors: of stream tables (IHI 0070 5.1) and of CD tables (5.3).

use smmu_regs::bitfields;
use smmu_regs::layout::{FieldInfo, Layout};

bitfields! {
    /// Level-1 stream table descriptor.
    pub(crate) struct L1Std(u64) = "L1STD" {
        /// 2^(SPAN-1) STEs; 12..31 reserved as 0; SPAN > SPLIT+1 invalid. 0: invalid; 1: 1 STE; 2: 2 STEs;
        /// 11: 1024 STEs.
        SPAN: u8, 5;
        _: 1;
        /// 51:6 before 3.4; aligned to 2^(5+SPAN) bytes.
        L2PTR: u64, 50;
        _: 8;
    }

    /// Level-1 context descriptor.
    pub(crate) struct L1Cd(u64) = "L1CD" {
        /// 0: invalid (C_BAD_SUBSTREAMID); 1: valid.
        V: bool, 1;
        _: 11;
        /// 51:12 before 3.4; IPA when stage 2 enabled.
        L2PTR: u64, 44;
        _: 8;
    }
}

/// The fields of a level-1 stream table descriptor and of a level-1 context descriptor.
#[must_use]
pub fn level1_words() -> [&'static [FieldInfo]; 2] {
    [L1Std::FIELDS, L1Cd::FIELDS]
}
