//! What becomes of the ticks of a schedule at which no host ran.

use std::time::Duration;

use skep_cron::Cron;
use skep_store::Timestamp;

/// A tick that is acted on later than this was missed.
pub const MISSED_AFTER: Duration = Duration::from_secs(60);
/// The most ticks that are made up for; older ones are forgotten.
pub const ALL_MAX: usize = 100;

/// What becomes of the ticks of a schedule at which no host ran, or the store failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are forgotten.
    Skip,
    /// One job for all of them.
    #[default]
    Once,
    /// A job for each of them, but for the last [`ALL_MAX`] at most.
    All,
}

/// The ticks to act on now, the oldest first, and the last one that is behind us; none if there is none.
pub(crate) fn due(cron: &Cron, missed: Missed, last: Timestamp, now: Timestamp) -> Option<(Vec<Timestamp>, Timestamp)> {
    let at = cron.last_until(now).filter(|at| *at > last)?;
    let late = Duration::from_millis(now - at) > MISSED_AFTER;
    let ticks = match missed {
        Missed::Skip if late => Vec::new(),
        Missed::Skip | Missed::Once => vec![at],
        Missed::All => {
            let earlier = |tick: &Timestamp| tick.checked_sub(1).and_then(|before| cron.last_until(before));
            let back = std::iter::successors(Some(at), earlier).take_while(|tick| *tick > last);
            let mut ticks: Vec<_> = back.take(ALL_MAX).collect();
            ticks.reverse();
            ticks
        }
    };
    Some((ticks, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000;

    proptest! {
        #[test]
        fn each_policy_takes_what_it_says(last in 0u64..500 * MINUTE, behind in 0u64..500 * MINUTE) {
            let cron = Cron::new("*/3 * * * *", None).unwrap();
            let now = last + behind;
            let all: Vec<u64> = (1..).map(|tick| tick * 3 * MINUTE).skip_while(|at| *at <= last).take_while(|at| *at <= now).collect();
            let taken = |missed| due(&cron, missed, last, now);
            let Some(at) = all.last().copied() else {
                for missed in [Missed::Skip, Missed::Once, Missed::All] {
                    prop_assert_eq!(taken(missed), None);
                }
                return Ok(());
            };
            let kept = all.iter().rev().take(ALL_MAX).rev().copied().collect();
            prop_assert_eq!(taken(Missed::All), Some((kept, at)));
            prop_assert_eq!(taken(Missed::Once), Some((vec![at], at)));
            let late = now - at > MINUTE;
            prop_assert_eq!(taken(Missed::Skip), Some((if late { vec![] } else { vec![at] }, at)));
        }
    }
}
