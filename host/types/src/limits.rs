//! What bounds a plugin. Every knob has a safe default here, is read from `[plugins.NAME.limits]`, and is enforced by
//! the runtime or the HTTP front.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ByteSize;

/// The limits of one plugin.
///
/// A limit is never "off": where endless work is legitimate (`stream_total`), the absence is spelled `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wasm work in one call, in wasmtime's fuel units (about one per instruction), instantiation and the bytes that
    /// host calls copy included. Default 1,000,000,000, about a third of a second of one core. Over it the call is
    /// killed: `fuel-exhausted`, 500.
    pub fuel: u64,
    /// Wall time from the call's admission to the first byte of its answer, waits for the host included.
    /// Default 10 s. Over it the call is cancelled: `deadline`, 504.
    pub deadline: Duration,
    /// How long a streamed answer may go without a new chunk, or a client without taking one, once the headers are
    /// out. Default 60 s. Over it the stream is aborted, never ended as if it were complete.
    pub stream_idle: Duration,
    /// How long a streamed answer may take in all. Default: none.
    pub stream_total: Option<Duration>,
    /// All linear memories and tables of an instance together. Default 128 MiB. Over it growth fails inside the guest;
    /// a guest that dies of it is reported as `memory-exhausted`, 500.
    pub memory: ByteSize,
    /// What one host call may copy out of the guest. Default 16 MiB. Over it the call traps.
    pub host_memory: ByteSize,
    /// Handles (streams, requests, pollables) that an instance may hold at once. Default 4,096. Over it the guest's
    /// call traps.
    pub handles: usize,
    /// Instances of the plugin that may run at once. Default 100.
    pub concurrency: usize,
    /// Calls that may wait for an instance. Default 1,000. Over it: `overloaded`, 503 with Retry-After.
    pub queue: usize,
    /// Event streams of the plugin that may be open at once; they are the host's and hold no instance. Default 10,000.
    /// Over it: 503 with Retry-After.
    pub streams: usize,
    /// The body of a request. Default 2 MiB. Over it: `request-too-large`, 413.
    pub request_body: ByteSize,
    /// The body of an answer. Default 64 MiB. Over it: `response-too-large`; 502, or an aborted stream once headers
    /// are out.
    pub response_body: ByteSize,
    /// All header fields of an answer, names and values together, and 72 bytes for each, which it takes beside its text.
    /// Default 64 KiB. Over it: `response-too-large`, 502.
    pub response_headers: ByteSize,
    /// What one call may write to its log (stdout, stderr and `wasi:logging` together). Default 64 KiB. The rest is
    /// dropped, and one line says how much.
    pub log: ByteSize,
    /// Requests that one call may have open to upstreams at once. Default 10. Over it an outbound request fails with
    /// an error in the guest.
    pub outbound_concurrency: usize,
    /// How long an upstream may take to its first byte. Default 10 s; the call's deadline still holds.
    pub outbound_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            deadline: Duration::from_secs(10),
            stream_idle: Duration::from_secs(60),
            stream_total: None,
            memory: ByteSize::mib(128),
            host_memory: ByteSize::mib(16),
            handles: 4096,
            concurrency: 100,
            queue: 1000,
            streams: 10_000,
            request_body: ByteSize::mib(2),
            response_body: ByteSize::mib(64),
            response_headers: ByteSize::kib(64),
            log: ByteSize::kib(64),
            outbound_concurrency: 10,
            outbound_timeout: Duration::from_secs(10),
        }
    }
}

/// Whether a call gets an instance of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Instances {
    /// A fresh instance for every call, dropped when the call ends. Nothing leaks from one call to the next.
    #[default]
    Fresh,
    /// An instance serves up to so many calls, one at a time, and is dropped after a failure; or so many processes, each of
    /// which sleeps before the next one has it.
    Reuse(u32),
}

impl Instances {
    /// How many calls, or processes, an instance may serve before it is dropped.
    #[must_use]
    pub const fn uses_max(self) -> u32 {
        match self {
            Self::Fresh => 1,
            Self::Reuse(uses) => uses,
        }
    }
}
