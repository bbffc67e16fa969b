//! A connection that is no plain one, as with TLS: only the socket's task writes to it. The tests of plain ones are in
//! `tests/sockets`.

use std::pin::Pin;
use std::sync::Arc;

use skep_channels::{
    Channels, Frame, Info, Mount, Options, RawAccepted, RawAction, RawDecision, RawHandler, RawOpened, RawOpening,
    RawRequest, RawSocket, Socket, SocketOptions, Speech, Target, Working,
};
use skep_presence::{Announce, Diff, Presence};
use skep_pubsub::PubSub;
use skep_types::{Call, Failure, PluginName, RequestId, SystemClock, TopicId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::connection::Whole;
use super::task::WebSocket;

struct Echo(PluginName);

impl RawHandler for Echo {
    fn owner(&self) -> &PluginName {
        &self.0
    }

    fn open(&self, _: RawOpening) -> Pin<Box<dyn Future<Output = Result<RawDecision, Failure>> + Send>> {
        Box::pin(async { Ok(RawDecision::Accept(RawAccepted::default())) })
    }

    fn message(&self, _: RawSocket, frame: Frame) -> Working<Vec<RawAction>> {
        Box::pin(async { Ok(vec![RawAction::Send(frame)]) })
    }

    fn info(&self, _: RawSocket, _: Info) -> Working<Vec<RawAction>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn close(&self, _: RawSocket, _: u16) -> Working<()> {
        Box::pin(async { Ok(()) })
    }
}

struct Nobody;

impl Announce for Nobody {
    fn announce(&self, _: &TopicId, _: &Diff) {}
}

async fn socket() -> (Channels, Socket) {
    let clock = Arc::new(SystemClock);
    let pubsub = PubSub::new(skep_pubsub::Options::new(clock.clone()));
    let presence = Presence::new(skep_presence::Options::default(), Arc::new(Nobody));
    let channels = Channels::new(Options::new(clock, pubsub, presence));
    let speech = Speech::Raw(Arc::new(Echo(PluginName::new("chat").unwrap())));
    let mount = Mount::new("/raw", Target { options: Arc::new(SocketOptions::default()), speech });
    let client = "127.0.0.1".parse().unwrap();
    let call = Call { id: RequestId::from_bits(1), client, secure: true, captures: Vec::new(), hops: 0 };
    let request = RawRequest { call, uri: "/raw".to_owned(), headers: Vec::new(), protocols: Vec::new() };
    match channels.connect_raw(&mount, request).await.unwrap() {
        RawOpened::Accepted { socket, .. } => (channels, socket),
        RawOpened::Refused(refusal) => panic!("{refusal:?}"),
    }
}

/// A client's frame, with a mask that changes nothing.
fn frame(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn frames_go_both_ways_over_any_stream() {
    let (channels, socket) = socket().await;
    let id = channels.sockets(None, 1)[0].id;
    // It takes less than one frame at once.
    let (stream, mut client) = tokio::io::duplex(16);
    // What came behind the handshake was read with it.
    let early = frame("early");
    let (unread, rest) = early.split_at(3);
    let task = tokio::spawn(WebSocket::new(Whole::new(stream), unread, socket));
    client.write_all(rest).await.unwrap();
    let long = "x".repeat(100);
    client.write_all(&frame(&long)).await.unwrap();
    let mut echoed = vec![0; 2 + 5 + 2 + 100];
    client.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, [b"\x81\x05early\x81\x64".as_slice(), long.as_bytes()].concat());
    // From outside of its task.
    assert!(channels.close(id));
    let mut end = Vec::new();
    client.read_to_end(&mut end).await.unwrap();
    assert_eq!(end.get(..4), Some(&[0x88, 14, 0x03, 0xe9][..]), "1001, disconnected");
    task.await.unwrap();
    assert_eq!(channels.stats().sockets, 0);
}
