//! The admin listener's view of a node.

use std::sync::Arc;

use bytes::Bytes;
use skep_admin::api::{Deployed, NodeFigures, NodeStatus, PluginStatus, Reloaded, RevisionStatus};
use skep_admin::{
    Control, ControlError, ControlFuture, DurableControl, LogHub, ProcessControl, SocketControl, SqlControl,
    SupervisionControl,
};
use skep_runtime::Allocation;

use crate::node::Node;
use crate::plugin::Plugin;
use crate::store::Origin;

mod caches;
mod databases;
mod durable;
mod events;
mod figures;
mod processes;
mod sockets;
mod supervision;
mod topics;
mod tree;

/// A node as the admin listener sees it.
pub struct NodeControl(pub Arc<Node>);

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Source => "source",
        Origin::Deploy => "deploy",
        Origin::Rollback => "rollback",
    }
}

fn plugin_status(name: &str, plugin: &Plugin) -> PluginStatus {
    let revision = plugin.current();
    let routes = plugin.settings().config.routes.iter().map(ToString::to_string).collect();
    PluginStatus {
        name: name.to_owned(),
        state: plugin.state().to_owned(),
        note: plugin.note(),
        revision: revision.as_ref().map(|revision| revision.id().to_string()),
        origin: plugin.origin().map(|origin| origin_name(origin).to_owned()),
        handler: revision.as_ref().and_then(|revision| revision.kind()).map(|kind| kind.export().to_owned()),
        running: revision.as_ref().map_or(0, |revision| revision.running()),
        waiting: revision.as_ref().map_or(0, |revision| revision.waiting()),
        routes,
    }
}

impl NodeControl {
    fn plugin(&self, name: &str) -> Result<Arc<Plugin>, ControlError> {
        self.0.plugin(name).ok_or_else(|| {
            let known: Vec<_> = self.0.plugins().keys().map(ToString::to_string).collect();
            ControlError::NotFound(format!("there is no plugin `{name}`; there are: {}", known.join(", ")))
        })
    }
}

fn refused(error: &anyhow::Error) -> ControlError {
    ControlError::Refused(format!("{error:#}"))
}

/// Runs a command on a task of its own, so that it ends as it should even if the client goes away.
fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> ControlFuture<T> {
    let task = tokio::spawn(work);
    Box::pin(async move {
        task.await.unwrap_or_else(|error| Err(ControlError::Refused(format!("the host failed: {error}"))))
    })
}

impl Control for NodeControl {
    fn status(&self) -> NodeStatus {
        let plugins = self.0.plugins();
        NodeStatus {
            name: self.0.manifest.load().host.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: self.0.addresses().iter().map(ToString::to_string).collect(),
            allocation: match self.0.runtime.allocation() {
                Allocation::Pooled => "pooled".to_owned(),
                Allocation::OnDemand => "on-demand".to_owned(),
            },
            plugins: plugins.iter().map(|(name, plugin)| plugin_status(name.as_str(), plugin)).collect(),
        }
    }

    fn ready(&self) -> Result<(), String> {
        if self.0.is_ready() { Ok(()) } else { Err("the node is starting or draining".to_owned()) }
    }

    fn revisions(&self, plugin: &str) -> Result<Vec<RevisionStatus>, ControlError> {
        let plugin = self.plugin(plugin)?;
        let current = plugin.current().map(|revision| revision.id().to_string());
        let entries = plugin.store.history().entries.into_iter();
        Ok(entries
            .map(|entry| RevisionStatus {
                current: Some(&entry.revision) == current.as_ref(),
                revision: entry.revision,
                origin: origin_name(entry.origin).to_owned(),
                at_ms: entry.at_ms,
            })
            .collect())
    }

    fn deploy(&self, plugin: String, wasm: Bytes) -> ControlFuture<Deployed> {
        let (node, plugin) = (Arc::clone(&self.0), self.plugin(&plugin));
        detached(async move { node.deploy(&*plugin?, wasm, Origin::Deploy).await.map_err(|error| refused(&error)) })
    }

    fn rollback(&self, plugin: String, revision: Option<String>) -> ControlFuture<Deployed> {
        let (node, plugin) = (Arc::clone(&self.0), self.plugin(&plugin));
        detached(async move { node.rollback(&*plugin?, revision.as_deref()).await.map_err(|error| refused(&error)) })
    }

    fn reload(&self) -> ControlFuture<Reloaded> {
        let node = Arc::clone(&self.0);
        detached(async move { node.reload().await.map_err(|error| refused(&error)) })
    }

    fn metrics(&self) -> String {
        // Up to date at every scrape, and not a few seconds behind.
        self.0.buckets.measure();
        self.0.databases.measure();
        (self.0.metrics)()
    }

    fn logs(&self) -> &LogHub {
        &self.0.logs
    }

    fn processes(&self) -> Option<&dyn ProcessControl> {
        Some(self)
    }

    fn sockets(&self) -> Option<&dyn SocketControl> {
        Some(self)
    }

    fn figures(&self) -> Option<NodeFigures> {
        Some(self.node_figures())
    }

    fn supervision(&self) -> Option<&dyn SupervisionControl> {
        Some(self)
    }

    fn sql(&self) -> Option<&dyn SqlControl> {
        Some(self)
    }

    fn durable(&self) -> Option<&dyn DurableControl> {
        Some(self)
    }
}
