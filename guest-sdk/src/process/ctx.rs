//! The process itself, while it handles a message.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{Deserialize, Serialize};

use super::{EventLog, Handle, Monitor, Pid, Process, Reason, ReplyTo, Target, host};
use crate::{
    Error, Result,
    capability::refused,
    clock::millis,
    codec, presence,
    presence::Owner,
    store::{Atomic, Staged},
};

/// The process itself, while it handles a message: the last argument of its functions, `ctx: &mut Ctx`, for those that want
/// it.
///
/// In the `impl` under `#[skep::process]`, `Ctx` is short for `Ctx<Self>`; elsewhere, as in a function beside it, it is
/// `Ctx<Counter>`.
pub struct Ctx<P: Process> {
    kind: String,
    pid: Pid,
    name: Option<String>,
    /// What is in hand.
    call: Option<u64>,
    timer: Option<Timer>,
    /// Whether somebody took the call.
    pub(super) is_later: bool,
    pub(super) stop: Option<Reason>,
    pub(super) hibernate: bool,
    of: PhantomData<fn() -> P>,
}

/// A timer that runs, from [`Ctx::send_after`] or [`Ctx::send_every`]. It may be kept in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timer(pub u64);

impl<P: Process> Ctx<P> {
    pub(super) fn new(kind: String, pid: String, name: Option<String>) -> Self {
        Self {
            kind,
            pid: Pid::new(pid),
            name,
            call: None,
            timer: None,
            is_later: false,
            stop: None,
            hibernate: false,
            of: PhantomData,
        }
    }

    /// The next message is in hand.
    pub(super) fn turn(&mut self, call: Option<u64>, timer: Option<u64>) {
        self.call = call;
        self.timer = timer.map(Timer);
        self.is_later = false;
    }

    /// Names this process for as long as it lives.
    #[must_use]
    pub fn pid(&self) -> &Pid {
        &self.pid
    }

    /// The name that it was started under, if any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Which of the plugin's kinds it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// This process as others see it, to be sent to them.
    #[must_use]
    pub fn handle(&self) -> Handle<P> {
        Target::from(&self.pid).into()
    }

    /// Takes the caller, who is answered later: by a message that comes, by another process. Return
    /// [`Reply::Later`](super::Reply::Later) then. The caller waits until its time is over, 5 s unless it says otherwise.
    ///
    /// # Panics
    /// In what is no call: nobody waits there.
    #[track_caller]
    pub fn reply_later(&mut self) -> ReplyTo<P::Reply> {
        let call = self.call.expect("`reply_later` is for `call`: nobody waits for an answer here");
        self.is_later = true;
        ReplyTo::new(call)
    }

    /// Ends this process when the message is handled, and after its answer: for the reason `"normal"`, `"shutdown"`, or any
    /// other, which is a crash to those that are linked to it. What a durable process kept is deleted.
    pub fn stop(&mut self, reason: impl Into<Reason>) {
        self.stop = Some(reason.into());
    }

    /// Puts this process to sleep when the message is handled, without waiting until it was idle for a while. The next
    /// message wakes it.
    pub fn hibernate(&mut self) {
        self.hibernate = true;
    }

    /// Sends itself a message, once, which `timer` handles. Timers outlive sleep, crashes and upgrades, and restarts of the
    /// host where the state does.
    ///
    /// # Errors
    /// [`Full`](crate::CapabilityError::Full) if it has too many; also when the message does not encode.
    pub fn send_after(&mut self, delay: Duration, message: &P::Timer) -> Result<Timer> {
        self.time(message, |message| host::send_after(message, millis(delay)))
    }

    /// Sends itself a message again and again, each time that the interval (at least 1 ms) is over. One that is not handled
    /// yet is not sent once more.
    ///
    /// # Errors
    /// As [`send_after`](Self::send_after).
    pub fn send_every(&mut self, interval: Duration, message: &P::Timer) -> Result<Timer> {
        self.time(message, |message| host::send_every(message, millis(interval)))
    }

