//! `skep:plugin/event-stream-handler`: whether a client may listen, and what it sees first.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response};
use skep_bindings::event_stream_handler::{Decision, Opening as GuestOpening};
use skep_types::{Call, Failure, Limits};
use wasmtime::Store;

use crate::body::CallBody;
use crate::drive::errand::Errand;
use crate::drive::fast::{RequestText, from_guest, headers_from_guest};
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

/// A stream that a client asks for.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The stream's id, which presences can be tracked with.
    pub stream: String,
    /// The topic, as the plugin would write it.
    pub topic: String,
    /// What the client has seen last.
    pub last_event_id: Option<String>,
}

/// One event of a guest's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstEvent {
    /// Its name.
    pub event: Option<String>,
    /// Its id.
    pub id: Option<u64>,
    /// What it says.
    pub data: Bytes,
}

/// What the plugin says to it.
pub enum Opened {
    /// The client may listen.
    Accepted {
        /// Fields to add to the answer.
        headers: HeaderMap,
        /// What the client sees first.
        first: Vec<FirstEvent>,
        /// Messages of the topic's log behind this id follow.
        after: Option<u64>,
    },
    /// The client may not, and gets this.
    Refused(Response<CallBody>),
}

impl Revision {
    /// Whether it decides over event streams.
    #[must_use]
    pub fn opens_streams(&self) -> bool {
        self.handles(Role::EventStream)
    }

    /// Asks the plugin whether a client may listen, in a fresh instance, under the plugin's limits.
    ///
    /// # Errors
    /// Every way for the call to end without an answer.
    pub async fn open_stream(
        self: &Arc<Self>,
        call: Call,
        parts: &Parts,
        opening: &Opening,
    ) -> Result<Opened, Failure> {
        let text = RequestText::of(parts, &call);
        let limits = self.limits();
        self.run_errand(call, limits.deadline, Open { text, parts, opening }, |decision| opened(decision, limits)).await
    }
}

fn opened(decision: Decision, limits: &Limits) -> Result<Opened, Failure> {
    match decision {
        Decision::Refuse(response) => from_guest(response, limits).map(Opened::Refused),
        Decision::Accept(accepted) => {
            let headers = headers_from_guest(accepted.headers, limits)?;
            let first = accepted.first.into_iter();
            let first = first.map(|event| FirstEvent { event: event.event, id: event.id, data: event.data.into() });
            Ok(Opened::Accepted { headers, first: first.collect(), after: accepted.after })
        }
    }
}

struct Open<'a> {
    text: RequestText,
    parts: &'a Parts,
    opening: &'a Opening,
}

impl Errand for Open<'_> {
    type Answer = Decision;
    const ROLE: Role = Role::EventStream;

    fn charge(&self) -> usize {
        self.text.len() + self.opening.topic.len() + self.opening.stream.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::EventStreams(guest) = guest else { return None };
        let Opening { stream, topic, last_event_id } = self.opening;
        let opening = GuestOpening { stream, topic, last_event_id: last_event_id.as_deref() };
        let nothing = Bytes::new();
        let request = self.text.request(&self.parts.method, &nothing);
        Some(guest.skep_plugin_event_stream_handler().call_open(store, request, opening).await)
    }
}
