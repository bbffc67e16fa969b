//! `up`, `serve` and `run`: the commands that start a node.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use skep_admin::{AdminServer, Endpoint, LogHub};
use skep_manifest::Manifest;
use skep_node::control::NodeControl;
use skep_node::{Mode, Node, NodeOptions};
use skep_types::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Run, Serving};
use crate::telemetry;

/// Hexadecimal digits of a generated admin token: 256 bits.
const TOKEN_BYTES: usize = 32;

pub(crate) async fn up(args: Serving, logs: LogHub) -> anyhow::Result<()> {
    let manifest = Manifest::load(&args.dir.dir)?;
    let node = start(manifest, Mode::Development, args.listen, args.admin, logs).await?;
    let watching = tokio::spawn(skep_node::watch::run(Arc::clone(&node.node)));
    let ended = until_stopped(&node.node).await;
    watching.abort();
    ended
}

pub(crate) async fn serve(args: Serving, logs: LogHub) -> anyhow::Result<()> {
    let manifest = Manifest::load(&args.dir.dir)?;
    let node = start(manifest, Mode::Production, args.listen, args.admin, logs).await?;
    until_stopped(&node.node).await
}

pub(crate) async fn run(args: Run, logs: LogHub) -> anyhow::Result<()> {
    let wasm = std::fs::read(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    if let Err(error) = skep_runtime::inspect(&wasm) {
        anyhow::bail!("{}: {error}", args.file.display());
    }
    drop(wasm);
    let mut manifest = Manifest::single(&args.file);
    // One component needs no administration; a port of the system's choosing disturbs nobody.
    manifest.host.admin = SocketAddr::from(([127, 0, 0, 1], 0));
    let node = start(manifest, Mode::Development, args.listen, None, logs).await?;
    let failed =
        node.node.plugins().values().find(|plugin| plugin.current().is_none()).and_then(|plugin| plugin.note());
    if let Some(why) = failed {
        anyhow::bail!("{why}");
    }
    until_stopped(&node.node).await
}

/// A node and the listener that administers it.
struct Started {
    node: Arc<Node>,
    _admin: AdminServer,
}

async fn start(
    manifest: Manifest,
    mode: Mode,
    listen: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    logs: LogHub,
) -> anyhow::Result<Started> {
    let metrics = telemetry::metrics()?;
    let admin = admin.unwrap_or(manifest.host.admin);
    anyhow::ensure!(
        admin.ip().is_loopback() || manifest.host.admin_public,
        "the admin listener would be reachable from outside on {admin}: set `admin_public = true` in [host] if that is \
         meant"
    );
    let token = match &manifest.host.admin_token {
        Some(secret) => secret.resolve().context("the admin token")?.expose().to_owned(),
        None => random_token()?,
    };
    AdminServer::try_address(admin)?;
    let clock = Arc::new(SystemClock);
    let node = Node::start(NodeOptions { manifest, mode, listen, clock, logs, metrics }).await?;
    let admin = AdminServer::start(Arc::new(NodeControl(Arc::clone(&node))), admin, &token).await?;
    node.announce(&Endpoint { address: admin.address(), token })?;
    for address in node.addresses().iter() {
        tracing::info!("listening on http{}://{address}", if node.is_tls() { "s" } else { "" });
    }
    tracing::info!("administered on http://{}", admin.address());
    Ok(Started { node, _admin: admin })
}

/// A token that nobody guesses, from the system's source of randomness.
fn random_token() -> anyhow::Result<String> {
    use std::fmt::Write as _;
    use std::io::Read as _;
    let mut bytes = [0; TOKEN_BYTES];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("making an admin token")?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        // Writing into a string cannot fail.
        let _ = write!(token, "{byte:02x}");
        token
    }))
}

/// Serves until SIGTERM or Ctrl-C, reads the manifest again on SIGHUP, and drains at the end. A second signal ends the
/// drain.
async fn until_stopped(node: &Node) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => match node.reload().await {
                Ok(reloaded) => tracing::info!(?reloaded, "manifest reloaded"),
                Err(error) => tracing::error!("manifest not reloaded, nothing is changed: {error:#}"),
            },
        }
    }
    tracing::info!("draining");
    tokio::select! {
        drained = node.shutdown() => {
            if drained {
                tracing::info!("drained");
            } else {
                tracing::warn!("the drain time is over, calls were cut off");
            }
        }
        _ = terminate.recv() => cut_short(node).await,
        _ = interrupt.recv() => cut_short(node).await,
    }
    Ok(())
}

/// Whoever cannot wait for calls still wants the buckets that outlive the process.
async fn cut_short(node: &Node) {
    tracing::warn!("a second signal ends the drain");
    node.save_caches().await;
}
