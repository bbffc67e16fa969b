//! The buckets of a node: from a manifest to the engine, and to disk, the store or a second tier and back.
//!
//! ```text
//! DATA/caches/PLUGIN/BUCKET.skepcache    a bucket with `persist = true`, as the last graceful shutdown left it
//! DATA/store.sqlite                      among other things, a table with `write_behind`, as it was a moment ago
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use skep_cache::{Bucket, BucketOptions, Caches, CachesOptions, Change, Kind, Plan, SaveError};
use skep_manifest::{CacheAccess, CacheConfig, CacheKind, Manifest};
use skep_runtime::{Access, GrantedBucket};
use skep_second::{AnyBucket, NOTE_BYTES, Tiered};
use skep_store::Store;
use skep_types::{BucketId, ByteSize, Clock, PluginName};

use crate::behinds::Behinds;
use crate::bucket_meter::BucketMeter;
use crate::seconds::{self, Seconds, Tiers};
use crate::spec::Settings;

/// Slots that one sweep looks at. Some ten nanoseconds each: a sweep never holds a worker for longer than a request.
const SWEEP_SLOTS: u64 = 100_000;

type Configs = BTreeMap<BucketId, CacheConfig>;

/// All buckets of a node.
pub struct Buckets {
    caches: Caches,
    behinds: Behinds,
    seconds: Seconds,
    folder: PathBuf,
    configs: ArcSwap<Configs>,
    meters: Mutex<BTreeMap<BucketId, BucketMeter>>,
}

/// The buckets of a manifest, ready but not in place: nothing of the running node is changed by them.
pub(crate) struct Wanted {
    plan: Plan,
    configs: Configs,
    tiers: Tiers,
    tier_options: BTreeMap<BucketId, skep_second::Options>,
}

/// Buckets that left with a manifest and are to be saved: they come back with their entries if it takes them up again.
pub(crate) struct Left(Vec<(BucketId, Arc<Bucket>)>);

impl Buckets {
    /// No buckets yet; the files are below the data directory.
    pub(crate) fn new(manifest: &Manifest, clock: Arc<dyn Clock>, store: Arc<dyn Store>) -> Self {
        Self {
            behinds: Behinds::new(store, Arc::clone(&clock)),
            seconds: Seconds::new(Arc::clone(&clock)),
            caches: Caches::new(CachesOptions { memory: manifest.host.cache_memory, clock }),
            folder: manifest.host.data.join("caches"),
            configs: ArcSwap::default(),
            meters: Mutex::default(),
        }
    }

    /// Makes the buckets of a manifest ready. New ones that persist, or are written behind, have their entries of the last
    /// time.
    ///
    /// # Errors
    /// When the store cannot be read: a table that began empty would take the place of what the store has; or a secret of a
    /// second tier. That a second tier cannot be reached is no error.
    pub(crate) async fn prepare(&self, manifest: &Manifest) -> anyhow::Result<Wanted> {
        let of_plugin = |(owner, plugin): (&PluginName, &skep_manifest::PluginConfig)| {
            let id = |name: &skep_types::BucketName| BucketId { owner: owner.clone(), name: name.clone() };
            plugin.caches.iter().map(|(name, config)| (id(name), config.clone())).collect::<Vec<_>>()
        };
        let configs: Configs = manifest.plugins.iter().flat_map(of_plugin).collect();
        let mut seconds = BTreeMap::new();
        for (id, config) in &configs {
            if let Some(settings) = self.seconds.read(id, config)? {
                seconds.insert(id.clone(), settings);
            }
        }
        let tier_options = seconds.iter().map(|(id, settings)| (id.clone(), settings.options())).collect();
        let wanted = |(id, config): (&BucketId, &CacheConfig)| {
            let second = seconds.get(id);
            (id.clone(), options(config, second, self.seconds.tag(second)))
        };
        let plan = self.caches.plan(configs.iter().map(wanted));
        let fresh: BTreeMap<_, _> = plan.fresh().map(|(id, bucket)| (id.clone(), Arc::clone(bucket))).collect();
        let mut tiers = Tiers::new();
        for (id, settings) in seconds {
            let tier = match fresh.get(&id) {
                Some(bucket) => Some(self.seconds.start(&id, bucket, settings)?),
                None => self.seconds.tier(&id),
            };
            tiers.extend(tier.map(|tier| (id, tier)));
        }
        for (id, bucket) in plan.fresh() {
            let Some(config) = configs.get(id) else { continue };
            if config.write_behind.is_some() {
                self.behinds.restore(id, bucket).await?;
            } else if config.persist {
                restore(id, Arc::clone(bucket), self.file(id)).await;
            }
        }
        Ok(Wanted { plan, configs, tiers, tier_options })
    }

