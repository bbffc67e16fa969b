//! One presence.

use std::sync::Arc;

use skep_types::TopicId;

use crate::data::Data;

use super::replica::{Ref, Replica};

/// One presence of one owner under one key of one topic. It never changes; an update is another entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) replica: Replica,
    pub(crate) clock: u64,
    /// The number of the entry that this one updates, 0 for none.
    pub(crate) previous: u64,
    pub(crate) owner: Arc<str>,
    pub(crate) topic: Arc<TopicId>,
    pub(crate) key: Arc<str>,
    pub(crate) data: Data,
}

impl Entry {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> Ref {
        Ref { clock: self.clock, tag: self.replica.tag() }
    }

    /// The name of the entry that it updates.
    #[must_use]
    pub fn previous(&self) -> Option<Ref> {
        (self.previous != 0).then(|| Ref { clock: self.previous, tag: self.replica.tag() })
    }

    /// What it lives with.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Where it is.
    #[must_use]
    pub fn topic(&self) -> &TopicId {
        &self.topic
    }

    /// Under which key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The JSON object that came with it.
    #[must_use]
    pub fn data(&self) -> &str {
        self.data.as_str()
    }

    /// Whose it is.
    #[must_use]
    pub fn replica(&self) -> &Replica {
        &self.replica
    }
}
