//! What there is of a process, and of a kind.

use std::{collections::VecDeque, fmt};

use super::{Failure, PLUGIN, WORLD};
use crate::{
    __private::bindings::processes::exports::skep::plugin::process_handler::{Definition, Event, Identity},
    process::{
        Process,
        export::{Begins, Live, Resumes, begin, process_definition, resume},
    },
};

/// Whose, none for the plugin's own, and which.
pub(super) type Name = (Option<String>, String);

/// A process.
pub(super) struct Cell {
    pub(super) me: Identity,
    pub(super) plugin: Option<String>,
    pub(super) args: Vec<u8>,
    pub(super) life: Life,
    /// What its persistence has kept: the version and the state.
    pub(super) kept: Option<(u32, Vec<u8>)>,
    pub(super) events: Vec<Vec<u8>>,
    pub(super) mailbox: VecDeque<Event>,
    pub(super) subscriptions: Vec<String>,
    pub(super) traps_exits: bool,
}

impl Cell {
    pub(super) fn new(me: Identity, plugin: Option<&str>, args: &[u8]) -> Self {
        Self {
            me,
            plugin: plugin.map(str::to_owned),
            args: args.to_owned(),
            life: Life::Busy,
            kept: None,
            events: Vec::new(),
            mailbox: VecDeque::new(),
            subscriptions: Vec::new(),
            traps_exits: false,
        }
    }
}

pub(super) enum Life {
    Awake(Box<dyn Live>),
    /// It handles a message, further up in the thread's stack.
    Busy,
    Asleep(u32, Vec<u8>),
    /// Its state did not load.
    Quarantined(String),
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Awake(_) => "Awake",
            Self::Busy => "Busy",
            Self::Asleep(..) => "Asleep",
            Self::Quarantined(_) => "Quarantined",
        })
    }
}

/// A call that somebody waits for, by its number.
pub(super) struct Waiting {
    pub(super) to: String,
    pub(super) answer: Option<Result<Vec<u8>, Failure>>,
}

/// As the manifest says it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    None,
    Snapshot,
    Durable,
    EventLog,
}

impl Persistence {
    pub(super) fn commits(self) -> bool {
        matches!(self, Self::Durable | Self::EventLog)
    }
}

/// A kind: what the plugin's export would tell the host, and what the manifest would say.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(super) definition: Definition,
    pub(super) begin: fn(Identity, &[u8]) -> Begins,
    pub(super) resume: fn(Identity, u32, Vec<u8>) -> Resumes,
    pub(crate) persistence: Persistence,
    pub(crate) restarts: bool,
    pub(crate) max: usize,
}

/// What the plugin's export would tell the host. What was said of the kind stays.
pub(crate) fn register<P: Process>() {
    WORLD.with_borrow_mut(|world| {
        world.processes.known.entry(P::KIND.to_owned()).or_insert_with(|| Kind {
            definition: process_definition::<P>(),
            begin: begin::<P>,
            resume: resume::<P>,
            persistence: if P::REPLAYS { Persistence::EventLog } else { Persistence::None },
            restarts: true,
            max: usize::MAX,
        });
    });
}

/// A pid as the host's are.
pub(super) fn pid(plugin: Option<&str>, kind: &str, number: u64) -> String {
    format!("{}/{kind}/{number}", plugin.unwrap_or(PLUGIN))
}
