//! `skep:plugin/channel` and `skep:plugin/websocket`: what anybody of a plugin may say to its clients' sockets.

use skep_bindings::channel::{self, Body, Status};
use skep_bindings::types::Error;
use skep_bindings::websocket::{self, Message};
use skep_channels::{ChannelId, Channels, Frame, ReplyRef};

use super::topics::Direction;
use crate::state::CallState;

const BODY_BYTES_MAX: usize = 1 << 20;
const WORD_BYTES_MAX: usize = 255;

impl CallState {
    fn channels(&self) -> Result<&Channels, Error> {
        self.env.channels.as_ref().ok_or_else(|| Error::Unavailable("this host has no sockets".to_owned()))
    }

    fn channel(&self, id: &str) -> Result<ChannelId, Error> {
        self.stats.owe(id.len());
        ChannelId::read(id, self.stats.plugin()).map_err(|_| Error::NotFound)
    }

    /// A body on its way out.
    fn said(&self, body: Body) -> Result<skep_channels::Body, Error> {
        let body = match body {
            Body::Json(text) if text.is_empty() => skep_channels::Body::empty(),
            Body::Json(text) => skep_channels::Body::Json(text),
            Body::Binary(bytes) => skep_channels::Body::Binary(bytes.into()),
        };
        self.stats.owe(body.len());
        if body.len() > BODY_BYTES_MAX { Err(Error::TooLarge(BODY_BYTES_MAX as u64)) } else { Ok(body) }
    }

    /// A message of a raw socket on its way out.
    fn frame(&self, message: Message) -> Result<Frame, Error> {
        let frame = match message {
            Message::Text(text) => Frame::Text(text.into()),
            Message::Binary(bytes) => Frame::Binary(bytes.into()),
        };
        let length = frame.bytes().len();
        self.stats.owe(length);
        if length > BODY_BYTES_MAX { Err(Error::TooLarge(BODY_BYTES_MAX as u64)) } else { Ok(frame) }
    }
}

impl channel::Host for CallState {
    fn push(&mut self, to: String, event: String, body: Body) -> Result<(), Error> {
        let (to, body) = (self.channel(&to)?, self.said(body)?);
        word(&event, "an event")?;
        self.channels()?.push(self.stats.plugin(), to, &event, &body).map_err(refused)
    }

    fn reply(&mut self, to: String, status: Status, body: Body) -> Result<(), Error> {
        self.stats.owe(to.len());
        let to = ReplyRef::read(&to, self.stats.plugin()).map_err(|_| Error::NotFound)?;
        let body = self.said(body)?;
        let status = match &status {
            Status::Ok => "ok",
            Status::Error => "error",
            Status::Other(status) => status,
        };
        word(status, "a status")?;
        match self.channels()?.reply(self.stats.plugin(), &to, status, &body) {
            // Nobody waits for it any more.
            Err(skep_channels::Error::NotFound) => Ok(()),
            other => other.map_err(refused),
        }
    }

    fn broadcast(&mut self, topic: String, event: String, body: Body, except: Option<String>) -> Result<(), Error> {
        let body = self.said(body)?;
        word(&event, "an event")?;
        let topic = self.topic(&topic, Direction::Publish)?;
        let except = except.map(|id| self.channel(&id)).transpose()?;
        let channels = self.channels()?;
        match except {
            Some(id) => channels.broadcast_from(self.stats.plugin(), id, &topic, &event, body).map_err(refused),
            None => channels.broadcast(&topic, &event, body).map_err(refused),
        }
    }

    fn disconnect(&mut self, socket: String) -> Result<(), Error> {
        let name = skep_types::TopicName::new(&socket).map_err(|error| Error::Invalid(error.to_string()))?;
        self.stats.owe(socket.len());
        let name = skep_types::TopicId { owner: self.stats.plugin().clone(), name };
        self.channels()?.disconnect(&name).map_err(refused)
    }
}

impl websocket::Host for CallState {
    fn send(&mut self, to: String, message: Message) -> Result<(), Error> {
        let (to, frame) = (self.channel(&to)?, self.frame(message)?);
        self.channels()?.send_raw(self.stats.plugin(), to, frame).map_err(refused)
    }

    fn close(&mut self, to: String, code: u16, reason: String) -> Result<(), Error> {
        let to = self.channel(&to)?;
        self.stats.owe(reason.len());
        self.channels()?.close_raw(self.stats.plugin(), to, code, &reason).map_err(refused)
    }
}

fn word(word: &str, what: &str) -> Result<(), Error> {
    let fits = (1..=WORD_BYTES_MAX).contains(&word.len()) && !word.contains(['\r', '\n']);
    if fits {
        Ok(())
    } else {
        Err(Error::Invalid(format!("{what} has 1 to {WORD_BYTES_MAX} bytes without line breaks")))
    }
}

/// What a guest is told of the engine's word.
fn refused(error: skep_channels::Error) -> Error {
    match error {
        skep_channels::Error::NotFound => Error::NotFound,
        other => Error::Invalid(other.to_string()),
    }
}
