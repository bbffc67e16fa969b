//! `phoenix_channels_client`: pushes, replies, broadcasts, and hears bytes. It neither rejoins nor reconnects, and joins
//! without parameters.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use phoenix_channels_client::{Channel, ChannelError, Client, Config, Event, Payload, PhoenixEvent, SendError};
use serde_json::{Value, json};

use crate::cases::{Heard, PATIENCE, cannot, case, host, host_is, moods, room, same, until};

async fn open(user: &str) -> Result<Client> {
    let mut config = Config::new(format!("ws://{}/socket/websocket", host()).as_str())?;
    config.set("user", user);
    let mut client = Client::new(config)?;
    client.connect().await?;
    Ok(client)
}

/// A client that has joined a room, and what it hears there.
pub struct Joined {
    client: Client,
    pub channel: Arc<Channel>,
    heard: Heard<(String, Payload)>,
}

const EVENTS: [&str; 4] = ["shout", "broadcast", "whisper", "presence_diff"];

async fn listen(channel: &Channel, event: Event, heard: &Heard<(String, Payload)>) -> Result<()> {
    let (heard, name) = (heard.clone(), event.to_string());
    channel.on(event, move |_, payload| heard.add((name.clone(), payload.clone()))).await?;
    Ok(())
}

impl Joined {
    pub async fn new(user: &str, topic: &str) -> Result<Self> {
        let client = open(user).await?;
        let (channel, heard) = Self::join(&client, topic).await?;
        Ok(Self { client, channel, heard })
    }

    async fn join(client: &Client, topic: &str) -> Result<(Arc<Channel>, Heard<(String, Payload)>)> {
        let channel = client.join(topic, Some(PATIENCE)).await?;
        let heard = Heard::new();
        for event in EVENTS {
            listen(&channel, event.into(), &heard).await?;
        }
        for event in [PhoenixEvent::Error, PhoenixEvent::Close] {
            listen(&channel, event.into(), &heard).await?;
        }
        Ok((channel, heard))
    }

    fn heard(&self, event: &str) -> Vec<Payload> {
        self.heard.all().into_iter().filter(|(name, _)| name == event).map(|(_, payload)| payload).collect()
    }

    pub fn sees_leave(&self, user: &str) -> bool {
        !moods(&self.diffs(), "leaves", user).is_empty()
    }

    fn diffs(&self) -> Vec<Value> {
        self.heard("presence_diff").into_iter().filter_map(Payload::into_value).collect()
    }
}

/// `Ok` with what was replied, or `Err` with it.
pub async fn ask(channel: &Channel, event: &str, body: Value) -> Result<Result<Payload, Payload>> {
    match channel.send_with_timeout(event, body, Some(PATIENCE)).await {
        Ok(payload) => Ok(Ok(payload)),
        Err(SendError::Reply(payload)) => Ok(Err(*payload)),
        Err(error) => Err(error).context("asking"),
    }
}

/// Says what is replied `{}`.
pub async fn tell(channel: &Channel, event: &str, body: Value) -> Result<()> {
    same(ask(channel, event, body).await?, ok(json!({})))
}

fn ok(body: Value) -> Result<Payload, Payload> {
    Ok(Payload::Value(body))
}

async fn connects() -> Result<()> {
    let anna = Joined::new("anna", &room()).await?;
    tell(&anna.channel, "mood", json!({"mood": "glad"})).await?;
    until("its own change", || moods(&anna.diffs(), "joins", "anna").contains(&"glad".to_owned())).await
}

async fn refused_socket() -> Result<()> {
    let Err(error) = open("nobody").await else { bail!("it came in") };
    same(format!("{error:#}").contains("403"), true)
}

async fn refused_join() -> Result<()> {
    let client = open("anna").await?;
    match client.join("room:closed", Some(PATIENCE)).await {
        Err(ChannelError::JoinFailed(why)) => same(*why, Payload::Value(json!({"reason": "the room is closed"}))),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("it has joined"),
    }
}

