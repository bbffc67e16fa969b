//! The engine and the model, side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use skep_channels::{
    Body, ChannelHandler, ChannelId, Channels, Error, Frame, Mount, Options, Rate, SlowClient, Socket, SocketId,
    SocketOptions, Transport, Version,
};
use skep_presence::{Announce, Diff, Presence};
use skep_pubsub::{PubSub, Publish};
use skep_types::{ByteSize, SystemClock, TopicId};

use super::guest::{Diary, Guest};
use super::house::{Model, Outcome};
use super::naive::{Handler, Limits, TOPICS};
use super::said::Cast;
use super::{Act, Op, SLOTS, Which};
use crate::rig::{connecting, plugin, target, topic};

/// The kinds of tables that a mount is led to.
pub(super) const TABLES: usize = 5;
const FRAME_BYTES_MAX: usize = 2000;

/// The patterns of a table, and whom the topics are for then.
fn table(kind: usize, revision: u32) -> (Vec<(&'static str, Handler)>, [Option<Handler>; 3]) {
    let chat = Handler { owner: "chat", keeps: "", revision };
    let other = Handler { owner: "other", ..chat };
    match kind {
        0 => (vec![("room:*", chat)], [Some(chat); 3]),
        // The most exact pattern, whatever its place.
        1 => (vec![("room:*", chat), ("room:a", other)], [Some(other), Some(chat), Some(chat)]),
        2 => (vec![("room:a", chat)], [Some(chat), None, None]),
        3 => {
            let keeps = Handler { keeps: "something else", ..chat };
            (vec![("room:b", keeps), ("room:*", chat), ("*", other)], [Some(chat), Some(keeps), Some(chat)])
        }
        _ => (vec![("*", other)], [Some(other); 3]),
    }
}

struct Silent;

impl Announce for Silent {
    fn announce(&self, _: &TopicId, _: &Diff) {}
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A client, and the task that its socket would have.
struct Live {
    socket: Socket,
    woken: Arc<Flag>,
    reads: bool,
    seen: Vec<Frame>,
}

impl Live {
    /// The task's turn, if it was woken.
    fn turn(&mut self) -> bool {
        if !self.woken.0.swap(false, SeqCst) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        _ = self.socket.poll(&mut Context::from_waker(&waker));
        if self.reads {
            self.read();
        }
        true
    }

    fn read(&mut self) {
        let seen = &mut self.seen;
        self.socket.take(usize::MAX, |frame| seen.push(frame));
    }

    fn receive(&mut self, frame: Frame) {
        self.socket.receive(frame);
        self.woken.0.store(true, SeqCst);
    }
}

struct Run {
    model: Model,
    options: Arc<SocketOptions>,
    channels: Channels,
    mount: Arc<Mount>,
    pubsub: PubSub,
    presence: Presence,
    diary: Arc<Diary>,
    /// All that there ever were, by the model's numbers.
    sockets: Vec<(SocketId, Option<Live>)>,
    slots: [Option<usize>; SLOTS],
    /// The ref that a client has last joined a topic with, by socket.
    joined: Vec<[String; 3]>,
    number: u32,
}

pub(super) fn run(limits: Limits, ops: &[Op]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut run = Run::new(limits);
        for op in ops {
            run.step(op).await;
            run.settle().await;
            run.check(op);
            // Sockets that have closed are gone, and so is who lingers in them.
            run.settle().await;
            run.check_guests(op);
        }
    });
}

fn options(limits: Limits) -> SocketOptions {
    let rate = |(per_second, burst)| Rate { per_second, burst };
    SocketOptions {
        frame_bytes_max: ByteSize(FRAME_BYTES_MAX as u64),
        channels_max: limits.channels,
        joins: rate(limits.joins),
        messages: rate(limits.messages),
        idle_timeout: Duration::from_millis(limits.idle_ms),
        queue: limits.queue,
        queue_bytes: ByteSize(limits.queue_bytes as u64),
        slow_client: if limits.drops_broadcasts { SlowClient::DropBroadcasts } else { SlowClient::Close },
        mailbox: limits.mailbox,
        infos: limits.infos,
        ..SocketOptions::default()
    }
}

