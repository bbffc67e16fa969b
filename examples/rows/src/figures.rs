//! How long ticks take: sums for each second, in the host's memory. Not worth a commit.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use skep_sdk::prelude::*;

const BUCKET: &str = "figures";
const SECOND_US: u64 = 1_000_000;

/// Microseconds since the epoch.
#[allow(clippy::disallowed_methods, reason = "a guest's clock is the host's to give")]
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A tick is done that was due then.
pub fn ticked(due_us: u64) -> Result<()> {
    let now = now_us();
    let (figures, second) = (cache::bucket(BUCKET)?, now / SECOND_US);
    figures.increment(&format!("ticks:{second}"), 1)?;
    figures.increment(&format!("us:{second}"), i64::try_from(now.saturating_sub(due_us))?)?;
    Ok(())
}

/// Of the last whole second, if there were ticks in it.
pub fn mean_of_last_second() -> Result<Option<i64>> {
    let (figures, second) = (cache::bucket(BUCKET)?, now_us() / SECOND_US - 1);
    let sum = |name: &str| figures.counter(&format!("{name}:{second}"));
    Ok(sum("us")?.checked_div(sum("ticks")?))
}
