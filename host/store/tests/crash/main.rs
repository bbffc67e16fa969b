//! What is left when the host is killed, or the power fails, at a random moment under load.
//!
//! | module | holds |
//! |---|---|
//! | `child` | the program that is killed: this one, started again |
//! | `turns` | the part of it that runs processes |
//! | `rounds` | starting it, killing it, and looking at what it left |
//! | `kept` | what has to be left of processes and mail |
//! | `vfs` | a file system that loses what was not synced, is full, or fails |
//! | `faults` | what the store answers on such a disk, and that it recovers |
//!
//! `SKEP_STORE_CRASH_ROUNDS=300 cargo test -p skep-store --test crash` takes a minute or two; without the variable there are few
//! enough rounds for every run.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod child;
mod faults;
mod kept;
mod rounds;
mod turns;
mod vfs;

use std::path::Path;

const CHILD_STORE: &str = "SKEP_STORE_CRASH_CHILD";
const CHILD_MODE: &str = "SKEP_STORE_CRASH_MODE";

/// Not a test: what the others start.
#[test]
fn child_process() {
    if let Ok(store) = std::env::var(CHILD_STORE) {
        child::work(Path::new(&store), &std::env::var(CHILD_MODE).unwrap());
    }
}

#[test]
fn a_kill_loses_nothing() {
    rounds::run("plain", rounds::rounds(10)).unwrap();
}

#[test]
fn a_power_loss_loses_nothing_that_was_answered() {
    rounds::run("full", rounds::rounds(10)).unwrap();
}

#[test]
fn a_power_loss_without_fsync_for_each_group_loses_whole_commits_at_most() {
    rounds::run("normal", rounds::rounds(5)).unwrap();
}

/// Otherwise the other tests would show nothing.
#[test]
fn a_power_loss_without_any_fsync_is_noticed() {
    let wrong = rounds::run("off", rounds::rounds(5)).unwrap_err();
    assert!(
        wrong.contains("is not there") || wrong.contains("does not open") || wrong.contains("is not any more"),
        "{wrong}"
    );
}

#[test]
fn two_programs_break_nothing() {
    rounds::two_at_once().unwrap();
}
