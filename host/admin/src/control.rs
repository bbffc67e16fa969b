//! The port to the node.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use futures_util::Stream;

use crate::api::{Deployed, Line, NodeFigures, NodeStatus, Reloaded, RevisionStatus};
use crate::logs::LogHub;
pub use caches::CacheControl;
pub use durable::DurableControl;
pub use processes::ProcessControl;
pub use sockets::SocketControl;
pub use sql::SqlControl;
pub use supervision::SupervisionControl;
pub use topics::TopicControl;

mod caches;
mod durable;
mod processes;
mod sockets;
mod sql;
mod supervision;
mod topics;

/// Why a command was not carried out. Nothing is changed then, unless it says so.
#[derive(Debug)]
pub enum ControlError {
    /// There is no such plugin, revision, bucket, entry, database, subscription, supervisor, job, queue, schedule, process or socket.
    NotFound(String),
    /// What was asked for cannot be done, and why.
    Refused(String),
    /// It cannot be done now, through no fault of who asks: the store fails, or has too much to do. It may be tried again.
    Unavailable(String),
}

impl std::fmt::Display for ControlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(what) | Self::Refused(what) | Self::Unavailable(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ControlError {}

/// A command on its way. It runs to its end even if nobody waits for it any more.
pub type ControlFuture<T> = Pin<Box<dyn Future<Output = Result<T, ControlError>> + Send>>;

/// What is followed, as it comes, at the pace of who reads. What waits is bounded by who makes it.
pub type Lines<T> = Pin<Box<dyn Stream<Item = Line<T>> + Send>>;

/// A node that can be administered.
pub trait Control: CacheControl + TopicControl {
    /// The node and its plugins.
    fn status(&self) -> NodeStatus;

    /// Whether the node serves; the reason if it does not.
    ///
    /// # Errors
    /// What is missing.
    fn ready(&self) -> Result<(), String>;

    /// The history of a plugin, newest first.
    ///
    /// # Errors
    /// When there is no such plugin.
    fn revisions(&self, plugin: &str) -> Result<Vec<RevisionStatus>, ControlError>;

    /// Puts a component in service.
    fn deploy(&self, plugin: String, wasm: Bytes) -> ControlFuture<Deployed>;

    /// Goes back to an earlier revision; the one before the current one if none is named.
    fn rollback(&self, plugin: String, revision: Option<String>) -> ControlFuture<Deployed>;

    /// Reads the manifest again.
    fn reload(&self) -> ControlFuture<Reloaded>;

    /// Metrics in the text format of Prometheus.
    fn metrics(&self) -> String;

    /// Where log lines come by.
    fn logs(&self) -> &LogHub;

    /// Its supervision tree, if it has one.
    fn supervision(&self) -> Option<&dyn SupervisionControl> {
        None
    }

    /// Its store, jobs, queues and schedules, if it has them.
    fn durable(&self) -> Option<&dyn DurableControl> {
        None
    }

    /// Its processes, if it has any to have.
    fn processes(&self) -> Option<&dyn ProcessControl> {
        None
    }

    /// The sockets of its clients, if it has any to have.
    fn sockets(&self) -> Option<&dyn SocketControl> {
        None
    }

    /// Its databases, if it has any to have.
    fn sql(&self) -> Option<&dyn SqlControl> {
        None
    }

    /// What it is doing, in numbers, if it counts. It is asked for once a second by everybody who looks, so it takes what is
    /// counted already.
    fn figures(&self) -> Option<NodeFigures> {
        None
    }
}
