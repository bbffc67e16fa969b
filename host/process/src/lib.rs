//! The engine of stateful processes: what a GenServer is to OTP, for guests of a host, without knowing what a guest is.
//!
//! | module | holds |
//! |---|---|
//! | [`service`] | the handle: kinds come and go, processes are started, called, watched, stopped |
//! | [`address`], [`reason`], [`error`] | who a process is; why it ended; every way to be refused |
//! | [`behaviour`] | the port to guests: what a process does, and what follows a message |
//! | [`keeper`] | the port to the store: what survives the host; [`StoreKeeper`] is it over `skep-store` |
//! | [`topics`], [`observe`] | the port to pubsub; who is told of what happens |
//! | [`options`] | what the host says; what a plugin says of a kind |
//! | [`view`] | what operators see |
//! | `cell`, `rare`, `letter` | a process in memory: what a million need, what few do, what waits for them |
//! | `registry`, `kind`, `core` | who is there, what its plugin says of it, what all parts share |
//! | `turn` | a process at work: one message after the other, crashes, ends, sleep, commits, upgrades |
//! | `call`, `start`, `lookup`, `own`, `signals` | what callers ask for, and what processes do for themselves and to each other |
//! | `driver`, `alarms`, `places`, `sweep`, `close` | what is due, who may live, who moves to a new revision, the end of a host |
//! | `extra`, `budget`, `operate`, `retry`, `time` | timers and the like as bytes; restarts; views; how long to wait, by which clock |
//!
//! # How a process works
//! It is a cell, not a task. A message goes into its mailbox, and where no turn of it is under way one is spawned, which takes
//! the instance along and works until there is nothing to do; after 64 messages others have their turn. So what has nothing to
//! do costs memory only: an instance while it lives, its state while it sleeps, a few hundred bytes while it is in the store.
//!
//! # What is never so
//! - Two turns of one process: the stage `Working` is taken under the cell's lock, and given back by a drop guard.
//! - A lock over an await, a behaviour or an observer, or two cells locked at once.
//! - A `down` twice, or never: the end takes the watchers out of the cell, and the watcher's own entry takes one `down`.
//! - An answer of a durable or event-log process that leaves before its commit. What nobody knows the outcome of is looked up:
//!   each commit counts, so the record says whether it was the last one, and one who lost a process is refused by the count.
//!
//! # Bounds
//! [`Limits`] and [`KindOptions`] name them all, and what happens beyond; [`Processes`] says so of mailboxes.
//!
//! Nothing here knows wasm, HTTP or a manifest. Time comes from the injected [`Clock`](skep_types::Clock).

pub mod address;
mod alarms;
pub mod behaviour;
mod budget;
mod call;
mod cell;
mod close;
mod core;
mod driver;
pub mod error;
mod extra;
mod hear;
pub mod keeper;
mod kind;
mod letter;
mod lookup;
pub mod observe;
mod operate;
pub mod options;
mod own;
mod places;
mod rare;
pub mod reason;
mod registry;
mod retry;
pub mod service;
mod signals;
mod start;
mod store_keeper;
mod sweep;
mod time;
pub mod topics;
mod turn;
pub mod view;

pub use address::{InvalidAddress, Number, Pid, Target, check_kind, check_name};
pub use behaviour::{
    Answered, Begun, Behaviour, Birth, CallRef, Event, Identity, Instance, MonitorRef, Next, Published, Saved, Staged,
    TimerId, Turn, Working,
};
pub use error::{Error, Failure, StartFailure};
pub use keeper::{
    Change, CommitFailure, Due, DueCursor, DuePage, Keeper, Keeping, KeptName, Mail, MailId, MailPage, MailPlace,
    MailTo, NewMail, Record, Same, TurnCommit,
};
pub use observe::{Happened, ProcessObserver};
pub use options::{KindOptions, Limits, Options, Persistence};
pub use reason::{Crash, Fault, Reason};
pub use service::{Listed, Page, Processes, Spec, Started};
pub use store_keeper::StoreKeeper;
pub use topics::Topics;
pub use view::{Filter, Inspection, KindCounts, ProcessState, ProcessView, Sort, Totals, ViewPage};
