//! Lifetimes, conditions, counters, locks.

use super::*;
use crate::cache::Ttl;

#[test]
fn an_entry_ends_by_its_time_and_not_before() {
    let hive = hive();
    test::bucket("hive").ttl(SECOND * 2);
    hive.put("standard", &1_u8).unwrap();
    hive.put_for("short", &1_u8, SECOND).unwrap();
    hive.put_for("long", &1_u8, Ttl::Unlimited).unwrap();
    hive.put_for("never", &1_u8, Duration::ZERO).unwrap();
    assert_eq!(hive.get::<u8>("never").unwrap(), None);
    test::advance(SECOND - Duration::from_millis(1));
    assert_eq!(hive.get::<u8>("short").unwrap(), Some(1));
    test::advance(Duration::from_millis(1));
    assert_eq!(hive.get_many::<u8>(["short", "standard", "long"]).unwrap(), [None, Some(1), Some(1)]);
    test::advance(SECOND * 1_000_000);
    assert_eq!(hive.get_many::<u8>(["short", "standard", "long"]).unwrap(), [None, None, Some(1)]);
}

#[test]
fn keep_and_touch() {
    let hive = hive();
    hive.put_for("a", &1_u8, SECOND * 2).unwrap();
    test::advance(SECOND);
    hive.put_for("a", &2_u8, Ttl::Keep).unwrap();
    assert_eq!(hive.get_versioned::<u8>("a").unwrap().unwrap().time_left, Some(SECOND));
    assert!(hive.touch("a", SECOND * 9).unwrap());
    assert_eq!(hive.get_versioned::<u8>("a").unwrap().unwrap().time_left, Some(SECOND * 9));
    assert!(hive.touch("a", Ttl::Unlimited).unwrap());
    assert_eq!(hive.get_versioned::<u8>("a").unwrap().unwrap().time_left, None);
    assert!(!hive.touch("b", SECOND).unwrap());
}

#[test]
fn an_entry_that_nobody_reads_ends() {
    let hive = hive();
    test::bucket("hive").idle(SECOND * 2);
    hive.put_for("read", &1_u8, Ttl::Unlimited).unwrap();
    hive.put_for("idle", &1_u8, Ttl::Unlimited).unwrap();
    for _ in 0..3 {
        test::advance(SECOND);
        assert_eq!(hive.get::<u8>("read").unwrap(), Some(1));
    }
    assert_eq!(hive.get::<u8>("idle").unwrap(), None);
}

#[test]
fn conditions_let_one_writer_win() {
    let hive = hive();
    assert!(hive.put_if_absent("a", &1_u8, SECOND).unwrap());
    assert!(!hive.put_if_absent("a", &2_u8, SECOND).unwrap());
    let read = hive.get_versioned::<u8>("a").unwrap().unwrap();
    assert!(hive.put_if_version("a", &3_u8, read.version, SECOND).unwrap());
    assert!(!hive.put_if_version("a", &4_u8, read.version, SECOND).unwrap());
    assert_eq!(hive.get::<u8>("a").unwrap(), Some(3));
    test::advance(SECOND);
    assert!(!hive.put_if_version("a", &5_u8, read.version + 1, SECOND).unwrap());
    assert!(hive.put_if_absent("a", &6_u8, SECOND).unwrap());
}

#[test]
fn an_update_loses_no_change_and_gives_up_in_the_end() {
    let hive = hive();
    let mut rival = Some(10_u32);
    let sum = hive.update("a", |old: Option<u32>| {
        if let Some(value) = rival.take() {
            hive.put_for("a", &value, SECOND).unwrap();
        }
        Some(old.unwrap_or(0) + 1)
    });
    assert_eq!((sum.unwrap(), hive.get::<u32>("a").unwrap()), (Some(11), Some(11)));
    assert_eq!(hive.get_versioned::<u32>("a").unwrap().unwrap().time_left, Some(SECOND));
    assert_eq!(hive.update("b", |old: Option<u32>| old.map(|old| old + 1)).unwrap(), None);
    assert_eq!(hive.get::<u32>("b").unwrap(), None);
    let mut runs = 0_u32;
    let error = hive.update("a", |_: Option<u32>| {
        runs += 1;
        hive.put("a", &runs).unwrap();
        Some(0)
    });
    let error = error.unwrap_err();
    assert_eq!((error.capability(), runs), (Some(&CapabilityError::Conflict), 32));
    assert!(format!("{error:?}").starts_with("503"));
}

#[test]
fn counters_count_and_keep_their_end() {
    let hive = hive();
    assert_eq!(hive.counter("a").unwrap(), 0);
    assert_eq!(hive.increment_for("a", 5, SECOND).unwrap(), 5);
    assert_eq!(hive.increment_for("a", -7, SECOND * 100).unwrap(), -2);
    assert_eq!(hive.counter("a").unwrap(), -2);
    assert_eq!(hive.get_bytes("a").unwrap(), Some(b"-2".to_vec()));
    test::advance(SECOND);
    assert_eq!(hive.increment("a", 1).unwrap(), 1);
    hive.put("a", &maja()).unwrap();
    assert!(matches!(why(hive.increment("a", 1)), CapabilityError::Invalid(_)));
    assert!(matches!(why(hive.counter("a")), CapabilityError::Invalid(_)));
    assert_eq!(hive.increment("b", i64::MAX).unwrap(), i64::MAX);
    assert!(matches!(why(hive.increment("b", 1)), CapabilityError::Invalid(_)));
    assert_eq!(hive.counter("b").unwrap(), i64::MAX);
}

#[test]
fn one_holder_of_a_lock_at_a_time() {
    let hive = hive();
    let first = hive.lock("queen", SECOND).unwrap();
    assert!(hive.try_lock("queen").unwrap().is_none());
    assert_eq!(why(hive.lock("queen", SECOND)), CapabilityError::Timeout);
    let other = hive.try_lock("king").unwrap().unwrap();
    assert!(hive.put_if_absent("queen", &1_u8, SECOND).unwrap(), "a lock is no entry");
    let fence = first.fence();
    drop(first);
    let second = hive.try_lock("queen").unwrap().unwrap();
    assert!(second.fence() > fence && second.fence() != other.fence());
}

#[test]
fn many_are_checked_before_any_is_stored() {
    let hive = hive();
    let long = "k".repeat(1025);
    assert!(matches!(why(hive.put_many([("a", 1), (&long, 2)], SECOND)), CapabilityError::Invalid(_)));
    assert_eq!(hive.get::<u8>("a").unwrap(), None);
    hive.put_many([("a".to_owned(), maja())], SECOND).unwrap();
    assert_eq!(hive.get_many::<Bee>(&["b".to_owned(), "a".to_owned()]).unwrap(), [None, Some(maja())]);
}
