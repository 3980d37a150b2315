//! Page requests that never get into the queue, and how the SMMU answers them itself (IHI 0070 8.1 to 8.3).
//!
//! For whoever must know what a device was told without software, or plays an SMMU for a guest.

use crate::event::PageRequest;
use smmu_regs::SubstreamId;

/// Of the PRI queue of the Non-secure state, when a request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PriState {
    /// It has room, and no overflow is pending.
    Open,
    /// `CR0.PRIQEN` or `CR0.SMMUEN` is 0, `GERROR.PRIQ_ABT_ERR` is active, or the write of this request is aborted
    /// synchronously.
    Closed,
    /// It is full, or an overflow has not been acknowledged.
    Overflow {
        /// Whether the SMMU's answers carry the request's PASID: `IDR3.PPS`, or else `STE.PPAR` of the device. `None` if
        /// `IDR3.PPS` is 0 and there is no valid STE to ask.
        pasid: Option<bool>,
    },
}

/// What a page request group response says (8.3): the PCIe code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ResponseCode {
    /// The pages are there.
    Success = 0b0000,
    /// Some are not to be had.
    InvalidRequest = 0b0001,
    /// No page requests are served.
    ResponseFailure = 0b1111,
}

/// What becomes of a page request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AutoResponse {
    /// It gets into the queue: software answers its group.
    Queued,
    /// It is lost, and nobody answers it: its group's last request is answered, and a stop marker never is.
    Dropped,
    /// It is lost, and the SMMU answers.
    Answered {
        /// With this.
        code: ResponseCode,
        /// And with this PASID.
        substream: Option<SubstreamId>,
    },
}

/// What the SMMU does with a request that comes when the queue is in this state.
#[must_use]
pub const fn auto_response(request: &PageRequest, state: PriState) -> AutoResponse {
    use ResponseCode::{ResponseFailure, Success};
    let (code, substream) = match (state, request.substream) {
        (PriState::Open, _) => return AutoResponse::Queued,
        _ if request.is_stop_marker() => return AutoResponse::Dropped,
        // Every request, whether it is the last of its group or not.
        (PriState::Closed, _) => (ResponseFailure, None),
        _ if !request.last => return AutoResponse::Dropped,
        (PriState::Overflow { .. }, None) => (Success, None),
        (PriState::Overflow { pasid: Some(true) }, some) => (Success, some),
        (PriState::Overflow { pasid: Some(false) }, Some(_)) => (Success, None),
        (PriState::Overflow { pasid: None }, Some(_)) => (ResponseFailure, None),
    };
    AutoResponse::Answered { code, substream }
}
