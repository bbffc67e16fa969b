//! Manifests as operators write them: what is read, and what is said about mistakes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails, fails its test")]

mod channels;
mod durable;
mod full;
mod mistakes;
mod processes;
mod sql;

use std::path::{Path, PathBuf};
use std::time::Duration;

use skep_manifest::{Error, Grants, HostConfig, Manifest, PluginConfig};
use skep_types::{ByteSize, Instances, Limits, PluginName};

const DIR: &str = "/srv/skep";

fn parse(text: &str) -> Result<Manifest, Error> {
    Manifest::parse(text, Path::new(DIR))
}

fn name(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

#[test]
fn what_is_left_away_has_its_documented_default() {
    let manifest = parse("[plugins.a]\nsource = 'a.wasm'").unwrap();
    assert_eq!(manifest.host, HostConfig::new(Path::new(DIR)));
    assert_eq!(manifest.host.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(manifest.host.data, PathBuf::from("/srv/skep/.skep"));
    let plugin = &manifest.plugins[&name("a")];
    assert_eq!(*plugin, PluginConfig::new("/srv/skep/a.wasm".into()));
    assert_eq!(plugin.limits, Limits::default());
    assert_eq!((plugin.limits.streams, manifest.host.topic_memory), (10_000, ByteSize::mib(64)));
    assert_eq!(plugin.breaker.ratio.get(), 0.5);
    assert_eq!((plugin.store.quota, plugin.store.value_bytes), (ByteSize::mib(1024), ByteSize::mib(1)));
    assert_eq!(plugin.jobs.timeout, Duration::from_secs(300));
    assert_eq!(manifest.host.jobs.keep_failed, Duration::from_secs(7 * 24 * 3600));
    assert_eq!((manifest.host.processes.live, manifest.host.processes.max), (None, 2_000_000));
    assert_eq!(plugin.grants, Grants::default());
    assert_eq!(plugin.instances, Instances::Fresh);
    assert!(plugin.watch.is_empty());
    // A node may start empty, and get its plugins by command.
    assert!(parse("").unwrap().plugins.is_empty());
    let limits = "[plugins.a]\nsource = 'a.wasm'\nlimits = { stream_total = 'none' }";
    assert_eq!(parse(limits).unwrap().plugins[&name("a")].limits, Limits::default());
}

#[test]
fn a_plugin_may_have_messages_only() {
    let text = "[plugins.a]\nsource = 'a.wasm'\nsubscribers.mail = {}\ngrants.topics = { 'b/*' = 'subscribe' }\n\
                tasks.concurrency = 2\n[plugins.b]\nsource = 'b.wasm'";
    assert!(parse(text).unwrap().plugins[&name("a")].routes.is_empty());
}

#[test]
fn a_longest_time_is_not_below_the_first() {
    let text = "[plugins.a]\nsource = 'a.wasm'\nsupervision.backoff = '5m'\nbreaker.cool_down = '5m'";
    let plugin = &parse(text).unwrap().plugins[&name("a")];
    let five_minutes = Duration::from_secs(300);
    assert_eq!((plugin.supervision.backoff_max, plugin.breaker.cool_down_max), (five_minutes, five_minutes));
}

#[test]
fn a_file_or_its_folder_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("skep.toml");
    assert!(matches!(Manifest::load(dir.path()), Err(Error::NotFound(path)) if path == file));
    std::fs::write(&file, "[plugins.a]\nsource = 'a.wasm'").unwrap();
    let manifest = Manifest::load(dir.path()).unwrap();
    assert_eq!(manifest, Manifest::load(&file).unwrap());
    assert_eq!(manifest.file, Some(file));
    assert_eq!(manifest.plugins[&name("a")].source, dir.path().join("a.wasm"));
}

#[test]
fn a_component_alone_gets_every_request() {
    for (file, expected) in [
        ("hello.wasm", "hello"),
        ("My_Plugin.v2.wasm", "my-plugin-v2"),
        ("2048.wasm", "plugin-2048"),
        ("ä.wasm", "plugin"),
    ] {
        let manifest = Manifest::single(&Path::new("/opt/plugins").join(file));
        let plugin = &manifest.plugins[&name(expected)];
        assert_eq!(plugin.source, Path::new("/opt/plugins").join(file));
        assert_eq!(plugin.routes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/", "/{*path}"]);
        assert_eq!(plugin.grants, Grants::default());
        assert_eq!(manifest.dir, Path::new("/opt/plugins"));
        // A folder of its own: two components of one build are served beside each other.
        assert_eq!(manifest.host.data, Path::new("/opt/plugins/.skep/run").join(expected));
    }
}

#[test]
fn the_fingerprint_is_of_what_the_code_can_notice() {
    let fingerprint = |more: &str| {
        let text = format!(
            "[plugins.a]\nsource = 'a.wasm'\n{more}\n[plugins.b]\nsource = 'b.wasm'\ncaches.z = {{}}\nsockets.'/b' = {{}}"
        );
        parse(&text).unwrap().plugins[&name("a")].settings_fingerprint()
    };
    let plain = fingerprint("");
    for same in [
        "routes = ['/']",
        "rate_limit = { requests = 1, per = '1s' }",
        "build = 'make'",
        "watch = ['src']",
        "compression = true",
        "limits = { queue = 1000 }",
        "limits = { streams = 1 }",
        "routes = [{ route = '/{x}', sse = 'x:{x}' }]",
        "subscribers.x = { queue = 1, queue_bytes = '1KiB', overflow = 'drop-newest', concurrency = 1, dead_letters = 0 }",
        "tasks = { concurrency = 1, queue = 1 }",
        "supervision = { restarts = 1, rounds = 1, backoff = '5s' }",
        "breaker = { ratio = 0.1, calls = 1 }",
        "breaker.enabled = false",
        "probation.enabled = false",
        "queues.x = { concurrency = 1, global_concurrency = 1, paused = true, rate_limit = { jobs = 1, per = '1s' } }",
        "cron.x = { schedule = '@daily', job = 'x', args = 5 }",
        "store.quota = '5MiB'",
        // Settings that are younger than some revisions leave those their ids.
        "tasks = { per_call = 100, deadline = '1m', restart = 'temporary' }",
        "subscribers.x = { batch = 1, retries = 0 }",
        "store.value_bytes = '1MiB'",
        "jobs.timeout = '5m'",
        "processes.x = { persistence = 'none', deadline = '10s', fuel = 1_000_000_000 }",
        "processes.x = { restart = 'permanent', mailbox = 1, max = 5, hibernate_after = 'never', supervision.restarts = 1 }",
        "processes.x = { start = ['main', { name = 'y', args = 5 }], strategy = 'one-for-all' }",
        "sockets.'/socket' = { connect = 'anyone', headers = ['a'], longpoll = true, frame = '1MiB' }",
        "sockets.'/socket' = {}\nchannels.'x:*' = { sockets = ['/socket'] }",
        "routes = [{ route = '/x', websocket = true }]",
    ] {
        assert_eq!(fingerprint(same), plain, "{same}");
    }
    let settings = [
        "",
        "env = { A = 'b' }",
        "env = { A = 'c' }",
        "config = { A = 'b' }",
        "secrets = { A = { env = 'b' } }",
        "secrets = { A = { file = 'b' } }",
        "args = ['a', 'b']",
        "args = ['ab']",
        "args = [\"a\\nargs 1:b\"]",
        "instances = { reuse = 2 }",
        "limits = { fuel = 1 }",
        "limits = { stream_total = '1s' }",
        "grants = { http = ['https://a.org'] }",
        "grants = { http_private = ['10.0.0.0/8'] }",
        "grants = { plugins = ['b'] }",
        "caches.x = {}",
        "caches.y = {}",
        "caches.x.kind = 'table'",
        "caches.x.ttl = '1s'",
        "caches.x.idle = '1s'",
        "caches.x.entries = 5",
        "warmers.x = {}",
        "warmers.y = {}",
        "warmers.x = { required = true }",
        "warmers.x = { every = '1s' }",
        "grants.caches = { 'b/z' = 'read' }",
        "grants.caches = { 'b/z' = 'read-write' }",
        "topics.x = {}",
        "topics.'x*' = {}",
        "topics.x.retain = true",
        "topics.x.retain.messages = 5",
        "topics.x.retain.bytes = '2KiB'",
        "topics.x.retain.age = '5s'",
        "topics.x.presence = 'count'",
        "subscribers.x.batch = 2",
        "subscribers.y.batch = 2",
        "subscribers.x.retries = 2",
        "tasks.per_call = 2",
        "tasks.deadline = '2s'",
        "tasks.restart = 'transient'",
        "store.value_bytes = '2MiB'",
        "jobs.timeout = '2s'",
        "processes.x.persistence = 'durable'",
        "processes.y.persistence = 'durable'",
        "processes.x.persistence = 'snapshot'",
        "processes.x.persistence = 'event-log'",
        "processes.x.deadline = '2s'",
        "processes.x.fuel = 5",
        "channels.x.process = 'y'",
        "channels.x.process = 'z'",
        "channels.'x*'.process = 'z'",
        "channels.x.intercept = ['y']",
        "channels.x.intercept = ['y', 'z']",
        "grants.sockets = ['b/b']",
        "grants.processes = { 'b/z' = 'monitor' }",
        "grants.processes = { 'b/z' = 'call' }",
        "grants.processes = { 'b/z' = 'all' }",
        "grants.processes = { 'b/z*' = 'all' }",
        "grants.store = { 'b/z' = 'read' }",
        "grants.store = { 'b/z' = 'read-write' }",
        "grants.store = { 'b/z*' = 'read' }",
        "grants.topics = { 'b/z' = 'subscribe' }",
        "grants.topics = { 'b/z' = 'publish' }",
        "grants.topics = { 'b/z' = 'both' }",
        "grants.topics = { 'b/z*' = 'both' }",
        "grants = { files = [{ host = 'a', guest = '/a' }] }",
        "grants = { files = [{ host = 'a', guest = '/a', write = true }] }",
    ];
    let all: std::collections::BTreeSet<_> = settings.iter().map(|more| fingerprint(more)).collect();
    assert_eq!(all.len(), settings.len());
    // How often something is written behind is the operator's affair.
    let persistence = |word: &str| fingerprint(&format!("processes.x.persistence = {word}"));
    assert_eq!(persistence("'snapshot'"), persistence("{ snapshot = { every = '1s', every_messages = 1 } }"));
    assert_eq!(persistence("'event-log'"), persistence("{ event-log = { snapshot_every = 5 } }"));
    // Nor can the code tell how a bucket outlives a restart.
    for more in ["persist = true", "write_behind = true", "write_behind = { every = '5s' }"] {
        let table = fingerprint(&format!("caches.x = {{ kind = 'table', {more} }}"));
        assert_eq!(table, fingerprint("caches.x.kind = 'table'"), "{more}");
    }
    assert_eq!(fingerprint("caches.x.l2 = 'redis://cache'"), fingerprint("caches.x = {}"));
    let order = |list: &str| fingerprint(&format!("grants = {{ http = {list} }}"));
    assert_eq!(order("['https://a.org', 'https://b.org']"), order("['https://b.org', 'https://a.org']"));
}
