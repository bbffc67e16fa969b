//! `phyllo`: joins with parameters, hears, rejoins and reconnects by itself. It joins with one `join_ref` and pushes with
//! another; Phoenix 1.8 drops such pushes, and so does this host. So it only listens here, and the other client speaks.

use std::time::Duration;

use anyhow::{Result, bail};
use backoff::ExponentialBackoff;
use phyllo::channel::{ChannelBuilder, ChannelHandler};
use phyllo::error::RegisterChannelError;
use phyllo::message::{Event, Message, Payload, PushStatus};
use phyllo::socket::{SocketBuilder, SocketHandler};
use serde_json::{Value, json};
use url::Url;

use crate::cases::{Heard, cannot, case, host, host_is, moods, room, same, until};
use crate::phoenix::{self, tell};

fn soon() -> ExponentialBackoff {
    let first = Duration::from_millis(50);
    ExponentialBackoff {
        initial_interval: first,
        current_interval: first,
        multiplier: 1.0,
        ..ExponentialBackoff::default()
    }
}

async fn open(user: &str, retry: ExponentialBackoff) -> Result<SocketHandler<String>> {
    let url = Url::parse(&format!("ws://{}/socket/websocket?user={user}", host()))?;
    Ok(SocketBuilder::new(url).reconnect(retry).heartbeat(Duration::from_millis(500)).build().await)
}

struct Joined {
    channel: ChannelHandler<String, String, Value, Value>,
    heard: Heard<(String, Value)>,
}

impl Joined {
    /// Joined as soon as it hears who is there, which the guest pushes to who has joined.
    async fn new(socket: &mut SocketHandler<String>, topic: &str, times: usize) -> Result<Self> {
        let builder = ChannelBuilder::new(topic.to_owned())
            .params(Some(json!({"keep": 1})))
            .rejoin(soon())
            .broadcast_buffer(1_000);
        let (channel, mut messages) = socket.channel(builder).await?;
        let heard = Heard::new();
        let joined = Self { channel, heard: heard.clone() };
        tokio::spawn(async move {
            while let Ok(Message { event, payload, .. }) = messages.recv().await {
                if let (Event::Event(event), Some(Payload::Custom(body))) = (event, payload) {
                    heard.add((event, body));
                }
            }
        });
        joined.is_joined(times).await?;
        Ok(joined)
    }

    fn heard(&self, event: &str) -> Vec<Value> {
        self.heard.all().into_iter().filter(|(name, _)| name == event).map(|(_, body)| body).collect()
    }

    async fn is_joined(&self, times: usize) -> Result<()> {
        until("a join", || self.heard("presence_state").len() == times).await
    }
}

async fn connects() -> Result<()> {
    let mut anna = open("anna", soon()).await?;
    let mine = Joined::new(&mut anna, &room(), 1).await?;
    same(mine.heard("presence_state")[0]["anna"]["metas"][0]["mood"].as_str(), Some("new"))?;
    anna.close();
    Ok(())
}

async fn refused_socket() -> Result<()> {
    let once = ExponentialBackoff { max_elapsed_time: Some(Duration::ZERO), ..soon() };
    let mut nobody = open("nobody", once).await?;
    let builder = ChannelBuilder::new(room());
    match nobody.channel::<String, Value, Value>(builder).await {
        Err(error) => same(error, RegisterChannelError::SocketDropped),
        Ok(_) => bail!("it came in"),
    }
}

async fn broadcasts() -> Result<()> {
    let topic = room();
    let mut anna = open("anna", soon()).await?;
    let mine = Joined::new(&mut anna, &topic, 1).await?;
    let ben = phoenix::Joined::new("ben", &topic).await?;
    for n in 0..300 {
        tell(&ben.channel, "shout", json!({ "n": n })).await?;
    }
    until("all of them", || mine.heard("shout").len() == 300).await?;
    same(mine.heard("shout"), (0..300).map(|n| json!({ "n": n })).collect::<Vec<_>>())?;
    anna.close();
    Ok(())
}

