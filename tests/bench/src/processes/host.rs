//! A server whose guest has processes, and ways to ask both.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use skep_admin::{Client as Admin, Endpoint, api::ProcessTotals};

use crate::client::Client;
use crate::guests;
use crate::process::Server;
use crate::table::median;

/// How long it may take until nobody is awake.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// What was done has left no work behind after it.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) struct Host {
    pub(super) server: Server,
    client: Client,
    admin: Admin,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

/// What a guest measured, in nanoseconds.
#[derive(Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) mean: f64,
    /// For each, until all were handled.
    pub(super) handled: f64,
}

impl Figures {
    /// The medians of rounds.
    pub(super) fn medians(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
        Self { p50: of(|f| f.p50), p99: of(|f| f.p99), mean: of(|f| f.mean), handled: of(|f| f.handled) }
    }
}

/// Handlers are reused, so that what they call is measured and not their start.
fn write(folder: &Path, hibernate_after: &str) -> anyhow::Result<()> {
    let source = guests::process_bench();
    let text = format!(
        r#"
        [host.processes]
        state_memory = "4GiB"
        max = 20_000_000
        [plugins.bench]
        source = {source:?}
        routes = ["/{{*path}}"]
        instances = {{ reuse = 100_000 }}
        limits = {{ fuel = 1_000_000_000_000, deadline = "30s" }}
        caches = {{ hot = {{ kind = "table", bytes = "1MiB" }} }}
        [plugins.bench.processes.counter]
        max = 20_000_000
        mailbox = 100_000
        hibernate_after = "{hibernate_after}"
        [plugins.bench.processes.asker]
        "#
    );
    std::fs::write(folder.join("skep.toml"), text).context("writing the manifest")
}

impl Host {
    /// A server whose counters sleep when they had nothing to do for so long.
    pub(super) fn start(hibernate_after: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(guests::target())?;
        write(folder.path(), hibernate_after)?;
        // What the first one compiles is in the code cache of the second, and its compiler's memory is not in any figure.
        drop(Server::skep(folder.path(), "serve")?);
        let server = Server::skep(folder.path(), "serve")?;
        let client = Client::new(server.address());
        let admin = Admin::new(Endpoint::find(&folder.path().join(".skep"))?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut host = Self { server, client, admin, runtime, folder };
        host.ask("/nothing")?;
        Ok(host)
    }

    /// From now on they sleep after another time; the revision stays.
    pub(super) fn hibernate_after(&self, time: &str) -> anyhow::Result<()> {
        write(self.folder.path(), time)?;
        self.runtime.block_on(self.admin.reload()).context("reloading the manifest")?;
        Ok(())
    }

    /// What the guest answers.
    pub(super) fn ask(&mut self, path: &str) -> anyhow::Result<String> {
        ask(&mut self.client, path)
    }

    pub(super) fn figures(&mut self, path: &str) -> anyhow::Result<Figures> {
        let text = self.ask(path)?;
        let json: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("an odd answer: {text}"))?;
        let figure = |name: &str| {
            json.get(name).and_then(serde_json::Value::as_f64).with_context(|| format!("no {name} in {text}"))
        };
        Ok(Figures {
            p50: figure("p50_ns")?,
            p99: figure("p99_ns")?,
            mean: figure("mean_ns")?,
            handled: figure("handled_ns")?,
        })
    }

    pub(super) fn totals(&self) -> anyhow::Result<ProcessTotals> {
        let figures = self.runtime.block_on(self.admin.figures())?;
        figures.processes.context("the node has no processes")
    }

    /// Waits until no process has an instance.
    pub(super) fn wait_asleep(&self) -> anyhow::Result<ProcessTotals> {
        self.wait_until(|totals| totals.live == 0 && totals.waking == 0)
    }

    /// Waits until none is left by those that slept, either.
    pub(super) fn wait_empty(&self) -> anyhow::Result<ProcessTotals> {
        self.wait_until(|totals| totals.live == 0 && totals.waking == 0 && totals.resting == 0)
    }

    fn wait_until(&self, is_so: impl Fn(&ProcessTotals) -> bool) -> anyhow::Result<ProcessTotals> {
        let started = now();
        loop {
            let totals = self.totals()?;
            if is_so(&totals) {
                return Ok(totals);
            }
            anyhow::ensure!(started.elapsed() < PATIENCE, "{} processes are awake after {PATIENCE:?}", totals.live);
            std::thread::park_timeout(LOOK);
        }
    }

    /// The server's memory when nothing is under way.
    pub(super) fn settled_kib(&self) -> anyhow::Result<f64> {
        std::thread::park_timeout(SETTLE);
        self.server.resident_kib()
    }
}

pub(super) fn ask(client: &mut Client, path: &str) -> anyhow::Result<String> {
    let reply = client.get("x", path).with_context(|| path.to_owned())?;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    anyhow::ensure!((200..300).contains(&reply.status), "{path}: {} {text}", reply.status);
    Ok(text)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}
