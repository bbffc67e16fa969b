//! `cargo bench-host --topics`: what is published in a guest and read by clients of event streams, beside a redis-server
//! on loopback in the same run. Clients are in this process, servers in their own.

mod crowd;
mod fan_out;
mod message;
mod publisher;
mod rates;
mod stalled;
mod subscriber;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::bars::Bars;
use crate::process::Server;
use crate::{files, guests};

/// What a client's queue holds, of the streams that lose their oldest messages.
const QUEUE_KIB: u64 = 1024;
/// What was opened, or published, has left no work behind after it.
const SETTLE: Duration = Duration::from_millis(500);

/// What is asked for.
pub(crate) struct Args {
    pub(crate) check: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// Connections of the load that publishes by requests.
    pub(crate) connections: u32,
    /// Event streams of one topic.
    pub(crate) clients: usize,
}

/// The subscriber of the first part may be as far behind as one call is long; the bars of the last part speak of the
/// default queue. Nothing but messages is written while it is counted.
fn manifest() -> String {
    let source = guests::pubsub_bench();
    format!(
        r#"
        [host]
        http = {{ max_connections = 60_000 }}
        [plugins.bench]
        source = {source:?}
        routes = [
            "/publish",
            {{ route = "/listen/{{topic}}", sse = {{ topic = "{{topic}}", open = "anyone", keep_alive = "10m", queue = 100_000, queue_bytes = "64MiB" }} }},
            {{ route = "/lossy/{{topic}}", sse = {{ topic = "{{topic}}", open = "anyone", keep_alive = "10m", queue_bytes = "{QUEUE_KIB}KiB", overflow = "drop-oldest" }} }},
        ]
        limits = {{ fuel = 1_000_000_000_000, deadline = "30s", streams = 60_000 }}
        "#
    )
}

/// Measures, prints, and says whether the bars are held.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    files::allow(args.clients)?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("skep.toml"), manifest()).context("writing the manifest")?;
    let mut bars = Bars::default();
    rates::measure(args, &start(&folder)?, &mut bars)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        // Each in a server of its own, whose memory says nothing of what was measured before.
        fan_out::measure(args, &start(&folder)?, &mut bars).await?;
        stalled::beside_readers(args, &start(&folder)?, &mut bars).await?;
        stalled::memory(args, &start(&folder)?, &mut bars).await
    })?;
    Ok(bars.verdict(args.check))
}

fn start(folder: &tempfile::TempDir) -> anyhow::Result<Server> {
    Server::skep(folder.path(), "serve")
}