async fn presence() -> Result<()> {
    let topic = room();
    let mut anna = open("anna", soon()).await?;
    let mine = Joined::new(&mut anna, &topic, 1).await?;
    let ben = phoenix::Joined::new("ben", &topic).await?;
    until("ben comes", || moods(&mine.heard("presence_diff"), "joins", "ben") == ["new"]).await?;
    tell(&ben.channel, "mood", json!({"mood": "glad"})).await?;
    until("ben changes", || moods(&mine.heard("presence_diff"), "joins", "ben") == ["new", "glad"]).await?;
    ben.channel.leave().await;
    until("ben goes", || moods(&mine.heard("presence_diff"), "leaves", "ben") == ["new", "glad"]).await?;
    anna.close();
    Ok(())
}

async fn two_topics() -> Result<()> {
    let (a, b) = (room(), room());
    let mut anna = open("anna", soon()).await?;
    let (first, second) = (Joined::new(&mut anna, &a, 1).await?, Joined::new(&mut anna, &b, 1).await?);
    let (there, besides) = (phoenix::Joined::new("ben", &a).await?, phoenix::Joined::new("ben", &b).await?);
    // A reply that comes at once makes it panic now and then (it polls a channel that is done). So it leaves in a task of
    // its own, and the other client says that it has left.
    let left = tokio::spawn(first.channel.close()).await;
    if let Ok(reply) = left {
        let Some(Payload::PushReply { status: PushStatus::Ok, .. }) = reply?.payload else { bail!("it may not leave") };
    }
    until("anna leaves", || there.sees_leave("anna")).await?;
    tell(&besides.channel, "shout", json!({"n": 1})).await?;
    until("a broadcast", || second.heard("shout") == [json!({"n": 1})]).await?;
    anna.close();
    Ok(())
}

async fn crash() -> Result<()> {
    let topic = room();
    let mut anna = open("anna", soon()).await?;
    let (mine, besides) = (Joined::new(&mut anna, &topic, 1).await?, Joined::new(&mut anna, &room(), 1).await?);
    let ben = phoenix::Joined::new("ben", &topic).await?;
    // It cannot ask for its own death, so another does.
    tell(&ben.channel, "poison", json!({})).await?;
    mine.is_joined(2).await?;
    same(besides.heard("presence_state").len(), 1)?;
    tell(&ben.channel, "shout", json!({"n": 1})).await?;
    until("a broadcast", || mine.heard("shout") == [json!({"n": 1})]).await?;
    anna.close();
    Ok(())
}

async fn kicked() -> Result<()> {
    let topic = room();
    let mut anna = open("anna", soon()).await?;
    let mine = Joined::new(&mut anna, &topic, 1).await?;
    let ben = phoenix::Joined::new("ben", &topic).await?;
    tell(&ben.channel, "kick", json!({"user": "anna"})).await?;
    mine.is_joined(2).await?;
    anna.close();
    Ok(())
}

async fn killed() -> Result<()> {
    let topic = room();
    let mut anna = open("anna", soon()).await?;
    let mine = Joined::new(&mut anna, &topic, 1).await?;
    host_is("kill").await?;
    host_is("start").await?;
    mine.is_joined(2).await?;
    let ben = phoenix::Joined::new("ben", &topic).await?;
    tell(&ben.channel, "shout", json!({"n": 1})).await?;
    until("a broadcast", || mine.heard("shout") == [json!({"n": 1})]).await?;
    anna.close();
    Ok(())
}

pub async fn run() {
    case("connects with parameters, joins", connects()).await;
    cannot("authenticates with a token", "it sends no subprotocols");
    case("is refused a socket", refused_socket()).await;
    cannot("is refused a join", "it tries again and tells nobody");
    cannot(
        "gets replies: ok, error",
        "its pushes have another join_ref than its join, and are dropped, as by Phoenix 1.8",
    );
    case("hears broadcasts, in their order", broadcasts()).await;
    cannot("says and hears bytes", "it reads and writes text only");
    case("sees who comes, changes and goes", presence()).await;
    case("has two topics on one socket, leaves one", two_topics()).await;
    case("rejoins after the guest has crashed", crash()).await;
    case("comes back when it is disconnected", kicked()).await;
    case("reconnects when the host was killed", killed()).await;
    cannot("polls", "it has WebSockets only");
}
