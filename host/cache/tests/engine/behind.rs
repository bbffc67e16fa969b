//! Changes on their way to a store: whatever is done and whatever fails, the store ends up as the bucket, and never holds a
//! state that a key did not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use skep_cache::{Batch, Bucket, BucketOptions, Current, Error, Kind, Outcome, PutOptions, Ttl};
use skep_types::{ByteSize, Clock, ManualClock};

use crate::{after, all_keys, bucket, put};

const ALL: usize = usize::MAX;

fn table() -> BucketOptions {
    BucketOptions { kind: Kind::Table, ..BucketOptions::default() }
}

fn tracked() -> (Arc<Bucket>, Arc<ManualClock>) {
    let (bucket, clock) = bucket(&table());
    assert!(bucket.track());
    (bucket, clock)
}

fn now_ms(clock: &ManualClock) -> u64 {
    clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// What a store has.
type Stored = BTreeMap<String, Current>;

fn write(store: &mut Stored, batch: &Batch, count: usize) {
    for changed in &batch.changed()[..count] {
        match &changed.entry {
            Some(entry) => _ = store.insert(changed.key.to_string(), entry.clone()),
            None => _ = store.remove(&*changed.key),
        }
    }
}

fn flush(bucket: &Bucket, store: &mut Stored) {
    while let Some(mut batch) = bucket.take_changes(3, ALL) {
        write(store, &batch, batch.changed().len());
        batch.settle(ALL, Outcome::Written);
    }
    assert_eq!(bucket.dirty(), 0);
}

/// Each change of a batch, as `key=value` or `-key`.
fn shown(batch: &Batch) -> Vec<String> {
    let show = |changed: &skep_cache::Changed| match &changed.entry {
        Some(entry) => format!("{}={}", changed.key, String::from_utf8_lossy(&entry.value)),
        None => format!("-{}", changed.key),
    };
    batch.changed().iter().map(show).collect()
}

fn take(bucket: &Bucket) -> Vec<String> {
    let Some(mut batch) = bucket.take_changes(ALL, ALL) else { return Vec::new() };
    let mut all = shown(&batch);
    batch.settle(ALL, Outcome::Written);
    all.sort();
    all
}

#[test]
fn a_key_is_taken_once_with_its_newest_state() {
    let (bucket, _) = tracked();
    put(&bucket, "a", "1");
    put(&bucket, "a", "2");
    put(&bucket, "b", "1");
    bucket.increment("n", 41, Ttl::Never).unwrap();
    bucket.increment("n", 1, Ttl::Never).unwrap();
    assert_eq!((bucket.dirty(), bucket.stats().dirty), (3, 3));
    assert_eq!(take(&bucket), ["a=2", "b=1", "n=42"]);
    assert_eq!((bucket.dirty(), bucket.stats().flushed), (0, 3));
    assert!(bucket.get("a").is_some() && bucket.exists("b"), "reads change nothing");
    assert_eq!(take(&bucket), [""; 0]);
    assert!(bucket.touch("a", after(5)) && bucket.delete("b"));
    assert_eq!(take(&bucket), ["-b", "a=2"]);
    assert!(bucket.touch("a", Ttl::Keep), "an end that stays is no change");
    put(&bucket, "c", "1");
    assert_eq!(bucket.clear(), 3);
    assert_eq!(take(&bucket), ["-a", "-n"], "what came and went unseen leaves nothing behind");
}

#[test]
fn what_ended_is_deleted_and_what_came_back_is_not() {
    let (bucket, clock) = tracked();
    for key in ["read", "swept", "back"] {
        bucket.put(key, b"1", PutOptions { ttl: after(10), ..PutOptions::default() }).unwrap();
    }
    assert_eq!(take(&bucket).len(), 3);
    bucket.put("unseen", b"1", PutOptions { ttl: after(10), ..PutOptions::default() }).unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!(bucket.get("read"), None);
    put(&bucket, "back", "2");
    bucket.sweep(u64::MAX);
    assert_eq!(take(&bucket), ["-read", "-swept", "back=2"]);
}

#[test]
fn a_stale_entry_is_gone_for_the_store() {
    let (bucket, clock) = bucket(&BucketOptions { stale: Duration::from_secs(60), ..table() });
    assert!(bucket.track());
    bucket.put("a", b"1", PutOptions { ttl: after(10), ..PutOptions::default() }).unwrap();
    assert_eq!(take(&bucket), ["a=1"]);
    bucket.touch("a", after(5));
    bucket.put("unseen", b"1", PutOptions { ttl: after(5), ..PutOptions::default() }).unwrap();
    clock.advance(Duration::from_secs(5));
    assert_eq!(take(&bucket), ["-a"]);
    clock.advance(Duration::from_secs(60));
    bucket.sweep(u64::MAX);
    assert_eq!(take(&bucket), [""; 0]);
}

#[test]
fn batches_are_bounded_and_one_is_out_at_a_time() {
    let (bucket, _) = tracked();
    for n in 0..10 {
        put(&bucket, &format!("k{n}"), "12345678");
    }
    let batch = bucket.take_changes(4, ALL).unwrap();
    assert_eq!((batch.changed().len(), bucket.dirty()), (4, 10));
    assert!(bucket.take_changes(4, ALL).is_none());
    drop(batch);
    assert_eq!(bucket.dirty(), 10, "an unsettled batch goes back");
    // Each has ten bytes; the one that passes the bound is the last.
    assert_eq!(bucket.take_changes(ALL, 21).unwrap().changed().len(), 3);
    assert_eq!(bucket.take_changes(ALL, 1).unwrap().changed().len(), 1);
    let mut batch = bucket.take_changes(ALL, ALL).unwrap();
    batch.settle(3, Outcome::Written);
    batch.settle(3, Outcome::NotWritten);
    assert_eq!((batch.changed().len(), bucket.stats().flushed), (4, 3));
    batch.settle(ALL, Outcome::Written);
    drop(batch);
    assert_eq!(bucket.dirty(), 3);
}

#[test]
fn deletes_go_first_so_that_they_make_room() {
    let (bucket, _) = tracked();
    put(&bucket, "old", "1");
    take(&bucket);
    put(&bucket, "new", "1");
    bucket.delete("old");
    assert_eq!(shown(&bucket.take_changes(1, ALL).unwrap()), ["-old"]);
}

#[test]
fn what_a_store_that_fails_leaves_behind_is_bounded_by_what_it_has() {
    let (bucket, _) = tracked();
    for n in 0..20 {
        put(&bucket, &n.to_string(), "");
        let mut batch = bucket.take_changes(ALL, ALL).unwrap();
        bucket.delete(&n.to_string());
        batch.settle(ALL, Outcome::NotWritten);
    }
    assert_eq!(bucket.dirty(), 0, "none of them was ever written");
    put(&bucket, "a", "");
    bucket.take_changes(ALL, ALL).unwrap().settle(ALL, Outcome::Unknown);
    bucket.delete("a");
    assert_eq!(take(&bucket), ["-a"], "it may be there");
}

#[test]
fn tracking_that_begins_late_has_all_and_takes_away_what_only_the_store_has() {
    let (bucket, _) = bucket(&table());
    put(&bucket, "a", "1");
    assert_eq!((bucket.dirty(), bucket.take_changes(ALL, ALL).is_none()), (0, true));
    assert!(bucket.track() && !bucket.track());
    for key in ["a", "gone"] {
        bucket.note_stored(key);
    }
    assert_eq!(take(&bucket), ["-gone", "a=1"]);
    put(&bucket, "b", "1");
    bucket.untrack();
    assert_eq!((bucket.dirty(), take(&bucket).len(), bucket.len()), (0, 0, 2));
    assert!(bucket.delete("b") && bucket.track());
    assert_eq!(take(&bucket), ["a=1"]);
    let (cache, _) = crate::bucket(&BucketOptions::default());
    assert!(!cache.track(), "what is evicted must not be deleted from the store");
}

#[test]
fn stored_entries_come_back_as_they_were() {
    let (bucket, clock) = bucket(&BucketOptions { entries: 3, idle: Some(Duration::from_secs(30)), ..table() });
    assert!(bucket.track());
    let now = now_ms(&clock);
    assert_eq!(bucket.put_stored("a", b"7", 1 << 60, Some(now + 2500)), Ok(true));
    assert_eq!(bucket.put_stored("b", b"1", 2, None), Ok(true));
    assert_eq!(bucket.put_stored("late", b"1", 3, Some(now)), Ok(false));
    assert_eq!(bucket.put_stored("a", b"8", 3, None), Err(Error::Conflict));
    let entry = bucket.get_entry("a").unwrap();
    assert_eq!(
        (&entry.value[..], entry.version, entry.ttl_left),
        (&b"7"[..], 1 << 60, Some(Duration::from_millis(2500)))
    );
    assert_eq!(bucket.dirty(), 0);
    assert!(put(&bucket, "c", "") > 1 << 60, "no version is given again");
    assert!(matches!(bucket.put_stored("d", b"", 3, None), Err(Error::Full(_))));
    clock.advance(Duration::from_secs(3));
    bucket.sweep(u64::MAX);
    assert_eq!(take(&bucket), ["-a", "c="]);
    assert_eq!(bucket.increment("n", 1, Ttl::Never), Ok(1));
    let (small, _) = crate::bucket(&BucketOptions { value_bytes: ByteSize(1), ..table() });
    assert_eq!(small.put_stored("a", b"12", 1, None), Err(Error::TooLarge(1)));
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8, u8, Option<u64>),
    Increment(u8),
    Delete(u8),
    Touch(u8, u64),
    Read(u8),
    Clear,
    Sweep,
    Advance(u64),
    /// A batch of at most so many, of which the first so many are written before something happens.
    Take(usize),
    Settle(usize, bool, Outcome),
    /// Everything is written.
    Flush,
    /// The process dies and begins anew from the store.
    Crash,
    /// Write-behind is taken out and put in again.
    Again,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0_u8..6;
    let outcome = prop_oneof![Just(Outcome::Written), Just(Outcome::NotWritten), Just(Outcome::Unknown)];
    prop_oneof![
        6 => (key(), any::<u8>(), proptest::option::of(1_u64..20)).prop_map(|(k, v, t)| Op::Put(k, v, t)),
        2 => key().prop_map(Op::Increment),
        3 => key().prop_map(Op::Delete),
        2 => (key(), 1_u64..20).prop_map(|(k, t)| Op::Touch(k, t)),
        2 => key().prop_map(Op::Read),
        1 => Just(Op::Clear),
        1 => Just(Op::Sweep),
        3 => (0_u64..8).prop_map(Op::Advance),
        4 => (1_usize..5).prop_map(Op::Take),
        4 => (1_usize..5, any::<bool>(), outcome).prop_map(|(n, done, o)| Op::Settle(n, done, o)),
        2 => Just(Op::Flush),
        1 => Just(Op::Crash),
        1 => Just(Op::Again),
    ]
}

