//! Threads.

use std::thread::scope;
use std::time::Duration;

use skep_cache::{BucketOptions, ENTRY_OVERHEAD, Error, Kind, PutOptions, Ttl, Update};
use skep_types::ByteSize;

use crate::{after, all_keys, bucket};

#[test]
fn no_increment_is_lost() {
    let (bucket, _) = bucket(&BucketOptions { kind: Kind::Table, ..BucketOptions::default() });
    scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..20_000 {
                    bucket.increment(["a", "b", "c"][n % 3], 1, Ttl::Default).unwrap();
                    bucket
                        .update("u", |value| {
                            let before: u64 = value.map_or(0, |text| String::from_utf8_lossy(text).parse().unwrap());
                            (Update::Put((before + 1).to_string().into_bytes(), Ttl::Keep), ())
                        })
                        .unwrap();
                }
            });
        }
    });
    let count = |key| String::from_utf8(bucket.get(key).unwrap().to_vec()).unwrap().parse::<u64>().unwrap();
    assert_eq!((count("a") + count("b") + count("c"), count("u")), (160_000, 160_000));
}

#[test]
fn exactly_one_wins_a_put_if_absent_and_a_take() {
    let (bucket, _) = bucket(&BucketOptions::default());
    for round in 0..200 {
        let key = round.to_string();
        let options = PutOptions { condition: skep_cache::Condition::IfAbsent, ..PutOptions::default() };
        let race = |act: &(dyn Fn() -> bool + Sync)| -> usize {
            scope(|scope| {
                let racers: Vec<_> = (0..4).map(|_| scope.spawn(act)).collect();
                racers.into_iter().map(|racer| usize::from(racer.join().unwrap())).sum()
            })
        };
        assert_eq!(race(&|| bucket.put(&key, b"v", options).is_ok()), 1);
        assert_eq!(race(&|| bucket.take(&key).is_some()), 1);
    }
}

#[test]
fn the_account_stays_exact_under_mixed_operations() {
    for kind in [Kind::Cache, Kind::Table] {
        let limit = 1 << 20;
        let options =
            BucketOptions { kind, bytes: ByteSize(limit), value_bytes: ByteSize::kib(16), ..BucketOptions::default() };
        let (bucket, clock) = bucket(&options);
        scope(|scope| {
            for thread in 0..6_u64 {
                let (bucket, clock) = (&bucket, &clock);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(thread);
                    for _ in 0..20_000 {
                        let key = format!("key {}", random.u32(0..5000));
                        match random.u32(0..20) {
                            0..10 => {
                                let ttl = if random.bool() { after(random.u64(1..20)) } else { Ttl::Never };
                                let value = vec![0; random.usize(0..1000)];
                                let stored = bucket.put(&key, &value, PutOptions { ttl, ..PutOptions::default() });
                                assert!(stored.is_ok() || matches!(stored, Err(Error::Full(_))));
                            }
                            10..14 => drop(bucket.get(&key)),
                            14 => drop(bucket.delete(&key)),
                            15 => drop(bucket.take(&key)),
                            16 => drop(bucket.touch(&key, after(5))),
                            17 => drop(bucket.increment("counter", 1, Ttl::Default)),
                            18 => drop(bucket.sweep(500)),
                            _ if random.u32(0..200) == 0 => {
                                clock.advance(Duration::from_secs(1));
                                bucket.clear();
                            }
                            _ => {}
                        }
                        assert!(bucket.bytes() <= limit);
                    }
                });
            }
        });
        bucket.sweep(u64::MAX);
        bucket.sweep(u64::MAX);
        let keys = all_keys(&bucket, "", 1000);
        let cost = |key: &String| (key.len() + bucket.get(key).unwrap().len()) as u64 + ENTRY_OVERHEAD;
        assert_eq!(keys.iter().map(cost).sum::<u64>(), bucket.bytes(), "{kind:?}");
        assert_eq!(keys.len() as u64, bucket.stats().entries);
    }
}
