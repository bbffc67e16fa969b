//! The rate limiters of a node's routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use http::HeaderName;
use parking_lot::Mutex;
use skep_manifest::RateKey;
use skep_types::{Clock, PluginName};
use skep_web::{RateLimit, RateLimiter};

/// The name of the counter of requests over a rate limit, by plugin.
pub const RATE_LIMITED: &str = "skep_rate_limited_total";
/// Slots of each limiter that one sweep looks at.
const SWEEP_SLOTS: u64 = 20_000;

/// Whose limiter: a plugin's, or that of one of its routes, as the route prints.
type Place = (PluginName, Option<String>);
/// The limiters of one route table.
pub(crate) type Limiters = BTreeMap<Place, Arc<RateLimiter>>;

/// The limiters in service. A limiter goes on counting over a reload that leaves its settings as they are.
pub(crate) struct Rates {
    clock: Arc<dyn Clock>,
    current: Mutex<Arc<Limiters>>,
}

impl Rates {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        metrics::describe_counter!(RATE_LIMITED, "Requests that were refused because a client asked too often");
        Self { clock, current: Mutex::default() }
    }

    /// The limiter of a place: the one in service if it has these settings, else a new one. It is noted in `next`.
    ///
    /// # Errors
    /// When the header's name is not one.
    pub(crate) fn get(
        &self,
        next: &mut Limiters,
        plugin: &PluginName,
        route: Option<String>,
        limit: &skep_manifest::RateLimit,
    ) -> anyhow::Result<Arc<RateLimiter>> {
        let skep_manifest::RateLimit { requests, per, burst, by } = limit;
        let header = match by {
            RateKey::Client => None,
            RateKey::Header(name) => {
                let name = HeaderName::from_bytes(name.as_bytes());
                Some(name.with_context(|| format!("the rate limit of plugin `{plugin}`"))?)
            }
        };
        let limit = RateLimit { requests: *requests, per: *per, burst: *burst, header };
        let place = (plugin.clone(), route);
        if let Some(known) = next.get(&place) {
            return Ok(Arc::clone(known));
        }
        let known = self.current.lock().get(&place).filter(|known| *known.limit() == limit).cloned();
        let limiter = known.unwrap_or_else(|| {
            let counter = metrics::counter!(RATE_LIMITED, "plugin" => plugin.to_string());
            RateLimiter::new(limit, Arc::clone(&self.clock), move || counter.increment(1))
        });
        next.insert(place, Arc::clone(&limiter));
        Ok(limiter)
    }

    /// Takes the limiters of a table that is in service now; those that are not among them are forgotten.
    pub(crate) fn put_in_place(&self, next: Limiters) {
        *self.current.lock() = Arc::new(next);
    }

    /// Gives memory of idle clients back.
    pub(crate) fn sweep(&self) {
        let current = Arc::clone(&self.current.lock());
        for limiter in current.values() {
            limiter.sweep(SWEEP_SLOTS);
        }
    }
}
