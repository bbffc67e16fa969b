//! `skep:plugin/channel` with the functions that wit-bindgen generates, over memory: sockets whose clients are the test.
//! A channel handles its messages in the test's thread, one channel at a time.

mod actions;
mod cell;
mod client;
mod turn;

use std::collections::{BTreeMap, VecDeque};

use super::{WORLD, World, processes, pubsub};
pub(crate) use crate::__private::bindings::imports::skep::plugin::channel::{Body, Status};
use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler::Listens,
        imports::skep::plugin::{
            pubsub::{Delivery, Message},
            types::Error,
        },
    },
    channel::{End, Payload},
};
use cell::{Cell, Life, Task};
pub(crate) use cell::{Kind, OpenSocket, Received};
pub(crate) use client::{assigns, close, connection, crash, end_of, join, leave, open, received, replied, say, value};
pub(super) use turn::{process_ended, settle};

/// As in the host.
pub(super) const EVENT_BYTES_MAX: usize = 255;
const BODY_BYTES_MAX: usize = 1 << 20;
const ASSIGNS_BYTES_MAX: usize = 16 * 1024;
const ACTIONS_MAX: usize = 1000;
const SUBSCRIPTIONS_MAX: usize = 32;

#[derive(Default)]
pub(crate) struct Channels {
    sockets: BTreeMap<u64, OpenSocket>,
    all: BTreeMap<String, Cell>,
    /// Replies, by the refs that wait for them.
    replies: BTreeMap<String, Option<(crate::channel::Status, Payload)>>,
    tasks: VecDeque<(String, Task)>,
    /// Whether a channel handles something, further up in the thread's stack.
    is_busy: bool,
}

impl Channels {
    /// One that has not ended.
    fn live(&mut self, channel: &str) -> Option<&mut Cell> {
        self.all.get_mut(channel).filter(|cell| !matches!(cell.life, Life::Ended(_)))
    }
}

fn check(event: &str, payload: &Payload) -> Result<(), Error> {
    if event.is_empty() || event.len() > EVENT_BYTES_MAX || event.contains(['\r', '\n']) {
        return Err(Error::Invalid(format!("an event has 1 to {EVENT_BYTES_MAX} bytes, without line breaks")));
    }
    if payload.as_bytes().len() > BODY_BYTES_MAX {
        return Err(Error::TooLarge(BODY_BYTES_MAX as u64));
    }
    match payload {
        Payload::Json(text) if !text.is_empty() => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Invalid(format!("a body is no JSON: {error}"))),
        },
        _ => Ok(()),
    }
}

fn payload(body: &Body) -> Payload {
    match body {
        Body::Json(text) => Payload::Json(text.clone()),
        Body::Binary(bytes) => Payload::Binary(bytes.clone().into()),
    }
}

pub(crate) fn push(to: &str, event: &str, body: &Body) -> Result<(), Error> {
    let payload = payload(body);
    check(event, &payload)?;
    WORLD.with_borrow_mut(|world| {
        let cell = world.channels.live(to).ok_or(Error::NotFound)?;
        cell.inbox.push(Received { event: event.to_owned(), payload });
        Ok(())
    })
}

pub(crate) fn reply(to: &str, status: &Status, body: &Body) -> Result<(), Error> {
    let status = match status {
        Status::Ok => crate::channel::Status::Ok,
        Status::Error => crate::channel::Status::Error,
        Status::Other(word) => crate::channel::Status::Other(word.clone().into()),
    };
    WORLD.with_borrow_mut(|world| {
        if let Some(waiting) = world.channels.replies.get_mut(to) {
            waiting.get_or_insert((status, payload(body)));
        }
    });
    Ok(())
}

pub(crate) fn broadcast(topic: &str, event: &str, body: &Body, except: Option<&str>) -> Result<(), Error> {
    WORLD.with_borrow_mut(|world| cast(world, topic, event, payload(body), except))?;
    processes::settle();
    Ok(())
}

/// Closes the sockets of this name. What their channels do about it follows when nothing else runs.
pub(crate) fn disconnect(socket: &str) -> Result<(), Error> {
    let named = WORLD.with_borrow(|world| {
        let sockets = world.channels.sockets.iter();
        let named = sockets.filter(|(_, open)| open.id.as_deref() == Some(socket));
        named.map(|(socket, _)| *socket).collect::<Vec<_>>()
    });
    named.into_iter().for_each(close);
    Ok(())
}

/// A message of pubsub, whose body is known.
fn cast(world: &mut World, topic: &str, event: &str, payload: Payload, except: Option<&str>) -> Result<(), Error> {
    check(event, &payload)?;
    let message = pubsub::record(world, topic, Some(event), payload.as_bytes(), Delivery::empty())?;
    deliver(world, &message, Some(&payload), except);
    Ok(())
}

/// A message that was published comes to those that have joined its topic, or have subscribed.
pub(super) fn heard(world: &mut World, message: &Message) {
    deliver(world, message, None, None);
}

/// With a payload it is a broadcast.
fn deliver(world: &mut World, message: &Message, payload: Option<&Payload>, except: Option<&str>) {
    let Channels { all, tasks, .. } = &mut world.channels;
    for (id, cell) in all.iter_mut().filter(|(_, cell)| !matches!(cell.life, Life::Ended(_))) {
        let is_own = cell.topic == message.topic;
        match (payload, &message.event) {
            (Some(_), Some(_)) if is_own && except == Some(id) => {}
            (Some(payload), Some(event)) if is_own && cell.intercepts(event) => {
                tasks.push_back((id.clone(), Task::Out(event.clone(), payload.clone())));
            }
            (Some(payload), Some(event)) if is_own => {
                cell.inbox.push(Received { event: event.clone(), payload: payload.clone() });
            }
            _ if (is_own || cell.has_subscribed(&message.topic)) && cell.listens(Listens::INFO) => {
                tasks.push_back((id.clone(), Task::Info(message.clone())));
            }
            _ => {}
        }
    }
}

/// Why a channel that said this has ended.
fn stopped(reason: &str) -> End {
    End::Stopped(reason.to_owned())
}
