//! Measures the engine without a transport: broadcasts, echo, and the memory of idle joined sockets.
//!
//! `cargo bench -p skep-channels` prints a table.

#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use skep_channels::{
    Action, Body, Channel, ChannelHandler, Channels, Connected, Connecting, Frame, Info, Joined, Joining, Message,
    Mount, Options, Rate, Refused, Socket, SocketHandler, SocketOptions, Speech, Table, Target, Transport, Version,
    Working,
};
use skep_presence::{Announce, Diff, Presence};
use skep_pubsub::PubSub;
use skep_types::{PluginName, SystemClock, TopicId};

/// Counts what is allocated, which is more exact than what the system hands out.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)] // An allocator cannot be written otherwise.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Guest(PluginName);

impl SocketHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.0
    }

    fn connect(&self, _: Connecting) -> Pin<Box<dyn Future<Output = Result<Connected, Refused>> + Send>> {
        Box::pin(async { Ok(Connected::default()) })
    }
}

impl ChannelHandler for Guest {
    fn owner(&self) -> &PluginName {
        &self.0
    }

    fn join(&self, _: Channel, _: Joining) -> Working<Result<Joined, Body>> {
        Box::pin(async { Ok(Ok(Joined { reply: Body::empty(), assigns: None, actions: vec![] })) })
    }

    fn handle_in(&self, _: Channel, message: Message) -> Working<Vec<Action>> {
        Box::pin(async move { Ok(vec![Action::Reply { status: "ok".into(), body: message.body }]) })
    }

    fn handle_out(&self, _: Channel, _: Arc<str>, _: Body) -> Working<Vec<Action>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn handle_info(&self, _: Channel, _: Info) -> Working<Vec<Action>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn terminate(&self, _: Channel, _: String) -> Working<()> {
        Box::pin(async { Ok(()) })
    }
}

struct Nobody;

impl Announce for Nobody {
    fn announce(&self, _: &TopicId, _: &Diff) {}
}

fn engine() -> (Channels, Arc<Mount>) {
    let clock = Arc::new(SystemClock);
    let pubsub = PubSub::new(skep_pubsub::Options::new(clock.clone()));
    let presence = Presence::new(skep_presence::Options::default(), Arc::new(Nobody));
    let channels = Channels::new(Options::new(clock, pubsub, presence));
    let guest = || Arc::new(Guest(PluginName::new("chat").unwrap()));
    let rate = Rate { per_second: u32::MAX, burst: u32::MAX };
    let options = SocketOptions { messages: rate, joins: rate, ..SocketOptions::default() };
    let table = Table::new([("room:*".parse().unwrap(), guest() as Arc<dyn ChannelHandler>)]);
    let target = Target { options: Arc::new(options), speech: Speech::Channels { socket: guest(), table } };
    (channels, Mount::new("/socket", target))
}

async fn joined(channels: &Channels, mount: &Arc<Mount>) -> Socket {
    let (uri, peer) = ("/socket/websocket".to_owned(), "127.0.0.1".parse().unwrap());
    let client = Connecting { uri, params: vec![], headers: vec![], token: None, peer };
    let mut socket = channels.connect(mount, client, Version::V2, Transport::WebSocket).await.unwrap();
    socket.receive(Frame::Text(Bytes::from_static(br#"["1","1","room:a","phx_join",{}]"#)));
    assert_eq!(drained(&mut socket).await, 1);
    socket
}

/// Works, and takes what there is.
async fn drained(socket: &mut Socket) -> usize {
    poll_fn(|cx| socket.poll(cx)).await;
    let mut count = 0;
    socket.take(usize::MAX, |frame| {
        black_box(frame);
        count += 1;
    });
    count
}

/// The fastest tenth of some runs ends here: on a machine that does other work too, the others measure its scheduler.
fn tenth(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 10].as_nanos() as f64
}

fn row(name: &str, value: f64, unit: &str) {
    println!("{name:<58}{value:>10.0} {unit}");
}

async fn idle_memory() {
    let (channels, mount) = engine();
    let mut warm = Vec::new();
    for _ in 0..100 {
        warm.push(joined(&channels, &mount).await);
    }
    let before = ALLOCATED.load(Relaxed);
    let mut sockets = Vec::with_capacity(10_000);
    let list = ALLOCATED.load(Relaxed) - before;
    for _ in 0..10_000 {
        // As a task of its transport holds it: polled, with its waker left behind.
        let mut socket = Box::pin(joined(&channels, &mount).await);
        assert!(futures_util::poll!(poll_fn(|cx| socket.poll(cx))).is_pending());
        sockets.push(socket);
    }
    let bytes = ALLOCATED.load(Relaxed) - before - list;
    row("an idle joined socket: allocated", bytes as f64 / 1e4, "bytes");
}

async fn broadcast(count: usize) {
    let (channels, mount) = engine();
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(joined(&channels, &mount).await);
    }
    let topic = "chat/room:a".parse().unwrap();
    let (mut publishes, mut all) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let start = Instant::now();
        channels.broadcast(&topic, "shouted", Body::Json("{\"text\":\"hello everybody\"}".into())).unwrap();
        publishes.push(start.elapsed());
        for socket in &mut sockets {
            assert_eq!(drained(socket).await, 1);
        }
        all.push(start.elapsed());
    }
    row(&format!("broadcast to {count}: into all queues, each"), tenth(publishes) / count as f64, "ns");
    row(&format!("broadcast to {count}: taken from all queues, each"), tenth(all) / count as f64, "ns");
}

async fn echo(payload: &str) {
    let (channels, mount) = engine();
    let mut socket = joined(&channels, &mount).await;
    let frame = Bytes::from(format!("[\"1\",\"2\",\"room:a\",\"echo\",{payload}]"));
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        for _ in 0..100 {
            socket.receive(Frame::Text(frame.clone()));
            assert_eq!(drained(&mut socket).await, 1);
        }
        times.push(start.elapsed() / 100);
    }
    row(&format!("echo of {} bytes", payload.len()), tenth(times), "ns");
}

async fn join_and_leave() {
    let (channels, mount) = engine();
    let mut times = Vec::new();
    for _ in 0..100 {
        let start = Instant::now();
        for _ in 0..20 {
            drop(joined(&channels, &mount).await);
        }
        times.push(start.elapsed() / 20);
    }
    row("connect, join, disconnect", tenth(times), "ns");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idle_memory().await;
    for count in [1, 100, 10_000] {
        broadcast(count).await;
    }
    echo("{\"text\":\"hello\"}").await;
    echo(&format!("{{\"text\":\"{}\"}}", "x".repeat(10_000))).await;
    join_and_leave().await;
}
