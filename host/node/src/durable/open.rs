//! Which store a host has: a file in its data directory, or a PostgreSQL that it may share with others.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;
use skep_manifest::{HostConfig, StorePostgres};
use skep_process::{Keeper, StoreKeeper};
use skep_store::{
    Copied, Durability, Observer, PostgresOptions, PostgresStore, ProcessStore, SqliteOptions, SqliteStore, Store,
};
use skep_types::ByteSize;

use super::VALUE_MAX;
use super::lock::DataLock;
use crate::databases::full_url;

/// The store's file in the data directory.
const FILE: &str = "store.sqlite";
/// Bytes of writes that wait for the disk: over it the store has too much to do.
const WAITING_MAX: ByteSize = ByteSize::mib(128);

/// A store, and where processes are kept, which is the same.
pub(super) struct Opened {
    pub(super) lock: DataLock,
    pub(super) store: Arc<dyn Store>,
    pub(super) keeper: Arc<dyn Keeper>,
    /// Whether no other host has it.
    pub(super) alone: bool,
}

/// Opens what the manifest says.
///
/// # Errors
/// When another host has the data directory, or the store cannot be used; the message says what to do.
pub(super) async fn store(host: &HostConfig, observer: Arc<dyn Observer>) -> anyhow::Result<Opened> {
    let data = host.data.clone();
    let durability = match host.store.durability {
        skep_manifest::Durability::Full => Durability::Full,
        skep_manifest::Durability::Normal => Durability::Normal,
    };
    let sqlite = SqliteOptions {
        durability,
        value_bytes_max: VALUE_MAX,
        commit_bytes_max: VALUE_MAX,
        waiting_bytes_max: WAITING_MAX,
        ..SqliteOptions::new(data.join(FILE))
    };
    let postgres = host.store.postgres.as_ref().map(|config| postgres(config, durability)).transpose()?;
    let open = move || -> anyhow::Result<Opened> {
        let making = || format!("writing to the data directory {}", data.display());
        std::fs::create_dir_all(&data).with_context(making)?;
        let lock = DataLock::take(&data)?;
        Ok(match postgres {
            Some(options) => {
                let store = PostgresStore::open(options, observer).context("the store in PostgreSQL (`host.store`)")?;
                opened(lock, Arc::new(store), false)
            }
            None => opened(lock, Arc::new(SqliteStore::open(sqlite, observer)?), true),
        })
    };
    tokio::task::spawn_blocking(open).await.context("opening the store")?
}

/// Copies the store of a host that is stopped from the file in its data directory to the PostgreSQL that its manifest names. The
/// file stays.
///
/// # Errors
/// When the manifest names none, a host has the data directory, there is nothing to copy, or the schema holds a store already; the
/// message says what to do.
pub async fn copy_store(host: &HostConfig) -> anyhow::Result<Copied> {
    let Some(config) = &host.store.postgres else {
        anyhow::bail!(
            "the manifest names no PostgreSQL: write its `url` into `[host.store]`, then copy, then start the host"
        );
    };
    let (data, options) = (host.data.clone(), postgres(config, Durability::Full)?);
    let copy = move || -> anyhow::Result<Copied> {
        anyhow::ensure!(data.is_dir(), "there is no data directory {}", data.display());
        let _lock = DataLock::take(&data)?;
        skep_store::copy(&data.join(FILE), options).context("copying the store to PostgreSQL (`host.store`)")
    };
    tokio::task::spawn_blocking(copy).await.context("copying the store")?
}

fn opened<S: ProcessStore>(lock: DataLock, store: Arc<S>, alone: bool) -> Opened {
    let keeper: Arc<dyn Keeper> = Arc::new(StoreKeeper::new(Arc::<S>::clone(&store)));
    Opened { lock, store, keeper, alone }
}

fn postgres(config: &StorePostgres, durability: Durability) -> anyhow::Result<PostgresOptions> {
    let url = full_url(&config.server).context("the store in PostgreSQL (`host.store`)")?;
    Ok(PostgresOptions {
        schema: config.schema.clone(),
        durability,
        readers: NonZeroUsize::new(config.readers).unwrap_or(NonZeroUsize::MIN),
        waiting_bytes_max: WAITING_MAX,
        value_bytes_max: VALUE_MAX,
        commit_bytes_max: VALUE_MAX,
        pooled: config.pooled,
        ..PostgresOptions::new(url)
    })
}
