//! What a process costs that has its instance.

use super::host::Host;

const PROCESSES: u64 = 2_000;

pub(super) fn measure() -> anyhow::Result<()> {
    let mut host = Host::start("never")?;
    // What the first process brings for all.
    host.ask("/start?first=0&n=1")?;
    let before = host.settled_kib()?;
    let started = super::host::now();
    host.ask(&format!("/start?first=1&n={PROCESSES}"))?;
    let each_us = started.elapsed().as_secs_f64() * 1e6 / PROCESSES as f64;
    let after = host.settled_kib()?;
    let live = host.totals()?.live;
    anyhow::ensure!(live > PROCESSES, "{live} of {PROCESSES} processes are live");
    println!(
        "{PROCESSES} live processes: {:.1} KiB for each; started by one guest in {each_us:.1} us each\n",
        (after - before) / PROCESSES as f64
    );
    Ok(())
}
