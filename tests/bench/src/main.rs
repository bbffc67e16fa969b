//! `cargo bench-host`: skep beside a bare axum handler, every server and the load in processes of their own, in one
//! run, as medians over several alternations. `--check` exits nonzero when a stated bar is missed.

#![allow(clippy::print_stdout)] // A benchmark prints.

// The harness's own file: the crate around it would link the whole host into this program.
mod bars;
mod cache;
mod change;
mod client;
mod files;
#[allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]
#[path = "../../src/guests.rs"]
mod guests;
mod jobs;
mod process;
mod processes;
mod redis;
mod soak;
mod sockets;
mod table;
mod topics;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;

use crate::process::{Load, Server, load};
use crate::table::{Series, median};

#[derive(Parser)]
#[command(about = "Measures skep beside a bare axum handler")]
struct Cli {
    /// Exit with 1 when a stated bar is missed
    #[arg(long)]
    check: bool,
    /// Measure memory under hostile calls, and nothing else
    #[arg(long)]
    soak: bool,
    /// Measure the cache from inside a guest, and nothing else
    #[arg(long)]
    cache: bool,
    /// Measure topics and event streams, and nothing else
    #[arg(long)]
    topics: bool,
    /// Measure durable jobs, and nothing else
    #[arg(long)]
    jobs: bool,
    /// Measure stateful processes, and nothing else
    #[arg(long)]
    processes: bool,
    /// Measure sockets and their channels, and nothing else
    #[arg(long)]
    sockets: bool,
    /// Sockets at most; the machine may allow fewer
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(101..=200_000))]
    most: u32,
    /// Named processes that sleep
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=20_000_000))]
    count: u64,
    /// Run the example `rows` for so many seconds and draw it, and nothing else
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..=86_400))]
    rows: Option<u64>,
    /// The file that it is drawn into, instead of `rows.svg` in the build's folder
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Event streams or sockets of one topic
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=28_000))]
    clients: u32,
    /// The `skep` program that is measured, instead of the release build
    #[arg(long, value_name = "PROGRAM")]
    skep: Option<PathBuf>,
    /// Hostile calls of the soak
    #[arg(long, default_value_t = 100_000)]
    calls: u64,
    /// Alternations; the medians of so many rounds are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each server is measured in each round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections of the load
    #[arg(long, default_value_t = 32)]
    connections: u32,
    // What this program runs itself as.
    #[arg(long, hide = true)]
    role: Option<String>,
    #[arg(long, hide = true, default_value = "")]
    url: String,
    #[arg(long, hide = true)]
    host: Option<String>,
}

impl From<Cli> for topics::Args {
    fn from(cli: Cli) -> Self {
        let Cli { check, rounds, seconds, connections, clients, .. } = cli;
        Self { check, rounds, seconds, connections, clients: clients as usize }
    }
}

impl From<Cli> for sockets::Args {
    fn from(cli: Cli) -> Self {
        let Cli { check, rounds, seconds, clients, most, .. } = cli;
        Self { check, rounds, seconds, clients: clients as usize, sockets: most as usize }
    }
}

impl From<Cli> for processes::Args {
    fn from(cli: Cli) -> Self {
        let Cli { check, rounds, seconds, connections, count, .. } = cli;
        Self { check, rounds, seconds, connections, count }
    }
}

/// The cases: name, virtual host, path.
const CASES: [(&str, &str, &str); 6] = [
    ("fresh, fast path", "fast.test", "/x"),
    ("fresh, wasi:http 0.2", "wasi.test", "/"),
    ("fresh, wasi:http 0.3", "three.test", "/"),
    ("reuse, fast path", "reuse.test", "/x"),
    ("reuse, wasi:http 0.2", "wasireuse.test", "/"),
    ("reuse, wasi:http 0.3", "threereuse.test", "/"),
];

/// The bare handler with some work, in microseconds: how far from it a server gets that does nothing else.
const WORK: [(&str, &str); 3] =
    [("bare axum and 5 us", "/work/5"), ("bare axum and 15 us", "/work/15"), ("bare axum and 25 us", "/work/25")];

