//! Sockets without channels: who may open one, and how they end.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use skep_channels::{
    ChannelId, Crash, Drain, Error, Frame, Info, Mount, RawAccepted, RawAction, RawDecision, RawHandler, RawOpened,
    RawOpening, RawRefusal, RawRequest, RawSocket, SocketFilter, SocketOptions, Speech, Target, Working,
};
use skep_presence::Presence;
use skep_pubsub::Publish;
use skep_types::{Call, Failure, FailureKind, PluginName, RequestId, TopicId, TopicName};

use crate::rig::{Client, Notes, Rig, plugin, topic};

/// Does what it is told: in words of the URI when it opens, in words of frames then.
struct Guest {
    owner: PluginName,
    revision: u32,
    notes: Arc<Notes>,
    presence: Presence,
}

fn text(text: impl Into<String>) -> RawAction {
    RawAction::Send(Frame::Text(text.into().into()))
}

fn keep(what: &str) -> RawAction {
    RawAction::Assign(Bytes::copy_from_slice(what.as_bytes()))
}

fn done(line: &str) -> Vec<RawAction> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["listen", topics] => vec![RawAction::Subscribe(topics.parse().unwrap())],
        ["unlisten", topics] => vec![RawAction::Unsubscribe(topics.parse().unwrap())],
        ["keep", what] => vec![keep(what)],
        ["keep", what, "and", "break"] => {
            vec![keep(what), RawAction::Send(Frame::Text(Bytes::from_static(b"\xff"))), keep("never")]
        }
        ["close", code, reason] => {
            vec![text("bye"), RawAction::Close(code.parse().unwrap(), reason.to_owned()), keep("never")]
        }
        _ => vec![text(line)],
    }
}

impl RawHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.owner
    }

    fn open(&self, opening: RawOpening) -> Pin<Box<dyn Future<Output = Result<RawDecision, Failure>> + Send>> {
        let (notes, presence, owner) = (Arc::clone(&self.notes), self.presence.clone(), self.owner.clone());
        Box::pin(async move {
            let id = opening.id.of(&owner);
            let RawRequest { uri, protocols, .. } = opening.request;
            notes.note(format!("open {uri}"));
            notes.refs.lock().unwrap().push(id.clone());
            match uri.as_str() {
                "refuse" => return Ok(RawDecision::Refuse(RawRefusal { status: 402, ..RawRefusal::default() })),
                "panic" => panic!("as asked"),
                "gate" => notes.gate.notified().await,
                "track" => {
                    let topic = TopicId { owner, name: TopicName::new("lobby").unwrap() };
                    presence.track(&id, &topic, "ann", b"{}").unwrap();
                }
                _ => {}
            }
            let protocol = match uri.as_str() {
                "invent" => Some("mine".to_owned()),
                _ => protocols.last().cloned(),
            };
            Ok(RawDecision::Accept(RawAccepted { protocol, assigns: "a".into(), actions: done(&uri) }))
        })
    }

    fn message(&self, socket: RawSocket, frame: Frame) -> Working<Vec<RawAction>> {
        let revision = self.revision;
        Box::pin(async move {
            let said = String::from_utf8(frame.bytes().to_vec()).unwrap();
            match said.as_str() {
                "crash" => Err(Crash::new("as asked")),
                "panic" => panic!("as asked"),
                "revision" => Ok(vec![text(revision.to_string())]),
                "assigns" => Ok(vec![text(String::from_utf8(socket.assigns.to_vec()).unwrap())]),
                line => Ok(done(line)),
            }
        })
    }

    fn info(&self, _: RawSocket, info: Info) -> Working<Vec<RawAction>> {
        Box::pin(async move {
            let data = String::from_utf8(info.data.to_vec()).unwrap();
            Ok(vec![text(format!("{} {:?} {data}", info.topic, info.event.as_deref()))])
        })
    }

    fn close(&self, socket: RawSocket, code: u16) -> Working<()> {
        let notes = Arc::clone(&self.notes);
        Box::pin(async move {
            notes.note(format!("close {code} {}", String::from_utf8(socket.assigns.to_vec()).unwrap()));
            Ok(())
        })
    }
}

struct Raw {
    rig: Rig,
    mount: Arc<Mount>,
}

impl Raw {
    fn new() -> Self {
        let rig = Rig::new();
        let mount = Mount::new("GET /ticker", target(&rig, 1));
        Self { rig, mount }
    }

    async fn ask(&self, uri: &str, protocols: &[&str]) -> Result<RawOpened, Failure> {
        self.rig.channels.connect_raw(&self.mount, request(uri, protocols)).await
    }

    async fn open(&self, uri: &str) -> Client {
        match self.ask(uri, &[]).await.unwrap() {
            RawOpened::Accepted { socket, protocol: None } => Client::new(socket),
            RawOpened::Accepted { protocol, .. } => panic!("nobody offered {protocol:?}"),
            RawOpened::Refused(refusal) => panic!("{refusal:?}"),
        }
    }

