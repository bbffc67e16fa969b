//! What is asked of a second tier, and who listens to it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// An answer that may take as long as the tier's own time limit, and never longer.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Fault>>;

/// The entries of one bucket, in a place that other hosts use too.
///
/// Each method is one step there: nothing that another host does falls into the midst of it.
pub trait Second: Send + Sync + 'static {
    /// Looks keys up. The answer may be shorter than the keys, at least one: what is missing is to be asked for again.
    fn read<'a>(&'a self, keys: &'a [Box<str>]) -> Answer<'a, Vec<Seen>>;

    /// Changes one entry.
    fn edit<'a>(&'a self, key: &'a str, edit: Edit<'a>) -> Answer<'a, Edited>;

    /// Makes all entries of the bucket void.
    fn clear(&self) -> Answer<'_, ()>;

    /// How it stands, now and from now on.
    fn standing(&self) -> watch::Receiver<Standing>;

    /// The longest that any answer takes.
    fn patience(&self) -> Duration;

    /// Tells this listener what others change from now on, as far as it can.
    fn tell(&self, listener: Weak<dyn Listener>);
}

/// Who is told of changes that other hosts make. Both are called by who reads answers, so they must not block.
pub trait Listener: Send + Sync + 'static {
    /// Another host changed the entry, or it ended.
    fn changed(&self, key: &str);
    /// Another host made all entries void.
    fn cleared(&self);
}

/// Whether a second tier answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Up {
        /// Grows each time that it comes back: what was told before is of an earlier time.
        epoch: u64,
        /// Whether it tells what others change.
        tells: bool,
    },
    /// It does not, and is not asked: the breaker is open. Whoever is responsible tries it alone.
    Down {
        /// Why, for operators. No secret is in it.
        why: Arc<str>,
    },
}

impl Standing {
    /// The epoch, while it answers.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Self::Up { epoch, .. } => Some(*epoch),
            Self::Down { .. } => None,
        }
    }
}

/// There was no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It was not asked: it is down, or too many ask it already. Nothing has changed there.
    #[error("not asked")]
    NotAsked,
    /// It did not answer in time, or the connection broke. What was asked may have been done.
    #[error("no answer in time")]
    NoAnswer,
    /// It refused, for a reason of its own.
    #[error("refused: {0}")]
    Refused(String),
}

/// How long an entry lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It does not end by time.
    Endless,
    /// So long.
    For(Duration),
}

/// What is found under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing, or what was made void.
    Absent,
    /// Something that no host of this kind has written, or that is longer than the bucket's values may be.
    Foreign,
    /// An entry.
    Entry(Found),
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its value.
    pub value: Vec<u8>,
    /// Its version: another one after each write, on whatever host.
    pub version: u64,
    /// What is left of its time; `None`: it is past its end, and kept for who takes a stale value.
    pub left: Option<Left>,
}

/// How long an entry is to live from a write on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Until it ends.
    pub left: Left,
    /// Rather as long as the entry that is there has left.
    pub keep: bool,
    /// How long it is kept past its end.
    pub stale: Duration,
}

/// A change of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Stores a value under a version that was never given.
    Put {
        /// The value.
        value: &'a [u8],
        /// The version.
        version: u64,
        /// How long it lives.
        life: Life,
        /// When it takes place: a condition is about a live entry.
        condition: skep_cache::Condition,
    },
    /// Removes the entry and gives its value.
    Take,
    /// Removes the entry.
    Delete,
    /// Gives a live entry another time.
    Touch(Life),
    /// Adds to a decimal number, which keeps its end; the life is for one that begins.
    Increment {
        /// What is added.
        by: i64,
        /// The version.
        version: u64,
        /// How long it lives if it begins.
        life: Life,
    },
    /// Stores what an earlier write could not, if nothing is there; what else is there is removed, since nobody can know
    /// which of both is newer.
    Restore {
        /// The value.
        value: &'a [u8],
        /// The version that it was given when it was written.
        version: u64,
        /// How long it lives.
        life: Life,
    },
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The entry is there, with what is left of its time; a number if it was added to.
    Stored(Left, Option<i64>),
    /// It was removed: its value, if that was asked for.
    Removed(Vec<u8>),
    /// There was none.
    Absent,
    /// The condition does not hold.
    Conflict,
    /// It is no number, or the sum passes 64 bits.
    NotANumber,
}
