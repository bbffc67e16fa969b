//! A memory of keys that were evicted a short while ago, in four bytes each.

/// Fingerprints in one set; the oldest leaves when one more comes.
const WAYS: usize = 4;

/// Fingerprints of evicted keys, bounded by the number of entries the shard once held.
///
/// A set is a first-in-first-out of four, found by the fingerprint itself: no links and no index. Two keys with one
/// fingerprint only mean that one entry is favoured for no reason.
pub(crate) struct Ghost {
    sets: Vec<[u32; WAYS]>,
}

impl Ghost {
    pub(crate) fn new() -> Self {
        Self { sets: Vec::new() }
    }

    /// Remembers a key, in a memory of about `entries`.
    pub(crate) fn insert(&mut self, hash: u64, entries: u32) {
        let wanted = (entries as usize / WAYS).max(1).next_power_of_two();
        // What it held is forgotten when it grows, which is rare: nothing is evicted while a shard grows.
        if self.sets.len() < wanted || self.sets.len() > wanted * 4 {
            self.sets = vec![[0; WAYS]; wanted];
        }
        let print = fingerprint(hash);
        if let Some(set) = self.set(print) {
            set.rotate_right(1);
            if let Some(newest) = set.first_mut() {
                *newest = print;
            }
        }
    }

    /// Whether the key was remembered; it is forgotten then.
    pub(crate) fn take(&mut self, hash: u64) -> bool {
        let print = fingerprint(hash);
        let Some(found) = self.set(print).and_then(|set| set.iter_mut().find(|known| **known == print)) else {
            return false;
        };
        *found = 0;
        true
    }

    fn set(&mut self, print: u32) -> Option<&mut [u32; WAYS]> {
        let mask = self.sets.len().checked_sub(1)?;
        self.sets.get_mut(print as usize & mask)
    }
}

/// Bits that do not choose the shard, so that they differ within it. Zero means empty, so no key has it.
fn fingerprint(hash: u64) -> u32 {
    let print = (hash >> 8) as u32;
    if print == 0 { 1 << 31 } else { print }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_once() {
        let mut ghost = Ghost::new();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert!(!ghost.take(hash(1)));
        for n in 1..=10_000 {
            ghost.insert(hash(n), 1024);
        }
        assert!((9_990..=10_000).all(|n| ghost.take(hash(n))));
        assert!(!ghost.take(hash(10_000)));
        let old = (1..5_000).filter(|n| ghost.take(hash(*n))).count();
        assert!(old < 50, "{old}");
        assert!(ghost.sets.len() <= 256);
    }
}
