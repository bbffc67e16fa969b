//! The example `rows` at its full size for minutes: how long messages take, CPU and memory, drawn over time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::Bars;
use super::host::{ask, now};
use super::plot::{Plot, svg};
use crate::client::Client;
use crate::guests;
use crate::process::Server;
use crate::table::median;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Rounds of the example before what must be flat begins: by then every place has had its process, and another one after it.
const WARM_UP_ROUNDS: u64 = 2;
/// How long they may take.
const WARM_UP_MAX: Duration = Duration::from_secs(180);
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

pub(super) fn measure(seconds: u64, picture: &Path, bars: &mut Bars) -> anyhow::Result<()> {
    // On the disk of the build: ticks are commits.
    let folder = tempfile::tempdir_in(guests::target())?;
    std::fs::write(folder.path().join("skep.toml"), manifest()?)?;
    let server = Server::skep(folder.path(), "serve")?;
    let at_start = server.resident_kib()? / 1024.0;
    println!(
        "examples/rows for {seconds} s after {WARM_UP_ROUNDS} rounds; {at_start:.0} MiB right after the start of the host"
    );
    let (said, is_over) = (Mutex::default(), AtomicBool::new(false));
    let (seen, stats) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| look(&mut Client::new(server.address()), &said, &is_over));
        let seen = watch(&server, Duration::from_secs(seconds), &said);
        is_over.store(true, Ordering::Relaxed);
        // What it was asked says more than that it did nothing.
        let stats = asked.join().map_err(|_| anyhow::anyhow!("a panic while the example was asked"))??;
        anyhow::Ok((seen?, stats))
    })?;
    draw(&seen.samples, picture)?;
    print(&seen, &stats, picture, bars)
}

/// What was seen.
struct Seen {
    samples: Vec<Sample>,
    /// When it was warm.
    from: f64,
}

/// What the example said last.
#[derive(Default)]
struct Said {
    mean_us: Option<f64>,
    rounds: u64,
}

/// Asks the example how it is, on a thread of its own: it may be busy. Returns what it said last.
fn look(client: &mut Client, said: &Mutex<Said>, is_over: &AtomicBool) -> anyhow::Result<Value> {
    let mut last = Value::Null;
    while !is_over.load(Ordering::Relaxed) {
        last = serde_json::from_str(&ask(client, "/stats")?).context("reading /stats")?;
        let rounds = last.get("rounds").and_then(Value::as_u64).context("no `rounds` in /stats")?;
        *said.lock().unwrap_or_else(PoisonError::into_inner) = Said { mean_us: mean_us(&last), rounds };
        std::thread::park_timeout(LOOK);
    }
    Ok(last)
}

/// Looks at the server until it is warm, and for so long.
fn watch(server: &Server, warm: Duration, said: &Mutex<Said>) -> anyhow::Result<Seen> {
    let began = now();
    let (mut samples, mut before, mut cpu_before) = (Vec::new(), began, server.cpu_us()?);
    let cores = std::thread::available_parallelism()?.get() as f64;
    let mut from = None;
    while from.is_none_or(|from: Duration| began.elapsed() < from + warm) {
        std::thread::park_timeout(LOOK);
        let (at, cpu) = (now(), server.cpu_us()?);
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if from.is_none() && said.rounds >= WARM_UP_ROUNDS {
            from = Some(at - began);
        }
        anyhow::ensure!(
            from.is_some() || at - began < WARM_UP_MAX,
            "the example did {} rounds in {WARM_UP_MAX:?}, not {WARM_UP_ROUNDS}",
            said.rounds
        );
        samples.push(Sample {
            second: (at - began).as_secs_f64(),
            mean_us: said.mean_us.take(),
            cpu_percent: (cpu - cpu_before) / ((at - before).as_secs_f64() * 1e4 * cores),
            mib: server.resident_kib()? / 1024.0,
        });
        (before, cpu_before) = (at, cpu);
    }
    Ok(Seen { samples, from: from.unwrap_or_default().as_secs_f64() })
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

fn print(Seen { samples, from }: &Seen, stats: &Value, picture: &Path, bars: &mut Bars) -> anyhow::Result<()> {
    let (from, to) = (*from, samples.last().context("nothing was seen")?.second);
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