/// The bars: a case must reach so much of the bare handler's requests per second.
const BARS: [(&str, f64); 3] = [("fresh, fast path", 0.5), ("fresh, wasi:http 0.2", 0.45), ("reuse, fast path", 0.85)];
/// A neighbour's p50 and p99 beside spinners, as multiples of its idle ones.
const NEIGHBOUR_BARS: (f64, f64) = (2.0, 5.0);

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    cli.skep.iter().cloned().for_each(process::measure);
    match cli.role.as_deref() {
        Some("axum") => process::serve_axum().map(|()| ExitCode::SUCCESS),
        Some("load") => process::run_load(&cli.url, cli.host, cli.connections, cli.seconds).map(|()| ExitCode::SUCCESS),
        Some("floor") => sockets::serve_floor(cli.connections as usize, cli.rounds).map(|()| ExitCode::SUCCESS),
        _ if cli.cache => cache::run(cli.rounds, cli.check),
        _ if cli.topics => topics::run(&cli.into()),
        _ if cli.sockets => sockets::run(&cli.into()),
        _ if cli.jobs => jobs::run(cli.rounds, cli.seconds, cli.check),
        _ if cli.processes => processes::run(&cli.into()),
        _ if cli.rows.is_some() => rows(cli),
        _ if cli.soak => soak::run(cli.calls, cli.check),
        _ => bench(&cli),
    }
}

fn rows(mut cli: Cli) -> anyhow::Result<ExitCode> {
    let (seconds, svg) = (cli.rows.take().unwrap_or_default(), cli.svg.take());
    processes::run_rows(&cli.into(), seconds, svg)
}

fn manifest(folder: &Path) -> anyhow::Result<()> {
    let hello = guests::hello_rust();
    let (wasi, three, spinner) = (guests::wasip2_hello(), guests::wasip3(), guests::hostile_fast());
    let text = format!(
        r#"
        [plugins.fast]
        source = {hello:?}
        routes = ["fast.test/{{*path}}"]
        [plugins.wasi]
        source = {wasi:?}
        routes = ["wasi.test/"]
        [plugins.three]
        source = {three:?}
        routes = ["three.test/"]
        [plugins.reuse]
        source = {hello:?}
        routes = ["reuse.test/{{*path}}"]
        instances = {{ reuse = 1000 }}
        [plugins.wasireuse]
        source = {wasi:?}
        routes = ["wasireuse.test/"]
        instances = {{ reuse = 1000 }}
        [plugins.threereuse]
        source = {three:?}
        routes = ["threereuse.test/"]
        instances = {{ reuse = 1000 }}
        [plugins.spinner]
        source = {spinner:?}
        routes = ["spin.test/{{*path}}"]
        limits = {{ fuel = 1_000_000_000_000, deadline = "30s", concurrency = 100 }}
        "#
    );
    std::fs::write(folder.join("skep.toml"), text).context("writing the manifest")
}

