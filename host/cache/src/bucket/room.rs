//! How room is made. The limits hold for the bucket as a whole, so room may have to come from another shard.

use super::Bucket;
use crate::life::{Life, State};
use crate::options::Kind;
use crate::queues::cost;
use crate::shard::Shard;
use crate::usage::Short;

/// Room that a write needs.
#[derive(Clone, Copy)]
pub(super) struct Need {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Bucket {
    /// Reserves room, freeing what may go from the locked shard; `keep` is the entry that is being written.
    pub(super) fn reserve_here(
        &self,
        shard: &mut Shard,
        need: Need,
        keep: Option<u32>,
        life: &Life,
    ) -> Result<(), Short> {
        while let Err(short) = self.usage.reserve(need.entries, need.bytes) {
            let (entries, bytes) = self.free(shard, short, keep, life);
            if entries == 0 {
                return Err(short);
            }
            self.usage.release(entries, bytes);
        }
        Ok(())
    }

    /// Whether an entry of so many bytes fits without anything being evicted.
    pub(crate) fn has_room(&self, data_bytes: usize) -> bool {
        let fits = self.usage.bytes().saturating_add(cost(data_bytes)) <= self.usage.bytes_max();
        fits && self.usage.entries() < self.usage.entries_max()
    }

    /// Frees enough for `need` from the other shards, one lock at a time. Returns whether it freed anything; the room
    /// is not reserved, so the caller tries again and may find that another writer was faster.
    pub(super) fn free_elsewhere(&self, own: usize, need: Need, short: Short, life: &Life) -> bool {
        let count = self.shards();
        let mut freed = (0, 0);
        for number in (1..count).map(|step| (own + step) % count) {
            let Some(mut shard) = self.lock_shard(number) else { continue };
            while freed.0 < need.entries || freed.1 < need.bytes {
                let (entries, bytes) = self.free(&mut shard, short, None, life);
                if entries == 0 {
                    break;
                }
                self.usage.release(entries, bytes);
                freed = (freed.0 + entries, freed.1 + bytes);
            }
            if freed.0 >= need.entries && freed.1 >= need.bytes {
                break;
            }
        }
        freed.0 > 0
    }

    /// Frees what this kind of bucket gives up: one entry of a cache, all ended ones of a table.
    pub(super) fn free(&self, shard: &mut Shard, short: Short, keep: Option<u32>, life: &Life) -> (u64, u64) {
        match self.kind {
            Kind::Cache => shard.evict(keep, short, life).map_or((0, 0), |bytes| (1, bytes)),
            // Nothing has ended: the usual case of a full table, answered without a walk.
            Kind::Table if life.now < shard.soonest => (0, 0),
            // A stale entry gives way too: it is kept as a favour.
            Kind::Table => shard.purge(life, |id, state| state != State::Live && Some(id) != keep),
        }
    }
}
