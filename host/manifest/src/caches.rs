//! `[plugins.NAME.caches.BUCKET]`: the buckets that a plugin has in the host's memory.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_types::{BucketId, BucketName, ByteSize};
use toml::Value;

use crate::read::{Item, Read, join};
use crate::second_tier::{self, SecondTier};

/// As long as anything in memory can be meant to live.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const MILLISECOND: Duration = Duration::from_millis(1);
/// A smaller bucket holds no entry of a useful size.
const BYTES_MIN: ByteSize = ByteSize::kib(4);
const BYTES_MAX: ByteSize = ByteSize::mib(1 << 20);
/// More often than this would not gather changes, but pass them on.
const EVERY_MIN: Duration = Duration::from_millis(10);
/// What is further behind should rather persist.
const EVERY_MAX: Duration = Duration::from_secs(3600);
/// A value that is written behind must fit a commit of the store, with others beside it.
const BEHIND_VALUE_MAX: ByteSize = ByteSize::mib(32);

/// What a bucket does when it is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheKind {
    /// It evicts what is least worth keeping.
    #[default]
    Cache,
    /// It refuses the write.
    Table,
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// What it does when it is full. Default: it evicts.
    pub kind: CacheKind,
    /// The most entries. Default: as many as the bytes allow.
    pub entries: Option<u64>,
    /// The most bytes: keys, values and what the host needs for each entry. Default 16 MiB, 4 KiB to 1 TiB.
    pub bytes: ByteSize,
    /// The longest value. Default 1 MiB, or `bytes` where that is less.
    pub value_bytes: ByteSize,
    /// How long an entry lives that is written without a time of its own. Default: until it is evicted or deleted.
    pub ttl: Option<Duration>,
    /// How long an entry lives that nobody reads or writes. Default: no such limit.
    pub idle: Option<Duration>,
    /// How long past its end an entry is kept for callers that take a stale value. Default: not at all.
    pub stale: Duration,
    /// Whether a graceful shutdown saves the bucket and the next start restores it. Default false.
    pub persist: bool,
    /// Whether changes of a table go to the plugin's store behind the writer's back, from where a start restores it, also
    /// after a kill. Default: they do not.
    pub write_behind: Option<WriteBehind>,
    /// The Redis behind it, which several hosts share. Default: none.
    pub l2: Option<SecondTier>,
}

/// How changes of a table go to the store.
///
/// A host that is killed loses what was changed within the last `every`, plus what a commit takes, and all that was changed
/// while the store failed. A graceful shutdown loses nothing that the store takes. What is in the store counts against the
/// plugin's `store.quota`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteBehind {
    /// The time between two rounds; a key that changes several times in it is written once. Default 1 s, 10 ms to 1 h.
    pub every: Duration,
}

/// What another plugin may do with a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheAccess {
    /// Look, and nothing else.
    Read,
    /// Everything.
    ReadWrite,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            kind: CacheKind::default(),
            entries: None,
            bytes: ByteSize::mib(16),
            value_bytes: ByteSize::mib(1),
            ttl: None,
            idle: None,
            stale: Duration::ZERO,
            persist: false,
            write_behind: None,
            l2: None,
        }
    }
}

impl Default for WriteBehind {
    fn default() -> Self {
        Self { every: Duration::from_secs(1) }
    }
}

/// Reads all buckets of a plugin.
pub(crate) fn read(item: &Item<'_>) -> Option<BTreeMap<BucketName, CacheConfig>> {
    let Value::Table(table) = item.value else {
        return item.expected("a table for each bucket, `[plugins.NAME.caches.BUCKET]`");
    };
    let mut buckets = BTreeMap::new();
    for (key, value) in table {
        let entry = item.child(join(&item.path, key), value);
        let name = BucketName::new(key).map_err(|error| match bucket_name(key) {
            Some(near) => entry.fail::<()>(format!("{error}; `{near}` would do")),
            None => entry.fail(error.to_string()),
        });
        let config = CacheConfig::read(&entry);
        if let (Ok(name), Some(config)) = (name, config) {
            buckets.insert(name, config);
        }
    }
    Some(buckets)
}

/// A text made into a bucket's name, if it has a letter or digit to make one from.
fn bucket_name(text: &str) -> Option<BucketName> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: Vec<_> = text.split(|c| !allowed(c)).filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-").to_ascii_lowercase();
    name.truncate(64);
    BucketName::new(&name).ok()
}

