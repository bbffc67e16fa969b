//! Threads and their connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use crate::connection::{Plan, work};
use crate::pace::{Pace, now};
use crate::report::{Report, Tally};
use crate::request;
use crate::target::Target;

/// Bounds of a run, so that a typo does not make it last or take the machine.
const DURATION_MAX: Duration = Duration::from_secs(600);
const CONNECTIONS_MAX: u32 = 10_000;
const THREADS_MAX: u32 = 64;
const BODY_BYTES_MAX: usize = 256 << 20;

/// What to send, how often and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to.
    pub target: Target,
    /// The method. Default GET.
    pub method: String,
    /// Bytes of the request's body. Default none.
    pub body_bytes: usize,
    /// Another `Host` than the URL's.
    pub host: Option<String>,
    /// More headers, as `name: value`.
    pub headers: Vec<String>,
    /// Connections that are kept alive. Default 32.
    pub connections: u32,
    /// How long to measure. Default 5 s, at most 600 s.
    pub duration: Duration,
    /// How long to send before that without measuring. Default none.
    pub warm_up: Duration,
    /// How long answers may still come after the end. Default 1 s.
    pub grace: Duration,
    /// Requests a second of all connections together. Default: as fast as answers come.
    pub rate: Option<f64>,
    /// Threads. Default 1, which is enough for most servers on the same machine.
    pub threads: u32,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            method: "GET".to_owned(),
            body_bytes: 0,
            host: None,
            headers: Vec::new(),
            connections: 32,
            duration: Duration::from_secs(5),
            warm_up: Duration::ZERO,
            grace: Duration::from_secs(1),
            rate: None,
            threads: 1,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let whole = self.duration.saturating_add(self.warm_up).saturating_add(self.grace);
        if self.duration.is_zero() || whole > DURATION_MAX {
            return Err(Error::Duration);
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            return Err(Error::Connections);
        }
        if !(1..=THREADS_MAX).contains(&self.threads) {
            return Err(Error::Threads);
        }
        if self.body_bytes > BODY_BYTES_MAX {
            return Err(Error::Body);
        }
        if self.rate.is_some_and(|rate| !(0.01..=10_000_000.0).contains(&rate)) {
            return Err(Error::Rate);
        }
        Ok(())
    }
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The method is none.
    #[error("`{0}` is not a method")]
    Method(String),
    /// A header is none.
    #[error("`{0}` is not a header: write `name: value`")]
    Header(String),
    /// Too short or too long.
    #[error("a run takes more than nothing and at most {} s", DURATION_MAX.as_secs())]
    Duration,
    /// Too few or too many.
    #[error("between 1 and {CONNECTIONS_MAX} connections")]
    Connections,
    /// Too few or too many.
    #[error("between 1 and {THREADS_MAX} threads")]
    Threads,
    /// Too large.
    #[error("a body has at most {} MiB", BODY_BYTES_MAX >> 20)]
    Body,
    /// Too low or too high.
    #[error("a rate is between 0.01 and 10,000,000 requests a second")]
    Rate,
    /// A thread or its runtime could not be made, or it panicked.
    #[error("a thread failed: {0}")]
    Thread(String),
}

/// Sends the load and blocks until it is over: call it on a thread of its own, never inside an async runtime.
///
/// # Errors
/// When the options are not valid or no thread can be made. A server that fails is a result and not an error.
pub fn run(options: &Options) -> Result<Report, Error> {
    options.check()?;
    let request = request::bytes(options)?;
    let start = now();
    let threads = options.threads.min(options.connections);
    let tallies: Vec<Result<Tally, Error>> = std::thread::scope(|scope| {
        let spawn = |thread| {
            let request = request.clone();
            let name = format!("loadgen-{thread}");
            let builder = std::thread::Builder::new().name(name);
            builder.spawn_scoped(scope, move || drive(options, request, start, thread, threads))
        };
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        let join = |handle: std::io::Result<std::thread::ScopedJoinHandle<'_, _>>| {
            let handle = handle.map_err(|error| Error::Thread(error.to_string()))?;
            handle.join().map_err(|_| Error::Thread("it panicked".to_owned()))?
        };
        handles.into_iter().map(join).collect()
    });
    let mut whole = Tally::default();
    for tally in tallies {
        whole.merge(&tally?);
    }
    Ok(whole.report(options.duration))
}

/// One thread with its share of the connections.
fn drive(options: &Options, request: Vec<u8>, start: Instant, thread: u32, threads: u32) -> Result<Tally, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Error::Thread(error.to_string()))?;
    let measure_from = start + options.warm_up;
    let plan = Rc::new(Plan {
        address: options.target.address,
        request,
        method: options.method.clone(),
        measure_from,
        until: measure_from + options.duration,
        tally: RefCell::default(),
    });
    let mine = (0..options.connections).filter(|connection| connection % threads == thread);
    let local = LocalSet::new();
    let mut connections = JoinSet::new();
    for connection in mine {
        let pace = Pace::new(options.rate, start, connection, options.connections);
        connections.spawn_local_on(work(Rc::clone(&plan), pace), &local);
    }
    let end = plan.until + options.grace;
    local.block_on(&runtime, async {
        let all = async { while connections.join_next().await.is_some() {} };
        // Whatever is in flight after the grace is dropped and counted as unfinished.
        let _ = tokio::time::timeout_at(end.into(), all).await;
    });
    Ok(plan.tally.take())
}
