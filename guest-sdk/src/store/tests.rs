//! The store as the double keeps it.

use std::time::Duration;

use super::{CommitError, Key};
use crate::{CapabilityError, IntoResponse, Result, StatusCode, jobs, store, test};

const MINUTE: Duration = Duration::from_secs(60);

fn why<T>(result: Result<T>) -> CapabilityError {
    result.map(|_| ()).unwrap_err().capability().expect("a refusal of the host").clone()
}

#[test]
fn a_value_is_kept_until_its_end() {
    store::set("a", "maja").unwrap();
    store::set_for("b", "willi", MINUTE).unwrap();
    let (a, b) = (store::get_item::<String>("a").unwrap().unwrap(), store::get_item::<String>("b").unwrap().unwrap());
    assert_eq!((a.value.as_str(), a.expires, a.key.as_str()), ("maja", None, "a"));
    assert!(b.version > a.version && b.expires.is_some());
    test::advance(MINUTE);
    assert_eq!(store::get_many::<String>(["b", "a"]).unwrap(), [None, Some(a)]);
    store::delete("a").unwrap();
    store::delete("a").unwrap();
    assert_eq!(store::get_bytes("a").unwrap(), None);
}

#[test]
fn what_is_no_key_or_value_is_refused_with_its_name() {
    for key in ["", "a\nb", &"x".repeat(1025)] {
        assert!(matches!(why(store::set(key, &1)), CapabilityError::Invalid(_)), "{key}");
    }
    store::set("a", "maja").unwrap();
    let error = store::get::<u8>("a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading `a` in the store: invalid type: string \"maja\", expected u8 at line 1 column 6"
    );
    let error = store::space("shop").counter("a\0").unwrap_err();
    assert!(error.to_string().starts_with(r"reading `a\0` in the store of `shop`: invalid"), "{error}");
}

#[test]
fn keys_are_listed_in_their_order() {
    for key in ["b:2", "a:1", "b:1", "b:3", "c:1"] {
        store::set(key, key).unwrap();
    }
    let keys: Vec<_> = store::list::<String>("b:").map(|item| item.unwrap().value).collect();
    assert_eq!(keys, ["b:1", "b:2", "b:3"]);
    let first = store::page::<String>("b:", None, 2).unwrap();
    assert_eq!((first.items.len(), first.cursor.as_deref()), (2, Some("b:2")));
    let second = store::page::<String>("b:", first.cursor.as_deref(), 2).unwrap();
    assert_eq!((second.items[0].key.to_string(), second.cursor), ("b:3".to_owned(), None));
    assert_eq!(store::list_bytes("c:").count(), 1);
}

#[test]
fn sums_are_numbers() {
    assert_eq!((store::sum("n", 7).unwrap(), store::sum("n", -9).unwrap()), (7, -2));
    assert_eq!((store::counter("n").unwrap(), store::counter("m").unwrap()), (-2, 0));
    assert_eq!(store::get_bytes("n").unwrap().unwrap(), b"-2");
    assert!(matches!(why(store::sum("n", i64::MIN)), CapabilityError::Invalid(_)));
    store::set("text", "maja").unwrap();
    assert!(matches!(why(store::sum("text", 1)), CapabilityError::Invalid(_)));
    assert!(store::counter("text").is_err());
}

#[test]
fn a_commit_is_all_or_nothing() {
    store::set("a", &1).unwrap();
    let item = store::get_item::<i32>("a").unwrap().unwrap();
    let commit = |item| {
        store::atomic()
            .check(item)
            .check_absent("b")
            .set("a", &2)
            .sum("n", 3)
            .delete("c")
            .publish("t", "hi")
            .enqueue(jobs::job("x", &1))
            .commit()
    };
    let committed = commit(&item).unwrap();
    assert_eq!((committed.sums, committed.jobs.len()), (vec![3], 1));
    assert_eq!(store::get_item::<i32>("a").unwrap().unwrap().version, committed.version);
    // The item was changed, by ourselves.
    assert!(matches!(commit(&item), Err(CommitError::Conflict(key)) if key == Key::from("a")));
    let there = store::atomic().sum("n", 1).check_absent("a").commit();
    assert!(matches!(there, Err(refused) if refused.is_conflict()));
    assert_eq!((store::counter("n").unwrap(), test::published().len(), test::jobs().len()), (3, 1, 1));
    // One that cannot be published keeps the rest from being written.
    assert!(store::atomic().sum("n", 1).publish("t*", "hi").commit().is_err());
    assert_eq!(store::counter("n").unwrap(), 3);
}

