//! Open files: a benchmark of ten thousand clients needs as many, here and in the servers, which inherit the limit.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

/// Files that are open beside the clients' connections.
const OTHERS: u64 = 500;
/// Tells this program that what could be raised was raised.
const RAISED: &str = "SKEP_BENCH_RAISED";

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
    start_anew(&format!("ulimit -S -n {needed}"))?;
    Ok(())
}

/// How many connections may be open.
pub(crate) struct Most {
    pub(crate) connections: usize,
    /// Open files of a process.
    files: u64,
    /// That many were wanted.
    is_enough: bool,
}

impl Most {
    /// Why there are not more.
    pub(crate) fn stopped_by(&self) -> String {
        match self.is_enough {
            true => "no more were asked for (--most)".to_owned(),
            false => {
                format!("a process may have {} open files (`ulimit -n`), and raising that was not allowed", self.files)
            }
        }
    }
}

/// Makes sure that so many connections may be open, or as many as can be had. Whoever has the right to raises the hard limit, too.
pub(crate) fn allow_most(connections: usize) -> anyhow::Result<Most> {
    let needed = connections as u64 + OTHERS;
    let (soft, _) = limits()?;
    if soft < needed && std::env::var_os(RAISED).is_none() {
        start_anew(&format!(
            "{{ ulimit -n {needed} || ulimit -S -n \"$(ulimit -H -n)\"; }} 2>/dev/null; export {RAISED}=1"
        ))?;
    }
    let most = usize::try_from(soft.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
    Ok(Most { connections: most.min(connections), files: soft, is_enough: most >= connections })
}

/// Starts this program anew, after these commands of a shell. It returns only if that fails.
fn start_anew(before: &str) -> anyhow::Result<()> {
    let script = format!("{before} && exec \"$0\" \"$@\"");
    let error =
        Command::new("sh").args(["-c", &script]).arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).exec();
    Err(error).context("starting with a higher limit of open files")
}

fn limits() -> anyhow::Result<(u64, u64)> {
    let limits = std::fs::read_to_string("/proc/self/limits").context("reading the limit of open files")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    let mut values = line.split_whitespace().map(|value| value.parse().unwrap_or(u64::MAX));
    values.next().zip(values.next()).context("an odd /proc/self/limits")
}
