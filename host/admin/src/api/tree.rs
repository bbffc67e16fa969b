//! The supervision tree, over the wire. Times are spans from now, so that no two clocks must agree.

use serde::{Deserialize, Serialize};

/// A supervisor or a worker, and what is below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeNode {
    /// Its name among its siblings.
    pub name: String,
    /// Its names from the root, as `host/shop/subscribers`: what `skep resume` takes.
    pub path: String,
    /// Which of both.
    pub kind: NodeKind,
    /// Who else is started again with a child that fails, as `one-for-one`; supervisors only.
    pub strategy: Option<String>,
    /// What it is doing, for people: `running`, `backing off (round 2)`.
    pub state: String,
    /// For how many milliseconds it has been doing that.
    pub since_ms: u64,
    /// How often it was started again after a failure of its own.
    pub restarts: u64,
    /// How it ended last, for people.
    pub last_exit: Option<String>,
    /// In how many milliseconds it tries again; supervisors that back off only.
    pub next_retry_ms: Option<u64>,
    /// Whether it is a supervisor that does not try any more until it is resumed.
    pub gave_up: bool,
    /// Its breaker, if it has one.
    pub breaker: Option<BreakerStatus>,
    /// What it supervises, in start order.
    pub children: Vec<TreeNode>,
}

/// What a node of the tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// It starts its children, and starts them again.
    Supervisor,
    /// It works.
    #[default]
    Worker,
}

/// What a breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum BreakerStatus {
    /// It passes.
    Closed,
    /// It is rejected.
    Open {
        /// For so many milliseconds more.
        until_ms: u64,
    },
    /// One call is tried, the others are rejected.
    HalfOpen,
}

/// What came of resuming a supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Its path.
    pub path: String,
}
