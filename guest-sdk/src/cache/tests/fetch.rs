//! Single flight.

use std::{cell::Cell, io};

use super::*;
use crate::{Error, cache::Fetched};

fn lease<T: std::fmt::Debug>(fetched: Result<Fetched<T>>) -> cache::Lease {
    match fetched.unwrap() {
        Fetched::Miss(lease) | Fetched::Stale(_, Some(lease)) => lease,
        other => panic!("no lease: {other:?}"),
    }
}

#[test]
fn a_value_is_loaded_once_for_its_lifetime() {
    let (hive, loads) = (hive(), Cell::new(0));
    let load = || {
        loads.set(loads.get() + 1);
        Ok::<_, Error>(maja())
    };
    for _ in 0..3 {
        assert_eq!(hive.get_or_fill("a", SECOND, load).unwrap(), maja());
    }
    assert_eq!(loads.get(), 1);
    test::advance(SECOND);
    hive.get_or_fill("a", SECOND, load).unwrap();
    assert_eq!(loads.get(), 2);
}

#[test]
fn a_load_that_fails_leaves_the_key_to_the_next() {
    let hive = hive();
    let fails = || Err::<Bee, _>(io::Error::other("no honey"));
    assert_eq!(hive.get_or_fill("a", SECOND, fails).unwrap_err().to_string(), "no honey");
    assert_eq!(hive.get_or_fill("a", SECOND, || Ok::<_, Error>(maja())).unwrap(), maja());
}

#[test]
fn a_panic_in_a_load_leaves_the_key_to_the_next() {
    let hive = hive();
    let panics = || hive.get_or_fill("a", SECOND, || -> Result<Bee> { panic!("stung") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert_eq!(hive.get_or_fill("a", SECOND, || Ok::<_, Error>(maja())).unwrap(), maja());
}

#[test]
fn whoever_is_overtaken_returns_what_it_loaded_and_stores_nothing() {
    let hive = hive();
    let loaded = hive.get_or_fill("a", SECOND, || hive.put("a", &2).map(|()| 1));
    assert_eq!((loaded.unwrap(), hive.get("a").unwrap()), (1, Some(2)));
    let loaded = hive.get_or_fill("b", SECOND, || hive.delete("b").map(|_| 1));
    assert_eq!((loaded.unwrap(), hive.get::<i32>("b").unwrap()), (1, None));
    let loaded = hive.get_or_fill("c", SECOND, || hive.clear().map(|_| 1));
    assert_eq!((loaded.unwrap(), hive.get::<i32>("c").unwrap()), (1, None));
}

#[test]
fn a_bucket_without_room_does_not_withhold_what_was_loaded() {
    let hive = hive();
    test::bucket("hive").full();
    assert_eq!(hive.get_or_fill("a", SECOND, || Ok::<_, Error>(1)).unwrap(), 1);
    assert_eq!(hive.get::<i32>("a").unwrap(), None);
}

#[test]
fn a_value_of_an_older_type_is_loaded_anew() {
    let hive = hive();
    hive.put("a", "the bee of an earlier revision").unwrap();
    assert_eq!(hive.get_or_fill("a", SECOND, || Ok::<_, Error>(7_u8)).unwrap(), 7);
    assert_eq!(hive.get("a").unwrap(), Some(7_u8));
}

#[test]
fn a_type_that_can_never_be_read_is_an_error_and_no_endless_load() {
    let hive = hive();
    let load = || Ok::<_, Error>(crate::json!({"a": 1}));
    hive.get_or_fill("a", SECOND, load).unwrap();
    let error = hive.get_or_fill("a", SECOND, load).unwrap_err().to_string();
    assert!(
        error.starts_with("fetching `a` in the cache `hive`: the value is no `serde_json::value::Value`"),
        "{error}"
    );
}

#[test]
fn a_lease_is_given_to_one_at_a_time() {
    let hive = hive();
    let first = lease(hive.fetch("a").value_or_lease::<u8>());
    assert_eq!(why(hive.fetch("a").wait(SECOND).value_or_lease::<u8>()), CapabilityError::Timeout);
    drop(first);
    let second = lease(hive.fetch("a").value_or_lease::<u8>());
    assert_eq!(second.key(), "a");
    assert!(second.fill(&7_u8, SECOND).unwrap());
    assert!(matches!(hive.fetch("a").value_or_lease::<u8>().unwrap(), Fetched::Hit(7)));
    let overtaken = lease(hive.fetch("b").value_or_lease::<u8>());
    hive.delete("b").unwrap();
    let next = lease(hive.fetch("b").value_or_lease::<u8>());
    assert!(!overtaken.fill(&1_u8, SECOND).unwrap());
    assert!(next.fill(&2_u8, SECOND).unwrap());
    assert_eq!(hive.get("b").unwrap(), Some(2_u8));
}

#[test]
fn a_stale_value_serves_while_one_loads() {
    let hive = hive();
    test::bucket("hive").stale(SECOND);
    hive.put_for("a", &1_u8, SECOND).unwrap();
    test::advance(SECOND);
    assert_eq!(hive.get::<u8>("a").unwrap(), None, "only a fetch sees it");
    let loading = lease(hive.fetch("a").allow_stale().value_or_lease::<u8>());
    let load = || -> Result<u8> { panic!("somebody else loads") };
    assert_eq!(hive.fetch("a").allow_stale().or_fill(SECOND, load).unwrap(), 1);
    assert_eq!(why(hive.get_or_fill("a", SECOND, load)), CapabilityError::Timeout);
    drop(loading);
    let fails = || Err::<u8, _>("no honey");
    assert_eq!(hive.fetch("a").allow_stale().or_fill(SECOND, fails).unwrap(), 1, "better than an error");
    assert_eq!(hive.fetch("a").allow_stale().or_fill(SECOND, || Ok::<_, Error>(2)).unwrap(), 2);
    test::advance(SECOND * 2);
    assert!(hive.fetch("a").allow_stale().or_fill(SECOND, fails).is_err(), "past its stale time too");
}
