//! What the client of an event stream gets.

use std::borrow::Cow;

use serde::Serialize;

use crate::{Error, HeaderMap, HeaderName, HeaderValue, Result, codec};

/// An event: what the client sees when the stream opens, before what is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) event: Option<Cow<'static, str>>,
    pub(crate) id: Option<u64>,
    pub(crate) data: Vec<u8>,
}

impl Event {
    /// A value as JSON, for `source.addEventListener("order", ..)`.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn json<T: Serialize + ?Sized>(event: impl Into<Cow<'static, str>>, value: &T) -> Result<Self> {
        let event = event.into();
        match codec::to_json(value) {
            Ok(data) => Ok(Self { event: Some(event), id: None, data }),
            Err(error) => Err(Error::from(error).context(format!("writing the event `{event}`"))),
        }
    }

    /// A piece of a page, for htmx's `sse-swap="row"` and its like.
    pub fn html(event: impl Into<Cow<'static, str>>, html: impl Into<String>) -> Self {
        Self { event: Some(event.into()), id: None, data: html.into().into_bytes() }
    }

    /// Text without an event's name, for `source.onmessage`.
    pub fn message(text: impl Into<String>) -> Self {
        Self { event: None, id: None, data: text.into().into_bytes() }
    }

    /// Where it is in the topic's log: a client that comes back goes on behind it.
    #[must_use]
    pub fn id(mut self, id: u64) -> Self {
        self.id = Some(id);
        self
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.event.as_deref()
    }

    /// What the client gets, as text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

/// The plugin's yes to a client that wants to listen. The host then writes the messages of the route's topic to the
/// client for as long as it stays.
///
/// ```
/// use skep_sdk::{prelude::*, test};
///
/// fn open(cookies: Cookies) -> Result<EventStream> {
///     cookies.get("session").reject(StatusCode::UNAUTHORIZED, "sign in first")?;
///     let orders = cache::bucket("orders")?.counter("open")?;
///     Ok(EventStream::new().first(Event::json("count", &orders)?))
/// }
///
/// let stream = test::get("/live").cookie("session", "7").open("orders", open);
/// assert_eq!((stream.first()[0].name(), &*stream.first()[0].text()), (Some("count"), "0"));
///
/// let refused = test::get("/live").open("orders", open).refused();
/// assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct EventStream {
    pub(crate) headers: HeaderMap,
    pub(crate) first: Vec<Event>,
    pub(crate) after: Option<u64>,
    /// A header that cannot be one: the stream is refused with it.
    pub(crate) error: Option<Error>,
}

impl EventStream {
    /// A stream of what is published from now on, and before it of what a client that was here before has missed, if the
    /// manifest retains the topic.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event that the client sees at once.
    pub fn first(mut self, event: Event) -> Self {
        self.first.push(event);
        self
    }

    /// Lets what the topic's log has behind the message of this id follow: that of the state that
    /// [`first`](Self::first) shows, so that nothing between the two is lost. Without it, what is behind the last one
    /// that the client has seen.
    pub fn after(mut self, id: u64) -> Self {
        self.after = Some(id);
        self
    }

    /// Adds a header to the answer. One that cannot be a header, as a value with a line break, makes the answer a 500.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        N::Error: Into<http::Error>,
        V: TryInto<HeaderValue>,
        V::Error: Into<http::Error>,
    {
        let pair =
            name.try_into().map_err(Into::into).and_then(|name| Ok((name, value.try_into().map_err(Into::into)?)));
        match pair {
            Ok((name, value)) => {
                self.headers.append(name, value);
            }
            Err(error) => self.error = Some(Error::from(error).context("adding a header to an event stream")),
        }
        self
    }
}
