//! The admin listener's view of supervision: the tree, what happens in it, what was set aside.

use std::future::ready;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use skep_admin::api::{Cleared, DeadLetter, EventStatus, Resumed, Retried, TreeNode};
use skep_admin::{ControlError, ControlFuture, Lines, SupervisionControl};
use skep_supervision::tree::TreeState;
use skep_supervision::{ChildKind, Handle, Node};

use super::{NodeControl, events, tree};
use crate::background::Listener;

impl NodeControl {
    fn listener(&self, plugin: &str, subscription: &str) -> Result<Arc<Listener>, ControlError> {
        let all = self.plugin(plugin)?.background().listeners();
        let found = all.iter().find(|listener| listener.name.as_str() == subscription);
        found.cloned().ok_or_else(|| {
            let known: Vec<_> = all.iter().map(|listener| listener.name.to_string()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            ControlError::NotFound(format!(
                "plugin `{plugin}` has no subscription `{subscription}`; there are: {known}"
            ))
        })
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn dead_letters(listener: &Listener) -> impl Iterator<Item = DeadLetter> {
    listener.dead.list().into_iter().map(|letter| {
        let at = letter.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        DeadLetter {
            plugin: listener.plugin.to_string(),
            subscription: listener.name.to_string(),
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            topic: letter.message.topic.to_string(),
            event: letter.message.event.as_deref().map(str::to_owned),
            id: letter.message.id,
            reason: letter.reason,
            attempts: letter.attempts,
            bytes: count(letter.message.data.len()),
            preview: DeadLetter::preview(&letter.message.data),
        }
    })
}

/// All supervisors from here down, with the handles of those that run.
fn supervisors(handle: &Handle, node: &Node, found: &mut Vec<(Node, Option<Handle>)>) {
    found.push((node.clone(), Some(handle.clone())));
    for child in node.children.iter().filter(|child| child.kind == ChildKind::Supervisor) {
        match handle.nested(&child.id) {
            Some(below) => supervisors(&below, child, found),
            None => found.push((child.clone(), None)),
        }
    }
}

impl SupervisionControl for NodeControl {
    fn tree(&self) -> TreeNode {
        tree::tree(&self.0)
    }

    fn events(&self, after: Option<u64>, follow: bool) -> Lines<EventStatus> {
        events::lines(&self.0.services.environment.bus, after, follow)
    }

    fn dead_letters(&self, plugin: Option<&str>, subscription: Option<&str>) -> Result<Vec<DeadLetter>, ControlError> {
        let listeners = match (plugin, subscription) {
            (Some(plugin), Some(subscription)) => vec![self.listener(plugin, subscription)?],
            (Some(plugin), None) => self.plugin(plugin)?.background().listeners(),
            (None, Some(_)) => {
                return Err(ControlError::Refused("a subscription is one of a plugin: name that too".to_owned()));
            }
            (None, None) => self.0.plugins().values().flat_map(|plugin| plugin.background().listeners()).collect(),
        };
        let mut letters: Vec<_> = listeners.iter().flat_map(|listener| dead_letters(listener)).collect();
        letters.sort_by_key(|letter| letter.at_ms);
        Ok(letters)
    }

    // Both touch memory only, and are done before anybody could go away.

    fn retry_dead(&self, plugin: String, subscription: String) -> ControlFuture<Retried> {
        let retried = self.listener(&plugin, &subscription).map(|listener| {
            let retried = count(listener.retry());
            tracing::info!(plugin, subscription, retried, "dead letters are tried again by command");
            Retried { retried }
        });
        Box::pin(ready(retried))
    }

    fn clear_dead(&self, plugin: String, subscription: String) -> ControlFuture<Cleared> {
        let cleared = self.listener(&plugin, &subscription).map(|listener| {
            let removed = count(listener.dead.take().len());
            tracing::info!(plugin, subscription, removed, "dead letters were cleared by command");
            Cleared { removed }
        });
        Box::pin(ready(cleared))
    }

    fn resume(&self, path: &str) -> Result<Resumed, ControlError> {
        let root = &self.0.services.root;
        let mut all = Vec::new();
        // Names may hold slashes, so paths are compared and never taken apart.
        supervisors(root, &root.snapshot(), &mut all);
        let Some((node, handle)) = all.iter().find(|(node, _)| *node.path == *path) else {
            let known: Vec<_> = all.iter().map(|(node, _)| &*node.path).collect();
            let known = known.join(", ");
            return Err(ControlError::NotFound(format!("there is no supervisor `{path}`; there are: {known}")));
        };
        match (node.supervisor, handle) {
            (Some(TreeState::BackingOff { .. } | TreeState::GaveUp), Some(handle)) => {
                handle.resume().map_err(|refused| ControlError::Refused(refused.to_string()))?;
                Ok(Resumed { path: path.to_owned() })
            }
            _ => {
                let state = tree::state(node);
                Err(ControlError::Refused(format!(
                    "`{path}` is {state}: only a supervisor that backs off or gave up can be resumed"
                )))
            }
        }
    }
}
