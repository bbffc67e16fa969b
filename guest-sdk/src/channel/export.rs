//! The border to the host: the calls of a channel that is no process.

use super::{Channel, End, Incoming, Joined, Reply, Socket, answer::told, incoming::UnknownEvent};
use crate::{
    __private::bindings::{channels::exports::skep::plugin::channel_handler as wit, imports::skep::plugin::pubsub},
    Error, Result, codec,
};

/// What the host is told of a channel.
#[must_use]
pub fn channel_definition<C: Channel>() -> wit::Definition {
    let mut listens = wit::Listens::empty();
    if C::HEARS {
        listens = listens | wit::Listens::INFO;
    }
    if C::TERMINATES {
        listens = listens | wit::Listens::TERMINATE;
    }
    let intercepts = C::INTERCEPTS.iter().map(|event| (*event).to_owned()).collect();
    wit::Definition { topics: C::TOPICS.to_owned(), intercepts, listens }
}

/// Which of the channels a topic is for: the most exact one.
#[must_use]
pub fn channel_of(patterns: &[&str], topic: &str) -> Option<usize> {
    let exactness = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => topic.starts_with(prefix).then_some(prefix.len()),
        None => (pattern == topic).then_some(usize::MAX),
    };
    let matching = patterns.iter().enumerate().filter_map(|(at, pattern)| Some((exactness(pattern)?, at)));
    matching.max_by_key(|(exactness, _)| *exactness).map(|(_, at)| at)
}

/// What the host is told that asks for a topic which this revision has not.
#[must_use]
pub fn channel_gone(topic: &str) -> Vec<wit::Action> {
    vec![wit::Action::Stop(crate::__private::unknown("channel for the topic", topic))]
}

/// What the host is told that has somebody join such a topic.
#[must_use]
pub fn channel_unmatched() -> wit::Body {
    wit::Body::Json(r#"{"reason":"unmatched topic"}"#.to_owned())
}

/// What the exported `join` does for one channel.
#[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
pub fn channel_join<C: Channel>(request: wit::Joining) -> Result<wit::Joined, wit::Body> {
    let wit::Joining { channel, topic, assigns, params } = request;
    let mut socket = Socket::new(channel, topic, C::TOPICS).with_assigns(assigns);
    let joined = C::on_join(params.into(), &mut socket).and_then(|Joined { channel, reply }| {
        let assigns = write(&channel)?;
        Ok(wit::Joined { reply: Some(reply.into()), assigns: Some(assigns), actions: done(socket) })
    });
    joined.map_err(|error| told(&error).into())
}

/// What the exported `handle_in` does.
#[must_use]
pub fn channel_in<C: Channel>(message: wit::Message) -> Vec<wit::Action> {
    let wit::Message { channel, topic, assigns, event, body, ref_ } = message;
    let socket = Socket::new(channel, topic, C::TOPICS).with_ref(ref_);
    turn::<C>(socket, &assigns, |state, socket| {
        let is_asked = socket.is_asked();
        let reply = state.on_in(Incoming::new(event, body.into()), socket);
        answer(socket, reply, is_asked);
    })
}

/// What the exported `handle_out` does.
#[must_use]
pub fn channel_out<C: Channel>(message: wit::Message) -> Vec<wit::Action> {
    let wit::Message { channel, topic, assigns, event, body, ref_: _ } = message;
    turn::<C>(Socket::new(channel, topic, C::TOPICS), &assigns, |state, socket| {
        let handled = state.on_out(Incoming::new(event, body.into()), socket);
        log(handled);
    })
}

/// What the exported `handle_info` does.
#[must_use]
pub fn channel_info<C: Channel>(message: wit::Published) -> Vec<wit::Action> {
    let wit::Published { channel, topic, assigns, from, id, event, data } = message;
    turn::<C>(Socket::new(channel, topic, C::TOPICS), &assigns, |state, socket| {
        let message = pubsub::Message { topic: from, event, id, data };
        let handled = state.on_info(message.into(), socket);
        log(handled);
    })
}

/// What the exported `terminate` does. Only what others are to hear is done.
pub fn channel_terminate<C: Channel>(ended: wit::Ended) {
    let wit::Ended { channel, topic, assigns, reason } = ended;
    let mut socket = Socket::new(channel, topic, C::TOPICS);
    let ended = read::<C>(&assigns).and_then(|mut state| {
        state.on_terminate(&End::new(reason), &mut socket)?;
        super::live::tell_others(&socket)
    });
    log(ended);
}

/// The reply of `handle_in`, or what becomes of its error.
pub(super) fn answer(socket: &mut Socket, reply: Result<Reply>, is_asked: bool) {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) if error.cause::<UnknownEvent>().is_some() => {
            socket.stop(error.to_string());
            return;
        }
        Err(error) => Reply::Now(super::Status::Error, told(&error)),
    };
    // Who has taken the client by `reply_later` may still fail; its first reply counts.
    if let (Reply::Now(status, payload), true) = (reply, is_asked) {
        socket.actions.push(wit::Action::Reply(wit::Reply { status: status.into(), body: payload.into() }));
    }
}

/// One call: what the channel remembers goes in and out.
fn turn<C: Channel>(mut socket: Socket, assigns: &[u8], run: impl FnOnce(&mut C, &mut Socket)) -> Vec<wit::Action> {
    let mut state = match read::<C>(assigns) {
        Ok(state) => state,
        Err(error) => return vec![wit::Action::Stop(error.to_string())],
    };
    run(&mut state, &mut socket);
    match write(&state) {
        Ok(after) if after == assigns => {}
        Ok(after) => socket.actions.push(wit::Action::Assign(after)),
        Err(error) => return vec![wit::Action::Stop(error.to_string())],
    }
    done(socket)
}

fn done(socket: Socket) -> Vec<wit::Action> {
    let Socket { mut actions, stop, .. } = socket;
    actions.extend(stop.map(wit::Action::Stop));
    actions
}

pub(super) fn log(handled: Result<()>) {
    if let Err(error) = handled {
        eprintln!("error: {error}");
    }
}

fn read<C: Channel>(assigns: &[u8]) -> Result<C> {
    codec::from_json(assigns).map_err(|error| error.context(whose::<C>()))
}

fn write<C: Channel>(state: &C) -> Result<Vec<u8>> {
    codec::to_json(state).map_err(|error| Error::from(error).context(whose::<C>()))
}

fn whose<C: Channel>() -> String {
    format!("what the channel `{}` remembers", C::TOPICS)
}
