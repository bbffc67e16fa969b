//! Publishers: the guest, asked by HTTP, and a connection to redis.

use std::time::Duration;

use anyhow::Context as _;

use super::message::{Stamp, now};
use crate::client::Client;
use crate::redis::{Connection, Redis, command};

/// The size of a message, except where something else is said.
pub(super) const BYTES: usize = 100;

/// The path at which the guest publishes.
pub(super) fn path(topic: &str, times: u64, bytes: usize) -> String {
    format!("/publish?topic={topic}&n={times}&bytes={bytes}&at={}", now())
}

/// Publishes from inside a guest; one connection.
pub(super) struct Guest(Client);

impl Guest {
    pub(super) fn new(address: &str) -> Self {
        Self(Client::new(address))
    }

    /// Publishes so many in one call, and says how many nanoseconds each took inside the guest.
    pub(super) fn publish(&mut self, topic: &str, times: u64, bytes: usize) -> anyhow::Result<f64> {
        let reply = self.0.get("x", &path(topic, times, bytes))?;
        let text = String::from_utf8_lossy(&reply.body);
        anyhow::ensure!(reply.status == 200, "publishing {times} times: {} {text}", reply.status);
        text.parse().with_context(|| format!("an odd answer: {text}"))
    }
}

/// Publishes by one connection to redis.
pub(super) struct Far(Connection);

impl Far {
    pub(super) fn new(redis: &Redis) -> anyhow::Result<Self> {
        redis.connect().map(Self)
    }

    /// Publishes so many with one write, and waits for the answers.
    pub(super) fn publish(&mut self, topic: &str, times: u64) -> anyhow::Result<()> {
        let now = now();
        let message = Stamp { asked: now, published: now }.message(BYTES);
        self.0.send(&command(&["PUBLISH", topic, &message]).repeat(usize::try_from(times)?))?;
        (0..times).try_for_each(|_| self.0.answer())
    }
}

/// Calls at a fixed rate, and says how often. A call that is late is made at once, and the next is due when it would
/// have been.
pub(super) fn paced(rate: f64, seconds: f64, mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let (began, calls) = (now(), (rate * seconds).max(1.0) as u64);
    for at in 0..calls {
        let due = began + (at as f64 * 1e9 / rate) as u64;
        // A thread may be woken for no reason.
        while let wait @ 1.. = due.saturating_sub(now()) {
            std::thread::park_timeout(Duration::from_nanos(wait));
        }
        call()?;
    }
    Ok(calls)
}
