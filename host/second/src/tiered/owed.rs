//! Keys whose last change may not have reached the second tier, until it has them right again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Keys that may be owed. Overload policy: one more, and all entries of the bucket are made void instead.
pub const OWED_MAX: usize = 10_000;

#[derive(Default)]
pub(super) struct Owed {
    // Locked for moments, over no await.
    state: Mutex<State>,
    /// Whether there is anything, so that the usual read takes no lock.
    any: AtomicBool,
    pub(super) wake: Notify,
}

#[derive(Default)]
struct State {
    /// With the number of the change that is owed: a later one is not paid with it.
    keys: HashMap<Box<str>, u64>,
    all: Option<u64>,
    last: u64,
}

/// What is to be paid next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Keys(Vec<(Box<str>, u64)>),
    All(u64),
}

impl Owed {
    pub(super) fn add(&self, key: &str) {
        self.edit(|state| {
            if state.keys.len() >= OWED_MAX && !state.keys.contains_key(key) {
                state.add_all();
            } else {
                state.last += 1;
                state.keys.insert(key.into(), state.last);
            }
        });
        self.wake.notify_one();
    }

    pub(super) fn add_all(&self) {
        self.edit(State::add_all);
        self.wake.notify_one();
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.any.load(SeqCst) && {
            let state = self.state.lock();
            state.all.is_some() || state.keys.contains_key(key)
        }
    }

    /// How many keys; of a whole bucket one.
    pub(super) fn len(&self) -> u64 {
        let state = self.state.lock();
        state.keys.len() as u64 + u64::from(state.all.is_some())
    }

    pub(super) fn due(&self, keys_max: usize) -> Option<Due> {
        let state = self.state.lock();
        if let Some(number) = state.all {
            return Some(Due::All(number));
        }
        let keys: Vec<_> = state.keys.iter().take(keys_max).map(|(key, number)| (key.clone(), *number)).collect();
        (!keys.is_empty()).then_some(Due::Keys(keys))
    }

    /// Returns whether nothing is owed of the key any more: it has not changed since.
    pub(super) fn paid(&self, key: &str, number: u64) -> bool {
        self.edit(|state| {
            let unchanged = state.keys.get(key) == Some(&number);
            if unchanged {
                state.keys.remove(key);
            }
            unchanged
        })
    }

    /// All that was owed up to this number.
    pub(super) fn paid_all(&self, up_to: u64) {
        self.edit(|state| {
            state.keys.retain(|_, number| *number > up_to);
            state.all = state.all.filter(|number| *number > up_to);
        });
    }

    fn edit<R>(&self, edit: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let answer = edit(&mut state);
        self.any.store(state.all.is_some() || !state.keys.is_empty(), SeqCst);
        answer
    }
}

impl State {
    fn add_all(&mut self) {
        self.last += 1;
        self.all = Some(self.last);
        self.keys = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(owed: &Owed) -> Vec<(Box<str>, u64)> {
        match owed.due(usize::MAX) {
            Some(Due::Keys(keys)) => keys,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_that_changed_again_is_still_owed() {
        let owed = Owed::default();
        assert_eq!((owed.has("a"), owed.due(1)), (false, None));
        owed.add("a");
        let first = due(&owed);
        owed.add("a");
        assert!(!owed.paid("a", first[0].1));
        assert!(owed.has("a") && !owed.has("b"));
        assert!(owed.paid("a", due(&owed)[0].1));
        assert_eq!((owed.has("a"), owed.len()), (false, 0));
    }

    #[test]
    fn too_many_keys_are_all() {
        let owed = Owed::default();
        (0..OWED_MAX).for_each(|number| owed.add(&number.to_string()));
        owed.add("0");
        assert_eq!((owed.len(), owed.has("x")), (OWED_MAX as u64, false));
        owed.add("x");
        assert_eq!((owed.len(), owed.has("y")), (1, true));
        let Some(Due::All(number)) = owed.due(1) else { panic!("all are due") };
        owed.add("y");
        owed.paid_all(number);
        // It was changed after all was void.
        assert_eq!((owed.has("y"), owed.has("x"), owed.len()), (true, false, 1));
    }
}
