//! `cargo bench-host --processes`: stateful processes, called by guests and by many at once, live and asleep; and `--rows`, the example
//! of that name for minutes, drawn as a plot. The servers are OS processes of their own.

mod beam;
mod calls;
mod density;
mod host;
mod live;
mod plot;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::bars::Bars;
use crate::guests;

/// What is asked for.
pub(crate) struct Args {
    pub(crate) check: bool,
    pub(crate) rounds: usize,
    /// Seconds of each load.
    pub(crate) seconds: f64,
    /// Connections of the load.
    pub(crate) connections: u32,
    /// Named processes of the density.
    pub(crate) count: u64,
}

/// Measures, prints, and says whether the bars are held.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut bars = Bars::default();
    // Each in a server of its own, whose memory says nothing of what was measured before.
    calls::measure(args, &mut bars)?;
    live::measure()?;
    density::measure(args, &mut bars)?;
    beam::measure()?;
    Ok(bars.verdict(args.check))
}

/// Runs the example `rows` for so many seconds and draws what it took.
pub(crate) fn run_rows(args: &Args, seconds: u64, svg: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let mut bars = Bars::default();
    rows::measure(seconds, &svg.unwrap_or_else(|| guests::target().join("rows.svg")), &mut bars)?;
    Ok(bars.verdict(args.check))
}

/// So many, with a mark for each thousand.
fn marked(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
