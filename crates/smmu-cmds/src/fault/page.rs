//! Page request groups and their one answer (IHI 0070 3.9.1, 4.5.2, chapter 8).

use super::ledger::{Entry, Ledger, Serial};
use super::{GroupId, PageArrival, PageGroup, ResponsePasid, Unanswered, Unrecorded, WhenFull};
use crate::command::{Command, PriResponse};
use crate::event::PageRequest;
use smmu_regs::{InstanceId, StreamId, SubstreamId};

/// What is known of a group.
#[derive(Debug, Clone, Copy)]
struct Group<O> {
    substream: Option<SubstreamId>,
    requests: u32,
    mixed: bool,
    holder: Holder<O>,
}

/// Who is to answer.
#[derive(Debug, Clone, Copy)]
enum Holder<O> {
    /// Nobody yet: the last request has not come.
    Nobody,
    /// Whoever has the token.
    Token,
    /// It was handed on.
    Owner(O),
}

/// The page request groups of the devices behind one SMMU: at most `N` of them, handed on to owners `O`, guests say.
///
/// Groups that are not complete are owed nothing. When there is no room, the oldest of them makes place: its last request, if
/// it comes, is then taken for a group of its own, and answered. So devices that begin groups and never end them keep nobody
/// from being answered. Each call looks at all `N` places; there can be no more groups than the devices have credits.
///
/// ```
/// use smmu_cmds::command::{Command, PriResponse};
/// use smmu_cmds::event::RawPageRequest;
/// use smmu_cmds::fault::{PageArrival, PageGroups, ResponsePasid, WhenFull};
/// use smmu_regs::InstanceId;
///
/// let mut groups = PageGroups::<(), 32>::new(InstanceId::new(0), WhenFull::TryAgain);
/// let (mut pages, mut complete) = (Vec::new(), Vec::new());
/// // What a drain of the PRI queue hands on: two requests of one group.
/// for raw in [[0x3000_0000_0000_0008, 0x1005], [0x7000_0000_0000_0008, 0x2005]].map(RawPageRequest::from_words) {
///     let request = raw.decode();
///     match groups.arrived(&request, ResponsePasid::AsRequested) {
///         PageArrival::Member(_) => pages.push(request.address),
///         PageArrival::Last(group) => {
///             pages.push(request.address);
///             complete.push(group);
///         }
///         // Nothing is due, or somebody has the token already.
///         PageArrival::StopMarker | PageArrival::Known(_) => {}
///         PageArrival::Full(answer) => panic!("{} is to be sent now", answer.command()),
///     }
/// }
/// assert_eq!(pages, [0x1000, 0x2000]);
/// // The drain is over and the pages are in:
/// for group in complete {
///     let mut queue = Vec::new();
///     let send = |command| Ok::<_, ()>(queue.push(command));
///     groups.answer(group, PriResponse::Success, ResponsePasid::AsRequested, send).unwrap();
///     assert!(matches!(queue[..], [Command::PriResp { group: 5, response: PriResponse::Success, .. }]));
/// }
/// ```
///
/// # What the SMMU answers itself
/// Some requests never get into the queue, and are answered (or not) without software: [`auto_response`](super::auto_response)
/// says which and how. Of a group that had been begun, [`PageGroups::forget_incomplete`] is to be told.
///
/// # Taking a device away
/// Switch page requests off in the device; drain the queue; answer what waits (Response Failure, unless the device was reset),
/// or [`PageGroups::forget_stream`] after a reset of the device.
#[derive(Debug)]
pub struct PageGroups<O, const N: usize> {
    instance: InstanceId,
    when_full: WhenFull,
    ledger: Ledger<GroupId, Group<O>, N>,
}

impl<O: Copy + PartialEq, const N: usize> PageGroups<O, N> {
    /// None.
    #[must_use]
    pub const fn new(instance: InstanceId, when_full: WhenFull) -> Self {
        Self { instance, when_full, ledger: Ledger::new() }
    }

