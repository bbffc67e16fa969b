//! A process, its children, and signals to them.

use std::fs;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// The children of a process, as `/proc` knows them.
pub(crate) fn children(of: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| parent(*pid) == Some(of)).collect()
}

/// The fourth field; the second one is a name in parentheses, in which anything may be.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// One that is gone already is fine.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = to_pid(pid) {
        kill_process(pid, signal).ok();
    }
}

/// A process that has ended and that nobody has waited for runs no more.
pub(crate) fn runs(pid: u32) -> bool {
    let ended = fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(')')?.1.trim_start().starts_with('Z')));
    to_pid(pid).is_some_and(|pid| test_kill_process(pid).is_ok()) && ended != Some(true)
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}
