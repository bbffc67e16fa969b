//! Dead letters: messages whose handler failed for good, kept for the operator to look at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use skep_pubsub::Message;

/// The most bytes that the dead letters of one subscription hold, whatever their number.
const BYTES_MAX: u64 = 8 << 20;

/// A message that was set aside.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub(crate) at: SystemTime,
    pub(crate) message: Arc<Message>,
    /// How the last try ended.
    pub(crate) reason: String,
    pub(crate) attempts: u32,
}

/// The dead letters of one subscription. The oldest go when there are too many.
#[derive(Default)]
pub(crate) struct DeadLetters(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    letters: VecDeque<DeadLetter>,
    bytes: u64,
}

impl DeadLetters {
    pub(crate) fn add(&self, at: SystemTime, message: Arc<Message>, reason: &str, attempts: u32, max: usize) {
        let mut inner = self.0.lock();
        inner.bytes += message.bytes();
        inner.letters.push_back(DeadLetter { at, message, reason: reason.to_owned(), attempts });
        while inner.letters.len() > max || (inner.bytes > BYTES_MAX && inner.letters.len() > 1) {
            let Some(oldest) = inner.letters.pop_front() else { break };
            inner.bytes -= oldest.message.bytes();
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn list(&self) -> Vec<DeadLetter> {
        self.0.lock().letters.iter().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().letters.len()
    }

    /// Takes all of them out.
    pub(crate) fn take(&self) -> VecDeque<DeadLetter> {
        std::mem::take(&mut *self.0.lock()).letters
    }
}
