//! Channels, as far as one plugin can see them, and both sides of the border.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    export::{channel_definition, channel_in, channel_join, channel_of},
    *,
};
use crate::{
    __private::bindings::channels::exports::skep::plugin::channel_handler as wit,
    Bytes, Error, Json, Result, StatusCode,
    presence::{self, Presence},
    pubsub::{self, Message},
    skep, test,
};

/// Does as it is told, and notes what it hears.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Probe {
    user: String,
    heard: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum In {
    Say { text: String },
    Echo(Value),
    Pair(u32, u32),
    Push(String),
    Fail(String),
    Broken,
    Panic,
    Later,
    Subscribe(String),
    Stop(String),
    Long,
}

/// Registered elsewhere, so that several of a crate's tests may have a channel.
#[skep::channel("probe:*", part, intercept = ["secret"])]
impl Probe {
    fn join(user: Option<String>, socket: &mut Socket) -> Result<(Self, Json<Value>)> {
        let user = match user {
            Some(user) if user == "nobody" => return Err(Error::new(StatusCode::FORBIDDEN, "go away").code("nobody")),
            Some(user) if user == "panic" => panic!("no bees"),
            Some(user) => user,
            None => socket.assigns()?,
        };
        Presence::track(socket, &user, &json!({}))?;
        socket.push("hello", &socket.subtopic().to_owned())?;
        let told = json!({"topic": socket.topic()});
        Ok((Probe { user, heard: Vec::new() }, Json(told)))
    }

    fn handle_in(&mut self, message: In, socket: &mut Socket) -> Result<Reply> {
        self.heard.push("in".to_owned());
        match message {
            In::Say { text } => {
                let event = if text == "secret" { "secret" } else { "said" };
                socket.broadcast_from(event, &json!({"user": self.user, "text": text}))?;
            }
            In::Echo(value) => return Reply::ok(&value),
            In::Pair(one, two) => return Reply::status(Status::Other("sum".into()), &(one + two)),
            In::Push(text) => {
                socket.push("first", &text)?;
                socket.push_payload("second", Bytes::from_static(b"\xff"));
            }
            In::Fail(why) => {
                socket.push("before", &json!({}))?;
                return Err(Error::new(StatusCode::CONFLICT, why));
            }
            In::Broken => return Err("the password is hunter2".into()),
            In::Panic => {
                socket.push("never", &json!({}))?;
                panic!("no bees");
            }
            In::Later => {
                let later = socket.reply_later();
                later.ok(&"now")?;
                later.ok(&"twice")?;
            }
            In::Subscribe(topics) => socket.subscribe(&topics),
            In::Stop(reason) => {
                socket.stop(reason);
                return Reply::ok(&"bye");
            }
            In::Long => socket.push(&"x".repeat(256), &json!({}))?,
        }
        Ok(Reply::None)
    }

    fn handle_out(&mut self, event: &str, said: Value, socket: &mut Socket) -> Result<()> {
        self.heard.push(format!("out {event}"));
        socket.push(event, &json!({"text": "***", "user": said["user"]}))
    }

    fn handle_info(&mut self, topic: &str, message: Message) -> Result<()> {
        self.heard.push(format!("info {topic} {}", message.text()?));
        Ok(())
    }

    fn terminate(&mut self, end: &End, socket: &mut Socket) -> Result<()> {
        socket.broadcast("gone", &format!("{}: {end:?}", self.user))
    }
}

fn texts(events: &[test::TestEvent]) -> Vec<(&str, Value)> {
    events.iter().map(|said| (said.event.as_str(), said.json())).collect()
}

fn joined(user: &str) -> test::TestChannel<Probe> {
    let probe = test::socket().join::<Probe>("probe:7", user).unwrap();
    assert_eq!(texts(&probe.received()), [("hello", json!("7"))]);
    probe
}

