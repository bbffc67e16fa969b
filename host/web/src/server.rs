//! Listeners: TCP and TLS, HTTP/1.1 and 2, connection limits and timeouts, graceful shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::front::Front;
use crate::loops::EventLoops;
use crate::watch::{Activity, Overdue, Tracked, Watched};

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before accepting again when the system has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Certificate chain and private key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads them, as the start does. Blocks.
    ///
    /// # Errors
    /// When a file is missing or not PEM, or the two do not belong together.
    pub fn check(&self) -> anyhow::Result<()> {
        acceptor(self).map(drop)
    }
}

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// TLS on all listeners, if given.
    pub tls: Option<TlsFiles>,
    /// From the first byte of a request's head to its last. Over it the connection is closed.
    pub header_timeout: Duration,
    /// How long a connection may be idle, and how long a client may take nothing of its answer.
    pub keep_alive: Duration,
    /// Connections at once, over all listeners. The next one waits in the system's accept queue. A connection that became a
    /// WebSocket does not count any more: sockets have a bound of their own.
    pub max_connections: usize,
    /// Header fields of a request. Over it: 431.
    pub max_headers: usize,
    /// All header fields of a request together, in bytes. Over it: 431.
    pub max_header_bytes: usize,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
}

/// Listeners that serve one front.
///
/// Connections are looked after by threads of its own, as many as the runtime has workers; requests of HTTP/2 run on the runtime that it
/// was started in. What they spawn may need those threads for as long as the server is not dropped, which cuts off what is left.
pub struct Server {
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
    loops: Arc<EventLoops>,
}

impl Server {
    /// Whether these addresses can be listened on, for whoever has much to do before.
    ///
    /// # Errors
    /// One that cannot be bound.
    pub fn try_addresses(addresses: &[SocketAddr]) -> anyhow::Result<()> {
        addresses.iter().try_for_each(|address| {
            std::net::TcpListener::bind(address).map(drop).with_context(|| cannot_listen(*address))
        })
    }

    /// Binds all addresses, then serves them in the background.
    ///
    /// # Errors
    /// When an address cannot be bound, the TLS files cannot be read, or there are no threads to be had.
    pub async fn start(front: Arc<Front>, addresses: &[SocketAddr], options: ServerOptions) -> anyhow::Result<Self> {
        let tls = options.tls.as_ref().map(acceptor).transpose()?;
        let mut listeners = Vec::new();
        for address in addresses {
            listeners.push(TcpListener::bind(address).await.with_context(|| cannot_listen(*address))?);
        }
        let home = Handle::current();
        let loops = EventLoops::start(home.metrics().num_workers()).context("starting threads for connections")?;
        let server = Self {
            addresses: listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            loops: Arc::new(loops),
        };
        let connections = Arc::new(Semaphore::new(options.max_connections));
        let shared = Arc::new(Shared { front, builder: builder(home, &options), options, tls });
        for listener in listeners {
            let accepting = Accepting {
                listener,
                shared: Arc::clone(&shared),
                connections: Arc::clone(&connections),
                loops: Arc::clone(&server.loops),
                stop: server.stop.clone(),
                tasks: server.tasks.clone(),
            };
            server.tasks.spawn(accepting.run());
        }
        Ok(server)
    }

    /// Where it listens, with real ports where 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts no more connections, lets requests in progress finish for up to `drain`, and tells whether all did. WebSockets
    /// are no requests any more: [`Channels::drain`](skep_channels::Channels::drain) closes them, and is to be called before.
    pub async fn shutdown(&self, drain: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(drain, self.tasks.wait()).await.is_ok()
    }
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("cannot listen on {address}: is another program using it? (`--listen` chooses another address)")
}

/// What all connections share.
struct Shared {
    front: Arc<Front>,
    builder: auto::Builder<Workers>,
    options: ServerOptions,
    tls: Option<TlsAcceptor>,
}

/// Where requests of HTTP/2 run.
#[derive(Clone)]
struct Workers(Handle);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Workers {
    fn execute(&self, request: F) {
        self.0.spawn(request);
    }
}

fn builder(home: Handle, options: &ServerOptions) -> auto::Builder<Workers> {
    let mut builder = auto::Builder::new(Workers(home));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(options.max_headers)
        // The head is read into this buffer as a whole, so its size is the limit. hyper's least is 8 KiB.
        .max_buf_size(options.max_header_bytes.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.max_streams)
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(options.keep_alive))
        .keep_alive_timeout(options.header_timeout);
    builder
}

