//! Processes at work: one message, and what comes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Failure, Persistence, Processes, Spec, StartFailure, Started, WORLD,
    cell::{Cell, Kind, Life, pid},
    check_name,
    ends::{again, crashed, end},
    own::Turn,
};
use crate::{
    __private::bindings::{
        imports::skep::plugin::{pubsub::Message, store::Refusal, types::Error},
        processes::exports::skep::plugin::process_handler::{Call, Event, Identity, Next, Published, Stopping},
    },
    double::{World, channels, durable, presence, tasks, websockets},
    process::export::{Live, Resumes},
};

/// Processes that tell each other things for ever.
const TURNS_MAX: usize = 100_000;

/// Starts a process, unless there is one of this name.
pub(super) fn start(plugin: Option<&str>, spec: &Spec) -> Result<Started, StartFailure> {
    let Spec { kind, name, args } = spec;
    let other = StartFailure::Other;
    name.as_deref().map_or(Ok(()), check_name).map_err(other)?;
    let begun = WORLD.with_borrow_mut(|world| {
        let number = world.number();
        let processes = &mut world.processes;
        let of_name = name.as_ref().map(|name| (plugin.map(str::to_owned), name.clone()));
        if let Some(pid) = of_name.as_ref().and_then(|name| processes.names.get(name)) {
            return Ok(Err(Started { pid: pid.clone(), was_there: true }));
        }
        let known = processes.known.get(kind).cloned().ok_or(other(Error::NotFound))?;
        if processes.all.values().filter(|cell| cell.me.kind == *kind).count() >= known.max {
            return Err(other(Error::Full));
        }
        let pid = pid(plugin, kind, number);
        let me = Identity { kind: kind.clone(), pid: pid.clone(), name: name.clone() };
        processes.all.insert(pid.clone(), Cell::new(me, plugin, args));
        processes.names.extend(of_name.map(|name| (name, pid.clone())));
        presence::own(world, &pid);
        Ok(Ok((pid, known)))
    });
    let (pid, kind) = match begun? {
        Ok(begun) => begun,
        Err(there) => return Ok(there),
    };
    match begin(&pid, &kind) {
        Ok(()) => {
            settle();
            Ok(Started { pid, was_there: false })
        }
        Err(failure) => {
            end(&pid, "it did not start");
            settle();
            Err(failure)
        }
    }
}

/// Runs `init`, at the start or again after a crash, and what happened since.
pub(super) fn begin(pid: &str, kind: &Kind) -> Result<(), StartFailure> {
    let Some((me, args)) = with_cell(pid, |cell| (cell.me.clone(), cell.args.clone())) else { return Ok(()) };
    let (begun, turn) = in_turn(pid, None, || (kind.begin)(me, &args));
    match begun {
        Err(panic) => Err(StartFailure::Crashed(panic)),
        Ok(Err(why)) => Err(StartFailure::Failed(why)),
        Ok(Ok((mut live, next))) => {
            let events = with_cell(pid, |cell| cell.events.clone()).unwrap_or_default();
            live.replay(&events).map_err(StartFailure::Failed)?;
            match leave(pid, live, next, turn) {
                Ok(_) => Ok(()),
                Err(Failure::Other(error)) => Err(StartFailure::Other(error)),
                Err(_) => Err(StartFailure::Other(Error::Conflict)),
            }
        }
    }
}

/// Runs a guest's function as this process. The text is that of a panic.
pub(super) fn in_turn<R>(pid: &str, call: Option<u64>, run: impl FnOnce() -> R) -> (Result<R, String>, Turn) {
    WORLD.with_borrow_mut(|world| world.processes.turns.push(Turn::new(pid, call)));
    let result = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| tasks::text(&*panic).to_owned());
    let turn = WORLD.with_borrow_mut(|world| world.processes.turns.pop());
    (result, turn.unwrap_or_else(|| Turn::new(pid, call)))
}

pub(super) fn with_cell<R>(pid: &str, run: impl FnOnce(&mut Cell) -> R) -> Option<R> {
    WORLD.with_borrow_mut(|world| world.processes.all.get_mut(pid).map(run))
}

