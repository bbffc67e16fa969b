//! The handle: what a host holds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skep_types::{Clock, PluginName};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::address::{Pid, Target};
use crate::behaviour::{Answered, Behaviour, CallRef, MonitorRef, Published, TimerId};
use crate::cell::Wishes;
use crate::core::Core;
use crate::driver;
use crate::error::{Error, Failure, StartFailure};
use crate::keeper::{Keeper, MailTo};
use crate::letter::Letter;
use crate::observe::Happened;
use crate::options::{KindOptions, Options};
use crate::rare::Watcher;
use crate::reason::Reason;
use crate::view::{Filter, Inspection, KindCounts, Totals, ViewPage};

/// The shortest interval of a timer.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// One of the plugin's kinds.
    pub kind: String,
    /// Its name, see [`check_name`](crate::check_name). None: it is reached by its pid only.
    pub name: Option<String>,
    /// What its `init` gets.
    pub args: Bytes,
    /// Whoever starts it decides what follows a crash: it is not started again in its place but ends, and what is kept of it
    /// stays in the store. For supervisors of the host.
    pub supervised: bool,
}

/// A process that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Who it is.
    pub pid: Pid,
    /// It was there, and nothing was started.
    pub was_there: bool,
}

/// A process with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Arc<str>,
    /// Who it is.
    pub pid: Pid,
}

/// A part of a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of the names' bytes.
    pub processes: Vec<Listed>,
    /// The name behind which the next page begins. None: this is the last one.
    pub cursor: Option<String>,
}

/// The processes of a host. Cheap to clone; dropping it stops nothing.
///
/// Whether the caller may do what it asks for is for the host to check. Functions that take `me` are for a process in one
/// of its own calls, and [`Error::Invalid`] if none of it runs. What such a function does in a turn of a kept process that is
/// not committed, is taken back.
///
/// # What happens when a mailbox is full
/// Calls, casts and sends are refused as full. Messages of topics are dropped and counted. A timer has at most one message in
/// the mailbox, and those, `down` and `exit` always get in: there are at most as many as the process has timers, monitors
/// and links.
#[derive(Clone)]
pub struct Processes(Arc<Core>);

