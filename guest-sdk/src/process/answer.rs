//! What a call is answered, now or later.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use super::host;
use crate::{Error, Result, capability::refused, codec};

/// The answer to a call: now, or later by the [`ReplyTo`] that [`Ctx::reply_later`](super::Ctx::reply_later) gave.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use skep_sdk::{prelude::*, process::{Reply, ReplyTo}, test};
///
/// #[derive(Serialize, Deserialize)]
/// struct Door {
///     waiting: Vec<ReplyTo<String>>,
/// }
///
/// #[skep::process]
/// impl Door {
///     fn init() -> Self {
///         Door { waiting: Vec::new() }
///     }
///
///     fn call(&mut self, knocks: u32, ctx: &mut Ctx) -> Reply<String> {
///         if knocks > 3 {
///             return Reply::Now("come in".into());
///         }
///         self.waiting.push(ctx.reply_later());
///         Reply::Later
///     }
///
///     fn cast(&mut self, _opened: ()) -> Result<()> {
///         self.waiting.drain(..).try_for_each(|reply| reply.send(&"it is open".into()))
///     }
/// }
/// # let door = process::start::<Door>("door", &())?;
/// # assert_eq!(door.call(&4)?, "come in");
/// # assert!(matches!(door.call(&1), Err(process::CallError::Timeout(..))));
/// # door.cast(&())?;
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// This.
    Now(T),
    /// Nothing yet: the caller waits.
    Later,
}

/// What a process's `call` returns: any serde type, or a [`Reply`] of one; or a [`Result`] of either, whose error the caller
/// is told as [`CallError::Failed`](super::CallError::Failed).
///
/// `M` tells those apart that are written `Result`, which may be a serde type themselves.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a process answers",
    label = "a call cannot be answered with this",
    note = "a call is answered with a type that implements `serde::Serialize` and `serde::Deserialize`, with `process::Reply<T>` if that may come later, or with `Result` of either, with an error that `?` can make a `skep_sdk::Error`"
)]
pub trait Answer<M> {
    /// What the caller gets.
    type Value: Serialize + DeserializeOwned;

    /// The same for all of them.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_reply(self) -> Result<Reply<Self::Value>>;
}

/// Marks what is answered as it is.
#[derive(Debug)]
pub enum Plain {}

/// Marks what is written as a `Result`.
#[derive(Debug)]
pub enum Fallible {}

impl<T: Serialize + DeserializeOwned> Answer<Plain> for T {
    type Value = T;

    fn into_reply(self) -> Result<Reply<T>> {
        Ok(Reply::Now(self))
    }
}

impl<T: Serialize + DeserializeOwned> Answer<Plain> for Reply<T> {
    type Value = T;

    fn into_reply(self) -> Result<Self> {
        Ok(self)
    }
}

impl<T: Serialize + DeserializeOwned, E: Into<Error>> Answer<Fallible> for Result<T, E> {
    type Value = T;

    fn into_reply(self) -> Result<Reply<T>> {
        self.map(Reply::Now).map_err(Into::into)
    }
}

impl<T: Serialize + DeserializeOwned, E: Into<Error>> Answer<Fallible> for Result<Reply<T>, E> {
    type Value = T;

    fn into_reply(self) -> Result<Reply<T>> {
        self.map_err(Into::into)
    }
}

/// A caller that waits, from [`Ctx::reply_later`](super::Ctx::reply_later). It may be kept in the state: it outlives sleep
/// and upgrades. After a crash, and when its time is over, nobody waits any more.
pub struct ReplyTo<T> {
    call: u64,
    of: PhantomData<fn(T)>,
}

impl<T: Serialize> ReplyTo<T> {
    pub(super) fn new(call: u64) -> Self {
        Self { call, of: PhantomData }
    }

    /// Answers. Nothing happens if nobody waits any more.
    ///
    /// # Errors
    /// When the value does not encode, or the host refuses.
    pub fn send(self, value: &T) -> Result<()> {
        let answer = codec::to_json(value).map_err(|error| Error::from(error).context("writing a late answer"))?;
        host::reply(self.call, Ok(&answer)).map_err(|error| refused(error, "answering a call".to_owned()))
    }

    /// Says that the call failed: the caller gets [`CallError::Failed`](super::CallError::Failed) with this text.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn fail(self, why: impl fmt::Display) -> Result<()> {
        let why = why.to_string();
        host::reply(self.call, Err(&why)).map_err(|error| refused(error, "answering a call".to_owned()))
    }
}

impl<T> fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReplyTo").field(&self.call).finish()
    }
}

impl<T> Serialize for ReplyTo<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.call.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for ReplyTo<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { call: u64::deserialize(deserializer)?, of: PhantomData })
    }
}
