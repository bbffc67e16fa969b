//! What a node is doing, in numbers that grow. Who wants to know how fast takes the difference of two answers: the node keeps
//! nothing for those who look.

use serde::{Deserialize, Serialize};

use super::{ProcessTotals, SocketTotals};

/// A node in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFigures {
    /// The node's name.
    pub name: String,
    /// The version of skep.
    pub version: String,
    /// For how many milliseconds it has been running: the time of these figures, by a clock that never jumps.
    pub uptime_ms: u64,
    /// Cores that it may use.
    pub cores: u32,
    /// The CPU time that it used since it started, in milliseconds, of all cores; none where that cannot be known.
    pub cpu_ms: Option<u64>,
    /// The memory that it occupies, in bytes; none where that cannot be known.
    pub rss_bytes: Option<u64>,
    /// The memory that it may use: the machine's, or its container's; none where that cannot be known.
    pub memory_bytes: Option<u64>,
    /// Its plugins, by name.
    pub plugins: Vec<PluginFigures>,
    /// Its processes, if it has any to have.
    pub processes: Option<ProcessTotals>,
    /// The sockets of its clients, if it has any to have.
    pub sockets: Option<SocketTotals>,
}

/// A plugin in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginFigures {
    /// Its name.
    pub name: String,
    /// `running`, `skipped` or `failed`.
    pub state: String,
    /// The revision that serves.
    pub revision: Option<String>,
    /// Calls of all kinds that ended since the node started, over all revisions, messages of processes among them.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Wasm work, in fuel.
    pub fuel: u64,
    /// Instances at work now.
    pub running: u64,
    /// Calls that wait for one.
    pub waiting: u64,
    /// Processes in memory.
    pub processes: u64,
}
