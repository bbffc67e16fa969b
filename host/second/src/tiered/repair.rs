//! What is owed, once the second tier is back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use skep_cache::Update;

use super::Core;
use super::owed::Due;
use crate::form::{NOTE_BYTES, Note};
use crate::port::{Edit, Edited, Fault, Left, Life};

/// Keys of a round.
const KEYS: usize = 256;
/// Keys that are put right at once, so that guests' questions come in between.
const AT_ONCE: usize = 16;
/// The pause after a round that failed although the second tier is up.
const PAUSE: Duration = Duration::from_millis(250);

impl Core {
    /// Puts right what is owed, whenever there is something and somebody to tell. It never ends by itself.
    pub(super) async fn repair(self: Arc<Self>) {
        let mut standing = self.standing.clone();
        loop {
            let due = self.owed.due(KEYS);
            match due {
                None => self.owed.wake.notified().await,
                Some(_) if standing.borrow_and_update().epoch().is_none() => {
                    if standing.changed().await.is_err() {
                        return;
                    }
                }
                Some(due) => {
                    if let Err(fault) = self.pay(due).await {
                        self.count_fault(Some(&fault));
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    async fn pay(&self, due: Due) -> Result<(), Fault> {
        match due {
            Due::All(number) => {
                self.second.clear().await?;
                // Copies in memory are void too: nobody tells this host what it did itself.
                self.all_void();
                self.owed.paid_all(number);
                Ok(())
            }
            Due::Keys(keys) => {
                let paid = stream::iter(keys).map(|(key, number)| async move { self.pay_key(&key, number).await });
                let paid: Vec<_> = paid.buffer_unordered(AT_ONCE).collect().await;
                paid.into_iter().collect()
            }
        }
    }

    async fn pay_key(&self, key: &str, number: u64) -> Result<(), Fault> {
        let visit = self.traffic.enter(key);
        let turn = visit.turn().await;
        let mark = visit.mark();
        // Not a read: it is nobody who wants to know.
        let stored = self.bucket.update(key, |there| (Update::Keep, there.map(<[u8]>::to_vec))).ok().flatten();
        let left = self.bucket.ttl(key).map(|left| left.map_or(Left::Endless, Left::For));
        let edited = match (&stored, left) {
            (Some(bytes), Some(left)) => {
                let version = Note::of(bytes).map_or(0, |note| note.version);
                let life = Life { left, keep: false, stale: self.options().stale };
                let value = bytes.get(NOTE_BYTES..).unwrap_or_default();
                self.second.edit(key, Edit::Restore { value, version, life }).await?
            }
            _ => self.second.edit(key, Edit::Delete).await?,
        };
        visit.settle_write(mark, |undisturbed| {
            // If it has changed since, in memory alone, its turn comes again.
            if self.owed.paid(key, number) && !(undisturbed && matches!(edited, Edited::Stored(..))) {
                // Something was there, and nobody knows which is newer; or another host has written just now.
                self.forget(key);
            }
        });
        drop(turn);
        Ok(())
    }
}