#[test]
fn who_joins_is_told_and_known() {
    let socket = test::socket_with("willi");
    let probe = socket.join::<Probe>("probe:7:a", &json!({})).unwrap();
    assert_eq!((probe.reply::<Value>(), probe.state().user.as_str()), (json!({"topic": "probe:7:a"}), "willi"));
    assert_eq!(presence::count("probe:7:a").unwrap(), 1);
    let refused = socket.join::<Probe>("probe:8", "nobody").unwrap_err();
    assert_eq!(refused, json!({"reason": "go away", "code": "nobody"}));
    let crashed = socket.join::<Probe>("probe:8", "panic").unwrap_err();
    assert_eq!(crashed, json!({"reason": "join crashed"}));
    assert_eq!(test::socket().join::<Probe>("probe:8", &7).unwrap_err()["code"], "invalid-payload");
    assert_eq!(presence::count("probe:8").unwrap(), 0);
}

#[test]
fn events_are_the_variants_of_an_enum() {
    let probe = joined("maja");
    assert_eq!(probe.push("echo", &json!([1, {"a": null}])).ok::<Value>(), json!([1, {"a": null}]));
    assert_eq!(probe.push("pair", &(1, 2)).reply().unwrap().0.as_str(), "sum");
    let why = probe.push("say", &json!({"txt": 1})).error::<Value>();
    assert_eq!(why["code"], "invalid-payload");
    assert!(why["reason"].as_str().unwrap().starts_with("missing field `text`"), "{why}");
    assert_eq!(probe.push_payload("say", b"{}".to_vec()).error::<Value>()["reason"], "it is binary");
    assert_eq!(probe.end(), None);
    assert!(probe.push("sing", &json!({})).reply().is_none());
    assert_eq!(probe.end(), Some(End::Stopped("the channel knows no event `sing`".into())));
}

#[test]
fn other_types_are_read_from_the_whole_message() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "event", content = "payload", rename_all = "snake_case")]
    enum Adjacent {
        Say(u32),
    }
    let message = Incoming::new("say".into(), Payload::Json("7".into()));
    assert_eq!(message.read::<Adjacent>().unwrap(), Adjacent::Say(7));
    assert_eq!(message.read::<Value>().unwrap(), json!({"event": "say", "payload": 7}));
    assert!(message.read::<u32>().is_err());
    let error = Incoming::new("say".into(), Payload::Json("7 8".into())).read::<In>().map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("invalid type"), "{error}");
}

#[test]
fn what_is_done_is_done_in_its_order() {
    let (maja, willi) = (joined("maja"), joined("willi"));
    maja.push("push", "a");
    let got = maja.received();
    assert_eq!((got[0].json::<String>().as_str(), &got[1].payload), ("a", &Payload::Binary(b"\xff"[..].into())));
    maja.push("say", &json!({"text": "hi"}));
    assert_eq!(texts(&willi.received()), [("said", json!({"user": "maja", "text": "hi"}))]);
    assert!(maja.received().is_empty());
    let refused = maja.push("fail", "full");
    assert_eq!((refused.error::<Value>(), maja.received().len()), (json!({"reason": "full"}), 1));
    // What the operator reads is not for the client.
    assert_eq!(maja.push("broken", &json!({})).error::<Value>(), json!({"reason": "Internal Server Error"}));
    assert_eq!(maja.push("later", &json!({})).ok::<String>(), "now");
    assert_eq!(maja.state().heard.len(), 5);
}

#[test]
fn broadcasts_are_messages_of_pubsub() {
    let (maja, willi) = (joined("maja"), joined("willi"));
    broadcast("probe:7", "said", &1).unwrap();
    broadcast("probe:7", "said", &2).unwrap();
    assert_eq!(texts(&maja.received()), [("said", json!(1)), ("said", json!(2))]);
    let told = test::published();
    assert_eq!((told.len(), told[1].event(), told[1].text().unwrap()), (2, Some("said"), "2"));
    maja.push("say", &json!({"text": "secret"}));
    assert_eq!(texts(&willi.received())[2], ("secret", json!({"user": "maja", "text": "***"})));
    assert_eq!((maja.received().len(), willi.state().heard), (0, vec!["out secret".to_owned()]));
    push(&maja.id(), "psst", &3).unwrap();
    assert_eq!((texts(&maja.received()), willi.received().len()), (vec![("psst", json!(3))], 0));
    test::topic("shop/*").deny();
    assert!(broadcast("shop/orders:7", "said", &1).is_err());
    assert!(broadcast("probe:7", "", &1).is_err());
    assert!(push_payload(&maja.id(), "psst", &Payload::Json("{".into())).is_err());
}

