//! What a supervisor and its children are told. Names, meanings and defaults are those of OTP's `supervisor`, except
//! where a comment says otherwise.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The name of a child, unique among its siblings. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChildId(Arc<str>);

impl ChildId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChildId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<String> for ChildId {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who else is stopped and started again with a child that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Nobody.
    #[default]
    OneForOne,
    /// All of its siblings.
    OneForAll,
    /// The siblings that were started after it.
    RestForOne,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneForOne => "one-for-one",
            Self::OneForAll => "one-for-all",
            Self::RestForOne => "rest-for-one",
        })
    }
}

/// When a child that ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Only after an abnormal end.
    Transient,
    /// Never; it is forgotten when it ends.
    Temporary,
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// It is told to, and killed when it has not ended in this time.
    Timeout(Duration),
    /// It is killed at once.
    BrutalKill,
    /// It is told to, and waited for without a limit. For supervisors, whose own children have limits.
    Infinity,
}

impl Default for Shutdown {
    /// 5 s.
    fn default() -> Self {
        Self::Timeout(Duration::from_secs(5))
    }
}

/// Whether the end of significant children ends the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AutoShutdown {
    /// No; no child may be significant.
    #[default]
    Never,
    /// As soon as one ends by itself.
    AnySignificant,
    /// When the last one ends by itself.
    AllSignificant,
}

/// What a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChildKind {
    /// It does the work.
    #[default]
    Worker,
    /// It has children.
    Supervisor,
}

/// How many restarts within how long are taken as bad luck; one more is a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Default: 3. (OTP's own default is 1, Elixir's is 3.)
    pub restarts: u32,
    /// Default: 5 s.
    pub period: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: 3, period: Duration::from_secs(5) }
    }
}

/// What a supervisor does when its intensity is exceeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Beyond {
    /// It stops its children and ends, as in OTP; what happens next is its parent's business.
    Escalate,
    /// It stops its children and starts them again later. Not in OTP.
    Backoff(Backoff),
}

impl Default for Beyond {
    fn default() -> Self {
        Self::Backoff(Backoff::default())
    }
}

/// How a supervisor tries again: after `first`, twice that, and so on up to `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The delay before the first round. Default: 1 s.
    pub first: Duration,
    /// The longest delay, before jitter. Default: 60 s.
    pub max: Duration,
    /// By which part a delay is made longer or shorter at random, 0 to 1. Default: 0.2.
    pub jitter: f64,
    /// How long after its last restart a round counts as healthy, which forgets all failures. Default: 60 s.
    pub healthy: Duration,
    /// After so many failed rounds it gives up, until an operator resumes it. Default: 10.
    pub rounds: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(60),
            jitter: 0.2,
            healthy: Duration::from_secs(60),
            rounds: 10,
        }
    }
}

impl Backoff {
    /// The delay before a round, counted from 1. `random` is uniform in 0..1.
    #[must_use]
    pub fn delay(&self, round: u32, random: f64) -> Duration {
        // 2^31 times any delay worth the name is above any `max`; the bound keeps the shift defined.
        let factor = 1_u32 << round.saturating_sub(1).min(31);
        let delay = self.first.saturating_mul(factor).min(self.max);
        // Clamped here, so that no setting can make the product negative or infinite, which would panic.
        let jitter = if self.jitter.is_finite() { self.jitter.clamp(0.0, 1.0) } else { 0.0 };
        delay.mul_f64(jitter.mul_add(random.clamp(0.0, 1.0) * 2.0 - 1.0, 1.0))
    }
}

/// How a supervisor behaves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spec {
    /// Default: one for one.
    pub strategy: Strategy,
    /// Default: 3 restarts in 5 s.
    pub intensity: Intensity,
    /// Default: never.
    pub auto_shutdown: AutoShutdown,
    /// What happens when the intensity is exceeded. Default: backoff.
    pub beyond: Beyond,
}

/// How a child is supervised.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildSpec {
    /// Its name among its siblings.
    pub id: ChildId,
    /// Default: permanent.
    pub restart: Restart,
    /// Default: 5 s for a worker, without limit for a supervisor.
    pub shutdown: Shutdown,
    /// Whether its end counts for [`Spec::auto_shutdown`]. Default: no.
    pub significant: bool,
    /// Default: worker.
    pub kind: ChildKind,
}

impl ChildSpec {
    /// A permanent worker that gets 5 s to stop.
    pub fn worker(id: impl Into<ChildId>) -> Self {
        Self {
            id: id.into(),
            restart: Restart::default(),
            shutdown: Shutdown::default(),
            significant: false,
            kind: ChildKind::Worker,
        }
    }

    /// A permanent supervisor, which is waited for without limit.
    pub fn supervisor(id: impl Into<ChildId>) -> Self {
        Self { shutdown: Shutdown::Infinity, kind: ChildKind::Supervisor, ..Self::worker(id) }
    }

    /// The same with another restart type.
    #[must_use]
    pub fn restart(self, restart: Restart) -> Self {
        Self { restart, ..self }
    }

    /// The same, stopped in another way.
    #[must_use]
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// The same, but significant.
    #[must_use]
    pub fn significant(self) -> Self {
        Self { significant: true, ..self }
    }

    /// Whether it may live under that supervisor. The rules are those of OTP's `check_childspec`.
    pub(crate) fn check(&self, spec: &Spec) -> Result<(), SpecError> {
        if self.significant && spec.auto_shutdown == AutoShutdown::Never {
            return Err(SpecError::NeverSignificant(self.id.clone()));
        }
        if self.significant && self.restart == Restart::Permanent {
            return Err(SpecError::PermanentSignificant(self.id.clone()));
        }
        Ok(())
    }
}

/// A spec contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Two children have one name.
    #[error("there are two children `{0}`")]
    Duplicate(ChildId),
    /// A child is significant to a supervisor whose `auto_shutdown` is `Never`.
    #[error("`{0}` is significant, but its supervisor never shuts down by itself")]
    NeverSignificant(ChildId),
    /// A permanent child never ends by itself for good, so its end cannot be significant.
    #[error("`{0}` is significant, but permanent")]
    PermanentSignificant(ChildId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_minute_within_the_jitter() {
        let backoff = Backoff::default();
        let seconds: Vec<u64> = (1..=8).map(|round| backoff.delay(round, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(800));
        assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(1200));
        assert_eq!(backoff.delay(u32::MAX, 0.5), Duration::from_secs(60));
        let odd = Backoff { jitter: f64::NAN, ..backoff };
        assert_eq!(odd.delay(1, 0.0), Duration::from_secs(1));
    }
}
