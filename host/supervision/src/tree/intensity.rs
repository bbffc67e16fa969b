//! The restarts of late, against the intensity.

use std::collections::VecDeque;
use std::time::Instant;

use super::Intensity;

/// When the last restarts were: OTP's `add_restart`.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    // Oldest first. Never longer than the intensity and one.
    at: VecDeque<Instant>,
}

impl Restarts {
    /// Notes a restart; false if that is one too many. As in OTP, one that is exactly a period old still counts.
    pub(super) fn add(&mut self, now: Instant, intensity: Intensity) -> bool {
        self.at.push_back(now);
        while self.at.front().is_some_and(|at| now.saturating_duration_since(*at) > intensity.period) {
            self.at.pop_front();
        }
        let within = self.at.len() <= intensity.restarts as usize;
        if !within {
            // A longer memory would not change the next answer.
            self.at.pop_front();
        }
        within
    }

    pub(super) fn forget(&mut self) {
        self.at.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_window_slides_and_includes_its_edge() {
        let start = skep_types::Clock::now(&skep_types::SystemClock);
        let intensity = Intensity { restarts: 2, period: Duration::from_secs(5) };
        let mut restarts = Restarts::default();
        let mut add = |ms| restarts.add(start + Duration::from_millis(ms), intensity);
        assert!(add(0));
        assert!(add(1000));
        assert!(!add(5000), "the first is exactly 5 s old and counts");
        assert!(!add(5999), "1000 and 5000 are still there");
        assert!(add(11_000), "5000 is 6 s old; 5999 and this one are two");
    }
}
