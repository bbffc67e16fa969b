//! One bucket of the double. Its rules are those of the host's engine, without eviction.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::Rules;
use crate::__private::bindings::imports::skep::plugin::{
    cache::{Condition, Lifetime},
    types::Error,
};

/// As in the host.
const KEY_BYTES_MAX: usize = 1024;
/// What a bucket has unless the manifest says otherwise.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

#[derive(Default)]
pub(super) struct Store {
    pub(super) rules: Rules,
    pub(super) slots: BTreeMap<String, Slot>,
    /// Who loads a key.
    pub(super) loading: HashMap<String, u64>,
    /// Who holds a lock: its fence.
    pub(super) locks: HashMap<String, u64>,
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) loads: u64,
    pub(super) expirations: u64,
}

pub(super) struct Slot {
    pub(super) value: Vec<u8>,
    pub(super) version: u64,
    pub(super) expires: Option<Duration>,
    touched: Duration,
}

impl Slot {
    /// When it ends, by its own time or for want of readers.
    fn end(&self, rules: &Rules) -> Duration {
        let idle = rules.idle.map_or(Duration::MAX, |idle| self.touched.saturating_add(idle));
        self.expires.unwrap_or(Duration::MAX).min(idle)
    }
}

impl Store {
    /// Forgets what nobody may see any more.
    pub(super) fn sweep(&mut self, now: Duration) {
        let (rules, before) = (&self.rules, self.slots.len());
        self.slots.retain(|_, slot| now < slot.end(rules).saturating_add(rules.stale));
        self.expirations += (before - self.slots.len()) as u64;
    }

    pub(super) fn live(&self, key: &str, now: Duration) -> Option<&Slot> {
        self.slots.get(key).filter(|slot| now < slot.end(&self.rules))
    }

    /// A value past its end that the bucket still keeps.
    pub(super) fn stale(&self, key: &str, now: Duration) -> Option<Vec<u8>> {
        let slot = self.slots.get(key).filter(|slot| now >= slot.end(&self.rules))?;
        Some(slot.value.clone())
    }

    /// A read that counts, and that keeps an idle entry alive.
    pub(super) fn read(&mut self, key: &str, now: Duration) -> Option<&Slot> {
        let rules = &self.rules;
        let Some(slot) = self.slots.get_mut(key).filter(|slot| now < slot.end(rules)) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        slot.touched = now;
        Some(slot)
    }

    pub(super) fn put(
        &mut self,
        (key, value): (&str, &[u8]),
        lifetime: Lifetime,
        condition: Condition,
        (now, version): (Duration, u64),
    ) -> Result<u64, Error> {
        check_entry(key, value)?;
        let before = self.live(key, now).map(|slot| (slot.version, slot.expires));
        let allowed = match condition {
            Condition::Always => true,
            Condition::IfAbsent => before.is_none(),
            Condition::IfVersion(version) => before.is_some_and(|(before, _)| before == version),
        };
        if !allowed {
            return Err(Error::Conflict);
        }
        if self.rules.full && !self.slots.contains_key(key) {
            return Err(Error::Full);
        }
        let expires = self.expires(lifetime, now, before.map(|(_, expires)| expires));
        self.slots.insert(key.to_owned(), Slot { value: value.to_owned(), version, expires, touched: now });
        // Whoever loads this key has been overtaken.
        self.loading.remove(key);
        Ok(version)
    }

    /// Removes an entry and returns its value. A load that is under way has read what was true before.
    pub(super) fn remove(&mut self, key: &str, now: Duration) -> Option<Vec<u8>> {
        self.loading.remove(key);
        let live = self.live(key, now).is_some();
        self.slots.remove(key).filter(|_| live).map(|slot| slot.value)
    }

    pub(super) fn touch(&mut self, key: &str, lifetime: Lifetime, now: Duration) -> bool {
        let Some(before) = self.live(key, now).map(|slot| slot.expires) else { return false };
        let expires = self.expires(lifetime, now, Some(before));
        if let Some(slot) = self.slots.get_mut(key) {
            (slot.expires, slot.touched) = (expires, now);
        }
        true
    }

    fn expires(&self, lifetime: Lifetime, now: Duration, kept: Option<Option<Duration>>) -> Option<Duration> {
        let standard = || self.rules.ttl.map(|ttl| now.saturating_add(ttl));
        match lifetime {
            Lifetime::Standard => standard(),
            Lifetime::After(millis) => Some(now.saturating_add(Duration::from_millis(millis))),
            Lifetime::Unlimited => None,
            Lifetime::Keep => kept.unwrap_or_else(standard),
        }
    }
}

pub(super) fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > KEY_BYTES_MAX { Err(Error::Invalid("the key is longer than 1024 bytes".into())) } else { Ok(()) }
}

/// Both limits of an entry.
pub(super) fn check_entry(key: &str, value: &[u8]) -> Result<(), Error> {
    check_key(key)?;
    if value.len() > VALUE_BYTES_MAX { Err(Error::TooLarge(VALUE_BYTES_MAX as u64)) } else { Ok(()) }
}
