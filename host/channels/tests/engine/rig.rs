//! A client without a transport, and a guest whose messages say what to do.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use skep_channels::{
    Action, Body, Channel, ChannelHandler, Channels, Close, Connected, Connecting, Crash, Frame, Info, Joined, Joining,
    Message, Mount, Options, Refused, Socket, SocketHandler, SocketOptions, Speech, Table, Target, Transport, Version,
    Working,
};
use skep_presence::{Announce, Diff, Presence};
use skep_pubsub::{Broadcast, PubSub, Publish};
use skep_types::{PluginName, SystemClock, TopicId, TopicName};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

pub(crate) fn topic(text: &str) -> TopicId {
    text.parse().unwrap()
}

/// Lets anybody in, under the name that the parameter `name` says.
pub(crate) struct Door(pub(crate) PluginName);

impl SocketHandler for Door {
    fn owner(&self) -> &PluginName {
        &self.0
    }

    fn connect(
        &self,
        client: Connecting,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Connected, Refused>> + Send>> {
        Box::pin(async move {
            let of = |name: &str| client.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            if of("deny").is_some() {
                return Err(Refused::Denied);
            }
            let name = of("name").map(|name| TopicName::new(&name).unwrap());
            Ok(Connected { name, assigns: of("assigns").unwrap_or_default().into() })
        })
    }
}

/// What guests are told, and what they wait for.
#[derive(Default)]
pub(crate) struct Notes {
    lines: Mutex<Vec<String>>,
    pub(crate) gate: Notify,
    pub(crate) refs: Mutex<Vec<String>>,
}

impl Notes {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

pub(crate) struct Guest {
    pub(crate) owner: PluginName,
    /// Told in the replies to joins and echoes, to tell revisions apart.
    pub(crate) revision: u32,
    pub(crate) notes: Arc<Notes>,
    pub(crate) presence: Presence,
    pub(crate) shows_presence: bool,
    pub(crate) intercepts: Vec<String>,
    /// What its channels' assigns are.
    pub(crate) keeps: &'static str,
}

fn json(text: impl Into<String>) -> Body {
    Body::Json(text.into())
}

fn ok(body: Body) -> Action {
    Action::Reply { status: "ok".into(), body }
}

fn event(text: &Body) -> String {
    match text {
        Body::Json(text) => serde_json::from_str(text).unwrap(),
        Body::Binary(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// Notes when its future is dropped before its end.
struct Dropped(Arc<Notes>, bool);

impl Drop for Dropped {
    fn drop(&mut self) {
        if !self.1 {
            self.0.note("cancelled");
        }
    }
}

impl ChannelHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.owner
    }

    fn intercepts(&self) -> &[String] {
        &self.intercepts
    }

    fn presence(&self) -> bool {
        self.shows_presence
    }

    fn keeps(&self) -> &str {
        self.keeps
    }

    fn terminates(&self) -> bool {
        true
    }

    fn join(&self, channel: Channel, joining: Joining) -> Working<Result<Joined, Body>> {
        let (notes, revision, presence) = (Arc::clone(&self.notes), self.revision, self.presence.clone());
        let owner = self.owner.clone();
        Box::pin(async move {
            let Joining { params, reply_ref } = joining;
            let Body::Json(text) = params else {
                return Ok(Ok(Joined { reply: params, assigns: None, actions: vec![] }));
            };
            notes.note(format!("join {} {text}", channel.topic));
            let mut actions = Vec::new();
            match text.as_str() {
                "\"deny\"" => return Ok(Err(json("{\"reason\":\"unauthorized\"}"))),
                "\"crash\"" => return Err(Crash::new("no")),
                "\"panic\"" => panic!("as asked"),
                "\"gate\"" => notes.gate.notified().await,
                "\"told\"" | "\"told, crash\"" => {
                    notes.refs.lock().unwrap().push(reply_ref.to_string());
                    notes.gate.notified().await;
                    if text.contains("crash") {
                        return Err(Crash::new("as asked"));
                    }
                }
                "\"bad json\"" => return Ok(Ok(Joined { reply: json("{"), assigns: None, actions })),
                "\"welcome\"" => {
                    actions.push(Action::Push { event: "welcome".into(), body: json("1") });
                    actions.push(Action::Broadcast { event: "came".into(), body: json("2") });
                }
                "\"track\"" => {
                    let id = channel.id.of(&owner);
                    let topic = TopicId { owner, name: channel.topic.clone() };
                    presence.track(&id, &topic, "ann", b"{\"at\":1}").unwrap();
                }
                _ => {}
            }
            let reply = json(format!("{{\"revision\":{revision}}}"));
            Ok(Ok(Joined { reply, assigns: None, actions }))
        })
    }

    fn handle_in(&self, channel: Channel, message: Message) -> Working<Vec<Action>> {
        let (notes, presence, revision) = (Arc::clone(&self.notes), self.presence.clone(), self.revision);
        let owner = self.owner.clone();
        Box::pin(async move {
            let Message { event: name, body, reply_ref } = message;
            let id = channel.id.of(&owner);
            let topic = TopicId { owner, name: channel.topic.clone() };
            Ok(match name.as_str() {
                "echo" => vec![ok(body)],
                "revision" => vec![ok(json(revision.to_string()))],
                "push" => vec![Action::Push { event: "pushed".into(), body }, ok(Body::empty())],
                "shout" => vec![Action::Broadcast { event: "shouted".into(), body }, ok(Body::empty())],
                "others" => vec![Action::BroadcastFrom { event: "shouted".into(), body }, ok(Body::empty())],
                "secret" => vec![Action::Broadcast { event: "secret".into(), body }, ok(Body::empty())],
                "crash" => return Err(Crash::new("as asked")),
                "panic" => panic!("as asked"),
                "bad json" => vec![ok(json("[1,"))],
                "stop" => vec![ok(Body::empty()), Action::Stop(event(&body)), ok(json("\"never\""))],
                "gate" => {
                    let mut dropped = Dropped(Arc::clone(&notes), false);
                    notes.note("waits");
                    notes.gate.notified().await;
                    dropped.1 = true;
                    vec![ok(body)]
                }
                "later" => {
                    notes.refs.lock().unwrap().push(reply_ref.to_string());
                    vec![]
                }
                "id" => vec![ok(json(format!("\"{}\"", channel.id)))],
                "count" => {
                    let count = channel.assigns.len() + 1;
                    let assigns = Bytes::from(vec![b'x'; count]);
                    vec![Action::Assign(assigns), ok(json(count.to_string()))]
                }
                "listen" => vec![Action::Subscribe(event(&body).parse().unwrap()), ok(Body::empty())],
                "unlisten" => vec![Action::Unsubscribe(event(&body).parse().unwrap()), ok(Body::empty())],
                "track" => {
                    presence.track(&id, &topic, &event(&body), b"{\"at\":1}").unwrap();
                    vec![ok(Body::empty())]
                }
                "update" => {
                    presence.update(&id, &topic, &event(&body), b"{\"at\":2}").unwrap();
                    vec![ok(Body::empty())]
                }
                "who" => vec![Action::PresenceState],
                "silence" => vec![],
                other => return Err(Crash::new(format!("no such event: {other}"))),
            })
        })
    }

    fn handle_out(&self, _: Channel, event: Arc<str>, body: Body) -> Working<Vec<Action>> {
        Box::pin(async move {
            if body == Body::Json("\"hide\"".into()) {
                return Ok(vec![]);
            }
            Ok(vec![Action::Push { event: format!("{event} seen"), body }])
        })
    }

    fn handle_info(&self, _: Channel, info: Info) -> Working<Vec<Action>> {
        Box::pin(async move {
            let data = String::from_utf8(info.data.to_vec()).unwrap();
            if data == "reply" {
                return Ok(vec![ok(Body::empty())]);
            }
            let told = serde_json::json!([info.topic.to_string(), info.event.as_deref(), data]);
            Ok(vec![Action::Push { event: "info".into(), body: json(told.to_string()) }])
        })
    }

    fn terminate(&self, channel: Channel, reason: String) -> Working<()> {
        let notes = Arc::clone(&self.notes);
        Box::pin(async move {
            notes.note(format!("end {} {reason}", channel.topic));
            Ok(())
        })
    }
}

struct Announcer(PubSub);

impl Announce for Announcer {
    fn announce(&self, topic: &TopicId, diff: &Diff) {
        let (event, data) = (Some("presence_diff".into()), diff.to_json().into());
        let publish = Publish { event, data, broadcast: Some(Broadcast::Json), ..Publish::default() };
        self.0.publish(topic, publish).unwrap();
    }
}

/// An engine with a mount `/socket`, whose topics `room:*` belong to the plugin `chat`.
pub(crate) struct Rig {
    pub(crate) channels: Channels,
    pub(crate) mount: Arc<Mount>,
    pub(crate) pubsub: PubSub,
    pub(crate) presence: Presence,
    pub(crate) notes: Arc<Notes>,
    options: Arc<SocketOptions>,
    announcing: JoinHandle<()>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.announcing.abort();
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(SocketOptions::default(), |_| {})
    }

    pub(crate) fn with(options: SocketOptions, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(SystemClock);
        let pubsub = PubSub::new(skep_pubsub::Options::new(clock.clone()));
        let presence = Presence::new(skep_presence::Options::default(), Arc::new(Announcer(pubsub.clone())));
        let announcing = tokio::spawn({
            let presence = presence.clone();
            // Its ticks go by the system's clock, and tests by tokio's.
            async move {
                loop {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let due = presence.next_due();
                    if let Some(due) = due {
                        presence.tick(due);
                    }
                }
            }
        });
        let mut engine = Options::new(clock, pubsub.clone(), presence.clone());
        change(&mut engine);
        let channels = Channels::new(engine);
        let (notes, options) = (Arc::<Notes>::default(), Arc::new(options));
        let guest = guest(&notes, &presence, 1);
        let mount = Mount::new("/socket", target(&options, [("room:*", Arc::new(guest) as _)]));
        Self { channels, mount, pubsub, presence, notes, options, announcing }
    }

    pub(crate) fn guest(&self, revision: u32) -> Guest {
        guest(&self.notes, &self.presence, revision)
    }

    pub(crate) fn swap<const N: usize>(&self, handlers: [(&str, Arc<dyn ChannelHandler>); N]) {
        self.channels.swap(&self.mount, target(&self.options, handlers));
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_with(&[], Version::V2).await
    }

    pub(crate) async fn client_with(&self, params: &[(&str, &str)], version: Version) -> Client {
        let socket = self.connect(params, version).await.unwrap();
        Client::new(socket)
    }

    pub(crate) async fn connect(&self, params: &[(&str, &str)], version: Version) -> Result<Socket, Refused> {
        self.channels.connect(&self.mount, connecting(params), version, Transport::WebSocket).await
    }

    /// A client that has joined a topic with the ref "1".
    pub(crate) async fn joined(&self, topic: &str) -> Client {
        let mut client = self.client().await;
        client.join(topic).await;
        client
    }
}

pub(crate) fn connecting(params: &[(&str, &str)]) -> Connecting {
    let params = params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Connecting {
        uri: "/socket/websocket".to_owned(),
        params,
        headers: vec![],
        token: None,
        peer: "127.0.0.1".parse().unwrap(),
    }
}

fn guest(notes: &Arc<Notes>, presence: &Presence, revision: u32) -> Guest {
    Guest {
        owner: plugin("chat"),
        revision,
        notes: Arc::clone(notes),
        presence: presence.clone(),
        shows_presence: false,
        intercepts: vec!["secret".into()],
        keeps: "",
    }
}

pub(crate) fn target<const N: usize>(
    options: &Arc<SocketOptions>,
    handlers: [(&str, Arc<dyn ChannelHandler>); N],
) -> Target {
    target_of(options, handlers)
}

pub(crate) fn target_of<'a>(
    options: &Arc<SocketOptions>,
    handlers: impl IntoIterator<Item = (&'a str, Arc<dyn ChannelHandler>)>,
) -> Target {
    let handlers = handlers.into_iter().map(|(pattern, handler)| (pattern.parse().unwrap(), handler));
    Target {
        options: Arc::clone(options),
        speech: Speech::Channels { socket: Arc::new(Door(plugin("chat"))), table: Table::new(handlers) },
    }
}

pub(crate) struct Client {
    pub(crate) socket: Socket,
    seen: VecDeque<Frame>,
}

impl Client {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, seen: VecDeque::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.socket.receive(Frame::Text(Bytes::copy_from_slice(text.as_bytes())));
    }

    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.receive(Frame::Binary(Bytes::copy_from_slice(bytes)));
    }

