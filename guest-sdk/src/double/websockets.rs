//! `skep:plugin/websocket` with the functions that wit-bindgen generates, over memory: sockets whose clients are the test.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{WORLD, World, presence, processes, tasks};
pub(crate) use crate::__private::bindings::imports::skep::plugin::websocket::Message;
use crate::{
    __private::bindings::{
        imports::skep::plugin::{pubsub, types::Error},
        websockets::exports::skep::plugin::websocket_handler::{
            Accepted, Action, Closed, Closing, Incoming, Published,
        },
    },
    websocket::{
        Frame, Talks,
        export::{websocket_close, websocket_info, websocket_message},
    },
};

/// As in the host.
const REASON_BYTES_MAX: usize = 123;
const CRASHED: u16 = 1011;
const SUBSCRIPTIONS_MAX: usize = 32;

#[derive(Default)]
pub(crate) struct WebSockets {
    all: BTreeMap<String, Cell>,
    /// What is published, for those that have subscribed.
    told: VecDeque<(String, pubsub::Message)>,
    is_busy: bool,
}

struct Cell {
    kind: Kind,
    assigns: Vec<u8>,
    received: Vec<Frame>,
    subscriptions: Vec<String>,
    /// The code and the reason.
    closed: Option<(u16, String)>,
}

impl Cell {
    /// False if it breaks a rule.
    fn apply(&mut self, action: Action) -> bool {
        match action {
            Action::Send(message) => self.received.push(message.into()),
            Action::Assign(assigns) => self.assigns = assigns,
            Action::Subscribe(topics) => self.subscriptions.push(topics),
            Action::Unsubscribe(topics) => self.subscriptions.retain(|there| *there != topics),
            Action::Close(_) => {}
        }
        self.subscriptions.len() <= SUBSCRIPTIONS_MAX
    }
}

#[derive(Clone, Copy)]
struct Kind {
    message: fn(Incoming) -> Vec<Action>,
    info: fn(Published) -> Vec<Action>,
    close: fn(Closed),
}

/// An id for one that is about to open.
pub(crate) fn begin() -> String {
    WORLD.with_borrow_mut(|world| {
        let socket = format!("websocket-{}", world.number());
        presence::own(world, &socket);
        socket
    })
}

/// It is open.
pub(crate) fn open<S: Talks>(socket: &str, accepted: Accepted) {
    let Accepted { assigns, actions, .. } = accepted;
    let kind = Kind { message: websocket_message::<S>, info: websocket_info::<S>, close: websocket_close::<S> };
    let cell = Cell { kind, assigns, received: Vec::new(), subscriptions: Vec::new(), closed: None };
    WORLD.with_borrow_mut(|world| world.websockets.all.insert(socket.to_owned(), cell));
    perform(socket, actions);
}

fn check(code: u16, reason: &str) -> Result<(), Error> {
    if (code == 1000 || (3000..5000).contains(&code)) && reason.len() <= REASON_BYTES_MAX {
        return Ok(());
    }
    Err(Error::Invalid(format!("the code is 1000, or 3000 to 4999; the reason has at most {REASON_BYTES_MAX} bytes")))
}

/// Something of a socket that is open.
fn with_open<R>(socket: &str, run: impl FnOnce(&mut Cell) -> R) -> Option<R> {
    WORLD.with_borrow_mut(|world| world.websockets.all.get_mut(socket).filter(|cell| cell.closed.is_none()).map(run))
}

pub(crate) fn send(to: &str, message: &Message) -> Result<(), Error> {
    let frame = match message {
        Message::Text(text) => Frame::Text(text.clone()),
        Message::Binary(bytes) => Frame::Binary(bytes.clone().into()),
    };
    with_open(to, |cell| cell.received.push(frame)).ok_or(Error::NotFound)
}

pub(crate) fn close(to: &str, code: u16, reason: &str) -> Result<(), Error> {
    check(code, reason)?;
    with_open(to, |_| ()).ok_or(Error::NotFound)?;
    end(to, code, reason);
    Ok(())
}

/// The client says something.
pub(crate) fn say(socket: &str, frame: Frame) {
    let Some((kind, assigns)) = with_open(socket, |cell| (cell.kind, cell.assigns.clone())) else { return };
    let incoming = Incoming { socket: socket.to_owned(), assigns, message: frame.into() };
    run(socket, || (kind.message)(incoming));
    processes::settle();
}

fn run(socket: &str, call: impl FnOnce() -> Vec<Action>) {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(actions) => perform(socket, actions),
        Err(panic) => end(socket, CRASHED, tasks::text(&*panic)),
    }
}

/// It is closed, and hears of it.
pub(crate) fn end(socket: &str, code: u16, reason: &str) {
    let Some((kind, assigns)) = with_open(socket, |cell| {
        cell.closed = Some((code, reason.to_owned()));
        (cell.kind, std::mem::take(&mut cell.assigns))
    }) else {
        return;
    };
    WORLD.with_borrow_mut(|world| presence::disown(world, socket));
    // It is closed already: a panic here changes nothing.
    let _ = catch_unwind(AssertUnwindSafe(|| (kind.close)(Closed { socket: socket.to_owned(), assigns, code })));
}

/// What it does, in its order. If one of the actions breaks a rule it has crashed, and none behind it is done.
fn perform(socket: &str, actions: Vec<Action>) {
    for action in actions {
        match action {
            Action::Close(Closing { code, reason }) => match check(code, &reason) {
                Ok(()) => return end(socket, code, &reason),
                Err(error) => return end(socket, CRASHED, &format!("{error:?}")),
            },
            action => {
                if with_open(socket, |cell| cell.apply(action)) == Some(false) {
                    return end(socket, CRASHED, "too many topics");
                }
            }
        }
    }
}

/// A message that was published comes to those that have subscribed.
pub(super) fn heard(world: &mut World, message: &pubsub::Message) {
    let matches = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => message.topic.starts_with(prefix),
        None => message.topic == *pattern,
    };
    let WebSockets { all, told, .. } = &mut world.websockets;
    let hears = all.iter().filter(|(_, cell)| cell.closed.is_none() && cell.subscriptions.iter().any(matches));
    told.extend(hears.map(|(socket, _)| (socket.clone(), message.clone())));
}

/// All that they are to be told, when none is in the middle of something.
pub(super) fn settle() {
    if WORLD.with_borrow_mut(|world| std::mem::replace(&mut world.websockets.is_busy, true)) {
        return;
    }
    while let Some((socket, message)) = WORLD.with_borrow_mut(|world| world.websockets.told.pop_front()) {
        let Some((kind, assigns)) = with_open(&socket, |cell| (cell.kind, cell.assigns.clone())) else { continue };
        let pubsub::Message { topic: from, event, id, data } = message;
        let published = Published { socket: socket.clone(), assigns, from, id, event, data };
        run(&socket, || (kind.info)(published));
    }
    WORLD.with_borrow_mut(|world| world.websockets.is_busy = false);
}

/// All that the client has got since it was last asked.
pub(crate) fn received(socket: &str) -> Vec<Frame> {
    WORLD.with_borrow_mut(|world| {
        world.websockets.all.get_mut(socket).map(|cell| std::mem::take(&mut cell.received)).unwrap_or_default()
    })
}

pub(crate) fn closed(socket: &str) -> Option<(u16, String)> {
    WORLD.with_borrow(|world| world.websockets.all.get(socket)?.closed.clone())
}
