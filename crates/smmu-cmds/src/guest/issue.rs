//! A batch of a guest's commands, put into the physical queue.

use super::{Answer, ForwardedFaults, GuestBatch, GuestBatchError, GuestStep, VirtualSmmu, VirtualStreams};
use crate::command::RawCommand;
use crate::queue::CommandQueue;
use core::time::Duration;
use smmu_regs::platform::{Clock, Memory, Mmio};

impl<S: VirtualStreams, F: ForwardedFaults> VirtualSmmu<'_, S, F> {
    /// Has the physical SMMU do what the guest's `commands` say, and waits until it has: see [`GuestBatch`] for the order.
    /// Gives the number of commands. What is reported as complete has been issued and is covered by a completed `CMD_SYNC`;
    /// a command that is refused was neither issued nor counted.
    ///
    /// `timeout` is for each wait. A guest's `CMD_ATC_INV` to a device that does not answer stops the queue: that too is an
    /// error of the queue here.
    ///
    /// # Errors
    /// A command was refused, or the queue failed: both say how far the batch came. Or the faults that the guest may answer wait
    /// at another SMMU.
    pub fn issue<P: Mmio + Memory + Clock>(
        &self,
        p: &P,
        queue: &mut CommandQueue,
        commands: impl IntoIterator<Item = RawCommand>,
        timeout: Duration,
    ) -> Result<usize, GuestBatchError> {
        let queues = queue.instance();
        if let Some(faults) = self.faults().instance().filter(|faults| *faults != queues) {
            return Err(GuestBatchError::OtherSmmu { queue: queues, faults });
        }
        let mut batch = GuestBatch::new(self, commands);
        let (mut completed, mut issued) = (0, 0_usize);
        while let Some(step) = batch.next() {
            let done = match step {
                GuestStep::Push(command) => queue.push_raw(p, &command, timeout).map(|()| {
                    issued = batch.begun();
                    if let Some(answer) = Answer::of(&command) {
                        self.faults().answered(answer);
                    }
                }),
                GuestStep::Sync => queue.sync(p, timeout).map(|_receipt| {
                    issued = batch.begun();
                    completed = issued;
                }),
            };
            if let Err(error) = done {
                return Err(GuestBatchError::Queue { completed, issued, error });
            }
        }
        match batch.refusal() {
            // Nothing is unsynced when the steps are over.
            None => Ok(batch.begun()),
            Some(refusal) => Err(GuestBatchError::Refused(refusal)),
        }
    }
}
