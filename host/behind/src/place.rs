//! Where a bucket's entries are in the store, and in what form.
//!
//! An entry is an item of the bucket's owner, in the area that the host keeps, under `cache/BUCKET/KEY`; it ends when the
//! entry does. Its value, numbers little-endian:
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | 1, the form |
//! | 8 | the entry's version |
//! | rest | the entry's value as it is; of a counter the decimal text |

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::{BufMut as _, Bytes, BytesMut};
use skep_cache::{Changed, Current};
use skep_store::{Area, Commit, CommitError, Key, ListRequest, Page, Store, Timestamp, Write};
use skep_types::{BucketId, Clock};

const FORM: u8 = 1;
/// Bytes before the value.
const HEAD_BYTES: usize = 9;
/// Items of a page.
const PAGE_ITEMS: usize = 1_000;
/// Bytes of a page, but for one item that is larger.
const PAGE_BYTES: usize = 4 << 20;

/// A bucket's place in a store.
#[derive(Clone)]
pub struct Place {
    /// Whose bucket, and its name.
    pub id: BucketId,
    /// Where.
    pub store: Arc<dyn Store>,
    /// What time it is for the store.
    pub clock: Arc<dyn Clock>,
}

impl Place {
    /// Writes changes in one commit.
    pub(crate) async fn write(&self, changed: &[Changed]) -> Result<(), CommitError> {
        let mut commit = Commit::new(self.id.owner.clone(), self.now());
        commit.writes = changed.iter().map(|changed| self.to_write(changed)).collect();
        self.store.commit(commit).await.map(drop)
    }

    fn to_write(&self, changed: &Changed) -> Write {
        let key = format!("{}{}", self.prefix(), changed.key);
        let key = Key { space: self.id.owner.clone(), area: Area::Host, key };
        match &changed.entry {
            Some(entry) => Write::Set { key, value: encode(entry), expires: entry.ends_unix_ms },
            None => Write::Delete(key),
        }
    }

    /// What is there behind a key of the store's, in the order of the keys.
    pub(crate) async fn page(&self, after: Option<String>, keys_only: bool) -> Result<Page, skep_store::Error> {
        let request = ListRequest {
            space: self.id.owner.clone(),
            area: Area::Host,
            prefix: self.prefix(),
            after,
            limit: PAGE_ITEMS,
            bytes_max: PAGE_BYTES,
            keys_only,
            now: self.now(),
        };
        self.store.list(request).await
    }

    /// The bucket's key of a key of the store's.
    pub(crate) fn key_of<'k>(&self, stored: &'k str) -> &'k str {
        // A page has only keys that begin so.
        stored.strip_prefix(&self.prefix()).unwrap_or(stored)
    }

    fn prefix(&self) -> String {
        format!("cache/{}/", self.id.name)
    }

    fn now(&self) -> Timestamp {
        let wall = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(wall.as_millis()).unwrap_or(Timestamp::MAX)
    }
}

fn encode(entry: &Current) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES + entry.value.len());
    bytes.put_u8(FORM);
    bytes.put_u64_le(entry.version);
    bytes.put_slice(&entry.value);
    bytes.freeze()
}

/// Version and value; none, if it is of no form that is known here.
pub(crate) fn decode(stored: &[u8]) -> Option<(u64, &[u8])> {
    let (head, value) = stored.split_first_chunk::<HEAD_BYTES>()?;
    let (form, version) = head.split_first()?;
    (*form == FORM).then_some((u64::from_le_bytes(version.try_into().ok()?), value))
}
