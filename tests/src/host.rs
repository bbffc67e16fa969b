//! A host in the test's own process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder};
use skep_admin::{AdminServer, Client as Admin, Endpoint};
use skep_manifest::Manifest;
use skep_node::control::NodeControl;
use skep_node::{Mode, Node, NodeOptions};
use skep_types::{Clock, ManualClock, SystemClock};
use tempfile::TempDir;

use crate::{events, guests};

/// The admin token of all hosts here.
pub const TOKEN: &str = "a-token-for-tests";

/// A running host with a folder of its own.
pub struct Host {
    pub node: Arc<Node>,
    pub address: SocketAddr,
    pub admin: AdminServer,
    pub client: Client,
    pub dir: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Reply {
    /// The `code` of a JSON error, or nothing.
    pub fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        json.pointer("/error/code").and_then(|code| code.as_str()).unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Renders the metrics of this process; one recorder serves all tests, which tell themselves apart by plugin names.
pub fn metrics() -> Arc<dyn Fn() -> String + Send + Sync> {
    static RECORDER: OnceLock<metrics_exporter_prometheus::PrometheusHandle> = OnceLock::new();
    let handle = RECORDER
        .get_or_init(|| metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().unwrap())
        .clone();
    Arc::new(move || handle.render())
}

impl Host {
    /// Starts a host for a manifest, in production mode.
    pub async fn start(manifest: &str) -> Self {
        Self::try_start(manifest, Mode::Production).await.unwrap()
    }

    /// The same with a clock that the test moves.
    pub async fn with_clock(manifest: &str) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(SystemClock.wall()));
        let dir = folder(manifest).unwrap();
        let read = prepare(&dir).unwrap();
        let injected: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        (Self::with_manifest(dir, read, Mode::Production, injected).await.unwrap(), clock)
    }

    /// Starts a host by such a clock in a folder that another host left behind.
    pub async fn in_folder_at(dir: TempDir, clock: &Arc<ManualClock>) -> anyhow::Result<Self> {
        let (manifest, clock): (_, Arc<dyn Clock>) = (prepare(&dir)?, Arc::<ManualClock>::clone(clock));
        Self::with_manifest(dir, manifest, Mode::Production, clock).await
    }

    /// The same in any mode, with the error where it does not start.
    pub async fn try_start(manifest: &str, mode: Mode) -> anyhow::Result<Self> {
        Self::in_folder(folder(manifest)?, mode).await
    }

    /// Starts a host in a folder that a test prepared, or that another host left behind.
    pub async fn in_folder(dir: TempDir, mode: Mode) -> anyhow::Result<Self> {
        let manifest = prepare(&dir)?;
        Self::with_manifest(dir, manifest, mode, Arc::new(SystemClock)).await
    }

    /// Builds and starts an example of this repository, with a data directory of the test's own.
    pub async fn example(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = Manifest::load(&guests::root().join("examples").join(name)).unwrap();
        manifest.host.data = dir.path().join(".skep");
        std::fs::create_dir_all(&manifest.host.data).unwrap();
        std::os::unix::fs::symlink(guests::code_cache(), manifest.host.data.join("cache")).unwrap();
        Self::with_manifest(dir, manifest, Mode::Development, Arc::new(SystemClock)).await.unwrap()
    }

    async fn with_manifest(
        dir: TempDir,
        manifest: Manifest,
        mode: Mode,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let any: SocketAddr = "127.0.0.1:0".parse()?;
        let options =
            NodeOptions { manifest, mode, listen: vec![any], clock, logs: events::catch(), metrics: metrics() };
        let node = Node::start(options).await?;
        let address = *node.addresses().first().context("no address")?;
        let admin = AdminServer::start(Arc::new(NodeControl(Arc::clone(&node))), any, TOKEN).await?;
        node.announce(&Endpoint { address: admin.address(), token: TOKEN.to_owned() })?;
        Ok(Self { node, address, admin, client: Client::new(), dir })
    }

    /// Moves the host's clock, and has the host look at it.
    pub fn advance(&self, clock: &ManualClock, by: Duration) {
        clock.advance(by);
        self.node.look();
    }

    /// Shuts it down, and leaves its folder to the next one.
    pub async fn stop(self) -> TempDir {
        let Self { node, admin, dir, .. } = self;
        drop(admin);
        node.shutdown().await;
        let left = Arc::downgrade(&node);
        drop(node);
        eventually("the node is gone", async || left.strong_count() == 0).await;
        dir
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Reply {
        send(self.request("POST", path).body(body)).await
    }

    /// Asks as one of many clients. The manifest must trust 127.0.0.1 to speak for them.
    pub async fn get_as(&self, client: usize, path: &str) -> Reply {
        let address = format!("203.0.113.{}", client % 250);
        send(self.request("GET", path).header("x-forwarded-for", address)).await
    }

    /// A client of the admin listener.
    pub fn admin(&self) -> Admin {
        Admin::new(Endpoint { address: self.admin.address(), token: TOKEN.to_owned() })
    }

    /// A counter's value in this process's metrics.
    pub fn calls(&self, plugin: &str, outcome: &str) -> u64 {
        self.counter("skep_calls_total", &[("plugin", plugin), ("outcome", outcome)])
    }

    /// A counter's value in this process's metrics: the sum of all that have this name and these labels.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let text = metrics()();
        let wanted = |line: &&str| {
            line.starts_with(name) && labels.iter().all(|(key, value)| line.contains(&format!("{key}=\"{value}\"")))
        };
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
        text.lines().filter(wanted).filter_map(value).sum()
    }

    /// The event streams of a plugin that are open, as the metrics say.
    pub fn open_streams(&self, plugin: &str) -> u64 {
        let text = metrics()();
        let line = text.lines().find(|line| line.starts_with(&format!("skep_event_streams{{plugin=\"{plugin}\"}}")));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or_default()
    }
}

/// Waits until something is so, and fails the test if that takes too long.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn folder(manifest: &str) -> anyhow::Result<TempDir> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("skep.toml"), manifest)?;
    Ok(dir)
}

/// Reads the manifest of a folder that shares the tests' compiled code.
fn prepare(dir: &TempDir) -> anyhow::Result<Manifest> {
    let data = dir.path().join(".skep");
    std::fs::create_dir_all(&data)?;
    let cache = data.join("cache");
    if !cache.exists() {
        std::os::unix::fs::symlink(guests::code_cache(), cache)?;
    }
    Ok(Manifest::load(dir.path())?)
}

/// Sends a request and reads the whole answer.
pub async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, body: response.text().await.unwrap_or_else(|error| format!("body broke off: {error}")) }
}