impl Processes {
    /// Starts the engine on the current tokio runtime. It has no kinds yet. Without a keeper no kind may be kept.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no runtime.
    pub fn open(clock: Arc<dyn Clock>, keeper: Option<Arc<dyn Keeper>>, options: Options) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|error| Error::Invalid(error.to_string()))?;
        let core = Arc::new(Core::new(clock, keeper, options, runtime));
        core.chores.spawn(driver::run(Arc::clone(&core)));
        if core.keeper.is_some() {
            core.chores.spawn(driver::look_after_kept(Arc::clone(&core)));
        }
        Ok(Self(core))
    }

    /// A kind comes, or another revision of its behaviour: processes of it move there at their next message, those that live
    /// and have nothing to do in the background, those that sleep when they wake. One that the new revision cannot take goes on
    /// with the old one. The same behaviour again (the same `Arc`) changes the options only; the behaviour before, before
    /// [`settle_upgrade`](Self::settle_upgrade), is a rollback, which restores the states that were saved. Kinds with
    /// processes that gave up or are quarantined try again.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the name of the kind breaks its rules, if options and behaviour contradict each other (kept, but
    /// it does not save; an event log without `replays`), if there is no keeper, or if the persistence of a kind is changed that
    /// has processes.
    pub fn set_kind(
        &self,
        plugin: &PluginName,
        kind: &str,
        options: KindOptions,
        behaviour: Arc<dyn Behaviour>,
    ) -> Result<(), Error> {
        self.0.set_kind(plugin, kind, options, behaviour, false)
    }

    /// As [`set_kind`](Self::set_kind), and surely a rollback: for a host that was started anew in the probation, and knows
    /// the behaviour before only as another object. What is kept from before the upgrade is restored.
    ///
    /// # Errors
    /// As `set_kind`.
    pub fn roll_back_kind(
        &self,
        plugin: &PluginName,
        kind: &str,
        options: KindOptions,
        behaviour: Arc<dyn Behaviour>,
    ) -> Result<(), Error> {
        self.0.set_kind(plugin, kind, options, behaviour, true)
    }

    /// A kind goes: its processes are stopped for good with the reason "shutdown", kept ones leave the memory only.
    pub fn remove_kind(&self, plugin: &PluginName, kind: &str) {
        self.0.remove_kind(plugin, kind);
    }

    /// The probation of the plugin's revision is over: the states from before it are dropped.
    pub fn settle_upgrade(&self, plugin: &PluginName) {
        self.0.settle_upgrade(plugin);
    }

    /// Starts a process and returns when its `init` has, for a kept one when it is kept. Cancelling the wait does not stop it.
    ///
    /// # Errors
    /// See [`StartFailure`].
    pub async fn start(&self, plugin: &PluginName, spec: Spec) -> Result<Started, StartFailure> {
        self.0.start(plugin, spec, false).await
    }

    /// As [`start`](Self::start); one of this name that is there is as good as a new one, whatever its kind. Of many who ask
    /// at once, one starts it, and all wait for its `init`.
    ///
    /// # Errors
    /// See [`StartFailure`]; never `NameTaken`.
    pub async fn start_or_get(&self, plugin: &PluginName, spec: Spec) -> Result<Started, StartFailure> {
        self.0.start(plugin, spec, true).await
    }

    /// Who has this name. None: nobody.
    ///
    /// # Errors
    /// What the store says, of a plugin with kinds that are kept.
    pub async fn whereis(&self, plugin: &PluginName, name: &str) -> Result<Option<Pid>, Error> {
        let target = Target::Name { plugin: plugin.clone(), name: name.to_owned() };
        Ok(self.0.find(&target).await?.map(|cell| cell.pid()))
    }

    /// The plugin's processes with names that begin so, kept ones included, in the order of the names' bytes: those behind
    /// `after`, at most `limit` and 1,000 (0: 1,000).
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(
        &self,
        plugin: &PluginName,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Error> {
        self.0.list(plugin, prefix, after, limit).await
    }

    /// Waits for the answer; without a timeout for [`call_timeout`](Options::call_timeout). `me`: the process that calls, if it
    /// is one. A call that waited in the mailbox until its time was over is skipped; an answer that comes too late is
    /// dropped. Cancelling the wait does not disturb the process.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn call(
        &self,
        me: Option<&Pid>,
        to: &Target,
        message: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Bytes, Failure> {
        self.0.call(me, to, message, timeout.unwrap_or(self.0.options.call_timeout)).await
    }

    /// Returns when the message is in the mailbox, and for a durable or event-log process when it is in the store: then it is
    /// handled at least once.
    ///
    /// # Errors
    /// See [`Failure`]; never a timeout or a conflict.
    pub async fn cast(&self, to: &Target, message: Bytes) -> Result<(), Failure> {
        self.0.cast(to, message).await
    }

    /// As [`cast`](Self::cast), and never stored. It comes as [`Info`](crate::Event::Info).
    ///
    /// # Errors
    /// As `cast`.
    pub async fn send(&self, to: &Target, message: Bytes) -> Result<(), Failure> {
        self.0.check(&message)?;
        let cell = self.0.find(to).await?.ok_or(Failure::NotFound)?;
        self.0.post(&cell, Letter::Info(message))
    }

    /// Lets it handle what is in hand, terminates it (one that sleeps is not woken for that) and waits for that, without a timeout for
    /// [`stop_timeout`](Options::stop_timeout); then it is killed. What waits in its mailbox is not handled. What is kept of it
    /// is deleted. Cancelling the wait changes nothing.
    ///
    /// # Errors
    /// [`Failure::NotFound`]; [`Failure::Other`] if the store does not delete it: then it is there still.
    pub async fn stop(&self, to: &Target, reason: Reason, timeout: Option<Duration>) -> Result<(), Failure> {
        let cell = self.0.find(to).await?.ok_or(Failure::NotFound)?;
        let (done, mut stopped) = oneshot::channel();
        if !self.0.order_stop(&cell, reason, Some(done)) {
            return Err(Failure::NotFound);
        }
        let said = tokio::select! {
            biased;
            said = &mut stopped => said,
            () = self.0.time.sleep(timeout.unwrap_or(self.0.options.stop_timeout)) => {
                self.0.kill(&cell, false);
                stopped.await
            }
        };
        // One who was cut off in the middle of his end has ended.
        said.unwrap_or(Ok(()))
    }

    /// As [`stop`](Self::stop) with the reason "shutdown", but what is kept of it stays in the store, for the next one who asks
    /// for it. Nothing happens if it is not there.
    pub async fn release(&self, to: &Target) {
        let Ok(Some(cell)) = self.0.find(to).await else { return };
        let (done, mut stopped) = oneshot::channel();
        if !self.0.order(&cell, Reason::SHUTDOWN, true, Some(done)) {
            return;
        }
        tokio::select! {
            biased;
            _ = &mut stopped => {}
            () = self.0.time.sleep(self.0.options.stop_timeout) => {
                self.0.kill(&cell, false);
                let _ = stopped.await;
            }
        }
    }

    /// Who it is, if it is there, in memory or in the store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn known(&self, target: &Target) -> Result<Option<Pid>, Error> {
        Ok(self.0.find(target).await?.map(|cell| cell.pid()))
    }

    /// Resolves once, when the process has ended for good, whatever the way; at once with "noproc" if it is not there. For
    /// what of the host lives as long as a process does: supervisors of static ones, presences, locks.
    pub async fn ended(&self, to: &Target) -> Reason {
        let Ok(Some(cell)) = self.0.find(to).await else { return Reason::NOPROC };
        let (waiter, ended) = oneshot::channel();
        if self.0.watch(&cell, Watcher::Host(waiter)).is_err() {
            return Reason::NOPROC;
        }
        ended.await.unwrap_or(Reason::SHUTDOWN)
    }

    /// A message of a topic that the process subscribed to. Never waits, and never wakes what did not subscribe.
    pub fn publish(&self, to: &Pid, message: Published) {
        let core = &self.0;
        let Some(cell) = core.registry.number(to.number) else { return };
        let limit = cell.kind.setup.load().options.mailbox.get();
        let mut state = cell.lock();
        if state.rare.as_ref().is_none_or(|rare| rare.subscriptions.is_empty()) {
            return;
        }
        if state.counted >= limit {
            drop(state);
            return core.tell(&cell, &Happened::PublishedDropped);
        }
        state.push(Letter::Published(Box::new(message)));
        core.kick(&cell, state);
    }

    /// Mail has become due in the store, as a commit said: it is delivered. Never waits.
    pub fn mail_due(&self, plugin: &PluginName, to: &MailTo) {
        let core = &self.0;
        let cell = match to {
            MailTo::Number(number) => core.registry.number(*number),
            MailTo::Name(name) => core.registry.name(plugin, name),
        };
        match cell.filter(|cell| cell.kind.setup.load().options.persistence.commits()) {
            Some(cell) => core.wish(&cell, Wishes::MAIL),
            None => core.mail.notify_one(),
        }
    }

    /// What a durable write changed: mail that is due is delivered, mail that is put off is looked for in time, and where the
    /// store was opened again all is looked at anew. For the store's [`Observer`](skep_store::Observer); never waits. What
    /// the store told before the engine was there is found by the engine's first look.
    pub fn hear(&self, changes: &skep_store::Changes) {
        self.0.hear(changes);
    }

    /// A message to itself, once.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooLarge`], [`Error::Full`].
    pub fn send_after(&self, me: &Pid, message: Bytes, delay: Duration) -> Result<TimerId, Error> {
        self.0.set_timer(me, message, delay, false)
    }

    /// A message to itself, each time that the interval (at least 1 ms) is over. One that is not handled yet is not sent once
    /// more.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooLarge`], [`Error::Full`].
    pub fn send_every(&self, me: &Pid, message: Bytes, interval: Duration) -> Result<TimerId, Error> {
        if interval < INTERVAL_MIN {
            return Err(Error::Invalid("an interval is at least 1 ms".to_owned()));
        }
        self.0.set_timer(me, message, interval, true)
    }

    /// False: it is gone. A message that is in the mailbox already is taken out.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn cancel_timer(&self, me: &Pid, timer: TimerId) -> Result<bool, Error> {
        self.0.cancel_timer(me, timer)
    }

    /// [`Down`](crate::Event::Down) comes once, when that process has ended for good; at once, with "noproc", if it is not there.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Full`]; what the store says.
    pub async fn monitor(&self, me: &Pid, to: &Target) -> Result<MonitorRef, Error> {
        self.0.monitor(me, to).await
    }

    /// No `down` comes after it; one that is in the mailbox is taken out.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn demonitor(&self, me: &Pid, monitor: MonitorRef) -> Result<(), Error> {
        self.0.demonitor(me, monitor)
    }

    /// From now on the crash that ends one of both for good ends the other, for the same reason. One that is not there has
    /// ended with "noproc".
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Full`] of either; what the store says.
    pub async fn link(&self, me: &Pid, to: &Target) -> Result<(), Error> {
        self.0.link(me, to).await
    }

    /// It need not be linked.
    ///
    /// # Errors
    /// [`Error::Invalid`]; what the store says.
    pub async fn unlink(&self, me: &Pid, to: &Target) -> Result<(), Error> {
        self.0.unlink(me, to).await
    }

    /// Whether the end of a process that it is linked to comes as [`Exit`](crate::Event::Exit) instead.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn trap_exits(&self, me: &Pid, trap: bool) -> Result<(), Error> {
        let cell = self.0.at_work(me)?;
        let mut state = cell.lock();
        let rare = state.rare();
        rare.traps_exits = trap;
        rare.changed = true;
        Ok(())
    }

    /// Messages of a topic, or with a trailing `*` of these topics, come as [`Published`](crate::Event::Published). Twice is
    /// once.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Full`]; what [`Topics`](crate::Topics) says.
    pub fn subscribe(&self, me: &Pid, topic: &str) -> Result<(), Error> {
        self.0.subscribe(me, topic)
    }

    /// It need not be subscribed.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn unsubscribe(&self, me: &Pid, topic: &str) -> Result<(), Error> {
        self.0.unsubscribe(me, topic)
    }

    /// Answers a call that was handled without an answer, or says that it failed. Nothing happens if nobody waits for it any more. In a durable or
    /// event-log process the answer leaves when the turn is committed.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooLarge`].
    pub fn reply(&self, me: &Pid, to: CallRef, answer: Answered) -> Result<(), Error> {
        self.0.reply(me, to, answer)
    }

    /// Processes in memory. It looks at all of them: for people, not for programs.
    #[must_use]
    pub fn page(&self, filter: &Filter) -> ViewPage {
        self.0.page(filter)
    }

    /// All about a process that is in memory.
    #[must_use]
    pub fn inspect(&self, pid: &Pid) -> Option<Inspection> {
        self.0.inspect(pid)
    }

    /// Cuts it off in the middle of whatever it does: a crash, after which it is restarted if its kind says so. False: it is
    /// not in memory.
    pub fn kill(&self, pid: &Pid) -> bool {
        self.0.registry.number(pid.number).is_some_and(|cell| self.0.kill(&cell, false))
    }

    /// As [`kill`](Self::kill), and it is started again whatever its kind and its budget say; for one that gave up, backs off
    /// or is quarantined as well. False: it is not in memory.
    pub fn restart(&self, pid: &Pid) -> bool {
        self.0.registry.number(pid.number).is_some_and(|cell| self.0.kill(&cell, true))
    }

    /// How many processes do what.
    #[must_use]
    pub fn counts(&self) -> Vec<KindCounts> {
        self.0.counts()
    }

    /// What the engine holds.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.0.totals()
    }

    /// Looks at the clock at once. For clocks that are set by hand.
    pub fn look(&self) {
        self.0.time.look();
    }

    /// Stops: nothing is taken any more, what is in hand has the [`grace`](Options::grace), then it is cut off; what a snapshot
    /// has not written is written. Kept processes come back with the next host, all others are gone without a word to
    /// whoever monitors them. Cancelling the wait leaves the engine stopping.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
