//! The one task that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::fault::Fault;
use super::group::Group;
use super::names::SharedNames;
use super::open::Target;
use super::operation::{End, Operation, Unasked};
use super::session::Session;
use super::tx::{Capped, Quotas};
use super::watch::{self, Bells};
use super::{hosts, left, write};
use crate::error::Error;
use crate::number::number;
use crate::queue::{Queue, Taken};
use crate::store::{Changes, Observer};

/// Messages that were told stay in the outbox until the next group; until this much later if none comes.
const TIDY_AFTER: Duration = Duration::from_millis(200);
/// How long a server that is gone is left alone before it is asked again; doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest such time.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often a group is done again because another host was in the way, and because the connection was lost before it was
/// committed.
const AGAIN_MAX: u32 = 10;
/// How many times in a row messages of dead hosts are taken over, so that others get their turn.
const ADOPT_MAX: usize = 16;
/// How long it waits before that, at most, the first time; as much more each time.
const AGAIN_PAUSE_MS: u64 = 5;

/// What the writer shares with the handle, the readers and whoever hears of other hosts.
pub(super) struct Shared {
    pub(super) target: Arc<Target>,
    pub(super) queue: Queue<Box<dyn Operation>>,
    pub(super) quotas: Quotas,
    pub(super) capped: Capped,
    pub(super) names: SharedNames,
    /// The number of this start of the host.
    pub(super) host: AtomicI64,
    pub(super) bells: Bells,
    /// The writer is to look whether this host lives, and which messages nobody tells.
    pub(super) nudged: AtomicBool,
}

impl Shared {
    /// The number of this start of the host, as far as it is known.
    pub(super) fn host(&self) -> i64 {
        self.host.load(Ordering::Acquire)
    }

    /// Lets the writer look around.
    pub(super) fn nudge(&self) {
        self.nudged.store(true, Ordering::Release);
        self.queue.nudge();
    }
}

/// The task's own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    observer: Arc<dyn Observer>,
    session: Option<Session>,
    broken: Option<Broken>,
    /// Rows of the outbox that were told.
    told: Vec<i64>,
    /// The number of the next row of the feed.
    feed: u64,
    /// The last transaction was undone: what is to be done unasked waits a little.
    stalled: bool,
    unresolved: bool,
}

