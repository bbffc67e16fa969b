//! Closing all sockets, when the host goes away.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::Channels;
use crate::socket::Close;

/// How sockets are closed when the host goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Sockets at once: their clients all come back, to whoever serves then. Default: 1,000.
    pub batch: NonZeroUsize,
    /// The time between two batches. Default: 200 ms.
    pub interval: Duration,
    /// How long to wait for the last ones. Default: 10 s.
    pub patience: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            batch: NonZeroUsize::new(1000).unwrap_or(NonZeroUsize::MIN),
            interval: Duration::from_millis(200),
            patience: Duration::from_secs(10),
        }
    }
}

impl Channels {
    /// Opens no more sockets, closes all with 1012, batch after batch, and waits until they are gone; whether they are.
    pub async fn drain(&self, drain: Drain) -> bool {
        let hub = &self.0;
        hub.draining.store(true, SeqCst);
        let all: Vec<_> = hub.sockets.iter().map(|entry| Arc::clone(entry.value())).collect();
        for (at, batch) in all.chunks(drain.batch.get()).enumerate() {
            if at > 0 {
                tokio::time::sleep(drain.interval).await;
            }
            for shared in batch {
                shared.close(Close::DRAIN);
            }
        }
        drop(all);
        let empty = async {
            loop {
                let emptied = hub.emptied.notified();
                if hub.count() == 0 {
                    return;
                }
                emptied.await;
            }
        };
        tokio::time::timeout(drain.patience, empty).await.is_ok()
    }
}
