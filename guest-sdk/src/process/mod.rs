//! Processes: a value that has an owner, who handles one message at a time and lives until it stops. What a GenServer is to
//! OTP; its words mean the same here.
//!
//! A kind of processes is a type of this plugin whose functions stand under [`#[skep::process]`](crate::skep::process), or
//! several of them in a module under [`#[skep::processes]`](crate::skep::processes). The type is the state:
//!
//! ```
//! use std::time::Duration;
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, test};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Counter {
//!     count: u64,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! enum Call {
//!     Add(u64),
//!     Get,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! enum Tick {
//!     Decay,
//! }
//!
//! #[skep::process]
//! impl Counter {
//!     fn init(from: u64, ctx: &mut Ctx) -> Result<Self> {
//!         ctx.send_every(Duration::from_secs(60), &Tick::Decay)?;
//!         Ok(Counter { count: from })
//!     }
//!
//!     fn call(&mut self, call: Call) -> u64 {
//!         if let Call::Add(by) = call {
//!             self.count += by;
//!         }
//!         self.count
//!     }
//!
//!     fn timer(&mut self, Tick::Decay: Tick) {
//!         self.count /= 2;
//!     }
//! }
//!
//! fn visit(Path(page): Path<String>) -> Result<String> {
//!     let counter = process::start_or_get::<Counter>(format!("page:{page}"), &0)?;
//!     Ok(counter.call(&Call::Add(1))?.to_string())
//! }
//!
//! let visit = || test::get("/home").capture("page", "home").send(visit);
//! assert_eq!((visit().text(), visit().text()), ("1", "2"));
//! test::advance(Duration::from_secs(60));
//! assert_eq!(process::call::<Counter>("page:home", &Call::Get)?, 1);
//! # Ok::<_, Error>(())
//! ```
//!
//! | you need | use |
//! |---|---|
//! | one under a name, whoever asks first | [`start_or_get::<Counter>(name, &args)?`](start_or_get) |
//! | one that must be new; one without a name | [`start`]; [`new::<Counter>(&args)`](new)[`.start()?`](NewProcess::start) |
//! | an answer | [`call::<Counter>(name, &message)?`](call); [`handle::<Counter>(name)`](handle)[`.timeout(time)`](Handle::timeout)[`.call(&message)?`](Handle::call) |
//! | to tell it something | [`cast`], at least once if it is durable; [`send`], never stored |
//! | the same if and only if data is written | [`store::atomic().send(name, &message)`](crate::store::Atomic::send) |
//! | a process of another plugin | `("shop", "cart:42")` in place of the name; [`Protocol`] says what it understands |
//! | its end | [`stop`]; from inside [`Ctx::stop`] |
//! | to know who is there | [`whereis`], [`list`] |
//! | to answer a call later | [`Ctx::reply_later`] and [`Reply::Later`] |
//! | messages to itself | [`Ctx::send_after`], [`Ctx::send_every`], [`Ctx::cancel`] |
//! | to hear of the end of others | [`Ctx::monitor`], [`Ctx::link`], [`Ctx::trap_exits`] |
//! | to hear what is published | [`Ctx::subscribe`] |
//! | data, jobs and messages in one commit with its state | [`Ctx::atomic`] |
//! | a state that follows from what happened | [`Ctx::append`] |
//! | not to be awake | [`Ctx::hibernate`]; it happens by itself |
//!
//! # Errors and crashes
//! An error that `call` returns is told to the caller, as [`CallError::Failed`]; one of the other functions is logged. The
//! process goes on, and so does its state: what was changed before the error stays changed. A panic is a crash, as running out
//! of fuel, time or memory is: the message in hand is lost, its caller gets [`CallError::Crashed`], and the process is
//! started again from what its persistence kept. Say what must not be lost in the manifest: `persistence = "durable"`.
//!
//! # Values
//! are JSON: arguments, messages, answers, events and the state. Messages may come from plugins in other languages; those in a
//! mailbox, in a timer and in an event log, and the state, outlive the revision that wrote them; and operators look at them.
//! So a field that a later revision adds needs `#[serde(default)]` and nothing else, and one that it renames an `alias`.
//! A change that JSON does not bear raises the version, and `migrate` reads what the earlier one has saved: see [`Saved`].
//!
//! `#[skep::process(state = "postcard")]` saves the state in [postcard](https://docs.rs/postcard)'s format: fewer bytes,
//! for many processes or large states. It names no fields, so *every* change of the shape is a new version, one
//! that is forgotten reads wrong values, and operators see bytes.
//!
//! # Tests
//! In native tests processes live in memory, in the thread of the test. A call runs at once; what is cast, sent and published
//! is handled when the function that the test called returns; timers fire as [`test::advance`](crate::test::advance) brings
//! their time. [`test::process`](crate::test::process) looks into one, puts it to sleep or lets it crash,
//! [`test::sleeping`](crate::test::sleeping) makes one that an earlier version has saved, and
//! [`test::process_kind`](crate::test::process_kind) says what the manifest would. What a process commits is in the
//! [`store`](mod@crate::store), as ever.

pub(crate) mod answer;
mod behaviour;
mod ctx;
mod end;
mod error;
pub(crate) mod export;
pub(crate) mod handle;
#[cfg(target_arch = "wasm32")]
pub(crate) mod instance;
mod list;
pub(crate) mod saved;
mod start;
mod target;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::__private::bindings::imports::skep::plugin::process as host;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::double::processes as host;

pub use answer::{Answer, Reply, ReplyTo};
pub use behaviour::{Begun, EventLog, Handled, Process, Protocol, State, Unhandled, Untyped};
pub use ctx::{Ctx, Timer};
pub use end::{Down, Exit, Monitor, Reason};
pub use error::{CallError, StartError};
pub use handle::{Handle, call, cast, handle, send, stop};
pub use list::{Listed, Page, Processes, current, list, page, whereis};
pub use saved::{Format, FromSaved, Saved};
pub use start::{NewProcess, Started, new, start, start_or_get};
pub use target::{Pid, Target};

#[cfg(test)]
mod tests;
