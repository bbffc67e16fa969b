//! What a test does to processes, and sees of them.

use super::{
    Failure, WORLD,
    cell::{Cell, Kind, Life, Waiting, pid},
    ends, settle,
};
use crate::{
    __private::bindings::{
        imports::skep::plugin::types::Target,
        processes::exports::skep::plugin::process_handler::{Call, Event, Identity},
    },
    double::presence,
    process::Process,
};

/// Puts a call into the mailbox, and returns its number.
pub(crate) fn begin_call(to: &Target, message: &[u8]) -> Result<u64, Failure> {
    WORLD.with_borrow_mut(|world| {
        let number = world.number();
        let processes = &mut world.processes;
        let pid = processes.find(to).ok_or(Failure::NotFound)?;
        processes.tell(to, Event::Call(Call { from: number, message: message.to_owned() }))?;
        processes.calls.insert(number, Waiting { to: pid, answer: None });
        Ok(number)
    })
}

/// The answer to a call, once.
pub(crate) fn taken(call: u64) -> Option<Result<Vec<u8>, Failure>> {
    WORLD.with_borrow_mut(|world| {
        let calls = &mut world.processes.calls;
        calls.get(&call)?.answer.as_ref()?;
        calls.remove(&call)?.answer
    })
}

/// Changes what the manifest would say of a kind.
pub(crate) fn configure<P: Process>(change: impl FnOnce(&mut Kind)) {
    super::register::<P>();
    WORLD.with_borrow_mut(|world| {
        if let Some(kind) = world.processes.known.get_mut(P::KIND) {
            change(kind);
        }
    });
}

/// A process that sleeps since an earlier version saved it.
pub(crate) fn put_asleep<P: Process>(name: &str, version: u32, state: Vec<u8>) -> String {
    super::register::<P>();
    WORLD.with_borrow_mut(|world| {
        let pid = pid(None, P::KIND, world.number());
        let me = Identity { kind: P::KIND.to_owned(), pid: pid.clone(), name: Some(name.to_owned()) };
        let mut cell = Cell::new(me, None, b"");
        cell.kept = Some((version, state.clone()));
        cell.life = Life::Asleep(version, state);
        world.processes.all.insert(pid.clone(), cell);
        world.processes.names.insert((None, name.to_owned()), pid.clone());
        presence::own(world, &pid);
        pid
    })
}

fn look<R>(target: &Target, see: impl FnOnce(&mut Cell, Option<&Kind>) -> R) -> Option<R> {
    WORLD.with_borrow_mut(|world| {
        let processes = &mut world.processes;
        let pid = processes.find(target)?;
        let cell = processes.all.get_mut(&pid)?;
        let kind = processes.known.get(&cell.me.kind);
        Some(see(cell, kind))
    })
}

pub(crate) fn is_there(target: &Target) -> bool {
    look(target, |_, _| ()).is_some()
}

pub(crate) fn is_asleep(target: &Target) -> Option<bool> {
    look(target, |cell, _| matches!(cell.life, Life::Asleep(..)))
}

/// The version and the state.
pub(crate) fn saved(target: &Target) -> Option<Result<(u32, Vec<u8>), String>> {
    look(target, |cell, kind| match &cell.life {
        Life::Awake(live) => Ok((kind.map_or(1, |kind| kind.definition.version), live.save()?)),
        Life::Asleep(version, state) => Ok((*version, state.clone())),
        Life::Quarantined(why) => Err(format!("it is quarantined: {why}")),
        Life::Busy => Err("it is in the middle of a message".to_owned()),
    })
}

pub(crate) fn hibernate(target: &Target) -> Option<Result<(), String>> {
    let saved = saved(target)?;
    look(target, |cell, _| {
        let (version, state) = saved?;
        cell.life = Life::Asleep(version, state);
        Ok(())
    })
}

pub(crate) fn events(target: &Target) -> Option<Vec<Vec<u8>>> {
    look(target, |cell, _| cell.events.clone())
}

/// When its timers fire next, in milliseconds since the Unix epoch, the first one first.
pub(crate) fn timers(target: &Target) -> Option<Vec<u64>> {
    let pid = look(target, |cell, _| cell.me.pid.clone())?;
    WORLD.with_borrow(|world| {
        let timers = world.processes.timers.values();
        let mut due: Vec<_> = timers.filter(|timer| timer.pid == pid).map(|timer| timer.due).collect();
        due.sort_unstable();
        Some(due)
    })
}

/// It crashes between two messages. Returns whether it was there.
pub(crate) fn crash(target: &Target, reason: &str) -> bool {
    let Some(pid) = look(target, |cell, _| cell.me.pid.clone()) else { return false };
    ends::crashed(&pid, reason);
    settle();
    true
}
