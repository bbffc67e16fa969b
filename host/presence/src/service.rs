//! When gathered changes leave, and the loop that sees to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use skep_types::TopicId;

use crate::diff::{Diff, cut};
use crate::presence::Presence;
use crate::topic::News;

/// Topics that the loop announces before it lets other tasks run.
const TOPICS_AT_ONCE: usize = 64;

impl Presence {
    /// Announces what is due. If another call is announcing, this one does nothing and leaves it to that one or the
    /// next; so a subscriber may call it from within [`announce`](crate::Announce::announce) without harm.
    pub fn tick(&self, now: Instant) {
        self.tick_some(now, usize::MAX);
    }

    /// When there will be something to announce; none while nothing changes.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.inner.core.lock().due.front().map(|(at, _)| *at)
    }

    /// The loop that ticks.
    #[must_use]
    pub fn service(&self) -> Service {
        Service { presence: self.clone() }
    }

    /// As `tick`, for so many topics. Whether that was all.
    fn tick_some(&self, now: Instant, topics_max: usize) -> bool {
        let Some(_order) = self.inner.announcing.try_lock() else { return true };
        // No more than there are now: a subscriber that changes topics while it is told must not hold this up for ever.
        let due = self.inner.core.lock().due.len();
        for _ in 0..due.min(topics_max) {
            // A statement of its own, so that the lock is free again when the news are announced.
            let next = self.inner.core.lock().take_due(now);
            let Some((topic, news)) = next else { return true };
            self.announce(&topic, news);
        }
        due <= topics_max
    }

    fn announce(&self, topic: &Arc<TopicId>, news: News) {
        let diffs = match news {
            News::Members { joins, leaves } => cut(joins, leaves, &self.inner.options),
            News::Count(count) => vec![Diff::Count(count)],
            News::Nothing => return,
        };
        for diff in diffs {
            self.inner.counters.diffs.fetch_add(1, Ordering::Relaxed);
            self.inner.counters.entries.fetch_add(diff.entries() as u64, Ordering::Relaxed);
            self.inner.announce.announce(topic, &diff);
        }
    }
}

/// Ticks an engine whenever something is due, and sleeps while nothing changes.
#[derive(Debug)]
pub struct Service {
    presence: Presence,
}

impl Service {
    /// Runs until `cancel` ends. What is not announced then stays with the engine.
    pub async fn run(self, cancel: impl Future<Output = ()>) {
        tokio::select! {
            () = cancel => {}
            () = self.announce() => {}
        }
    }

    async fn announce(&self) {
        let inner = &self.presence.inner;
        loop {
            let Some(due) = self.presence.next_due() else {
                inner.woken.notified().await;
                continue;
            };
            tokio::time::sleep(due.saturating_duration_since(inner.options.clock.now())).await;
            while !self.presence.tick_some(inner.options.clock.now(), TOPICS_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
    }
}
