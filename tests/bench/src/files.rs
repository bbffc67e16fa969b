//! Open files: a benchmark of ten thousand clients needs as many, here and in the servers, which inherit the limit.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

/// Files that are open beside the clients' connections.
const OTHERS: u64 = 500;

/// Makes sure that so many connections may be open. Where the soft limit is below the hard one, this program starts
/// itself anew by a shell that raises it: to do it here would need a dependency or unsafe code.
pub(crate) fn allow(connections: usize) -> anyhow::Result<()> {
    let needed = connections as u64 + OTHERS;
    let (soft, hard) = limits()?;
    if soft >= needed {
        return Ok(());
    }
    anyhow::ensure!(
        hard >= needed,
        "{connections} clients need {needed} open files and {hard} are allowed: raise `ulimit -H -n`, or ask for less \
         with --clients"
    );
    let raise = format!("ulimit -S -n {needed} && exec \"$0\" \"$@\"");
    let error =
        Command::new("sh").args(["-c", &raise]).arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).exec();
    Err(error).context("starting with a higher limit of open files")
}

fn limits() -> anyhow::Result<(u64, u64)> {
    let limits = std::fs::read_to_string("/proc/self/limits").context("reading the limit of open files")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    let mut values = line.split_whitespace().map(|value| value.parse().unwrap_or(u64::MAX));
    values.next().zip(values.next()).context("an odd /proc/self/limits")
}
