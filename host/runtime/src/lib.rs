//! Runs handlers as isolated, limited wasm instances.
//!
//! | module | holds |
//! |---|---|
//! | `runtime` | engines, linkers and pools of a host; from a file to a [`Revision`] |
//! | `revision` | one version of a plugin, and the way through a call |
//! | `engine`, `linker`, `cache`, `inspect` | what a component is compiled for, linked with, kept as, and says of itself |
//! | `instance`, `state`, `memory`, `stats` | a live guest, what its store holds, what bounds it, what a call cost |
//! | `drive` | the fast path and `wasi:http` in both versions |
//! | `admission`, `fair` | who may run, and whose turn it is |
//! | `capability` | what guests are given beyond WASI |
//! | `outbound`, `logs` | what guests send out, and what they print |
//! | `classify`, `report` | what became of a call |
//!
//! This crate and `skep-bindings` are the only ones that know wasmtime.

mod admission;
mod body;
mod cache;
mod capability;
mod classify;
mod drive;
mod engine;
mod fair;
mod inspect;
mod instance;
mod linker;
mod logs;
mod memory;
mod outbound;
mod report;
mod revision;
mod runtime;
mod state;
mod stats;

pub use body::{BodyError, CallBody, RequestBody};
pub use cache::CodeCache;
pub use capability::cache::{Access, GrantedBucket};
pub use engine::{Allocation, EngineKind};
pub use inspect::{HandlerKind, InspectError, Shape, inspect};
pub use outbound::{Internal, InternalCalls};
pub use revision::Revision;
pub use runtime::{PluginSpec, Runtime, RuntimeOptions};
