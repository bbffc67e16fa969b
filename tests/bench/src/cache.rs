//! `cargo bench-host --cache`: cache operations from inside a guest, beside a redis-server on loopback in the same run.
//! Keys have 16 bytes, values 100.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use crate::client::Client;
use crate::guests;
use crate::process::Server;
use crate::redis::{Connection, Redis};
use crate::table::median;

/// Operations of one measurement inside a guest.
const OPERATIONS: u64 = 200_000;
/// Round trips to redis of one measurement.
const ROUND_TRIPS: u64 = 20_000;
/// The bar: a hot get from inside a guest, in nanoseconds.
const HOT_GET_NS: f64 = 350.0;
/// Hot keys fit into a processor's cache, random ones do not.
const CASES: [(&str, &str, u64); 2] =
    [("hot", "10,000 hot keys", 10_000), ("random", "1,000,000 random keys", 1_000_000)];

const MANIFEST: &str = r#"
[host]
cache_memory = "1GiB"
[plugins.bench]
source = SOURCE
routes = ["/{*path}"]
limits = { fuel = 1_000_000_000_000, deadline = "30s" }
caches = { hot = { kind = "table", bytes = "64MiB" }, random = { kind = "table", bytes = "512MiB" } }
"#;

/// Measures, prints, and says whether the bar is held.
pub(crate) fn run(rounds: usize, check: bool) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let source = format!("{:?}", guests::cache_bench());
    std::fs::write(folder.path().join("skep.toml"), MANIFEST.replace("SOURCE", &source))?;
    let server = Server::skep(folder.path(), "serve")?;
    let mut client = Client::new(server.address());
    let mut ask = |path: &str, bucket: &str, keys: u64| -> anyhow::Result<f64> {
        let reply = client.get("x", &format!("/{path}?b={bucket}&keys={keys}&n={OPERATIONS}"))?;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        anyhow::ensure!(reply.status == 200, "{path} of {bucket}: {text}");
        text.parse().with_context(|| format!("an odd answer: {text}"))
    };
    let redis_server = Redis::start()?;
    let mut redis = redis_server.as_ref().map(Redis::connect).transpose()?;
    if let Some(redis) = &mut redis {
        redis.ask(&["SET", "key", &"7".repeat(100)])?;
    }
    println!("ns for each operation, medians of {rounds} rounds\n");
    println!("{:<34} {:>9} {:>9} {:>14} {:>14}", "", "get", "put", "redis get", "redis get/get");
    let mut hot = 0.0;
    for (bucket, name, keys) in CASES {
        ask("fill", bucket, keys)?;
        let (mut gets, mut puts, mut far) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let nothing = ask("nothing", bucket, keys)?;
            gets.push(ask("get", bucket, keys)? - nothing);
            puts.push(ask("put", bucket, keys)? - nothing);
            if let Some(redis) = &mut redis {
                far.push(redis_get_ns(redis)?);
            }
        }
        let (get, put) = (median(&gets), median(&puts));
        let (far, ratio) = match far.is_empty() {
            true => ("-".to_owned(), "-".to_owned()),
            false => (format!("{:.0}", median(&far)), format!("{:.0}", median(&far) / get)),
        };
        println!("{:<34} {get:>9.0} {put:>9.0} {far:>14} {ratio:>14}", format!("inside a guest, {name}"));
        if bucket == "hot" {
            hot = get;
        }
    }
    if redis.is_none() {
        println!("\nredis-server is not on the PATH, so it is not measured");
    }
    let missed = hot > HOT_GET_NS;
    if missed {
        println!("\nmissed: a hot get takes {hot:.0} ns, the bar is {HOT_GET_NS:.0}");
    }
    Ok(if check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A get is a round trip, whatever the key; it asks for one that is there.
fn redis_get_ns(redis: &mut Connection) -> anyhow::Result<f64> {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let started = Instant::now();
    for _ in 0..ROUND_TRIPS {
        redis.ask(&["GET", "key"])?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e9 / ROUND_TRIPS as f64)
}