    /// Puts prepared buckets in place of those that are there.
    ///
    /// # Errors
    /// When a table holds more than its new limits allow; nothing is changed then.
    pub(crate) fn put_in_place(&self, wanted: Wanted) -> anyhow::Result<Left> {
        let Wanted { plan, configs, tiers, tier_options } = wanted;
        let applied = self.caches.apply(plan);
        let applied =
            applied.map_err(|refused| anyhow::anyhow!("{refused}: delete some first, or raise its limits"))?;
        self.seconds.put_in_place(tiers, &tier_options);
        let before = self.configs.swap(Arc::new(configs));
        let now = self.configs.load();
        let behind = now.iter().filter_map(|(id, config)| Some((id.clone(), config.write_behind?)));
        self.behinds.put_in_place(&behind.collect(), &self.caches);
        // What was replaced by a bucket of the other kind has a successor, whose file it would overwrite.
        let is_left = |id: &BucketId| before.get(id).is_some_and(|config| config.persist) && !now.contains_key(id);
        Ok(Left(applied.removed.into_iter().filter(|(id, _)| is_left(id)).collect()))
    }

    /// What a plugin may open, of the buckets that are in place.
    pub(crate) fn granted(&self, settings: &Settings) -> Vec<GrantedBucket> {
        granted(settings, |id| self.any(id))
    }

    /// A bucket and its configuration.
    pub(crate) fn get(&self, id: &BucketId) -> Option<(AnyBucket, CacheConfig)> {
        let config = self.configs.load().get(id).cloned()?;
        Some((self.any(id)?, config))
    }

    fn any(&self, id: &BucketId) -> Option<AnyBucket> {
        self.caches.get(id).map(|bucket| any(bucket, self.seconds.get(id)))
    }

    /// All buckets, by name.
    pub(crate) fn list(&self) -> Vec<(BucketId, AnyBucket, CacheConfig)> {
        let configs = self.configs.load();
        let known = |(id, bucket): (BucketId, Arc<Bucket>)| {
            let config = configs.get(&id).cloned()?;
            let bucket = any(bucket, self.seconds.get(&id));
            Some((id, bucket, config))
        };
        self.caches.list().into_iter().filter_map(known).collect()
    }

    /// Frees what ended by its time, and brings the metrics up to date. To be called every few seconds.
    pub(crate) fn upkeep(&self) {
        self.caches.sweep(SWEEP_SLOTS);
        self.behinds.tidy();
        self.measure();
    }

    /// What could not be written to the store is tried again at once: a quota may have been raised.
    pub(crate) fn hurry(&self) {
        self.behinds.hurry();
    }

    /// Writes to the store what is behind, within this time. What cannot be written is said in the log.
    pub(crate) async fn flush(&self, within: Duration) {
        self.behinds.flush(within).await;
    }

    /// Brings the metrics up to date.
    pub(crate) fn measure(&self) {
        // Held throughout: two that measure at once would count the same twice.
        let mut meters = self.meters.lock();
        let all = self.caches.list();
        meters.retain(|id, meter| {
            let is_there = all.iter().any(|(known, _)| known == id);
            if !is_there {
                meter.gone();
            }
            is_there
        });
        for (id, bucket) in all {
            let tiered = self.seconds.get(&id);
            let meter = meters.entry(id.clone()).or_insert_with_key(BucketMeter::new);
            meter.measure(&id, &bucket, tiered.as_ref());
        }
    }

    /// Saves all buckets that persist. What cannot be saved is said in the log and stops nothing.
    pub(crate) async fn save_all(&self) {
        let persistent = self.list().into_iter().filter(|(_, _, config)| config.persist);
        self.save(Left(persistent.map(|(id, bucket, _)| (id, Arc::clone(bucket.memory()))).collect())).await;
    }

    /// Saves buckets that left.
    pub(crate) async fn save(&self, left: Left) {
        for (id, bucket) in left.0 {
            save(&id, bucket, self.file(&id)).await;
        }
    }

    fn file(&self, id: &BucketId) -> PathBuf {
        self.folder.join(id.owner.as_str()).join(format!("{}.skepcache", id.name))
    }
}

