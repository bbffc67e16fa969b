//! Runs handlers as isolated, limited wasm instances.
//!
//! | module | holds |
//! |---|---|
//! | `runtime` | engines, linkers and pools of a host; from a file to a [`Revision`] |
//! | `revision`, `handling` | one version of a plugin, and the way through a call |
//! | `engine`, `linker`, `cache`, `inspect` | what a component is compiled for, linked with, kept as, and says of itself |
//! | `instance`, `state`, `memory`, `stats` | a live guest, what its store holds, what bounds it, what a call cost |
//! | `linked`, `declared` | a component's handlers, linked, and what it says of them |
//! | `drive` | a call of each handler: the fast path, `wasi:http` in both versions, and those that are no HTTP requests |
//! | `admission`, `fair`, `slice`, `home`, `rounds` | who may run, whose turn it is, where, and when an answer leaves |
//! | `warm`, `resting`, `per_thread` | instances that wait for their next call, near to where it comes |
//! | `capability` | what guests are given beyond WASI |
//! | `outbound`, `logs` | what guests send out, and what they print |
//! | `classify`, `unwind`, `report` | what became of a call |
//!
//! This crate and `skep-bindings` are the only ones that know wasmtime.

mod admission;
mod body;
mod cache;
mod capability;
mod classify;
mod declared;
mod drive;
mod engine;
mod fair;
mod handling;
mod home;
mod inspect;
mod instance;
mod linked;
mod linker;
mod logs;
mod memory;
mod outbound;
mod per_thread;
mod report;
mod resting;
mod revision;
mod rounds;
mod runtime;
mod slice;
mod state;
mod stats;
mod unwind;
mod warm;

pub use body::{BodyError, CallBody, RequestBody};
pub use cache::CodeCache;
pub use capability::cache::{Access, GrantedBucket};
pub use capability::process::ProcessGrants;
pub use capability::sql::{GrantedDatabase, SqlDialect};
pub use capability::store::{GrantedSpace, StoreGrants};
pub use capability::tasks::{DetachedTask, DetachedTasks, TaskGrant, call_of_task};
pub use capability::topics::{Direction, GrantedTopics, TopicGrants, as_written_by};
pub use declared::{ChannelDefinition, Declared, ProcessDefinition, Subscription};
pub use drive::channel::ChannelCall;
pub use drive::event_stream::{FirstEvent, Opened, Opening};
pub use drive::job::JobAttempt;
pub use drive::process::WasmBehaviour;
pub use drive::subscriber::Incoming;
pub use drive::websocket::WebSocketCall;
pub use engine::{Allocation, EngineKind};
pub use handling::Handling;
pub use home::{AtHome, Home};
pub use inspect::{HandlerKind, Handlers, InspectError, Shape, inspect};
pub use outbound::{Internal, InternalCalls};
pub use revision::Revision;
pub use runtime::{Needs, PluginSpec, Runtime, RuntimeOptions};