async fn replies() -> Result<()> {
    let anna = Joined::new("anna", &room()).await?;
    for body in [json!({}), json!({"n": 1, "deep": [null, "ü"]}), json!([1, "a"]), json!("text")] {
        same(ask(&anna.channel, "echo", body.clone()).await?, ok(body))?;
    }
    let refused = Err(Payload::Value(json!({"reason": "not now"})));
    same(ask(&anna.channel, "refuse", json!({"why": "not now"})).await?, refused)
}

async fn late_reply() -> Result<()> {
    let topic = room();
    let (anna, ben) = (Joined::new("anna", &topic).await?, Joined::new("ben", &topic).await?);
    let channel = Arc::clone(&anna.channel);
    let late = tokio::spawn(async move { ask(&channel, "later", json!({"key": "rust"})).await });
    // It is answered only when the guest has it, so this is asked until there is somebody who waits.
    let answer = json!({"key": "rust", "status": "ok", "body": {"n": 2}});
    let mut answered = ask(&ben.channel, "answer", answer.clone()).await?;
    while answered.is_err() {
        answered = ask(&ben.channel, "answer", answer.clone()).await?;
    }
    same(late.await??, ok(json!({"n": 2})))
}

async fn timeout() -> Result<()> {
    let anna = Joined::new("anna", &room()).await?;
    let silent = anna.channel.send_with_timeout("silent", json!({}), Some(Duration::from_millis(200))).await;
    same(matches!(silent, Err(SendError::Timeout)), true)?;
    tell(&anna.channel, "echo", json!({})).await
}

async fn broadcasts() -> Result<()> {
    let topic = room();
    let (anna, ben) = (Joined::new("anna", &topic).await?, Joined::new("ben", &topic).await?);
    for (n, event) in ["broadcast", "shout", "whisper"].into_iter().enumerate() {
        tell(&anna.channel, event, json!({ "n": n })).await?;
    }
    let said = |event: &str, n: u8| (event.to_owned(), Payload::Value(json!({ "n": n })));
    let told =
        |one: &Joined| one.heard.all().into_iter().filter(|(event, _)| event != "presence_diff").collect::<Vec<_>>();
    until("what was said", || told(&anna).len() == 2 && told(&ben).len() == 2).await?;
    same(told(&ben), [said("broadcast", 0), said("shout", 1)])?;
    // Pushes and broadcasts come to it by two queues, so it does not keep the order between them.
    let mut mine = told(&anna);
    mine.sort_by(|(left, _), (right, _)| left.cmp(right));
    same(mine, [said("shout", 1), said("whisper", 2)])
}

async fn order() -> Result<()> {
    let topic = room();
    let (anna, ben) = (Joined::new("anna", &topic).await?, Joined::new("ben", &topic).await?);
    for n in 0..300 {
        tell(&anna.channel, "shout", json!({ "n": n })).await?;
    }
    until("all of them", || ben.heard("shout").len() == 300).await?;
    same(ben.heard("shout"), (0..300).map(|n| Payload::Value(json!({ "n": n }))).collect::<Vec<_>>())
}

async fn bytes() -> Result<()> {
    let topic = room();
    let (anna, ben) = (Joined::new("anna", &topic).await?, Joined::new("ben", &topic).await?);
    let all: Vec<u8> = (0..=255).collect();
    same(ask(&anna.channel, "bytes", json!({"values": all})).await?, Ok(Payload::Binary(all.clone())))?;
    until("a push and broadcasts", || {
        [anna.heard("whisper"), anna.heard("shout"), ben.heard("shout")].concat().len() == 3
    })
    .await?;
    for heard in [anna.heard("whisper"), anna.heard("shout"), ben.heard("shout")] {
        same(heard, [Payload::Binary(all.clone())])?;
    }
    Ok(())
}

