//! What a client is answered, now or later.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Payload, host};
use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler as handler, imports::skep::plugin::channel as wit,
    },
    Bytes, Error, Json, Result,
    capability::refused,
};

/// The word of a reply, which picks the client's function: `.receive("ok", ..)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// `"ok"`.
    Ok,
    /// `"error"`.
    Error,
    /// Another word.
    Other(Cow<'static, str>),
}

/// The reply to a client's message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    /// None now; [`Socket::reply_later`](super::Socket::reply_later) may lead to one.
    #[default]
    None,
    /// This.
    Now(Status, Payload),
}

impl Reply {
    /// `"ok"`, with a value.
    ///
    /// # Errors
    /// When the value does not encode; as the next two.
    pub fn ok<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Self::status(Status::Ok, value)
    }

    /// `"error"`, with a value.
    #[allow(clippy::missing_errors_doc, reason = "see `ok`")]
    pub fn error<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Self::status(Status::Error, value)
    }

    /// Any word, with a value.
    #[allow(clippy::missing_errors_doc, reason = "see `ok`")]
    pub fn status<T: Serialize + ?Sized>(status: Status, value: &T) -> Result<Self> {
        Ok(Self::Now(status, Payload::json(value).map_err(|error| error.context("writing a reply"))?))
    }
}

/// What `handle_in` returns: nothing, for no reply; [`Json`] or [`Bytes`], for `"ok"`; a [`Reply`]; an `Option` of these; or
/// a [`Result`] of them, whose error is the reply `"error"` with `{"reason": ..}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a channel replies",
    label = "a client cannot be replied this",
    note = "`handle_in` returns nothing, `Json<T>`, `Bytes`, `channel::Reply`, an `Option` of these, or `Result` of them with an error that `?` can make a `skep_sdk::Error`"
)]
pub trait Answer {
    /// The same for all of them.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_reply(self) -> Result<Reply>;
}

impl Answer for () {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::None)
    }
}

impl Answer for Reply {
    fn into_reply(self) -> Result<Self> {
        Ok(self)
    }
}

impl<T: Serialize> Answer for Json<T> {
    fn into_reply(self) -> Result<Reply> {
        Reply::ok(&self.0)
    }
}

impl Answer for Bytes {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::Now(Status::Ok, self.into()))
    }
}

impl<A: Answer> Answer for Option<A> {
    fn into_reply(self) -> Result<Reply> {
        self.map_or(Ok(Reply::None), Answer::into_reply)
    }
}

impl<A: Answer, E: Into<Error>> Answer for Result<A, E> {
    fn into_reply(self) -> Result<Reply> {
        self.map_err(Into::into)?.into_reply()
    }
}

/// A client that waits, from [`Socket::reply_later`](super::Socket::reply_later). It may be kept and sent: whoever has it, in
/// this plugin, may reply, once, for as long as the channel is joined.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use skep_sdk::{channel::ReplyTo, prelude::*, test};
///
/// #[skep::job]
/// fn count(client: ReplyTo) -> JobResult {
///     Ok(client.ok(&json!({"bees": 40_000}))?)                    // an hour's work, say
/// }
///
/// # #[derive(Serialize, Deserialize)] struct Hive;
/// #[skep::channel("hive:*")]
/// impl Hive {
///     fn join() -> Self {
///         Hive
///     }
///
///     fn handle_in(&mut self, _event: &str, socket: &mut Socket) -> Result<()> {
///         count::enqueue(&socket.reply_later())?;
///         Ok(())
///     }
/// }
///
/// let hive = test::socket().join::<Hive>("hive:7", &json!({})).unwrap();
/// let waiting = hive.push("count", &json!({}));
/// assert!(waiting.reply().is_none());
/// test::perform_jobs();
/// assert_eq!(waiting.ok::<serde_json::Value>()["bees"], 40_000);
/// # use skep_sdk::serde_json;
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplyTo(Option<String>);

impl ReplyTo {
    pub(super) fn new(ref_: Option<String>) -> Self {
        Self(ref_)
    }

    /// Replies `"ok"`, with a value. Nothing happens if nobody waits any more.
    ///
    /// # Errors
    /// When the value does not encode, or the host refuses; as the next two.
    pub fn ok<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.status(&Status::Ok, value)
    }

    /// Replies `"error"`, with a value.
    #[allow(clippy::missing_errors_doc, reason = "see `ok`")]
    pub fn error<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.status(&Status::Error, value)
    }

    /// Replies any word, with a value.
    #[allow(clippy::missing_errors_doc, reason = "see `ok`")]
    pub fn status<T: Serialize + ?Sized>(&self, status: &Status, value: &T) -> Result<()> {
        self.send(status, &Payload::json(value).map_err(|error| error.context("writing a late reply"))?)
    }

    /// Replies any word, with JSON or bytes as they are.
    #[allow(clippy::missing_errors_doc, reason = "see `ok`")]
    pub fn send(&self, status: &Status, payload: &Payload) -> Result<()> {
        let Some(to) = &self.0 else { return Ok(()) };
        host::reply(to, &status.to_host(), &payload.to_host())
            .map_err(|error| refused(error, "replying to a client".to_owned()))
    }
}

impl Status {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Other(word) => word,
        }
    }

    fn to_host(&self) -> wit::Status {
        match self {
            Self::Ok => wit::Status::Ok,
            Self::Error => wit::Status::Error,
            Self::Other(word) => wit::Status::Other(word.to_string()),
        }
    }
}

impl From<Status> for handler::Status {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Ok,
            Status::Error => Self::Error,
            Status::Other(word) => Self::Other(word.into_owned()),
        }
    }
}

impl From<handler::Status> for Status {
    fn from(status: handler::Status) -> Self {
        match status {
            handler::Status::Ok => Self::Ok,
            handler::Status::Error => Self::Error,
            handler::Status::Other(word) => Self::Other(word.into()),
        }
    }
}

/// What the client is told of an error, and the operator if it is no mistake of the client's.
pub(super) fn told(error: &Error) -> Payload {
    if error.is_server_error() {
        eprintln!("error: {error}");
    }
    let (code, message) = error.for_client();
    let mut reason = serde_json::json!({"reason": message});
    if let (Some(code), Some(reason)) = (code, reason.as_object_mut()) {
        reason.insert("code".to_owned(), code.into());
    }
    Payload::Json(reason.to_string())
}
