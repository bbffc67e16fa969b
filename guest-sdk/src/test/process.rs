//! Processes in native tests.

use std::{fmt, marker::PhantomData, time::SystemTime};

use serde::Serialize;

use super::good;
use crate::{
    clock, codec,
    double::processes::{self as double, Persistence},
    process::{
        CallError, EventLog, Handle, Pid, Process, Protocol, StartError, Target,
        handle::{decode, failed},
        saved,
    },
};

/// Says of a kind of processes what the manifest would. By default nothing is kept of it (of one with `apply`, its events are),
/// it is restarted after a crash, and there may be any number.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use skep_sdk::{prelude::*, test};
/// # #[derive(Serialize, Deserialize)] struct Counter(u64);
/// # #[skep::process]
/// # impl Counter {
/// #     fn init() -> Self { Counter(0) }
/// #     fn call(&mut self, by: u64) -> u64 { self.0 += by; self.0 }
/// # }
/// test::process_kind::<Counter>().durable().max(1);
/// let counter = process::start::<Counter>("hive:7", &())?;
/// counter.call(&2)?;
/// test::process(&counter).crash("power cut");
/// assert_eq!(counter.call(&3)?, 5);
/// assert!(process::start::<Counter>("hive:8", &()).is_err());
/// # Ok::<_, Error>(())
/// ```
pub fn process_kind<P: Process>() -> TestKind<P> {
    double::register::<P>();
    TestKind { of: PhantomData }
}

/// A kind of processes in the test, from [`process_kind`].
pub struct TestKind<P> {
    of: PhantomData<fn() -> P>,
}

#[allow(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "each of them does what it says; the chain may end anywhere"
)]
impl<P: Process> TestKind<P> {
    /// Nothing is kept: after a crash `init` runs again.
    pub fn in_memory(self) -> Self {
        self.with(|kind| kind.persistence = Persistence::None)
    }

    /// The state is kept a little later; in tests, after each message.
    pub fn snapshot(self) -> Self {
        self.with(|kind| kind.persistence = Persistence::Snapshot)
    }

    /// The state is kept after each message, with what it staged.
    pub fn durable(self) -> Self {
        self.with(|kind| kind.persistence = Persistence::Durable)
    }

    /// A crash ends it for good.
    pub fn temporary(self) -> Self {
        self.with(|kind| kind.restarts = false)
    }

    /// There are so many at most: one more is [`Full`](crate::CapabilityError::Full).
    pub fn max(self, processes: usize) -> Self {
        self.with(|kind| kind.max = processes)
    }

    fn with(self, change: impl FnOnce(&mut double::Kind)) -> Self {
        double::configure::<P>(change);
        self
    }
}

impl<P> fmt::Debug for TestKind<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKind").finish_non_exhaustive()
    }
}

/// Looks into a process.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use skep_sdk::{prelude::*, test};
/// # #[derive(Serialize, Deserialize)] struct Counter { count: u64 }
/// # #[skep::process]
/// # impl Counter {
/// #     fn init() -> Self { Counter { count: 0 } }
/// #     fn call(&mut self, by: u64) -> u64 { self.count += by; self.count }
/// # }
/// let counter = process::start::<Counter>("hive:7", &())?;
/// counter.call(&2)?;
/// let seen = test::process(&counter);
/// assert_eq!(seen.state().count, 2);
/// seen.hibernate();                                   // saved, and read again by the next message
/// assert!(seen.is_asleep());
/// assert_eq!(counter.call(&3)?, 5);
/// # Ok::<_, Error>(())
/// ```
pub fn process<P: Process>(process: impl Into<Handle<P>>) -> TestProcess<P> {
    TestProcess { handle: process.into() }
}

/// A process of the test, from [`process`].
#[derive(Debug)]
pub struct TestProcess<P> {
    handle: Handle<P>,
}

