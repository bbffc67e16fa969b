//! What a route of sockets leads to: who may connect, and the handshake.

use std::io;
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
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::{Parts as Upgrade, downcast};
use skep_channels::{
    Channels, Connecting, Mount, RawOpened, RawRefusal, RawRequest, Refused, Socket, Transport, Version,
};
use skep_types::{Call, Failure, FailureKind, Phase};
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::connection::{Plain, Whole};
use super::origin::Origins;
use super::task::WebSocket;
use crate::handler::RequestBody;
use crate::watch::Watched;

/// In front of a token among the subprotocols, as phoenix.js sends it.
const TOKEN_PREFIX: &str = "base64url.bearer.phx.";
/// The subprotocol of Phoenix's clients.
const PHOENIX: &str = "phoenix";

/// Who may connect to a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointOptions {
    /// Which pages may. Default: those of the same host.
    pub origins: Origins,
    /// The header fields that the plugin is told; one whose sockets have no channels is told all. Default: none.
    pub headers: Vec<HeaderName>,
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
    /// Opens a WebSocket: `GET {mount}/websocket`. The answer is 101, after which the socket lives in a task of its own on
    /// the runtime that this is called in; 403 if origin, version, subprotocol or plugin are against it; 426 if the request is
    /// no handshake. Where there are no channels, the plugin chooses the subprotocol, and what it answers to whom it refuses.
    ///
    /// # Errors
    /// If the plugin could not be asked or broke a rule, or there is no room.
    pub async fn websocket(&self, call: Call, request: Request<RequestBody>) -> Result<Response<Body>, Failure> {
        let (mut parts, _) = request.into_parts();
        let Some(accept) = handshake(&parts) else {
            let mut response = status(StatusCode::UPGRADE_REQUIRED);
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Ok(response);
        };
        if !self.options.origins.allow(&parts.headers) {
            return Ok(status(StatusCode::FORBIDDEN));
        }
        let Some(upgrade) = parts.extensions.remove::<hyper::upgrade::OnUpgrade>() else {
            return Ok(status(StatusCode::UPGRADE_REQUIRED));
        };
        let opened =
            if self.mount.has_channels() { self.phoenix(&parts, &call).await? } else { self.raw(parts, call).await? };
        let (socket, subprotocol) = match opened {
            Opened::Accepted { socket, subprotocol } => (socket, subprotocol),
            Opened::Refused(response) => return Ok(response),
        };
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => run(upgraded, socket).await,
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

    /// A socket with channels.
    async fn phoenix(&self, parts: &Parts, call: &Call) -> Result<Opened, Failure> {
        let denied = || Opened::Refused(status(StatusCode::FORBIDDEN));
        let Ok(subprotocol) = subprotocol(&parts.headers) else { return Ok(denied()) };
        let client = self.connecting(parts, call, token_of_subprotocols(&parts.headers));
        let socket = self.connect(client, Transport::WebSocket).await?;
        Ok(socket.map_or_else(denied, |socket| Opened::Accepted { socket, subprotocol }))
    }

    /// A socket without, over which the plugin decides that will speak there.
    async fn raw(&self, parts: Parts, call: Call) -> Result<Opened, Failure> {
        let field =
            |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), value.as_bytes().to_vec().into());
        let request = RawRequest {
            uri: uri(&parts, call.secure),
            headers: parts.headers.iter().map(field).collect(),
            protocols: wishes(&parts.headers).map(str::to_owned).collect(),
            call,
        };
        Ok(match self.channels.connect_raw(&self.mount, request).await? {
            RawOpened::Accepted { socket, protocol } => {
                let subprotocol = protocol.map(|protocol| HeaderValue::from_str(&protocol)).transpose();
                Opened::Accepted { socket, subprotocol: subprotocol.map_err(|_| bad("no subprotocol"))? }
            }
            RawOpened::Refused(refusal) => Opened::Refused(answer(refusal)?),
        })
    }

    /// Asks the engine; none if the client is refused.
    pub(super) async fn connect(&self, client: Connecting, transport: Transport) -> Result<Option<Socket>, Failure> {
        let vsn = client.params.iter().find(|(name, _)| name == "vsn").map(|(_, value)| value.as_str());
        let Ok(version) = Version::of(vsn) else { return Ok(None) };
        match self.channels.connect(&self.mount, client, version, transport).await {
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
}

/// Lets a socket live until its connection is over.
async fn run(upgraded: Upgraded, socket: Socket) {
    match downcast(upgraded) {
        Ok(parts) => match plain(parts, socket) {
            Ok(socket) => socket.await,
            Err(error) => tracing::debug!(%error, "a client left when it had just got its socket"),
        },
        // In a box, so that sockets without TLS have no room for it.
        Err(upgraded) => Box::pin(WebSocket::new(Whole::new(TokioIo::new(upgraded)), &[], socket)).await,
    }
}

/// It keeps nothing of hyper's: neither its read buffer, nor the timeouts, which are those of requests.
/// Its events are for the runtime of this task from now on, and not for the event loop of its first request.
fn plain(parts: Upgrade<TokioIo<Watched<TcpStream>>>, socket: Socket) -> io::Result<WebSocket<Plain>> {
    let connection = TcpStream::from_std(parts.io.into_inner().inner.into_std()?)?;
    let connection = Plain::new(connection);
    socket.write_by(connection.wire());
    Ok(WebSocket::new(connection, &parts.read_buf, socket))
}

/// What became of a handshake.
enum Opened {
    Accepted {
        socket: Socket,
        subprotocol: Option<HeaderValue>,
    },
    /// The client gets this, and no socket.
    Refused(Response<Body>),
}

/// The subprotocol to answer with, where there are channels.
fn subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Unspoken> {
    let mut wished = wishes(headers).peekable();
    if wished.peek().is_none() {
        return Ok(None);
    }
    let spoken = wished.any(|wish| wish == PHOENIX);
    if spoken { Ok(Some(HeaderValue::from_static(PHOENIX))) } else { Err(Unspoken) }
}

/// The plugin's answer to a client that it refuses.
fn answer(refusal: RawRefusal) -> Result<Response<Body>, Failure> {
    let status = StatusCode::from_u16(refusal.status).ok().filter(|status| !status.is_informational());
    let mut response = Response::new(Body::from(refusal.body));
    *response.status_mut() = status.ok_or_else(|| bad("the status of a refusal is none"))?;
    for (name, value) in refusal.headers {
        let field = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_maybe_shared(value).ok());
        let (name, value) = field.ok_or_else(|| bad("a header field of a refusal is none"))?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn bad(why: &str) -> Failure {
    Failure::new(FailureKind::BadAnswer, Phase::Handle, why)
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
