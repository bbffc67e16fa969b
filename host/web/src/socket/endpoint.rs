//! What a route of sockets leads to: who may connect, and the handshake.

use std::sync::Arc;

use axum::body::Body;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use skep_channels::{Channels, Connecting, Mount, Refused, Socket, Speaks, Transport, Version};
use skep_types::{Call, Failure};
use tungstenite::handshake::derive_accept_key;

use super::origin::Origins;
use super::task::WebSocket;
use crate::handler::RequestBody;

/// In front of a token among the subprotocols, as phoenix.js sends it.
const TOKEN_PREFIX: &str = "base64url.bearer.phx.";
/// The subprotocol of Phoenix's clients.
const PHOENIX: &str = "phoenix";

/// Who may connect to a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointOptions {
    /// Which pages may. Default: those of the same host.
    pub origins: Origins,
    /// The header fields that the plugin is told. Default: none.
    pub headers: Vec<HeaderName>,
    /// What a socket without channels speaks, by the client's wish; a client that wishes for none of them is refused.
    /// Sockets with channels always speak `phoenix`. Default: none.
    pub subprotocols: Vec<String>,
}

/// The endpoint of one mount, for a [`Handler`](crate::Handler) to lead to.
#[derive(Clone, Debug)]
pub struct SocketEndpoint {
    /// The engine.
    pub channels: Channels,
    /// The mount.
    pub mount: Arc<Mount>,
    /// Who may connect.
    pub options: EndpointOptions,
}

impl SocketEndpoint {
    /// Opens a WebSocket: `GET {mount}/websocket`. The answer is 101, after which the socket lives in a task of its own; 403
    /// if origin, version, subprotocol or plugin are against it; 426 if the request is no handshake.
    ///
    /// # Errors
    /// If the plugin could not be asked, or there is no room.
    pub async fn websocket(&self, call: Call, request: Request<RequestBody>) -> Result<Response<Body>, Failure> {
        let (mut parts, _) = request.into_parts();
        let Some(accept) = handshake(&parts) else {
            let mut response = status(StatusCode::UPGRADE_REQUIRED);
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Ok(response);
        };
        let subprotocol = match self.subprotocol(&parts.headers) {
            Ok(subprotocol) if self.options.origins.allow(&parts.headers) => subprotocol,
            _ => return Ok(status(StatusCode::FORBIDDEN)),
        };
        let token = token_of_subprotocols(&parts.headers);
        let Some(upgrade) = parts.extensions.remove::<hyper::upgrade::OnUpgrade>() else {
            return Ok(status(StatusCode::UPGRADE_REQUIRED));
        };
        let client = self.connecting(&parts, &call, token);
        let Some(socket) = self.connect(client, Transport::WebSocket).await? else {
            return Ok(status(StatusCode::FORBIDDEN));
        };
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => WebSocket::new(TokioIo::new(upgraded), socket).await,
                Err(error) => tracing::debug!(%error, "a client left before it had its socket"),
            }
        });
        let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(subprotocol) = subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        Ok(response)
    }

    /// Asks the engine; none if the client is refused.
    pub(super) async fn connect(&self, client: Connecting, transport: Transport) -> Result<Option<Socket>, Failure> {
        let speaks = if self.mount.has_channels() {
            let vsn = client.params.iter().find(|(name, _)| name == "vsn").map(|(_, value)| value.as_str());
            let Ok(version) = Version::of(vsn) else { return Ok(None) };
            Speaks::Phoenix(version)
        } else {
            Speaks::Raw
        };
        match self.channels.connect(&self.mount, client, speaks, transport).await {
            Ok(socket) => Ok(Some(socket)),
            Err(Refused::Denied) => Ok(None),
            Err(Refused::Failed(failure)) => Err(failure),
        }
    }

    /// What the plugin is told of a client.
    pub(super) fn connecting(&self, parts: &Parts, call: &Call, token: Option<String>) -> Connecting {
        let query = parts.uri.query().unwrap_or_default();
        let params = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let mut headers = Vec::new();
        for name in &self.options.headers {
            let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            headers.extend(values.map(|value| (name.as_str().to_owned(), value.to_owned())));
        }
        Connecting { uri: uri(parts, call.secure), params, headers, token, peer: call.client }
    }

    /// The subprotocol to answer with, by the client's order.
    fn subprotocol(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Unspoken> {
        let mut wished = wishes(headers).peekable();
        if wished.peek().is_none() {
            return Ok(None);
        }
        let spoken = |wish: &&str| match self.mount.has_channels() {
            true => *wish == PHOENIX,
            false => self.options.subprotocols.iter().any(|ours| ours == wish),
        };
        let spoken = wished.find(spoken).ok_or(Unspoken)?;
        HeaderValue::from_str(spoken).map(Some).map_err(|_| Unspoken)
    }
}

/// A client that wants to speak what nobody speaks.
struct Unspoken;

fn wishes(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|wish| !wish.is_empty())
}

/// Phoenix's clients encode it with the standard alphabet and no padding, whatever the prefix says.
fn token_of_subprotocols(headers: &HeaderMap) -> Option<String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let encoded = wishes(headers).find_map(|wish| wish.strip_prefix(TOKEN_PREFIX))?;
    let standard = GeneralPurpose::new(&alphabet::STANDARD, config).decode(encoded);
    let decoded = standard.or_else(|_| GeneralPurpose::new(&alphabet::URL_SAFE, config).decode(encoded));
    String::from_utf8(decoded.ok()?).ok()
}

/// The answer to the client's key, if the request is a handshake.
fn handshake(parts: &Parts) -> Option<HeaderValue> {
    let has = |name: HeaderName, token: &str| {
        let values = parts.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    let version = parts.headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = parts.headers.get(SEC_WEBSOCKET_KEY)?;
    let asked = parts.method == Method::GET && has(UPGRADE, "websocket") && has(CONNECTION, "upgrade");
    (asked && version).then(|| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok())?
}

/// As the client wrote it, with the host that it named.
fn uri(parts: &Parts, secure: bool) -> String {
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let host = || parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    match parts.uri.authority().map(http::uri::Authority::as_str).or_else(host) {
        Some(host) => format!("{}://{host}{path}", if secure { "https" } else { "http" }),
        None => path.to_owned(),
    }
}

pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
