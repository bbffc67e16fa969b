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
    Begun, Behaviour, Birth, CallRef, Event, Identity, Instance, MonitorRef, Next, Published, Saved, Staged, TimerId,
    Turn, Working,
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