impl Wanted {
    /// What a plugin may open once these buckets are in place.
    pub(crate) fn granted(&self, settings: &Settings) -> Vec<GrantedBucket> {
        let tiered = |id: &BucketId| self.tiers.get(id).map(|tier| Arc::clone(&tier.tiered));
        granted(settings, |id| self.plan.get(id).map(|bucket| any(Arc::clone(bucket), tiered(id))))
    }

    /// Whether a plugin may open a bucket that is not the one that it has: a revision keeps the buckets that it was
    /// loaded with.
    pub(crate) fn is_news_to(&self, settings: &Settings) -> bool {
        ids(settings).any(|(id, _, _)| self.plan.change(&id).is_some_and(|change| change != Change::Kept))
    }
}

/// The buckets that a plugin may open: which, by what name, and for what.
fn ids(settings: &Settings) -> impl Iterator<Item = (BucketId, String, Access)> {
    let own = settings.config.caches.keys().map(|name| {
        let id = BucketId { owner: settings.name.clone(), name: name.clone() };
        (id, name.to_string(), Access::ReadWrite)
    });
    let others = settings.config.grants.caches.iter().map(|(id, access)| {
        let access = match access {
            CacheAccess::Read => Access::Read,
            CacheAccess::ReadWrite => Access::ReadWrite,
        };
        (id.clone(), id.to_string(), access)
    });
    own.chain(others)
}

/// A bucket with what is behind it. One that was replaced a moment ago is not taken for its successor.
fn any(bucket: Arc<Bucket>, tiered: Option<Arc<Tiered>>) -> AnyBucket {
    match tiered {
        Some(tiered) if Arc::ptr_eq(tiered.bucket(), &bucket) => AnyBucket::Tiered(tiered),
        _ => AnyBucket::Plain(bucket),
    }
}

fn granted(settings: &Settings, find: impl Fn(&BucketId) -> Option<AnyBucket>) -> Vec<GrantedBucket> {
    let found = ids(settings)
        .filter_map(|(id, name, access)| Some(GrantedBucket { name: name.into(), bucket: find(&id)?, access }));
    found.collect()
}

fn options(config: &CacheConfig, second: Option<&seconds::Settings>, tag: u64) -> BucketOptions {
    let CacheConfig { kind, entries, bytes, value_bytes, ttl, idle, stale, persist: _, write_behind: _, l2: _ } =
        config;
    // What is in front of values is not the guest's to count.
    let note = if second.is_some() { NOTE_BYTES as u64 } else { 0 };
    BucketOptions {
        tag,
        kind: match kind {
            CacheKind::Cache => Kind::Cache,
            CacheKind::Table => Kind::Table,
        },
        entries: entries.unwrap_or(u64::MAX),
        bytes: *bytes,
        value_bytes: ByteSize(value_bytes.0.saturating_add(note)),
        ttl: *ttl,
        idle: *idle,
        stale: *stale,
        ..BucketOptions::default()
    }
}

async fn restore(id: &BucketId, bucket: Arc<Bucket>, file: PathBuf) {
    // A large bucket takes a while to read.
    let restored = tokio::task::spawn_blocking(move || bucket.restore_from(&file)).await;
    match restored {
        Ok(Ok(restored)) if restored == skep_cache::Restored::default() => {}
        Ok(Ok(restored)) => tracing::info!(
            bucket = %id, entries = restored.entries, expired = restored.expired, skipped = restored.skipped,
            "restored"
        ),
        // The message says what is wrong and where the file is now.
        Ok(Err(error)) => tracing::warn!(bucket = %id, "the bucket starts empty: {:#}", anyhow::Error::new(error)),
        Err(error) => tracing::error!(bucket = %id, %error, "the bucket starts empty: restoring it failed in the host"),
    }
}

async fn save(id: &BucketId, bucket: Arc<Bucket>, file: PathBuf) {
    let saved = tokio::task::spawn_blocking(move || {
        create_folder(&file)?;
        bucket.save_to(&file)
    });
    match saved.await {
        Ok(Ok(saved)) => tracing::info!(bucket = %id, entries = saved.entries, bytes = saved.bytes, "saved"),
        Ok(Err(SaveError::Busy)) => tracing::debug!(bucket = %id, "somebody else is saving it"),
        Ok(Err(error)) => {
            let error = anyhow::Error::new(error);
            tracing::error!(bucket = %id, "not saved, its entries are lost with this process: {error:#}");
        }
        Err(error) => tracing::error!(bucket = %id, %error, "not saved: saving it failed in the host"),
    }
}

fn create_folder(file: &Path) -> Result<(), SaveError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|source| SaveError::Io { path: file.to_owned(), source })
}
