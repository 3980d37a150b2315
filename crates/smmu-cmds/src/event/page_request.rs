//! Page requests: entries of the PRI queue (IHI 0070 chapter 8). [`PageGroups`](crate::fault::PageGroups) pairs them with
//! their answers.

use super::Permissions;
use core::fmt;
use smmu_regs::layout::{FieldInfo, Layout};
use smmu_regs::{StreamId, SubstreamId, bitfields, view};

bitfields! {
    /// Who asks for what.
    pub(crate) struct PageRequestWord0(u64) = "PRI[0]" {
        /// StreamID.
        SID: u32, 32;
        /// SubstreamID.
        SSID: u32, 20;
        _: 6;
        /// Privileged (`PRIV`, a reserved word of Rust).
        PRIV_: bool, 1;
        /// To execute.
        EXEC: bool, 1;
        /// To read.
        READ: bool, 1;
        /// To write.
        WRITE: bool, 1;
        /// Last of its group.
        LAST: bool, 1;
        /// SSID is valid.
        SSV: bool, 1;
    }

    /// Which page, in which group.
    pub(crate) struct PageRequestWord1(u64) = "PRI[1]" {
        /// Page request group index.
        PRGINDEX: u16, 9;
        _: 3;
        /// Address.
        ADDR: u64, 52;
    }
}

view! {
    /// A page request as the PRI queue holds it. Judges nothing.
    #[derive(Debug)]
    pub struct RawPageRequest([u64; 2]);
}

/// The fields of the two words of a page request.
#[must_use]
pub fn page_request_words() -> [&'static [FieldInfo]; 2] {
    [PageRequestWord0::FIELDS, PageRequestWord1::FIELDS]
}

/// A decoded page request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// Stream.
    pub stream: StreamId,
    /// Substream.
    pub substream: Option<SubstreamId>,
    /// Page request group index, 9 bits.
    pub group: u16,
    /// Last of its group: the group is answered after it.
    pub last: bool,
    /// Privileged access is asked for.
    pub privileged: bool,
    /// Execution is asked for.
    pub execute: bool,
    /// Reading is asked for.
    pub read: bool,
    /// Writing is asked for.
    pub write: bool,
    /// Page address, 4 KiB aligned.
    pub address: u64,
}

impl RawPageRequest {
    /// What it asks.
    #[must_use]
    pub fn decode(&self) -> PageRequest {
        let [low, high] = self.words();
        let (low, high) = (PageRequestWord0::from_word(low), PageRequestWord1::from_word(high));
        PageRequest {
            stream: StreamId::new(low.sid()),
            // The field has 20 bits, so the conversion cannot fail.
            substream: if low.ssv() { SubstreamId::new(low.ssid()).ok() } else { None },
            group: high.prgindex(),
            last: low.last(),
            privileged: low.priv_(),
            execute: low.exec(),
            read: low.read(),
            write: low.write(),
            address: high.address(PageRequestWord1::ADDR),
        }
    }
}

impl RawPageRequest {
    /// The same request with another StreamID: for a guest that knows the stream by another number.
    #[must_use]
    pub fn with_stream(&self, stream: StreamId) -> Self {
        let [low, high] = self.words();
        // A StreamID fits the 32-bit field.
        let low = PageRequestWord0::from_word(low)
            .try_with(PageRequestWord0::SID, stream.get())
            .map_or(low, PageRequestWord0::into_bits);
        Self::from_words([low, high])
    }
}

impl PageRequest {
    /// A stop marker: the device has made all its page requests of this PASID before it. It needs no answer and takes no
    /// credit. Without a PASID the same bits are an ordinary request (chapter 8).
    #[must_use]
    pub const fn is_stop_marker(&self) -> bool {
        self.last && !self.read && !self.write && self.substream.is_some()
    }
}

impl fmt::Display for PageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, substream, group, last, privileged, execute, read, write, address } = *self;
        let what = if self.is_stop_marker() { "stop marker" } else { "page request" };
        write!(f, "{what} StreamID={stream}")?;
        if let Some(substream) = substream {
            write!(f, " SubstreamID={substream}")?;
        }
        let permissions = Permissions { read, write, execute };
        write!(
            f,
            " {}{permissions} {address:#x} PRGIndex={group:#x}",
            if privileged { "privileged " } else { "" }
        )?;
        if last { f.write_str(" last") } else { Ok(()) }
    }
}
