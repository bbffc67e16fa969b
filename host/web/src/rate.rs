//! Rate limits: a step in front of a handler, so that a request over the limit costs no instance.
//!
//! The algorithm is GCRA, as in Redis-Cell and the `governor` crate: for each client one number is kept, the time at
//! which its allowance would be whole again. It needs no timers, lets bursts through as told, and is exact.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, Request};
use skep_cache::{Bucket, BucketOptions, ENTRY_OVERHEAD, Swept, Ttl, Update};
use skep_types::{ByteSize, Call, Clock, Failure, FailureKind, Phase, PluginName};

use crate::handler::{Handler, HandlerFuture, RequestBody};

/// Clients that one limiter remembers. A flood of new ones makes it forget the least active, who then start afresh;
/// what it may hold is about 20 MB, beside the budget for the caches of plugins.
pub const CLIENTS_MAX: u64 = 100_000;
/// A client's key, at most: a hash in hexadecimal and a letter; and its value.
const ENTRY_BYTES: u64 = 80;

/// So many requests per time for each client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per `per` in the long run, at least 1.
    pub requests: u32,
    /// The time that they are spread over.
    pub per: Duration,
    /// Requests that may come at once after a pause, at least 1.
    pub burst: u32,
    /// The header whose value tells clients apart; where it is none, or a request has none, the client's address does.
    pub header: Option<HeaderName>,
}

/// Counts the clients of one or several routes.
pub struct RateLimiter {
    limit: RateLimit,
    clock: Arc<dyn Clock>,
    // Times are kept as nanoseconds since this.
    start: Instant,
    clients: Arc<Bucket>,
    refused: Box<dyn Fn() + Send + Sync>,
}

impl RateLimiter {
    /// A limiter that knows no client yet. `refused` is told of each request over the limit, for metrics.
    #[must_use]
    pub fn new(limit: RateLimit, clock: Arc<dyn Clock>, refused: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let options = BucketOptions {
            entries: CLIENTS_MAX,
            bytes: ByteSize(CLIENTS_MAX * (ENTRY_OVERHEAD + ENTRY_BYTES)),
            ..BucketOptions::default()
        };
        let clients = Bucket::new(&options, Arc::clone(&clock));
        Arc::new(Self { limit, start: clock.now(), clock, clients, refused: Box::new(refused) })
    }

    /// Puts the limiter in front of a handler. All handlers behind one limiter share their clients' allowance.
    #[must_use]
    pub fn guard(self: &Arc<Self>, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(Limited { limiter: Arc::clone(self), handler })
    }

