//! The semantics of the host's engine, as far as one caller at a time can see them.

mod fetch;
mod write;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CapabilityError, Result, cache, test};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bee {
    name: String,
    flights: u32,
}

fn maja() -> Bee {
    Bee { name: "maja".into(), flights: 3 }
}

fn hive() -> cache::Bucket {
    cache::bucket("hive").unwrap()
}

fn why<T>(result: Result<T>) -> CapabilityError {
    result.map(|_| ()).unwrap_err().capability().expect("a refusal of the host").clone()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_was_put_is_there_until_it_is_removed() {
    let hive = hive();
    assert_eq!(hive.get::<Bee>("a").unwrap(), None);
    hive.put("a", &maja()).unwrap();
    assert_eq!(cache::bucket("hive").unwrap().get("a").unwrap(), Some(maja()));
    assert_eq!(cache::bucket("other").unwrap().get::<Bee>("a").unwrap(), None);
    assert_eq!(hive.take("a").unwrap(), Some(maja()));
    assert_eq!(hive.take::<Bee>("a").unwrap(), None);
    hive.put("a", "text").unwrap();
    assert_eq!((hive.delete("a").unwrap(), hive.delete("a").unwrap()), (true, false));
}

#[test]
fn each_test_has_buckets_of_its_own() {
    let hive = hive();
    hive.put("mine", "maja").unwrap();
    let elsewhere = std::thread::spawn(move || hive.get::<String>("mine").unwrap());
    assert_eq!(elsewhere.join().unwrap(), None);
}

#[test]
fn a_bucket_may_live_in_a_static() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&hive());
}

#[test]
fn a_value_of_another_type_is_an_error_that_names_the_key() {
    let hive = hive();
    hive.put("bee\n7", &maja()).unwrap();
    let error = hive.get::<u8>("bee\n7").unwrap_err();
    assert_eq!(error.to_string(), "reading `bee\\n7` in the cache `hive`: the value is no `u8`: 5 bytes too many");
    assert_eq!(error.capability(), None);
    let error = hive.get::<(Bee, String)>("bee\n7").unwrap_err().to_string();
    assert!(error.ends_with("end of buffer, expected more data"), "{error}");
    let long = "k".repeat(2000);
    let error = hive.put(&long, &1).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("writing `{}…` in the cache `hive`: invalid: the key is longer than 1024 bytes", &long[..64])
    );
}

#[test]
fn bytes_are_stored_as_they_are() {
    let hive = hive();
    hive.put_bytes("a", b"\xff\0", cache::Ttl::Standard).unwrap();
    assert_eq!(hive.get_bytes("a").unwrap(), Some(b"\xff\0".to_vec()));
    hive.put("a", &7_u8).unwrap();
    assert_eq!(hive.get_bytes("a").unwrap(), Some(vec![7]));
}

#[test]
fn the_manifest_may_refuse() {
    test::bucket("secret").deny();
    assert!(matches!(why(cache::bucket("secret")), CapabilityError::Denied(text) if text.contains("declare it")));
    assert!(matches!(why(cache::bucket("No Name")), CapabilityError::Denied(_)));
    assert!(matches!(why(cache::bucket("a/b/c")), CapabilityError::Denied(_)));
    let shared = cache::bucket("shop/prices").unwrap();
    shared.put("honey", &7).unwrap();
    test::bucket("shop/prices").read_only();
    assert_eq!(shared.get("honey").unwrap(), Some(7));
    for refused in [
        shared.put("honey", &8),
        shared.delete("honey").map(|_| ()),
        shared.fetch("honey").value_or_lease::<i32>().map(|_| ()),
        shared.try_lock("honey").map(|_| ()),
    ] {
        assert!(matches!(why(refused), CapabilityError::Denied(_)));
    }
}

#[test]
fn a_full_bucket_and_a_large_value_are_refused() {
    let hive = hive();
    hive.put("a", &1).unwrap();
    test::bucket("hive").full();
    assert_eq!(why(hive.put("b", &1)), CapabilityError::Full);
    hive.put("a", &2).unwrap();
    let large = vec![0; 1024 * 1024 + 1];
    assert_eq!(
        why(hive.put_bytes("a", &large, cache::Ttl::Standard)),
        CapabilityError::TooLarge { limit_bytes: 1024 * 1024 }
    );
    assert_eq!(hive.get("a").unwrap(), Some(2));
}

#[test]
fn keys_come_by_prefix_over_all_pages() {
    let hive = hive();
    let bees = (0..2500).map(|number| (format!("bee:{number}"), number));
    hive.put_many(bees, SECOND).unwrap();
    hive.put_for("drone:1", &1, SECOND * 2).unwrap();
    let mut keys = hive.keys("bee:").collect::<Result<Vec<_>>>().unwrap();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), hive.keys("").count(), hive.keys("wasp").count()), (2500, 2501, 0));
    test::advance(SECOND);
    assert_eq!(hive.keys("").collect::<Result<Vec<_>>>().unwrap(), ["drone:1"]);
    assert_eq!((hive.clear().unwrap(), hive.keys("").count()), (1, 0));
}

#[test]
fn statistics_count() {
    let hive = hive();
    hive.put_for("a", &1, SECOND).unwrap();
    let _ = (hive.get::<u8>("a"), hive.get::<u8>("b"));
    hive.get_or_fill("c", SECOND, || Ok::<_, crate::Error>(1)).unwrap();
    let stats = hive.stats();
    assert_eq!((stats.entries, stats.bytes, stats.hits, stats.misses, stats.loads), (2, 4, 1, 2, 1));
    test::advance(SECOND);
    assert_eq!((hive.stats().entries, hive.stats().expirations), (0, 2));
}
