//! The port to guests: what a process does. The host's runtime implements it over wasm, tests over plain Rust.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use skep_store::{Check, NewJob, Outgoing, Write};

use crate::address::Pid;
use crate::reason::{Crash, Reason};

/// Work of a behaviour on its way. It may be dropped at any await: a process can be killed in the middle of a message.
pub type Working<'a, T> = Pin<Box<dyn Future<Output = Result<T, Crash>> + Send + 'a>>;

/// What all processes of a kind do, in one revision of their plugin.
///
/// The engine does not trust it. A panic is caught and counts as a crash. Its own deadline should end work that takes too
/// long; what still runs after twice [`KindOptions::deadline`](crate::KindOptions::deadline) is dropped by the engine. One
/// thing it must not do is to spin without an await: only its own fuel stops that.
pub trait Behaviour: Send + Sync + 'static {
    /// Of what [`Instance::save`] returns.
    fn version(&self) -> u32;

    /// Whether `save` and `load` work. A process that cannot be saved does not sleep, is not kept, and is restarted by an
    /// upgrade.
    fn saves(&self) -> bool;

    /// Whether `replay` works.
    fn replays(&self) -> bool {
        false
    }

    /// A new process. Its fault [`Returned`](crate::Fault::Returned) carries what the guest said.
    fn init(&self, birth: Birth) -> Working<'_, Begun>;

    /// A process that goes on from what was saved, by this or another version.
    fn load(&self, me: Identity, saved: Saved) -> Working<'_, Box<dyn Instance>>;
}

/// One process at work: in the runtime, a live wasm instance. One of its functions runs at a time. After a crash, or when work
/// of it was dropped before its end, it is dropped too.
pub trait Instance: Send {
    /// Handles one message.
    fn handle(&mut self, event: Event) -> Working<'_, Turn>;

    /// The whole state.
    fn save(&mut self) -> Working<'_, Bytes>;

    /// What happened since `init` or `load`, in order; in pages.
    fn replay(&mut self, events: Vec<Bytes>) -> Working<'_, ()>;

    /// The last call of a process that stops in order.
    fn terminate(&mut self, reason: Reason) -> Working<'_, ()>;

    /// The process sleeps: its state was saved, and it will be loaded by whichever instance is there when it wakes. An instance
    /// that may serve several processes, one after the other, can be kept for the next one.
    fn rest(self: Box<Self>) {}

    /// The memory that it holds now, in bytes, for operators.
    fn memory(&self) -> u64 {
        0
    }
}

/// Who a process is. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its pid.
    pub pid: Pid,
    /// Its name.
    pub name: Option<Arc<str>>,
}

/// A process that is to begin.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Who it is.
    pub me: Identity,
    /// What it was started with; the same after each restart.
    pub args: Bytes,
}

/// A process that has begun.
pub struct Begun {
    /// The process.
    pub instance: Box<dyn Instance>,
    /// What its `init` said. A reply is ignored.
    pub turn: Turn,
}

/// What was saved of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The [`Behaviour::version`] that saved it.
    pub version: u32,
    /// What its `save` returned.
    pub state: Bytes,
}

/// A message as a process gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody waits for an answer.
    Call {
        /// For an answer that comes later.
        from: CallRef,
        /// The message.
        message: Bytes,
    },
    /// Nobody waits.
    Cast(Bytes),
    /// Nobody minds if it gets lost.
    Info(Bytes),
    /// A timer of its own.
    Timer {
        /// Which.
        id: TimerId,
        /// The message that was set with it.
        message: Bytes,
    },
    /// A topic that it subscribed to.
    Published(Published),
    /// A process that it monitored has ended for good.
    Down {
        /// Which monitor.
        monitor: MonitorRef,
        /// Who ended.
        pid: Pid,
        /// Why.
        reason: Reason,
    },
    /// A process that it is linked to has ended for good, and it traps exits.
    Exit {
        /// Who ended.
        pid: Pid,
        /// Why.
        reason: Reason,
    },
}

/// A call that waits for its answer. Unique among the calls of a host, so one that comes too late meets nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallRef(pub u64);

/// A timer of a process, unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u64);

/// A monitor of a process, unique within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonitorRef(pub u64);

/// A message of a topic. Cheap to clone: it goes to many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it was published.
    pub topic: Arc<str>,
    /// Its number, if the topic keeps messages.
    pub id: Option<u64>,
    /// What happened.
    pub event: Option<Arc<str>>,
    /// What it says.
    pub data: Bytes,
}

/// What came of a message.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// What follows.
    pub next: Next,
    /// What is to be committed together with the state. Only for the persistence durable and event-log: elsewhere it is
    /// an error of the runtime to let a guest stage, and the process crashes.
    pub staged: Option<Box<Staged>>,
    /// What happened, for the persistence event-log; elsewhere as for `staged`.
    pub events: Vec<Bytes>,
}

impl Turn {
    /// Nothing but this follows.
    #[must_use]
    pub const fn new(next: Next) -> Self {
        Self { next, staged: None, events: Vec::new() }
    }

    /// An answer.
    #[must_use]
    pub fn reply(value: impl Into<Bytes>) -> Self {
        Self::new(Next::Reply(Ok(value.into())))
    }
}

/// The answer to a call; or that the message failed, after which the process goes on. Whoever called is told so, and of what is no
/// call the observer.
pub type Answered = Result<Bytes, String>;

/// What follows a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// Nothing, or an answer that comes later.
    #[default]
    NoReply,
    /// The answer.
    Reply(Answered),
    /// It ends.
    Stop {
        /// Why.
        reason: Reason,
        /// The answer, if there is one.
        reply: Option<Answered>,
    },
    /// There will be nothing to do for a while.
    Hibernate(Option<Answered>),
}

/// What a message leaves to be committed: parts of a [`skep_store::Commit`].
#[derive(Clone, Debug, Default)]
pub struct Staged {
    /// All have to hold, else nothing of the turn is kept.
    pub checks: Vec<Check>,
    /// In their order.
    pub writes: Vec<Write>,
    /// In their order.
    pub jobs: Vec<NewJob>,
    /// In their order.
    pub messages: Vec<Outgoing>,
}
