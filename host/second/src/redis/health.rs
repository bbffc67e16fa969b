//! When the breaker opens: after how many failures among the last answers.

/// Answers that are looked at.
const LAST: u32 = 10;
/// Failures among them that open it.
const FAILURES: u32 = 5;

/// The last answers of one connection, as bits: 1 for a failure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Health(u16);

impl Health {
    /// Notes an answer. Returns whether it is enough.
    pub(crate) fn note(&mut self, is_failure: bool) -> bool {
        self.0 = ((self.0 << 1) | u16::from(is_failure)) & ((1 << LAST) - 1);
        self.0.count_ones() >= FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_last_answers_must_fail() {
        let mut health = Health::default();
        assert!((0..FAILURES - 1).all(|_| !health.note(true)));
        assert!(health.note(true));
        let mut health = Health::default();
        // Every third: never half of ten.
        assert!((0..100).all(|number| !health.note(number % 3 == 0)));
        // Every other: as soon as there are ten.
        let mut health = Health::default();
        assert!((0..10).any(|number| health.note(number % 2 == 0)));
    }
}
