//! What an engine is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use skep_types::{Clock, SystemClock, TopicId, TopicSelector};

use crate::state::Replica;

/// The most members in one page of a list: an answer to a guest is copied into its memory as a whole.
pub const PAGE_MEMBERS_MAX: usize = 1000;

/// How an engine behaves.
#[derive(Clone)]
pub struct Options {
    /// The time that ticks go by. Default: the system's.
    pub clock: Arc<dyn Clock>,
    /// Who tags the entries of this engine. The incarnation must be a new one at every start, or refs would repeat.
    /// Default: `local`, 0, which only an engine by itself may keep.
    pub replica: Replica,
    /// How long the changes of a topic are gathered before they are announced together. Default: 50 ms.
    pub tick: Duration,
    /// The most entries in one topic. When twice as many have left it and wait for its tick, joins and updates are
    /// refused until then. Entries of other replicas are not refused. Default: 100,000.
    pub members_max: usize,
    /// The most owners at once. Default: 1,000,000.
    pub owners_max: usize,
    /// The most entries of one owner. They are found by walking them, so this is no large number. Default: 100.
    pub tracks_max: usize,
    /// The longest data of an entry, in bytes. Default: 4 KiB.
    pub data_bytes_max: usize,
    /// The longest key, in bytes. Default: 255.
    pub key_bytes_max: usize,
    /// The most entries, joins and leaves together, in one diff; at least 2, since an update stays in one. More
    /// changes than that in one tick are cut into several diffs. Default: 1,000.
    pub diff_entries_max: usize,
    /// About the most bytes of one diff's JSON, over which it is cut too; a single update always stays in one. What
    /// announces diffs may have a limit: for pubsub it is 1 MiB. Default: 512 KiB.
    pub diff_bytes_max: usize,
    /// How topics are announced. Default: all in full.
    pub modes: Modes,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            replica: Replica::new("local", 0),
            tick: Duration::from_millis(50),
            members_max: 100_000,
            owners_max: 1_000_000,
            tracks_max: 100,
            data_bytes_max: 4096,
            key_bytes_max: 255,
            diff_entries_max: 1000,
            diff_bytes_max: 512 << 10,
            modes: Modes::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("replica", &self.replica).field("tick", &self.tick).finish_non_exhaustive()
    }
}

/// What the diffs of a topic tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Who joined and who left.
    #[default]
    Full,
    /// How many keys there are: the diffs of a topic with very many members stay small.
    Count,
}

/// The modes of topics; the first selector that matches decides, and a topic that none matches is announced in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes(pub Vec<(TopicSelector, Mode)>);

impl Modes {
    /// The mode of a topic.
    #[must_use]
    pub fn of(&self, topic: &TopicId) -> Mode {
        self.0.iter().find(|(selector, _)| selector.matches(topic)).map_or(Mode::Full, |(_, mode)| *mode)
    }
}