    pub(crate) async fn join(&mut self, topic: &str) {
        self.send(&format!("[\"1\",\"1\",\"{topic}\",\"phx_join\",{{}}]"));
        self.sees(&format!(
            "[\"1\",\"1\",\"{topic}\",\"phx_reply\",{{\"status\":\"ok\",\"response\":{{\"revision\":1}}}}]"
        ))
        .await;
    }

    /// The next frame; none once the socket is closing and everything is read.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.seen.pop_front() {
                return Some(frame);
            }
            poll_fn(|cx| self.socket.poll(cx)).await;
            let seen = &mut self.seen;
            self.socket.take(1 << 20, |frame| seen.push_back(frame));
            if self.seen.is_empty() && self.socket.closing().is_some() {
                return None;
            }
        }
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Some(Frame::Text(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => panic!("no text: {other:?}, {:?}", self.socket.closing()),
        }
    }

    #[track_caller]
    pub(crate) fn sees<'a>(&'a mut self, text: &'a str) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let seen = self.text().await;
            assert_eq!(seen, text, "{caller}");
        }
    }

    /// Nothing more comes by itself.
    pub(crate) async fn quiet(&mut self) {
        let more = tokio::time::timeout(Duration::from_millis(1), self.frame()).await;
        assert!(more.is_err(), "{more:?} {:?}", self.socket.closing());
    }

    /// Polls until the socket asks for it again.
    pub(crate) async fn woken(&mut self) {
        let mut polled = false;
        poll_fn(|cx| {
            _ = self.socket.poll(cx);
            if std::mem::replace(&mut polled, true) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    /// Lets guests work, and takes nothing out.
    pub(crate) async fn quiet_but_working(&mut self) {
        for _ in 0..10 {
            _ = futures_util::poll!(poll_fn(|cx| self.socket.poll(cx)));
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn closed(&mut self) -> Close {
        let more = self.frame().await;
        assert_eq!(more, None);
        self.socket.closing().unwrap()
    }
}
