use skep_sdk::{
    serde_json::Value,
    test::{self, TestChannel, TestSocket},
};

use super::*;
use crate::room::{Room, Welcome};

fn socket(name: &str) -> TestSocket {
    test::topic("said:*").retain();
    test::get(format!("/socket/websocket?name={name}")).connect(None, connect).unwrap()
}

/// Joins, and forgets who was there.
fn join(name: &str, room: &str) -> TestChannel<Room> {
    let room = socket(name).join(room, &json!({})).unwrap();
    assert_eq!(room.received()[0].event, "presence_state");
    room
}

fn said(room: &TestChannel<Room>) -> Vec<Said> {
    room.received().iter().filter(|got| got.event == "new_msg").map(test::TestEvent::json).collect()
}

fn message(id: u64, user: &str, body: &str) -> Said {
    Said { id, user: user.into(), body: body.into() }
}

#[test]
fn all_in_the_room_hear_what_is_said() {
    let (maja, willi, other) = (join("maja", "room:hive"), join("willi", "room:hive"), join("flip", "room:meadow"));
    maja.push("new_msg", &json!({"body": " hi "}));
    willi.push("new_msg", &json!({"body": "hello"}));
    let both = [message(1, "maja", "hi"), message(2, "willi", "hello")];
    assert_eq!((said(&maja), said(&willi)), (both.to_vec(), both.to_vec()));
    assert_eq!(said(&other), []);
}

#[test]
fn who_comes_later_sees_what_was_said_before() {
    let maja = join("maja", "room:hive");
    maja.push("new_msg", &json!({"body": "one"}));
    assert_eq!(
        test::post("/rooms/hive/announcements")
            .route("/rooms/{room}/announcements")
            .form(&[("body", "honey!")])
            .send(announce)
            .status(),
        StatusCode::ACCEPTED
    );
    let welcome: Welcome = join("willi", "room:hive").reply();
    assert_eq!(welcome.before, [message(1, "maja", "one"), message(2, "the house", "honey!")]);
    assert_eq!(said(&maja), welcome.before);
    let nothing: Welcome = join("willi", "room:meadow").reply();
    assert_eq!(nothing.before, []);
}

#[test]
fn all_see_who_is_there_and_who_types() {
    let typing = || -> Vec<(String, bool)> {
        let member = |member: Result<presence::Member>| {
            let member = member.unwrap();
            let meta: Value = member.metas[0].data().unwrap();
            (member.key, meta["typing"] == true)
        };
        presence::list("room:hive").map(member).collect()
    };
    let maja = join("maja", "room:hive");
    let willi = join("willi", "room:hive");
    willi.push("typing", &json!({"typing": true}));
    assert_eq!(typing(), [("maja".into(), false), ("willi".into(), true)]);
    willi.push("new_msg", &json!({"body": "hi"}));
    assert_eq!(typing(), [("maja".into(), false), ("willi".into(), false)]);
    maja.leave();
    assert_eq!(typing(), [("willi".into(), false)]);
}

#[test]
fn what_cannot_be_said_is_refused_and_nothing_else_happens() {
    let maja = join("maja", "room:hive");
    for body in ["", "  ", &"x".repeat(501)] {
        let why = maja.push("new_msg", &json!({"body": body})).error::<Value>();
        assert_eq!(why["reason"], "a message has 1 to 500 characters");
    }
    assert_eq!(maja.push("new_msg", &json!({"text": "hi"})).error::<Value>()["code"], "invalid-payload");
    assert_eq!((said(&maja), maja.end()), (vec![], None));
    maja.push("dance", &json!({}));
    assert!(maja.end().is_some());
}

#[test]
fn a_socket_has_a_name() {
    assert_eq!(socket("maja").id().as_deref(), Some("user:maja"));
    for name in ["", "?name=", "?name=%20", "?name=a%00b", "?name=a*b", &format!("?name={}", "x".repeat(31))] {
        assert!(test::get(format!("/socket/websocket{name}")).connect(None, connect).is_err(), "{name}");
    }
    let maja = socket("maja");
    let room = maja.join::<Room>("room:hive", &json!({})).unwrap();
    channel::disconnect("user:maja").unwrap();
    assert_eq!((maja.is_open(), room.end()), (false, Some(channel::End::Closed)));
}

#[test]
fn the_page_and_its_script_are_there() {
    let page = test::get("/").send(app);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let script = page.text().split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let answer = test::get(script).send(app);
    assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert!(answer.text().starts_with("var Phoenix="));
}
