//! What `#[skep::websocket]` makes of a type, and the border to the host.

use super::{Accepted, Frame, Opens, Upgrade, WebSocket};
use crate::{
    __private::bindings::{imports::skep::plugin::pubsub, websockets::exports::skep::plugin::websocket_handler as wit},
    Error, IntoResponse, Request, Response, Result, codec,
    process::State,
    pubsub::Message,
    web::{
        Asked,
        export::{lift, lower},
    },
};

/// As in a close frame.
const REASON_BYTES_MAX: usize = 123;

/// WebSockets as a type, which [`#[skep::websocket]`](crate::skep::websocket) makes of the one that holds what is remembered of
/// each. Its functions are called by the SDK; the author's are those of the `impl` under the attribute.
#[allow(clippy::missing_errors_doc, reason = "each of them passes on what the author's function returns")]
pub trait Talks: State {
    /// `open`.
    #[allow(clippy::result_large_err, reason = "as large as any answer, and once for each connection")]
    fn on_open(request: Request) -> Result<Accepted<Self>, Response>;

    /// `message`.
    fn on_message(&mut self, frame: Frame, socket: &mut WebSocket) -> Result<()>;

    /// `handle_info`.
    fn on_info(&mut self, _message: Message, _socket: &mut WebSocket) -> Result<()> {
        Ok(())
    }

    /// `close`.
    fn on_close(&mut self, _code: u16) -> Result<()> {
        Ok(())
    }
}

/// Calls `open`, a function of extractors.
#[allow(clippy::result_large_err, clippy::missing_errors_doc, reason = "it passes on what it is given")]
pub fn websocket_asked<S, M, F: Asked<M, Answer: Opens<S>>>(
    open: F,
    request: Request,
) -> Result<Accepted<S>, Response> {
    open.ask(request)?.into_accepted()
}

/// What the exported `open` does.
#[must_use]
pub fn websocket_open<S: Talks>(request: wit::Request, opening: wit::Opening) -> wit::Decision {
    let request = match lift(request) {
        Ok(request) => request,
        Err(rejection) => return wit::Decision::Refuse(lower(rejection.into_response())),
    };
    match begin::<S>(request, opening) {
        Ok(accepted) => wit::Decision::Accept(accepted),
        Err(response) => wit::Decision::Refuse(lower(response)),
    }
}

#[allow(clippy::result_large_err, reason = "as large as any answer, and once for each connection")]
pub(crate) fn begin<S: Talks>(mut request: Request, opening: wit::Opening) -> Result<wit::Accepted, Response> {
    let wit::Opening { socket, protocols } = opening;
    request.extensions_mut().insert(Upgrade::new(socket.clone(), protocols));
    let Accepted { value, protocol, first, topics } = S::on_open(request)?;
    let assigns = write(&value).map_err(IntoResponse::into_response)?;
    let mut socket = WebSocket::new(socket);
    Accepted::<S>::perform(first, &topics, &mut socket);
    Ok(wit::Accepted { protocol, assigns, actions: socket.done() })
}

/// What the exported `handle_message` does.
#[must_use]
pub fn websocket_message<S: Talks>(incoming: wit::Incoming) -> Vec<wit::Action> {
    let wit::Incoming { socket, assigns, message } = incoming;
    turn::<S>(socket, &assigns, |value, socket| value.on_message(message.into(), socket))
}

/// What the exported `handle_info` does.
#[must_use]
pub fn websocket_info<S: Talks>(message: wit::Published) -> Vec<wit::Action> {
    let wit::Published { socket, assigns, from, id, event, data } = message;
    let message = pubsub::Message { topic: from, event, id, data };
    turn::<S>(socket, &assigns, |value, socket| value.on_info(message.into(), socket))
}

/// What the exported `close` does.
pub fn websocket_close<S: Talks>(closed: wit::Closed) {
    let wit::Closed { socket: _, assigns, code } = closed;
    if let Err(error) = read::<S>(&assigns).and_then(|mut value| value.on_close(code)) {
        eprintln!("error: {error}");
    }
}

/// One call: what is remembered goes in and out. An error closes the socket.
fn turn<S: Talks>(
    socket: String,
    assigns: &[u8],
    run: impl FnOnce(&mut S, &mut WebSocket) -> Result<()>,
) -> Vec<wit::Action> {
    let mut socket = WebSocket::new(socket);
    let turned = read::<S>(assigns).and_then(|mut value| {
        run(&mut value, &mut socket)?;
        write(&value)
    });
    match turned {
        Ok(after) if after == assigns => {}
        Ok(after) => socket.actions.push(wit::Action::Assign(after)),
        Err(error) => socket.close = Some(closing(&error)),
    }
    socket.done()
}

/// An error as a close frame: 4000 and its status, and the words for the client.
fn closing(error: &Error) -> (u16, String) {
    if error.is_server_error() {
        eprintln!("error: {error}");
    }
    let (_, words) = error.for_client();
    let (words, _) = words.split_at(words.floor_char_boundary(REASON_BYTES_MAX));
    (4000 + error.status_code(), words.to_owned())
}

fn read<S: Talks>(assigns: &[u8]) -> Result<S> {
    codec::from_json(assigns).map_err(|error| error.context("reading what is remembered of a WebSocket"))
}

fn write<S: Talks>(value: &S) -> Result<Vec<u8>> {
    codec::to_json(value).map_err(|error| Error::from(error).context("writing what is remembered of a WebSocket"))
}
