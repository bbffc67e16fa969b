//! `[plugins.NAME.subscribers.SUBSCRIPTION]`: how messages wait for a plugin's handler, and what becomes of those it fails on.

use std::collections::BTreeMap;

use skep_types::{ByteSize, HandlerName};

use crate::read::{Item, Read};

const BYTES_MIN: ByteSize = ByteSize::kib(1);
const BYTES_MAX: ByteSize = ByteSize::mib(1 << 10);
const BATCH_MAX: usize = 1000;

/// One subscription. A subscription that the manifest does not name has the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberConfig {
    /// Messages that may wait for the handler, of all topics together. Default 1,000, 1 to 1,000,000.
    pub queue: usize,
    /// The bytes of the messages that may wait. Default 8 MiB, 1 KiB to 1 GiB.
    pub queue_bytes: ByteSize,
    /// What a message does that finds the queue full. Default: it takes the place of the oldest.
    pub overflow: Overflow,
    /// The most messages of one topic that one call gets. Default 1, at most 1,000 and `queue`.
    pub batch: usize,
    /// Topics whose messages are handled at once; those of one topic come one after the other. Default 10, 1 to 1,000.
    pub concurrency: usize,
    /// How often a call that failed is made again, after 1 s, 2 s, 4 s and so on, while its topic waits. Default 0, at
    /// most 10.
    pub retries: u32,
    /// Messages kept for the operator to look at after the last try failed; the oldest go first. Default 100, at most
    /// 10,000.
    pub dead_letters: usize,
}

/// What a message does that finds a queue full. A handler has nobody to reconnect, so its queue is never closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// It takes the place of the oldest that waits.
    #[default]
    DropOldest,
    /// It is lost itself.
    DropNewest,
}

impl Default for SubscriberConfig {
    fn default() -> Self {
        Self {
            queue: 1000,
            queue_bytes: ByteSize::mib(8),
            overflow: Overflow::default(),
            batch: 1,
            concurrency: 10,
            retries: 0,
            dead_letters: 100,
        }
    }
}

/// Reads the settings of a plugin's subscriptions.
pub(crate) fn read(item: &Item<'_>) -> Option<BTreeMap<HandlerName, SubscriberConfig>> {
    item.map("a table for each subscription, `[plugins.NAME.subscribers.SUBSCRIPTION]`")
}

impl Read for SubscriberConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut subscriber = Self::default();
        table.bounded("queue", &mut subscriber.queue, 1..=1_000_000);
        table.bounded("queue_bytes", &mut subscriber.queue_bytes, BYTES_MIN..=BYTES_MAX);
        table.set("overflow", &mut subscriber.overflow);
        // More than may wait can never come together.
        table.bounded("batch", &mut subscriber.batch, 1..=BATCH_MAX.min(subscriber.queue));
        table.bounded("concurrency", &mut subscriber.concurrency, 1..=1000);
        table.bounded("retries", &mut subscriber.retries, 0..=10);
        table.bounded("dead_letters", &mut subscriber.dead_letters, 0..=10_000);
        table.finish();
        Some(subscriber)
    }
}

impl Read for Overflow {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("drop-oldest", Self::DropOldest), ("drop-newest", Self::DropNewest)])
    }
}
