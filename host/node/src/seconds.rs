//! Second tiers of buckets: which bucket has which Redis behind it, over reloads.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Weak};

use anyhow::Context as _;
use parking_lot::Mutex;
use skep_cache::Bucket;
use skep_manifest::{CacheConfig, SecondTier, SecondTierUrl};
use skep_second::redis::{InRedis, Link, Options as LinkOptions};
use skep_second::{Options, Tiered};
use skep_types::{BucketId, Clock};

/// The second tiers of all buckets that have one.
pub(crate) struct Seconds {
    clock: Arc<dyn Clock>,
    /// Tells connections apart without keeping what is secret in them.
    hasher: RandomState,
    // Held for moments, over no await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Connections, for as long as a bucket uses them.
    links: Vec<Weak<Link>>,
    active: Tiers,
}

/// The second tiers of a manifest, by bucket.
pub(crate) type Tiers = BTreeMap<BucketId, Tier>;

/// One of them.
#[derive(Clone)]
pub(crate) struct Tier {
    /// The bucket, through it.
    pub(crate) tiered: Arc<Tiered>,
    second: Arc<InRedis>,
}

/// What a manifest says of a bucket's second tier, with its secrets.
pub(crate) struct Settings {
    link: LinkOptions,
    options: Options,
}

impl Seconds {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, hasher: RandomState::new(), state: Mutex::default() }
    }

    /// Reads the secrets and certificates of a bucket's second tier, if it has one.
    ///
    /// # Errors
    /// When one cannot be read; no message holds its value.
    pub(crate) fn read(&self, id: &BucketId, config: &CacheConfig) -> anyhow::Result<Option<Settings>> {
        let Some(tier) = &config.l2 else { return Ok(None) };
        let link = link(tier).with_context(|| format!("the second tier of the bucket `{id}`"))?;
        let options =
            Options { fresh: tier.fresh, ttl: config.ttl, stale: config.stale, value_bytes: config.value_bytes.0 };
        Ok(Some(Settings { link, options }))
    }

    /// What makes a bucket another one when it changes: without a second tier values are written otherwise in memory, and
    /// behind another Redis are others.
    pub(crate) fn tag(&self, settings: Option<&Settings>) -> u64 {
        let Some(Settings { link, .. }) = settings else { return 0 };
        let LinkOptions { url, username, password, ca, prefix, timeout, in_flight } = link;
        self.hasher.hash_one((url, username, password, ca, prefix, timeout, in_flight)).max(1)
    }

    /// Puts a Redis behind a bucket that nobody has seen yet. It need not be there: until it answers, memory serves alone.
    ///
    /// # Errors
    /// When the URL or the certificates cannot be read.
    pub(crate) fn start(&self, id: &BucketId, bucket: &Arc<Bucket>, settings: Settings) -> anyhow::Result<Tier> {
        let Settings { link, options } = settings;
        let link = self.link(link).with_context(|| format!("the second tier of the bucket `{id}`"))?;
        let second = Arc::new(InRedis::new(link, id.clone(), options.value_bytes));
        let tiered = Tiered::start(Arc::clone(bucket), Arc::clone(&second) as _, Arc::clone(&self.clock), options);
        Ok(Tier { tiered: Arc::new(tiered), second })
    }

    fn link(&self, options: LinkOptions) -> anyhow::Result<Arc<Link>> {
        let mut state = self.state.lock();
        state.links.retain(|link| link.strong_count() > 0);
        let known = state.links.iter().filter_map(Weak::upgrade).find(|link| *link.options() == options);
        if let Some(link) = known {
            return Ok(link);
        }
        let link = Link::start(options)?;
        state.links.push(Arc::downgrade(&link));
        Ok(link)
    }

    /// The second tier of a bucket that is in place.
    pub(crate) fn get(&self, id: &BucketId) -> Option<Arc<Tiered>> {
        self.state.lock().active.get(id).map(|tier| Arc::clone(&tier.tiered))
    }

    /// The same, to be kept over a reload.
    pub(crate) fn tier(&self, id: &BucketId) -> Option<Tier> {
        self.state.lock().active.get(id).cloned()
    }

    /// Puts those of a manifest in place. Calls that still have one of before may use it on.
    pub(crate) fn put_in_place(&self, tiers: Tiers, options: &BTreeMap<BucketId, Options>) {
        for (id, tier) in &tiers {
            if let Some(options) = options.get(id) {
                tier.tiered.configure(*options);
                tier.second.set_value_bytes(options.value_bytes);
            }
        }
        self.state.lock().active = tiers;
    }
}

impl Settings {
    pub(crate) fn options(&self) -> Options {
        self.options
    }
}

fn link(tier: &SecondTier) -> anyhow::Result<LinkOptions> {
    let SecondTier { url, username, password, ca, prefix, fresh: _, timeout, in_flight } = tier;
    let url = match url {
        SecondTierUrl::Written(url) => url.clone(),
        SecondTierUrl::Secret(secret) => secret.resolve().context("its URL")?.expose().to_owned(),
    };
    let password = password.as_ref().map(|password| password.resolve().context("its password")).transpose()?;
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).with_context(|| format!("its certificates in {}", path.display()))
    };
    Ok(LinkOptions {
        url,
        username: username.clone(),
        password: password.map(|password| password.expose().to_owned()),
        ca: ca.as_ref().map(read).transpose()?,
        prefix: prefix.clone(),
        timeout: *timeout,
        in_flight: *in_flight,
    })
}
