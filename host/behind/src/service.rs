//! A round every so often; what a failure puts off; the end.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use skep_cache::Bucket;
use skep_types::BucketId;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::place::Place;
use crate::round::Error;

/// The first pause after a failure in [`Behind::flush`], which somebody waits for, and the longest.
const HASTE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How a bucket is written behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The time between two rounds. Default 1 s.
    pub every: Duration,
    /// The pause after the first failure of a streak, where `every` is not longer; each one after it is twice as long, with
    /// jitter. Default 1 s.
    pub retry_first: Duration,
    /// The longest pause after a failure, where `every` is not longer. Default 30 s.
    pub retry_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { every: Duration::from_secs(1), retry_first: Duration::from_secs(1), retry_max: Duration::from_secs(30) }
    }
}

impl Options {
    /// The pause after so many failures in a row; `random` is from 0 to 1.
    fn pause(&self, failures: u32, random: f64) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return self.every };
        let pause = self.retry_first.saturating_mul(1 << doublings.min(16)).min(self.retry_max);
        pause.mul_f64(1.0 - random / 2.0).max(self.every)
    }
}

/// What becomes of a bucket that is no longer to be written behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It goes: it is flushed for as long as anybody uses it.
    Bucket,
    /// It stays, and is flushed once more.
    WriteBehind,
}

/// A flush that did not end in time, or cannot. The entries are still there, and noted as changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entries} entries are not in the store: {why}")]
pub struct Unflushed {
    /// How many.
    pub entries: u64,
    /// What the store says.
    pub why: String,
}

/// The write-behind of one bucket. Dropping it ends the rounds.
pub struct Behind {
    inner: Arc<Inner>,
    rounds: AbortOnDropHandle<()>,
}

struct Inner {
    place: Place,
    bucket: Arc<Bucket>,
    // Locked for moments, over no await.
    state: Mutex<State>,
    wake: Notify,
    // One round at a time; held over awaits, so it is tokio's.
    turn: tokio::sync::Mutex<Turn>,
}

struct State {
    options: Options,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Active,
    Leaving(Leaving),
    Ended,
}

struct Turn {
    /// The store may have keys that the bucket has not.
    compare: bool,
    /// Failures in a row.
    failures: u32,
}

impl Behind {
    /// Begins to write a bucket behind. One that does not note what changes yet begins to do so: what it has takes the place
    /// of all that the store has of it. It needs tokio's runtime.
    #[must_use]
    pub fn start(place: Place, bucket: Arc<Bucket>, options: Options) -> Self {
        let turn = Turn { compare: bucket.track(), failures: 0 };
        let inner = Arc::new(Inner {
            place,
            bucket,
            state: Mutex::new(State { options, phase: Phase::Active }),
            wake: Notify::new(),
            turn: tokio::sync::Mutex::new(turn),
        });
        let rounds = tokio::spawn(Arc::clone(&inner).run());
        Self { inner, rounds: AbortOnDropHandle::new(rounds) }
    }

    /// Whether it is for this bucket.
    #[must_use]
    pub fn is_of(&self, bucket: &Arc<Bucket>) -> bool {
        Arc::ptr_eq(&self.inner.bucket, bucket)
    }

    /// Goes on under these options, also if it was to leave; a round that was put off begins at once. Returns whether it
    /// goes on: one that has ended does not.
    pub fn go_on(&self, options: Options) -> bool {
        let mut state = self.inner.state.lock();
        if state.phase == Phase::Ended {
            return false;
        }
        *state = State { options, phase: Phase::Active };
        self.inner.wake.notify_one();
        true
    }

    /// Whose bucket, and its name.
    #[must_use]
    pub fn id(&self) -> &BucketId {
        &self.inner.place.id
    }

    /// Begins a round at once, also if it was put off.
    pub fn hurry(&self) {
        self.inner.wake.notify_one();
    }

    /// Ends when everything is in the store. What the store has stays there.
    pub fn leave(&self, leaving: Leaving) {
        let mut state = self.inner.state.lock();
        if state.phase != Phase::Ended {
            state.phase = Phase::Leaving(leaving);
            self.inner.wake.notify_one();
        }
    }