/// An entry, but for how its end is counted.
type Seen = (Vec<u8>, u64, Option<u64>);

struct Run {
    bucket: Arc<Bucket>,
    clock: Arc<ManualClock>,
    store: Stored,
    batch: Option<Batch>,
    /// All states that each key ever had.
    had: BTreeMap<String, BTreeSet<Seen>>,
}

impl Run {
    fn live_in_store(&self) -> BTreeMap<String, Seen> {
        let now = now_ms(&self.clock);
        let live = self.store.iter().filter(|(_, entry)| entry.ends_unix_ms.is_none_or(|end| end > now));
        live.map(|(key, entry)| (key.clone(), (entry.value.to_vec(), entry.version, entry.ends_unix_ms))).collect()
    }

    fn live_in_bucket(&self) -> BTreeMap<String, Seen> {
        let now = now_ms(&self.clock);
        let entry = |key: String| {
            let entry = self.bucket.get_entry(&key).unwrap();
            let end = entry.ttl_left.map(|left| now + left.as_millis() as u64);
            (key, (entry.value.to_vec(), entry.version, end))
        };
        all_keys(&self.bucket, "", 100).into_iter().map(entry).collect()
    }

    fn note(&mut self) {
        for (key, seen) in self.live_in_bucket() {
            self.had.entry(key).or_default().insert(seen);
        }
    }

