//! Presence, as far as one plugin can see it.

use serde_json::{Value, json};

use crate::{CapabilityError, Result, presence, test};

fn why<T>(result: Result<T>) -> CapabilityError {
    result.map(|_| ()).unwrap_err().capability().expect("a refusal of the host").clone()
}

#[test]
fn one_key_has_a_presence_for_each_owner() {
    let (first, second) = (test::owner(), test::owner());
    let reference = presence::track(&first, "t", "maja", &json!({"tab": 1})).unwrap();
    presence::track(&second, "t", "maja", &json!({"tab": 2})).unwrap();
    presence::track(&second, "t", "willi", &json!({})).unwrap();
    assert_eq!(presence::count("t").unwrap(), 2);
    let keys: Vec<_> = presence::list("t").map(|member| member.unwrap().key).collect();
    assert_eq!(keys, ["maja", "willi"]);

    let updated = presence::update(&first, "t", "maja", &json!({"tab": 3})).unwrap();
    let maja = presence::get("t", "maja").unwrap().unwrap();
    assert_eq!(maja.data::<Value>().unwrap(), [json!({"tab": 3}), json!({"tab": 2})]);
    assert_eq!((maja.metas[0].reference(), maja.metas[0].previous()), (&*updated, Some(&*reference)));
    assert!(maja.data::<Vec<u32>>().unwrap_err().to_string().starts_with("reading about `maja`: "));

    assert!(presence::untrack(&second, "t", "willi").unwrap());
    assert!(!presence::untrack(&second, "t", "willi").unwrap());
    assert!(presence::get("t", "willi").unwrap().is_none());
}

#[test]
fn what_cannot_be_tracked_is_refused() {
    let owner = test::owner();
    presence::track(&owner, "t", "maja", &json!({})).unwrap();
    assert_eq!(why(presence::track(&owner, "t", "maja", &json!({}))), CapabilityError::Conflict);
    assert_eq!(why(presence::track(&presence::Owner::new("gone"), "t", "a", &json!({}))), CapabilityError::NotFound);
    assert_eq!(why(presence::update(&owner, "t", "willi", &json!({}))), CapabilityError::NotFound);
    assert!(matches!(why(presence::track(&owner, "t", "a", &7)), CapabilityError::Invalid(_)));
    let long = json!({"a": "x".repeat(5000)});
    assert_eq!(why(presence::track(&owner, "t", "a", &long)), CapabilityError::TooLarge { limit_bytes: 4096 });
    test::topic("t").deny();
    assert!(matches!(why(presence::count("t")), CapabilityError::Denied(_)));
}

#[test]
fn a_list_has_as_many_pages_as_it_needs() {
    let owner = test::owner();
    for number in 0..1001 {
        presence::track(&owner, "t", &format!("{number:04}"), &json!({})).unwrap();
    }
    assert_eq!(presence::list("t").map(Result::unwrap).count(), 1001);
}