/// A listener.
struct Accepting {
    listener: TcpListener,
    shared: Arc<Shared>,
    connections: Arc<Semaphore>,
    loops: Arc<EventLoops>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Accepting {
    async fn run(self) {
        loop {
            let next = async {
                let place = Arc::clone(&self.connections).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = self.stop.cancelled() => return,
                next = next => next,
            };
            // It is watched by the loop that it goes to.
            match accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer))) {
                Ok((stream, peer)) => {
                    let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
                    self.loops.spawn(self.tasks.track_future(async move {
                        match TcpStream::from_std(stream) {
                            Ok(stream) => serve(&shared, stream, peer, stop).await,
                            Err(error) => tracing::warn!(%peer, %error, "a connection could not be looked after"),
                        }
                        drop(place);
                    }));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve(shared: &Shared, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
    // Answers are written whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    match &shared.tls {
        None => connection(shared, stream, peer, false, stop).await,
        // Apart, or every connection would have room for what encryption takes.
        Some(acceptor) => Box::pin(encrypted(shared, acceptor, stream, peer, stop)).await,
    }
}

async fn encrypted(
    shared: &Shared,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    stop: CancellationToken,
) {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connection(shared, stream, peer, true, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn connection<S>(shared: &Shared, stream: S, peer: SocketAddr, tls: bool, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let stream = Watched { inner: stream, activity: Arc::clone(&activity) };
    let service = {
        let (front, activity) = (Arc::clone(&shared.front), Arc::clone(&activity));
        service_fn(move |request: Request<Incoming>| {
            let front = Arc::clone(&front);
            let busy = activity.request();
            async move {
                let response = front.answer(peer.ip(), tls, request).await;
                Ok::<_, Infallible>(response.map(|body| Tracked { body, _busy: busy }))
            }
        })
    };
    let mut connection = std::pin::pin!(shared.builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let (head, idle) = (shared.options.header_timeout, shared.options.keep_alive);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        overdue = activity.overdue(head, idle) => match overdue {
            Overdue::Head => {
                tracing::debug!(%peer, "a request head took too long");
                return;
            }
            Overdue::Stalled => {
                tracing::debug!(%peer, "the client took nothing of its answer for too long");
                return;
            }
            Overdue::Idle => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

fn acceptor(files: &TlsFiles) -> anyhow::Result<TlsAcceptor> {
    let reading = |path: &PathBuf| format!("reading {}", path.display());
    let certs: Vec<_> = CertificateDer::pem_file_iter(&files.cert)
        .with_context(|| reading(&files.cert))?
        .collect::<Result<_, _>>()
        .with_context(|| reading(&files.cert))?;
    anyhow::ensure!(!certs.is_empty(), "{} holds no certificate in PEM", files.cert.display());
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| {
        let message = match error {
            pem::Error::NoItemsFound => format!("{} holds no private key in PEM", files.key.display()),
            _ => reading(&files.key),
        };
        anyhow::Error::new(error).context(message)
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS versions")?
        .with_no_client_auth()
        .with_single_cert(certs, key)
        .with_context(|| format!("{} and {} do not belong together", files.cert.display(), files.key.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_certificate_and_key_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let signed = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (ours, other) = (signed(), signed());
        let (cert, key) = (file("cert.pem", &ours.cert.pem()), file("key.pem", &ours.signing_key.serialize_pem()));
        let foreign = file("other.pem", &other.signing_key.serialize_pem());
        let (garbage, missing) = (file("garbage.pem", "\u{1}"), folder.path().join("missing.pem"));
        let said = |cert: &PathBuf, key: &PathBuf| {
            let checked = TlsFiles { cert: cert.clone(), key: key.clone() }.check();
            checked.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
        };
        assert_eq!(said(&cert, &key), Ok(()));
        for (cert, key, why) in [
            (&missing, &key, "reading missing.pem"),
            (&cert, &missing, "reading missing.pem"),
            (&garbage, &key, "garbage.pem holds no certificate in PEM"),
            (&key, &cert, "key.pem holds no certificate in PEM"),
            (&cert, &garbage, "garbage.pem holds no private key in PEM"),
            (&cert, &foreign, "cert.pem and other.pem do not belong together"),
        ] {
            assert_eq!(said(cert, key), Err(why.to_owned()));
        }
    }
}
