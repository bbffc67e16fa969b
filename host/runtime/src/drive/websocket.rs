//! `skep:plugin/websocket-handler`: WebSockets that speak a protocol of the plugin's. Each message is a call of its own, in a
//! fresh instance; what a socket remembers comes in with it and goes out again.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use skep_bindings::websocket_handler::{
    Action as Asked, Closed, Decision, Incoming, MessageParam, MessageResult, Opening as GuestOpening, Published,
};
use skep_channels::{Frame, Info, RawAccepted, RawAction, RawDecision, RawOpening, RawRefusal, RawSocket};
use skep_types::{ByteSize, Call, Failure, PluginName};
use wasmtime::Store;

use crate::capability::topics::as_written_by;
use crate::drive::channel::{bad, remembered, selector};
use crate::drive::errand::Errand;
use crate::drive::fast::{RequestText, whole_from_guest};
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

/// What a socket may ask for in one call.
const ACTIONS_MAX: usize = 1_000;
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Which message a raw WebSocket is told of.
#[derive(Clone, Copy, Debug)]
pub enum WebSocketCall<'a> {
    /// One of its client.
    Message(&'a Frame),
    /// One that was published.
    Info(&'a Info),
}

impl Revision {
    /// Asks the plugin whether a client may open a raw WebSocket. What the socket remembers may have `assigns` bytes.
    ///
    /// # Errors
    /// Every way for the call to end without an answer, and one that breaks a rule.
    pub async fn open_websocket(
        self: &Arc<Self>,
        opening: RawOpening,
        assigns: ByteSize,
    ) -> Result<RawDecision, Failure> {
        let RawOpening { id, request } = opening;
        let text = RequestText::whole(request.uri, &request.headers, &request.call);
        let open = Open { text, socket: id.of(self.plugin()), protocols: request.protocols };
        let deadline = self.limits().deadline;
        self.run_errand(request.call, deadline, open, |decision| self.decision(decision, assigns)).await
    }

    /// Tells a raw WebSocket of a message. What it remembers may have `assigns` bytes.
    ///
    /// # Errors
    /// Every way for the call to end without an answer, and one that breaks a rule.
    pub async fn tell_websocket(
        self: &Arc<Self>,
        call: Call,
        socket: &RawSocket,
        message: WebSocketCall<'_>,
        assigns: ByteSize,
    ) -> Result<Vec<RawAction>, Failure> {
        let tell = Tell { told: Told::of(self.plugin(), socket), plugin: self.plugin(), message };
        self.run_errand(call, self.limits().deadline, tell, |actions| self.raw_actions(actions, assigns)).await
    }

    /// Tells a raw WebSocket that it has ended, with this code.
    ///
    /// # Errors
    /// Every way for the call to end without an answer.
    pub async fn close_websocket(self: &Arc<Self>, call: Call, socket: &RawSocket, code: u16) -> Result<(), Failure> {
        let close = Close { told: Told::of(self.plugin(), socket), code };
        self.run_errand(call, self.limits().deadline, close, Ok).await
    }

    fn decision(&self, decision: Decision, assigns: ByteSize) -> Result<RawDecision, Failure> {
        Ok(match decision {
            Decision::Accept(accepted) => RawDecision::Accept(RawAccepted {
                protocol: accepted.protocol,
                assigns: remembered(accepted.assigns, assigns)?,
                actions: self.raw_actions(accepted.actions, assigns)?,
            }),
            Decision::Refuse(response) => {
                let (head, body) = whole_from_guest(response, self.limits())?.into_parts();
                let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                    (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes()))
                };
                let headers = head.headers.iter().map(field).collect();
                RawDecision::Refuse(RawRefusal { status: head.status.as_u16(), headers, body })
            }
        })
    }

    fn raw_actions(&self, asked: Vec<Asked>, assigns: ByteSize) -> Result<Vec<RawAction>, Failure> {
        if asked.len() > ACTIONS_MAX {
            return Err(bad(format!("it asks for {} things at once, and may for {ACTIONS_MAX}", asked.len())));
        }
        asked.into_iter().map(|asked| self.raw_action(asked, assigns)).collect()
    }

    fn raw_action(&self, asked: Asked, assigns: ByteSize) -> Result<RawAction, Failure> {
        Ok(match asked {
            Asked::Send(message) => RawAction::Send(from_guest(message)?),
            Asked::Assign(kept) => RawAction::Assign(remembered(kept, assigns)?),
            Asked::Subscribe(topics) => RawAction::Subscribe(self.listened(&topics)?),
            Asked::Unsubscribe(topics) => RawAction::Unsubscribe(selector(self.plugin(), &topics)?),
            // The engine knows which codes there are.
            Asked::Close(closing) => RawAction::Close(closing.code, closing.reason),
        })
    }
}