#[test]
fn a_commit_that_is_refused_says_why() {
    let unique = || jobs::job("x", &1).unique(jobs::Unique::by_args().or_refuse());
    unique().enqueue().unwrap();
    let refused = store::atomic().set("a", &1).enqueue(jobs::job("y", &1)).enqueue(unique()).commit().unwrap_err();
    assert!(matches!(refused, CommitError::Duplicate(1)));
    assert_eq!(store::get_bytes("a").unwrap(), None);

    let answer = |commit: Result<store::Committed, CommitError>| -> StatusCode {
        let error = || -> Result<()> {
            commit.map(drop)?;
            Ok(())
        };
        let error = error().unwrap_err();
        assert!(error.to_string().starts_with("committing"), "{error}");
        error.into_response().status()
    };
    assert_eq!(answer(store::atomic().check_version("a", 7).commit()), StatusCode::CONFLICT);
    test::fail_commit(CapabilityError::OutcomeUnknown);
    assert_eq!(answer(store::atomic().set("a", &1).set("b", &1).commit()), StatusCode::INTERNAL_SERVER_ERROR);
    test::fail_commit(CapabilityError::Full);
    assert_eq!(answer(store::atomic().set("a", &1).set("b", &1).commit()), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn other_plugins_data_is_its_own() {
    let shop = store::space("shop");
    shop.set("a", "theirs").unwrap();
    store::set("a", "ours").unwrap();
    assert_eq!(shop.get::<String>("a").unwrap().as_deref(), Some("theirs"));
    test::store_space("shop").read_only();
    assert!(matches!(why(shop.delete("a")), CapabilityError::Denied(_)));
    // What is granted for reading can be checked.
    let item = shop.get_item::<String>("a").unwrap().unwrap();
    store::atomic().check(&item).set("b", &1).commit().unwrap();
    test::store_space("shop").deny();
    assert!(matches!(why(shop.get::<String>("a")), CapabilityError::Denied(_)));
}

#[test]
fn an_update_loses_nobodys_change() {
    store::set_for("n", &1_u32, MINUTE).unwrap();
    let mut others = 3_u32;
    let new = store::update("n", |old: Option<u32>| {
        // Somebody else is faster, three times.
        if others > 0 {
            others -= 1;
            store::set_for("n", &(old.unwrap() + 10), MINUTE).unwrap();
        }
        old.map(|old| old + 1)
    });
    assert_eq!(new.unwrap(), Some(32));
    test::advance(MINUTE);
    assert_eq!(store::update("n", |old: Option<u32>| old).unwrap(), None);
    let lost = store::update("n", |old: Option<u32>| {
        store::set("n", &7_u32).unwrap();
        old.or(Some(1))
    });
    let lost = lost.unwrap_err();
    assert_eq!(lost.to_string(), "updating `n` in the store: conflict: it was changed by somebody else");
    assert_eq!(lost.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_transaction_runs_until_what_it_read_holds() {
    store::set("a", &1_u32).unwrap();
    let mut runs = 0;
    let (sum, committed) = store::transaction(|tx| {
        runs += 1;
        let (a, b) = (tx.get::<u32>("a")?.unwrap(), tx.get::<u32>("b")?.unwrap_or(10));
        if runs == 1 {
            store::set("b", &20_u32)?;
        }
        tx.set("c", &(a + b));
        tx.delete("a");
        tx.sum("n", 1);
        // It sees what it has said itself, but for sums.
        assert_eq!((tx.get::<u32>("c")?, tx.get::<u32>("a")?), (Some(a + b), None));
        assert!(tx.get::<u32>("n").is_err());
        Ok::<_, crate::Error>(a + b)
    })
    .unwrap();
    assert_eq!((sum, runs, committed.sums), (21, 2, vec![1]));
    assert_eq!((store::get::<u32>("c").unwrap(), store::get::<u32>("a").unwrap()), (Some(21), None));

    let refused = store::transaction(|tx| {
        tx.set("c", &0_u32);
        Err::<(), _>("changed my mind")
    });
    assert_eq!(refused.unwrap_err().to_string(), "changed my mind");
    assert_eq!(store::get::<u32>("c").unwrap(), Some(21));
}
