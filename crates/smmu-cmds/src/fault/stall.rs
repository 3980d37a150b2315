//! Stalled transactions and their one answer (IHI 0070 3.12.2, 4.7.1, 4.7.2).

use super::ledger::{Entry, Ledger, Serial};
use super::{NotTerminated, Unanswered, Unrecorded};
use crate::command::{Command, ResumeAction};
use crate::event::{Event, EventKind};
use core::fmt;
use smmu_regs::receipt::Receipt;
use smmu_regs::{InstanceId, StreamId};

/// What a stalled transaction is known by: a STAG alone says nothing (4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StallId {
    /// Its stream.
    pub stream: StreamId,
    /// Its tag. The SMMU gives it to no other transaction of this SMMU before this one was answered, its stream terminated, or
    /// `SMMUEN` went to 0 (3.12.2); not even if the transaction went on by itself (early retry, 3.12.2.2).
    pub stag: u16,
}

/// A transaction that waits for `CMD_RESUME`. It is answered once, by [`Stalls::resume`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the transaction waits until it is resumed or terminated"]
pub struct StalledTransaction {
    id: StallId,
    instance: InstanceId,
    serial: Serial,
}

impl StalledTransaction {
    /// Its stream and its tag.
    #[must_use]
    pub const fn id(&self) -> StallId {
        self.id
    }

    /// Its stream.
    #[must_use]
    pub const fn stream(&self) -> StreamId {
        self.id.stream
    }

    /// Its tag.
    #[must_use]
    pub const fn stag(&self) -> u16 {
        self.id.stag
    }

    /// The SMMU at which it waits.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }
}

impl fmt::Display for StalledTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StallId { stream, stag } = self.id;
        write!(f, "stalled transaction StreamID={stream} STAG={stag:#x}")
    }
}

/// What an event means for the ledger.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a transaction may wait"]
pub enum Arrival {
    /// Nothing waits.
    Over,
    /// A transaction waits for its answer, also if nobody knows the stream: then it is to be aborted.
    Stalled(StalledTransaction),
    /// A transaction waits, and the ledger is full: its answer is to be sent now. It aborts.
    Full(Unrecorded),
    /// The ledger has this stall already, unanswered: there was an answer that the ledger was not told of, or the record was
    /// given to it twice. Whoever has the token answers for both, as a second `CMD_RESUME` for one tag is not permitted
    /// (4.7.1); if nobody has, [`Stalls::reissue`] makes another.
    Known(StallId),
}

/// Who is to answer.
#[derive(Debug, Clone, Copy)]
enum Holder<O> {
    /// Whoever has the token.
    Token,
    /// It was handed on.
    Owner(O),
}

/// The stalled transactions of one SMMU that wait for an answer: at most `N` of them, handed on to owners `O`, guests say.
///
/// With an `N` of `IDR5.STALL_MAX` or more ([`Caps::stall_max`](smmu_regs::Caps::stall_max)) it is never full (6.3.6). Each
/// call looks at all `N` places.
///
/// # Taking a stream away
/// What waits on a stream whose translations are going away is either answered one by one, or terminated all at once, in this
/// order (4.7.2.1):
/// 1. the device stops; its STE is made to terminate everything, `CMD_CFGI_STE`, `CMD_SYNC`: from here nothing of the stream
///    stalls, and all its stall records are in the event queue;
/// 2. the event queue is drained, through [`Stalls::arrived`];
/// 3. [`Stalls::terminate_stream`], which makes `CMD_STALL_TERM`;
/// 4. the device's transactions have all ended, which only the device can tell; only then may the stream translate again, or
///    a terminated write could still find a page (3.12.3).
///
/// Without step 1 it is UNPREDICTABLE what `CMD_STALL_TERM` does.
///
/// # Forced stalls
/// Where the SMMU can only stall ([`StallModel::Forced`](smmu_regs::caps::StallModel)), every fault of translation of every
/// stream comes here, and each must be answered. An SMMU that can also terminate may do so for some devices in spite of
/// their configuration: then the record has no stall, and nothing waits (3.12).
#[derive(Debug)]
pub struct Stalls<O, const N: usize> {
    instance: InstanceId,
    ledger: Ledger<StallId, Holder<O>, N>,
}

impl<O: Copy + PartialEq, const N: usize> Stalls<O, N> {
    /// None.
    #[must_use]
    pub const fn new(instance: InstanceId) -> Self {
        Self { instance, ledger: Ledger::new() }
    }

    /// The SMMU whose stalls these are.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Takes notice of an event from the event queue of this SMMU. Every event may be given to it.
    pub fn arrived(&mut self, event: &Event) -> Arrival {
        let EventKind::Fault(fault) = event.kind else { return Arrival::Over };
        let Some(stag) = fault.stalled else { return Arrival::Over };
        let id = StallId { stream: event.stream, stag };
        if self.ledger.get(id).is_some() {
            return Arrival::Known(id);
        }
        match self.ledger.enter(id, Holder::Token) {
            Ok(serial) => Arrival::Stalled(self.token(id, serial)),
            Err(_) => Arrival::Full(Unrecorded::new(resume(id, ResumeAction::Abort))),
        }
    }

    const fn token(&self, id: StallId, serial: Serial) -> StalledTransaction {
        StalledTransaction { id, instance: self.instance, serial }
    }

