//! How entries are named and written, here and there.
//!
//! In Redis, where `PREFIX` is `skep` unless the manifest says otherwise and numbers are little-endian:
//!
//! | key | value |
//! |---|---|
//! | `PREFIX:1:{PLUGIN/BUCKET}` | the bucket's generation: 8 bytes. Another one makes all entries void |
//! | `PREFIX:1:{PLUGIN/BUCKET}/KEY` | an entry |
//!
//! The `1` is the version of all this. The braces keep a bucket in one slot, if a proxy spreads keys over a cluster.
//!
//! | bytes of an entry | meaning |
//! |---|---|
//! | 1 | 1, the form |
//! | 1 | `1` if it does not end by time, else `0` |
//! | 8 | the generation that it belongs to |
//! | 8 | its version |
//! | 8 | how long it is kept past its end, in milliseconds |
//! | rest | the value as it is; of a counter the decimal text |
//!
//! Its time is that of the key in Redis, less what it is kept past its end: Redis's clock decides, and hosts need not agree
//! on the time. One that does not end by time is kept for [`ENDLESS`] there, so that nothing of a bucket that is gone stays
//! for ever.
//!
//! In memory a note of 24 bytes is in front of the value: when Redis last had it, and its version.

use std::time::Duration;

use skep_cache::Value;
use skep_types::BucketId;

use crate::port::{Found, Left};

/// Bytes in front of a value in Redis.
const HEAD_BYTES: usize = 26;
/// How long Redis keeps an entry without an end from its last write on.
pub const ENDLESS: Duration = Duration::from_secs(30 * 24 * 3600);
/// Bytes in front of a value in memory. A bucket's `value_bytes` is to be larger by so much.
pub const NOTE_BYTES: usize = 24;

/// The names of one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Names(String);

impl Names {
    pub(crate) fn new(prefix: &str, id: &BucketId) -> Self {
        Self(format!("{}{{{id}}}", of_all(prefix)))
    }

    pub(crate) fn generation(&self) -> &str {
        &self.0
    }

    pub(crate) fn entry(&self, key: &str) -> String {
        format!("{}/{key}", self.0)
    }
}

/// What all names of a prefix begin with.
pub(crate) fn of_all(prefix: &str) -> String {
    format!("{prefix}:1:")
}

/// The bucket that a name is of, and the key of its entry; no key is the generation.
pub(crate) fn parse<'n>(prefix: &str, name: &'n str) -> Option<(&'n str, Option<&'n str>)> {
    let rest = name.strip_prefix(prefix)?.strip_prefix(":1:{")?;
    let (bucket, key) = rest.split_once('}')?;
    match key {
        "" => Some((bucket, None)),
        key => Some((bucket, Some(key.strip_prefix('/')?))),
    }
}

/// Reads an entry as it is in Redis, of which so many milliseconds are left; -1 if there is no end. `None` if it is nothing
/// of ours.
pub(crate) fn decode(whole: &[u8], left_ms: i64) -> Option<Found> {
    let (head, value) = whole.split_at_checked(HEAD_BYTES)?;
    let number = |from: usize| Some(u64::from_le_bytes(head.get(from..from + 8)?.try_into().ok()?));
    if head.first() != Some(&1) {
        return None;
    }
    let left = if head.get(1) == Some(&b'1') || left_ms < 0 {
        Some(Left::Endless)
    } else {
        let left = u64::try_from(left_ms).unwrap_or(0).saturating_sub(number(18)?);
        (left > 0).then_some(Left::For(Duration::from_millis(left)))
    };
    Some(Found { value: value.to_vec(), version: number(10)?, left })
}

/// An entry as it is in Redis.
pub(crate) fn encode(endless: bool, generation: u64, version: u64, stale_ms: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + value.len());
    bytes.extend_from_slice(&[1, if endless { b'1' } else { b'0' }]);
    for number in [generation, version, stale_ms] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(value);
    bytes
}

/// What memory knows of an entry's copy in the second tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The epoch in which the second tier had it; 0: it never answered.
    pub(crate) epoch: u64,
    /// When that was, in nanoseconds of this host's count.
    pub(crate) seen: u64,
    /// Its version.
    pub(crate) version: u64,
}

impl Note {
    /// The bytes for memory.
    pub(crate) fn in_front_of(self, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(NOTE_BYTES + value.len());
        for number in [self.epoch, self.seen, self.version] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(value);
        bytes
    }

    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let (note, _) = bytes.split_at_checked(NOTE_BYTES)?;
        let number = |at: usize| Some(u64::from_le_bytes(note.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        Some(Self { epoch: number(0)?, seen: number(1)?, version: number(2)? })
    }
}

/// The value behind its note.
#[must_use]
pub fn value_of(stored: Value) -> Value {
    stored.skip(NOTE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let id: BucketId = "shop/pages".parse().unwrap();
        let names = Names::new("skep", &id);
        assert_eq!(names.generation(), "skep:1:{shop/pages}");
        assert_eq!(parse("skep", names.generation()), Some(("shop/pages", None)));
        for key in ["", "a", "a/b}", "{x}/y", "ü"] {
            assert_eq!(parse("skep", &names.entry(key)), Some(("shop/pages", Some(key))));
        }
        for other in ["", "skep:2:{a/b}", "skep:1:a/b", "skep:1:{a/b", "skep:1:{a/b}x", "other:1:{a/b}"] {
            assert_eq!(parse("skep", other), None, "{other}");
        }
    }

    #[test]
    fn entries_are_read_and_what_is_none_is_not() {
        let mut whole = encode(false, 7, 8, 500, b"value");
        assert_eq!(encode(true, 7, 8, 500, b"value")[1], b'1');
        let found = |left| Some(Found { value: b"value".to_vec(), version: 8, left });
        assert_eq!(decode(&whole, 1500), found(Some(Left::For(Duration::from_secs(1)))));
        assert_eq!(decode(&whole, 500), found(None));
        assert_eq!(decode(&whole, 1), found(None));
        assert_eq!(decode(&whole, -1), found(Some(Left::Endless)));
        whole[1] = b'1';
        assert_eq!(decode(&whole, 1), found(Some(Left::Endless)));
        assert_eq!(decode(&whole[..25], 1), None);
        whole[0] = 2;
        assert_eq!(decode(&whole, 1), None);
    }

    #[test]
    fn a_note_is_in_front_of_the_value() {
        let note = Note { epoch: 1, seen: 2, version: u64::MAX };
        let bytes = note.in_front_of(b"value");
        assert_eq!(Note::of(&bytes), Some(note));
        assert_eq!(&bytes[NOTE_BYTES..], b"value");
        assert_eq!(Note::of(&bytes[..NOTE_BYTES - 1]), None);
    }
}
