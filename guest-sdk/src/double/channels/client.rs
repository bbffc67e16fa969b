//! What a test does as a client, and sees.

use super::{
    ASSIGNS_BYTES_MAX, Channels, Kind, Life, OpenSocket, Received, WORLD,
    actions::perform,
    cell::Cell,
    turn::{self, alone, settle},
};
use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler as handler, imports::skep::plugin::process::Spec,
    },
    channel::{End, Joining, Payload, Status},
    codec,
    double::{presence, processes},
};

/// A client's socket.
pub(crate) fn open(id: Option<String>, assigns: Vec<u8>) -> u64 {
    WORLD.with_borrow_mut(|world| {
        let socket = world.number();
        world.channels.sockets.insert(socket, OpenSocket { id, assigns });
        socket
    })
}

/// What it was opened with, while it is open.
pub(crate) fn connection(socket: u64) -> Option<OpenSocket> {
    WORLD.with_borrow(|world| world.channels.sockets.get(&socket).cloned())
}

/// It is gone, and its channels with it.
pub(crate) fn close(socket: u64) {
    let channels = WORLD.with_borrow_mut(|world| {
        let Channels { sockets, all, .. } = &mut world.channels;
        sockets.remove(&socket);
        all.iter().filter(|(_, cell)| cell.socket == socket).map(|(id, _)| id.clone()).collect::<Vec<_>>()
    });
    channels.iter().for_each(|channel| turn::end(channel, End::Closed));
    settle();
}

/// A client joins. Returns the channel and the reply, or the refusal.
pub(crate) fn join(
    (socket, assigns): (u64, Vec<u8>),
    kind: &Kind,
    topic: &str,
    params: &Payload,
    is_process: bool,
) -> Result<(String, Payload), Payload> {
    let crashed = || Payload::Json(r#"{"reason":"join crashed"}"#.to_owned());
    let old = WORLD.with_borrow(|world| {
        let is_it = |cell: &Cell| cell.socket == socket && cell.topic == topic;
        world.channels.all.iter().find(|(_, cell)| is_it(cell)).map(|(id, _)| id.clone())
    });
    if let Some(old) = old {
        turn::end(&old, End::Closed);
        settle();
    }
    let channel = WORLD.with_borrow_mut(|world| {
        let channel = format!("channel-{}", world.number());
        let cell = Cell {
            socket,
            topic: topic.to_owned(),
            kind: kind.clone(),
            life: Life::Joining,
            inbox: Vec::new(),
            subscriptions: Vec::new(),
        };
        world.channels.all.insert(channel.clone(), cell);
        presence::own(world, &channel);
        channel
    });
    let refused = |why| {
        turn::end(&channel, End::Left);
        WORLD.with_borrow_mut(|world| world.channels.all.remove(&channel));
        settle();
        why
    };
    if is_process {
        return start(&channel, kind, topic, &assigns, params).map_err(refused);
    }
    let request = handler::Joining {
        channel: channel.clone(),
        topic: topic.to_owned(),
        assigns: assigns.clone(),
        params: params.clone().into(),
    };
    match alone(|| (kind.join)(request)) {
        Ok(Ok(handler::Joined { reply, assigns: own, actions })) => {
            let own = own.unwrap_or(assigns);
            assert!(own.len() <= ASSIGNS_BYTES_MAX, "a channel remembers at most {ASSIGNS_BYTES_MAX} bytes");
            live(&channel, Life::Handed(own));
            perform(&channel, None, actions);
            settle();
            Ok((channel, reply.map(Payload::from).unwrap_or_default()))
        }
        Ok(Err(body)) => Err(refused(body.into())),
        Err(_) => Err(refused(crashed())),
    }
}

fn live(channel: &str, life: Life) {
    WORLD.with_borrow_mut(|world| {
        if let Some(cell) = world.channels.all.get_mut(channel) {
            cell.life = life;
        }
    });
}

/// A channel that is a process. It replies by itself, or not.
fn start(
    channel: &str,
    kind: &Kind,
    topic: &str,
    assigns: &[u8],
    params: &Payload,
) -> Result<(String, Payload), Payload> {
    (kind.register)();
    let ref_ = begin();
    let args = codec::to_json(&Joining::new(channel, topic, &ref_, assigns, params)).unwrap_or_default();
    let started = processes::start(&Spec { kind: kind.name.to_owned(), name: None, args });
    match (started, replied(&ref_)) {
        (Ok(started), reply) => {
            live(channel, Life::Process(started.pid));
            settle();
            Ok((channel.to_owned(), reply.map(|(_, reply)| reply).unwrap_or_default()))
        }
        (Err(_), Some((Status::Error, why))) => Err(why),
        (Err(_), _) => Err(Payload::Json(r#"{"reason":"join crashed"}"#.to_owned())),
    }
}

/// Somebody waits for a reply.
fn begin() -> String {
    WORLD.with_borrow_mut(|world| {
        let ref_ = format!("ref-{}", world.number());
        world.channels.replies.insert(ref_.clone(), None);
        ref_
    })
}

/// The reply, if there is one.
pub(crate) fn replied(ref_: &str) -> Option<(Status, Payload)> {
    WORLD.with_borrow(|world| world.channels.replies.get(ref_).cloned().flatten())
}

/// The client says something.
pub(crate) fn say(channel: &str, event: &str, payload: Payload) -> String {
    let ref_ = begin();
    turn::say(channel, event.to_owned(), payload, Some(ref_.clone()), false);
    settle();
    ref_
}

/// All that the client has got since it was last asked.
pub(crate) fn received(channel: &str) -> Vec<Received> {
    WORLD
        .with_borrow_mut(|world| world.channels.all.get_mut(channel).map(|cell| std::mem::take(&mut cell.inbox)))
        .unwrap_or_default()
}

pub(crate) fn leave(channel: &str) {
    turn::end(channel, End::Left);
    settle();
}

pub(crate) fn crash(channel: &str) {
    turn::end(channel, End::Crashed);
    settle();
}

pub(crate) fn end_of(channel: &str) -> Option<End> {
    WORLD.with_borrow(|world| match &world.channels.all.get(channel)?.life {
        Life::Ended(end) => Some(end.clone()),
        _ => None,
    })
}

/// What a channel remembers that is no process.
pub(crate) fn assigns(channel: &str) -> Option<Vec<u8>> {
    WORLD.with_borrow(|world| match &world.channels.all.get(channel)?.life {
        Life::Handed(assigns) => Some(assigns.clone()),
        _ => None,
    })
}

/// The same of one that is: as it is saved.
pub(crate) fn value(channel: &str) -> Option<Vec<u8>> {
    let pid = WORLD.with_borrow(|world| match &world.channels.all.get(channel)?.life {
        Life::Process(pid) => Some(pid.clone()),
        _ => None,
    })?;
    let target = crate::__private::bindings::imports::skep::plugin::types::Target::Pid(pid);
    Some(processes::saved(&target)?.ok()?.1)
}
