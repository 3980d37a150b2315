//! The words of commands (IHI 0070 4.2 to 4.7): many commands share a shape, so shapes are named by their fields.
//!
//! [`words_of`](super::words_of) says which opcode has which two shapes.

use smmu_regs::bitfields;

bitfields! {
    /// Nothing but the opcode.
    pub(crate) struct Bare(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 56;
    }

    /// An opcode and the security of what it names.
    pub(crate) struct Security(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 2;
        /// Secure StreamID; only on the Secure queue.
        SSEC: bool, 1;
        _: 53;
    }

    /// A stream.
    pub(crate) struct Stream(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 2;
        /// Secure StreamID; only on the Secure queue.
        SSEC: bool, 1;
        _: 21;
        /// StreamID.
        SID: u32, 32;
    }

    /// A stream and possibly a substream, of commands to the SMMU's own caches.
    pub(crate) struct StreamSubstream(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 2;
        /// Secure StreamID; only on the Secure queue.
        SSEC: bool, 1;
        /// SSID is given.
        SSV: bool, 1;
        /// SubstreamID.
        SSID: u32, 20;
        /// StreamID.
        SID: u32, 32;
    }

    /// A CD: its table is that of the stream, its index is SSID.
    pub(crate) struct Cd(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 2;
        /// Secure StreamID; only on the Secure queue.
        SSEC: bool, 1;
        _: 1;
        /// SubstreamID.
        SSID: u32, 20;
        /// StreamID.
        SID: u32, 32;
    }

    /// A VMS.
    pub(crate) struct Vms(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 2;
        /// Secure VMID; only on the Secure queue.
        SSEC: bool, 1;
        _: 21;
        /// VMID.
        VMID: u16, 16;
        _: 16;
    }

    /// A VMID and an ASID; each is RES0 in the commands that do not have it.
    pub(crate) struct Tags(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 24;
        /// VMID.
        VMID: u16, 16;
        /// ASID.
        ASID: u16, 16;
    }

    /// A VMID.
    pub(crate) struct VmidOnly(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 24;
        /// VMID.
        VMID: u16, 16;
        _: 16;
    }

    /// An ASID.
    pub(crate) struct AsidOnly(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 40;
        /// ASID.
        ASID: u16, 16;
    }

    /// A range, a VMID and an ASID.
    pub(crate) struct RangeTags(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 4;
        /// Number of units, less one.
        NUM: u8, 5;
        _: 3;
        /// log2 of the unit in granules.
        SCALE: u8, 6;
        _: 6;
        /// VMID.
        VMID: u16, 16;
        /// ASID.
        ASID: u16, 16;
    }

    /// A range and a VMID.
    pub(crate) struct RangeVmid(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 4;
        /// Number of units, less one.
        NUM: u8, 5;
        _: 3;
        /// log2 of the unit in granules.
        SCALE: u8, 6;
        _: 6;
        /// VMID.
        VMID: u16, 16;
        _: 16;
    }

    /// A range and an ASID.
    pub(crate) struct RangeAsid(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 4;
        /// Number of units, less one.
        NUM: u8, 5;
        _: 3;
        /// log2 of the unit in granules.
        SCALE: u8, 6;
        _: 22;
        /// ASID.
        ASID: u16, 16;
    }

    /// A range.
    pub(crate) struct RangeOnly(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 4;
        /// Number of units, less one.
        NUM: u8, 5;
        _: 3;
        /// log2 of the unit in granules.
        SCALE: u8, 6;
        _: 38;
    }

    /// An ATC invalidation.
    pub(crate) struct Atc(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 1;
        /// All PASIDs.
        GLOBAL: bool, 1;
        _: 1;
        /// SSID is given.
        SSV: bool, 1;
        /// SubstreamID.
        SSID: u32, 20;
        /// StreamID.
        SID: u32, 32;
    }

    /// A page request response.
    pub(crate) struct Pri(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 3;
        /// SSID is given.
        SSV: bool, 1;
        /// SubstreamID.
        SSID: u32, 20;
        /// StreamID.
        SID: u32, 32;
    }

    /// A stalled transaction's fate.
    pub(crate) struct Resume(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 2;
        /// Secure StreamID; only on the Secure queue.
        SSEC: bool, 1;
        _: 1;
        /// Retry.
        AC: bool, 1;
        /// If not retried: abort, rather than read as zero and ignore writes.
        AB: bool, 1;
        _: 18;
        /// StreamID.
        SID: u32, 32;
    }

    /// A synchronization.
    pub(crate) struct Sync(u64) = "command[0]" {
        /// Opcode.
        OPCODE: u8, 8;
        _: 4;
        /// Completion signal.
        CS: u8, 2;
        _: 8;
        /// MSI shareability.
        MSH: u8, 2;
        /// MSI memory attributes.
        MSIATTR: u8, 4;
        _: 4;
        /// MSI payload.
        MSIDATA: u32, 32;
    }

    /// Zero.
    pub(crate) struct Nothing(u64) = "command[1]" {
        _: 64;
    }

    /// Whether only the last level is meant.
    pub(crate) struct Leaf(u64) = "command[1]" {
        /// Only the last level.
        LEAF: bool, 1;
        _: 63;
    }

    /// A span of StreamIDs.
    pub(crate) struct Range(u64) = "command[1]" {
        /// log2 of the StreamIDs, less one; 31 is everything.
        RANGE: u8, 5;
        _: 59;
    }

    /// Addresses to prefetch.
    pub(crate) struct Prefetch(u64) = "command[1]" {
        /// log2 of their number.
        SIZE: u8, 5;
        /// log2 of their distance in 4 KiB.
        STRIDE: u8, 5;
        _: 1;
        /// Non-secure IPA space; Secure queue only.
        NS: bool, 1;
        /// The first address.
        ADDR: u64, 52;
    }

    /// A virtual address to invalidate.
    pub(crate) struct VirtualAddress(u64) = "command[1]" {
        /// Only last-level entries.
        LEAF: bool, 1;
        _: 6;
        /// 128-bit descriptors.
        TTL128: bool, 1;
        /// Level hint.
        TTL: u8, 2;
        /// Granule of a range.
        TG: u8, 2;
        /// Address.
        ADDR: u64, 52;
    }

    /// An IPA to invalidate.
    pub(crate) struct Ipa(u64) = "command[1]" {
        /// Only last-level entries.
        LEAF: bool, 1;
        _: 6;
        /// 128-bit descriptors.
        TTL128: bool, 1;
        /// Level hint.
        TTL: u8, 2;
        /// Granule of a range.
        TG: u8, 2;
        /// Address.
        ADDR: u64, 44;
        _: 8;
    }

    /// An IPA of a Secure stream to invalidate.
    pub(crate) struct SecureIpa(u64) = "command[1]" {
        /// Only last-level entries.
        LEAF: bool, 1;
        /// The address is in the Non-secure IPA space.
        NS: bool, 1;
        _: 5;
        /// 128-bit descriptors.
        TTL128: bool, 1;
        /// Level hint.
        TTL: u8, 2;
        /// Granule of a range.
        TG: u8, 2;
        /// Address.
        ADDR: u64, 44;
        _: 8;
    }

    /// Physical addresses of which the Device Permission Table's information goes.
    pub(crate) struct DptPhysical(u64) = "command[1]" {
        /// Only the last level.
        LEAF: bool, 1;
        _: 7;
        /// Code of the region's size.
        SIZE: u8, 4;
        /// Address.
        ADDR: u64, 44;
        _: 8;
    }

    /// A span of an ATC.
    pub(crate) struct AtcSpanWord(u64) = "command[1]" {
        /// log2 of the span in 4 KiB.
        SIZE: u8, 6;
        _: 6;
        /// Address.
        ADDR: u64, 52;
    }

    /// The group and the answer.
    pub(crate) struct PriAnswer(u64) = "command[1]" {
        /// Page request group index.
        PRGINDEX: u16, 9;
        _: 3;
        /// Answer.
        RESP: u8, 2;
        _: 50;
    }

    /// A stall tag.
    pub(crate) struct Stag(u64) = "command[1]" {
        /// Stall tag.
        STAG: u16, 16;
        _: 48;
    }

    /// An MSI address.
    pub(crate) struct MsiAddress(u64) = "command[1]" {
        _: 2;
        /// Address.
        MSIADDR: u64, 54;
        _: 7;
        /// PA space of the MSI; Secure and Realm queues only.
        MSI_NS: bool, 1;
    }
}
