//! The databases of a node: from a manifest to the engine, and their schemas up to date before a revision serves.
//!
//! ```text
//! DATA/sql/PLUGIN/DATABASE.sqlite    with `…-wal` and `…-shm` beside it, unless the database is a PostgreSQL's
//! ```

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use skep_manifest::{Durability, Manifest, PluginConfig, PostgresConfig, PostgresUrl, SqlAccess, SqlConfig, SqlPlace};
use skep_runtime::{Access, GrantedDatabase, SqlDialect};
use skep_sql::{Database, Migrations, PostgresOptions, SessionLimits, SqliteOptions};
use skep_types::{ByteSize, Clock, DatabaseId, DatabaseName, PluginName};

use crate::database_meter::DatabaseMeter;
use crate::spec::Settings;

/// The most that a page may take of the memory which one answer to a guest may have.
const PAGE_SHARE: u64 = 2;

/// All databases of a node.
pub struct Databases {
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    /// Tells secrets apart without keeping them.
    hasher: RandomState,
    open: ArcSwap<Opened>,
    meters: Mutex<BTreeMap<DatabaseId, DatabaseMeter>>,
}

type Opened = BTreeMap<DatabaseId, Open>;

/// One of them.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) database: Database,
    pub(crate) config: SqlConfig,
    /// The file, if it is one.
    pub(crate) file: Option<PathBuf>,
    /// Tells one PostgreSQL from another. 0 for files.
    tag: u64,
}

/// The databases of a manifest, ready but not in place: nothing of the running node is changed by them.
pub(crate) struct WantedDatabases {
    all: Opened,
    /// Those that a revision which serves has not, or has otherwise.
    news: Vec<DatabaseId>,
}

impl Databases {
    /// No databases yet; the files are below the data directory.
    pub(crate) fn new(data: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            folder: data.join("sql"),
            hasher: RandomState::new(),
            open: ArcSwap::default(),
            meters: Mutex::default(),
        }
    }

    /// Makes the databases of a manifest ready. Those that are there already stay what they are, with the limits that the manifest
    /// says now.
    ///
    /// # Errors
    /// When a secret cannot be read, or a file not be opened. That a PostgreSQL cannot be reached is no error, unless there are
    /// migrations for it, which is found out when they are to be applied.
    pub(crate) async fn prepare(&self, manifest: &Manifest) -> anyhow::Result<WantedDatabases> {
        let before = self.open.load_full();
        let (mut all, mut news) = (Opened::new(), Vec::new());
        for (id, config) in declared(manifest) {
            let url = match &config.place {
                SqlPlace::Sqlite(_) => None,
                SqlPlace::Postgres(postgres) => {
                    Some(full_url(postgres).with_context(|| format!("the database `{id}`"))?)
                }
            };
            let tag = url.as_ref().map_or(0, |url| self.hasher.hash_one(url));
            let known = before.get(&id).filter(|open| open.tag == tag && is_same(&open.config, &config));
            let open = match known {
                Some(open) => Open { config: config.clone(), ..open.clone() },
                None => self.open(&id, &config, url, tag).await.with_context(|| format!("the database `{id}`"))?,
            };
            if known.is_none_or(|open| open.config != config) {
                news.push(id.clone());
            }
            all.insert(id, open);
        }
        Ok(WantedDatabases { all, news })
    }

    async fn open(&self, id: &DatabaseId, config: &SqlConfig, url: Option<String>, tag: u64) -> anyhow::Result<Open> {
        let (database, file) = match (&config.place, url) {
            (SqlPlace::Sqlite(sqlite), _) => {
                let path = self.file(id);
                let folder = path.parent().unwrap_or(&self.folder);
                std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
                let options = SqliteOptions {
                    durability: match sqlite.durability {
                        Durability::Full => skep_sql::Durability::Full,
                        Durability::Normal => skep_sql::Durability::Normal,
                    },
                    readers: NonZeroUsize::try_from(config.connections).unwrap_or(NonZeroUsize::MIN),
                    waiting_max: config.queue,
                    size_max: sqlite.max_size,
                    ..SqliteOptions::new(path.clone())
                };
                (Database::sqlite(options, Arc::clone(&self.clock)), Some(path))
            }
            (SqlPlace::Postgres(_), url) => {
                let options = PostgresOptions {
                    connections: config.connections,
                    waiting_max: config.queue,
                    ..PostgresOptions::new(url.unwrap_or_default())
                };
                (Database::postgres(options, Arc::clone(&self.clock))?, None)
            }
        };
        match database.check().await {
            Ok(()) => {}
            // It may come back any moment, and not all that the plugin does may need it.
            Err(error) if file.is_none() => tracing::warn!(database = %id, %error, "the database cannot be used yet"),
            Err(error) => return Err(error.into()),
        }
        Ok(Open { database, config: config.clone(), file, tag })
    }

    /// Puts prepared databases in place of those that are there. What calls still hold of those that left, they keep.
    pub(crate) fn put_in_place(&self, wanted: WantedDatabases) {
        self.open.store(Arc::new(wanted.all));
    }

    /// What a plugin may open, of the databases that are in place.
    pub(crate) fn granted(&self, settings: &Settings) -> Vec<GrantedDatabase> {
        granted(settings, &self.open.load())
    }

    /// Brings the schemas of a plugin's databases up to their folders, of those that are in place.
    ///
    /// # Errors
    /// What is wrong with a migration. Those before it stay applied.
    pub(crate) async fn migrate(&self, plugin: &PluginName) -> anyhow::Result<()> {
        migrate(&self.open.load_full(), plugin).await
    }

    /// One database.
    pub(crate) fn get(&self, id: &DatabaseId) -> Option<Open> {
        self.open.load().get(id).cloned()
    }

    /// All databases, by name.
    pub(crate) fn list(&self) -> Arc<Opened> {
        self.open.load_full()
    }

    /// Brings the metrics up to date.
    pub(crate) fn measure(&self) {
        // Held throughout: two that measure at once would count the same twice.
        let mut meters = self.meters.lock();
        let all = self.open.load_full();
        meters.retain(|id, meter| {
            let is_there = all.contains_key(id);
            if !is_there {
                meter.gone();
            }
            is_there
        });
        for (id, open) in all.iter() {
            let meter = meters.entry(id.clone()).or_insert_with_key(DatabaseMeter::new);
            meter.measure(&open.database.stats(), open.size());
        }
    }

    fn file(&self, id: &DatabaseId) -> PathBuf {
        self.folder.join(id.owner.as_str()).join(format!("{}.sqlite", id.name))
    }
}