    /// The SMMU by which the requests came.
    #[must_use]
    pub const fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Takes notice of a request from the PRI queue of this SMMU. Every request is to be given to it. `pasid` is the device's.
    pub fn arrived(&mut self, request: &PageRequest, pasid: ResponsePasid) -> PageArrival {
        let PageRequest { stream, group: index, substream, last, .. } = *request;
        if request.is_stop_marker() {
            return PageArrival::StopMarker;
        }
        let id = GroupId { stream, index };
        let token = self.instance;
        if let Some(Entry { serial, value, .. }) = self.ledger.get(id) {
            if !matches!(value.holder, Holder::Nobody) {
                return PageArrival::Known(id);
            }
            value.mixed |= value.substream != substream;
            value.substream = substream;
            value.requests = value.requests.saturating_add(1);
            if !last {
                return PageArrival::Member(id);
            }
            value.holder = Holder::Token;
            return PageArrival::Last(value.token(id, token, *serial));
        }
        let holder = if last { Holder::Token } else { Holder::Nobody };
        let group = Group { substream, requests: 1, mixed: false, holder };
        match self.enter(id, group) {
            Some(serial) if last => PageArrival::Last(group.token(id, token, serial)),
            None if last => {
                let response = match self.when_full {
                    WhenFull::TryAgain => PriResponse::Success,
                    WhenFull::Refuse => PriResponse::Invalid,
                };
                PageArrival::Full(Unrecorded::new(respond(id, substream, pasid, response)))
            }
            _ => PageArrival::Member(id),
        }
    }

    /// Enters a group, in place of the oldest incomplete one if there is no room.
    fn enter(&mut self, id: GroupId, group: Group<O>) -> Option<Serial> {
        let incomplete = |entry: &&Entry<_, Group<O>>| matches!(entry.value.holder, Holder::Nobody);
        self.ledger.enter(id, group).ok().or_else(|| {
            let oldest = self.ledger.iter().filter(incomplete).min_by_key(|entry| entry.serial)?.serial;
            self.ledger.remove(|entry| entry.serial == oldest);
            self.ledger.enter(id, group).ok()
        })
    }

    /// Answers: `send` is to queue the command. The entry of the request in the queue should be free by then, as an answer
    /// gives the device a credit (chapter 8); so answer after [`PriQueue::drain`](crate::queue::PriQueue::drain) has returned.
    ///
    /// * [`PriResponse::Success`]: all pages are there. The device asks ATS again, and what it asks for must be visible: an
    ///   invalid descriptor that became valid needs no invalidation.
    /// * [`PriResponse::Invalid`]: some are not to be had.
    /// * [`PriResponse::Failure`]: the device is to make no more page requests; also when ATS is off for it.
    ///
    /// A command that is only pushed waits for the doorbell: [`CommandQueue::ring`](crate::CommandQueue::ring) after the last
    /// answer, unless a `CMD_SYNC` follows.
    ///
    /// While `SMMUEN` is 0 the SMMU ignores it (4.5.2), and the device must be set up anew (6.3.9.6).
    ///
    /// # Errors
    /// `send` failed, and the token comes back; or nothing waits any more.
    pub fn answer<R, E>(
        &mut self,
        token: PageGroup,
        response: PriResponse,
        pasid: ResponsePasid,
        send: impl FnOnce(Command) -> Result<R, E>,
    ) -> Result<R, Unanswered<PageGroup, E>> {
        if !self.holds(&token) {
            return Err(Unanswered::Void { token });
        }
        match send(respond(token.id, token.substream, pasid, response)) {
            Ok(sent) => {
                self.ledger.take(token.id, token.serial);
                Ok(sent)
            }
            Err(error) => Err(Unanswered::NotSent { token, error }),
        }
    }

    fn holds(&mut self, token: &PageGroup) -> bool {
        token.instance == self.instance
            && self.ledger.get(token.id).is_some_and(|entry| entry.serial == token.serial)
    }

    /// Hands the group on to `owner`, who is to answer it: [`PageGroups::claim`] gives the token back.
    ///
    /// # Errors
    /// Nothing waits any more; the token comes back.
    pub fn forward(&mut self, token: PageGroup, owner: O) -> Result<(), PageGroup> {
        match self.ledger.get(token.id).filter(|entry| entry.serial == token.serial) {
            Some(entry) if token.instance == self.instance => {
                entry.value.holder = Holder::Owner(owner);
                Ok(())
            }
            _ => Err(token),
        }
    }

    /// The token of a group that was handed on to `owner`; `None` if there is no such group, it was handed on to somebody else,
    /// or it has been answered. From here on the caller is to answer.
    #[must_use = "the device waits for the answer"]
    pub fn claim(&mut self, id: GroupId, owner: &O) -> Option<PageGroup> {
        let instance = self.instance;
        let entry = self.ledger.get(id)?;
        match entry.value.holder {
            Holder::Owner(other) if other == *owner => {
                entry.value.holder = Holder::Token;
                Some(entry.value.token(id, instance, entry.serial))
            }
            _ => None,
        }
    }

