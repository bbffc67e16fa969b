//! The supervision tree as the admin listener shows it: what the supervisors say, and in its place what no supervisor
//! starts: routes, tasks, event streams, plugins that have no revision.

use std::time::{Duration, Instant};

use skep_admin::api::{BreakerStatus, NodeKind, TreeNode};
use skep_supervision::breaker::BreakerState;
use skep_supervision::tree::{ChildState, TreeState};
use skep_supervision::{ChildKind, ExitReason, Node};

use crate::guard::{Branch, ROOT};
use crate::plugin::Plugin;

/// The name of the node that counts a plugin's event streams.
const STREAMS: &str = "streams";

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The tree of a node, now.
pub(super) fn tree(node: &crate::Node) -> TreeNode {
    let services = &node.services;
    // Before the clock is read: nothing in it is to be in the future.
    let snapshot = services.root.snapshot();
    let now = services.environment.clock.now();
    let mut root = supervised(&snapshot, now);
    for (name, plugin) in node.plugins().iter() {
        let look = Look { plugin, now };
        match root.children.iter_mut().find(|branch| branch.name == name.as_str()) {
            Some(branch) => look.complete(branch),
            None => {
                let mut branch = look.handler(ROOT, name.as_str());
                branch.last_exit = plugin.note();
                look.complete(&mut branch);
                root.children.push(branch);
            }
        }
    }
    root
}

/// What a supervisor or a worker is doing, in words.
pub(super) fn state(node: &Node) -> String {
    match (node.supervisor, node.state) {
        (Some(TreeState::Starting), _) => "starting".to_owned(),
        (Some(TreeState::Stopping), _) => "stopping".to_owned(),
        (Some(TreeState::BackingOff { round, .. }), _) => format!("backing off (round {round})"),
        (Some(TreeState::GaveUp), _) => "gave up".to_owned(),
        (Some(TreeState::Ended), _) => "ended".to_owned(),
        (Some(TreeState::Running), _) | (None, ChildState::Running) => "running".to_owned(),
        (None, ChildState::Restarting) => "restarting".to_owned(),
        // As a warmer without an interval.
        (None, ChildState::Down) if node.last_exit == Some(ExitReason::Normal) => "done".to_owned(),
        (None, ChildState::Down) => "down".to_owned(),
    }
}

fn supervised(node: &Node, now: Instant) -> TreeNode {
    TreeNode {
        name: node.id.to_string(),
        path: node.path.to_string(),
        kind: match node.kind {
            ChildKind::Supervisor => NodeKind::Supervisor,
            ChildKind::Worker => NodeKind::Worker,
        },
        strategy: node.strategy.map(|strategy| strategy.to_string()),
        state: state(node),
        since_ms: millis(now.saturating_duration_since(node.since)),
        restarts: node.restarts,
        last_exit: node.last_exit.as_ref().map(ToString::to_string),
        next_retry_ms: node.next_retry().map(|at| millis(at.saturating_duration_since(now))),
        gave_up: node.gave_up(),
        breaker: None,
        children: node.children.iter().map(|child| supervised(child, now)).collect(),
    }
}

fn breaker_status(state: BreakerState, now: Instant) -> BreakerStatus {
    match state {
        BreakerState::Closed => BreakerStatus::Closed,
        BreakerState::Open { until } if until > now => BreakerStatus::Open { until_ms: millis(until - now) },
        // Its time is over: the next call is the one that is tried.
        BreakerState::Open { .. } | BreakerState::HalfOpen => BreakerStatus::HalfOpen,
    }
}

/// A plugin that is looked at.
struct Look<'a> {
    plugin: &'a Plugin,
    now: Instant,
}

