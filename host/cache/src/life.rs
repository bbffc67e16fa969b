//! Whether an entry lives, at one moment and under the bucket's rules.

use crate::slab::Slot;
use crate::time::NEVER;

/// A moment, and the rules that hold at it.
#[derive(Clone, Copy)]
pub(crate) struct Life {
    pub(crate) now: u64,
    /// The idle limit; `NEVER` for none.
    pub(crate) idle: u64,
    /// Since when that limit holds: before it, reads did not note the time.
    pub(crate) idle_since: u64,
    /// How long an entry is kept past its end.
    pub(crate) stale: u64,
}

/// The state of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    /// Past its end, and kept for those who take a stale value.
    Stale,
    /// Nobody may ever see it again.
    Dead,
}

impl Life {
    /// When an entry with these times ends.
    pub(crate) fn end(&self, expires: u64, touched: u64) -> u64 {
        if self.idle == NEVER {
            return expires;
        }
        expires.min(touched.max(self.idle_since).saturating_add(self.idle))
    }

    pub(crate) fn state(&self, slot: &Slot) -> State {
        self.state_at(slot.expires, slot.touched)
    }

    pub(crate) fn state_at(&self, expires: u64, touched: u64) -> State {
        let end = self.end(expires, touched);
        if self.now < end {
            State::Live
        } else if self.now < end.saturating_add(self.stale) {
            State::Stale
        } else {
            State::Dead
        }
    }
}