fn from_guest(message: MessageResult) -> Result<Frame, Failure> {
    let frame = match message {
        MessageResult::Text(text) => Frame::Text(text.into()),
        MessageResult::Binary(bytes) => Frame::Binary(bytes.into()),
    };
    let length = frame.bytes().len();
    if length > MESSAGE_BYTES_MAX {
        return Err(bad(format!("a message of {length} bytes, and it may have {MESSAGE_BYTES_MAX}")));
    }
    Ok(frame)
}

/// What a guest is told of a socket with each call.
struct Told<'a> {
    id: String,
    assigns: &'a [u8],
}

impl<'a> Told<'a> {
    fn of(plugin: &PluginName, socket: &'a RawSocket) -> Self {
        Self { id: socket.id.of(plugin), assigns: &socket.assigns }
    }

    fn len(&self) -> usize {
        self.id.len() + self.assigns.len()
    }
}

struct Open {
    text: RequestText,
    socket: String,
    protocols: Vec<String>,
}

impl Errand for Open {
    type Answer = Decision;
    const ROLE: Role = Role::WebSocket;

    fn charge(&self) -> usize {
        self.text.len() + self.socket.len() + self.protocols.iter().map(String::len).sum::<usize>()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::WebSockets(guest) = guest else { return None };
        let nothing = Bytes::new();
        let request = self.text.request(&Method::GET, &nothing);
        let protocols: Vec<&str> = self.protocols.iter().map(String::as_str).collect();
        let opening = GuestOpening { socket: &self.socket, protocols: &protocols };
        Some(guest.skep_plugin_websocket_handler().call_open(store, request, opening).await)
    }
}

struct Tell<'a> {
    told: Told<'a>,
    plugin: &'a PluginName,
    message: WebSocketCall<'a>,
}

impl Errand for Tell<'_> {
    type Answer = Vec<Asked>;
    const ROLE: Role = Role::WebSocket;

    fn charge(&self) -> usize {
        let said = match self.message {
            WebSocketCall::Message(frame) => frame.bytes().len(),
            WebSocketCall::Info(info) => info.topic.name.as_str().len() + info.data.len(),
        };
        self.told.len() + said
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::WebSockets(guest) = guest else { return None };
        let guest = guest.skep_plugin_websocket_handler();
        let Told { id: socket, assigns } = &self.told;
        Some(match self.message {
            WebSocketCall::Message(frame) => {
                let message = match frame {
                    Frame::Text(text) => match std::str::from_utf8(text) {
                        Ok(text) => MessageParam::Text(text),
                        // The front has closed the socket by then.
                        Err(_) => return Some(Err(wasmtime::format_err!("a text frame that is no text"))),
                    },
                    Frame::Binary(bytes) => MessageParam::Binary(bytes),
                };
                guest.call_handle_message(store, Incoming { socket, assigns, message }).await
            }
            WebSocketCall::Info(Info { topic: from, id, event, data }) => {
                let from = &as_written_by(self.plugin, from);
                let message = Published { socket, assigns, from, id: *id, event: event.as_deref(), data };
                guest.call_handle_info(store, message).await
            }
        })
    }
}

struct Close<'a> {
    told: Told<'a>,
    code: u16,
}

impl Errand for Close<'_> {
    type Answer = ();
    const ROLE: Role = Role::WebSocket;

    fn charge(&self) -> usize {
        self.told.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::WebSockets(guest) = guest else { return None };
        let Told { id: socket, assigns } = &self.told;
        let closed = Closed { socket, assigns, code: self.code };
        Some(guest.skep_plugin_websocket_handler().call_close(store, closed).await)
    }
}
