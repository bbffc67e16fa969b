//! The task that says that this host lives, sees who else does, and hears what the others commit.
//!
//! It has a connection of its own, so that it goes on while the writer waits for a lock. Whoever commits something that
//! concerns others rings their bells (`NOTIFY`) when it is durable; a bell that nobody heard, or that a pooler swallowed, is made up for by
//! looking once in a while.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::fault::Fault;
use super::feed;
use super::hosts::{self, Beat};
use super::news::Cursor;
use super::session::{Bell, Session};
use super::writer::Shared;
use crate::store::{Changes, Observer};

/// How many times a host says that it lives in the time after which it is taken for dead.
const BEATS: u32 = 5;
/// How often what everybody has read is deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(10);

/// What wakes the task up.
#[derive(Default)]
pub(super) struct Bells {
    wake: Notify,
    /// Another host has committed something.
    heard: AtomicBool,
    /// This host has: the others are to hear it.
    ring: AtomicBool,
}

impl Bells {
    /// This host has committed something that concerns others.
    pub(super) fn ring(&self) {
        self.ring.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    fn hear(&self) {
        self.heard.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

/// Another host.
struct Other {
    /// What it said last.
    seen: i64,
    /// Since when it says nothing else, as far as this host could have heard it; or since when it is gone.
    since: Instant,
    gone: bool,
}

/// The task's own.
pub(super) struct Watch {
    shared: Arc<Shared>,
    observer: Arc<dyn Observer>,
    session: Option<Session>,
    /// The number under which the feeds are read.
    host: i64,
    cursor: Cursor,
    others: HashMap<i64, Other>,
    /// When it last said that it lives.
    beaten: Instant,
    looked: Instant,
    pruned: Instant,
}

impl Watch {
    /// Others are heard from here on.
    pub(super) async fn new(shared: Arc<Shared>, observer: Arc<dyn Observer>) -> Result<Self, Fault> {
        let now = Instant::now();
        let host = shared.host();
        let mut watch = Self {
            shared,
            observer,
            session: None,
            host,
            cursor: Cursor::default(),
            others: HashMap::new(),
            beaten: now,
            looked: now,
            pruned: now,
        };
        let session = watch.connect().await?;
        watch.cursor = Cursor::now(&session, host).await?;
        watch.session = Some(session);
        Ok(watch)
    }

    async fn connect(&self) -> Result<Session, Fault> {
        let options = &self.shared.target.options;
        if options.pooled || !options.listen {
            return Session::connect(&self.shared.target, None).await;
        }
        let shared = Arc::clone(&self.shared);
        let bell: Bell = Box::new(move |from| {
            if from.parse() != Ok(shared.host()) {
                shared.bells.hear();
            }
        });
        let session = Session::connect(&self.shared.target, Some(bell)).await?;
        session.say(&format!("LISTEN \"{}\"", self.channel())).await?;
        Ok(session)
    }

    /// A name has 63 bytes.
    fn channel(&self) -> String {
        format!("skep_{}", self.shared.target.options.schema).chars().take(63).collect()
    }

    /// How often it says that it lives.
    fn beat_every(&self) -> Duration {
        self.shared.target.options.host_timeout / BEATS
    }

    /// Works until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let every = self.beat_every().min(self.shared.target.options.poll);
            let rest = every.saturating_sub(self.looked.elapsed().min(self.beaten.elapsed()));
            // A bell that rings while the server is away has to wait.
            if self.session.is_none() || timeout(rest, self.shared.bells.wake.notified()).await.is_err() {
                self.shared.bells.heard.store(true, Ordering::Release);
            }
            // A connection on which nothing comes must not cost this host its life.
            let patience = (self.shared.target.options.host_timeout / 2).min(self.shared.target.options.patience);
            let fault = match timeout(patience, self.round()).await {
                Ok(Ok(())) => continue,
                Ok(Err(fault)) => fault,
                Err(_) => Fault::Gone("the server does not answer".to_owned()),
            };
            tracing::warn!(error = fault.text(), "other hosts cannot be heard; they are asked again");
            self.session = None;
            tokio::time::sleep(self.beat_every()).await;
        }
    }

    async fn round(&mut self) -> Result<(), Fault> {
        let session = match self.session.take() {
            Some(session) if !session.is_closed() => session,
            _ => self.connect().await?,
        };
        // Not kept if this fails, or is dropped.
        self.ring(&session).await?;
        if self.beaten.elapsed() >= self.beat_every() {
            self.beat(&session).await?;
        }
        if self.shared.bells.heard.swap(false, Ordering::AcqRel) {
            self.look(&session).await?;
        }
        if self.pruned.elapsed() >= PRUNE_EVERY {
            feed::prune(&session, self.host).await?;
            self.pruned = Instant::now();
        }
        self.session = Some(session);
        Ok(())
    }

    /// Lets the others hear that there is something to read.
    async fn ring(&self, session: &Session) -> Result<(), Fault> {
        if !self.shared.bells.ring.swap(false, Ordering::AcqRel) || !self.shared.target.options.listen {
            return Ok(());
        }
        session.say(&format!("NOTIFY \"{}\", '{}'", self.channel(), self.shared.host())).await
    }

    async fn beat(&mut self, session: &Session) -> Result<(), Fault> {
        let host = self.shared.host();
        let Beat { lives, others, orphans } = hosts::beat(session, host).await?;
        if !lives || orphans {
            // The writer finds out which of the two, and does what is to be done.
            self.shared.nudge();
        }
        let now = Instant::now();
        // Whoever did not listen all the while has not heard that somebody said nothing.
        let deaf = now.duration_since(self.beaten) > self.beat_every() * 2;
        self.beaten = now;
        self.mark(&others, deaf, now);
        let timeout = self.shared.target.options.host_timeout;
        let silent = |other: &Other| !other.gone && now.duration_since(other.since) >= timeout;
        let dead: Vec<(i64, i64)> =
            self.others.iter().filter(|(_, other)| silent(other)).map(|(id, other)| (*id, other.seen)).collect();
        if dead.is_empty() || !lives {
            return Ok(());
        }
        let buried = hosts::bury(session, &dead).await?;
        for host in &buried {
            tracing::warn!(host, "another host says nothing any more: what it had is taken over");
        }
        if !buried.is_empty() {
            self.shared.nudge();
        }
        Ok(())
    }

    /// Writes down who said what.
    fn mark(&mut self, found: &[(i64, i64)], deaf: bool, now: Instant) {
        for (id, seen) in found {
            let other = self.others.entry(*id).or_insert(Other { seen: *seen, since: now, gone: false });
            if deaf || other.seen != *seen {
                other.seen = *seen;
                other.since = now;
            }
        }
        let mut some_left = false;
        for (id, other) in &mut self.others {
            if !other.gone && !found.iter().any(|(found, _)| found == id) {
                other.gone = true;
                other.since = now;
                some_left = true;
            }
        }
        if some_left {
            // What was left to it is anybody's.
            self.tell(Changes { mail_due: Some(0), ..Changes::default() });
            // So is what it had not done to its end.
            self.shared.nudge();
        }
        // What a host that is gone has left in its feed is read for as long as it is there.
        let cursor = &mut self.cursor;
        self.others.retain(|id, other| {
            let keep = !other.gone || now.duration_since(other.since) < feed::KEEP;
            if !keep {
                cursor.forget(*id);
            }
            keep
        });
    }

    /// Reads what the others did, and tells it.
    async fn look(&mut self, session: &Session) -> Result<(), Fault> {
        let (host, names) = (self.shared.host(), &self.shared.names);
        if host != self.host || self.looked.elapsed() > feed::KEEP / 2 {
            // Too much of what was there may be gone; and what this one did under another number is no news.
            self.cursor = Cursor::now(session, host).await?;
            self.host = host;
            self.tell(Changes { reopened: true, ..Changes::default() });
        }
        let now = Instant::now();
        loop {
            let news = self.cursor.read(session, names, host).await?;
            self.tell(news.changes);
            if !news.more {
                break;
            }
        }
        self.looked = now;
        Ok(())
    }

    fn tell(&self, changes: Changes) {
        tell(&*self.observer, changes);
    }
}

/// Tells the observer, if there is anything to tell.
pub(super) fn tell(observer: &dyn Observer, changes: Changes) {
    if changes.is_empty() {
        return;
    }
    if catch_unwind(AssertUnwindSafe(|| observer.changed(changes))).is_err() {
        tracing::error!("the store's observer panicked; what it was told is lost");
    }
}
