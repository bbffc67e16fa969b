//! Buckets, over the wire.

use serde::{Deserialize, Serialize};

/// One bucket: its limits, and what it counted since it was created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketStatus {
    /// Whose it is.
    pub plugin: String,
    /// Its name there.
    pub bucket: String,
    /// `cache`, which evicts, or `table`, which refuses.
    pub kind: String,
    /// Whether it is saved by a graceful shutdown, and restored.
    pub persist: bool,
    /// Whether its changes go to the plugin's store, from where it is restored.
    #[serde(default)]
    pub write_behind: bool,
    /// Keys that were changed and are not in the store yet.
    #[serde(default)]
    pub dirty: u64,
    /// Changed keys that were written to the store.
    #[serde(default)]
    pub flushed: u64,
    /// Attempts to write them that failed.
    #[serde(default)]
    pub flush_failures: u64,
    /// The second tier, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<SecondTierStatus>,
    /// Entries held now.
    pub entries: u64,
    /// The most entries; none where only the bytes count.
    pub entries_max: Option<u64>,
    /// Bytes held now, counted as the limit is.
    pub bytes: u64,
    /// The most bytes.
    pub bytes_max: u64,
    /// Reads that found an entry.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Leases given to load a value.
    pub loads: u64,
    /// Leases that ended without one.
    pub load_failures: u64,
    /// Entries evicted because there were too many.
    pub evicted_entries: u64,
    /// Entries evicted because they held too many bytes.
    pub evicted_bytes: u64,
    /// Entries that ended by their time.
    pub expired: u64,
    /// Entries removed by somebody.
    pub removed: u64,
    /// Writes refused because the bucket was full.
    pub rejected: u64,
    /// Callers that wait now.
    pub waiting: u64,
    /// Leases held now.
    pub leases: u64,
    /// Locks held now.
    pub locks: u64,
}

/// The second tier of a bucket, and what was counted of it since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondTierStatus {
    /// Whether it answers; else the breaker is open, and memory serves alone.
    pub up: bool,
    /// Whether it tells what other hosts change.
    pub tells: bool,
    /// Why it is not up.
    pub why: Option<String>,
    /// Lookups that found an entry.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Of these, lookups that found something that is no entry.
    pub foreign: u64,
    /// Changes that it took.
    pub writes: u64,
    /// Questions that it refused or did not answer in time.
    pub errors: u64,
    /// Operations that were done in memory without asking.
    pub skipped: u64,
    /// Changes of other hosts that it told.
    pub told: u64,
    /// Keys whose last change may not have reached it.
    pub owed: u64,
}

impl BucketStatus {
    /// Reads that found an entry, in percent of all; none before the first read.
    #[must_use]
    pub fn hit_rate(&self) -> Option<u64> {
        self.hits.saturating_mul(100).checked_div(self.hits.saturating_add(self.misses))
    }
}

/// Keys of a bucket, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPage {
    /// The keys. A page may be short, even empty, before the end.
    pub keys: Vec<String>,
    /// Where to go on; none at the end.
    pub cursor: Option<String>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryStatus {
    /// The key.
    pub key: String,
    /// The entry's version.
    pub version: u64,
    /// Milliseconds until it ends; none if it does not end by time.
    pub time_left_ms: Option<u64>,
    /// The length of the value.
    pub bytes: u64,
    /// The value.
    pub value: ValueText,
}

/// A value, in a form that JSON can carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueText {
    /// It is UTF-8.
    Text(String),
    /// It is not: two hexadecimal digits for each byte.
    Hex(String),
}

impl ValueText {
    /// Writes bytes down.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::hex(bytes),
        }
    }

    /// Writes down how bytes begin: at most so many of them; of a text no part of a character.
    #[must_use]
    pub fn preview(bytes: &[u8], bytes_max: usize) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default().to_owned()),
            Err(_) => Self::hex(bytes.get(..bytes_max).unwrap_or(bytes)),
        }
    }

    /// How many bytes are written down.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Hex(digits) => digits.len() / 2,
        }
    }

    fn hex(bytes: &[u8]) -> Self {
        Self::Hex(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
    }

    /// The bytes again; none if the digits are not what [`of`](Self::of) writes.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.as_bytes().to_vec()),
            Self::Hex(digits) if digits.len().is_multiple_of(2) => {
                let pairs = digits.as_bytes().chunks_exact(2);
                pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
            }
            Self::Hex(_) => None,
        }
    }
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0')
}

/// What came of deleting an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Whether there was one.
    pub deleted: bool,
}

/// What came of clearing a bucket, or the dead letters of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// What was removed: entries, letters.
    pub removed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_through_json_as_they_were() {
        for bytes in [&b""[..], b"plain", "Bärbel\n".as_bytes(), &[0, 255, 16], &[0xc3, 0x28]] {
            let json = serde_json::to_string(&ValueText::of(bytes)).unwrap();
            assert_eq!(serde_json::from_str::<ValueText>(&json).unwrap().bytes().unwrap(), bytes, "{json}");
        }
        assert_eq!(ValueText::of(&[0, 255, 16]), ValueText::Hex("00ff10".to_owned()));
        assert_eq!(ValueText::Hex("0".to_owned()).bytes(), None);
        assert_eq!(ValueText::Hex("0g".to_owned()).bytes(), None);
    }

    #[test]
    fn the_hit_rate_is_of_all_reads() {
        assert_eq!(BucketStatus::default().hit_rate(), None);
        assert_eq!(BucketStatus { hits: 3, misses: 1, ..BucketStatus::default() }.hit_rate(), Some(75));
    }
}