#[test]
fn what_is_published_elsewhere_is_told() {
    let probe = joined("maja");
    pubsub::publish_bytes("orders:7", "unheard").unwrap();
    probe.push("subscribe", "orders:*");
    pubsub::publish_bytes("orders:7", "honey").unwrap();
    pubsub::to("orders:8").event("paid").publish_bytes("wax").unwrap();
    pubsub::to("probe:7").event("said").publish_bytes("no broadcast").unwrap();
    broadcast("orders:9", "said", &1).unwrap();
    let heard = ["info orders:7 honey", "info orders:8 wax", "info probe:7 no broadcast", "info orders:9 1"];
    assert_eq!(probe.state().heard[1..], heard);
    assert!(probe.received().is_empty());
}

#[test]
fn every_end_is_told_once_and_leaves_nobody() {
    let watch = joined("watch");
    let gone = || -> Vec<String> { watch.received().iter().map(test::TestEvent::json).collect() };
    let maja = joined("maja");
    maja.leave();
    assert_eq!((maja.end(), gone()), (Some(End::Left), vec!["maja: Left".to_owned()]));
    assert!(push(&maja.id(), "psst", &1).is_err());

    let socket = test::get("/").connect(None, || Connected::new("willi").id("user:1")).unwrap();
    let first = socket.join::<Probe>("probe:7", &json!({})).unwrap();
    let second = socket.join::<Probe>("probe:7", &json!({})).unwrap();
    assert_eq!((first.end(), gone()), (Some(End::Closed), vec!["willi: Closed".to_owned()]));
    disconnect("user:1").unwrap();
    assert_eq!((second.end(), gone(), socket.is_open()), (Some(End::Closed), vec!["willi: Closed".into()], false));

    let flip = joined("flip");
    assert_eq!(flip.push("stop", "normal").ok::<String>(), "bye");
    assert_eq!((flip.end(), gone()), (Some(End::Stopped("normal".into())), vec![r#"flip: Stopped("normal")"#.into()]));

    let puck = joined("puck");
    assert!(puck.push("panic", &json!({})).reply().is_none());
    assert_eq!((puck.end(), puck.received().len(), gone()), (Some(End::Crashed), 0, vec!["puck: Crashed".to_owned()]));

    let long = joined("long");
    long.push("long", &json!({}));
    assert_eq!(long.end(), Some(End::Crashed));
    assert_eq!(presence::list("probe:7").map(|member| member.unwrap().key).collect::<Vec<_>>(), ["watch"]);
}

#[test]
fn a_process_does_the_same() {
    let socket = test::socket_with("maja");
    let maja = socket.join_process::<Probe>("probe:7", &json!({})).unwrap();
    assert_eq!((maja.reply::<Value>(), maja.state().user.as_str()), (json!({"topic": "probe:7"}), "maja"));
    assert_eq!(texts(&maja.received()), [("hello", json!("7"))]);
    let willi = test::socket().join_process::<Probe>("probe:7", "willi").unwrap();
    assert_eq!((willi.received().len(), presence::count("probe:7").unwrap()), (1, 2));
    assert_eq!(maja.push("echo", &json!([1])).ok::<Value>(), json!([1]));
    assert_eq!(maja.push("fail", "full").error::<Value>(), json!({"reason": "full"}));
    assert_eq!(maja.push("later", &json!({})).ok::<String>(), "now");
    assert_eq!(maja.push_payload("say", b"\xff".to_vec()).error::<Value>()["reason"], "it is binary");
    maja.push("push", "a");
    let got = maja.received();
    assert_eq!((got[0].event.as_str(), &got[2].payload), ("before", &Payload::Binary(b"\xff"[..].into())));
    maja.push("say", &json!({"text": "secret"}));
    assert_eq!(texts(&willi.received()), [("secret", json!({"user": "maja", "text": "***"}))]);
    maja.push("subscribe", "orders:*");
    pubsub::publish_bytes("orders:7", "honey").unwrap();
    assert_eq!(maja.state().heard.last().unwrap(), "info orders:7 honey");

    willi.leave();
    assert_eq!((willi.end(), texts(&maja.received())), (Some(End::Left), vec![("gone", json!("willi: Closed"))]));
    assert_eq!(maja.push("stop", "normal").ok::<String>(), "bye");
    assert_eq!(maja.end(), Some(End::Stopped("normal".into())));
    let puck = test::socket().join_process::<Probe>("probe:7", "puck").unwrap();
    puck.push("panic", &json!({}));
    assert_eq!(puck.end(), Some(End::Crashed));
    assert_eq!(presence::count("probe:7").unwrap(), 0);
    let refused = test::socket().join_process::<Probe>("probe:7", "nobody").unwrap_err();
    assert_eq!(refused, json!({"reason": "go away", "code": "nobody"}));
    let crashed = test::socket().join_process::<Probe>("probe:7", "panic").unwrap_err();
    assert_eq!(crashed, json!({"reason": "join crashed"}));
}

fn message(assigns: &[u8], event: &str, text: &str, ref_: Option<&str>) -> wit::Message {
    wit::Message {
        channel: "c".into(),
        topic: "probe:7".into(),
        assigns: assigns.to_owned(),
        event: event.into(),
        body: wit::Body::Json(text.into()),
        ref_: ref_.map(str::to_owned),
    }
}

#[test]
fn only_what_has_changed_crosses_the_border() {
    let assigns = br#"{"user":"maja","heard":[]}"#;
    let actions = channel_in::<Probe>(message(assigns, "stop", "\"done\"", Some("r")));
    let [wit::Action::Reply(reply), wit::Action::Assign(after), wit::Action::Stop(why)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert!(matches!(&reply.body, wit::Body::Json(text) if text == "\"bye\""));
    assert_eq!((after.as_slice(), why.as_str()), (&br#"{"user":"maja","heard":["in"]}"#[..], "done"));
    // Nobody waits, and nothing has changed.
    let actions = channel_in::<Quiet>(message(b"7", "whatever", "{}", None));
    assert!(actions.is_empty(), "{actions:?}");
    let actions = channel_in::<Quiet>(message(b"\"seven\"", "whatever", "{}", None));
    assert!(matches!(&actions[..], [wit::Action::Stop(why)] if why.starts_with("what the channel `quiet` remembers")));
}

#[derive(Serialize, Deserialize)]
struct Quiet(u32);

#[skep::channel("quiet", part)]
impl Quiet {
    fn join() -> Self {
        Quiet(7)
    }

    fn handle_in(&mut self, _event: &str) -> Result<Json<()>> {
        Ok(Json(()))
    }
}

#[test]
fn the_host_is_told_what_there_is() {
    let probe = channel_definition::<Probe>();
    assert_eq!((probe.topics.as_str(), probe.intercepts), ("probe:*", vec!["secret".to_owned()]));
    assert!(probe.listens == wit::Listens::INFO | wit::Listens::TERMINATE);
    assert!(channel_definition::<Quiet>().listens == wit::Listens::empty());
    let patterns = ["a:*", "a:b:*", "a:b:c", "*"];
    for (topic, place) in [("a:x", 0), ("a:b:x", 1), ("a:b:c", 2), ("a:b:cd", 1), ("x", 3)] {
        assert_eq!(channel_of(&patterns, topic), Some(place), "{topic}");
    }
    assert_eq!(channel_of(&patterns[..3], "b"), None);
    let request = wit::Joining {
        channel: "c".into(),
        topic: "quiet".into(),
        assigns: Vec::new(),
        params: wit::Body::Json(String::new()),
    };
    assert_eq!(channel_join::<Quiet>(request).unwrap().assigns.unwrap(), b"7");
}

#[test]
fn a_connection_is_refused_with_words_for_the_log() {
    let forbidden = || Err::<Connected, _>(Error::new(StatusCode::FORBIDDEN, "go away"));
    assert!(test::get("/").connect(Some("t"), forbidden).unwrap_err().contains("go away"));
    let broken = || Err::<Connected, Error>("hunter2".into());
    assert!(test::get("/").connect(None, broken).unwrap_err().starts_with("500"));
    let token = |connecting: Connecting| {
        assert_eq!(format!("{connecting:?}"), r#"Connecting { mount: "/socket", token: Some("[token]") }"#);
        Connected::new(&connecting.token)
    };
    assert_eq!(test::get("/").connect(Some("t"), token).unwrap().assigns::<String>(), "t");
    assert_eq!(test::get("/").send(|c: Connecting| c.mount).error_code(), "no-socket");
}
