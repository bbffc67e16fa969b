//! Measures real sockets over loopback: memory of idle joined ones, one broadcast to all, and echo on one.
//!
//! `cargo run --release -p skep-web --example sockets -- 10000`. The clients are a process of their own, so that only the
//! server's memory counts; it needs about as many file descriptors as sockets.

#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod client;

use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use skep_channels::{
    Action, Body, Channel, ChannelHandler, Channels, Connected, Connecting, Info, Joined, Joining, Message, Mount,
    Options, Refused, SocketHandler, SocketOptions, Speech, Table, Target, Working,
};
use skep_presence::{Announce, Diff, Presence};
use skep_pubsub::PubSub;
use skep_types::{Call, PluginName, SystemClock, TopicId};
use skep_web::errors::ErrorStyle;
use skep_web::{
    EndpointOptions, Front, FrontOptions, Handler, HandlerFuture, Layers, Pattern, RequestBody, RouteTable, Server,
    ServerOptions, SocketEndpoint, TrustedProxies,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        Box::pin(async move {
            Ok(match message.event.as_str() {
                "shout" => vec![Action::Broadcast { event: "shouted".into(), body: message.body }],
                _ => vec![Action::Reply { status: "ok".into(), body: message.body }],
            })
        })
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

struct Route(PluginName, Arc<SocketEndpoint>);

impl Handler for Route {
    fn plugin(&self) -> &PluginName {
        &self.0
    }

    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture {
        let endpoint = Arc::clone(&self.1);
        Box::pin(async move { endpoint.websocket(call, request).await })
    }
}

async fn serve() -> (Server, Channels) {
    let clock = Arc::new(SystemClock);
    let pubsub = PubSub::new(skep_pubsub::Options::new(clock.clone()));
    let presence = Presence::new(skep_presence::Options::default(), Arc::new(Nobody));
    let channels = Channels::new(Options::new(clock.clone(), pubsub, presence));
    let name = PluginName::new("chat").unwrap();
    let guest = || Arc::new(Guest(name.clone()));
    let table = Table::new([("room:*".parse().unwrap(), guest() as Arc<dyn ChannelHandler>)]);
    let rate = skep_channels::Rate { per_second: 1_000_000, burst: 1_000_000 };
    let options = Arc::new(SocketOptions { messages: rate, ..SocketOptions::default() });
    let mount = Mount::new("/socket", Target { options, speech: Speech::Channels { socket: guest(), table } });
    let endpoint = SocketEndpoint { channels: channels.clone(), mount, options: EndpointOptions::default() };
    let handler = Arc::new(Route(name.clone(), Arc::new(endpoint)));
    let pattern = Pattern { host: None, methods: Vec::<Method>::new(), path: "/socket/websocket".to_owned() };
    let target = skep_web::Target::new(handler, &Layers::default(), ErrorStyle::Production);
    let proxies = TrustedProxies::default();
    let front = Front::new(FrontOptions { proxies, errors: ErrorStyle::Production, access_log: false, clock });
    front.swap(RouteTable::build([(pattern, target)]).unwrap());
    let options = ServerOptions {
        tls: None,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(60),
        max_connections: 100_000,
        max_headers: 100,
        max_header_bytes: 16 << 10,
        max_streams: 10,
    };
    (Server::start(front, &["127.0.0.1:0".parse().unwrap()], options).await.unwrap(), channels)
}

/// What the process holds in memory, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Processor time of the process, in microseconds.
fn busy() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.map(|thread| {
        let said = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        said.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    nanos.sum::<u64>() / 1000
}

async fn measure(sockets: u64) {
    let (server, channels) = serve().await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["client", &server.addresses()[0].to_string(), &sockets.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut tell = child.stdin.take().unwrap();
    // The first hundred warm up what all share.
    assert_eq!(said.next_line().await.unwrap().unwrap(), "warm");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, open) = (resident(), channels.stats().sockets);
    tell.write_all(b"\n").await.unwrap();
    println!("{}", said.next_line().await.unwrap().unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (now, sockets) = (resident(), channels.stats().sockets);
    println!("{sockets} sockets, {} bytes of memory for each", (now - before) / (sockets - open));
    tell.write_all(b"\n").await.unwrap();
    let mut before_line = busy();
    while let Some(line) = said.next_line().await.unwrap() {
        let now = busy();
        println!("{line} ({} us of the server's processor time)", now - before_line);
        before_line = now;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("{} bytes for each after all of that", (resident().max(before) - before) / (sockets - open));
}

fn main() {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("client") => client::run(&args.next().unwrap(), args.next().unwrap().parse().unwrap()),
        count => {
            let count = count.and_then(|count| count.parse().ok()).unwrap_or(1_000);
            tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure(count));
        }
    }
}
