//! A guest that does what it is told, and keeps a diary.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use skep_channels::{
    Action, Body, Channel, ChannelHandler, ChannelId, Crash, Info, Joined, Joining, Message, SocketId, Working,
};
use skep_presence::Presence;
use skep_types::{PluginName, TopicId};
use tokio::sync::oneshot;

/// What all guests of one run share.
#[derive(Default)]
pub(super) struct Diary {
    /// What was called for a channel, in order.
    calls: Mutex<HashMap<ChannelId, Vec<String>>>,
    /// Calls that wait until they are let go.
    held: Mutex<HashMap<ChannelId, oneshot::Sender<()>>>,
}

impl Diary {
    fn note(&self, channel: &Channel, what: String) {
        self.calls.lock().unwrap().entry(channel.id).or_default().push(what);
    }

    pub(super) fn of(&self, channel: ChannelId) -> Vec<String> {
        self.calls.lock().unwrap().get(&channel).cloned().unwrap_or_default()
    }

    /// Grows with whatever guests do.
    pub(super) fn len(&self) -> usize {
        self.calls.lock().unwrap().values().map(Vec::len).sum::<usize>() + self.held.lock().unwrap().len()
    }

    /// Lets all go that their sockets have left behind.
    pub(super) fn release_all(&self, socket: SocketId) {
        self.held.lock().unwrap().retain(|channel, _| channel.socket() != socket);
    }

    pub(super) fn release(&self, channel: ChannelId) {
        let held = self.held.lock().unwrap().remove(&channel);
        // Whose socket is gone is not there to hear of it.
        _ = held.map(|release| release.send(()));
    }

    async fn hold(&self, channel: ChannelId) {
        let (release, released) = oneshot::channel();
        self.held.lock().unwrap().insert(channel, release);
        _ = released.await;
    }
}

/// A revision of a plugin. Its messages are `[held, what to do, number]`, and so is what clients join with.
pub(super) struct Guest {
    pub(super) owner: PluginName,
    pub(super) keeps: &'static str,
    pub(super) revision: u32,
    pub(super) diary: Arc<Diary>,
    pub(super) presence: Presence,
}

/// A channel of this topic lingers in its end until it is let go.
pub(super) const LINGERS: &[u8] = b"lingers";

pub(super) fn intercepted() -> Vec<String> {
    vec!["secret".to_owned()]
}

fn read(body: &Body) -> (bool, String, u32) {
    let Body::Json(text) = body else { panic!("{body:?}") };
    serde_json::from_str(text).unwrap()
}

fn json(value: impl Into<serde_json::Value>) -> Body {
    Body::Json(value.into().to_string())
}

fn ok(body: Body) -> Action {
    Action::Reply { status: "ok".into(), body }
}

impl Guest {
    fn topic(&self, channel: &Channel) -> TopicId {
        TopicId { owner: self.owner.clone(), name: channel.topic.clone() }
    }
}

impl ChannelHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.owner
    }

    fn intercepts(&self) -> &[String] {
        static EVENTS: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(intercepted);
        &EVENTS
    }

    fn terminates(&self) -> bool {
        true
    }

    fn keeps(&self) -> &str {
        self.keeps
    }

    fn join(&self, channel: Channel, joining: Joining) -> Working<Result<Joined, Body>> {
        let (held, what, number) = read(&joining.params);
        let (diary, revision, presence) = (Arc::clone(&self.diary), self.revision, self.presence.clone());
        let (owner, topic) = (self.owner.clone(), self.topic(&channel));
        Box::pin(async move {
            diary.note(&channel, format!("join {what} {number}"));
            if held {
                diary.hold(channel.id).await;
            }
            let (mut assigns, mut actions) = (Bytes::new(), Vec::new());
            match what.as_str() {
                "deny" => return Ok(Err(json(number))),
                "crash" => return Err(Crash::new("as asked")),
                "panic" => panic!("as asked"),
                "bad json" => return Ok(Ok(Joined { reply: Body::Json("{".into()), assigns: None, actions })),
                "greet" => {
                    actions.push(Action::Push { event: "greeting".into(), body: json(number) });
                    actions.push(Action::Broadcast { event: "came".into(), body: json(number) });
                }
                "linger" => assigns = LINGERS.into(),
                "track" => {
                    presence.track(&channel.id.of(&owner), &topic, &number.to_string(), b"{}").unwrap();
                }
                _ => {}
            }
            Ok(Ok(Joined { reply: json(revision), assigns: Some(assigns), actions }))
        })
    }

    fn handle_in(&self, channel: Channel, message: Message) -> Working<Vec<Action>> {
        let (held, what, number) = read(&message.body);
        let (diary, body) = (Arc::clone(&self.diary), json(number));
        Box::pin(async move {
            diary.note(&channel, format!("in {what} {number}"));
            if held {
                diary.hold(channel.id).await;
            }
            let done = ok(body.clone());
            Ok(match what.as_str() {
                "echo" => vec![done],
                "push" => vec![Action::Push { event: "pushed".into(), body }, done],
                "shout" => vec![Action::Broadcast { event: "shouted".into(), body }, done],
                "others" => vec![Action::BroadcastFrom { event: "shouted".into(), body }, done],
                "secret" => vec![Action::Broadcast { event: "secret".into(), body }, done],
                "linger" => vec![Action::Assign(LINGERS.into()), done],
                "listen" => vec![Action::Subscribe("news/x".parse().unwrap()), done],
                "unlisten" => vec![Action::Unsubscribe("news/x".parse().unwrap()), done],
                "crash" => return Err(Crash::new("as asked")),
                "panic" => panic!("as asked"),
                "bad json" => vec![Action::Push { event: "pushed".into(), body }, ok(Body::Json("{".into()))],
                "stop" => vec![done.clone(), Action::Stop("normal".into()), done],
                "give up" => vec![done.clone(), Action::Stop("given up".into()), done],
                _ => vec![],
            })
        })
    }

    fn handle_out(&self, channel: Channel, event: Arc<str>, body: Body) -> Working<Vec<Action>> {
        let diary = Arc::clone(&self.diary);
        Box::pin(async move {
            let body = match body {
                Body::Json(text) => Body::Json(text),
                Body::Binary(data) => Body::Json(String::from_utf8(data.to_vec()).unwrap()),
            };
            diary.note(&channel, format!("out {event} {body:?}"));
            Ok(vec![Action::Push { event: "seen".into(), body }])
        })
    }

    fn handle_info(&self, channel: Channel, info: Info) -> Working<Vec<Action>> {
        let diary = Arc::clone(&self.diary);
        Box::pin(async move {
            let data = String::from_utf8(info.data.to_vec()).unwrap();
            diary.note(&channel, format!("info {data}"));
            Ok(vec![Action::Push { event: "info".into(), body: Body::Json(data) }])
        })
    }

    fn terminate(&self, channel: Channel, reason: String) -> Working<()> {
        let diary = Arc::clone(&self.diary);
        Box::pin(async move {
            diary.note(&channel, format!("end {reason}"));
            if channel.assigns == LINGERS {
                diary.hold(channel.id).await;
            }
            Ok(())
        })
    }
}
