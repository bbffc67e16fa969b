//! What is measured, with a look at the clock after each operation.

use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use skep_sdk::cache::Ttl;
use skep_sdk::prelude::*;
use skep_sdk::process::Handle;

use crate::{Call, Cast, Counter, PATIENCE, nanos};

/// Bytes of what is sent, and of a cache's value.
const BYTES: usize = 100;
const KEY: &str = "key-000000000000";

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// Only the clock.
    #[default]
    Clock,
    /// A get of the cache `hot`.
    Cache,
    /// A host call that looks a process up by its name.
    Whereis,
    /// A call with a message, by the name and by the pid.
    Call,
    Pid,
    /// A message that nobody waits for.
    Cast,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figures {
    p50_ns: u64,
    p99_ns: u64,
    /// For each operation, over all.
    mean_ns: f64,
    /// The same, until the process has handled all.
    handled_ns: f64,
}

impl What {
    /// Measures so many operations on a process that is live.
    pub(crate) fn measure(self, n: u64) -> Result<Figures> {
        let pid: Handle<Counter> = process::start_or_get::<Counter>("hot", &0)?.handle;
        let named: Handle<Counter> = process::handle("hot");
        let (call, cast) = (Call::Get("x".repeat(BYTES)), Cast::Say("x".repeat(BYTES)));
        let bucket = cache::bucket("hot")?;
        bucket.put_bytes(KEY, &[7; BYTES], Ttl::Standard)?;
        let each = |_| -> Result<()> {
            match self {
                Self::Clock => {}
                Self::Cache => _ = black_box(bucket.get_bytes(KEY)?),
                Self::Whereis => _ = black_box(process::whereis("hot")?),
                Self::Call => _ = black_box(named.call(&call)?),
                Self::Pid => _ = black_box(pid.call(&call)?),
                Self::Cast => named.cast(&cast)?,
            }
            Ok(())
        };
        timed(n / 10, each)?;
        let settled = || named.clone().timeout(PATIENCE).call(&Call::Get(String::new()));
        settled()?;
        let started = Instant::now();
        let mut figures = timed(n, each)?;
        settled()?;
        figures.handled_ns = started.elapsed().as_secs_f64() * 1e9 / n.max(1) as f64;
        Ok(figures)
    }
}

/// Figures of so many operations.
pub(crate) fn timed(n: u64, mut each: impl FnMut(u64) -> Result<()>) -> Result<Figures> {
    let mut times = Vec::with_capacity(n as usize);
    let started = Instant::now();
    let mut last = started;
    for at in 0..n {
        each(at)?;
        let now = Instant::now();
        times.push(nanos(now - last));
        last = now;
    }
    let mean_ns = (last - started).as_secs_f64() * 1e9 / n.max(1) as f64;
    times.sort_unstable();
    let at =
        |thousandth: usize| times.get(times.len().saturating_sub(1) * thousandth / 1000).copied().unwrap_or_default();
    Ok(Figures { p50_ns: at(500), p99_ns: at(990), mean_ns, handled_ns: mean_ns })
}