impl Open {
    /// The bytes on disk, with what is not yet in the file itself; none for a PostgreSQL.
    pub(crate) fn size(&self) -> Option<u64> {
        let file = self.file.as_ref()?;
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        Some(bytes(file).saturating_add(bytes(Path::new(&log))))
    }

    /// In whose words it is asked.
    pub(crate) fn dialect(&self) -> SqlDialect {
        match self.config.place {
            SqlPlace::Sqlite(_) => SqlDialect::Sqlite,
            SqlPlace::Postgres(_) => SqlDialect::Postgres,
        }
    }

    /// What bounds whoever uses it, where an answer may have so many bytes.
    pub(crate) fn limits(&self, answer_bytes_max: ByteSize) -> SessionLimits {
        let default = SessionLimits::default();
        let SqlConfig { statement_timeout, transaction_timeout, max_rows, value_bytes, wait, .. } = self.config;
        SessionLimits {
            wait,
            statement: statement_timeout,
            transaction: transaction_timeout,
            value_bytes_max: value_bytes.min(answer_bytes_max),
            row_bytes_max: default.row_bytes_max.min(answer_bytes_max),
            page_bytes_max: default.page_bytes_max.min(ByteSize(answer_bytes_max.0 / PAGE_SHARE)),
            result_rows_max: max_rows,
            ..default
        }
    }
}

impl WantedDatabases {
    /// What a plugin may open once these databases are in place.
    pub(crate) fn granted(&self, settings: &Settings) -> Vec<GrantedDatabase> {
        granted(settings, &self.all)
    }

    /// Whether a plugin may open a database that it has not, or has otherwise: a revision keeps those that it was loaded with.
    pub(crate) fn is_news_to(&self, settings: &Settings) -> bool {
        ids(settings).any(|(id, _, _)| self.news.contains(&id))
    }

    /// As [`Databases::migrate`], of these.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn migrate(&self, plugin: &PluginName) -> anyhow::Result<()> {
        migrate(&self.all, plugin).await
    }
}

/// All databases of a manifest.
fn declared(manifest: &Manifest) -> impl Iterator<Item = (DatabaseId, SqlConfig)> {
    let of_plugin = |(owner, plugin): (&PluginName, &PluginConfig)| {
        let id = |name: &DatabaseName| DatabaseId { owner: owner.clone(), name: name.clone() };
        plugin.sql.iter().map(|(name, config)| (id(name), config.clone())).collect::<Vec<_>>()
    };
    manifest.plugins.iter().flat_map(of_plugin)
}

