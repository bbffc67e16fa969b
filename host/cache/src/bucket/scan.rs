//! Keys in pages. An entry stays in its slot as long as it lives, so a walk over the slots meets each exactly once,
//! whatever else is written meanwhile.

use super::Bucket;
use crate::error::Error;
use crate::life::State;

/// Keys on one page, at most.
pub const PAGE_KEYS_MAX: usize = 1000;
/// Slots looked at for one page, at most: a prefix that nothing has must not hold the locks for the whole bucket.
pub const PAGE_SLOTS_MAX: usize = 10_000;

/// Keys, in no particular order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The keys. There may be few or none although more follow.
    pub keys: Vec<String>,
    /// Where to go on; `None` at the end.
    pub cursor: Option<String>,
    /// Slots that were looked at: what the page cost.
    pub looked_at: usize,
}

impl Bucket {
    /// The keys that start with `prefix`, from `cursor` on: at most `limit`, and never more than [`PAGE_KEYS_MAX`].
    ///
    /// An entry that is there during the whole scan is returned exactly once. One that comes or goes meanwhile may or
    /// may not be.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the limit is zero, or the cursor did not come from this bucket.
    pub fn keys(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<Page, Error> {
        if limit == 0 {
            return Err(Error::Invalid("a page of no keys"));
        }
        let from = cursor.map_or(Ok((0, 0)), |cursor| self.read_cursor(cursor))?;
        let (keys, next, looked_at) = self.walk(prefix, from, limit);
        Ok(Page { keys, cursor: next.map(|(shard, slot)| self.write_cursor(shard, slot)), looked_at })
    }

    /// The same for a cursor that has to be a number, which cannot tell whether it came from this bucket: a wrong one
    /// leaves keys out.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the limit is zero.
    pub fn keys_from(
        &self,
        prefix: &str,
        position: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<String>, Option<u64>), Error> {
        if limit == 0 {
            return Err(Error::Invalid("a page of no keys"));
        }
        let position = position.unwrap_or_default();
        let shard = usize::try_from(position >> 32).unwrap_or(usize::MAX);
        let slot = u32::try_from(position & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let (keys, next, _) = self.walk(prefix, (shard, slot), limit);
        Ok((keys, next.map(|(shard, slot)| (shard as u64) << 32 | u64::from(slot))))
    }

    /// A page, the shard and slot where the next one begins, and how many slots were looked at.
    fn walk(&self, prefix: &str, from: (usize, u32), limit: usize) -> (Vec<String>, Option<(usize, u32)>, usize) {
        let limit = limit.min(PAGE_KEYS_MAX);
        let (mut number, mut slot) = from;
        let life = self.life();
        let mut keys = Vec::new();
        let mut slots_left = PAGE_SLOTS_MAX;
        while let Some(shard) = self.lock_shard(number) {
            while slot < shard.slab.end() {
                if keys.len() == limit || slots_left == 0 {
                    return (keys, Some((number, slot)), PAGE_SLOTS_MAX - slots_left);
                }
                slots_left -= 1;
                let entry = shard.slab.get(slot);
                slot += 1;
                if let Some(entry) = entry
                    && entry.key().starts_with(prefix.as_bytes())
                    && life.state(&entry) == State::Live
                    && let Ok(key) = std::str::from_utf8(entry.key())
                {
                    keys.push(key.to_owned());
                }
            }
            number += 1;
            slot = 0;
        }
        (keys, None, PAGE_SLOTS_MAX - slots_left)
    }

    fn write_cursor(&self, shard: usize, slot: u32) -> String {
        format!("{:016x}{shard:02x}{slot:08x}", self.nonce)
    }

    fn read_cursor(&self, cursor: &str) -> Result<(usize, u32), Error> {
        let invalid = Error::Invalid("the cursor is not one of this bucket");
        let part = |from: usize, to: usize| {
            let digits = cursor.get(from..to).filter(|digits| !digits.starts_with('+'))?;
            u64::from_str_radix(digits, 16).ok()
        };
        let (Some(nonce), Some(shard), Some(slot)) = (part(0, 16), part(16, 18), part(18, 26)) else {
            return Err(invalid);
        };
        let (Ok(shard), Ok(slot)) = (usize::try_from(shard), u32::try_from(slot)) else { return Err(invalid) };
        if nonce != self.nonce || cursor.len() != 26 || shard >= self.shards() {
            return Err(invalid);
        }
        Ok((shard, slot))
    }
}