    async fn failure(&self, uri: &str) -> FailureKind {
        match self.ask(uri, &["a"]).await {
            Err(failure) => failure.kind,
            Ok(_) => panic!("it should fail"),
        }
    }

    /// The id that the last one was told of.
    fn id(&self) -> ChannelId {
        ChannelId::read(self.rig.notes.refs.lock().unwrap().last().unwrap(), &plugin("chat")).unwrap()
    }

    fn send(&self, owner: &str, id: ChannelId, text: &str) -> Result<(), Error> {
        self.rig.channels.send_raw(&plugin(owner), id, Frame::Text(text.to_owned().into()))
    }

    /// What guests were told, after those that tell of ends had their turn.
    async fn told(&self) -> Vec<String> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.rig.notes.take()
    }
}

fn target(rig: &Rig, revision: u32) -> Target {
    let (notes, presence) = (Arc::clone(&rig.notes), rig.presence.clone());
    let guest = Guest { owner: plugin("chat"), revision, notes, presence };
    Target { options: Arc::new(SocketOptions::default()), speech: Speech::Raw(Arc::new(guest)) }
}

fn request(uri: &str, protocols: &[&str]) -> RawRequest {
    let client = "127.0.0.1".parse().unwrap();
    let call = Call { id: RequestId::from_bits(1), client, secure: false, captures: vec![], hops: 0 };
    let protocols = protocols.iter().map(|&protocol| protocol.to_owned()).collect();
    RawRequest { call, uri: uri.to_owned(), headers: vec![], protocols }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_speaks_as_it_likes() {
    let raw = Raw::new();
    let mut client = raw.open("hello").await;
    client.sees("hello").await;
    client.send("assigns");
    client.sees("a").await;
    client.send("keep b");
    client.send("assigns");
    client.sees("b").await;
    client.send("listen chat/news:*");
    client.send("ready");
    client.sees("ready").await;
    let publish = || Publish { event: Some("came".into()), data: "now".into(), ..Publish::default() };
    raw.rig.pubsub.publish(&topic("chat/news:1"), publish()).unwrap();
    client.sees("chat/news:1 Some(\"came\") now").await;
    client.send("unlisten chat/news:*");
    client.send("ready");
    client.sees("ready").await;
    raw.rig.pubsub.publish(&topic("chat/news:1"), publish()).unwrap();
    client.quiet().await;
    let owner = Some(plugin("chat"));
    let page = raw.rig.channels.page(&SocketFilter { owner, ..SocketFilter::default() }, None, 10);
    assert_eq!((page.total, &*page.sockets[0].mount), (1, "GET /ticker"));
}

#[tokio::test(start_paused = true)]
async fn the_plugin_chooses_among_what_is_offered() {
    let raw = Raw::new();
    let Ok(RawOpened::Accepted { protocol, .. }) = raw.ask("hello", &["a", "b"]).await else { panic!("refused") };
    assert_eq!(protocol.as_deref(), Some("b"));
    assert_eq!(raw.failure("invent").await, FailureKind::BadAnswer);
    assert_eq!(raw.rig.channels.stats().sockets, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_refused_was_never_there() {
    let raw = Raw::new();
    let Ok(RawOpened::Refused(refusal)) = raw.ask("refuse", &[]).await else { panic!("it should be refused") };
    assert_eq!(refusal.status, 402);
    assert_eq!(raw.failure("panic").await, FailureKind::Internal);
    // An action that breaks a rule is a crash of the call, and there is no socket yet to close.
    assert_eq!(raw.failure("keep b and break").await, FailureKind::BadAnswer);
    assert_eq!(raw.failure("close 1001 no").await, FailureKind::BadAnswer);
    let (channels, mount) = (raw.rig.channels.clone(), Arc::clone(&raw.mount));
    let leaves = tokio::spawn(async move { channels.connect_raw(&mount, request("gate", &[])).await.is_ok() });
    tokio::task::yield_now().await;
    assert_eq!(raw.rig.channels.stats().sockets, 1);
    let waiting = raw.id();
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    assert_eq!(raw.send("chat", waiting, "x"), Err(Error::NotFound));
    let stats = raw.rig.channels.stats();
    assert_eq!((stats.sockets, stats.opened, stats.refused), (0, 0, 4));
    assert!(raw.told().await.iter().all(|line| line.starts_with("open")));
}

#[tokio::test(start_paused = true)]
async fn a_socket_has_its_id_before_it_is_open() {
    let raw = Raw::new();
    let asked = raw.open("gate");
    let sent = async {
        tokio::task::yield_now().await;
        raw.send("chat", raw.id(), "before").unwrap();
        raw.rig.notes.gate.notify_one();
    };
    let (mut client, ()) = tokio::join!(asked, sent);
    client.sees("before").await;
    client.sees("gate").await;

    let lobby = topic("chat/lobby");
    let tracked = raw.open("track").await;
    assert_eq!(raw.rig.presence.count(&lobby), 1);
    drop(tracked);
    assert_eq!(raw.rig.presence.count(&lobby), 0);
}

#[tokio::test(start_paused = true)]
async fn anybody_of_the_plugin_may_send_and_close() {
    let raw = Raw::new();
    let mut client = raw.open("hello").await;
    client.sees("hello").await;
    let id = raw.id();
    raw.send("chat", id, "news").unwrap();
    client.sees("news").await;
    assert_eq!(raw.send("other", id, "news"), Err(Error::NotFound));
    let broken = raw.rig.channels.send_raw(&plugin("chat"), id, Frame::Text(Bytes::from_static(b"\xff")));
    assert!(matches!(broken, Err(Error::Invalid(_))));
    // It is no channel.
    let push = raw.rig.channels.push(&plugin("chat"), id, "news", &skep_channels::Body::empty());
    assert_eq!(push, Err(Error::NotFound));
    let close = |owner: &str, code: u16, reason: &str| raw.rig.channels.close_raw(&plugin(owner), id, code, reason);
    for code in [0, 999, 1001, 1005, 1006, 1011, 2999, 5000] {
        assert!(matches!(close("chat", code, ""), Err(Error::Invalid(_))), "{code}");
    }
    assert!(matches!(close("chat", 1000, &"x".repeat(124)), Err(Error::Invalid(_))));
    assert_eq!(close("other", 1000, ""), Err(Error::NotFound));
    raw.send("chat", id, "last").unwrap();
    close("chat", 4999, &"x".repeat(123)).unwrap();
    assert_eq!(raw.send("chat", id, "late"), Err(Error::NotFound));
    assert_eq!(close("chat", 1000, ""), Err(Error::NotFound));
    client.sees("last").await;
    assert_eq!(client.closed().await.code, 4999);
    assert_eq!(raw.told().await, ["open hello", "close 4999 a"]);
    // And a channel is no such socket.
    let mut channel = raw.rig.joined("room:a").await;
    channel.send(r#"["1","2","room:a","id",{}]"#);
    let reply = channel.text().await;
    let id: ChannelId = reply.split('"').rev().nth(1).unwrap().parse().unwrap();
    assert_eq!(raw.send("chat", id, "x"), Err(Error::NotFound));
}

#[tokio::test(start_paused = true)]
async fn each_end_is_told_with_its_code() {
    let raw = Raw::new();
    for (said, code, assigns) in [
        ("crash", 1011, "b"),
        ("panic", 1011, "b"),
        ("keep c and break", 1011, "c"),
        ("close 3000 x", 3000, "b"),
        ("close 999 x", 1011, "b"),
    ] {
        let mut client = raw.open("keep b").await;
        client.send(said);
        while client.frame().await.is_some() {}
        assert_eq!(client.socket.closing().unwrap().code, code, "{said}");
        assert_eq!(raw.told().await, ["open keep b".to_owned(), format!("close {code} {assigns}")], "{said}");
        drop(client);
        assert_eq!(raw.told().await, Vec::<String>::new(), "told once");
    }
    drop(raw.open("x").await);
    assert_eq!(raw.told().await, ["open x", "close 1006 a"], "the connection broke off");
    let mut client = raw.open("x").await;
    client.socket.close(1000, "");
    client.sees("x").await;
    assert_eq!(raw.told().await, ["open x", "close 1000 a"], "the client's own");
    let mut client = raw.open("close 3001 early").await;
    client.sees("bye").await;
    assert_eq!(client.closed().await.code, 3001);
    assert_eq!(raw.told().await, ["open close 3001 early", "close 3001 a"]);
    let mut client = raw.open("x").await;
    client.sees("x").await;
    tokio::time::sleep(SocketOptions::default().idle_timeout).await;
    assert_eq!(client.closed().await.reason, "idle");
    assert_eq!(raw.told().await, ["open x", "close 1000 a"]);
}

#[tokio::test(start_paused = true)]
async fn a_socket_outlives_its_revision() {
    let raw = Raw::new();
    let mut client = raw.open("hello").await;
    client.sees("hello").await;
    client.send("keep b");
    client.quiet_but_working().await;
    raw.rig.channels.swap(&raw.mount, target(&raw.rig, 2));
    client.send("revision");
    client.sees("2").await;
    client.send("assigns");
    client.sees("b").await;
    raw.rig.channels.close_mount(&raw.mount);
    assert_eq!(client.closed().await.code, 1001);
    drop(client);
    assert!(raw.rig.channels.drain(Drain::default()).await);
    assert_eq!(raw.failure("hello").await, FailureKind::Overloaded);
}

#[tokio::test(start_paused = true)]
async fn a_mount_is_for_channels_or_not() {
    let raw = Raw::new();
    let refused = raw.rig.channels.connect_raw(&raw.rig.mount, request("hello", &[])).await;
    assert!(refused.is_err_and(|failure| failure.kind == FailureKind::Internal));
    let (client, version) = (crate::rig::connecting(&[]), skep_channels::Version::V2);
    let refused = raw.rig.channels.connect(&raw.mount, client, version, skep_channels::Transport::WebSocket).await;
    assert!(matches!(refused, Err(skep_channels::Refused::Denied)));
}
