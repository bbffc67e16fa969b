//! The end of a host.

use std::sync::Arc;

use futures_util::StreamExt as _;

use crate::cell::{Stage, Wishes};
use crate::core::Core;
use crate::options::Persistence;

/// So many snapshots are written at once at the end.
const WRITES_MAX: usize = 64;

impl Core {
    pub(crate) async fn close(self: &Arc<Self>) {
        self.enter_stopping();
        self.stopping.cancel();
        self.turns.close();
        self.chores.close();
        let in_time = tokio::select! {
            biased;
            () = self.turns.wait() => true,
            () = self.time.sleep(self.options.grace) => false,
        };
        if !in_time {
            // What does not end is cut off; nobody is restarted for it any more, since nothing begins.
            self.registry.for_each_shard(|cells| {
                for cell in cells {
                    let mut state = cell.lock();
                    if state.is_working() {
                        state.wishes.add(Wishes::DIE);
                        let waker = cell.cut_off(&mut state);
                        drop(state);
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                    }
                }
            });
            self.stopped.cancel();
        }
        self.write_all().await;
        self.stopped.cancel();
        self.chores.wait().await;
    }

    /// Snapshots that are not written yet.
    async fn write_all(self: &Arc<Self>) {
        for shard in 0..self.registry.shards() {
            let cells = self
                .registry
                .shard(shard)
                .into_iter()
                .filter(|cell| matches!(cell.kind.setup.load().options.persistence, Persistence::Snapshot { .. }));
            futures_util::stream::iter(cells)
                .for_each_concurrent(WRITES_MAX, |cell| {
                    let core = Arc::clone(self);
                    async move {
                        let stage = {
                            let mut state = cell.lock();
                            if state.kept.as_ref().is_none_or(|kept| kept.dirty == 0) {
                                return;
                            }
                            match &state.stage {
                                Stage::Live(_) => state.wishes.add(Wishes::WRITE),
                                Stage::Asleep(_) => state.wishes.add(Wishes::LEAVE),
                                _ => return,
                            }
                            Self::begin(&mut state)
                        };
                        if let Some(stage) = stage {
                            crate::turn::run(core, cell, stage).await;
                        }
                    }
                })
                .await;
        }
    }
}
