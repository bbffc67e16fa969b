//! Very many named processes that sleep, and some of them that do not.

use std::sync::atomic::{AtomicU64, Ordering};

use super::host::{Figures, Host, ask, now};
use super::{Args, Bars, marked};
use crate::client::Client;
use crate::process::load;
use crate::table::median;

/// Those that are called by many callers, and no more than half of all.
const ACTIVE: u64 = 10_000;
/// Requests that start processes at once, and how many each starts.
const STARTERS: usize = 4;
const PORTION: u64 = 500;
/// Calls of one request, where not each call has its own.
const CALLS: u64 = 20;
/// Those that are asked after they slept: every so many, and at most so many one after the other.
const STEP: u64 = 1_000;
const WAKES: u64 = 5_000;
/// How long a process is idle before it sleeps: where all shall, and where the active ones shall not.
const SOON: &str = "100ms";
const LATE: &str = "10m";
/// The bars: bytes beside the state for each that sleeps, and the p50 of a call that wakes.
const ASLEEP_BYTES: f64 = 1024.0;
const WAKE_US: f64 = 15.0;

pub(super) fn measure(args: &Args, bars: &mut Bars) -> anyhow::Result<()> {
    let (count, active) = (args.count, ACTIVE.min(args.count / 2));
    let mut host = Host::start(SOON)?;
    let live_max = host.totals()?.live_max;
    println!("{} named counters, at most {} of them live", marked(count), marked(live_max));
    fill(&host, count, bars)?;
    host.hibernate_after(LATE)?;
    calls(args, &mut host, active)?;
    let wakes = WAKES.min(count - active).min((live_max / 2).max(1));
    let path = format!("/wake?first={active}&count={}&n={wakes}", count - active);
    println!(
        "a call that wakes, {} random ones one after the other, medians of {} rounds:",
        marked(wakes),
        args.rounds
    );
    let print = |name: &str, rounds: &[Figures]| {
        let Figures { p50, p99, mean, .. } = Figures::medians(rounds);
        println!("  {name:<40} p50 {:.1} us, p99 {:.1} us, mean {:.1} us", p50 / 1e3, p99 / 1e3, mean / 1e3);
        p50 / 1e3
    };
    if host.totals()?.live * 10 >= live_max * 9 {
        let rounds: Vec<_> = (0..args.rounds).map(|_| host.figures(&path)).collect::<Result<_, _>>()?;
        print("another one goes to sleep for each", &rounds);
    }
    host.hibernate_after(SOON)?;
    let naps = |first: u64, count: u64| format!("/wake?first={first}&count={count}&n={wakes}&naps=true");
    // As many as are active, of those who hold their numbers still.
    let (of_all, of_few) = (naps(active, count - active), naps(active, active));
    let (mut again, mut all_nap, mut few_nap, mut anew) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // What rests is kept in use, and the few are near: one round is not counted.
    for round in 0..=args.rounds {
        host.wait_asleep()?;
        let figures = (host.figures(&path)?, host.figures(&of_all)?, host.figures(&of_few)?);
        if round > 0 {
            again.push(figures.0);
            all_nap.push(figures.1);
            few_nap.push(figures.2);
        }
    }
    for _ in 0..args.rounds {
        host.wait_empty()?;
        anew.push(host.figures(&path)?);
    }
    print("each in a new instance", &anew);
    print("each in one that another left", &again);
    print("all in the same, each sleeps again", &all_nap);
    let often = print(&format!("likewise, {} of them in turns", marked(active)), &few_nap);
    bars.most("p50 of a call that wakes a process which often sleeps, in us", often, WAKE_US);
    host.wait_asleep()?;
    verify(&mut host, active, count)
}

/// Starts all in two halves: what the first one brings for all is not in the second.
fn fill(host: &Host, count: u64, bars: &mut Bars) -> anyhow::Result<()> {
    let before = host.settled_kib()?;
    let started = now();
    start(host, 0, count / 2)?;
    let first = started.elapsed();
    host.wait_empty()?;
    let middle = host.settled_kib()?;
    let started = now();
    start(host, count / 2, count)?;
    let took = first + started.elapsed();
    let totals = host.wait_asleep()?;
    let slept = (first + started.elapsed()).saturating_sub(took);
    host.wait_empty()?;
    let after = host.settled_kib()?;
    anyhow::ensure!(totals.processes == count, "{} of {count} processes are there", totals.processes);
    anyhow::ensure!(totals.crashes == 0, "{} processes crashed in their start", totals.crashes);
    let bytes = (after - before) * 1024.0 / count as f64;
    let marginal = (after - middle) * 1024.0 / (count - count / 2) as f64;
    let state = totals.state_bytes as f64 / count as f64;
    println!(
        "started by guests in {STARTERS} requests at once in {:.1} s: {} a second, {:.1} us each; the last ones asleep {:.1} s later",
        took.as_secs_f64(),
        marked((count as f64 / took.as_secs_f64()) as u64),
        took.as_secs_f64() * 1e6 / count as f64,
        slept.as_secs_f64()
    );
    println!(
        "memory of the server: {:.0} MiB before, {:.0} MiB with all asleep: {bytes:.0} bytes for each, {state:.0} of them its \
         state; {marginal:.0} bytes for each of the second half",
        before / 1024.0,
        after / 1024.0
    );
    bars.most("bytes of a process that sleeps, beside its state", bytes - state, ASLEEP_BYTES);
    Ok(())
}

