//! Who uses a table: streams, and the SMMUs that they are behind.

use super::TableError;
use core::time::Duration;
use smmu_cmds::{Command, CommandQueue};
use smmu_regs::platform::{Clock, Memory, Mmio};
use smmu_regs::receipt::{MAX_INSTANCES, Receipt};
use smmu_regs::{InstanceId, StreamId, SubstreamId};

/// The StreamIDs of a device, as firmware lists them: one that is listed twice counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSet<'a>(&'a [StreamId]);

impl<'a> StreamSet<'a> {
    /// The set of these StreamIDs.
    #[must_use]
    pub const fn new(streams: &'a [StreamId]) -> Self {
        Self(streams)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Each of them once, in the order of the list. Takes time with the square of their number, which is small.
    pub fn iter(self) -> impl Iterator<Item = StreamId> + Clone + use<'a> {
        let all = self.0;
        let first =
            move |index: usize, stream: StreamId| !all.iter().take(index).any(|other| *other == stream);
        all.iter()
            .copied()
            .enumerate()
            .filter(move |(index, stream)| first(*index, *stream))
            .map(|(_, stream)| stream)
    }
}

impl<'a> From<&'a [StreamId]> for StreamSet<'a> {
    fn from(streams: &'a [StreamId]) -> Self {
        Self(streams)
    }
}

/// One SMMU whose streams use a CD table.
#[derive(Debug)]
pub struct CdUser<'a, P> {
    /// Its registers, and the memory that all of them share.
    pub platform: &'a P,
    /// Its queue.
    pub queue: &'a mut CommandQueue,
    /// The streams behind it whose STEs point to the table: all of them.
    pub streams: StreamSet<'a>,
}

/// Which cached copies a change makes stale.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stale {
    /// A CD.
    Cd(SubstreamId),
    /// A level-1 descriptor that led nowhere.
    Level1(SubstreamId),
    /// A level-1 descriptor and the CDs behind it.
    Leaf,
}

/// More streams than this, and one command that drops all configuration is the shorter way.
const MANY: usize = 16;

/// The commands that drop `stale`: CDs are cached by StreamID, so each stream needs its own (4.3.3).
fn commands(streams: StreamSet<'_>, stale: Stale) -> impl Iterator<Item = Command> {
    let many = streams.iter().nth(MANY).is_some();
    let each = streams.iter().map(move |stream| match stale {
        Stale::Cd(substream) => Command::CfgiCd { stream, substream, leaf: true },
        Stale::Level1(substream) => Command::CfgiCd { stream, substream, leaf: false },
        Stale::Leaf => Command::CfgiCdAll { stream },
    });
    many.then_some(Command::CfgiAll).into_iter().chain(each.take(if many { 0 } else { usize::MAX }))
}

impl<P: Mmio + Memory + Clock> CdUser<'_, P> {
    /// Refuses what could not be sent, before anything is stored.
    fn check(&self, stale: Stale) -> Result<(), TableError> {
        if self.streams.is_empty() {
            return Err(TableError::NoStream);
        }
        for command in commands(self.streams, stale) {
            command.encode(self.queue.caps())?;
        }
        Ok(())
    }

    fn send(&mut self, stale: Stale, timeout: Duration) -> Result<(), TableError> {
        for command in commands(self.streams, stale) {
            self.queue.push(self.platform, &command, timeout)?;
        }
        Ok(())
    }
}

/// One receipt for each SMMU, in the order of the users.
pub(super) type Receipts = [Option<Receipt>; MAX_INSTANCES];

/// Drops `stale` on every SMMU and waits for each: their queues work at the same time. An SMMU that fails keeps none of the
/// others from being told.
pub(super) fn invalidate<P: Mmio + Memory + Clock>(
    users: &mut [CdUser<'_, P>],
    stale: Stale,
    timeout: Duration,
    mut observe: impl FnMut(&Command),
) -> Result<Receipts, TableError> {
    let mut receipts = [None; MAX_INSTANCES];
    let mut outcome = Ok(());
    let mut sent = [false; MAX_INSTANCES];
    for (user, sent) in users.iter_mut().zip(&mut sent) {
        match user.send(stale, timeout) {
            Ok(()) => *sent = true,
            Err(error) => outcome = Err(error),
        }
    }
    for ((user, receipt), _) in users.iter_mut().zip(&mut receipts).zip(sent).filter(|(_, sent)| *sent) {
        match user.queue.sync(user.platform, timeout) {
            Ok(done) => {
                *receipt = Some(done);
                for command in commands(user.streams, stale) {
                    observe(&command);
                }
            }
            Err(error) => outcome = Err(error.into()),
        }
    }
    outcome.map(|()| receipts)
}

/// The SMMUs whose caches may hold something of a CD table, and whether those caches can be trusted to follow what was
/// written: not after an invalidation that failed. Then everything is dropped before the next change.
#[derive(Debug, Default)]
pub(super) struct Known {
    suspect: bool,
    instances: [Option<InstanceId>; MAX_INSTANCES],
}

impl Known {
    /// Judges `users` and the commands that they will need.
    pub(super) fn check<P: Mmio + Memory + Clock>(
        &self,
        users: &[CdUser<'_, P>],
        stale: Stale,
    ) -> Result<(), TableError> {
        let Some(first) = users.first() else { return Err(TableError::NoStream) };
        if users.len() > MAX_INSTANCES {
            return Err(TableError::TooManyUsers { count: users.len() });
        }
        let is = |instance| move |user: &&CdUser<'_, P>| user.queue.instance() == instance;
        for known in self.instances.iter().flatten() {
            if !users.iter().any(|user| is(*known)(&user)) {
                return Err(TableError::Instance { table: *known, queue: first.queue.instance() });
            }
        }
        for user in users {
            let instance = user.queue.instance();
            if users.iter().filter(is(instance)).count() > 1 {
                return Err(TableError::UserTwice { instance });
            }
            user.check(stale)?;
        }
        Ok(())
    }

    /// Before a change by `users`: makes up for an earlier one that failed. Until [`Known::succeeded`], this one has failed.
    pub(super) fn begin<P: Mmio + Memory + Clock>(
        &mut self,
        users: &mut [CdUser<'_, P>],
        timeout: Duration,
    ) -> Result<Receipts, TableError> {
        let mut receipts = [None; MAX_INSTANCES];
        if self.suspect {
            for (user, receipt) in users.iter_mut().zip(&mut receipts) {
                user.queue.push(user.platform, &Command::CfgiAll, timeout)?;
                *receipt = Some(user.queue.sync(user.platform, timeout)?);
            }
        }
        for (slot, user) in self.instances.iter_mut().zip(users.iter()) {
            *slot = Some(user.queue.instance());
        }
        self.suspect = true;
        Ok(receipts)
    }

    pub(super) const fn succeeded(&mut self) {
        self.suspect = false;
    }

    /// No STE behind `instance` points to the table any more.
    pub(super) fn forget(&mut self, instance: InstanceId) {
        for slot in &mut self.instances {
            if *slot == Some(instance) {
                *slot = None;
            }
        }
    }
}
