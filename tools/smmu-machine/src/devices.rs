//! Devices that only the model has: their transactions may stall, they make page requests, and they translate ahead (ATS).

use crate::{MachineError, ModelMachine};
use smmu_model::{AtsAccess, Fault, PageRequest, PageResponse, Resumed, Stalled};

impl ModelMachine {
    /// Device number `device` writes `value` to the word at `iova`, or reads it if there is no value: the word that was read or
    /// written, or the fault that it met. If that says that it waits, [`ModelMachine::resumed`] tells what became of it.
    ///
    /// # Errors
    /// There is no such device.
    pub fn dma32(
        &self,
        device: usize,
        iova: u64,
        value: Option<u32>,
    ) -> Result<Result<u32, Fault>, MachineError> {
        let access = self.access(device, iova)?;
        let mut model = self.model();
        Ok(match value {
            Some(value) => model.dma_write32(&access, value).map(|()| value),
            None => model.dma_read32(&access),
        })
    }

    /// The transactions that are stalled.
    #[must_use]
    pub fn stalled(&self) -> Vec<Stalled> {
        self.model().stalled()
    }

    /// What became of transactions that had stalled, since the last call.
    #[must_use]
    pub fn resumed(&self) -> Vec<Resumed> {
        self.model().resumed()
    }

    /// Stall records and page request groups, by StreamID and tag or index, that nobody has answered.
    #[must_use]
    pub fn unanswered(&self) -> Vec<(u32, u16)> {
        let model = self.model();
        [model.unanswered_stalls(), model.unanswered_groups()].concat()
    }

    /// A device sends a page request message.
    pub fn page_request(&self, request: &PageRequest) {
        self.model().page_request(request);
    }

    /// Responses to page requests that devices got since the last call.
    #[must_use]
    pub fn page_responses(&self) -> Vec<PageResponse> {
        self.model().page_responses()
    }

    /// As [`ModelMachine::dma32`], by a device that translates ahead and remembers translations.
    ///
    /// # Errors
    /// There is no such device.
    pub fn ats_dma32(&self, device: usize, iova: u64, value: Option<u32>) -> Result<AtsAccess, MachineError> {
        let access = self.access(device, iova)?;
        Ok(self.model().ats_dma32(&access, value))
    }

    /// All devices forget the translations that they remember, as when they are reset.
    pub fn reset_atcs(&self) {
        self.model().reset_atcs();
    }
}
