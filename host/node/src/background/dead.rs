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
    /// Its number, unique in its subscription.
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) message: Arc<Message>,
    /// How the last try ended.
    pub(crate) reason: String,
    pub(crate) attempts: u32,
}

/// A dead letter, as operators see it.
#[derive(Clone, Debug)]
pub struct DeadLetterView {
    /// The subscription whose handler failed.
    pub subscription: String,
    /// Its number, unique in its subscription.
    pub number: u64,
    /// When it was set aside.
    pub at: SystemTime,
    /// Where it was published.
    pub topic: String,
    /// What happened.
    pub event: Option<String>,
    /// Its place in the topic's log.
    pub id: Option<u64>,
    /// How the last try ended.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What it says; bytes that are no text are replaced.
    pub data: String,
}

/// The dead letters of one subscription. The oldest go when there are too many.
#[derive(Default)]
pub(crate) struct DeadLetters(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    letters: VecDeque<DeadLetter>,
    bytes: u64,
    next: u64,
}

impl DeadLetters {
    pub(crate) fn add(&self, at: SystemTime, message: Arc<Message>, reason: &str, attempts: u32, max: usize) {
        let mut inner = self.0.lock();
        let number = inner.next;
        inner.next += 1;
        inner.bytes += message.bytes();
        inner.letters.push_back(DeadLetter { number, at, message, reason: reason.to_owned(), attempts });
        while inner.letters.len() > max || (inner.bytes > BYTES_MAX && inner.letters.len() > 1) {
            let Some(oldest) = inner.letters.pop_front() else { break };
            inner.bytes -= oldest.message.bytes();
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn list(&self) -> Vec<DeadLetter> {
        self.0.lock().letters.iter().cloned().collect()
    }

    /// Takes those of these numbers out, or all.
    pub(crate) fn take(&self, numbers: Option<&[u64]>) -> Vec<DeadLetter> {
        let mut inner = self.0.lock();
        let all = std::mem::take(&mut inner.letters);
        let wanted = |letter: &DeadLetter| numbers.is_none_or(|numbers| numbers.contains(&letter.number));
        let (taken, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(wanted);
        inner.letters = kept.into();
        inner.bytes = inner.letters.iter().map(|letter| letter.message.bytes()).sum();
        taken
    }
}