async fn presence() -> Result<()> {
    let topic = room();
    let anna = Joined::new("anna", &topic).await?;
    let mut ben = Joined::new("ben", &topic).await?;
    until("ben comes", || moods(&anna.diffs(), "joins", "ben") == ["new"]).await?;
    tell(&ben.channel, "mood", json!({"mood": "glad"})).await?;
    until("ben changes", || moods(&anna.diffs(), "joins", "ben") == ["new", "glad"]).await?;
    ben.client.disconnect().await?;
    until("ben goes", || moods(&anna.diffs(), "leaves", "ben") == ["new", "glad"]).await
}

async fn two_topics() -> Result<()> {
    let (a, b) = (room(), room());
    let (anna, ben) = (Joined::new("anna", &a).await?, Joined::new("ben", &a).await?);
    let (besides, heard) = Joined::join(&anna.client, &b).await?;
    tell(&besides, "shout", json!({"n": 1})).await?;
    until("a broadcast in the other room", || heard.all().iter().any(|(event, _)| event == "shout")).await?;
    same(anna.heard("shout"), [])?;
    anna.channel.leave().await;
    until("anna leaves", || ben.sees_leave("anna")).await?;
    same(ask(&besides, "echo", json!({"n": 2})).await?, ok(json!({"n": 2})))?;
    let (again, _) = Joined::join(&anna.client, &a).await?;
    same(ask(&again, "echo", json!({"n": 3})).await?, ok(json!({"n": 3})))
}

async fn crash() -> Result<()> {
    let topic = room();
    let anna = Joined::new("anna", &topic).await?;
    let (besides, _) = Joined::join(&anna.client, &room()).await?;
    anna.channel.send_noreply("crash", json!({})).await?;
    until("phx_error", || anna.heard("phx_error") == [Payload::Value(json!({}))]).await?;
    let (again, _) = Joined::join(&anna.client, &topic).await?;
    for channel in [again, besides] {
        same(ask(&channel, "echo", json!({"n": 1})).await?, ok(json!({"n": 1})))?;
    }
    Ok(())
}

async fn stop() -> Result<()> {
    let anna = Joined::new("anna", &room()).await?;
    anna.channel.send_noreply("stop", json!({})).await?;
    until("phx_close", || anna.heard("phx_close") == [Payload::Value(json!({}))]).await
}

async fn killed() -> Result<()> {
    let topic = room();
    let mut anna = Joined::new("anna", &topic).await?;
    host_is("kill").await?;
    let lost = anna.channel.send_with_timeout("echo", json!({}), Some(PATIENCE)).await;
    same(matches!(lost, Err(SendError::Closed)), true).map_err(|error| anyhow!("{error}: {lost:?}"))?;
    _ = anna.client.disconnect().await;
    host_is("start").await?;
    let again = Joined::new("anna", &topic).await?;
    same(ask(&again.channel, "echo", json!({"n": 1})).await?, ok(json!({"n": 1})))
}

pub async fn run() {
    case("connects with parameters, joins", connects()).await;
    cannot("authenticates with a token", "it sends no subprotocols");
    case("is refused a socket", refused_socket()).await;
    case("is refused a join", refused_join()).await;
    case("gets replies: ok, error", replies()).await;
    case("gets a late reply", late_reply()).await;
    case("times out where no reply comes", timeout()).await;
    case("broadcasts to all, to others", broadcasts()).await;
    case("keeps the order of many", order()).await;
    case("hears bytes", bytes()).await;
    cannot("says bytes", "what it pushes is JSON");
    case("sees who comes, changes and goes", presence()).await;
    case("has two topics on one socket, leaves one", two_topics()).await;
    case("joins again, by hand, after the guest has crashed", crash()).await;
    cannot("rejoins after the guest has crashed", "it tells the program, and does nothing by itself");
    case("takes the end of a channel for one", stop()).await;
    case("connects again, by hand, when the host was killed", killed()).await;
    cannot("reconnects when the host was killed", "its option `reconnect` does nothing");
    cannot("polls", "it has WebSockets only");
}