    /// What it was made with.
    #[must_use]
    pub fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Gives the memory of clients back whose allowance is whole again, looking at no more than so many slots.
    pub fn sweep(&self, max_slots: u64) -> Swept {
        self.clients.sweep(max_slots)
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When it is over the limit: how long until the next one is not.
    pub fn admit(&self, client: IpAddr, headers: &HeaderMap) -> Result<(), Duration> {
        let key = self.key(client, headers);
        let now = nanos(self.clock.now().saturating_duration_since(self.start));
        let interval = (nanos(self.limit.per) / u64::from(self.limit.requests.max(1))).max(1);
        let tolerance = interval.saturating_mul(u64::from(self.limit.burst.max(1)));
        let counted = self.clients.update(&key, |known| {
            let whole = known.and_then(|bytes| bytes.try_into().ok()).map_or(now, u64::from_le_bytes).max(now);
            let next = whole.saturating_add(interval);
            match next.saturating_sub(now).checked_sub(tolerance) {
                None | Some(0) => {
                    let ttl = Ttl::After(Duration::from_nanos(next.saturating_sub(now)));
                    (Update::Put(next.to_le_bytes().to_vec(), ttl), Ok(()))
                }
                Some(early) => (Update::Keep, Err(Duration::from_nanos(early))),
            }
        });
        // The limiter protects the plugin; it does not stand in for it where it has no room for one client more.
        let outcome = counted.unwrap_or(Ok(()));
        if outcome.is_err() {
            (self.refused)();
        }
        outcome
    }

    /// Values of headers are hashed: they may be long, need not be text, and are often secrets.
    fn key(&self, client: IpAddr, headers: &HeaderMap) -> String {
        let value = self.limit.header.as_ref().and_then(|name| headers.get(name));
        match value {
            Some(value) => format!("h{}", blake3::hash(value.as_bytes()).to_hex()),
            None => format!("c{}", network(client)),
        }
    }
}

/// The address, or the /64 of an IPv6 one: that is what a single customer has at least, and walks through at will.
#[must_use]
pub fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A handler behind a limiter. It is inside of the layers, so that preflights are not counted and a refusal carries the
/// headers that a browser needs to see it.
struct Limited {
    limiter: Arc<RateLimiter>,
    handler: Arc<dyn Handler>,
}

impl Handler for Limited {
    fn plugin(&self) -> &PluginName {
        self.handler.plugin()
    }

    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture {
        match self.limiter.admit(call.client, request.headers()) {
            Ok(()) => self.handler.call(call, request),
            Err(early) => Box::pin(std::future::ready(Err(self.refusal(early)))),
        }
    }
}

impl Limited {
    fn refusal(&self, early: Duration) -> Failure {
        let RateLimit { requests, per, burst, .. } = self.limiter.limit();
        let detail = format!("`rate_limit`: one client asked more than {requests} times per {per:?}, {burst} at once");
        // Whole seconds, rounded up, or a client that does as it is told would come too soon.
        let seconds = early.as_secs() + u64::from(early.subsec_nanos() > 0);
        Failure::new(FailureKind::RateLimited, Phase::Queue, detail).retry_after(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::SystemTime;

    use http::HeaderValue;
    use skep_types::ManualClock;

    use super::*;

    fn limiter(
        requests: u32,
        per_secs: u64,
        burst: u32,
        header: Option<&'static str>,
    ) -> (Arc<RateLimiter>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH));
        let header = header.map(HeaderName::from_static);
        let limit = RateLimit { requests, per: Duration::from_secs(per_secs), burst, header };
        (RateLimiter::new(limit, Arc::clone(&clock) as Arc<_>, || ()), clock)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let (limiter, clock) = limiter(10, 60, 3, None);
        let ask = || limiter.admit(ip("10.0.0.1"), &HeaderMap::new());
        for _ in 0..3 {
            assert_eq!(ask(), Ok(()));
        }
        assert_eq!(ask(), Err(Duration::from_secs(6)));
        assert_eq!(ask(), Err(Duration::from_secs(6)), "a refused request is not counted");
        assert_eq!(limiter.admit(ip("10.0.0.2"), &HeaderMap::new()), Ok(()), "another client has its own");
        clock.advance(Duration::from_millis(5999));
        assert_eq!(ask(), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(ask(), Ok(()));
        assert_eq!(ask(), Err(Duration::from_secs(6)));
        clock.advance(Duration::from_secs(3600));
        for _ in 0..3 {
            assert_eq!(ask(), Ok(()), "a pause gives the burst back and no more");
        }
        assert!(ask().is_err());
    }

    #[test]
    fn in_the_long_run_the_rate_is_exact() {
        let (limiter, clock) = limiter(7, 3, 1, None);
        let mut passed = 0;
        for _ in 0..30_000 {
            passed += u32::from(limiter.admit(ip("10.0.0.1"), &HeaderMap::new()).is_ok());
            clock.advance(Duration::from_millis(1));
        }
        assert!((69..=71).contains(&passed), "{passed} in 30 s");
    }

    #[test]
    fn a_client_is_an_address_a_network_or_a_header() {
        let (limiter, _) = limiter(1, 60, 1, Some("x-key"));
        let key = |value: &[u8]| {
            HeaderMap::from_iter([(HeaderName::from_static("x-key"), HeaderValue::from_bytes(value).unwrap())])
        };
        let none = HeaderMap::new();
        for (client, headers, passes) in [
            ("10.0.0.1", &none, true),
            ("::ffff:10.0.0.1", &none, false),
            ("2001:db8::1", &none, true),
            ("2001:db8::ffff:1", &none, false),
            ("2001:db8:0:1::1", &none, true),
            ("10.0.0.1", &key(b"alice"), true),
            ("10.0.0.9", &key(b"alice"), false),
            ("10.0.0.9", &key(b"\xff\xfe"), true),
            ("10.0.0.1", &key(&[b'x'; 8000]), true),
            ("10.0.0.1", &key(&[b'x'; 8001]), true),
            ("10.0.0.1", &key(&[b'x'; 8001]), false),
        ] {
            assert_eq!(limiter.admit(ip(client), headers).is_ok(), passes, "{client} {headers:?}");
        }
    }

    #[test]
    fn it_remembers_no_more_clients_than_it_may_and_lets_go_of_the_idle() {
        let (limiter, clock) = limiter(1, 60, 1, None);
        for n in 0..150_000_u32 {
            assert!(limiter.admit(IpAddr::from(n.to_be_bytes()), &HeaderMap::new()).is_ok());
        }
        assert_eq!(limiter.clients.len(), CLIENTS_MAX);
        clock.advance(Duration::from_secs(61));
        limiter.sweep(u64::MAX);
        assert_eq!(limiter.clients.len(), 0);
    }

    #[tokio::test]
    async fn over_the_limit_the_handler_is_not_called() {
        struct Counts(PluginName, AtomicU64);
        impl Handler for Counts {
            fn plugin(&self) -> &PluginName {
                &self.0
            }
            fn call(&self, _: Call, _: Request<RequestBody>) -> HandlerFuture {
                self.1.fetch_add(1, Ordering::Relaxed);
                Box::pin(std::future::ready(Ok(http::Response::default())))
            }
        }
        let (told, clock) = (Arc::new(AtomicU64::new(0)), Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH)));
        let count = Arc::clone(&told);
        let limit = RateLimit { requests: 2, per: Duration::from_secs(1), burst: 1, header: None };
        let limiter = RateLimiter::new(limit, clock, move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let handler = Arc::new(Counts(PluginName::new("shop").unwrap(), AtomicU64::new(0)));
        let limited = Limited { limiter, handler: Arc::clone(&handler) as Arc<_> };
        let call = Call {
            id: skep_types::RequestId::from_bits(1),
            client: ip("::1"),
            secure: false,
            captures: Vec::new(),
            hops: 0,
        };
        assert!(limited.call(call.clone(), Request::new(RequestBody::default())).await.is_ok());
        let refused = limited.call(call, Request::new(RequestBody::default())).await.unwrap_err();
        assert_eq!((refused.kind, refused.kind.status()), (FailureKind::RateLimited, 429));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(1)), "half a second, rounded up");
        assert_eq!((handler.1.load(Ordering::Relaxed), told.load(Ordering::Relaxed)), (1, 1));
    }
}