/// Whether the same database serves under both: what differs is told to each session.
fn is_same(before: &SqlConfig, now: &SqlConfig) -> bool {
    let SqlConfig { place, connections, queue, .. } = before;
    (place, connections, queue) == (&now.place, &now.connections, &now.queue)
}

/// The databases that a plugin may open: which, by what name, and for what.
fn ids(settings: &Settings) -> impl Iterator<Item = (DatabaseId, String, Access)> {
    let own = settings.config.sql.iter().map(|(name, config)| {
        let id = DatabaseId { owner: settings.name.clone(), name: name.clone() };
        (id, name.to_string(), if config.read_only { Access::Read } else { Access::ReadWrite })
    });
    let others = settings.config.grants.sql.iter().map(|(id, access)| {
        let access = match access {
            SqlAccess::Read => Access::Read,
            SqlAccess::ReadWrite => Access::ReadWrite,
        };
        (id.clone(), id.to_string(), access)
    });
    own.chain(others)
}

fn granted(settings: &Settings, all: &Opened) -> Vec<GrantedDatabase> {
    let answer_bytes_max = settings.config.limits.host_memory;
    let found = ids(settings).filter_map(|(id, name, access)| {
        let open = all.get(&id)?;
        Some(GrantedDatabase {
            name: name.into(),
            database: open.database.clone(),
            dialect: open.dialect(),
            access,
            limits: open.limits(answer_bytes_max),
        })
    });
    found.collect()
}

/// Whether the migrations of a plugin can be read. It blocks.
///
/// # Errors
/// What is wrong with a folder or a file in it; what is wrong with the SQL shows when it is applied.
pub fn check_migrations(plugin: &PluginConfig) -> anyhow::Result<()> {
    for (name, config) in &plugin.sql {
        if let Some(folder) = &config.migrations {
            Migrations::from_folder(folder).with_context(|| format!("the migrations of the database `{name}`"))?;
        }
    }
    Ok(())
}

async fn migrate(all: &Opened, plugin: &PluginName) -> anyhow::Result<()> {
    for (id, open) in all.iter().filter(|(id, _)| id.owner == *plugin) {
        let Some(folder) = open.config.migrations.clone() else { continue };
        let of = || format!("the migrations of the database `{id}`");
        let read = tokio::task::spawn_blocking(move || Migrations::from_folder(&folder)).await;
        let migrations = read.context("reading a folder failed in the host")?.with_context(of)?;
        // Several plugins may have a PostgreSQL in common.
        let migrations = migrations.of(plugin.as_str());
        let migrated = open.database.migrate(&migrations).await.with_context(of)?;
        for applied in &migrated.applied {
            tracing::info!(database = %id, migration = format!("{:04}_{}", applied.number, applied.name), "migrated");
        }
        if let Some(newest) = migrated.ahead.last() {
            let newest = format!("{:04}_{}", newest.number, newest.name);
            tracing::warn!(
                database = %id, newest,
                "the database is ahead of the folder: it has migrations of a newer revision, which stay"
            );
        }
    }
    Ok(())
}

/// The URL with its password in it.
pub(crate) fn full_url(postgres: &PostgresConfig) -> anyhow::Result<String> {
    let url = match &postgres.url {
        PostgresUrl::Written(url) => url.clone(),
        PostgresUrl::Secret(secret) => secret.resolve().context("its URL")?.expose().to_owned(),
    };
    let Some(password) = &postgres.password else { return Ok(url) };
    let password = password.resolve().context("its password")?;
    with_password(&url, password.expose()).context("its URL has no user whose password this would be")
}

/// Puts a password behind the user, in place of one that is there.
fn with_password(url: &str, password: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (user, host) = authority.rsplit_once('@')?;
    let user = user.split(':').next().filter(|user| !user.is_empty())?;
    Some(format!("{scheme}://{user}:{}@{host}{path}", utf8_percent_encode(password, NON_ALPHANUMERIC)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_behind_its_user() {
        for (url, expected) in [
            ("postgres://app@db/crm", Some("postgres://app:a%40b%3A%2F@db/crm")),
            (
                "postgresql://app:old@db:5433/crm?sslmode=require",
                Some("postgresql://app:a%40b%3A%2F@db:5433/crm?sslmode=require"),
            ),
            ("postgres://app@db", Some("postgres://app:a%40b%3A%2F@db")),
            ("postgres://db/crm?user=a@b", None),
            ("postgres://@db/crm", None),
            ("nonsense", None),
        ] {
            assert_eq!(with_password(url, "a@b:/").as_deref(), expected, "{url}");
        }
    }
}
