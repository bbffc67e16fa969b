//! What the store tells, and whom it concerns here.

use std::sync::{Arc, OnceLock, Weak};

use skep_store::{Changes, Observer};

use crate::attempt::StopReason;
use crate::core::Core;

/// Hears what the store changed. It is made before the store, which is opened with it, and the store before the service.
///
/// A host that has more to hear, such as publishes, opens the store with an [`Observer`] of its own, which hands all changes on
/// to [`hear`](Self::hear). Until the service starts nothing is kept: it looks at everything then.
#[derive(Default)]
pub struct Ear(OnceLock<Weak<Core>>);

impl Ear {
    /// One that hears for a service that starts later.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// False if another service was started with it.
    pub(crate) fn belongs_to(&self, core: &Arc<Core>) -> bool {
        self.0.set(Arc::downgrade(core)).is_ok()
    }

    /// Wakes up whoever it concerns. It does not wait.
    pub fn hear(&self, changes: &Changes) {
        let Some(core) = self.0.get().and_then(Weak::upgrade) else { return };
        core.waiters.ended(&changes.ended);
        for (_, fence) in &changes.taken {
            core.held.stop(*fence, StopReason::Cancelled);
        }
        if !changes.taken.is_empty() {
            // Places of capped queues came free.
            core.wake_all();
        }
        if let Some(due) = changes.next_due {
            let mut earliest = core.wakes.due.lock();
            *earliest = Some(earliest.map_or(due, |at| at.min(due)));
            drop(earliest);
            core.wakes.staging.notify_one();
        }
        if changes.available.is_empty() {
            return;
        }
        let registry = core.registry.lock();
        for queue in &changes.available {
            match registry.queues.get(queue) {
                Some(queue) => queue.wake(),
                // A queue that its plugin does not name, such as one of a revision before.
                None if registry.plugins.contains_key(&queue.plugin) => core.wakes.upkeep.notify_one(),
                None => {}
            }
        }
    }
}

impl Observer for Ear {
    fn changed(&self, changes: Changes) {
        self.hear(&changes);
    }
}