fn start(host: &Host, from: u64, to: u64) -> anyhow::Result<()> {
    let next = AtomicU64::new(from);
    let work = || -> anyhow::Result<()> {
        let mut client = Client::new(host.server.address());
        loop {
            let first = next.fetch_add(PORTION, Ordering::Relaxed);
            if first >= to {
                return Ok(());
            }
            ask(&mut client, &format!("/start?first={first}&n={}", PORTION.min(to - first)))?;
        }
    };
    std::thread::scope(|scope| {
        let starters: Vec<_> = (0..STARTERS).map(|_| scope.spawn(work)).collect();
        starters
            .into_iter()
            .try_for_each(|starter| starter.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a starter panicked"))))
    })
}

/// Many callers that add to random ones of the active ones. What those hold in the end is what was added.
fn calls(args: &Args, host: &mut Host, active: u64) -> anyhow::Result<()> {
    let before = host.totals()?.messages;
    let (mut nothing, mut single, mut many) = (Vec::new(), Vec::new(), Vec::new());
    let one = format!("/hit?first=0&count={active}&n=1");
    let several = format!("/hit?first=0&count={active}&n={CALLS}");
    // They wake first.
    load(&host.server, None, &several, args.connections, args.seconds)?;
    for _ in 0..args.rounds {
        nothing.push(load(&host.server, None, "/nothing", args.connections, args.seconds)?);
        single.push(load(&host.server, None, &one, args.connections, args.seconds)?);
        many.push(load(&host.server, None, &several, args.connections, args.seconds)?);
    }
    host.settled_kib()?;
    let totals = host.totals()?;
    let of = |loads: &[crate::process::Load], figure: fn(&crate::process::Load) -> f64| {
        median(&loads.iter().map(figure).collect::<Vec<_>>())
    };
    println!(
        "{} of them active, {} live; {} callers, medians of {} rounds of {} s:",
        marked(active),
        marked(totals.live),
        args.connections,
        args.rounds,
        args.seconds
    );
    let line = |name: &str, calls: f64, loads: &[crate::process::Load]| {
        println!(
            "  {name:<40} {:>9} /s, p50 {:>6.0} us, p99 {:>6.0} us",
            marked((of(loads, |load| load.rps) * calls) as u64),
            of(loads, |load| load.p50_us),
            of(loads, |load| load.p99_us)
        );
    };
    line("requests that call nobody", 1.0, &nothing);
    line("calls, one in each request", 1.0, &single);
    line(&format!("calls, {CALLS} in each request"), CALLS as f64, &many);
    let added = totals.messages - before;
    let held = sum(host, active)?;
    let expected = active * active.saturating_sub(1) / 2 + added;
    anyhow::ensure!(held == expected, "{held} is the sum of the active counters; what was added makes it {expected}");
    println!("  their sum is what {} calls added", marked(added));
    Ok(())
}

/// In portions, for the deadline of a request.
fn sum(host: &mut Host, active: u64) -> anyhow::Result<u64> {
    (0..active).step_by(PORTION as usize).try_fold(0, |sum, first| {
        let path = format!("/sum?first={first}&count={}", PORTION.min(active - first));
        Ok(sum + host.ask(&path)?.parse::<u64>()?)
    })
}

fn verify(host: &mut Host, active: u64, count: u64) -> anyhow::Result<()> {
    let mut looked = 0;
    for first in (active..count).step_by((STEP * PORTION) as usize) {
        let path = format!("/check?first={first}&count={}&step={STEP}", (STEP * PORTION).min(count - first));
        looked += host.ask(&path)?.parse::<u64>()?;
    }
    let totals = host.totals()?;
    anyhow::ensure!(totals.crashes == 0, "{} processes crashed", totals.crashes);
    println!("every {}th woke with its number: {}\n", marked(STEP), marked(looked));
    Ok(())
}