    /// Whether an answer of `owner` with this PASID is due: the request's, or none.
    pub(crate) fn is_owed_by(&self, id: GroupId, owner: &O, substream: Option<SubstreamId>) -> bool {
        self.ledger.iter().find(|entry| entry.key == id).is_some_and(|Entry { value, .. }| {
            matches!(value.holder, Holder::Owner(other) if other == *owner)
                && (substream.is_none() || substream == value.substream)
        })
    }

    /// The answer that `owner` gave is in the queue.
    pub(crate) fn answered_by(&mut self, id: GroupId, owner: &O) {
        if let Some(token) = self.claim(id, owner) {
            self.ledger.take(id, token.serial);
        }
    }

    /// The token of any group that was handed on to `owner`, who is not going to answer: to be called until there is none.
    #[must_use = "the device waits for the answer"]
    pub fn reclaim(&mut self, owner: &O) -> Option<PageGroup> {
        let mine = |entry: &&Entry<_, Group<O>>| matches!(entry.value.holder, Holder::Owner(other) if other == *owner);
        let id = self.ledger.iter().find(mine)?.key;
        self.claim(id, owner)
    }

    /// Whom the group was handed on to, if it waits and was.
    #[must_use]
    pub fn owner(&self, id: GroupId) -> Option<O> {
        self.ledger.iter().find(|entry| entry.key == id).and_then(|entry| match entry.value.holder {
            Holder::Owner(owner) => Some(owner),
            Holder::Token | Holder::Nobody => None,
        })
    }

    /// Another token in place of one that got lost, or of a group that was handed on; `None` if no answer is due. Any other
    /// token of this group is void from here on.
    #[must_use = "the device waits for the answer"]
    pub fn reissue(&mut self, id: GroupId) -> Option<PageGroup> {
        if matches!(self.ledger.get(id)?.value.holder, Holder::Nobody) {
            return None;
        }
        let (instance, serial) = (self.instance, self.ledger.renew(id)?);
        let entry = self.ledger.get(id)?;
        entry.value.holder = Holder::Token;
        Some(entry.value.token(id, instance, serial))
    }

    /// Forgets groups whose last request has not come, and says how many: to be called when a drain has reported an overflow,
    /// and when the queue was disabled or its writes aborted. Their last request may have been answered by the SMMU, and their
    /// index may come again for another group (8.1.1). Groups that wait for an answer go on waiting: theirs is due.
    pub fn forget_incomplete(&mut self) -> usize {
        self.ledger.remove(|entry| matches!(entry.value.holder, Holder::Nobody))
    }

    /// Forgets all groups of a device that was reset, or whose page requests were reset: nothing of it waits. How many did.
    pub fn forget_stream(&mut self, stream: StreamId) -> usize {
        let waited = self.outstanding().filter(|(id, _)| id.stream == stream).count();
        self.ledger.remove(|entry| entry.key.stream == stream);
        waited
    }

    /// `SMMUEN` has become 0: answers are ignored, and all devices must be set up anew (6.3.9.6). How many groups waited.
    pub fn smmu_disabled(&mut self) -> usize {
        let waited = self.len();
        self.ledger.remove(|_| true);
        waited
    }

    /// How many groups wait for an answer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outstanding().count()
    }

    /// Whether none waits for an answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The groups that wait for an answer, and whom they were handed on to.
    pub fn outstanding(&self) -> impl Iterator<Item = (GroupId, Option<O>)> {
        self.ledger.iter().filter_map(|entry| match entry.value.holder {
            Holder::Nobody => None,
            Holder::Token => Some((entry.key, None)),
            Holder::Owner(owner) => Some((entry.key, Some(owner))),
        })
    }
}

impl<O> Group<O> {
    const fn token(&self, id: GroupId, instance: InstanceId, serial: Serial) -> PageGroup {
        let Self { substream, requests, mixed, .. } = *self;
        PageGroup { id, instance, serial, substream, requests, mixed }
    }
}

fn respond(
    id: GroupId,
    substream: Option<SubstreamId>,
    pasid: ResponsePasid,
    response: PriResponse,
) -> Command {
    let substream = match pasid {
        ResponsePasid::AsRequested => substream,
        ResponsePasid::Never => None,
    };
    Command::PriResp { stream: id.stream, substream, group: id.index, response }
}
