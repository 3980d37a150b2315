//! The programming interfaces of an SMMU: each Security state that software drives it from has a bank of registers, and
//! queues and tables, of its own (IHI 0070 3.10, 6.1).

/// Whose registers, queues and tables: the Security state of a programming interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bank {
    /// Non-secure: every SMMU has it.
    NonSecure,
    /// Secure, if `S_IDR1.SECURE_IMPL` says so (3.10.2).
    Secure,
    /// Realm, if `ROOT_IDR0.REALM_IMPL` says so (3.10.3).
    Realm,
    /// Root, if `ROOT_IDR0.ROOT_IMPL` says so: granule protection. It has no queues and no tables of streams (3.25).
    Root,
}
