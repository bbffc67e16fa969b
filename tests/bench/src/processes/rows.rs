//! The example `rows` at its full size for minutes: how long messages take, CPU and memory, drawn over time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::host::{ask, now};
use super::plot::{Plot, svg};
use super::{Args, Bars};
use crate::client::Client;
use crate::guests;
use crate::process::Server;
use crate::table::median;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How long the first processes have for their start; not a part of what must be flat.
const BEGIN: Duration = Duration::from_secs(20);
/// What is called the first and the last value is the median of so many seconds: all rows once.
const SPAN: f64 = 30.0;
/// The bar: how far memory may be from where it began.
const GROWTH_MAX: f64 = 1.05;

/// One look.
struct Sample {
    second: f64,
    /// What a message took, if the example has said it since the last look.
    mean_us: Option<f64>,
    /// Of all cores.
    cpu_percent: f64,
    mib: f64,
}

/// The example's manifest with a source of our own, which is built already.
fn manifest() -> anyhow::Result<String> {
    let path = guests::root().join("examples/rows/skep.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.split_once('=').map_or("", |(key, _)| key.trim()) {
            "source" => lines.push(format!("source = {:?}", guests::rows())),
            "build" | "watch" => {}
            _ => lines.push(line.to_owned()),
        }
    }
    Ok(lines.join("\n"))
}

pub(super) fn measure(args: &Args, seconds: u64, picture: &Path, bars: &mut Bars) -> anyhow::Result<()> {
    // On the disk of the build: ticks are commits.
    let folder = tempfile::tempdir_in(guests::target())?;
    std::fs::write(folder.path().join("skep.toml"), manifest()?)?;
    let server = Server::program(&args.skep(), folder.path(), "serve")?;
    let at_start = server.resident_kib()? / 1024.0;
    println!("examples/rows for {seconds} s; {at_start:.0} MiB right after the start of the host");
    let all = BEGIN + Duration::from_secs(seconds);
    let (said, is_over) = (Mutex::default(), AtomicBool::new(false));
    let (samples, stats) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| look(&mut Client::new(server.address()), &said, &is_over));
        let samples = watch(&server, all, &said);
        is_over.store(true, Ordering::Relaxed);
        let stats = asked.join().map_err(|_| anyhow::anyhow!("a panic while the example was asked"))?;
        anyhow::Ok((samples?, stats?))
    })?;
    draw(&samples, picture)?;
    print(&samples, &stats, picture, bars)
}

/// Asks the example how it is, on a thread of its own: it may be busy. Returns what it said last.
fn look(client: &mut Client, said: &Mutex<Option<f64>>, is_over: &AtomicBool) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    while !is_over.load(Ordering::Relaxed) {
        last = serde_json::from_str(&ask(client, "/stats")?).context("reading /stats")?;
        *said.lock().unwrap_or_else(PoisonError::into_inner) = mean_us(&last);
        std::thread::park_timeout(LOOK);
    }
    Ok(last)
}

/// Looks at the server for so long.
fn watch(server: &Server, all: Duration, said: &Mutex<Option<f64>>) -> anyhow::Result<Vec<Sample>> {
    let began = now();
    let (mut samples, mut before, mut cpu_before) = (Vec::new(), began, server.cpu_us()?);
    let cores = std::thread::available_parallelism()?.get() as f64;
    while began.elapsed() < all {
        std::thread::park_timeout(LOOK);
        let (at, cpu) = (now(), server.cpu_us()?);
        samples.push(Sample {
            second: (at - began).as_secs_f64(),
            mean_us: said.lock().unwrap_or_else(PoisonError::into_inner).take(),
            cpu_percent: (cpu - cpu_before) / ((at - before).as_secs_f64() * 1e4 * cores),
            mib: server.resident_kib()? / 1024.0,
        });
        (before, cpu_before) = (at, cpu);
    }
    Ok(samples)
}

/// The mean time of a message in microseconds, by whatever name it has there.
fn mean_us(stats: &Value) -> Option<f64> {
    let fields = stats.as_object()?;
    let named = |unit: &str| {
        let is = |name: &str| name.contains("mean") && name.ends_with(unit);
        fields.iter().find(|(name, _)| is(name)).and_then(|(_, value)| value.as_f64())
    };
    named("_us").or_else(|| named("_ms").map(|ms| ms * 1e3)).or_else(|| named("_ns").map(|ns| ns / 1e3))
}

fn draw(samples: &[Sample], picture: &Path) -> anyhow::Result<()> {
    let plot = |title, color, value: fn(&Sample) -> Option<f64>| Plot {
        title,
        color,
        points: samples.iter().filter_map(|sample| Some((sample.second, value(sample)?))).collect(),
    };
    let text = svg(&[
        plot("mean time of a message, us", "#c0392b", |sample| sample.mean_us),
        plot("CPU, percent of the machine", "#2471a3", |sample| Some(sample.cpu_percent)),
        plot("memory, MiB", "#1e8449", |sample| Some(sample.mib)),
    ]);
    std::fs::write(picture, text).with_context(|| format!("writing {}", picture.display()))
}

fn print(samples: &[Sample], stats: &Value, picture: &Path, bars: &mut Bars) -> anyhow::Result<()> {
    let (from, to) = (BEGIN.as_secs_f64(), samples.last().context("nothing was seen")?.second);
    let span = SPAN.min((to - from) / 2.0);
    let first: Vec<_> = samples.iter().filter(|sample| (from..from + span).contains(&sample.second)).collect();
    let last: Vec<_> = samples.iter().filter(|sample| sample.second >= to - span).collect();
    let of = |samples: &[&Sample], value: fn(&Sample) -> Option<f64>| {
        median(&samples.iter().filter_map(|sample| value(sample)).collect::<Vec<_>>())
    };
    println!("{:<34} {:>9} {:>9}", format!("medians of {span:.0} s"), "first", "last");
    let line = |name: &str, value: fn(&Sample) -> Option<f64>| {
        let (first, last) = (of(&first, value), of(&last, value));
        println!("{name:<34} {first:>9.1} {last:>9.1}");
        last / first
    };
    line("mean time of a message, us", |sample| sample.mean_us);
    line("CPU, percent of the machine", |sample| Some(sample.cpu_percent));
    let growth = line("memory, MiB", |sample| Some(sample.mib));
    println!("what the example says of itself: {stats}");
    println!("drawn: {}", picture.display());
    println!("memory came back to {:.1} % of where it was", growth * 100.0);
    bars.most("memory at the end, as a multiple of that at the start", growth, GROWTH_MAX);
    Ok(())
}
