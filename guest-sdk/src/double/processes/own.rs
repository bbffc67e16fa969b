//! What a process asks of the host while it handles a message.

use super::{Failure, WORLD, time::Timer};
use crate::{
    __private::bindings::{
        imports::skep::plugin::{
            store::Op,
            types::{Error, Target},
        },
        processes::exports::skep::plugin::process_handler::{Down, Event},
    },
    double::World,
};

const OPS_MAX: usize = 1000;
const TIMERS_MAX: usize = 1000;
const WATCHED_MAX: usize = 1000;
const SUBSCRIPTIONS_MAX: usize = 100;

/// A message in hand, and what belongs to it.
pub(super) struct Turn {
    pub(super) pid: String,
    pub(super) call: Option<u64>,
    pub(super) ops: Vec<Op>,
    pub(super) events: Vec<Vec<u8>>,
}

impl Turn {
    pub(super) fn new(pid: &str, call: Option<u64>) -> Self {
        Self { pid: pid.to_owned(), call, ops: Vec::new(), events: Vec::new() }
    }
}

/// Does something as the process that runs.
fn as_self<R>(run: impl FnOnce(&mut World, String) -> Result<R, Error>) -> Result<R, Error> {
    WORLD.with_borrow_mut(|world| {
        let pid = world.processes.turns.last().map(|turn| turn.pid.clone());
        run(world, pid.ok_or_else(|| Error::Invalid("this is for a process, in one of its own calls".into()))?)
    })
}

pub(crate) fn self_() -> Result<String, Error> {
    as_self(|_, pid| Ok(pid))
}

pub(crate) fn send_after(message: &[u8], delay_ms: u64) -> Result<u64, Error> {
    set_timer(message, delay_ms, None)
}

pub(crate) fn send_every(message: &[u8], interval_ms: u64) -> Result<u64, Error> {
    if interval_ms == 0 {
        return Err(Error::Invalid("an interval is at least 1 ms".into()));
    }
    set_timer(message, interval_ms, Some(interval_ms))
}

fn set_timer(message: &[u8], delay_ms: u64, every: Option<u64>) -> Result<u64, Error> {
    as_self(|world, pid| {
        let (number, due) = (world.number(), world.timestamp().saturating_add(delay_ms));
        let timers = &mut world.processes.timers;
        if timers.values().filter(|timer| timer.pid == pid).count() >= TIMERS_MAX {
            return Err(Error::Full);
        }
        timers.insert(number, Timer { pid, message: message.to_owned(), due, every });
        Ok(number)
    })
}

pub(crate) fn cancel_timer(timer: u64) -> Result<bool, Error> {
    as_self(|world, pid| {
        let timers = &mut world.processes.timers;
        let was = timers.get(&timer).is_some_and(|timer| timer.pid == pid) && timers.remove(&timer).is_some();
        let Some(cell) = world.processes.all.get_mut(&pid) else { return Ok(was) };
        let before = cell.mailbox.len();
        cell.mailbox.retain(|event| !matches!(event, Event::Timer(sent) if sent.id == timer));
        Ok(was || cell.mailbox.len() < before)
    })
}

pub(crate) fn monitor(to: &Target) -> Result<u64, Error> {
    as_self(|world, who| {
        let ref_ = world.number();
        let processes = &mut world.processes;
        if processes.monitors.values().filter(|(by, _)| *by == who).count() >= WATCHED_MAX {
            return Err(Error::Full);
        }
        match processes.find(to) {
            Some(of) => {
                processes.monitors.insert(ref_, (who, of));
            }
            None => {
                let pid = match to {
                    Target::Pid(pid) => pid.clone(),
                    Target::Name(name) => name.name.clone(),
                };
                if let Some(cell) = processes.all.get_mut(&who) {
                    cell.mailbox.push_back(Event::Down(Down { ref_, pid, reason: "noproc".into() }));
                }
            }
        }
        Ok(ref_)
    })
}