impl Run {
    fn new(limits: Limits) -> Self {
        let clock = Arc::new(SystemClock);
        let pubsub = PubSub::new(skep_pubsub::Options::new(clock.clone()));
        let presence = Presence::new(skep_presence::Options::default(), Arc::new(Silent));
        let channels = Channels::new(Options::new(clock, pubsub.clone(), presence.clone()));
        let (options, diary) = (Arc::new(options(limits)), Arc::<Diary>::default());
        let mount = Mount::new("/socket", target::<0>(&options, []));
        let (model, sockets) = (Model::new(limits, [None; 3]), Vec::new());
        let (slots, joined, number) = ([None; SLOTS], Vec::new(), 0);
        let mut run = Self { model, options, channels, mount, pubsub, presence, diary, sockets, slots, joined, number };
        run.swap(0);
        run
    }

    fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    fn swap(&mut self, kind: usize) {
        let revision = self.next();
        let (patterns, topics) = table(kind, revision);
        let guest = |handler: &Handler| -> Arc<dyn ChannelHandler> {
            let &Handler { owner, keeps, revision } = handler;
            let (diary, presence) = (Arc::clone(&self.diary), self.presence.clone());
            Arc::new(Guest { owner: plugin(owner), keeps, revision, diary, presence })
        };
        let handlers = patterns.iter().map(|(pattern, handler)| (*pattern, guest(handler)));
        self.channels.swap(&self.mount, crate::rig::target_of(&self.options, handlers));
        self.model.swap(topics);
    }

    async fn connect(&mut self, slot: usize, version: Version) {
        let name = format!("user:{slot}");
        let client = connecting(&[("name", &name)]);
        let socket = self.channels.connect(&self.mount, client, version, Transport::WebSocket).await.unwrap();
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        self.slots[slot] = Some(self.sockets.len());
        self.sockets.push((socket.info().id(), Some(Live { socket, woken, reads: true, seen: Vec::new() })));
        self.joined.push(["\"none\"".to_owned(), "\"none\"".to_owned(), "\"none\"".to_owned()]);
        self.model.connect(version);
    }

    /// A message of a client, if its socket takes one.
    fn send(&mut self, p: usize, topic: usize, act: Act) {
        let number = self.next();
        let (peer, Some(live)) = (&mut self.model.peers[p], &mut self.sockets[p].1) else { return };
        assert_eq!(live.socket.accepts(), peer.accepts(self.model.now), "{act:?}");
        if !live.socket.accepts() {
            return;
        }
        let reference = format!("\"{number}\"");
        let (Act::Join(which, ..) | Act::Push(which, ..) | Act::Leave(which)) = act;
        let is_old = peer.version == Version::V1;
        let join_ref = match (which, act) {
            (Which::Null, _) => "null".to_owned(),
            _ if is_old => "null".to_owned(),
            (Which::Last, Act::Join(..)) => reference.clone(),
            (Which::Last, _) => self.joined[p][topic].clone(),
            (Which::Stale, _) => "\"stale\"".to_owned(),
        };
        let (event, told) = match act {
            Act::Join(_, held, what) => ("phx_join", Some((held, what, number))),
            Act::Push(_, held, what) => ("said", Some((held, what, number))),
            Act::Leave(_) => ("phx_leave", None),
        };
        let payload = told.map_or("{}".to_owned(), |told| serde_json::to_string(&told).unwrap());
        let said = super::said::Said::text(&join_ref, &reference, TOPICS[topic], event, &payload);
        live.receive(said.frame(peer.version).unwrap());
        peer.hear(self.model.now);
        match (act, told) {
            (Act::Join(..), Some(told)) => {
                self.joined[p][topic].clone_from(&join_ref);
                peer.join(self.model.now, topic, (join_ref, told), self.model.table[topic]);
            }
            _ => peer.push(topic, &join_ref, &reference, told),
        }
    }

    /// A frame of a client that is about no topic, if its socket takes one.
    fn send_other(&mut self, slot: usize, text: &str, then: impl FnOnce(&mut super::naive::Peer)) {
        let Some(p) = self.slots[slot] else { return };
        let (peer, Some(live)) = (&mut self.model.peers[p], &mut self.sockets[p].1) else { return };
        if live.socket.accepts() {
            live.receive(Frame::Text(Bytes::copy_from_slice(text.as_bytes())));
            peer.hear(self.model.now);
            then(peer);
        }
    }

    /// The newest channel of a topic.
    fn newest(&self, slot: usize, topic: usize) -> Option<(usize, u32, ChannelId)> {
        let p = self.slots[slot]?;
        let chan = self.model.peers[p].channels.iter().rfind(|chan| chan.topic == topic)?;
        Some((p, chan.serial, self.id(p, chan.serial)))
    }

    fn id(&self, p: usize, serial: u32) -> ChannelId {
        format!("{}-{serial}", self.sockets[p].0).parse().unwrap()
    }
}

mod check;
mod step;
