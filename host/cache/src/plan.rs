//! Another set of buckets for a host, made ready beside the one that it has and put in place all or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_types::BucketId;

use crate::bucket::Bucket;
use crate::caches::{Caches, Change, Held, State};
use crate::error::Error;
use crate::options::{BucketOptions, Kind};

/// A set of buckets that is not in place yet. Buckets that the registry has already are in it as they are; the others
/// are new and empty, and known to nobody else, so that they can be filled before anybody sees them.
#[derive(Debug)]
pub struct Plan {
    buckets: BTreeMap<BucketId, Planned>,
}

#[derive(Debug)]
struct Planned {
    bucket: Arc<Bucket>,
    options: BucketOptions,
    change: Change,
}

/// The bucket that stands in the way of a plan, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bucket `{bucket}`: {error}")]
pub struct Refused {
    /// Which bucket.
    pub bucket: BucketId,
    /// What it says.
    pub error: Error,
}

/// What a plan changed.
#[derive(Debug, Default)]
pub struct Applied {
    /// Buckets that are no longer in the registry: not in the plan, or replaced by one of another kind or tag.
    pub removed: Vec<(BucketId, Arc<Bucket>)>,
}

impl Plan {
    /// A bucket of the plan.
    #[must_use]
    pub fn get(&self, id: &BucketId) -> Option<&Arc<Bucket>> {
        self.buckets.get(id).map(|planned| &planned.bucket)
    }

    /// What putting the plan in place does to a bucket.
    #[must_use]
    pub fn change(&self, id: &BucketId) -> Option<Change> {
        self.buckets.get(id).map(|planned| planned.change)
    }

    /// The buckets that are new, by name.
    pub fn fresh(&self) -> impl Iterator<Item = (&BucketId, &Arc<Bucket>)> {
        let fresh = self.buckets.iter().filter(|(_, planned)| planned.change != Change::Kept);
        fresh.map(|(id, planned)| (id, &planned.bucket))
    }
}

impl Caches {
    /// Makes a set of buckets ready. Nothing is changed by that. The budget is not looked at: it bounds what
    /// [`configure`](Self::configure) adds one by one, while a whole set is summed up by whoever wrote it.
    pub fn plan(&self, wanted: impl IntoIterator<Item = (BucketId, BucketOptions)>) -> Plan {
        let state = self.state.lock();
        let planned = |id: &BucketId, options: BucketOptions| match state.buckets.get(id) {
            Some(held) if held.bucket.fits(&options) => {
                Planned { bucket: Arc::clone(&held.bucket), options, change: Change::Kept }
            }
            before => {
                let change = if before.is_some() { Change::Replaced } else { Change::Created };
                Planned { bucket: Bucket::new(&options, Arc::clone(&self.options.clock)), options, change }
            }
        };
        let buckets = wanted.into_iter().map(|(id, options)| {
            let planned = planned(&id, options);
            (id, planned)
        });
        Plan { buckets: buckets.collect() }
    }

    /// Puts a plan in place: buckets that stay get their new options and keep their entries, new ones appear, and what
    /// is not in the plan is forgotten.
    ///
    /// # Errors
    /// When a table holds more than its new limits allow. Everything is as it was then.
    pub fn apply(&self, plan: Plan) -> Result<Applied, Refused> {
        let mut state = self.state.lock();
        // Tables first: they alone can refuse, and they evict nothing, so that what was done can be undone.
        let mut done: Vec<&BucketId> = Vec::new();
        for (id, planned) in plan.buckets.iter().filter(|(_, planned)| planned.is_kept(Kind::Table)) {
            if let Err(error) = planned.bucket.configure(&planned.options) {
                undo(&state, &done);
                return Err(Refused { bucket: id.clone(), error });
            }
            done.push(id);
        }
        for planned in plan.buckets.values().filter(|planned| planned.is_kept(Kind::Cache)) {
            // A cache evicts what is too much and refuses nothing.
            let _ = planned.bucket.configure(&planned.options);
        }
        let held = plan.buckets.into_iter().map(|(id, planned)| {
            let Planned { bucket, options, change: _ } = planned;
            (id, Held { bucket, options })
        });
        let before = std::mem::replace(&mut state.buckets, held.collect());
        let is_gone = |id: &BucketId, old: &Held| {
            state.buckets.get(id).is_none_or(|held| !Arc::ptr_eq(&held.bucket, &old.bucket))
        };
        let removed = before.into_iter().filter(|(id, old)| is_gone(id, old)).map(|(id, old)| (id, old.bucket));
        Ok(Applied { removed: removed.collect() })
    }
}

impl Planned {
    fn is_kept(&self, kind: Kind) -> bool {
        self.change == Change::Kept && self.options.kind == kind
    }
}

/// Gives tables their earlier options back. One that was written to meanwhile, beyond those, keeps the new ones: they
/// are the wider ones, and the entries are worth more than the limit.
fn undo(state: &State, tables: &[&BucketId]) {
    for held in tables.iter().filter_map(|id| state.buckets.get(*id)) {
        let _ = held.bucket.configure(&held.options);
    }
}
