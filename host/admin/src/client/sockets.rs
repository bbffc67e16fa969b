//! Sockets, from the command line's side. A socket goes by its id; several may have one name, `PLUGIN/NAME`.

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{Disconnected, SocketFilter, SocketPage, SocketStatus};

impl Client {
    /// A page of the sockets that pass, in the order of their opening, behind the page that gave the cursor.
    ///
    /// # Errors
    /// When the node does not answer, has no such plugin, or the filter's name is none.
    pub async fn sockets(
        &self,
        filter: &SocketFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<SocketPage> {
        let path = format!("/api/sockets?limit={limit}{}", and_filter(filter, cursor));
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// A socket.
    ///
    /// # Errors
    /// When the node does not answer or has no such socket.
    pub async fn socket(&self, id: &str) -> anyhow::Result<SocketStatus> {
        self.json(Method::GET, &path(id)?, Bytes::new()).await
    }

    /// Closes a socket.
    ///
    /// # Errors
    /// When the node does not answer or has no such socket.
    pub async fn disconnect_socket(&self, id: &str) -> anyhow::Result<Disconnected> {
        self.json(Method::DELETE, &path(id)?, Bytes::new()).await
    }

    /// Closes all sockets of a name, `PLUGIN/NAME`, on all nodes. That the node has none is no error.
    ///
    /// # Errors
    /// When the node does not answer, has no such plugin, or the name is none.
    pub async fn disconnect_sockets(&self, name: &str) -> anyhow::Result<Disconnected> {
        let path = format!("/api/sockets/disconnect?name={}", encoded(name));
        self.json(Method::POST, &path, Bytes::new()).await
    }
}

fn and_filter(filter: &SocketFilter, cursor: Option<&str>) -> String {
    let SocketFilter { plugin, mount, name } = filter;
    let parts = [("plugin", plugin), ("mount", mount), ("name", name)];
    let parts = parts.into_iter().map(|(key, part)| (key, part.as_deref())).chain([("cursor", cursor)]);
    parts.filter_map(|(key, part)| Some(format!("&{key}={}", encoded(part?)))).collect()
}

/// What is no id is not asked for: `disconnect` would be another path.
fn path(id: &str) -> anyhow::Result<String> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    anyhow::ensure!(is_id, "`{id}` is no socket's id: write 16 hexadecimal digits, as `skep sockets` shows them");
    Ok(format!("/api/sockets/{id}"))
}
