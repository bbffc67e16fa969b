//! `[host]`: the node itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use skep_types::ByteSize;

use crate::jobs::HostJobsConfig;
use crate::processes::HostProcessesConfig;
use crate::read::{Reading, Section, join};
use crate::scalar::OneOrSeveral;
use crate::secret::SecretRef;
use crate::store::HostStoreConfig;

/// `[host]`: listeners, storage and the limits of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// The node's name in logs and metrics. Default `local`.
    pub name: String,
    /// Where plugins are served, never empty; one address or several. Default `127.0.0.1:8080`.
    pub listen: Vec<SocketAddr>,
    /// Where metrics and the admin API are served. Default `127.0.0.1:9090`.
    pub admin: SocketAddr,
    /// Whether the admin listener may be reached from other machines. Default false.
    pub admin_public: bool,
    /// The token that guards the admin API. Default: a random one, kept in the data folder.
    pub admin_token: Option<SecretRef>,
    /// The folder for compiled code, deployed revisions, the store and the admin token. Default `.skep`.
    pub data: PathBuf,
    /// Instances of all plugins that may run at once. Default 1,000, at most 100,000.
    pub instances: u32,
    /// What the `bytes` of all buckets may come to. Default 256 MiB.
    pub cache_memory: ByteSize,
    /// What the logs of all retained topics may hold together; over it the oldest messages go first. Default 64 MiB.
    pub topic_memory: ByteSize,
    /// How long calls in flight may finish at a reload or shutdown. Default 30 s; not below any plugin's deadline.
    pub drain: Duration,
    /// Revisions of a plugin kept for rollback, the current one included. Default 5, 1 to 100.
    pub keep_revisions: usize,
    /// Whether each request writes a line to the log. Default false.
    pub access_log: bool,
    /// The certificate for https. Default: none, plain HTTP.
    pub tls: Option<Tls>,
    /// Limits of client connections.
    pub http: HttpConfig,
    /// How what plugins keep is written.
    pub store: HostStoreConfig,
    /// How long jobs are kept, leased and waited for.
    pub jobs: HostJobsConfig,
    /// How many processes there may be, and what they may take.
    pub processes: HostProcessesConfig,
}

