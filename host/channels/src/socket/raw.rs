//! Sockets without channels: the same queue, bounds and ends, for frames of a plugin's own making. The socket is one
//! channel that is joined from its first moment.

use std::sync::Arc;

use bytes::Bytes;
use skep_types::TopicName;

use super::driver::info;
use super::next::Call;
use super::state::{Phase, Record};
use super::{Close, Shared, Socket, Speaks};
use crate::call::{Work, begin};
use crate::port::{Crash, RawAction, RawHandler, RawSocket};
use crate::wire::Ref;

/// The only channel.
const SERIAL: u32 = 0;
/// Its topic, which nobody sees.
const TOPIC: &str = "raw";

impl Shared {
    /// The record of a raw socket.
    pub(crate) fn raw_record(assigns: Bytes) -> Option<Record> {
        let mut record = Record::new(SERIAL, TopicName::new(TOPIC).ok()?, Ref::NULL, None);
        record.phase = Phase::Joined;
        record.busy = true;
        record.assigns = assigns;
        Some(record)
    }
}

impl Socket {
    /// Tells the plugin that the client is there. To be called once, before the first poll.
    pub(crate) fn open_raw(&mut self, assigns: Bytes) {
        let owner = self.shared.mount.target.load().socket.owner().clone();
        if let Err(crash) = self.tie(SERIAL, None, &owner) {
            return self.raw_done(SERIAL, Err(crash));
        }
        self.shared.update(|state| state.opened = true);
        self.call_raw(assigns, |handler, socket| begin(|| handler.open(socket)));
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
        call: impl FnOnce(Arc<dyn RawHandler>, RawSocket) -> crate::port::Working<Vec<RawAction>>,
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
        let acted = result.and_then(|actions| actions.into_iter().try_for_each(|action| self.act_raw(serial, action)));
        if let Err(crash) = acted {
            self.hub.counters.crashes();
            tracing::warn!(socket = %self.shared.id, %crash, "a socket's handler crashed");
            self.shared.update(|state| self.shared.failed(state, serial));
        }
        self.idle(serial);
    }

    fn act_raw(&mut self, serial: u32, action: RawAction) -> Result<(), Crash> {
        match action {
            RawAction::Send(frame) => {
                if let crate::wire::Frame::Text(text) = &frame {
                    std::str::from_utf8(text).map_err(|_| Crash::new("a text frame that is no text"))?;
                }
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
                if !matches!(code, 1000 | 1001 | 1007..=1014 | 3000..=4999) {
                    return Err(Crash::new("a close code that may not be sent"));
                }
                self.shared.close(Close { code, reason: reason.into() });
            }
        }
        Ok(())
    }

    /// What tells the plugin of the end, if it wants to be told.
    pub(super) fn finish_raw(&self, channels: &[Record]) -> Option<impl Future<Output = ()> + Send + 'static> {
        if self.shared.speaks != Speaks::Raw || !self.shared.update(|state| std::mem::take(&mut state.opened)) {
            return None;
        }
        let record = channels.first()?;
        let handler = self.shared.mount.raw().filter(|handler| handler.closes())?;
        let socket = self.raw_socket(record.assigns.clone());
        let reason = self.shared.update(|state| state.closing.as_ref().map(|close| close.reason.to_string()));
        Some(async move {
            let id = socket.id;
            let reason = reason.unwrap_or_else(|| "closed".to_owned());
            let work = begin(move || handler.close(socket, reason));
            if let Err(crash) = work.await {
                tracing::debug!(socket = %id, %crash, "a socket's end was told to nobody");
            }
        })
    }
}
