//! What there is of a socket, a channel and a kind of channels.

use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler::{
            Action, Body, Definition, Ended, Joined, Joining, Listens, Message, Published,
        },
        imports::skep::plugin::pubsub,
    },
    channel::{
        Channel, End, Live, Payload,
        export::{channel_definition, channel_in, channel_info, channel_join, channel_out, channel_terminate},
    },
    double::processes,
    process::Process,
};

/// A client's socket.
#[derive(Clone)]
pub(crate) struct OpenSocket {
    pub(crate) id: Option<String>,
    pub(crate) assigns: Vec<u8>,
}

/// What a client has got.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) event: String,
    pub(crate) payload: Payload,
}

/// A channel, or what is left of it.
pub(super) struct Cell {
    pub(super) socket: u64,
    pub(super) topic: String,
    pub(super) kind: Kind,
    pub(super) life: Life,
    pub(super) inbox: Vec<Received>,
    pub(super) subscriptions: Vec<String>,
}

impl Cell {
    pub(super) fn intercepts(&self, event: &str) -> bool {
        self.kind.definition.intercepts.iter().any(|intercepted| intercepted == event)
    }

    /// Whether it has a function that is told this.
    pub(super) fn listens(&self, to: Listens) -> bool {
        self.kind.definition.listens & to == to
    }

    pub(super) fn has_subscribed(&self, topic: &str) -> bool {
        self.subscriptions.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => topic.starts_with(prefix),
            None => topic == pattern,
        })
    }
}

pub(super) enum Life {
    /// It joins: nothing of it is kept yet.
    Joining,
    /// It is a value that is handed in and out.
    Handed(Vec<u8>),
    /// It is a process.
    Process(String),
    Ended(End),
}

/// What a channel is yet to be told.
pub(super) enum Task {
    Out(String, Payload),
    Info(pubsub::Message),
    /// It has ended.
    End(Vec<u8>, End),
}

/// What the plugin's export would do for one type of channels.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(super) definition: Definition,
    pub(super) name: &'static str,
    /// Makes the kind of processes known, which the manifest would name.
    pub(super) register: fn(),
    pub(super) join: fn(Joining) -> Result<Joined, Body>,
    pub(super) handle_in: fn(Message) -> Vec<Action>,
    pub(super) handle_out: fn(Message) -> Vec<Action>,
    pub(super) handle_info: fn(Published) -> Vec<Action>,
    pub(super) terminate: fn(Ended),
}

impl Kind {
    pub(crate) fn of<C: Channel>() -> Self {
        Self {
            definition: channel_definition::<C>(),
            name: <Live<C> as Process>::KIND,
            register: || processes::configure::<Live<C>>(|kind| kind.restarts = false),
            join: channel_join::<C>,
            handle_in: channel_in::<C>,
            handle_out: channel_out::<C>,
            handle_info: channel_info::<C>,
            terminate: channel_terminate::<C>,
        }
    }
}
