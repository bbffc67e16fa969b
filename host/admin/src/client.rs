//! What the command line speaks with. It finds address and token where the node left them.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::api::{Deployed, ErrorBody, Line, NodeStatus, Reloaded, RevisionStatus};
use crate::logs::LogLine;

mod caches;
mod follow;
mod jobs;
mod processes;
mod queues;
mod sockets;
mod sql;
mod store;
mod supervision;
mod topics;

/// Where a node's admin listener is, as the node leaves it in its data directory, readable for its owner only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's address.
    pub address: SocketAddr,
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The file's name in the data directory.
    pub const FILE: &str = "admin.json";

    /// Reads the endpoint of the node that uses this data directory.
    ///
    /// # Errors
    /// When no node left one there.
    pub fn find(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(Self::FILE);
        let text = std::fs::read(&path).map_err(|error| {
            // It is there, and its token is not for everybody.
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                let message = format!("cannot read {}: be the user that the node runs as", path.display());
                return anyhow::Error::new(error).context(message);
            }
            let message = format!(
                "no node is known in {}: start one with `skep serve`, or name its folder with `--dir`",
                data.display()
            );
            anyhow::Error::new(error).context(message)
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged: restart the node", path.display()))
    }
}

/// Speaks with one node.
pub struct Client {
    endpoint: Endpoint,
    http: HttpClient<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// A client for an endpoint. Nothing is sent yet.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, http: HttpClient::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<http::Response<Incoming>> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.endpoint.address))
            .header("authorization", format!("Bearer {}", self.endpoint.token))
            .body(Full::new(body))?;
        let response =
            self.http.request(request).await.with_context(|| {
                format!("the node does not answer on {}: is it still running?", self.endpoint.address)
            })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let message = serde_json::from_slice::<ErrorBody>(&body).map(|body| body.error);
        anyhow::bail!("{}", message.unwrap_or_else(|_| refused(status)))
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<T> {
        let response = self.send(method, path, body).await?;
        let body = response.into_body().collect().await.context("reading the node's answer")?.to_bytes();
        serde_json::from_slice(&body).context("the node's answer is not what this version understands")
    }

    /// The node and its plugins.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn status(&self) -> anyhow::Result<NodeStatus> {
        self.json(Method::GET, "/api/status", Bytes::new()).await
    }

    /// The history of a plugin.
    ///
    /// # Errors
    /// When the node does not answer or has no such plugin.
    pub async fn revisions(&self, plugin: &str) -> anyhow::Result<Vec<RevisionStatus>> {
        self.json(Method::GET, &format!("/api/plugins/{}/revisions", encoded(plugin)), Bytes::new()).await
    }

    /// Puts a component in service.
    ///
    /// # Errors
    /// What the node has against it.
    pub async fn deploy(&self, plugin: &str, wasm: Bytes) -> anyhow::Result<Deployed> {
        self.json(Method::POST, &format!("/api/plugins/{}/deploy", encoded(plugin)), wasm).await
    }

    /// Goes back to an earlier revision.
    ///
    /// # Errors
    /// What the node has against it.
    pub async fn rollback(&self, plugin: &str, revision: Option<&str>) -> anyhow::Result<Deployed> {
        let query = revision.map(|revision| format!("?revision={}", encoded(revision))).unwrap_or_default();
        self.json(Method::POST, &format!("/api/plugins/{}/rollback{query}", encoded(plugin)), Bytes::new()).await
    }

    /// Has the manifest read again.
    ///
    /// # Errors
    /// What is wrong with the manifest; nothing is changed then.
    pub async fn reload(&self) -> anyhow::Result<Reloaded> {
        self.json(Method::POST, "/api/reload", Bytes::new()).await
    }

    /// Follows the log until the node ends or `each` breaks; it sees every line, and how many it missed.
    ///
    /// # Errors
    /// When the node does not answer or has no such plugin.
    pub async fn logs(
        &self,
        plugin: Option<&str>,
        each: impl FnMut(Line<LogLine>) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let query = plugin.map(|plugin| format!("?plugin={}", encoded(plugin))).unwrap_or_default();
        self.follow(&format!("/api/logs{query}"), each).await
    }
}

/// A text as it may stand anywhere in a URL. Dots are encoded too: `..` would be a way up.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn refused(status: StatusCode) -> String {
    format!("the node refuses: {status}")
}