pub(crate) fn demonitor(ref_: u64) -> Result<(), Error> {
    as_self(|world, who| {
        let processes = &mut world.processes;
        processes.monitors.retain(|number, (by, _)| *number != ref_ || *by != who);
        if let Some(cell) = processes.all.get_mut(&who) {
            cell.mailbox.retain(|event| !matches!(event, Event::Down(down) if down.ref_ == ref_));
        }
        Ok(())
    })
}

/// Links have no direction.
fn pair(one: String, other: String) -> (String, String) {
    if one <= other { (one, other) } else { (other, one) }
}

pub(crate) fn link(to: &Target) -> Result<(), Error> {
    as_self(|world, who| {
        let processes = &mut world.processes;
        let other = processes.find(to).ok_or(Error::NotFound)?;
        if processes.links.iter().filter(|(one, two)| *one == who || *two == who).count() >= WATCHED_MAX {
            return Err(Error::Full);
        }
        processes.links.insert(pair(who, other));
        Ok(())
    })
}

pub(crate) fn unlink(to: &Target) -> Result<(), Error> {
    as_self(|world, who| {
        if let Some(other) = world.processes.find(to) {
            world.processes.links.remove(&pair(who, other));
        }
        Ok(())
    })
}

pub(crate) fn trap_exits(trap: bool) -> Result<(), Error> {
    as_self(|world, who| {
        if let Some(cell) = world.processes.all.get_mut(&who) {
            cell.traps_exits = trap;
        }
        Ok(())
    })
}

pub(crate) fn subscribe(topic: &str) -> Result<(), Error> {
    as_self(|world, who| {
        world.pubsub.rules(topic.strip_suffix('*').filter(|prefix| !prefix.is_empty()).unwrap_or(topic))?;
        let Some(cell) = world.processes.all.get_mut(&who) else { return Ok(()) };
        if cell.subscriptions.iter().any(|there| there == topic) {
            return Ok(());
        }
        if cell.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(Error::Full);
        }
        cell.subscriptions.push(topic.to_owned());
        Ok(())
    })
}

pub(crate) fn unsubscribe(topic: &str) -> Result<(), Error> {
    as_self(|world, who| {
        if let Some(cell) = world.processes.all.get_mut(&who) {
            cell.subscriptions.retain(|there| there != topic);
        }
        Ok(())
    })
}

pub(crate) fn reply(call: u64, answer: Result<&[u8], &str>) -> Result<(), Error> {
    as_self(|world, who| {
        if let Some(waiting) = world.processes.calls.get_mut(&call).filter(|waiting| waiting.to == who) {
            let answer = answer.map(<[u8]>::to_vec).map_err(|why| Failure::Failed(why.to_owned()));
            waiting.answer.get_or_insert(answer);
        }
        Ok(())
    })
}

/// What the kind's persistence must be for it.
fn turn_that<'a>(
    world: &'a mut World,
    pid: &str,
    may: impl FnOnce(super::Persistence) -> bool,
    text: &str,
) -> Result<&'a mut Turn, Error> {
    let processes = &mut world.processes;
    let kind = processes.all.get(pid).and_then(|cell| processes.known.get(&cell.me.kind));
    let turn = processes.turns.last_mut();
    match (kind, turn) {
        (Some(kind), Some(turn)) if may(kind.persistence) => Ok(turn),
        _ => Err(Error::Invalid(text.to_owned())),
    }
}

pub(crate) fn stage(ops: &[Op]) -> Result<(), Error> {
    as_self(|world, pid| {
        let text = "it is for the persistence `durable` and `event-log`: `test::process_kind::<P>().durable()`";
        let turn = turn_that(world, &pid, super::Persistence::commits, text)?;
        if turn.ops.len() + ops.len() > OPS_MAX {
            return Err(Error::TooLarge(OPS_MAX as u64));
        }
        turn.ops.extend_from_slice(ops);
        Ok(())
    })
}

pub(crate) fn append(events: &[Vec<u8>]) -> Result<(), Error> {
    as_self(|world, pid| {
        let is_log = |persistence| persistence == super::Persistence::EventLog;
        let turn = turn_that(world, &pid, is_log, "it is for the persistence `event-log`")?;
        turn.events.extend_from_slice(events);
        Ok(())
    })
}
