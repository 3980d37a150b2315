//! One load or one store of a register, in a form that can be trapped and emulated.
//!
//! A hypervisor that emulates the SMMU learns from the syndrome of the data abort which register was loaded or stored, and
//! how wide, but only for a load or store of one general-purpose register without write-back (`ESR_ELx.ISS.ISV`, Arm ARM
//! D24.2). A compiler may make any form of a volatile access, such as `str w0, [x1], #4`, which cannot be emulated. So
//! these are `ldr` and `str` with the address in a register, and nothing else. They are not moved across other accesses
//! to memory by the compiler; the CPU's order is for the barriers of [`Memory`](super::Memory).
//!
//! On other architectures, where no SMMU is but tests of a driver may be, they are volatile accesses.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
use core::arch::asm;

/// Loads 32 bits.
///
/// # Safety
/// `at` is 4-byte aligned and mapped readable; what the load does to the device there is the caller's business.
#[inline]
#[must_use]
pub unsafe fn read32(at: *const u32) -> u32 {
    #[cfg(target_arch = "aarch64")]
    {
        let value: u32;
        // SAFETY: one aligned load from where the caller may load; no stack, no flags. Without `nomem` the compiler keeps
        // its place among other accesses.
        unsafe {
            asm!("ldr {value:w}, [{at}]", value = lateout(reg) value, at = in(reg) at, options(nostack, preserves_flags));
        }
        u32::from_le(value)
    }
    #[cfg(not(target_arch = "aarch64"))]
    // SAFETY: the caller's promise.
    unsafe {
        u32::from_le(at.read_volatile())
    }
}

/// Stores 32 bits.
///
/// # Safety
/// `at` is 4-byte aligned and mapped writable; what the store does to the device there is the caller's business.
#[inline]
pub unsafe fn write32(at: *mut u32, value: u32) {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: one aligned store to where the caller may store; no stack, no flags. Without `nomem` the compiler keeps its
    // place among other accesses.
    unsafe {
        asm!("str {value:w}, [{at}]", value = in(reg) value.to_le(), at = in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "aarch64"))]
    // SAFETY: the caller's promise.
    unsafe {
        at.write_volatile(value.to_le());
    }
}

/// Loads 64 bits.
///
/// # Safety
/// `at` is 8-byte aligned and mapped readable; what the load does to the device there is the caller's business.
#[inline]
#[must_use]
pub unsafe fn read64(at: *const u64) -> u64 {
    #[cfg(target_arch = "aarch64")]
    {
        let value: u64;
        // SAFETY: one aligned load from where the caller may load; no stack, no flags. Without `nomem` the compiler keeps
        // its place among other accesses.
        unsafe {
            asm!("ldr {value}, [{at}]", value = lateout(reg) value, at = in(reg) at, options(nostack, preserves_flags));
        }
        u64::from_le(value)
    }
    #[cfg(not(target_arch = "aarch64"))]
    // SAFETY: the caller's promise.
    unsafe {
        u64::from_le(at.read_volatile())
    }
}

/// Stores 64 bits.
///
/// # Safety
/// `at` is 8-byte aligned and mapped writable; what the store does to the device there is the caller's business.
#[inline]
pub unsafe fn write64(at: *mut u64, value: u64) {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: one aligned store to where the caller may store; no stack, no flags. Without `nomem` the compiler keeps its
    // place among other accesses.
    unsafe {
        asm!("str {value}, [{at}]", value = in(reg) value.to_le(), at = in(reg) at, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "aarch64"))]
    // SAFETY: the caller's promise.
    unsafe {
        at.write_volatile(value.to_le());
    }
}
