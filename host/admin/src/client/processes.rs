//! Processes and figures, from the command line's side. A process goes by its pid or by `PLUGIN/NAME`.

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{
    KindStatus, NodeFigures, ProcessDetail, ProcessDone, ProcessFilter, ProcessOp, ProcessPage, ProcessSort,
};

impl Client {
    /// A page of the processes that pass, in this order, behind the page that gave the cursor.
    ///
    /// # Errors
    /// When the node does not answer, or has no such plugin or kind.
    pub async fn processes(
        &self,
        filter: &ProcessFilter,
        sort: ProcessSort,
        cursor: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<ProcessPage> {
        let path = format!("/api/processes?limit={limit}&sort={sort}{}", and_filter(filter, cursor));
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// All that is known of a process.
    ///
    /// # Errors
    /// When the node does not answer or has no such process.
    pub async fn process(&self, process: &str) -> anyhow::Result<ProcessDetail> {
        self.json(Method::GET, &path(process)?, Bytes::new()).await
    }

    /// Does this with a process.
    ///
    /// # Errors
    /// When the node does not answer, has no such process, or this cannot be done to it.
    pub async fn operate_process(&self, process: &str, op: ProcessOp) -> anyhow::Result<ProcessDone> {
        self.json(Method::POST, &format!("{}/{}", path(process)?, op.as_str()), Bytes::new()).await
    }

    /// The kinds of all plugins, or of one, and how many processes do what.
    ///
    /// # Errors
    /// When the node does not answer or has no processes.
    pub async fn process_kinds(&self, plugin: Option<&str>) -> anyhow::Result<Vec<KindStatus>> {
        let of = plugin.map(|plugin| format!("?plugin={}", encoded(plugin))).unwrap_or_default();
        self.json(Method::GET, &format!("/api/processes/kinds{of}"), Bytes::new()).await
    }

    /// What the node is doing, in numbers.
    ///
    /// # Errors
    /// When the node does not answer or measures nothing.
    pub async fn figures(&self) -> anyhow::Result<NodeFigures> {
        self.json(Method::GET, "/api/figures", Bytes::new()).await
    }
}

fn and_filter(filter: &ProcessFilter, cursor: Option<&str>) -> String {
    let ProcessFilter { plugin, kind, prefix, state } = filter;
    let parts = [
        ("plugin", plugin.as_deref()),
        ("kind", kind.as_deref()),
        ("prefix", prefix.as_deref()),
        ("state", state.map(crate::api::ProcessState::as_str)),
        ("cursor", cursor),
    ];
    parts.into_iter().filter_map(|(name, part)| Some(format!("&{name}={}", encoded(part?)))).collect()
}

fn path(process: &str) -> anyhow::Result<String> {
    let named = process.split_once('/').is_some_and(|(plugin, rest)| !plugin.is_empty() && !rest.is_empty());
    anyhow::ensure!(
        named,
        "`{process}` names no process: write its pid or PLUGIN/NAME, as `skep ps --processes` shows them"
    );
    Ok(format!("/api/processes/{}", encoded(process)))
}
