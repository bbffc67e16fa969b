//! Requests that guests send: only to granted origins, never to private addresses unless granted, and to neighbours
//! inside the host without the network.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ipnet::IpNet;
use skep_manifest::{Grants, Origin};
use skep_types::{Call, Failure, FailureKind, Limits, PluginName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::body::{CallBody, RequestBody};
use crate::stats::CallStats;

/// The zone whose hosts are plugins of this host.
const INTERNAL_ZONE: &str = ".skep.internal";
/// Plugins that may call each other in one chain; a longer one is a loop.
const HOPS_MAX: u8 = 8;
/// Idle connections that a plugin keeps to one upstream, and for how long.
const IDLE_PER_HOST_MAX: usize = 32;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The way from one plugin to another inside the host.
pub trait InternalCalls: Send + Sync + 'static {
    /// Has the plugin answer the request, by its current revision.
    fn call(
        &self,
        plugin: PluginName,
        call: Call,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<CallBody>, Failure>> + Send>>;
}

/// A link to the host that does not keep it alive.
pub type Internal = Weak<dyn InternalCalls>;

type HttpClient = Client<HttpsConnector<HttpConnector<GuardedResolver>>, WasiBody>;
type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// What a plugin may send, and the connections that it has open.
pub(crate) struct OutboundPolicy {
    plugin: PluginName,
    origins: Vec<Origin>,
    private: Arc<[IpNet]>,
    plugins: Vec<PluginName>,
    internal: Internal,
    per_call: usize,
    timeout: Duration,
    client: Option<HttpClient>,
}

impl OutboundPolicy {
    pub(crate) fn new(plugin: PluginName, grants: &Grants, limits: &Limits, internal: Internal) -> Self {
        let private: Arc<[IpNet]> = grants.http_private.clone().into();
        // Roots and pools cost memory: a plugin without a grant has none.
        let client = (!grants.http.is_empty()).then(|| client(&private, limits.outbound_timeout));
        Self {
            plugin,
            origins: grants.http.clone(),
            private,
            plugins: grants.plugins.clone(),
            internal,
            per_call: limits.outbound_concurrency,
            timeout: limits.outbound_timeout,
            client,
        }
    }
}

fn client(private: &Arc<[IpNet]>, timeout: Duration) -> HttpClient {
    let mut connector = HttpConnector::new_with_resolver(GuardedResolver { private: Arc::clone(private) });
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(timeout));
    connector.set_nodelay(true);
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .build(https)
}

/// The hooks of one store: the plugin's policy, and the count of this call's open requests.
pub(crate) struct OutboundHooks {
    policy: Arc<OutboundPolicy>,
    stats: Arc<CallStats>,
    open: Option<Arc<Semaphore>>,
}

impl OutboundHooks {
    pub(crate) fn new(policy: Arc<OutboundPolicy>, stats: Arc<CallStats>) -> Self {
        Self { policy, stats, open: None }
    }

    /// The instance has its next call.
    pub(crate) fn start_call(&mut self, stats: Arc<CallStats>) {
        self.stats = stats;
        self.open = None;
    }

    /// A place among the call's open requests.
    fn place(&mut self) -> Result<OwnedSemaphorePermit, Error> {
        let per_call = self.policy.per_call;
        let open = self.open.get_or_insert_with(|| Arc::new(Semaphore::new(per_call)));
        Arc::clone(open).try_acquire_owned().map_err(|_| Error::ConnectionLimitReached)
    }

    fn refuse(&self, uri: &Uri, why: &str) -> Error {
        tracing::warn!(
            plugin = %self.policy.plugin,
            request_id = %self.stats.request_id(),
            scheme = uri.scheme_str(),
            authority = uri.authority().map(http::uri::Authority::as_str),
            "outbound request refused: {why}"
        );
        Error::HttpRequestDenied
    }

    /// Where the request may go, or why not.
    fn route(&self, uri: &Uri) -> Result<Route, Error> {
        let host = uri.host().ok_or(Error::HttpRequestUriInvalid)?.to_ascii_lowercase();
        if let Some(plugin) = host.strip_suffix(INTERNAL_ZONE) {
            let name = PluginName::new(plugin).map_err(|_| Error::DestinationNotFound)?;
            if !self.policy.plugins.contains(&name) {
                return Err(self.refuse(uri, "the plugin is not in `grants.plugins`"));
            }
            if self.stats.call().hops >= HOPS_MAX {
                return Err(Error::LoopDetected);
            }
            return Ok(Route::Plugin(name));
        }
        let scheme = uri.scheme_str().unwrap_or("https");
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        if !self.policy.origins.iter().any(|origin| origin.matches(scheme, &host, port)) {
            return Err(self.refuse(uri, "the origin is not in `grants.http`"));
        }
        // A literal address never meets the resolver, which checks all others.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if let Ok(address) = literal
            && !is_allowed(address, &self.policy.private)
        {
            self.refuse(uri, "the address is private and not in `grants.http_private`");
            return Err(Error::DestinationIpProhibited);
        }
        self.policy.client.clone().map(Box::new).map(Route::Network).ok_or(Error::HttpRequestDenied)
    }
}

enum Route {
    Plugin(PluginName),
    Network(Box<HttpClient>),
}

