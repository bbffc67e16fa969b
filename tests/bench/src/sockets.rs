//! `cargo bench-host --sockets`: clients of Phoenix's socket protocol and a guest's channels, beside what is known of Phoenix, and
//! beside loops that write the same bytes and do nothing else. Clients are in this process, servers in their own.

mod crowd;
mod echo;
mod floor;
mod idle;
mod rates;
mod stalled;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use skep_loadgen::sockets::{Door, Opened, text_frame};

use crate::bars::Bars;
use crate::process::Server;
use crate::{files, guests};

pub(crate) use floor::serve as serve_floor;

/// The number of Phoenix's sockets that its figures are of.
const PHOENIX_CLIENTS: usize = 10_000;
/// What was opened, or said, has left no work behind after it.
const SETTLE: Duration = Duration::from_secs(1);
/// What has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked for.
pub(crate) struct Args {
    pub(crate) check: bool,
    pub(crate) rounds: usize,
    /// Seconds of each load.
    pub(crate) seconds: f64,
    /// Clients that hear a broadcast.
    pub(crate) clients: usize,
    /// Sockets at most, however many the machine allows.
    pub(crate) sockets: usize,
}

/// All limits are the default ones, but: clients of the bench have no heartbeat, one of them may say as much as it can, and
/// nothing but its queue bounds what waits for a handler.
fn manifest() -> String {
    let source = guests::channel_bench();
    format!(
        r#"
        [host]
        http = {{ max_connections = 250_000 }}
        [plugins.bench]
        source = {source:?}
        limits = {{ queue = 10_000 }}
        [plugins.bench.sockets]
        "/socket" = {{ connect = "anyone", idle_timeout = "1h", messages_per_second = 100_000 }}
        "/lossy" = {{ connect = "anyone", idle_timeout = "1h", overflow = "drop-broadcasts" }}
        "#
    )
}

/// Measures, prints, and says whether the bars are held.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let most = files::allow_most(args.sockets.max(args.clients))?;
    anyhow::ensure!(most.connections >= args.clients, "{} clients, and {}", args.clients, most.stopped_by());
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("skep.toml"), manifest()).context("writing the manifest")?;
    let start = || Server::skep(folder.path(), "serve");
    // What the first one compiles is in the code cache of the others, and its compiler's memory is not in any figure.
    drop(start()?);
    let mut bars = Bars::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        // Each in a server of its own, whose memory says nothing of what was measured before.
        let server = start()?;
        let idle = idle::measure(args, &server, &most, &mut bars).await?;
        crowd::measure(args, &server, idle, &mut bars).await?;
        drop(server);
        echo::measure(args, &start()?, &mut bars).await?;
        rates::measure(args, &start()?, &mut bars).await?;
        stalled::measure(args, &start()?, &mut bars).await
    })?;
    Ok(bars.verdict(args.check))
}

fn address(server: &Server) -> anyhow::Result<SocketAddr> {
    server.address().parse().context("an odd address")
}

/// A mount of the server, and a topic that is joined there.
fn door(server: &Server, mount: &str, topic: &str) -> anyhow::Result<Door> {
    Ok(Door::new(address(server)?, mount, topic))
}

/// All of them, or an error.
async fn open(door: &Door, count: usize) -> anyhow::Result<Opened> {
    let opened = door.open_many(count).await;
    match opened.stopped {
        None => Ok(opened),
        Some(error) => Err(error).context(format!("{} of {count} clients have joined", opened.streams.len())),
    }
}

/// A push of an event; its ref is always the same, and nobody minds.
fn push(topic: &str, event: &str, text: &str) -> Vec<u8> {
    text_frame(&format!(r#"["1","2","{topic}","{event}",{{"text":"{text}"}}]"#))
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
