//! Random operations and clock steps, against a map that does the same in the plainest way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use skep_cache::{Bucket, BucketOptions, Condition, ENTRY_OVERHEAD, Error, Kind, PutOptions, Ttl, Update};
use skep_types::ManualClock;

use crate::{all_keys, bucket};

const BUCKET_TTL: u64 = 40;

#[derive(Clone, Debug)]
enum Op {
    Put(u8, Vec<u8>, Ttl),
    PutIfAbsent(u8, Vec<u8>, Ttl),
    /// With the version that the entry has, or with one that is long gone.
    Swap(u8, Vec<u8>, bool),
    PutMany(Vec<(u8, Vec<u8>)>, Ttl),
    Get(u8),
    GetEntry(u8),
    GetMany(Vec<u8>),
    Exists(u8),
    TtlOf(u8),
    Delete(u8),
    Take(u8),
    Touch(u8, Ttl),
    Persist(u8),
    Increment(u8, i64, Ttl),
    Append(u8),
    UpdateDelete(u8),
    Scan(usize),
    Len,
    Sweep(u64),
    Clear,
    Reload,
    Advance(u64),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..20), any::<i16>().prop_map(|n| n.to_string().into_bytes())]
}

fn ttl() -> impl Strategy<Value = Ttl> {
    prop_oneof![
        Just(Ttl::Default),
        Just(Ttl::Never),
        Just(Ttl::Keep),
        (0_u64..30).prop_map(|secs| Ttl::After(Duration::from_secs(secs))),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = || 0_u8..12;
    prop_oneof![
        4 => (key(), value(), ttl()).prop_map(|(k, v, t)| Op::Put(k, v, t)),
        2 => (key(), value(), ttl()).prop_map(|(k, v, t)| Op::PutIfAbsent(k, v, t)),
        2 => (key(), value(), any::<bool>()).prop_map(|(k, v, right)| Op::Swap(k, v, right)),
        1 => (proptest::collection::vec((key(), value()), 0..4), ttl()).prop_map(|(pairs, t)| Op::PutMany(pairs, t)),
        3 => key().prop_map(Op::Get),
        2 => key().prop_map(Op::GetEntry),
        1 => proptest::collection::vec(key(), 0..4).prop_map(Op::GetMany),
        1 => key().prop_map(Op::Exists),
        2 => key().prop_map(Op::TtlOf),
        1 => key().prop_map(Op::Delete),
        1 => key().prop_map(Op::Take),
        2 => (key(), ttl()).prop_map(|(k, t)| Op::Touch(k, t)),
        1 => key().prop_map(Op::Persist),
        3 => (key(), prop_oneof![-5_i64..5, Just(i64::MAX)], ttl()).prop_map(|(k, by, t)| Op::Increment(k, by, t)),
        1 => key().prop_map(Op::Append),
        1 => key().prop_map(Op::UpdateDelete),
        2 => (1_usize..5).prop_map(Op::Scan),
        1 => Just(Op::Len),
        1 => (0_u64..20).prop_map(Op::Sweep),
        1 => Just(Op::Clear),
        1 => Just(Op::Reload),
        5 => (0_u64..25).prop_map(Op::Advance),
    ]
}

#[derive(Clone, Debug)]
struct Known {
    value: Vec<u8>,
    version: u64,
    expires: u64,
    touched: u64,
}

/// Seconds and a map; `u64::MAX` never ends.
struct Model {
    now: u64,
    idle: u64,
    entries: BTreeMap<String, Known>,
    newest: u64,
}

impl Model {
    fn live(&mut self, key: &str) -> Option<&mut Known> {
        let (now, idle) = (self.now, self.idle);
        self.entries.retain(|_, known| now < known.expires.min(known.touched.saturating_add(idle)));
        self.entries.get_mut(key)
    }

    fn read(&mut self, key: &str) -> Option<Known> {
        let now = self.now;
        let known = self.live(key)?;
        known.touched = now;
        Some(known.clone())
    }

    fn deadline(&mut self, key: &str, ttl: Ttl) -> u64 {
        let (now, before) = (self.now, self.live(key).map(|known| known.expires));
        match (ttl, before) {
            (Ttl::Never, _) => u64::MAX,
            (Ttl::After(left), _) => now + left.as_secs(),
            (Ttl::Keep, Some(before)) => before,
            (Ttl::Default | Ttl::Keep, _) => now + BUCKET_TTL,
        }
    }

    fn put(&mut self, key: &str, value: &[u8], ttl: Ttl, version: u64) {
        assert!(version > self.newest, "versions grow");
        self.newest = version;
        let known = Known { value: value.to_vec(), version, expires: self.deadline(key, ttl), touched: self.now };
        self.entries.insert(key.to_owned(), known);
    }

    fn left(&self, known: &Known) -> Option<Duration> {
        (known.expires != u64::MAX).then(|| Duration::from_secs(known.expires - self.now))
    }
}

struct Run {
    bucket: Arc<Bucket>,
    clock: Arc<ManualClock>,
    options: BucketOptions,
    model: Model,
}

impl Run {
    fn put(&mut self, key: &str, value: &[u8], ttl: Ttl, condition: Condition, allowed: bool) {
        let answer = self.bucket.put(key, value, PutOptions { ttl, condition });
        if allowed {
            self.model.put(key, value, ttl, answer.unwrap());
        } else {
            assert_eq!(answer, Err(Error::Conflict));
        }
    }

    /// Some operations do not tell the version they gave, and a read to learn it would touch the entry. With one
    /// thread it is the next.
    fn next_version(&self) -> u64 {
        self.model.newest + 1
    }

    fn apply(&mut self, op: Op) {
        let name = |key: u8| format!("{}/{key}", if key.is_multiple_of(2) { "even" } else { "odd" });
        match op {
            Op::Put(key, value, ttl) => self.put(&name(key), &value, ttl, Condition::Always, true),
            Op::PutIfAbsent(key, value, ttl) => {
                let absent = self.model.live(&name(key)).is_none();
                self.put(&name(key), &value, ttl, Condition::IfAbsent, absent);
            }
            Op::Swap(key, value, right) => {
                let version = self.model.live(&name(key)).map(|known| known.version);
                let asked = version.filter(|_| right).unwrap_or(1);
                self.put(&name(key), &value, Ttl::Never, Condition::IfVersion(asked), version == Some(asked));
            }
            Op::PutMany(pairs, ttl) => {
                let pairs: Vec<_> = pairs.into_iter().map(|(key, value)| (name(key), value)).collect();
                self.bucket.put_many(&pairs, ttl).unwrap();
                for (key, value) in pairs {
                    let version = self.next_version();
                    self.model.put(&key, &value, ttl, version);
                }
            }
            Op::Get(key) => {
                let known = self.model.read(&name(key)).map(|known| known.value);
                // Both are one read.
                let got = match key % 2 {
                    0 => self.bucket.copy(&name(key)),
                    _ => self.bucket.get(&name(key)).map(|value| value.to_vec()),
                };
                assert_eq!(got, known);
            }
            Op::GetEntry(key) => {
                let known = self.model.read(&name(key));
                let entry = self.bucket.get_entry(&name(key));
                let entry = entry.map(|entry| (entry.value.to_vec(), entry.version, entry.ttl_left));
                let known = known.map(|known| (known.value.clone(), known.version, self.model.left(&known)));
                assert_eq!(entry, known);
            }
            Op::GetMany(keys) => {
                let keys: Vec<_> = keys.into_iter().map(name).collect();
                let known: Vec<_> = keys.iter().map(|key| self.model.read(key).map(|known| known.value)).collect();
                let found = self.bucket.get_many(&keys);
                assert_eq!(found.into_iter().map(|value| value.map(|value| value.to_vec())).collect::<Vec<_>>(), known);
            }
            Op::Exists(key) => assert_eq!(self.bucket.exists(&name(key)), self.model.live(&name(key)).is_some()),
            Op::TtlOf(key) => {
                let known = self.model.live(&name(key)).cloned();
                assert_eq!(self.bucket.ttl(&name(key)), known.map(|known| self.model.left(&known)));
            }
            Op::Delete(key) => {
                let known = self.model.live(&name(key)).is_some();
                self.model.entries.remove(&name(key));
                assert_eq!(self.bucket.delete(&name(key)), known);
            }
            Op::Take(key) => {
                let known = self.model.live(&name(key)).cloned();
                self.model.entries.remove(&name(key));
                assert_eq!(self.bucket.take(&name(key)).map(|value| value.to_vec()), known.map(|known| known.value));
            }
            Op::Touch(key, ttl) => self.touch(&name(key), ttl, |bucket, key| bucket.touch(key, ttl)),
            Op::Persist(key) => self.touch(&name(key), Ttl::Never, Bucket::persist),
            Op::Increment(key, by, ttl) => self.increment(&name(key), by, ttl),
            Op::Append(key) => {
                let known = self.model.live(&name(key)).map(|known| known.value.clone());
                let mut longer = known.clone().unwrap_or_default();
                longer.push(b'x');
                let seen = self
                    .bucket
                    .update(&name(key), |value| (Update::Put(longer.clone(), Ttl::Keep), value.map(<[u8]>::to_vec)));
                assert_eq!(seen, Ok(known));
                let version = self.next_version();
                self.model.put(&name(key), &longer, Ttl::Keep, version);
            }
            Op::UpdateDelete(key) => {
                let known = self.model.live(&name(key)).is_some();
                self.model.entries.remove(&name(key));
                assert_eq!(self.bucket.update(&name(key), |value| (Update::Delete, value.is_some())), Ok(known));
            }
            Op::Scan(limit) => {
                self.model.live("");
                for prefix in ["", "even/", "none"] {
                    let mut keys = all_keys(&self.bucket, prefix, limit);
                    keys.sort();
                    let known: Vec<_> = self.model.entries.keys().filter(|key| key.starts_with(prefix)).collect();
                    assert_eq!(keys.iter().collect::<Vec<_>>(), known);
                }
            }
            Op::Len => {
                self.model.live("");
                assert_eq!(self.bucket.len(), self.model.entries.len() as u64);
            }
            Op::Sweep(slots) => assert!(self.bucket.sweep(slots).slots <= slots),
            Op::Clear => {
                self.model.live("");
                assert_eq!(self.bucket.clear(), self.model.entries.len() as u64);
                self.model.entries.clear();
            }
            Op::Reload => self.reload(),
            Op::Advance(secs) => {
                self.clock.advance(Duration::from_secs(secs));
                self.model.now += secs;
            }
        }
    }

    fn touch(&mut self, key: &str, ttl: Ttl, touch: impl Fn(&Bucket, &str) -> bool) {
        let (expires, now) = (self.model.deadline(key, ttl), self.model.now);
        let known = self.model.live(key).map(|known| (known.expires, known.touched) = (expires, now));
        assert_eq!(touch(&self.bucket, key), known.is_some());
    }

    fn increment(&mut self, key: &str, by: i64, ttl: Ttl) {
        let known = self.model.live(key).map(|known| known.value.clone());
        let ttl = if known.is_some() { Ttl::Keep } else { ttl };
        let text = known.map_or(Some("0".to_owned()), |value| String::from_utf8(value).ok());
        let sum = text.filter(|text| !text.starts_with('+')).and_then(|text| text.parse::<i64>().ok());
        let answer = self.bucket.increment(key, by, ttl);
        match sum.and_then(|sum| sum.checked_add(by)) {
            Some(sum) => {
                assert_eq!(answer, Ok(sum));
                let version = self.next_version();
                self.model.put(key, sum.to_string().as_bytes(), ttl, version);
            }
            None => assert!(matches!(answer, Err(Error::Invalid(_)))),
        }
    }

    /// What a restart does: save, a new bucket, restore.
    fn reload(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bucket");
        self.model.live("");
        let count = self.model.entries.len() as u64;
        assert_eq!(self.bucket.save_to(&path).unwrap().entries, count);
        self.bucket = Bucket::new(&self.options, Arc::clone(&self.clock) as Arc<_>);
        let restored = self.bucket.restore_from(&path).unwrap();
        assert_eq!((restored.entries, restored.expired, restored.skipped), (count, 0, 0));
        // Numbers go on from where the saved bucket was, or from the clock.
        let probe = self.bucket.put("probe", b"", PutOptions::default()).unwrap();
        assert!(probe > self.model.newest);
        self.model.newest = probe;
        assert!(self.bucket.delete("probe"));
    }

    /// When all that ended is swept, the account is the sum of what is there.
    fn check_account(&mut self) {
        // Twice: the first goes on where an earlier one stopped, in the middle of a shard perhaps.
        self.bucket.sweep(u64::MAX);
        self.bucket.sweep(u64::MAX);
        self.model.live("");
        let cost = |(key, known): (&String, &Known)| (key.len() + known.value.len()) as u64 + ENTRY_OVERHEAD;
        assert_eq!(self.bucket.bytes(), self.model.entries.iter().map(cost).sum::<u64>());
        assert_eq!(self.bucket.stats().entries, self.model.entries.len() as u64);
    }
}

fn run(kind: Kind, idle: Option<u64>, ops: Vec<Op>) {
    let options = BucketOptions {
        kind,
        ttl: Some(Duration::from_secs(BUCKET_TTL)),
        idle: idle.map(Duration::from_secs),
        ..BucketOptions::default()
    };
    let (bucket, clock) = bucket(&options);
    let model = Model { now: 0, idle: idle.unwrap_or(u64::MAX), entries: BTreeMap::new(), newest: 0 };
    let mut run = Run { bucket, clock, options, model };
    run.put("start", b"", Ttl::Never, Condition::Always, true);
    for op in ops {
        run.apply(op);
    }
    run.check_account();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_bucket_is_a_map_in_time(
        table in any::<bool>(),
        idle in proptest::option::of(1_u64..30),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        run(if table { Kind::Table } else { Kind::Cache }, idle, ops);
    }
}