    fn time(
        &self,
        message: &P::Timer,
        send: impl FnOnce(&[u8]) -> Result<u64, crate::__private::bindings::imports::skep::plugin::types::Error>,
    ) -> Result<Timer> {
        let doing = || format!("setting a timer of the process `{}`", self.pid);
        let message = codec::to_json(message).map_err(|error| Error::from(error).context(doing()))?;
        send(&message).map(Timer).map_err(|error| refused(error, doing()))
    }

    /// Takes a timer back, and its message out of the mailbox. Returns whether it was there.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn cancel(&mut self, timer: Timer) -> Result<bool> {
        host::cancel_timer(timer.0).map_err(|error| self.refused(error, "cancelling a timer"))
    }

    /// Which timer sent the message in hand, in `timer`.
    #[must_use]
    pub fn timer(&self) -> Option<Timer> {
        self.timer
    }

    /// Has `down` told when a process has ended for good: once, and at once if it is not there. One that crashed and is
    /// restarted has not ended.
    ///
    /// # Errors
    /// [`Full`](crate::CapabilityError::Full) if it has too many, [`Denied`](crate::CapabilityError::Denied) for another
    /// plugin's process that the manifest does not grant.
    pub fn monitor(&mut self, process: impl Into<Target>) -> Result<Monitor> {
        let target = process.into();
        let monitor = host::monitor(&target.to_wit());
        monitor.map(Monitor).map_err(|error| self.refused(error, &format!("monitoring `{target}`")))
    }

    /// No `down` comes after it.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn demonitor(&mut self, monitor: Monitor) -> Result<()> {
        host::demonitor(monitor.0).map_err(|error| self.refused(error, "ending a monitor"))
    }

    /// From now on the crash that ends one of both for good ends the other, for the same reason.
    ///
    /// # Errors
    /// [`NotFound`](crate::CapabilityError::NotFound) if it is not there; otherwise as [`monitor`](Self::monitor).
    pub fn link(&mut self, process: impl Into<Target>) -> Result<()> {
        let target = process.into();
        host::link(&target.to_wit()).map_err(|error| self.refused(error, &format!("linking to `{target}`")))
    }

    /// They no longer end together.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn unlink(&mut self, process: impl Into<Target>) -> Result<()> {
        let target = process.into();
        host::unlink(&target.to_wit()).map_err(|error| self.refused(error, &format!("unlinking from `{target}`")))
    }

    /// Whether the end of a process that it is linked to comes to `exit` instead of ending this one.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn trap_exits(&mut self, trap: bool) -> Result<()> {
        host::trap_exits(trap).map_err(|error| self.refused(error, "trapping exits"))
    }

    /// Has `published` told what is published on a topic, `"orders:42"`, or on all that begin so, `"orders:*"`.
    ///
    /// # Errors
    /// [`Denied`](crate::CapabilityError::Denied) if the manifest does not grant it,
    /// [`Full`](crate::CapabilityError::Full), [`Invalid`](crate::CapabilityError::Invalid) for what is no topic.
    pub fn subscribe(&mut self, topic: &str) -> Result<()> {
        host::subscribe(topic).map_err(|error| self.refused(error, &format!("subscribing to `{topic}`")))
    }

    /// No more of that topic, written as it was in [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    /// When the host refuses.
    pub fn unsubscribe(&mut self, topic: &str) -> Result<()> {
        host::unsubscribe(topic).map_err(|error| self.refused(error, &format!("unsubscribing from `{topic}`")))
    }

    /// A commit in the making that [`stage`](Atomic::stage) puts into that of this message: data, jobs and messages leave
    /// together with the state, before the answer does, or not at all. For processes that the manifest makes `durable` or
    /// `event-log`.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// use skep_sdk::{prelude::*, test};
    ///
    /// # #[skep::job] fn receipt(cart: String) -> JobResult { Ok(()) }
    /// # #[derive(Serialize, Deserialize)] struct Cart { paid: bool }
    /// #[skep::process]
    /// impl Cart {
    /// #   fn init() -> Self { Cart { paid: false } }
    ///     fn call(&mut self, order: String, ctx: &mut Ctx) -> Result<()> {
    ///         self.paid = true;
    ///         ctx.atomic()
    ///             .check_absent(format!("order:{order}"))             // or the caller gets `Conflict`, and nothing happened
    ///             .set(format!("order:{order}"), &"paid")
    ///             .enqueue(receipt::job(&order))
    ///             .stage()
    ///     }
    /// }
    ///
    /// test::process_kind::<Cart>().durable();
    /// let cart = process::start::<Cart>("cart:42", &())?;
    /// cart.call(&"7".to_owned())?;
    /// assert_eq!(store::get::<String>("order:7")?.as_deref(), Some("paid"));
    /// assert_eq!(test::jobs().len(), 1);
    /// assert!(matches!(cart.call(&"7".to_owned()), Err(process::CallError::Conflict(_))));
    /// # Ok::<_, Error>(())
    /// ```
    #[allow(clippy::unused_self, reason = "it says whose commit it is")]
    pub fn atomic(&mut self) -> Atomic<Staged> {
        Atomic::default()
    }

    /// Says that something happened: records it, to be committed before the answer leaves and replayed at the next start,
    /// and applies it to the state. For processes that the manifest makes `event-log`.
    ///
    /// ```
    /// use serde::{Deserialize, Serialize};
    /// use skep_sdk::{prelude::*, test};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// enum Event {
    ///     Moved(String),
    /// }
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Game {
    ///     moves: Vec<String>,
    /// }
    ///
    /// #[skep::process]
    /// impl Game {
    ///     fn init() -> Self {
    ///         Game { moves: Vec::new() }
    ///     }
    ///
    ///     fn call(&mut self, mov: String, ctx: &mut Ctx) -> Result<usize> {
    ///         if self.moves.contains(&mov) {
    ///             return Err("that was played".into());       // refused: nothing happened
    ///         }
    ///         ctx.append(self, Event::Moved(mov))?;
    ///         Ok(self.moves.len())
    ///     }
    ///
    ///     fn apply(&mut self, event: Event) {
    ///         let Event::Moved(mov) = event;
    ///         self.moves.push(mov);
    ///     }
    /// }
    ///
    /// let game = process::start::<Game>("game:1", &())?;
    /// game.call(&"e4".to_owned())?;
    /// test::process(&game).crash("power cut");
    /// assert_eq!(game.call(&"e5".to_owned())?, 2);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// When the event does not encode, or the host refuses; then it is not applied.
    pub fn append(&mut self, state: &mut P, event: P::Event) -> Result<()>
    where
        P: EventLog,
    {
        let data = codec::to_json(&event).map_err(|error| Error::from(error).context("writing an event"))?;
        host::append(&[data]).map_err(|error| self.refused(error, "appending an event"))?;
        state.on_event(event);
        Ok(())
    }

    /// This process as an owner of presences: what is tracked with it goes when it ends.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner::from(&self.pid)
    }

    /// Says in a topic that a key is there, for as long as this process is. Returns the reference that names this presence in
    /// diffs.
    ///
    /// # Errors
    /// As [`presence::track`].
    pub fn track<T: Serialize + ?Sized>(&mut self, topic: &str, key: &str, data: &T) -> Result<String> {
        presence::track(&self.owner(), topic, key, data)
    }

    fn refused(&self, error: crate::__private::bindings::imports::skep::plugin::types::Error, doing: &str) -> Error {
        refused(error, format!("{doing} as the process `{}`", self.pid))
    }
}

impl<P: Process> fmt::Debug for Ctx<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, pid, name, call, timer, .. } = self;
        f.debug_struct("Ctx")
            .field("kind", kind)
            .field("pid", pid)
            .field("name", name)
            .field("call", call)
            .field("timer", timer)
            .finish_non_exhaustive()
    }
}
