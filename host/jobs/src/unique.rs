//! What makes two jobs the same kind, for a job of which there may be only one.

use std::time::Duration;

use skep_store::{Conflict, JobState, Replace, StateSet, Timestamp, Unique};
use skep_types::HandlerName;

/// In which states a job keeps others out, unless its author says otherwise: all but `cancelled` and `discarded`, as Oban's.
pub const STATES: StateSet = StateSet::of(&[
    JobState::Suspended,
    JobState::Scheduled,
    JobState::Available,
    JobState::Executing,
    JobState::Retryable,
    JobState::Completed,
]);
/// For how long a job keeps others out, unless its author says otherwise: as Oban's.
pub const PERIOD: Duration = Duration::from_secs(60);
/// The longest key of a caller, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// There is at most one job of this kind, however many insert it at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueSpec {
    /// For how long after its insertion a job keeps others out; none: for as long as it is in one of the states. Default:
    /// [`PERIOD`].
    pub period: Option<Duration>,
    /// What has to be the same, beside the name. Default: queue and arguments, as Oban's.
    pub by: Parts,
    /// The caller's own part of it, at most [`KEY_BYTES_MAX`]. Default: none.
    pub key: Option<String>,
    /// In which states a job keeps others out. Default: [`STATES`].
    pub states: StateSet,
    /// What becomes of the new one. Default: the one that is there is answered.
    pub conflict: Conflict,
    /// What of the old one is overwritten. Default: nothing.
    pub replace: Replace,
}

impl Default for UniqueSpec {
    fn default() -> Self {
        Self {
            period: Some(PERIOD),
            by: Parts { queue: true, args: true },
            key: None,
            states: STATES,
            conflict: Conflict::default(),
            replace: Replace::default(),
        }
    }
}

/// Parts of a job that have to be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Its queue.
    pub queue: bool,
    /// Its arguments, byte by byte.
    pub args: bool,
}

impl UniqueSpec {
    /// As the store wants it, for a job of this name that is inserted now. Which parts count is part of the digest, so that
    /// two kinds never meet by accident.
    #[must_use]
    pub fn resolve(&self, name: &HandlerName, queue: &HandlerName, args: &[u8], now: Timestamp) -> Unique {
        let parts = [
            Some(name.as_str().as_bytes()),
            self.by.queue.then(|| queue.as_str().as_bytes()),
            self.by.args.then_some(args),
            self.key.as_deref().map(str::as_bytes),
        ];
        let until = self.period.map(|period| now.saturating_add(u64::try_from(period.as_millis()).unwrap_or(u64::MAX)));
        let Self { states, conflict, replace, .. } = *self;
        Unique { key: digest(&parts), until, states, conflict, replace }
    }
}

/// The first 16 bytes of a hash over the parts, each with its length, an absent one as such.
fn digest(parts: &[Option<&[u8]>]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("skep jobs 2025 unique");
    for part in parts {
        match part {
            None => hasher.update(&[0]),
            Some(part) => hasher.update(&[1]).update(&(part.len() as u64).to_le_bytes()).update(part),
        };
    }
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digest_is_stable() {
        // It is kept in the store, so that another version of the host has to give the same.
        let name = HandlerName::new("welcome").unwrap();
        let queue = HandlerName::new("mail").unwrap();
        let unique = UniqueSpec::default().resolve(&name, &queue, b"{}", 1000);
        assert_eq!(unique.until, Some(61_000));
        assert_eq!(format!("{:032x}", u128::from_be_bytes(unique.key)), "fe40d94991c054ecc90939f229afd293");
    }

    #[test]
    fn the_default_states_are_obans() {
        let out: Vec<_> = JobState::ALL.into_iter().filter(|state| !STATES.has(*state)).collect();
        assert_eq!(out, [JobState::Cancelled, JobState::Discarded]);
    }

    #[derive(Clone, Debug, PartialEq)]
    struct Kind {
        name: String,
        queue: String,
        args: Vec<u8>,
        by: (bool, bool),
        key: Option<String>,
    }

    fn kind() -> impl Strategy<Value = Kind> {
        let short = proptest::collection::vec(0u8..2, 0..3);
        ("[ab]{1,2}", "[ab]{1,2}", short, any::<(bool, bool)>(), proptest::option::of("[ab]{0,2}"))
            .prop_map(|(name, queue, args, by, key)| Kind { name, queue, args, by, key })
    }

    impl Kind {
        fn digest(&self) -> [u8; 16] {
            let by = Parts { queue: self.by.0, args: self.by.1 };
            let spec = UniqueSpec { by, key: self.key.clone(), ..UniqueSpec::default() };
            let (name, queue) = (HandlerName::new(&self.name).unwrap(), HandlerName::new(&self.queue).unwrap());
            spec.resolve(&name, &queue, &self.args, 0).key
        }

        /// What counts of it.
        fn counts(&self) -> Self {
            let mut this = self.clone();
            if !this.by.0 {
                this.queue.clear();
            }
            if !this.by.1 {
                this.args.clear();
            }
            this
        }
    }

    proptest! {
        #[test]
        fn two_kinds_are_the_same_exactly_if_all_that_counts_is(one in kind(), other in kind()) {
            prop_assert_eq!(one.digest() == other.digest(), one.counts() == other.counts());
            prop_assert_eq!(one.digest(), one.clone().digest());
        }
    }
}