/// `[host.tls]`: files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// `[host.http]`: what a client's connection may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// How long a client may take to send the head of a request. Default 10 s.
    pub header_timeout: Duration,
    /// How long a connection may be idle. Default 60 s.
    pub keep_alive: Duration,
    /// Connections open at once. Default 10,000.
    pub max_connections: usize,
    /// Header fields of a request. Default 100.
    pub max_headers: usize,
    /// All header fields of a request together. Default 64 KiB, at least 8 KiB.
    pub max_header_bytes: ByteSize,
    /// Streams of one HTTP/2 connection at once. Default 200.
    pub max_streams: u32,
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` count. Default: none.
    pub trusted_proxies: Vec<IpNet>,
}

impl HostConfig {
    /// The defaults, for a manifest in this folder.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            name: "local".to_owned(),
            listen: vec![local(8080)],
            admin: local(9090),
            admin_public: false,
            admin_token: None,
            data: dir.join(".skep"),
            instances: 1000,
            cache_memory: ByteSize::mib(256),
            topic_memory: ByteSize::mib(64),
            drain: Duration::from_secs(30),
            keep_revisions: 5,
            access_log: false,
            tls: None,
            http: HttpConfig::default(),
            store: HostStoreConfig::default(),
            jobs: HostJobsConfig::default(),
            processes: HostProcessesConfig::default(),
        }
    }

    /// Reads `[host]` over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>, dir: &Path) -> (Self, Vec<&'static str>) {
        let mut host = Self::new(dir);
        table.set("name", &mut host.name);
        if let Some(OneOrSeveral(listen)) = table.get("listen") {
            host.listen = listen;
        }
        table.set("admin", &mut host.admin);
        table.set("admin_public", &mut host.admin_public);
        host.admin_token = table.get("admin_token");
        table.set("data", &mut host.data);
        table.bounded("instances", &mut host.instances, 1..=100_000);
        table.set("cache_memory", &mut host.cache_memory);
        table.set("topic_memory", &mut host.topic_memory);
        table.bounded("drain", &mut host.drain, Duration::ZERO..=Duration::from_secs(24 * 3600));
        table.bounded("keep_revisions", &mut host.keep_revisions, 1..=100);
        table.set("access_log", &mut host.access_log);
        host.tls = Tls::read(table.section("tls"));
        let http = HttpConfig::read(table.section("http"), &mut host.http);
        let (store, store_keys) = HostStoreConfig::read(table.section("store"));
        let (jobs, job_keys) = HostJobsConfig::read(table.section("jobs"));
        let (processes, process_keys) = HostProcessesConfig::read(table.section("processes"));
        (host.store, host.jobs, host.processes) = (store, jobs, processes);
        host.check(&table.path, table.reading);
        let below = [("http", http), ("store", store_keys), ("jobs", job_keys), ("processes", process_keys)];
        (host, table.finish_with(&below))
    }

    fn check(&self, path: &str, reading: &Reading) {
        let report = |key: &str, message: String| reading.report(&join(path, key), message);
        let name_fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !(1..=63).contains(&self.name.len()) || !self.name.bytes().all(name_fits) {
            report("name", "must be 1 to 63 letters, digits, `-`, `_` and `.`".to_owned());
        }
        if self.listen.is_empty() {
            report("listen", "is empty; write at least one address".to_owned());
        }
        for (at, address) in self.listen.iter().enumerate() {
            // Port 0 is another port each time.
            if self.listen.iter().take(at).any(|other| other == address && address.port() != 0) {
                report("listen", format!("has `{address}` twice"));
            }
        }
        if self.listen.contains(&self.admin) && self.admin.port() != 0 {
            report("admin", format!("`{}` is in `listen` too; the admin listener needs a port of its own", self.admin));
        }
        if !self.admin.ip().to_canonical().is_loopback() && !self.admin_public {
            let message = format!(
                "`{}` can be reached from other machines: use 127.0.0.1, or allow it with `admin_public = true`",
                self.admin
            );
            report("admin", message);
        }
    }
}

impl Tls {
    fn read(mut table: Section<'_>) -> Option<Self> {
        if !table.is_present() {
            return None;
        }
        let cert = table.require("cert", "missing; a certificate and its key come together");
        let key = table.require("key", "missing; a certificate and its key come together");
        table.finish();
        Some(Self { cert: cert?, key: key? })
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            max_connections: 10_000,
            max_headers: 100,
            max_header_bytes: ByteSize::kib(64),
            max_streams: 200,
            trusted_proxies: Vec::new(),
        }
    }
}

impl HttpConfig {
    /// Whether this peer is a proxy whose word about the client counts.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        // A listener for both families sees IPv4 peers as `::ffff:a.b.c.d`.
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }

    fn read(mut table: Section<'_>, http: &mut Self) -> Vec<&'static str> {
        let times = Duration::from_millis(1)..=Duration::from_secs(3600);
        table.bounded("header_timeout", &mut http.header_timeout, times.clone());
        table.bounded("keep_alive", &mut http.keep_alive, times);
        table.bounded("max_connections", &mut http.max_connections, 1..=1_000_000);
        table.bounded("max_headers", &mut http.max_headers, 16..=10_000);
        // The HTTP/1 parser cannot do with less than 8 KiB.
        table.bounded("max_header_bytes", &mut http.max_header_bytes, ByteSize::kib(8)..=ByteSize::mib(1));
        table.bounded("max_streams", &mut http.max_streams, 1..=10_000);
        table.set("trusted_proxies", &mut http.trusted_proxies);
        table.finish()
    }
}
