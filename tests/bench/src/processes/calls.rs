//! Messages to a process that is live, one at a time, as the guest that sends them sees it.

use super::host::{Figures, Host};
use super::{Args, Bars};
use crate::table::median;

/// Operations of one measurement.
const OPERATIONS: u64 = 10_000;
/// Messages that wait when a turn is measured.
const WAITING: u64 = 10_000;
/// The bar: a call from a handler, in microseconds.
const CALL_US: f64 = 10.0;

/// What is measured: its name in the guest, who does it, and what it is.
const CASES: [(&str, &str, &str); 7] = [
    ("clock", "handler", "nothing but a look at the clock, which is in all others"),
    ("cache", "handler", "cache get, 100 bytes"),
    ("whereis", "handler", "a host call that looks the process up by name"),
    ("cast", "handler", "cast, 100 bytes"),
    ("call", "handler", "call, 100 bytes, from a handler"),
    ("pid", "handler", "call, 100 bytes, from a handler, by pid"),
    ("call", "process", "call, 100 bytes, from a process"),
];

pub(super) fn measure(args: &Args, bars: &mut Bars) -> anyhow::Result<()> {
    let mut host = Host::start("never")?;
    let mut all: Vec<Vec<Figures>> = CASES.iter().map(|_| Vec::new()).collect();
    let mut turns = Vec::new();
    for _ in 0..args.rounds {
        for ((what, by, _), rounds) in CASES.iter().zip(&mut all) {
            rounds.push(host.figures(&format!("/time?what={what}&by={by}&n={OPERATIONS}"))?);
        }
        turns.push(host.ask(&format!("/turn?n={WAITING}"))?.parse::<f64>()?);
    }
    let medians: Vec<_> = all.iter().map(|rounds| Figures::medians(rounds)).collect();
    let [_, cache, whereis, cast, call, ..] = medians.as_slice() else { anyhow::bail!("cases are missing") };
    println!("one at a time, inside a guest, medians of {} rounds\n", args.rounds);
    println!("{:<58} {:>9} {:>9} {:>9} {:>9}", "us", "p50", "p99", "mean", "of a get");
    for ((.., name), figures) in CASES.iter().zip(&medians) {
        let us = |ns: f64| ns / 1e3;
        let of = figures.mean / cache.mean;
        println!("{name:<58} {:>9.2} {:>9.2} {:>9.2} {of:>9.1}", us(figures.p50), us(figures.p99), us(figures.mean));
    }
    let (us, turn) = (call.p50 / 1e3, median(&turns) / 1e3);
    let (host_call, rest) = (whereis.p50 / 1e3, us - whereis.p50 / 1e3 - turn);
    println!(
        "\nof the {us:.2} us of a call {host_call:.2} us are a host call that finds the process, {turn:.2} us the process's turn \
         (measured with {WAITING} messages waiting), {rest:.2} us the way there and back"
    );
    println!("a cast is handled after {:.2} us each, {OPERATIONS} of them one after the other\n", cast.handled / 1e3);
    bars.most("p50 of a call to a live process, in us", us, CALL_US);
    Ok(())
}
