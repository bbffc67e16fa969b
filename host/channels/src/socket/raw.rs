//! Sockets without channels: the same queue, bounds and ends, for frames of a plugin's own making. The socket is one
//! channel that is joined from its first moment, and busy until its plugin has let it in.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use skep_types::{PluginName, TopicName};

use super::driver::info;
use super::next::Call;
use super::record::{Phase, Record};
use super::{Close, Shared, Socket, Speaks};
use crate::address::ChannelId;
use crate::call::{Work, begin};
use crate::port::{Crash, RawAction, RawHandler, RawSocket, Working};
use crate::wire::{Frame, Ref};

/// The only channel.
const SERIAL: u32 = 0;
/// Its topic, which nobody sees.
const TOPIC: &str = "raw";
/// The longest reason of a close frame.
const REASON_BYTES_MAX: usize = 123;

impl Close {
    /// As a plugin asks for it.
    pub(crate) fn asked(code: u16, reason: String) -> Result<Self, Crash> {
        if !matches!(code, 1000 | 3000..=4999) {
            return Err(Crash::new(format!("{code} is no close code of plugins: they have 1000, and 3000 to 4999")));
        }
        if reason.len() > REASON_BYTES_MAX {
            return Err(Crash::new(format!(
                "a close reason of {} bytes, and it may have {REASON_BYTES_MAX}",
                reason.len()
            )));
        }
        Ok(Self { code, reason: reason.into() })
    }
}

/// A text goes to the client as it is, so it must be one.
pub(crate) fn checked(frame: &Frame) -> Result<(), Crash> {
    match frame {
        Frame::Text(text) if std::str::from_utf8(text).is_err() => Err(Crash::new("a text frame that is no text")),
        Frame::Text(_) | Frame::Binary(_) => Ok(()),
    }
}

impl Shared {
    /// The record of a raw socket.
    pub(super) fn raw_record() -> Option<Record> {
        let mut record = Record::new(SERIAL, TopicName::new(TOPIC).ok()?, Ref::NULL, None);
        record.phase = Phase::Joined;
        record.busy = true;
        Some(record)
    }
}

impl Socket {
    /// Makes the socket the owner of presences; returns how its plugin knows it.
    pub(crate) fn own_presences(&mut self, owner: &PluginName) -> Result<ChannelId, Crash> {
        self.tie(SERIAL, None, owner)?;
        Ok(self.channel_id(SERIAL))
    }

    /// Its plugin lets it in: it is called from now on, and told of the end. To be called once, before the first poll.
    pub(crate) fn opened_raw(&mut self, assigns: Bytes, actions: Vec<RawAction>) -> Result<(), Crash> {
        self.shared.update(|state| {
            if let Some(record) = state.record(SERIAL) {
                record.assigns = assigns;
            }
        });
        self.act_raw(SERIAL, actions)?;
        // The client could not say anything until now.
        self.heard();
        self.shared.update(|state| state.opened = true);
        self.idle(SERIAL);
        Ok(())
    }

    pub(super) fn start_raw(&mut self, serial: u32, assigns: Bytes, call: Call) {
        match call {
            Call::Raw(frame) => self.call_raw(assigns, |handler, socket| begin(|| handler.message(socket, frame))),
            Call::Info(message) => {
                let info = info(&message);
                self.call_raw(assigns, |handler, socket| begin(|| handler.info(socket, info)));
            }
            _ => self.idle(serial),
        }
    }

    fn call_raw(
        &mut self,
        assigns: Bytes,
        call: impl FnOnce(Arc<dyn RawHandler>, RawSocket) -> Working<Vec<RawAction>>,
    ) {
        let Some(handler) = self.shared.mount.raw() else {
            return self.shared.close(Close::DISCONNECTED);
        };
        let socket = self.raw_socket(assigns);
        let work = call(handler, socket);
        self.run(SERIAL, Work::Raw(work));
    }

    fn raw_socket(&self, assigns: Bytes) -> RawSocket {
        RawSocket { id: self.channel_id(SERIAL), assigns, socket: self.info() }
    }

    pub(super) fn raw_done(&mut self, serial: u32, result: Result<Vec<RawAction>, Crash>) {
        if let Err(crash) = result.and_then(|actions| self.act_raw(serial, actions)) {
            self.hub.counters.crashes();
            tracing::warn!(socket = %self.shared.id, %crash, "a socket's handler crashed");
            self.shared.update(|state| self.shared.failed(state, serial));
        }
        self.idle(serial);
    }

    fn act_raw(&mut self, serial: u32, actions: Vec<RawAction>) -> Result<(), Crash> {
        for action in actions {
            match action {
                RawAction::Send(frame) => {
                    checked(&frame)?;
                    self.shared.update(|state| state.send(&self.shared.options, frame, false));
                }
                RawAction::Assign(assigns) => self.shared.update(|state| {
                    if let Some(record) = state.record(serial) {
                        record.assigns = assigns;
                    }
                }),
                RawAction::Subscribe(selector) => self.listen(serial, selector)?,
                RawAction::Unsubscribe(selector) => self.unlisten(serial, &selector),
                RawAction::Close(code, reason) => {
                    self.shared.close(Close::asked(code, reason)?);
                    break;
                }
            }
        }
        Ok(())
    }

    /// What tells the plugin of the end, if it has let the socket in.
    pub(super) fn finish_raw(&self, channels: &[Record]) -> Option<impl Future<Output = ()> + Send + 'static> {
        if self.shared.speaks != Speaks::Raw || !self.shared.update(|state| std::mem::take(&mut state.opened)) {
            return None;
        }
        let record = channels.first()?;
        let handler = self.shared.mount.raw()?;
        let socket = self.raw_socket(record.assigns.clone());
        let code = self.shared.update(|state| state.closing.as_ref().map_or(Close::BROKEN, |close| close.code));
        Some(async move {
            let id = socket.id;
            let work = begin(move || handler.close(socket, code));
            if let Ok(Err(crash)) = AssertUnwindSafe(work).catch_unwind().await {
                tracing::debug!(socket = %id, %crash, "a socket's end was told to nobody");
            }
        })
    }
}
