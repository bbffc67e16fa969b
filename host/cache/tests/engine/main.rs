//! The engine from outside, with a clock that the tests move.
//!
//! | module | shows |
//! |---|---|
//! | `model` | every operation agrees with a plain map, whatever the order and the time |
//! | `limits` | limits hold, eviction is sensible, tables refuse, buckets are neighbours only |
//! | `scan` | pages meet every entry once and survive hostile cursors |
//! | `flight` | one load per key, hand-over, conflicts |
//! | `locks` | mutual exclusion, hand-over, fences |
//! | `plan` | another set of buckets is put in place whole or not at all |
//! | `stress` | threads lose nothing and the accounts stay exact |
//! | `behind` | what changed reaches a store, whatever fails on the way |
//! | `save` | files restore, and damaged ones are set aside |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod behind;
mod flight;
mod limits;
mod locks;
mod model;
mod plan;
mod save;
mod scan;
mod stress;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skep_cache::{Bucket, BucketOptions, PutOptions, Ttl};
use skep_types::ManualClock;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)))
}

fn bucket(options: &BucketOptions) -> (Arc<Bucket>, Arc<ManualClock>) {
    let clock = clock();
    (Bucket::new(options, Arc::clone(&clock) as Arc<_>), clock)
}

fn put(bucket: &Bucket, key: &str, value: &str) -> u64 {
    bucket.put(key, value.as_bytes(), PutOptions::default()).unwrap()
}

fn after(secs: u64) -> Ttl {
    Ttl::After(Duration::from_secs(secs))
}

fn all_keys(bucket: &Bucket, prefix: &str, limit: usize) -> Vec<String> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.keys(prefix, cursor.as_deref(), limit).unwrap();
        assert!(page.keys.len() <= limit);
        keys.extend(page.keys);
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => return keys,
        }
    }
}