impl Read for CacheConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut bucket = Self::default();
        table.set("kind", &mut bucket.kind);
        let mut entries = u64::MAX;
        table.bounded("entries", &mut entries, 1..=u64::MAX);
        bucket.entries = (entries != u64::MAX).then_some(entries);
        table.bounded("bytes", &mut bucket.bytes, BYTES_MIN..=BYTES_MAX);
        bucket.value_bytes = bucket.value_bytes.min(bucket.bytes);
        table.bounded("value_bytes", &mut bucket.value_bytes, ByteSize(1)..=bucket.bytes);
        for (key, slot) in [("ttl", &mut bucket.ttl), ("idle", &mut bucket.idle)] {
            let mut time = Duration::ZERO;
            table.bounded(key, &mut time, MILLISECOND..=YEAR);
            *slot = (time != Duration::ZERO).then_some(time);
        }
        table.bounded("stale", &mut bucket.stale, Duration::ZERO..=YEAR);
        table.set("persist", &mut bucket.persist);
        if let Some(item) = table.item("write_behind") {
            bucket.write_behind = read_write_behind(&item).unwrap_or_default();
            if bucket.write_behind.is_some() {
                bucket.check_write_behind(&item);
            }
        }
        if let Some(item) = table.item("l2") {
            bucket.l2 = SecondTier::read(&item);
            second_tier::check(&bucket, &item);
        }
        table.finish();
        Some(bucket)
    }
}

impl CacheConfig {
    fn check_write_behind(&self, item: &Item<'_>) {
        if self.kind == CacheKind::Cache {
            item.fail::<()>(
                "is for `kind = \"table\"`: a cache evicts, and what it evicts would be missing until the next start; \
                 write that kind, or use the store itself",
            );
        }
        if self.persist {
            item.fail::<()>("cannot go with `persist`: the store keeps the bucket already; write one of them");
        }
        if self.value_bytes > BEHIND_VALUE_MAX {
            item.fail::<()>(format!("takes values of at most {BEHIND_VALUE_MAX}: lower `value_bytes`"));
        }
    }
}

fn read_write_behind(item: &Item<'_>) -> Option<Option<WriteBehind>> {
    match item.value {
        Value::Boolean(behind) => Some(behind.then(WriteBehind::default)),
        Value::Table(_) => WriteBehind::read(item).map(Some),
        _ => item.expected("true, or a table such as { every = \"1s\" }"),
    }
}

impl Read for WriteBehind {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut write_behind = Self::default();
        table.bounded("every", &mut write_behind.every, EVERY_MIN..=EVERY_MAX);
        table.finish();
        Some(write_behind)
    }
}

impl Read for CacheKind {
    fn read(item: &Item<'_>) -> Option<Self> {
        const HOW: &str = "\"cache\", which evicts, or \"table\", which refuses writes when it is full";
        match item.value {
            Value::String(text) if text == "cache" => Some(Self::Cache),
            Value::String(text) if text == "table" => Some(Self::Table),
            Value::String(text) => item.fail(format!("`{text}` is not a kind of bucket: write {HOW}")),
            _ => item.expected(HOW),
        }
    }
}

/// Reads the buckets of others that a plugin is granted.
pub(crate) fn read_grants(item: &Item<'_>) -> Option<BTreeMap<BucketId, CacheAccess>> {
    let Value::Table(table) = item.value else {
        return item.expected("a table such as { \"shop/sessions\" = \"read\" }");
    };
    let mut grants = BTreeMap::new();
    for (key, value) in table {
        let entry = item.child(join(&item.path, key), value);
        let id = key.parse::<BucketId>().map_err(|error| entry.fail::<()>(error.to_string()));
        let access = CacheAccess::read(&entry);
        if let (Ok(id), Some(access)) = (id, access) {
            grants.insert(id, access);
        }
    }
    Some(grants)
}

impl Read for CacheAccess {
    fn read(item: &Item<'_>) -> Option<Self> {
        const HOW: &str = "\"read\" or \"read-write\"";
        match item.value {
            Value::String(text) if text == "read" => Some(Self::Read),
            Value::String(text) if text == "read-write" => Some(Self::ReadWrite),
            Value::String(text) => item.fail(format!("`{text}` is not known here; write {HOW}")),
            _ => item.expected(HOW),
        }
    }
}
