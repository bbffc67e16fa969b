//! The words that every crate of the host shares.
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | names and ids as newtypes, checked where they enter |
//! | [`name`] | names within a plugin: of buckets, databases and handlers |
//! | [`size`] | byte sizes as people write them |
//! | [`limits`] | what bounds a plugin, with its defaults |
//! | [`failure`] | every way for a call to end without an answer |
//! | [`call`] | what the host knows of a call, and what it cost |
//! | [`clock`] | the one source of time |
//! | [`topic`] | names of topics, and patterns of them |
//!
//! Nothing here knows wasm, HTTP or a file format: this crate is the root of the dependency arrows.

pub mod call;
pub mod clock;
pub mod failure;
pub mod id;
pub mod limits;
pub mod name;
pub mod size;
pub mod topic;

pub use call::{Call, CallObserver, SharedObserver, Usage};
pub use clock::{Clock, ManualClock, SystemClock};
pub use failure::{Failure, FailureKind, Phase};
pub use id::{PluginName, RequestId, RevisionId};
pub use limits::{Instances, Limits};
pub use name::{
    BucketId, BucketName, DatabaseId, DatabaseName, HandlerName, InvalidBucketId, InvalidBucketName, InvalidDatabaseId,
    InvalidDatabaseName, InvalidHandlerName,
};
pub use size::ByteSize;
pub use topic::{InvalidTopic, TopicId, TopicName, TopicPattern, TopicSelector};
