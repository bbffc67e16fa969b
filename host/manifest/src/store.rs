//! `[host.store]` and `[plugins.NAME.store]`: what is kept durably; and the keys of other plugins that a plugin may use.

use std::collections::BTreeMap;

use skep_types::ByteSize;

use crate::keys::KeySelector;
use crate::read::{Item, Read, Section};
use crate::sql::{PostgresConfig, read_server};

/// A smaller store holds no data of a useful size.
const QUOTA_MIN: ByteSize = ByteSize::kib(4);
const QUOTA_MAX: ByteSize = ByteSize::mib(1 << 20);
/// A value is copied through the host's memory whenever it is read or written; what is longer belongs into a file.
const VALUE_MAX: ByteSize = ByteSize::mib(64);

/// Keys that are for a PostgreSQL only.
const ONLY_WITH_URL: [&str; 3] = ["schema", "pooled", "readers"];
/// Each is a connection of the server, which all hosts have together.
const READERS_MAX: usize = 64;

/// `[host.store]`: the node's durable store. A change takes effect when the node is restarted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostStoreConfig {
    /// What a commit that was answered survives. Default: everything.
    pub durability: Durability,
    /// The database that it is in, which several hosts may share. Default: none, a SQLite file in the data folder.
    pub postgres: Option<StorePostgres>,
}

/// A store in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePostgres {
    /// Where it is.
    pub server: PostgresConfig,
    /// The schema that everything of the store is in; hosts that name the same one share it. Default `skep`; 1 to 63 lower-case
    /// letters, digits and `_`.
    pub schema: String,
    /// Whether a pooler is between the host and the server that gives a connection to each transaction, as PgBouncer does.
    /// Default false.
    pub pooled: bool,
    /// Connections that read. Default 2, 1 to 64; one more writes, and one listens.
    pub readers: usize,
}

/// What a commit that was answered survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// A loss of power: it is answered after an fsync, which commits that come together share.
    #[default]
    Full,
    /// A host that is killed. A loss of power may take the last commits, and never leaves a part of one.
    Normal,
}

/// `[plugins.NAME.store]`: what bounds the durable side of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The bytes of all its items, jobs and messages on their way, and of its tables that are written behind, with what the
    /// host needs for each. Default 1 GiB, 4 KiB to 1 TiB. Over it a commit is refused as `quota`; jobs that are at work can
    /// still end, and such a table waits in memory for room.
    pub quota: ByteSize,
    /// The longest value. Default 1 MiB, or `quota` where that is less; at most 64 MiB.
    pub value_bytes: ByteSize,
}

/// What a plugin may do with keys of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreAccess {
    /// Read and list them, and check their versions in a commit.
    Read,
    /// Everything. What it writes counts against the quota of the plugin whose keys they are.
    ReadWrite,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { quota: ByteSize::mib(1 << 10), value_bytes: ByteSize::mib(1) }
    }
}

impl StoreAccess {
    /// Whether it allows to write.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::ReadWrite)
    }
}

impl HostStoreConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut store = Self::default();
        table.set("durability", &mut store.durability);
        store.postgres = StorePostgres::read(&mut table);
        (store, table.finish())
    }
}

impl StorePostgres {
    fn read(table: &mut Section<'_>) -> Option<Self> {
        let server = read_server(table);
        let mut schema = "skep".to_owned();
        if let Some(item) = table.item("schema") {
            schema = read_schema(&item).unwrap_or(schema);
        }
        let (mut pooled, mut readers) = (false, 2);
        table.set("pooled", &mut pooled);
        table.bounded("readers", &mut readers, 1..=READERS_MAX);
        if server.is_none() {
            for item in ONLY_WITH_URL.iter().filter_map(|key| table.item(key)) {
                item.fail::<()>("is for a PostgreSQL: write its `url`, or leave this away for a SQLite file");
            }
        }
        Some(Self { server: server??, schema, pooled, readers })
    }
}

fn read_schema(item: &Item<'_>) -> Option<String> {
    let name = String::read(item)?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if (1..=63).contains(&name.len()) && name.chars().all(fits) && !name.starts_with("pg_") {
        return Some(name);
    }
    item.fail("is no name for a schema: 1 to 63 lower-case letters, digits and `_`, and not `pg_…`")
}

impl StoreConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut store = Self::default();
        table.bounded("quota", &mut store.quota, QUOTA_MIN..=QUOTA_MAX);
        store.value_bytes = store.value_bytes.min(store.quota);
        table.bounded("value_bytes", &mut store.value_bytes, ByteSize(1)..=store.quota.min(VALUE_MAX));
        (store, table.finish())
    }
}

/// Reads the keys of others that a plugin is granted.
pub(crate) fn read_grants(item: &Item<'_>) -> Option<BTreeMap<KeySelector, StoreAccess>> {
    item.map("a table such as { \"shop/catalog:*\" = \"read\" }")
}

impl Read for Durability {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("full", Self::Full), ("normal", Self::Normal)])
    }
}

impl Read for StoreAccess {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("read", Self::Read), ("read-write", Self::ReadWrite)])
    }
}