    /// Answers: `send` is to queue the command, in any order with other commands and without waiting for it.
    /// A command that is only pushed waits for the doorbell, and the transaction with it:
    /// [`CommandQueue::ring`](crate::CommandQueue::ring) after the last answer, unless a `CMD_SYNC` follows.
    ///
    /// * [`ResumeAction::Retry`]: the transaction is translated anew, as if it had just come. What was changed for it must
    ///   have been made visible; an invalid descriptor that became valid needs no invalidation. It may fault again, with
    ///   another record.
    /// * [`ResumeAction::Abort`], [`ResumeAction::Terminate`]: it ends, at some time, unless what it needs is there by then
    ///   (3.12.2.2): leave its page unmapped.
    ///
    /// Other transactions that stalled for the same page without a record of their own are retried with it, whatever the
    /// action (3.12.2.1).
    ///
    /// # Errors
    /// `send` failed, and the token comes back; or nothing waits any more.
    pub fn resume<R, E>(
        &mut self,
        token: StalledTransaction,
        action: ResumeAction,
        send: impl FnOnce(Command) -> Result<R, E>,
    ) -> Result<R, Unanswered<StalledTransaction, E>> {
        if !self.holds(&token) {
            return Err(Unanswered::Void { token });
        }
        match send(resume(token.id, action)) {
            Ok(sent) => {
                self.ledger.take(token.id, token.serial);
                Ok(sent)
            }
            Err(error) => Err(Unanswered::NotSent { token, error }),
        }
    }

    fn holds(&mut self, token: &StalledTransaction) -> bool {
        token.instance == self.instance
            && self.ledger.get(token.id).is_some_and(|entry| entry.serial == token.serial)
    }

    /// Hands the stall on to `owner`, who is to answer it: [`Stalls::claim`] gives the token back.
    ///
    /// # Errors
    /// Nothing waits any more; the token comes back.
    pub fn forward(&mut self, token: StalledTransaction, owner: O) -> Result<(), StalledTransaction> {
        match self.ledger.get(token.id).filter(|entry| entry.serial == token.serial) {
            Some(entry) if token.instance == self.instance => {
                entry.value = Holder::Owner(owner);
                Ok(())
            }
            _ => Err(token),
        }
    }

    /// The token of a stall that was handed on to `owner`; `None` if there is no such stall, it was handed on to somebody else,
    /// or it has been answered. From here on the caller is to answer.
    #[must_use = "the transaction waits until it is resumed or terminated"]
    pub fn claim(&mut self, id: StallId, owner: &O) -> Option<StalledTransaction> {
        let entry = self.ledger.get(id)?;
        match entry.value {
            Holder::Owner(other) if other == *owner => {
                entry.value = Holder::Token;
                let serial = entry.serial;
                Some(self.token(id, serial))
            }
            _ => None,
        }
    }

    /// The answer that `owner` gave is in the queue.
    pub(crate) fn answered_by(&mut self, id: StallId, owner: &O) {
        if let Some(token) = self.claim(id, owner) {
            self.ledger.take(id, token.serial);
        }
    }

    /// The token of any stall that was handed on to `owner`, who is not going to answer: to be called until there is none.
    #[must_use = "the transaction waits until it is resumed or terminated"]
    pub fn reclaim(&mut self, owner: &O) -> Option<StalledTransaction> {
        let mine =
            |entry: &&Entry<_, Holder<O>>| matches!(entry.value, Holder::Owner(other) if other == *owner);
        let id = self.ledger.iter().find(mine)?.key;
        self.claim(id, owner)
    }

    /// Whom the stall was handed on to, if it waits and was.
    #[must_use]
    pub fn owner(&self, id: StallId) -> Option<O> {
        self.ledger.iter().find(|entry| entry.key == id).and_then(|entry| match entry.value {
            Holder::Owner(owner) => Some(owner),
            Holder::Token => None,
        })
    }

    /// Another token in place of one that got lost, or of a stall that was handed on; `None` if it does not wait. Any other
    /// token of this stall is void from here on.
    #[must_use = "the transaction waits until it is resumed or terminated"]
    pub fn reissue(&mut self, id: StallId) -> Option<StalledTransaction> {
        let serial = self.ledger.renew(id)?;
        if let Some(entry) = self.ledger.get(id) {
            entry.value = Holder::Token;
        }
        Some(self.token(id, serial))
    }

    /// All stalls of the stream are terminated by the command that is given to `send`: their tokens are void if it succeeds.
    /// `terminating` is proof of step 1 of [taking a stream away](Stalls): of the `CMD_SYNC` after the STE was made to terminate
    /// and was invalidated. The number of stalls that were waiting comes back too.
    ///
    /// # Errors
    /// `send` failed, or the proof is of another SMMU; nothing has changed.
    pub fn terminate_stream<R, E>(
        &mut self,
        stream: StreamId,
        terminating: &Receipt,
        send: impl FnOnce(Command) -> Result<R, E>,
    ) -> Result<(R, usize), NotTerminated<E>> {
        let (here, proof) = (self.instance, terminating.instance());
        if proof != here {
            return Err(NotTerminated::OtherSmmu { here, proof });
        }
        let sent = send(Command::StallTerm { stream }).map_err(NotTerminated::NotSent)?;
        Ok((sent, self.ledger.remove(|entry| entry.key.stream == stream)))
    }

    /// `SMMUEN` has become 0, which has terminated all stalls (6.3.9.6): all tokens are void. How many were waiting.
    pub fn smmu_disabled(&mut self) -> usize {
        self.ledger.remove(|_| true)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ledger.iter().count()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What waits, and whom it was handed on to.
    pub fn outstanding(&self) -> impl Iterator<Item = (StallId, Option<O>)> {
        self.ledger.iter().map(|entry| match entry.value {
            Holder::Owner(owner) => (entry.key, Some(owner)),
            Holder::Token => (entry.key, None),
        })
    }
}

const fn resume(id: StallId, action: ResumeAction) -> Command {
    Command::Resume { stream: id.stream, stag: id.stag, action }
}