    /// Says that the first of the batch were carried out or not, which is known or not.
    fn settle(&mut self, count: usize, done: bool, outcome: Outcome) {
        let Some(batch) = &mut self.batch else { return };
        let count = count.min(batch.changed().len());
        if outcome == Outcome::Written || (outcome == Outcome::Unknown && done) {
            write(&mut self.store, batch, count);
        }
        batch.settle(count, outcome);
        if batch.changed().is_empty() {
            self.batch = None;
        }
    }

    fn apply(&mut self, op: &Op) {
        let name = |key: u8| format!("k{key}");
        match *op {
            Op::Put(key, value, ttl) => {
                let ttl = ttl.map_or(Ttl::Never, after);
                let value = value.to_string();
                let options = PutOptions { ttl, ..PutOptions::default() };
                self.bucket.put(&name(key), value.as_bytes(), options).unwrap();
            }
            Op::Increment(key) => _ = self.bucket.increment(&name(key), 1, after(5)).unwrap(),
            Op::Delete(key) => _ = self.bucket.take(&name(key)),
            Op::Touch(key, ttl) => _ = self.bucket.touch(&name(key), after(ttl)),
            Op::Read(key) => _ = self.bucket.get(&name(key)),
            Op::Clear => _ = self.bucket.clear(),
            Op::Sweep => _ = self.bucket.sweep(u64::MAX),
            Op::Advance(secs) => self.clock.advance(Duration::from_secs(secs)),
            Op::Take(keys) => {
                if let Some(batch) = self.bucket.take_changes(keys, ALL) {
                    self.batch = Some(batch);
                }
            }
            Op::Settle(count, done, outcome) => self.settle(count, done, outcome),
            Op::Flush => {
                self.settle(ALL, true, Outcome::NotWritten);
                self.batch = None;
                flush(&self.bucket, &mut self.store);
                assert_eq!(self.live_in_store(), self.live_in_bucket());
            }
            Op::Crash => {
                // What the batch was about to do happens or does not; nobody hears of it.
                self.batch = None;
                let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
                self.bucket = Bucket::new(&table(), clock);
                assert!(self.bucket.track());
                for (key, entry) in &self.store {
                    self.bucket.put_stored(key, &entry.value, entry.version, entry.ends_unix_ms).unwrap();
                }
                assert_eq!((self.live_in_store(), self.bucket.dirty()), (self.live_in_bucket(), 0));
            }
            Op::Again => {
                self.batch = None;
                self.bucket.untrack();
                assert!(self.bucket.track());
                self.store.keys().for_each(|key| self.bucket.note_stored(key));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_ends_up_as_the_bucket_and_never_has_what_a_key_never_was(ops in proptest::collection::vec(op(), 1..120)) {
        let (bucket, clock) = tracked();
        let mut run = Run { bucket, clock, store: Stored::new(), batch: None, had: BTreeMap::new() };
        for op in &ops {
            run.apply(op);
            run.note();
            for (key, seen) in run.live_in_store() {
                prop_assert!(run.had[&key].contains(&seen), "{key} was never {seen:?}");
            }
            // Each key once: those that are there, and those that only the store has or was about to have.
            let pending = run.batch.as_ref().map_or(0, |batch| batch.changed().len());
            let bound = run.bucket.stats().entries as usize + run.store.len() + 2 * pending + 6;
            prop_assert!(run.bucket.dirty() as usize <= bound);
        }
        run.apply(&Op::Flush);
        run.apply(&Op::Crash);
    }
}

#[test]
fn writers_and_a_flusher_at_once_lose_nothing() {
    let (bucket, _) = bucket(&BucketOptions { bytes: ByteSize::mib(64), ..table() });
    assert!(bucket.track());
    let mut store = Stored::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2_u64)
            .map(|thread| {
                let bucket = &bucket;
                scope.spawn(move || {
                    for n in 0..20_000_u64 {
                        let key = format!("{}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ thread) % 3000);
                        match n % 5 {
                            0 => _ = bucket.delete(&key),
                            _ => _ = put(bucket, &key, &n.to_string()),
                        }
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            if let Some(mut batch) = bucket.take_changes(100, ALL) {
                let half = batch.changed().len() / 2;
                write(&mut store, &batch, half);
                batch.settle(half, Outcome::Written);
                batch.settle(ALL, Outcome::NotWritten);
            }
        }
    });
    flush(&bucket, &mut store);
    assert_eq!(store.len() as u64, bucket.len());
    for (key, entry) in &store {
        assert_eq!(bucket.get(key).as_ref(), Some(&entry.value), "{key}");
    }
}
