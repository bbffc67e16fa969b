//! Channels at work: one call, and what comes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    WORLD, World,
    actions::perform,
    cell::{Cell, Kind, Life, Task},
    stopped,
};
use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler::{Action, Ended, Listens, Message, Published, Reason},
        imports::skep::plugin::types::Target,
    },
    channel::{End, Payload, Told},
    codec,
    double::{presence, processes, tasks},
};

/// Channels that tell each other things for ever.
const TASKS_MAX: usize = 100_000;

/// A function of the plugin's, in whose middle no other channel runs. The text is that of a panic.
pub(super) fn alone<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    let was = WORLD.with_borrow_mut(|world| std::mem::replace(&mut world.channels.is_busy, true));
    let result = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| tasks::text(&*panic).to_owned());
    WORLD.with_borrow_mut(|world| world.channels.is_busy = was);
    result
}

/// All that channels are to be told, when none is in the middle of something.
pub(crate) fn settle() {
    if WORLD.with_borrow_mut(|world| std::mem::replace(&mut world.channels.is_busy, true)) {
        return;
    }
    let next = || WORLD.with_borrow_mut(|world| world.channels.tasks.pop_front());
    let mut tasks = 0;
    while let Some((channel, task)) = next() {
        tasks += 1;
        assert!(
            tasks < TASKS_MAX,
            "{TASKS_MAX} things were told to channels, and there are more: do they tell each other things?"
        );
        work(&channel, task);
    }
    WORLD.with_borrow_mut(|world| world.channels.is_busy = false);
}

fn work(channel: &str, task: Task) {
    match task {
        Task::Out(event, payload) => say(channel, event, payload, None, true),
        Task::Info(message) => {
            let Some((kind, topic, assigns)) = handed(channel) else { return };
            let message = Published {
                channel: channel.to_owned(),
                topic,
                assigns,
                from: message.topic,
                id: message.id,
                event: message.event,
                data: message.data,
            };
            after(channel, None, alone(|| (kind.handle_info)(message)));
        }
        Task::End(assigns, end) => terminate(channel, assigns, &end),
    }
}

/// The value of one that is no process.
fn handed(channel: &str) -> Option<(Kind, String, Vec<u8>)> {
    WORLD.with_borrow_mut(|world| match world.channels.live(channel)? {
        Cell { kind, topic, life: Life::Handed(assigns), .. } => Some((kind.clone(), topic.clone(), assigns.clone())),
        _ => None,
    })
}

/// What the client says, or a broadcast that is intercepted.
pub(super) fn say(channel: &str, event: String, payload: Payload, ref_: Option<String>, is_out: bool) {
    let process = WORLD.with_borrow_mut(|world| match world.channels.live(channel)? {
        Cell { life: Life::Process(pid), .. } => Some(pid.clone()),
        _ => None,
    });
    if let Some(pid) = process {
        let told = Told::new(&event, &payload, is_out, ref_);
        let told = codec::to_json(&told).unwrap_or_default();
        let _ = processes::send(&Target::Pid(pid), &told);
        return;
    }
    let Some((kind, topic, assigns)) = handed(channel) else { return };
    let handle = if is_out { kind.handle_out } else { kind.handle_in };
    let body = payload.into();
    let message = Message { channel: channel.to_owned(), topic, assigns, event, body, ref_: ref_.clone() };
    after(channel, ref_, alone(|| handle(message)));
}

/// What comes of a call.
fn after(channel: &str, ref_: Option<String>, done: Result<Vec<Action>, String>) {
    match done {
        Ok(actions) => perform(channel, ref_.as_deref(), actions),
        Err(panic) => crashed(channel, &panic),
    }
}

pub(super) fn crashed(channel: &str, why: &str) {
    // As in the host's log.
    eprintln!("the channel `{channel}` crashed: {why}");
    end(channel, End::Crashed);
}

/// Ends a channel. It hears of it, if it wants to, when nothing else runs.
pub(super) fn end(channel: &str, why: End) {
    let process = WORLD.with_borrow_mut(|world| {
        let cell = world.channels.live(channel)?;
        let life = std::mem::replace(&mut cell.life, Life::Ended(why.clone()));
        let hears = cell.listens(Listens::TERMINATE);
        cell.subscriptions.clear();
        match life {
            Life::Handed(assigns) if hears => {
                world.channels.tasks.push_back((channel.to_owned(), Task::End(assigns, why)));
            }
            Life::Process(pid) => return Some(pid),
            _ => {}
        }
        presence::disown(world, channel);
        None
    });
    if let Some(pid) = process {
        let _ = processes::stop(&Target::Pid(pid), "shutdown", None);
        WORLD.with_borrow_mut(|world| presence::disown(world, channel));
    }
}

/// A process has ended, and the channel with it that it is.
pub(crate) fn process_ended(world: &mut World, pid: &str, reason: &str) {
    let is_it = |cell: &Cell| matches!(&cell.life, Life::Process(own) if own == pid);
    let Some((id, cell)) = world.channels.all.iter_mut().find(|(_, cell)| is_it(cell)) else { return };
    let why = match reason {
        // It says so itself, or it panicked.
        reason if reason.starts_with("panicked: ") => End::Crashed,
        reason => stopped(reason),
    };
    cell.life = Life::Ended(why);
    let id = id.clone();
    presence::disown(world, &id);
}

fn terminate(channel: &str, assigns: Vec<u8>, why: &End) {
    let found =
        WORLD.with_borrow(|world| world.channels.all.get(channel).map(|cell| (cell.kind.clone(), cell.topic.clone())));
    let Some((kind, topic)) = found else { return };
    let reason = match why {
        End::Left => Reason::Left,
        End::Closed => Reason::Closed,
        End::Stopped(why) => Reason::Stopped(why.clone()),
        End::Crashed => Reason::Crashed,
    };
    // It has ended already: a panic here changes nothing.
    let _ = alone(|| (kind.terminate)(Ended { channel: channel.to_owned(), topic, assigns, reason }));
}
