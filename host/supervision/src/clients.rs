//! From how many clients failures come, in bounded space.

/// More distinct clients than this are not told apart. Options are clamped to it: a handful tells a broken handler from
/// a broken client, and each bucket of a window keeps as many hashes.
pub(crate) const CLIENTS_MAX: usize = 16;

/// A set of client hashes that stops growing once it holds as many as matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients {
    hashes: Vec<u64>,
    /// Failures without a client: each counts as somebody else.
    nameless: usize,
}

impl Clients {
    /// Notes a failure. `enough` is how many distinct clients are asked for.
    pub(crate) fn add(&mut self, client: Option<u64>, enough: usize) {
        match client {
            None => self.nameless = self.nameless.saturating_add(1),
            Some(hash) if self.hashes.len() < enough.min(CLIENTS_MAX) && !self.hashes.contains(&hash) => {
                self.hashes.push(hash);
            }
            Some(_) => {}
        }
    }

    pub(crate) fn clear(&mut self) {
        self.hashes.clear();
        self.nameless = 0;
    }

    /// Takes up another set.
    pub(crate) fn merge(&mut self, other: &Self, enough: usize) {
        self.nameless = self.nameless.saturating_add(other.nameless);
        for hash in &other.hashes {
            self.add(Some(*hash), enough);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.hashes.len().saturating_add(self.nameless)
    }
}
