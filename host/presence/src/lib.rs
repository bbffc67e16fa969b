//! The presence engine: who is where, tied to the life of its owner, announced in gathered diffs.
//!
//! | module | holds |
//! |---|---|
//! | [`presence`] | the handle and its operations |
//! | [`owner`] | the guard that everything tracked lives and dies with |
//! | [`service`] | when gathered changes leave, and the loop that sees to it |
//! | [`diff`] | what is announced, in the shape of Phoenix's clients |
//! | [`member`] | what is listed |
//! | [`state`] | the replicated set of entries: pure data that merges |
//! | [`options`], [`stats`] | what an engine is told, and what it tells |
//! | `core`, `topic`, `gathered`, `data` | what is behind the lock; one topic; its unannounced changes; JSON of a guest |
//!
//! Nothing here knows wasm, manifests or pubsub: diffs leave by the port [`Announce`]. Time comes from the injected
//! [`Clock`](skep_types::Clock); only the loop's sleep is measured by tokio's timer.

mod core;
mod data;
pub mod diff;
pub mod error;
mod gathered;
pub mod member;
pub mod options;
pub mod owner;
pub mod presence;
pub mod service;
pub mod state;
pub mod stats;
mod topic;

pub use diff::{Announce, Diff};
pub use error::Error;
pub use member::{Member, Meta, Page};
pub use options::{Mode, Modes, Options, PAGE_MEMBERS_MAX};
pub use owner::Owner;
pub use presence::Presence;
pub use service::Service;
pub use state::{Ref, Replica};
pub use stats::{Stats, TopicStats};
