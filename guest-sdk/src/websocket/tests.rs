//! Raw WebSockets, as far as one plugin can see them.

use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    Error, Query, Result, StatusCode, presence,
    pubsub::{self, Message},
    skep, test,
};

#[derive(Debug, Serialize, Deserialize)]
struct Probe {
    said: u32,
}

#[derive(Deserialize)]
struct Params {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    Count,
    Fail(String),
    Panic,
    Close(u16),
    Id,
}

#[skep::websocket(part)]
impl Probe {
    fn open(Query(params): Query<Params>, upgrade: Upgrade) -> Result<Accepted<Self>> {
        if params.name == "nobody" {
            return Err(Error::new(StatusCode::FORBIDDEN, "go away"));
        }
        presence::track(&(&upgrade.socket).into(), "lobby", &params.name, &serde_json::json!({}))?;
        let accepted = Accepted::new(Probe { said: 0 }).subscribe("price:*").first("welcome");
        Ok(match upgrade.protocols.into_iter().find(|protocol| protocol == "v2") {
            Some(protocol) => accepted.protocol(protocol),
            None => accepted,
        })
    }

    fn message(&mut self, said: Said, socket: &mut WebSocket) -> Result<()> {
        self.said += 1;
        match said {
            Said::Count => socket.send_json(&self.said)?,
            Said::Fail(why) => {
                socket.send("before");
                return Err(Error::new(StatusCode::CONFLICT, why));
            }
            Said::Panic => panic!("no bees"),
            Said::Close(code) => socket.close(code, "bye"),
            Said::Id => socket.send(socket.id().to_string()),
        }
        Ok(())
    }

    fn handle_info(&mut self, topic: &str, message: Message, socket: &mut WebSocket) -> Result<()> {
        socket.send(format!("{topic} {}", message.text()?));
        Ok(())
    }

    fn close(&mut self, code: u16) -> Result<()> {
        pubsub::publish("closed", &(code, self.said))?;
        Ok(())
    }
}

fn open() -> test::TestWebSocket {
    let probe = test::get("/?name=maja").open_websocket::<Probe>().unwrap();
    assert_eq!(probe.received(), [Frame::from("welcome")]);
    probe
}

fn told() -> Vec<(u16, u32)> {
    test::published().iter().filter(|told| told.topic() == "closed").map(|told| told.json().unwrap()).collect()
}

#[test]
fn a_client_is_remembered_between_its_messages() {
    let probe = open();
    probe.send("\"count\"");
    probe.send("\"count\"");
    pubsub::publish_bytes("price:honey", "7").unwrap();
    assert_eq!(probe.received(), ["1", "2", "price:honey 7"].map(Frame::from));
    probe.id().send("psst").unwrap();
    probe.id().send(vec![255]).unwrap();
    assert_eq!(probe.received(), [Frame::from("psst"), Frame::from(vec![255])]);
    assert_eq!(presence::count("lobby").unwrap(), 1);
    probe.close(1001);
    assert_eq!((told(), presence::count("lobby").unwrap()), (vec![(1001, 2)], 0));
    assert!(probe.id().send("late").is_err());
}

#[test]
fn who_opens_may_be_refused_and_agrees_on_a_protocol() {
    let refused = test::get("/?name=nobody").open_websocket::<Probe>().unwrap_err();
    assert_eq!((refused.status(), refused.error_message().as_str()), (StatusCode::FORBIDDEN, "go away"));
    assert_eq!(test::get("/").open_websocket::<Probe>().unwrap_err().status(), StatusCode::BAD_REQUEST);
    let offers = |offered| {
        let opened = test::get("/?name=maja").header("sec-websocket-protocol", offered).open_websocket::<Probe>();
        opened.unwrap().protocol().map(str::to_owned)
    };
    assert_eq!((offers("v1, v2"), offers("v1")), (Some("v2".to_owned()), None));
}

#[test]
fn every_end_has_its_code() {
    let ends = |said: &str| {
        let probe = open();
        probe.send(said);
        (probe.closed().unwrap(), probe.received())
    };
    assert_eq!(ends(r#"{"close": 4001}"#), ((4001, "bye".into()), vec![]));
    assert_eq!(ends(r#"{"fail": "full"}"#), ((4409, "full".into()), vec![Frame::from("before")]));
    assert_eq!(ends("\"panic\"").0.0, 1011);
    assert_eq!(ends(r#"{"close": 1002}"#).0.0, 1011);
    let ((code, why), _) = ends("nonsense");
    assert!(code == 4400 && why.len() <= 123, "{code} {why}");
    let (long, _) = ends(&serde_json::json!({"fail": "ü".repeat(100)}).to_string());
    assert_eq!(long.1, "ü".repeat(61));
    assert_eq!(told().len(), 6);
    let probe = open();
    assert!(probe.id().close(1002, "").is_err());
    probe.id().close(1000, "").unwrap();
    assert_eq!(probe.closed(), Some((1000, String::new())));
}