pub(super) fn kind_of(pid: &str) -> Option<Kind> {
    WORLD.with_borrow(|world| {
        let kind = &world.processes.all.get(pid)?.me.kind;
        world.processes.known.get(kind).cloned()
    })
}

/// After a message: commits, keeps the state, and lets it go on, sleep or end. Returns the answer to a call, if it is there.
fn leave(pid: &str, live: Box<dyn Live>, next: Next, turn: Turn) -> Result<Option<Result<Vec<u8>, String>>, Failure> {
    let Some(kind) = kind_of(pid) else { return Ok(None) };
    if !turn.ops.is_empty() {
        durable::commit(&turn.ops).map_err(|refusal| match refusal {
            Refusal::Conflict(_) | Refusal::Duplicate(_) => Failure::Conflict,
            Refusal::Other(error) => Failure::Other(error),
        })?;
    }
    let saved = live.save();
    // The host could not put it to sleep, nor move it: better to hear of it here.
    let why = saved.as_ref().err().map_or("", String::as_str);
    assert!(why.is_empty(), "the process `{pid}` cannot be saved: {why}");
    let state = saved.unwrap_or_default();
    let (asleep, stopping, reply) = match next {
        Next::Noreply => (false, None, None),
        Next::Reply(answer) => (false, None, Some(answer)),
        Next::Hibernate(answer) => (true, None, answer),
        Next::Stop(Stopping { reason, reply }) => (false, Some(reason), reply),
    };
    if let (None, Some(Err(why))) = (turn.call, &reply) {
        // As in the host's log.
        eprintln!("the process `{pid}` failed: {why}");
    }
    let mut live = live;
    if let Some(reason) = stopping {
        let _ = in_turn(pid, None, || live.terminate(&reason));
        // Its caller has the answer before the end is known.
        if let Some(said) = reply {
            answer(turn.call, said.map_err(Failure::Failed));
        }
        end(pid, &reason);
        return Ok(None);
    }
    with_cell(pid, |cell| {
        cell.events.extend(turn.events);
        let version = kind.definition.version;
        if matches!(kind.persistence, Persistence::Snapshot | Persistence::Durable) {
            cell.kept = Some((version, state.clone()));
        }
        cell.life = if asleep { Life::Asleep(version, state) } else { Life::Awake(live) };
    });
    Ok(reply)
}

/// Has a process handle its next message. Returns whether there was one.
fn work(pid: &str) -> bool {
    let taken = with_cell(pid, |cell| {
        if matches!(cell.life, Life::Busy) {
            return None;
        }
        let event = cell.mailbox.pop_front()?;
        Some((event, std::mem::replace(&mut cell.life, Life::Busy), cell.me.clone()))
    });
    let Some(Some((event, life, me))) = taken else { return false };
    let call = if let Event::Call(Call { from, .. }) = &event { Some(*from) } else { None };
    let Some(kind) = kind_of(pid) else { return false };
    let mut live = match wake(life, me, &kind) {
        Ok(live) => live,
        Err(why) => {
            answer(call, Err(Failure::Crashed(format!("quarantined: {why}"))));
            with_cell(pid, |cell| cell.life = Life::Quarantined(why));
            return true;
        }
    };
    let (next, turn) = in_turn(pid, call, || live.handle(event));
    match next.map(|next| leave(pid, live, next, turn)) {
        Ok(Ok(said)) => {
            if let Some(said) = said {
                answer(call, said.map_err(Failure::Failed));
            }
        }
        Ok(Err(failure)) => {
            answer(call, Err(failure));
            again(pid, &kind);
        }
        Err(panic) => crashed(pid, &format!("panicked: {panic}")),
    }
    true
}

pub(super) fn wake(life: Life, me: Identity, kind: &Kind) -> Resumes {
    match life {
        Life::Awake(live) => Ok(live),
        Life::Asleep(version, state) => (kind.resume)(me, version, state),
        Life::Quarantined(why) => Err(why),
        Life::Busy => Err("it is busy".to_owned()),
    }
}

