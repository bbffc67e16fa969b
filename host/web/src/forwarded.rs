//! What trusted proxies say of a client: `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host`, `X-Request-Id`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use skep_types::RequestId;

/// Proxies whose word counts. Everybody else's `X-Forwarded-*` headers are ignored and removed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) client: IpAddr,
    pub(crate) secure: bool,
    pub(crate) request_id: Option<RequestId>,
}

// Parsed once: a look-up by text would parse each name for each request.
static FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-request-id"),
];

impl TrustedProxies {
    /// Trusts the proxies in these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Works out who asks. The headers of an untrusted peer are taken out, so that no guest is fooled by them.
    pub(crate) fn origin(&self, peer: IpAddr, tls: bool, headers: &mut HeaderMap) -> Origin {
        let peer = peer.to_canonical();
        if self.0.is_empty() || !self.trusts(peer) {
            // Most requests have none of them, and looking at each name once is cheaper than five look-ups.
            if headers.keys().any(|name| FORWARDED.contains(name)) {
                for name in &FORWARDED {
                    headers.remove(name);
                }
            }
            return Origin { client: peer, secure: tls, request_id: None };
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        // The header grows to the right: the last address that is not a trusted proxy is the client.
        let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<IpAddr> =
            values.flat_map(|value| value.split(',')).map_while(|hop| hop.trim().parse().ok()).collect();
        let client = hops.iter().rev().find(|hop| !self.trusts(**hop)).or(hops.first()).copied().unwrap_or(peer);
        let secure = text("x-forwarded-proto").map_or(tls, |proto| proto.eq_ignore_ascii_case("https"));
        let request_id = text("x-request-id").and_then(RequestId::given);
        if let Some(host) = headers.get("x-forwarded-host").cloned() {
            headers.insert(http::header::HOST, host);
        }
        Origin { client: client.to_canonical(), secure, request_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(peer: &str, headers: &[(&'static str, &str)]) -> (Origin, HeaderMap) {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let origin = proxies.origin(peer.parse().unwrap(), false, &mut map);
        (origin, map)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let told = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("x-request-id", "abc")];
        let (stranger, headers) = origin("9.9.9.9", &told);
        assert_eq!(stranger.client.to_string(), "9.9.9.9");
        assert!(!stranger.secure && stranger.request_id.is_none() && headers.is_empty());
        let (proxy, headers) = origin("::ffff:10.0.0.1", &told);
        assert_eq!((proxy.client.to_string().as_str(), proxy.secure), ("1.2.3.4", true));
        assert_eq!(proxy.request_id.unwrap().as_str(), "abc");
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_client_cannot_put_itself_in_front() {
        for (forwarded, client) in [
            ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
            ("6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("garbage, 1.2.3.4", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            let (found, _) = origin("10.0.0.1", &[("x-forwarded-for", forwarded)]);
            assert_eq!(found.client.to_string(), client, "{forwarded}");
        }
    }
}
