//! The words that every crate of the host shares.
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | names and ids as newtypes, checked where they enter |
//! | [`bucket`] | names of cache buckets, which manifest and engine share |
//! | [`database`] | names of SQL databases, likewise |
//! | [`handler`] | names of a plugin's handlers |
//! | [`size`] | byte sizes as people write them |
//! | [`limits`] | what bounds a plugin, with its defaults |
//! | [`failure`] | every way for a call to end without an answer |
//! | [`call`] | what the host knows of a call, and what it cost |
//! | [`clock`] | the one source of time |
//! | [`topic`] | names of topics, and patterns of them |
//!
//! Nothing here knows wasm, HTTP or a file format: this crate is the root of the dependency arrows.

pub mod bucket;
pub mod call;
pub mod clock;
pub mod database;
pub mod failure;
pub mod handler;
pub mod id;
pub mod limits;
pub mod size;
pub mod topic;

pub use bucket::{BucketId, BucketName, InvalidBucketId, InvalidBucketName};
pub use call::{Call, CallObserver, SharedObserver, Usage};
pub use clock::{Clock, ManualClock, SystemClock};
pub use database::{DatabaseId, DatabaseName, InvalidDatabaseId, InvalidDatabaseName};
pub use failure::{Failure, FailureKind, Phase};
pub use handler::{HandlerName, InvalidHandlerName};
pub use id::{PluginName, RequestId, RevisionId};
pub use limits::{Instances, Limits};
pub use size::ByteSize;
pub use topic::{InvalidTopic, TopicId, TopicName, TopicPattern, TopicSelector};
