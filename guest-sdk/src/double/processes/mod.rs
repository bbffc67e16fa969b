//! `skep:plugin/process` with the functions that wit-bindgen generates, over memory. A process handles its messages in the
//! thread of the test, one process at a time.

mod cell;
mod ends;
mod look;
mod own;
mod time;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use super::WORLD;
pub(crate) use crate::__private::bindings::imports::skep::plugin::process::{
    Failure, Listed, Page, Spec, StartFailure, Started,
};
use crate::__private::bindings::{
    imports::skep::plugin::types::{Error, Target},
    processes::exports::skep::plugin::process_handler::Event,
};
use cell::{Cell, Name, Waiting};
pub(crate) use cell::{Kind, Persistence, register};
pub(crate) use look::{
    begin_call, configure, crash, events, hibernate, is_asleep, is_there, put_asleep, saved, taken, timers,
};
pub(crate) use own::{
    append, cancel_timer, demonitor, link, monitor, reply, self_, send_after, send_every, stage, subscribe, trap_exits,
    unlink, unsubscribe,
};
pub(super) use time::{advance, post};
pub(super) use turn::heard;
pub(crate) use turn::settle;

/// As in the host.
const NAME_BYTES_MAX: usize = 256;
const PAGE_PROCESSES_MAX: u32 = 1000;
const MAILBOX_MAX: usize = 1000;
/// The plugin whose processes a test's are.
const PLUGIN: &str = "test";

#[derive(Default)]
pub(crate) struct Processes {
    known: BTreeMap<String, Kind>,
    /// By their pids.
    all: BTreeMap<String, Cell>,
    names: BTreeMap<Name, String>,
    /// Who handles a message: each waits for the next one.
    turns: Vec<own::Turn>,
    /// Calls that somebody waits for.
    calls: BTreeMap<u64, Waiting>,
    timers: BTreeMap<u64, time::Timer>,
    /// Casts that a commit has put off.
    mail: Vec<time::Mail>,
    /// Who watches whom.
    monitors: BTreeMap<u64, (String, String)>,
    links: BTreeSet<(String, String)>,
}

impl Processes {
    fn find(&self, target: &Target) -> Option<String> {
        match target {
            Target::Pid(pid) => self.all.contains_key(pid).then(|| pid.clone()),
            Target::Name(name) => self.names.get(&(name.plugin.clone(), name.name.clone())).cloned(),
        }
    }

    /// Puts something into a mailbox that has room for it.
    fn tell(&mut self, target: &Target, event: Event) -> Result<(), Failure> {
        let pid = self.find(target).ok_or(Failure::NotFound)?;
        let cell = self.all.get_mut(&pid).ok_or(Failure::NotFound)?;
        if cell.mailbox.len() >= MAILBOX_MAX {
            return Err(Failure::Full);
        }
        cell.mailbox.push_back(event);
        Ok(())
    }
}

pub(crate) fn start(spec: &Spec) -> Result<Started, StartFailure> {
    match turn::start(None, spec)? {
        Started { pid, was_there: true } => Err(StartFailure::NameTaken(pid)),
        started => Ok(started),
    }
}

pub(crate) fn start_or_get(spec: &Spec) -> Result<Started, StartFailure> {
    turn::start(None, spec)
}

/// A process of another plugin.
pub(crate) fn start_as(plugin: &str, spec: &Spec) -> Result<Started, StartFailure> {
    turn::start(Some(plugin), spec)
}

pub(crate) fn whereis(plugin: Option<&str>, name: &str) -> Result<Option<String>, Error> {
    check_name(name)?;
    let name = (plugin.map(str::to_owned), name.to_owned());
    Ok(WORLD.with_borrow(|world| world.processes.names.get(&name).cloned()))
}

pub(crate) fn list(prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page, Error> {
    let limit = if limit == 0 { PAGE_PROCESSES_MAX } else { limit.min(PAGE_PROCESSES_MAX) } as usize;
    WORLD.with_borrow(|world| {
        let processes = &world.processes;
        let own = processes.names.iter().filter(|((plugin, _), _)| plugin.is_none());
        let rest =
            own.filter(|((_, name), _)| name.starts_with(prefix) && cursor.is_none_or(|cursor| name.as_str() > cursor));
        let mut found = rest.filter_map(|((_, name), pid)| {
            let kind = processes.all.get(pid)?.me.kind.clone();
            Some(Listed { name: name.clone(), pid: pid.clone(), kind })
        });
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let cursor = found.next().and_then(|_| page.last().map(|listed| listed.name.clone()));
        Ok(Page { processes: page, cursor })
    })
}

pub(crate) fn call(to: &Target, message: &[u8], _timeout_ms: Option<u64>) -> Result<Vec<u8>, Failure> {
    let call = look::begin_call(to, message)?;
    let answer = turn::answered(call);
    settle();
    answer
}

pub(crate) fn cast(to: &Target, message: &[u8]) -> Result<(), Failure> {
    WORLD.with_borrow_mut(|world| world.processes.tell(to, Event::Cast(message.to_owned())))?;
    settle();
    Ok(())
}

pub(crate) fn send(to: &Target, message: &[u8]) -> Result<(), Failure> {
    WORLD.with_borrow_mut(|world| world.processes.tell(to, Event::Info(message.to_owned())))?;
    settle();
    Ok(())
}

pub(crate) fn stop(to: &Target, reason: &str, _timeout_ms: Option<u64>) -> Result<(), Failure> {
    ends::stop(to, reason)?;
    settle();
    Ok(())
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) {
        return Err(Error::Invalid(format!("a name has 1 to {NAME_BYTES_MAX} bytes without control characters")));
    }
    Ok(())
}