    /// Whether it has left.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.inner.state.lock().phase == Phase::Ended
    }

    /// Begins anew, if the host's own code panicked in a round: what was on its way is noted as changed again. None, if it did
    /// not.
    #[must_use]
    pub fn revived(&self) -> Option<Self> {
        if !self.rounds.is_finished() || self.has_ended() {
            return None;
        }
        let inner = Arc::clone(&self.inner);
        let rounds = tokio::spawn(Arc::clone(&inner).run());
        Some(Self { inner, rounds: AbortOnDropHandle::new(rounds) })
    }

    /// Writes everything now, and tries again for so long. A store that refuses is not asked again.
    ///
    /// # Errors
    /// [`Unflushed`]: what is left, and why.
    pub async fn flush(&self, within: Duration) -> Result<(), Unflushed> {
        let mut why = "there was not enough time".to_owned();
        let all = async {
            let mut pause = HASTE.0;
            loop {
                match self.inner.round().await {
                    Ok(()) if self.inner.bucket.dirty() == 0 => return true,
                    Ok(()) => {}
                    Err(error @ Error::Refused(_)) => {
                        why = error.to_string();
                        return false;
                    }
                    Err(error) => {
                        why = error.to_string();
                        tokio::time::sleep(pause).await;
                        pause = pause.saturating_mul(2).min(HASTE.1);
                    }
                }
            }
        };
        match tokio::time::timeout(within, all).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Unflushed { entries: self.inner.bucket.dirty(), why }),
        }
    }
}

impl Inner {
    async fn run(self: Arc<Self>) {
        let mut failures = 0;
        while !self.ends(failures) {
            let pause = self.state.lock().options.pause(failures, fastrand::f64());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.wake.notified() => {}
            }
            failures = match self.round().await {
                Ok(()) => 0,
                Err(_) => self.turn.lock().await.failures,
            };
        }
    }

    async fn round(&self) -> Result<(), Error> {
        let mut turn = self.turn.lock().await;
        let done = self.try_round(&mut turn).await;
        let (bucket, streak) = (&self.place.id, turn.failures);
        match &done {
            Ok(()) => {
                turn.failures = 0;
                if streak > 0 {
                    tracing::info!(%bucket, failures = streak, "the bucket is written to the store again");
                }
            }
            Err(error) => {
                turn.failures = streak.saturating_add(1);
                self.bucket.flush_failed();
                // Once for a streak: the metric counts the others.
                if streak == 0 {
                    let dirty = self.bucket.dirty();
                    tracing::warn!(%bucket, dirty, "the bucket cannot be written to the store, which is tried again: {error}");
                }
            }
        }
        done
    }

    async fn try_round(&self, turn: &mut Turn) -> Result<(), Error> {
        if turn.compare {
            self.place.compare(&self.bucket).await?;
            turn.compare = false;
        }
        self.place.write_changes(&self.bucket).await
    }

    /// Ends it, if it is to leave and nothing is left to do.
    fn ends(&self, failures: u32) -> bool {
        // Held throughout: who says meanwhile that it is to go on is told whether it does.
        let mut state = self.state.lock();
        let Phase::Leaving(leaving) = state.phase else { return state.phase == Phase::Ended };
        let is_left = match leaving {
            // Calls that are still at it hold the bucket too.
            Leaving::Bucket => Arc::strong_count(&self.bucket) == 1,
            Leaving::WriteBehind => true,
        };
        if failures > 0 || !is_left || self.bucket.dirty() > 0 {
            return false;
        }
        self.bucket.untrack();
        state.phase = Phase::Ended;
        true
    }
}

impl std::fmt::Debug for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Behind").field("bucket", &self.inner.place.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let options = Options::default();
        let seconds = [0, 1, 2, 3, 5, 6, 1000].map(|failures| options.pause(failures, 0.0).as_secs());
        assert_eq!(seconds, [1, 1, 2, 4, 16, 30, 30]);
        assert_eq!(options.pause(4, 1.0), Duration::from_secs(4));
        let hourly = Options { every: Duration::from_secs(3600), ..options };
        assert_eq!(hourly.pause(3, 0.5), hourly.every);
    }
}
