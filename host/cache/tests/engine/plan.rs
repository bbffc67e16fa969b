//! A set of buckets for another: all of it or nothing.

use skep_cache::{BucketOptions, Caches, CachesOptions, Change, Error, Kind, PutOptions};
use skep_types::{BucketId, ByteSize};

use crate::clock;

fn id(text: &str) -> BucketId {
    text.parse().unwrap()
}

fn of(kind: Kind, entries: u64) -> BucketOptions {
    BucketOptions { kind, entries, ..BucketOptions::default() }
}

fn caches() -> Caches {
    Caches::new(CachesOptions { memory: ByteSize::mib(64), clock: clock() })
}

#[test]
fn what_stays_keeps_its_entries_and_the_rest_goes() {
    let caches = caches();
    let first = [(id("a/stays"), of(Kind::Cache, 10)), (id("a/goes"), of(Kind::Table, 10))];
    assert!(caches.apply(caches.plan(first)).unwrap().removed.is_empty());
    let stays = caches.get(&id("a/stays")).unwrap();
    stays.put("k", b"v", PutOptions::default()).unwrap();

    let plan = caches.plan([(id("a/stays"), of(Kind::Cache, 5)), (id("a/new"), of(Kind::Table, 1))]);
    assert_eq!(plan.change(&id("a/stays")), Some(Change::Kept));
    assert_eq!(plan.fresh().map(|(id, _)| id.to_string()).collect::<Vec<_>>(), ["a/new"]);
    assert!(caches.get(&id("a/new")).is_none() && caches.get(&id("a/goes")).is_some(), "nothing is in place yet");
    plan.get(&id("a/new")).unwrap().put("restored", b"v", PutOptions::default()).unwrap();
    let applied = caches.apply(plan).unwrap();
    assert_eq!(applied.removed.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>(), ["a/goes"]);
    assert_eq!(caches.get(&id("a/stays")).unwrap().get("k").unwrap(), b"v");
    assert!(caches.get(&id("a/new")).unwrap().exists("restored"));
    assert_eq!(caches.list().len(), 2);
}

#[test]
fn another_kind_is_another_bucket() {
    let caches = caches();
    caches.apply(caches.plan([(id("a/b"), of(Kind::Cache, 10))])).unwrap();
    let old = caches.get(&id("a/b")).unwrap();
    let plan = caches.plan([(id("a/b"), of(Kind::Table, 10))]);
    assert_eq!(plan.change(&id("a/b")), Some(Change::Replaced));
    let applied = caches.apply(plan).unwrap();
    assert!(std::sync::Arc::ptr_eq(&applied.removed[0].1, &old));
    assert_eq!(caches.get(&id("a/b")).unwrap().kind(), Kind::Table);
}

#[test]
fn another_tag_is_another_bucket() {
    let caches = caches();
    let tagged = |tag| [(id("a/b"), BucketOptions { tag, ..of(Kind::Cache, 10) })];
    caches.apply(caches.plan(tagged(1))).unwrap();
    caches.get(&id("a/b")).unwrap().put("k", b"v", PutOptions::default()).unwrap();
    caches.apply(caches.plan(tagged(1))).unwrap();
    assert!(caches.get(&id("a/b")).unwrap().exists("k"));
    assert_eq!(caches.plan(tagged(2)).change(&id("a/b")), Some(Change::Replaced));
    caches.apply(caches.plan(tagged(2))).unwrap();
    assert!(caches.get(&id("a/b")).unwrap().is_empty());
    let [(_, options)] = tagged(3);
    assert_eq!(caches.configure(id("a/b"), &options).unwrap().change, Change::Replaced);
}

#[test]
fn a_table_that_cannot_shrink_stops_the_plan_and_nothing_is_changed() {
    let caches = caches();
    let all = |entries: u64, last: u64| {
        [
            (id("a/cache"), of(Kind::Cache, entries)),
            (id("b/table"), of(Kind::Table, entries)),
            (id("c/full"), of(Kind::Table, last)),
        ]
    };
    caches.apply(caches.plan(all(10, 10))).unwrap();
    for bucket in ["a/cache", "c/full"] {
        for n in 0..10 {
            caches.get(&id(bucket)).unwrap().put(&n.to_string(), b"v", PutOptions::default()).unwrap();
        }
    }
    let refused = caches.apply(caches.plan(all(2, 2))).unwrap_err();
    assert_eq!(refused.bucket, id("c/full"));
    assert!(matches!(refused.error, Error::Shrink { entries: 10, .. }), "{refused}");
    assert_eq!(caches.get(&id("a/cache")).unwrap().len(), 10, "no cache was made to evict");
    let table = caches.get(&id("b/table")).unwrap();
    for n in 0..10 {
        table.put(&n.to_string(), b"v", PutOptions::default()).unwrap();
    }
    assert!(table.put("one more", b"v", PutOptions::default()).is_err(), "its limit is what it was");
}