fn bench(cli: &Cli) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    manifest(folder.path())?;
    let axum = Server::axum()?;
    let cold = Server::skep(folder.path(), "serve")?.started_in;
    let skep = Server::skep(folder.path(), "serve")?;
    println!("start, empty code cache {} ms; warm code cache {} ms", cold.as_millis(), skep.started_in.as_millis());
    let changes = change::measure(cli.rounds)?;
    println!("a changed component, compiled and served: {:.0} ms, median of {}", median(&changes), changes.len());
    if cli.skep.is_none() {
        // The program that measures this is one of the release build.
        let instances = process::instantiate(&[guests::hello_rust(), guests::wasip2_hello(), guests::wasip3()])?;
        let [fast, wasi, three] = instances.as_slice() else { anyhow::bail!("{} instances of 3", instances.len()) };
        println!("an instance alone: fast path {fast:.1} us, wasi:http 0.2 {wasi:.1} us, wasi:http 0.3 {three:.1} us");
    }
    let measure = |server: &Server, host: Option<&str>, path: &str| -> anyhow::Result<Load> {
        load(server, host, path, cli.connections, cli.seconds)
    };
    let wasmtime = process::wasmtime_version();
    let wasmtime = wasmtime.map(|name| anyhow::Ok((name, Server::wasmtime(&guests::wasip2_hello())?))).transpose()?;
    let (mut bare, mut theirs) = (Series::default(), Series::default());
    let mut worked: Vec<Series> = WORK.iter().map(|_| Series::default()).collect();
    let mut cases: Vec<Series> = CASES.iter().map(|_| Series::default()).collect();
    for _ in 0..cli.rounds {
        bare.push(measure(&axum, None, "/")?);
        for ((_, path), series) in WORK.iter().zip(&mut worked) {
            series.push(measure(&axum, None, path)?);
        }
        for ((_, host, path), series) in CASES.iter().zip(&mut cases) {
            series.push(measure(&skep, Some(host), path)?);
        }
        if let Some((_, server)) = &wasmtime {
            theirs.push(measure(server, None, "/")?);
        }
    }
    println!("{} connections, {} rounds of {} s, medians\n", cli.connections, cli.rounds, cli.seconds);
    println!("{:<24} {:>9} {:>8} {:>8} {:>9} {:>8}", "", "req/s", "p50 us", "p99 us", "cpu us/r", "of axum");
    bare.print("bare axum handler", &bare);
    for ((name, _), series) in WORK.iter().zip(&worked) {
        series.print(name, &bare);
    }
    let mut missed = Vec::new();
    for ((name, ..), series) in CASES.iter().zip(&cases) {
        series.print(name, &bare);
        let ratio = series.ratio(&bare);
        if let Some((_, bar)) = BARS.iter().find(|(bar, _)| bar == name)
            && ratio < *bar
        {
            missed.push(format!("{name}: {ratio:.2} of axum, the bar is {bar}"));
        }
    }
    if let Some((name, _)) = &wasmtime {
        theirs.print(name, &bare);
        if let Some(ours) = cases.get(1) {
            let times = ours.ratio(&theirs);
            println!("wasi:http 0.2 fresh is {times:.1} times {name}");
            if times < 2.7 {
                missed.push(format!("{times:.1} times wasmtime serve, the bar is 2.7"));
            }
        }
    }
    neighbour(cli, &skep, &mut missed)?;
    for miss in &missed {
        println!("missed: {miss}");
    }
    Ok(if cli.check && !missed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A neighbour's latency alone, and beside as many spinners as their concurrency allows, in alternation.
fn neighbour(cli: &Cli, skep: &Server, missed: &mut Vec<String>) -> anyhow::Result<()> {
    const SPINNERS: usize = 100;
    let (mut idle, mut beside) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..cli.rounds {
        let quiet = load(skep, Some("fast.test"), "/x", 1, cli.seconds)?;
        let spinners = process::hold(skep, "spin.test", "/spin", SPINNERS)?;
        std::thread::park_timeout(Duration::from_millis(300));
        let busy = load(skep, Some("fast.test"), "/x", 1, cli.seconds)?;
        drop(spinners);
        std::thread::park_timeout(Duration::from_millis(300));
        idle.0.push(quiet.p50_us);
        idle.1.push(quiet.p99_us);
        beside.0.push(busy.p50_us);
        beside.1.push(busy.p99_us);
    }
    let (p50, p99) = (median(&beside.0) / median(&idle.0), median(&beside.1) / median(&idle.1));
    println!(
        "\na neighbour, one connection: idle p50 {:.0} us, p99 {:.0} us; beside {SPINNERS} spinners p50 {:.0} us ({p50:.1} \
         times), p99 {:.0} us ({p99:.1} times)",
        median(&idle.0),
        median(&idle.1),
        median(&beside.0),
        median(&beside.1)
    );
    if p50 > NEIGHBOUR_BARS.0 {
        missed.push(format!("a neighbour's p50 is {p50:.1} times its idle one, the bar is {}", NEIGHBOUR_BARS.0));
    }
    if p99 > NEIGHBOUR_BARS.1 {
        missed.push(format!("a neighbour's p99 is {p99:.1} times its idle one, the bar is {}", NEIGHBOUR_BARS.1));
    }
    Ok(())
}
