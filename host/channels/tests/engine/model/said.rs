//! What clients are told, in both versions of the protocol.

use skep_channels::{Frame, Version};

/// What a frame counts as beside its bytes.
pub(super) const FRAME_OVERHEAD: usize = 64;

#[derive(Clone, Debug)]
pub(super) enum Said {
    /// Refs and payload are JSON.
    Text { join_ref: String, reference: String, topic: String, event: String, payload: String },
    /// A broadcast of bytes.
    Bytes { topic: String, event: String, data: String },
}

impl Said {
    pub(super) fn text(join_ref: &str, reference: &str, topic: &str, event: &str, payload: &str) -> Self {
        let own = str::to_owned;
        let (join_ref, reference, payload) = (own(join_ref), own(reference), own(payload));
        Self::Text { join_ref, reference, topic: own(topic), event: own(event), payload }
    }

    pub(super) fn reply(join_ref: &str, reference: &str, topic: &str, status: &str, response: &str) -> Self {
        let payload = format!("{{\"status\":\"{status}\",\"response\":{response}}}");
        Self::text(join_ref, reference, topic, "phx_reply", &payload)
    }

    /// `phx_close` or `phx_error`.
    pub(super) fn ended(join_ref: &str, topic: &str, event: &str) -> Self {
        Self::text(join_ref, join_ref, topic, event, "{}")
    }

    /// Version 1 has no bytes.
    pub(super) fn frame(&self, version: Version) -> Option<Frame> {
        let text = |text: String| Some(Frame::Text(text.into()));
        match (self, version) {
            (Self::Text { join_ref, reference, topic, event, payload }, Version::V2) => {
                text(format!("[{join_ref},{reference},\"{topic}\",\"{event}\",{payload}]"))
            }
            (Self::Text { reference, topic, event, payload, .. }, Version::V1) => text(format!(
                "{{\"topic\":\"{topic}\",\"event\":\"{event}\",\"payload\":{payload},\"ref\":{reference}}}"
            )),
            (Self::Bytes { topic, event, data }, Version::V2) => {
                let sizes = [2, topic.len(), event.len()].map(|size| u8::try_from(size).unwrap());
                Some(Frame::Binary([&sizes[..], topic.as_bytes(), event.as_bytes(), data.as_bytes()].concat().into()))
            }
            (Self::Bytes { .. }, Version::V1) => None,
        }
    }
}

/// A broadcast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast {
    pub(super) topic: &'static str,
    pub(super) event: &'static str,
    pub(super) number: u32,
    pub(super) binary: bool,
}

impl Cast {
    pub(super) fn said(&self) -> Said {
        let (topic, event, data) = (self.topic.to_owned(), self.event.to_owned(), self.number.to_string());
        if self.binary {
            return Said::Bytes { topic, event, data };
        }
        Said::Text { join_ref: "null".into(), reference: "null".into(), topic, event, payload: data }
    }

    pub(super) fn is_intercepted(&self) -> bool {
        self.event == "secret"
    }
}