fn answer(call: Option<u64>, said: Result<Vec<u8>, Failure>) {
    WORLD.with_borrow_mut(|world| {
        if let Some(waiting) = call.and_then(|call| world.processes.calls.get_mut(&call)) {
            waiting.answer.get_or_insert(said);
        }
    });
}

/// Whoever is busy here waits for the one that asks.
pub(super) fn busy(pid: &str) -> Result<(), Failure> {
    match WORLD.with_borrow(|world| world.processes.chain(pid)) {
        Some(doing) => Err(Failure::Timeout(doing)),
        None => Ok(()),
    }
}

/// Works until a call is answered. The clock stands still, so one that is not answered by then has waited in vain.
pub(super) fn answered(call: u64) -> Result<Vec<u8>, Failure> {
    for _ in 0..TURNS_MAX {
        let to = WORLD.with_borrow_mut(|world| {
            let calls = &mut world.processes.calls;
            match calls.get(&call).map(|waiting| (waiting.answer.is_some(), waiting.to.clone())) {
                Some((false, to)) => Ok(to),
                _ => Err(calls.remove(&call).and_then(|waiting| waiting.answer).unwrap_or(Err(Failure::NotFound))),
            }
        });
        let to = match to {
            Ok(to) => to,
            Err(answer) => return answer,
        };
        if !work(&to) && !any() {
            let doing = busy(&to).err();
            WORLD.with_borrow_mut(|world| world.processes.forget(call));
            return Err(doing.unwrap_or(Failure::Timeout("it has put its answer off".to_owned())));
        }
    }
    Err(Failure::Timeout(format!("{TURNS_MAX} messages were handled, and there are more")))
}

impl Processes {
    /// What a process does that handles a message, told to one that waits for it.
    fn chain(&self, pid: &str) -> Option<String> {
        let place = self.turns.iter().position(|turn| turn.pid == pid)?;
        let waits: Vec<_> = self.turns.iter().skip(place + 1).map(|turn| format!("waits for `{}`", turn.pid)).collect();
        let waits = waits.join(", which ");
        Some(if waits.is_empty() {
            "it is the caller itself".to_owned()
        } else {
            format!("it {waits}, which is the caller")
        })
    }

    /// Nobody waits any more; a call in the mailbox is skipped.
    fn forget(&mut self, call: u64) {
        if let Some(waiting) = self.calls.remove(&call)
            && let Some(cell) = self.all.get_mut(&waiting.to)
        {
            cell.mailbox.retain(|event| !matches!(event, Event::Call(waits) if waits.from == call));
        }
    }
}

/// Has one process that has something to do do it.
fn any() -> bool {
    let ready = WORLD.with_borrow(|world| {
        let mut all = world.processes.all.iter();
        all.find(|(_, cell)| !cell.mailbox.is_empty() && !matches!(cell.life, Life::Busy)).map(|(pid, _)| pid.clone())
    });
    ready.is_some_and(|pid| work(&pid))
}

/// All that waits in mailboxes, when no process is in the middle of a message.
pub(crate) fn settle() {
    if WORLD.with_borrow(|world| !world.processes.turns.is_empty()) {
        return;
    }
    let turns = (0..TURNS_MAX).take_while(|_| any()).count();
    assert!(
        turns < TURNS_MAX,
        "{TURNS_MAX} messages were handled, and there are more: do processes tell each other things?"
    );
    channels::settle();
    websockets::settle();
}

/// A message that was published comes to those that have subscribed.
pub(crate) fn heard(world: &mut World, message: &Message) {
    let Message { topic, event, id, data } = message;
    let matches = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => topic.starts_with(prefix),
        None => topic == pattern,
    };
    for cell in world.processes.all.values_mut().filter(|cell| cell.subscriptions.iter().any(matches)) {
        let published = Published { topic: topic.clone(), id: *id, event: event.clone(), data: data.clone() };
        cell.mailbox.push_back(Event::Published(published));
    }
}