struct Broken {
    since: Instant,
    wait: Duration,
    reason: Error,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, observer: Arc<dyn Observer>, session: Session) -> Self {
        Self {
            shared,
            observer,
            session: Some(session),
            broken: None,
            told: Vec::new(),
            feed: 1,
            stalled: false,
            unresolved: true,
        }
    }

    /// Works until the queue is closed and empty.
    pub(super) async fn run(&mut self) {
        loop {
            match self.shared.queue.taken(self.patience()).await {
                Taken::Group(group) => {
                    if self.mend().await {
                        self.group(group).await;
                    } else {
                        self.refuse(group);
                    }
                }
                Taken::Idle => {
                    if self.mend().await && (self.unresolved || !self.told.is_empty()) {
                        self.group(Vec::new()).await;
                    }
                }
                Taken::Closed => break,
            }
            if self.shared.nudged.swap(false, Ordering::AcqRel) && self.mend().await {
                self.look_around().await;
            }
        }
        // What was told need not be told again by somebody else.
        if self.session.is_some() && !self.told.is_empty() {
            self.group(Vec::new()).await;
        }
    }

    /// Nothing more is written: what this host has is anybody's from here on.
    pub(super) async fn leave(self) {
        if let Some(session) = &self.session
            && let Err(fault) = hosts::leave(session, self.shared.host()).await
        {
            tracing::warn!(error = fault.text(), "other hosts are not told that this one ends; they will see it");
        }
    }

    /// Tells what dead hosts left untold, and goes on with what they left undone. A host that is taken for dead itself finds that
    /// out here.
    pub(super) async fn look_around(&mut self) {
        self.unresolved = true;
        for _ in 0..ADOPT_MAX {
            let Some(session) = &self.session else { return };
            match left::adopt(session, self.shared.host()).await {
                Ok(left) if left.rows.is_empty() => return,
                Ok(left) => {
                    self.told.extend(left.rows);
                    self.tell(Changes { publishes: left.publishes, ..Changes::default() });
                }
                Err(Fault::Dead) => {
                    if let Err(fault) = self.rise().await {
                        self.break_off(&fault);
                    }
                }
                Err(fault) if fault.breaks() => {
                    self.break_off(&fault);
                }
                // It is nudged again.
                Err(fault) => return tracing::warn!(error = fault.text(), "messages of dead hosts are not told yet"),
            }
        }
    }

    /// Goes on under another number, after others took this host for dead: they have its messages, and whatever its workers had
    /// on lease.
    async fn rise(&mut self) -> Result<(), Fault> {
        let Some(session) = &self.session else { return Err(Fault::Gone("there is no connection".to_owned())) };
        let host = hosts::register(session).await?;
        tracing::warn!(host, "other hosts have taken this one for dead; it goes on under another number");
        self.shared.host.store(host, Ordering::Release);
        self.feed = 1;
        self.told.clear();
        self.unresolved = true;
        self.tell(Changes { reopened: true, ..Changes::default() });
        Ok(())
    }

    /// How long to wait for something to do.
    fn patience(&self) -> Option<Duration> {
        match &self.broken {
            Some(broken) if self.session.is_none() => Some(broken.wait.saturating_sub(broken.since.elapsed())),
            _ if self.unresolved && !self.stalled => Some(Duration::ZERO),
            _ => (self.unresolved || !self.told.is_empty()).then_some(TIDY_AFTER),
        }
    }

    /// Carries a group out and answers it.
    async fn group(&mut self, mut group: Vec<Box<dyn Operation>>) {
        let ended = self.transact(&mut group).await;
        self.stalled = ended.is_err();
        match ended {
            Ok(()) => self.answer(group, &End::Durable),
            Err(fault @ Fault::Unknown(_)) => {
                self.break_off(&fault);
                self.settle().await;
                self.answer(group, &End::Unknown);
            }
            Err(fault) if fault.breaks() => {
                let reason = self.break_off(&fault);
                self.answer(group, &End::Undone(reason));
            }
            Err(fault) if group.len() <= 1 => self.answer(group, &End::Undone(fault.error())),
            // One of them is too much; the others need not suffer for it.
            Err(_) => {
                for one in group {
                    if self.session.is_some() {
                        Box::pin(self.group(vec![one])).await;
                    } else {
                        self.refuse(vec![one]);
                    }
                }
            }
        }
    }

    /// One transaction, made durable, and told. It is done again as long as another host is in the way.
    async fn transact(&mut self, group: &mut [Box<dyn Operation>]) -> Result<(), Fault> {
        let mut again = 0;
        let done = loop {
            let Some(session) = &self.session else { return Err(Fault::Gone("there is no connection".to_owned())) };
            let left = if self.unresolved { write::UNASKED } else { &[] };
            let mut unasked: Vec<Unasked> = left.iter().map(|verb| Unasked(*verb)).collect();
            let mut all: Vec<&mut dyn Operation> =
                group.iter_mut().map(|one| &mut **one as &mut dyn Operation).collect();
            all.extend(unasked.iter_mut().map(|one| one as &mut dyn Operation));
            let done = Group::new(session, &self.shared, self.shared.host(), self.told.clone())
                .transact(&mut all, self.feed)
                .await;
            match done {
                Ok(done) => break done,
                Err(fault) if fault.breaks() => return Err(fault),
                Err(fault) => {
                    session.rollback().await?;
                    again += 1;
                    if again >= AGAIN_MAX || !matches!(fault, Fault::Again(_) | Fault::Dead) {
                        return Err(fault);
                    }
                    if matches!(fault, Fault::Dead) {
                        self.rise().await?;
                        continue;
                    }
                    // Two that meet must not meet again.
                    let pause = fastrand::u64(1..=AGAIN_PAUSE_MS * u64::from(again));
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            }
        };
        // Only now is it known to work again.
        self.broken = None;
        if done.told {
            self.feed += 1;
            self.shared.bells.ring();
        }
        self.told = done.effects.outbox.clone();
        self.unresolved = done.effects.unresolved;
        let changes = done.effects.into_changes(&self.shared.names.read());
        self.tell(changes);
        Ok(())
    }

    fn tell(&self, changes: Changes) {
        watch::tell(&*self.observer, changes);
    }

    fn answer(&self, group: Vec<Box<dyn Operation>>, end: &End) {
        let more: Vec<_> = group.into_iter().filter_map(|operation| operation.answer(end)).collect();
        if !more.is_empty() {
            self.shared.queue.put_back(more);
        }
    }

    fn refuse(&self, group: Vec<Box<dyn Operation>>) {
        let reason = self.broken.as_ref().map(|broken| broken.reason.clone());
        let reason = reason.unwrap_or_else(|| Error::Unavailable("there is no connection".to_owned()));
        self.answer(group, &End::Undone(reason));
    }

    /// Lets go of the connection.
    fn break_off(&mut self, fault: &Fault) -> Error {
        let reason = Fault::Gone(fault.text().to_owned()).error();
        if self.session.take().is_some() {
            tracing::error!(error = fault.text(), "the store's database is out of reach; it is asked again");
        }
        let wait = self.broken.as_ref().map_or(RETRY_FIRST, |broken| (broken.wait * 2).min(RETRY_MAX));
        self.broken = Some(Broken { since: Instant::now(), wait, reason: reason.clone() });
        reason
    }

    /// Whether there is a connection; makes one, where it is time to.
    async fn mend(&mut self) -> bool {
        if self.session.as_ref().is_some_and(|session| !session.is_closed()) {
            return true;
        }
        if self.session.is_none() && self.broken.as_ref().is_some_and(|broken| broken.since.elapsed() < broken.wait) {
            return false;
        }
        match self.reconnect().await {
            Ok(()) => {
                tracing::info!("the store's database is there again");
                true
            }
            Err(fault) => {
                self.break_off(&fault);
                false
            }
        }
    }

    /// What the lost connection had begun is over when this is.
    async fn reconnect(&mut self) -> Result<(), Fault> {
        let session = Session::connect(&self.shared.target, None).await?;
        let host = self.shared.host();
        let told = match hosts::fence(&session, host).await {
            Ok(next) => {
                self.feed = self.feed.max(number(next));
                left::own(&session, host, &self.told).await?
            }
            Err(Fault::Dead) => {
                self.session = Some(session);
                return self.rise().await;
            }
            Err(fault) => return Err(fault),
        };
        self.session = Some(session);
        self.told.extend(told.rows);
        self.unresolved = true;
        // What ended in the unknown may be there.
        self.tell(Changes { publishes: told.publishes, reopened: true, ..Changes::default() });
        Ok(())
    }

    /// Whoever is told that the end of a commit is not known looks what became of it. The server may still be at it, if it is only the
    /// connection that is lost; then this waits for it. A server that is out of reach is not waited for: it has to come back first.
    async fn settle(&mut self) {
        for _ in 0..AGAIN_MAX {
            match self.reconnect().await {
                Ok(()) => return,
                // It waits for its disk longer than anybody waits for a lock.
                Err(Fault::Again(_)) => {}
                Err(fault) => {
                    self.break_off(&fault);
                    return;
                }
            }
        }
    }
}
