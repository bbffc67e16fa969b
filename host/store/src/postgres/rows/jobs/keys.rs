//! Keys in their order, as a group's writes leave them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Keys that remember what the write that is carried out did to them.
pub(super) struct Keys<K> {
    set: BTreeSet<K>,
    /// What was added, or else removed.
    undo: Vec<(K, bool)>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { set: BTreeSet::new(), undo: Vec::new() }
    }
}

impl<K: Ord + Copy> Keys<K> {
    /// It was loaded.
    pub(super) fn found(&mut self, key: K) {
        self.set.insert(key);
    }

    pub(super) fn add(&mut self, key: K) {
        if self.set.insert(key) {
            self.undo.push((key, true));
        }
    }

    pub(super) fn remove(&mut self, key: K) {
        if self.set.remove(&key) {
            self.undo.push((key, false));
        }
    }

    pub(super) fn range(&self, range: RangeInclusive<K>) -> impl Iterator<Item = K> + '_ {
        // What begins behind its end has nothing.
        let some = range.start() <= range.end();
        some.then(|| self.set.range(range)).into_iter().flatten().copied()
    }

    /// Another write begins: what was done so far stays.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Undoes what was done since [`keep`](Self::keep).
    pub(super) fn undo(&mut self) {
        while let Some((key, added)) = self.undo.pop() {
            if added {
                self.set.remove(&key);
            } else {
                self.set.insert(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn what_is_refused_leaves_no_trace() {
        let mut keys = Keys::default();
        keys.found(1);
        keys.add(2);
        keys.keep();
        keys.remove(1);
        keys.add(3);
        keys.remove(3);
        keys.add(1);
        keys.remove(2);
        keys.add(4);
        assert_eq!(keys.range(0..=9).collect::<Vec<_>>(), [1, 4]);
        keys.undo();
        assert_eq!(keys.range(0..=9).collect::<Vec<_>>(), [1, 2]);
        let (nine, none) = (9, 0);
        assert_eq!(keys.range(nine..=none).count(), 0);
    }
}