impl WasiHttpHooks for OutboundHooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let routed = self.route(request.uri()).and_then(|route| Ok((route, self.place()?)));
        let (route, place) = match routed {
            Ok(routed) => routed,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        match route {
            Route::Plugin(plugin) => {
                let internal = Weak::clone(&self.policy.internal);
                let call = Call {
                    id: self.stats.request_id().clone(),
                    captures: Vec::new(),
                    hops: self.stats.call().hops + 1,
                    ..self.stats.call().clone()
                };
                Box::new(to_plugin(internal, plugin, call, request, place))
            }
            Route::Network(client) => {
                let asked = options.and_then(|options| options.first_byte_timeout);
                let timeout = asked.map_or(self.policy.timeout, |asked| asked.min(self.policy.timeout));
                Box::new(to_network(client, request, timeout, place))
            }
        }
    }

    // A guest that writes without end fills at most this much of the host before it has to wait.
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    #[cfg(feature = "p3")]
    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

/// What one write of a guest to a body may copy.
const BODY_CHUNK_BYTES: usize = 64 << 10;

async fn to_network(
    client: Box<HttpClient>,
    request: Request<WasiBody>,
    timeout: Duration,
    place: OwnedSemaphorePermit,
) -> Sent {
    let response = tokio::time::timeout(timeout, client.request(request)).await;
    let response = response.map_err(|_| Error::HttpResponseTimeout)?.map_err(|error| connect_error(&error))?;
    Ok(answered(response.map(|body| Held { body: body.map_err(Error::Hyper), _place: place }.boxed_unsync())))
}

async fn to_plugin(
    internal: Internal,
    plugin: PluginName,
    call: Call,
    request: Request<WasiBody>,
    place: OwnedSemaphorePermit,
) -> Sent {
    let internal = internal.upgrade().ok_or(Error::DestinationUnavailable)?;
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    let response = internal.call(plugin, call, request).await.map_err(|failure| match failure.kind {
        FailureKind::Deadline => Error::HttpResponseTimeout,
        FailureKind::Overloaded | FailureKind::Retired => Error::DestinationUnavailable,
        kind => Error::InternalError(Some(kind.code().to_owned())),
    })?;
    let broken = |error: crate::BodyError| Error::InternalError(Some(error.to_string()));
    Ok(answered(response.map(|body| Held { body: body.map_err(broken), _place: place }.boxed_unsync())))
}

/// The connection is driven by its pool, so there is nothing left for the guest's store to drive.
fn answered(response: Response<WasiBody>) -> (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>) {
    (response, Box::new(std::future::ready(Ok(()))))
}

fn connect_error(error: &hyper_util::client::legacy::Error) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::PermissionDenied => return Error::DestinationIpProhibited,
                io::ErrorKind::ConnectionRefused => return Error::ConnectionRefused,
                io::ErrorKind::TimedOut => return Error::ConnectionTimeout,
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => return Error::ConnectionTerminated,
                io::ErrorKind::NotFound => return Error::DnsError { rcode: None, info_code: None },
                _ => {}
            }
        }
        source = cause.source();
    }
    if error.is_connect() { Error::DestinationUnavailable } else { Error::HttpProtocolError }
}

/// A body that keeps the request's place among the call's open ones until it is read or dropped.
struct Held<B> {
    body: B,
    _place: OwnedSemaphorePermit,
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Resolves names and leaves only addresses that the plugin may reach. It runs for every new connection, so a name
/// that changes its address between two requests is checked again.
#[derive(Clone)]
struct GuardedResolver {
    private: Arc<[IpNet]>,
}

impl tower::Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let private = Arc::clone(&self.private);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<_> = found.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?.collect();
            let any = !found.is_empty();
            let allowed: Vec<_> = found.into_iter().filter(|address| is_allowed(address.ip(), &private)).collect();
            if allowed.is_empty() && any {
                let why = format!("`{}` has only private addresses", name.as_str());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            Ok(allowed.into_iter())
        })
    }
}

fn is_allowed(address: IpAddr, granted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    !is_private(address) || granted.iter().any(|net| net.contains(&address))
}

/// Addresses that are not on the public internet (the IANA special-purpose registries), and those that carry such an
/// address inside.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            let [first, second, ..] = segments;
            let embedded = match segments {
                // NAT64, 6to4 and the old IPv4-compatible form carry an IPv4 address.
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
                [0x2002, high, low, ..] => Some((high, low)),
                [0, 0, 0, 0, 0, 0, high, low] => Some((high, low)),
                _ => None,
            };
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xff80) == 0xfe80
                || (first == 0x2001 && (second == 0x0db8 || second < 0x0200))
                || (first == 0x64 && second == 0xff9b && segments.get(2) == Some(&1))
                || embedded.is_some_and(|(high, low)| {
                    let bits = (u32::from(high) << 16) | u32::from(low);
                    is_private(IpAddr::V4(bits.into()))
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_recognised_in_every_disguise() {
        for private in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "::10.0.0.1",
            "2001:db8::1",
            "2001:0:1::1",
        ] {
            assert!(!is_allowed(private.parse().unwrap(), &[]), "{private}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_allowed(public.parse().unwrap(), &[]), "{public}");
        }
    }

    #[test]
    fn a_granted_range_opens_just_itself() {
        let granted = ["10.1.0.0/16".parse().unwrap()];
        assert!(is_allowed("10.1.2.3".parse().unwrap(), &granted));
        assert!(is_allowed("::ffff:10.1.2.3".parse().unwrap(), &granted));
        assert!(!is_allowed("10.2.0.1".parse().unwrap(), &granted));
    }
}
