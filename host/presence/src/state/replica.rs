//! Who tags entries, and what a tag looks like.

use std::fmt;
use std::sync::Arc;

/// One life of one node: its name, and a number that grows with every start.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica(Arc<Identity>);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Identity {
    name: Arc<str>,
    incarnation: u64,
    tag: u64,
}

impl Replica {
    /// A replica. The time of its start is a good incarnation.
    #[must_use]
    pub fn new(name: &str, incarnation: u64) -> Self {
        // FNV-1a: refs only need to differ between the few replicas of a cluster, and to be the same on all of them,
        // which the hashers of maps do not promise.
        let bytes = name.bytes().chain(incarnation.to_le_bytes());
        let tag = bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(Arc::new(Identity { name: name.into(), incarnation, tag }))
    }

    /// The name of the node.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Which of the node's lives it is.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.0.incarnation
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    pub(crate) fn tag(&self) -> u64 {
        self.0.tag
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name(), self.incarnation())
    }
}

/// Names one presence, on all nodes and for ever: the tag of its replica and the number of its join. It prints as the
/// text that clients know as `phx_ref`, of letters, digits, `-` and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref {
    pub(crate) clock: u64,
    pub(crate) tag: u64,
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Ref {
    /// Appends the text. Written by hand, since a list of thousands writes thousands of them.
    pub(crate) fn write(self, out: &mut String) {
        let mut digit = |value: u64| {
            let at = usize::try_from(value & 63).unwrap_or_default();
            out.push(char::from(DIGITS.get(at).copied().unwrap_or(b'A')));
        };
        for at in (0..11).rev() {
            digit(self.tag >> (6 * at));
        }
        // The tag always has 11 digits, so the clock needs no separator.
        let digits = (64 - self.clock.leading_zeros()).div_ceil(6).max(1);
        for at in (0..digits).rev() {
            digit(self.clock >> (6 * at));
        }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(24);
        self.write(&mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_differ_by_node_incarnation_and_clock() {
        let mut texts = std::collections::BTreeSet::new();
        for (name, incarnation) in [("a", 0), ("a", 1), ("b", 0), ("b", 1)] {
            for clock in [0, 1, 63, 64, 65, u64::MAX] {
                let text = Ref { clock, tag: Replica::new(name, incarnation).tag() }.to_string();
                assert!(text.len() <= 22 && texts.insert(text.clone()), "{text}");
            }
        }
    }
}
