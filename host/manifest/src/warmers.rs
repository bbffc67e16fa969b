//! `[plugins.NAME.warmers.WARMER]`: what a plugin fills before anybody asks for it.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_types::BucketName;
use toml::Value;

use crate::read::{Item, Read, join};

/// More often than this is a loop, not a schedule.
const EVERY_MIN: Duration = Duration::from_millis(100);
const EVERY_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// A warmer's name is written as a bucket's is.
pub type WarmerName = BucketName;

/// One warmer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmerConfig {
    /// The time between the end of a run and the next one, 100 ms to a year. Default: it runs at the start only.
    pub every: Option<Duration>,
    /// Whether the host serves nothing before the first run has succeeded. Default false.
    pub required: bool,
}

/// Reads all warmers of a plugin.
pub(crate) fn read(item: &Item<'_>) -> Option<BTreeMap<WarmerName, WarmerConfig>> {
    let Value::Table(table) = item.value else {
        return item.expected("a table for each warmer, `[plugins.NAME.warmers.WARMER]`");
    };
    let mut warmers = BTreeMap::new();
    for (key, value) in table {
        let entry = item.child(join(&item.path, key), value);
        let name = WarmerName::new(key).map_err(|_| {
            entry.fail::<()>(format!("`{key}` is not a name: 1 to 64 lower-case letters, digits, `-` and `_`"))
        });
        let config = WarmerConfig::read(&entry);
        if let (Ok(name), Some(config)) = (name, config) {
            warmers.insert(name, config);
        }
    }
    Some(warmers)
}

impl Read for WarmerConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut warmer = Self::default();
        let mut every = Duration::ZERO;
        table.bounded("every", &mut every, EVERY_MIN..=EVERY_MAX);
        warmer.every = (every != Duration::ZERO).then_some(every);
        table.set("required", &mut warmer.required);
        table.finish();
        Some(warmer)
    }
}
