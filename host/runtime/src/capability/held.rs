//! What a call holds of the host.

use skep_bindings::types::Error;
use skep_cache::{Lease, LockGuard};
use skep_second::AnyBucket;

use super::keyvalue::Swap;
use super::sql::HeldDatabase;
use super::tasks::HeldTasks;

/// The leases, locks, swaps, tasks and sessions of databases that a call holds. Dropping it gives all of them on.
///
/// Their numbers are never given twice in a store, so that a handle which a reused instance kept from an earlier call
/// reaches nothing of a later one.
#[derive(Default)]
pub(crate) struct Held {
    pub(super) leases: Vec<(u32, HeldLease)>,
    pub(super) locks: Vec<(u32, LockGuard)>,
    pub(super) swaps: Vec<(u32, Swap)>,
    pub(super) tasks: HeldTasks,
    /// By the handle of the database.
    pub(super) databases: Vec<(u32, HeldDatabase)>,
    last: u32,
}

/// A lease, and the bucket that it fills.
pub(super) struct HeldLease {
    pub(super) bucket: AnyBucket,
    pub(super) lease: Lease,
}

impl Held {
    /// Ends what the call holds.
    pub(crate) fn release(&mut self) {
        self.leases.clear();
        self.locks.clear();
        self.swaps.clear();
        self.tasks.release();
        self.databases.clear();
    }

    pub(super) fn number(&mut self, held_max: usize) -> Result<u32, Error> {
        let databases: usize = self.databases.iter().map(|(_, held)| held.len()).sum();
        if self.leases.len() + self.locks.len() + self.swaps.len() + self.tasks.len() + databases >= held_max {
            return Err(Error::Full);
        }
        self.last = self.last.checked_add(1).ok_or(Error::Full)?;
        Ok(self.last)
    }
}

/// Takes the thing of that number out.
pub(super) fn take<T>(held: &mut Vec<(u32, T)>, number: u32) -> Option<T> {
    let at = held.iter().position(|(other, _)| *other == number)?;
    Some(held.swap_remove(at).1)
}