impl<P: Process> TestProcess<P> {
    /// A copy of its state: what it would be after a sleep.
    ///
    /// # Panics
    /// If it is not there, or cannot be saved; as the others that look into it.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> P {
        let (version, state) = self.saved();
        good(saved::read(version, state), "process", &self.handle.to_string())
    }

    /// Its state as it is saved.
    #[must_use]
    #[track_caller]
    pub fn saved_bytes(&self) -> Vec<u8> {
        self.saved().1
    }

    #[track_caller]
    fn saved(&self) -> (u32, Vec<u8>) {
        good(self.there(double::saved(&self.wit())), "process", &self.handle.to_string())
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        double::is_there(&self.wit())
    }

    /// Whether it sleeps.
    #[must_use]
    #[track_caller]
    pub fn is_asleep(&self) -> bool {
        self.there(double::is_asleep(&self.wit()))
    }

    /// Puts it to sleep, as the host does with one that is idle. The next message wakes it.
    #[track_caller]
    pub fn hibernate(&self) {
        good(self.there(double::hibernate(&self.wit())), "process", &self.handle.to_string());
    }

    /// It crashes, between two messages. What becomes of it is what the manifest says: see [`process_kind`].
    #[track_caller]
    pub fn crash(&self, reason: &str) {
        assert!(double::crash(&self.wit(), reason), "there is no process `{}`", self.handle);
    }

    /// When its timers fire next, the first one first.
    #[must_use]
    #[track_caller]
    pub fn timers(&self) -> Vec<SystemTime> {
        self.there(double::timers(&self.wit())).into_iter().map(clock::moment).collect()
    }

    /// All that it appended, the first event first.
    #[must_use]
    #[track_caller]
    pub fn events(&self) -> Vec<P::Event>
    where
        P: EventLog,
    {
        let events = self.there(double::events(&self.wit()));
        let read = |event: Vec<u8>| good(codec::from_json(&event), "event", &String::from_utf8_lossy(&event));
        events.into_iter().map(read).collect()
    }

    fn wit(&self) -> crate::__private::bindings::imports::skep::plugin::types::Target {
        self.handle.target().to_wit()
    }

    #[track_caller]
    fn there<T>(&self, found: Option<T>) -> T {
        found.unwrap_or_else(|| panic!("there is no process `{}`", self.handle))
    }
}

/// A process that sleeps since an earlier version of the plugin has saved it: the next message has it read, and migrated.
/// The state is given as the value that it was then.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use skep_sdk::{prelude::*, test};
/// #[derive(Serialize, Deserialize)]
/// struct Counter {
///     count: u64,
///     #[serde(default)]
///     name: String,                                   // added later: no new version for that
/// }
/// # #[skep::process]
/// # impl Counter {
/// #     fn init() -> Self { Counter { count: 0, name: String::new() } }
/// #     fn call(&mut self, by: u64) -> u64 { self.count += by; self.count }
/// # }
///
/// let counter = test::sleeping::<Counter>("hive:7", 1, &json!({"count": 7}));
/// assert_eq!(counter.call(&1)?, 8);
/// # Ok::<_, Error>(())
/// ```
///
/// # Panics
/// If the value cannot be saved.
#[track_caller]
pub fn sleeping<P: Process>(name: &str, version: u32, state: &(impl Serialize + ?Sized)) -> Handle<P> {
    let state = good(saved::write(P::FORMAT, state), "state of", name);
    Target::Pid(Pid::new(double::put_asleep::<P>(name, version, state))).into()
}

/// Starts a process of another plugin, for code that reaches it as `("shop", "cart:42")`.
///
/// # Errors
/// See [`StartError`].
pub fn start_as<P: Process>(plugin: &str, name: &str, args: &P::Args) -> Result<Handle<P>, StartError> {
    crate::process::new::<P>(args).name(name).begin(|spec| double::start_as(plugin, spec)).map(|started| started.handle)
}

/// Calls a process without waiting for the answer, for one that comes later.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use skep_sdk::{prelude::*, process::{Reply, ReplyTo}, test};
/// # #[derive(Serialize, Deserialize)] struct Door(Vec<ReplyTo<bool>>);
/// # #[skep::process]
/// # impl Door {
/// #     fn init() -> Self { Door(Vec::new()) }
/// #     fn call(&mut self, ctx: &mut Ctx) -> Reply<bool> { self.0.push(ctx.reply_later()); Reply::Later }
/// #     fn cast(&mut self) -> Result<()> { self.0.drain(..).try_for_each(|reply| reply.send(&true)) }
/// # }
/// let door = process::start::<Door>("door", &())?;
/// let waiting = test::call(&door, &());
/// assert!(waiting.answer().is_none());
/// door.cast(&())?;
/// assert!(waiting.answer().expect("the door is open")?);
/// # Ok::<_, Error>(())
/// ```
pub fn call<P: Protocol>(process: impl Into<Handle<P>>, message: &P::Call) -> TestCall<P> {
    let handle: Handle<P> = process.into();
    let call = handle.encode(message).and_then(|message| {
        double::begin_call(&handle.target().to_wit(), &message).map_err(|failure| failed(handle.target(), failure))
    });
    double::settle();
    TestCall { handle, call }
}

/// A call that waits, from [`call`].
#[derive(Debug)]
pub struct TestCall<P> {
    handle: Handle<P>,
    call: Result<u64, CallError>,
}

impl<P: Protocol> TestCall<P> {
    /// The answer, if it has come; once.
    ///
    /// # Panics
    /// If the call did not reach the process.
    #[must_use]
    #[track_caller]
    pub fn answer(&self) -> Option<Result<P::Reply, CallError>> {
        let call = match &self.call {
            Ok(call) => *call,
            Err(error) => panic!("{error}"),
        };
        let answer = double::taken(call)?.map_err(|failure| failed(self.handle.target(), failure));
        Some(answer.and_then(|answer| decode(self.handle.target(), &answer)))
    }
}
