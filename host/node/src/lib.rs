//! One running host.
//!
//! | module | holds |
//! |---|---|
//! | [`node`] | the node: its plugins, its front, manifest reloads, shutdown |
//! | [`plugin`] | one plugin: its current revision, the swap, the drain |
//! | [`spec`] | from a manifest's entry to what the runtime and the front need |
//! | [`background`] | subscribers, detached tasks and the processes of the manifest, under supervision |
//! | [`caches`] | the buckets: from a manifest to the engine, to disk and back |
//! | [`databases`] | what plugins ask in SQL: opened, kept over reloads, their schemas up to date before a revision serves |
//! | `seconds` | the Redis behind a bucket, over reloads |
//! | [`warmers`] | what fills caches at the start and on an interval |
//! | `processes` | stateful processes: their kinds, what they hear, those that the manifest starts |
//! | `topics` | the engines behind pubsub and presence |
//! | [`streams`] | event streams of routes |
//! | `guard` | breakers of handlers, probation of revisions |
//! | [`rate`] | the rate limiters of routes |
//! | `machine` | what the machine has, and what this program takes of it |
//! | [`store`] | what is kept on disk: components, history, what was deployed by command |
//! | [`build`] | build commands, and the programs that they need |
//! | [`watch`] | files that are watched in development |
//! | [`meter`] | metrics and log lines of calls |
//! | [`control`] | the admin listener's view of all this |

pub mod background;
mod behinds;
mod bucket_meter;
pub mod build;
pub mod caches;
pub mod control;
mod database_meter;
pub mod databases;
mod durable;
mod guard;
mod machine;
pub mod meter;
pub mod node;
pub mod plugin;
mod processes;
pub mod rate;
mod second_meter;
mod seconds;
mod sockets;
pub mod spec;
pub mod store;
pub mod streams;
mod topics;
pub mod warmers;
pub mod watch;

pub use durable::copy_store;
pub use node::{Mode, Node, NodeOptions, check_tls};
