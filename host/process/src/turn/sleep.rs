//! A process gives its instance back, and its memory.

use std::sync::atomic::Ordering;

use super::Turn;
use crate::cell::{Asleep, Running, Stage};
use crate::observe::Happened;
use crate::options::Persistence;
use crate::reason::Fault;

impl Turn {
    /// It saves its state. If it cannot, it stays awake, or crashes.
    pub(super) async fn sleep(&mut self) {
        let state = match self.guarded(|instance| instance.save()).await {
            Ok(state) => state,
            Err(crash) if crash.fault == Fault::Host => return,
            Err(crash) => return self.crash(crash).await,
        };
        if let Err(crash) = self.check_size(&state) {
            return self.crash(crash).await;
        }
        let Stage::Live(running) = std::mem::replace(&mut self.at, Stage::Unborn) else { return };
        let bytes = state.len() as u64;
        let asleep = Asleep {
            state: Vec::from(state).into_boxed_slice(),
            version: running.revision.version,
            revision: std::sync::Arc::clone(&running.revision),
        };
        // Its place is free behind it.
        let Running { instance, .. } = *running;
        instance.rest();
        self.at = Stage::Asleep(Box::new(asleep));
        let indexed = {
            let mut state = self.cell.lock();
            // A mailbox that was full once is not kept while it sleeps.
            state.mailbox.shrink_to_fit();
            std::mem::take(&mut state.indexed)
        };
        if indexed != 0 {
            self.cell.kind.idle.remove(indexed, &self.cell);
        }
        self.core.state_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.tell(&Happened::Hibernated { bytes });
        if self.core.is_over_memory() {
            self.core.alarms.earlier.notify_one();
        }
    }

    /// Its state is written, if it is not yet, and leaves the memory.
    pub(super) async fn leave_memory(&mut self) {
        let Stage::Asleep(asleep) = &self.at else { return };
        let persistence = self.cell.kind.setup.load().options.persistence;
        let dirty = self.cell.lock().kept.as_ref().is_none_or(|kept| kept.dirty > 0 || kept.seq == 0);
        if dirty {
            if !matches!(persistence, Persistence::Snapshot { .. }) {
                return;
            }
            let saved = crate::Saved { version: asleep.version, state: bytes::Bytes::copy_from_slice(&asleep.state) };
            let record = crate::Record { saved: Some(saved), ..self.record() };
            if self.write(None, Vec::new(), None, Some(record)).await.is_err() {
                return;
            }
        }
        self.lose_instance();
        self.at = Stage::Stored;
        self.tell(&Happened::LeftMemory);
    }
}