impl Look<'_> {
    /// Adds to the plugin's branch what its supervisor does not know.
    fn complete(&self, branch: &mut TreeNode) {
        for child in &mut branch.children {
            if child.name == Branch::Subscribers.as_str() {
                child.children.iter_mut().for_each(|subscriber| self.complete_subscriber(subscriber));
            } else if child.name == Branch::Tasks.as_str() {
                self.complete_tasks(child);
            }
        }
        let path = &branch.path;
        let own = [self.http(path), self.streams(path), self.sockets(path), self.channels(path)];
        let mut own: Vec<_> = own.into_iter().flatten().collect();
        own.append(&mut branch.children);
        branch.children = own;
    }

    fn http(&self, path: &str) -> Option<TreeNode> {
        let settings = self.plugin.settings();
        let routes = settings.config.routes.iter().map(ToString::to_string);
        let mut http = self.handler(path, Branch::Http.as_str());
        http.children = routes.map(|route| self.guarded(&http.path, Branch::Http, &route)).collect();
        (!http.children.is_empty()).then_some(http)
    }

    fn streams(&self, path: &str) -> Option<TreeNode> {
        let count = self.plugin.streams().count();
        let has_streams = self.plugin.settings().config.routes.iter().any(|route| route.sse.is_some());
        // A reload takes a route away and leaves its streams alone.
        (has_streams || count > 0).then(|| TreeNode { state: format!("{count} open"), ..self.handler(path, STREAMS) })
    }

    fn sockets(&self, path: &str) -> Option<TreeNode> {
        let settings = self.plugin.settings();
        let mut sockets = self.handler(path, Branch::Sockets.as_str());
        let mounts = settings.config.sockets.keys().map(ToString::to_string);
        sockets.children = mounts.map(|mount| self.guarded(&sockets.path, Branch::Sockets, &mount)).collect();
        (!sockets.children.is_empty()).then_some(sockets)
    }

    fn channels(&self, path: &str) -> Option<TreeNode> {
        let revision = self.plugin.current()?;
        let mut channels = self.handler(path, Branch::Channels.as_str());
        let patterns = revision.declared().channels.iter().map(|channel| channel.topics.to_string());
        channels.children = patterns.map(|topics| self.guarded(&channels.path, Branch::Channels, &topics)).collect();
        (!channels.children.is_empty()).then_some(channels)
    }

    fn complete_subscriber(&self, node: &mut TreeNode) {
        node.breaker = self.breaker(Branch::Subscribers, &node.name);
        let listeners = self.plugin.background().listeners();
        let listener = listeners.iter().find(|listener| listener.name.as_str() == node.name);
        match listener.map_or(0, |listener| listener.dead.count()) {
            0 => {}
            dead => node.state = format!("{}, {dead} dead", node.state),
        }
    }

    fn complete_tasks(&self, node: &mut TreeNode) {
        match self.plugin.background().tasks_waiting() {
            0 => {}
            waiting => node.state = format!("{}, {waiting} waiting", node.state),
        }
        let Some(revision) = self.plugin.current() else { return };
        let tasks = revision.declared().tasks.iter();
        node.children = tasks.map(|task| self.guarded(&node.path, Branch::Tasks, task.as_str())).collect();
    }

    /// Something that is called and not supervised: it is as its plugin is.
    fn handler(&self, path: &str, name: &str) -> TreeNode {
        TreeNode {
            name: name.to_owned(),
            path: format!("{path}/{name}"),
            state: self.plugin.state().to_owned(),
            since_ms: self.plugin.since().map_or(0, |since| millis(self.now.saturating_duration_since(since))),
            ..TreeNode::default()
        }
    }

    fn guarded(&self, path: &str, branch: Branch, name: &str) -> TreeNode {
        TreeNode { breaker: self.breaker(branch, name), ..self.handler(path, name) }
    }

    fn breaker(&self, branch: Branch, name: &str) -> Option<BreakerStatus> {
        self.plugin.guards().breaker(branch, name).map(|state| breaker_status(state, self.now))
    }
}

#[cfg(test)]
mod tests {
    use skep_types::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn a_breaker_whose_time_is_over_tries_the_next_call() {
        let now = SystemClock.now();
        let until = now + Duration::from_millis(1500);
        let open = BreakerState::Open { until };
        assert_eq!(breaker_status(open, now), BreakerStatus::Open { until_ms: 1500 });
        assert_eq!(breaker_status(open, until), BreakerStatus::HalfOpen);
        assert_eq!(breaker_status(BreakerState::HalfOpen, now), BreakerStatus::HalfOpen);
        assert_eq!(breaker_status(BreakerState::Closed, now), BreakerStatus::Closed);
    }
}
