//! From the store to an empty bucket.

use skep_cache::Bucket;

use crate::place::{Place, decode};

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Entries that are in the bucket now.
    pub entries: u64,
    /// Entries that do not fit the bucket's limits. They are left in the store.
    pub skipped: u64,
    /// Entries of a form that is not known here. They are left in the store.
    pub unread: u64,
}

impl Place {
    /// Fills an empty bucket with what the store has of it, and has it note from then on what changes. What has ended
    /// meanwhile is not there; ends and versions are as they were. It goes in pages: memory does not grow with what is read.
    ///
    /// # Errors
    /// When the store cannot be read. The bucket has a part then, and is not to be used.
    pub async fn restore(&self, bucket: &Bucket) -> Result<Restored, skep_store::Error> {
        bucket.track();
        let (mut restored, mut after) = (Restored::default(), None);
        loop {
            let page = self.page(after.take(), false).await?;
            for item in &page.items {
                let Some((version, value)) = decode(&item.value) else {
                    restored.unread += 1;
                    continue;
                };
                match bucket.put_stored(self.key_of(&item.key), value, version, item.expires) {
                    Ok(is_live) => restored.entries += u64::from(is_live),
                    Err(_) => restored.skipped += 1,
                }
            }
            match page.items.into_iter().last().filter(|_| page.more) {
                Some(last) => after = Some(last.key),
                None => return Ok(restored),
            }
        }
    }
}
