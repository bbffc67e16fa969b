//! The durable store: key-value data, jobs, processes, and messages on their way, committed together.
//!
//! | module | holds |
//! |---|---|
//! | [`store`], [`process_store`] | the port: what a backend does, and what it tells |
//! | [`commit`] | what is written all or nothing |
//! | [`area`] | keys that a plugin writes, and keys that the host keeps for it |
//! | [`item`] | key-value data as it is read |
//! | [`job`] | jobs as they are kept, leased and settled |
//! | [`caps`] | what leases of a queue keep to over all hosts |
//! | [`process`] | processes as they are kept, and what their turns leave |
//! | [`mail`] | messages to processes, until they are handled; what is due |
//! | [`error`] | every way to be refused |
//! | [`limits`] | what every backend bounds |
//! | `check`, `queue`, `number`, `meta`, `window` | what backends share: what is refused without a look, what waits for the writer, how numbers and pairs are kept, and what began lately |
//! | [`sqlite`] | the backend in one file |
//! | [`postgres`] | the backend in a database that several hosts share |
//!
//! The store keeps; it decides nothing about jobs but what has to be decided inside a transaction: who leases one, which
//! unique one was first, when the last that another waits for has ended, whether whoever changes a process still has it. When a
//! job is tried again, or given up, is said by whoever settles it; what a process does, by whoever runs it. Time is a parameter of everything, in milliseconds since 1970, and never asked for in here.
//!
//! Nothing in here knows wasm.

pub mod area;
pub mod caps;
mod check;
pub mod commit;
pub mod error;
pub mod item;
pub mod job;
pub mod limits;
pub mod mail;
mod meta;
mod number;
pub mod postgres;
pub mod process;
pub mod process_store;
mod queue;
pub mod sqlite;
pub mod store;
mod window;

pub use area::Area;
pub use caps::{Caps, HeldBack, Leased, RateCap};
pub use commit::{Check, Commit, Committed, Key, Outgoing, Publish, Tick, Write};
pub use error::{CommitError, Error};
pub use item::{Item, ListRequest, Page};
pub use job::{
    After, Attempt, Conflict, Ends, Fence, Inserted, Job, JobFilter, JobId, JobPage, JobState, Lease, LeaseRequest,
    Lost, NewJob, Op, OpReport, QueueCounts, QueueRef, QueueState, Replace, Settle, Settled, StateSet, Unique, Waiting,
};
pub use mail::{Due, DueCursor, DuePage, KeptMail, Mail, MailId, MailPage, MailPlace, Receiver};
pub use postgres::{Copied, CopyError, OpenError as PostgresOpenError, PostgresOptions, PostgresStore, copy};
pub use process::{
    BeforeChange, EventPage, NewProcess, ProcessChange, ProcessDone, ProcessEvent, ProcessHead, ProcessId, ProcessPage,
    ProcessRecord, ProcessTurn, RecordChange, Saved,
};
pub use process_store::ProcessStore;
pub use sqlite::{Durability, OpenError, SqliteOptions, SqliteStore};
pub use store::{Changes, Observer, PluginUsage, Round, Store, StoreFuture};

/// Milliseconds since 1970, wall time.
pub type Timestamp = u64;
