//! A client of Phoenix's channels, as plain as the protocol's version 2: what is written here is what goes over the wire.

#![allow(clippy::indexing_slicing)] // What JSON has not is null.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderName, HeaderValue};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::Host;

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a socket goes over, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One socket.
pub struct Phoenix {
    socket: WebSocketStream<Box<dyn Stream>>,
    refs: u64,
    /// What came while something else was waited for.
    before: VecDeque<Value>,
}

impl Phoenix {
    /// Opens `path`, such as `/socket/websocket?vsn=2.0.0`, at a host by this name.
    ///
    /// # Errors
    /// The status of a refusal.
    pub async fn open(host: &Host, name: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(host.address).await.unwrap();
        Self::over(Box::new(stream), host, name, path, headers).await
    }

    /// The same over TLS, at a host whose certificate is this one and for this name.
    ///
    /// # Errors
    /// The status of a refusal.
    pub async fn open_tls(host: &Host, name: &str, path: &str, certificate: &[u8]) -> Result<Self, u16> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(certificate.to_vec())).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // As browsers do for `wss`.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(host.address).await.unwrap();
        let name_of_host = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name_of_host, stream).await.unwrap();
        Self::over(Box::new(stream), host, name, path, &[]).await
    }

    async fn over(
        stream: Box<dyn Stream>,
        host: &Host,
        name: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, u16> {
        let url = host.url(path).replacen("http", "ws", 1);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("host", HeaderValue::from_str(name).unwrap());
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self { socket, refs: 0, before: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a message as it is, and returns its ref.
    pub async fn send(&mut self, join_ref: &Value, topic: &str, event: &str, payload: &Value) -> Value {
        self.refs += 1;
        let reference = json!(self.refs.to_string());
        self.text(&json!([join_ref, reference, topic, event, payload]).to_string()).await;
        reference
    }

    /// Sends a frame as it is.
    pub async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends bytes as they are.
    pub async fn bytes(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next frame: its JSON, a text that is none as such, or the bytes of a binary one in an object.
    pub async fn frame(&mut self) -> Value {
        if let Some(frame) = self.before.pop_front() {
            return frame;
        }
        self.read().await.unwrap_or_else(|code| panic!("the socket was closed with {code}"))
    }

    async fn read(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message.unwrap_or_else(|_| panic!("nothing comes any more; what came: {:?}", self.before));
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).unwrap_or_else(|_| json!(text.as_str())));
                }
                Some(Ok(Message::Binary(bytes))) => return Ok(json!({"binary": bytes.to_vec()})),
                Some(Ok(Message::Close(close))) => return Err(close.map_or(1005, |close| close.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The code that the host closes it with; what comes before is passed over.
    pub async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.read().await {
                return code;
            }
        }
    }

    /// The next frame that fits; others wait.
    pub async fn wait(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.before.iter().position(&fits) {
            return self.before.remove(at).unwrap();
        }
        loop {
            let frame = self.read().await.unwrap_or_else(|code| panic!("the socket was closed with {code}"));
            if fits(&frame) {
                return frame;
            }
            self.before.push_back(frame);
        }
    }

    /// The next message of this event on a topic: its payload.
    pub async fn event(&mut self, topic: &str, event: &str) -> Value {
        self.wait(|frame| frame[2] == topic && frame[3] == event).await[4].clone()
    }

    /// The status and the answer to a message.
    pub async fn reply(&mut self, reference: &Value) -> (String, Value) {
        let frame = self.wait(|frame| frame[1] == *reference && frame[3] == "phx_reply").await;
        (frame[4]["status"].as_str().unwrap().to_owned(), frame[4]["response"].clone())
    }

    /// Joins: the ref of the join, and what the reply says.
    pub async fn join(&mut self, topic: &str, params: &Value) -> (Value, String, Value) {
        let join_ref = json!((self.refs + 1).to_string());
        let reference = self.send(&join_ref, topic, "phx_join", params).await;
        let (status, response) = self.reply(&reference).await;
        (join_ref, status, response)
    }

    /// Says something and waits for the reply.
    pub async fn ask(&mut self, join_ref: &Value, topic: &str, event: &str, payload: &Value) -> (String, Value) {
        let reference = self.send(join_ref, topic, event, payload).await;
        self.reply(&reference).await
    }
}
