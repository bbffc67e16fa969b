//! Event streams, and what presences live with, in native tests.

use super::{TestRequest, TestResponse};
use crate::{
    Event, EventStream, HeaderMap, Opener, Opening, RequestExt, Response, double::presence as double, presence::Owner,
};

impl TestRequest {
    /// Asks for an event stream of that topic, as the host would. What the client has seen last is its header
    /// `last-event-id`.
    ///
    /// ```
    /// use skep_sdk::{prelude::*, test};
    ///
    /// fn open(opening: Opening) -> Result<EventStream> {
    ///     opening.track("maja", &json!({}))?;
    ///     Ok(EventStream::new().first(Event::html("row", "<tr>")))
    /// }
    ///
    /// let stream = test::get("/live").open("orders", open);
    /// assert_eq!(stream.first()[0].text(), "<tr>");
    /// assert_eq!(presence::count("orders")?, 1);
    /// # Ok::<_, Error>(())
    /// ```
    pub fn open<M>(self, topic: &str, opener: impl Opener<M>) -> TestStream {
        let mut request = self.request();
        let owner = Owner::new(double::begin());
        let last_event_id = request.header("last-event-id").map(str::to_owned);
        let opening = Opening { stream: owner.clone(), topic: topic.to_owned(), last_event_id };
        request.extensions_mut().insert(opening);
        let decision = opener.open(request);
        if decision.is_err() {
            double::end(owner.as_str());
        }
        TestStream { owner, decision }
    }
}

/// A client's stream, or its refusal, from [`TestRequest::open`]. It stays open until it is closed.
#[derive(Debug)]
#[must_use]
pub struct TestStream {
    owner: Owner,
    decision: Result<EventStream, Response>,
}

impl TestStream {
    /// What the client sees first.
    ///
    /// # Panics
    /// If it was refused, as the others that ask about the open stream.
    #[must_use]
    #[track_caller]
    pub fn first(&self) -> &[Event] {
        &self.accepted().first
    }

    /// The id in the topic's log that the stream goes on behind, if the plugin says.
    #[must_use]
    #[track_caller]
    pub fn after(&self) -> Option<u64> {
        self.accepted().after
    }

    /// What the plugin adds to the answer's headers.
    #[must_use]
    #[track_caller]
    pub fn headers(&self) -> &HeaderMap {
        &self.accepted().headers
    }

    /// What its presences live with.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The answer to a client that may not listen.
    ///
    /// # Panics
    /// If it may.
    #[track_caller]
    pub fn refused(self) -> TestResponse {
        match self.decision {
            Err(response) => TestResponse(response),
            Ok(_) => panic!("the event stream was opened"),
        }
    }

    /// The client goes, and its presences with it.
    pub fn close(self) {
        double::end(self.owner.as_str());
    }

    #[track_caller]
    fn accepted(&self) -> &EventStream {
        match &self.decision {
            Ok(stream) => stream,
            Err(response) => {
                let (status, body) = (response.status(), String::from_utf8_lossy(response.body()));
                panic!("the event stream was refused: {status} {body}")
            }
        }
    }
}

/// Something that presences may live with, as long as the test does.
#[must_use]
pub fn owner() -> Owner {
    Owner::new(double::begin())
}
