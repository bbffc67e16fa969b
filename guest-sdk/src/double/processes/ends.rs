//! Crashes and ends, and who is told of them.

use std::collections::BTreeMap;

use super::{
    Failure, Processes, WORLD,
    cell::{Kind, Life},
    turn::{begin, busy, in_turn, kind_of, wake, with_cell},
};
use crate::{
    __private::bindings::{
        imports::skep::plugin::types::Target,
        processes::exports::skep::plugin::process_handler::{Down, Event, Exit},
    },
    double::{channels, presence},
};

/// It starts again, from what was kept.
pub(super) fn again(pid: &str, kind: &Kind) {
    let kept = with_cell(pid, |cell| match cell.kept.clone() {
        Some((version, state)) => {
            cell.life = Life::Asleep(version, state);
            true
        }
        None => {
            cell.life = Life::Busy;
            false
        }
    });
    if kept == Some(false)
        && let Err(failure) = begin(pid, kind)
    {
        end(pid, &format!("it did not start again: {failure:?}"));
    }
}

/// The message in hand is lost, and so are the answers that it owes.
pub(super) fn crashed(pid: &str, reason: &str) {
    fail_calls(pid, reason);
    match kind_of(pid) {
        Some(kind) if kind.restarts => again(pid, &kind),
        _ => end(pid, reason),
    }
}

/// Calls that it has in hand, or has put off. Those in the mailbox stay there.
fn fail_calls(pid: &str, reason: &str) {
    WORLD.with_borrow_mut(|world| {
        let processes = &mut world.processes;
        let in_mailbox: Vec<u64> = processes.all.get(pid).map_or_else(Vec::new, |cell| {
            let calls = cell.mailbox.iter();
            calls.filter_map(|event| if let Event::Call(call) = event { Some(call.from) } else { None }).collect()
        });
        for (number, waiting) in &mut processes.calls {
            if waiting.to == pid && waiting.answer.is_none() && !in_mailbox.contains(number) {
                waiting.answer = Some(Err(Failure::Crashed(reason.to_owned())));
            }
        }
    });
}

pub(super) fn stop(to: &Target, reason: &str) -> Result<(), Failure> {
    let pid = WORLD.with_borrow(|world| world.processes.find(to)).ok_or(Failure::NotFound)?;
    busy(&pid)?;
    let taken = with_cell(&pid, |cell| (std::mem::replace(&mut cell.life, Life::Busy), cell.me.clone()));
    if let (Some((life, me)), Some(kind)) = (taken, kind_of(&pid))
        && let Ok(mut live) = wake(life, me, &kind)
    {
        let _ = in_turn(&pid, None, || live.terminate(reason));
    }
    end(&pid, reason);
    Ok(())
}

/// The end for good: nothing is kept, and all who want to know are told.
pub(super) fn end(pid: &str, reason: &str) {
    let linked = WORLD.with_borrow_mut(|world| {
        let linked = world.processes.remove(pid, reason);
        presence::disown(world, pid);
        channels::process_ended(world, pid, reason);
        linked
    });
    for other in linked {
        // A circle of links has ended where it began.
        if with_cell(&other, |_| ()).is_some() {
            end(&other, reason);
        }
    }
}

impl Processes {
    /// Takes it out, and returns who ends with it.
    fn remove(&mut self, pid: &str, reason: &str) -> Vec<String> {
        let Some(cell) = self.all.remove(pid) else { return Vec::new() };
        if let Some(name) = cell.me.name {
            self.names.remove(&(cell.plugin, name));
        }
        self.timers.retain(|_, timer| timer.pid != pid);
        for waiting in self.calls.values_mut().filter(|waiting| waiting.to == pid) {
            waiting.answer.get_or_insert(Err(Failure::Crashed(reason.to_owned())));
        }
        let (ended, kept) = std::mem::take(&mut self.monitors).into_iter().partition(|(_, (_, of))| of == pid);
        self.monitors = kept;
        self.monitors.retain(|_, (who, _)| who != pid);
        let ended: Vec<(u64, (String, String))> = BTreeMap::into_iter(ended).collect();
        for (ref_, (who, of)) in ended {
            if let Some(cell) = self.all.get_mut(&who) {
                cell.mailbox.push_back(Event::Down(Down { ref_, pid: of, reason: reason.to_owned() }));
            }
        }
        let is_ours = |(one, other): &(String, String)| one == pid || other == pid;
        let ours: Vec<_> = self.links.iter().filter(|link| is_ours(link)).cloned().collect();
        self.links.retain(|link| !is_ours(link));
        let mut ends = Vec::new();
        for (one, two) in ours {
            let other = if one == pid { two } else { one };
            match self.all.get_mut(&other) {
                Some(cell) if cell.traps_exits => {
                    cell.mailbox.push_back(Event::Exit(Exit { pid: pid.to_owned(), reason: reason.to_owned() }));
                }
                Some(_) if !matches!(reason, "normal" | "shutdown") => ends.push(other),
                _ => {}
            }
        }
        ends
    }
}
