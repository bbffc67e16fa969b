//! Processes at work: one message, and what comes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Failure, Persistence, Processes, Spec, StartFailure, Started, WORLD,
    cell::{Cell, Kind, Life, pid},
    check_name,
    own::Turn,
};
use crate::{
    __private::bindings::{
        imports::skep::plugin::{
            pubsub::Message,
            store::Refusal,
            types::{Error, Target},
        },
        processes::exports::skep::plugin::process_handler::{
            Call, Down, Event, Exit, Identity, Next, Published, Stopping,
        },
    },
    double::{World, durable, presence, tasks},
    process::export::Live,
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
fn begin(pid: &str, kind: &Kind) -> Result<(), StartFailure> {
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
fn in_turn<R>(pid: &str, call: Option<u64>, run: impl FnOnce() -> R) -> (Result<R, String>, Turn) {
    WORLD.with_borrow_mut(|world| world.processes.turns.push(Turn::new(pid, call)));
    let result = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| tasks::text(&*panic).to_owned());
    let turn = WORLD.with_borrow_mut(|world| world.processes.turns.pop());
    (result, turn.unwrap_or_else(|| Turn::new(pid, call)))
}

fn with_cell<R>(pid: &str, run: impl FnOnce(&mut Cell) -> R) -> Option<R> {
    WORLD.with_borrow_mut(|world| world.processes.all.get_mut(pid).map(run))
}

fn kind_of(pid: &str) -> Option<Kind> {
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

fn wake(life: Life, me: Identity, kind: &Kind) -> Result<Box<dyn Live>, String> {
    match life {
        Life::Awake(live) => Ok(live),
        Life::Asleep(version, state) => (kind.resume)(me, version, state),
        Life::Quarantined(why) => Err(why),
        Life::Busy => Err("it is busy".to_owned()),
    }
}

/// It starts again, from what was kept.
fn again(pid: &str, kind: &Kind) {
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

fn answer(call: Option<u64>, said: Result<Vec<u8>, Failure>) {
    WORLD.with_borrow_mut(|world| {
        if let Some(waiting) = call.and_then(|call| world.processes.calls.get_mut(&call)) {
            waiting.answer.get_or_insert(said);
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
        let ended: Vec<(u64, (String, String))> = std::collections::BTreeMap::into_iter(ended).collect();
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
}

/// Whoever is busy here waits for the one that asks.
fn busy(pid: &str) -> Result<(), Failure> {
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
