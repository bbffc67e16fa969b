//! The engine from outside, over the port.
//!
//! | module | shows |
//! |---|---|
//! | `backend` | a store of each kind, and every test on each of them |
//! | `caps` | how many are at work and how often they begin, whatever asks |
//! | `life` | the life of a job, a commit and a message, from end to end |
//! | `files` | other programs' files, damaged ones, copies; SQLite's |
//! | `golden` | files of every schema that there was; SQLite's |
//! | `limits` | what is refused, and that the neighbours do not suffer |
//! | `workers` | many at once: unique jobs, late workers, groups, those that wait for many |
//! | `processes` | who may change a process, names, events, mail, what is due |
//! | `model` | everything agrees with a naive model, whatever the order |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod backend;
mod caps;
mod files;
mod golden;
mod life;
mod limits;
mod model;
mod processes;
mod workers;

use bytes::Bytes;
use parking_lot::Mutex;
use skep_store::{Caps, Changes, Check, Commit, Ends, Key, LeaseRequest, NewJob, Observer, QueueRef, Timestamp, Write};
use skep_types::{HandlerName, PluginName};

use self::backend::Fixture;

const NOW: Timestamp = 1_700_000_000_000;

/// Remembers what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<Changes>>);

impl Observer for Told {
    fn changed(&self, changes: Changes) {
        self.0.lock().push(changes);
    }
}

impl Told {
    fn take(&self) -> Vec<Changes> {
        std::mem::take(&mut *self.0.lock())
    }

    fn publishes(&self) -> Vec<String> {
        let told = self.take();
        let texts = told.iter().flat_map(|changes| &changes.publishes);
        texts.map(|publish| String::from_utf8(publish.data.to_vec()).unwrap()).collect()
    }
}

fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

fn name(name: &str) -> HandlerName {
    HandlerName::new(name).unwrap()
}

fn queue(text: &str) -> QueueRef {
    QueueRef { plugin: plugin("shop"), queue: name(text) }
}

fn key(text: &str) -> Key {
    Key::of_plugin(plugin("shop"), text)
}

fn commit(now: Timestamp) -> Commit {
    Commit::new(plugin("shop"), now)
}

fn set(text: &str, value: &str) -> Write {
    Write::Set { key: key(text), value: Bytes::copy_from_slice(value.as_bytes()), expires: None }
}

fn check(text: &str, version: Option<u64>) -> Check {
    Check { key: key(text), version }
}

fn job(args: &str) -> NewJob {
    NewJob {
        queue: name("mail"),
        name: name("welcome"),
        args: Bytes::copy_from_slice(args.as_bytes()),
        priority: 0,
        run_at: None,
        max_attempts: 3,
        unique: None,
        after: Vec::new(),
        ends: Ends::Completed,
        meta: Vec::new(),
    }
}

fn lease(limit: usize, now: Timestamp) -> LeaseRequest {
    LeaseRequest {
        queue: queue("mail"),
        limit,
        worker: "node/1".to_owned(),
        now,
        until: now + 10_000,
        caps: Caps::default(),
    }
}
