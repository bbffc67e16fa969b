//! Processes as others see them.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use super::{CallError, Pid, Protocol, Reason, Target, host};
use crate::{Error, Result, capability::refused, clock::millis, codec};

/// A process with what it understands, from [`handle`] or from its start. It is a name or a pid with a type: nothing is
/// asked of the host before a message is sent, and it can be kept and sent.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use std::time::Duration;
/// use skep_sdk::prelude::*;
///
/// # #[derive(Serialize, Deserialize)] struct Counter(u64);
/// # #[skep::process]
/// # impl Counter {
/// #     fn init() -> Self { Counter(0) }
/// #     fn call(&mut self, by: u64) -> u64 { self.0 += by; self.0 }
/// #     fn cast(&mut self, by: u64) { self.0 += by; }
/// # }
/// # process::start::<Counter>("hive:7", &())?;
/// let hive = process::handle::<Counter>("hive:7").timeout(Duration::from_secs(1));
/// hive.cast(&2)?;
/// assert_eq!(hive.call(&5)?, 7);
/// # Ok::<_, Error>(())
/// ```
pub struct Handle<P> {
    target: Target,
    timeout: Option<Duration>,
    of: PhantomData<fn() -> P>,
}

/// A process by its name, pid or `(plugin, name)`, of which the kind is known. Nothing is asked of the host yet.
pub fn handle<P: Protocol>(process: impl Into<Handle<P>>) -> Handle<P> {
    process.into()
}

/// Asks a process and waits for the answer, at most 5 s; [`Handle::timeout`] says another time.
///
/// # Errors
/// See [`CallError`].
pub fn call<P: Protocol>(process: impl Into<Handle<P>>, message: &P::Call) -> Result<P::Reply, CallError> {
    process.into().call(message)
}

/// Tells a process something, and does not wait until it is handled. It returns when the message is in the mailbox, and for a
/// durable process when it is in the store: then it is handled at least once.
///
/// # Errors
/// See [`CallError`]: nothing is known of whether it is handled.
pub fn cast<P: Protocol>(process: impl Into<Handle<P>>, message: &P::Cast) -> Result<(), CallError> {
    process.into().cast(message)
}

/// Tells a process something of which nobody misses one: it is never stored, and handled by `info`.
///
/// # Errors
/// As [`cast`].
pub fn send<P: Protocol>(process: impl Into<Handle<P>>, message: &P::Info) -> Result<(), CallError> {
    process.into().send(message)
}

/// Ends a process in order: it finishes the message in hand, and terminates. Waits for that, at most 5 s; then it is killed.
/// What a durable process kept is deleted.
///
/// # Errors
/// [`CallError::NotFound`] if there is none; see there for the rest.
pub fn stop(process: impl Into<Target>, reason: impl Into<Reason>) -> Result<(), CallError> {
    end(&process.into(), &reason.into(), None)
}

impl<P> Handle<P> {
    /// What it is reached by.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn into_target(self) -> Target {
        self.target
    }

    /// The pid, if it is reached by that: one from a start is.
    #[must_use]
    pub fn pid(&self) -> Option<&Pid> {
        match &self.target {
            Target::Pid(pid) => Some(pid),
            Target::Name { .. } => None,
        }
    }

    /// How long [`call`](Self::call) and [`stop`](Self::stop) wait from now on, in place of 5 s. A call that waited in the
    /// mailbox for so long is skipped.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// As [`stop`](fn@stop).
    ///
    /// # Errors
    /// As [`stop`](fn@stop).
    pub fn stop(&self, reason: impl Into<Reason>) -> Result<(), CallError> {
        end(&self.target, &reason.into(), self.timeout)
    }
}

impl<P: Protocol> Handle<P> {
    /// As [`call`](fn@call).
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, message: &P::Call) -> Result<P::Reply, CallError> {
        let message = self.encode(message)?;
        let answer = host::call(&self.target.to_wit(), &message, self.timeout.map(millis));
        decode(&self.target, &answer.map_err(|failure| failed(&self.target, failure))?)
    }

    /// As [`cast`](fn@cast).
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn cast(&self, message: &P::Cast) -> Result<(), CallError> {
        let message = self.encode(message)?;
        host::cast(&self.target.to_wit(), &message).map_err(|failure| failed(&self.target, failure))
    }

    /// As [`send`](fn@send).
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn send(&self, message: &P::Info) -> Result<(), CallError> {
        let message = self.encode(message)?;
        host::send(&self.target.to_wit(), &message).map_err(|failure| failed(&self.target, failure))
    }

    pub(crate) fn encode<T: Serialize>(&self, message: &T) -> Result<Vec<u8>, CallError> {
        codec::to_json(message).map_err(|error| {
            CallError::Refused(
                Error::from(error).context(format!("writing a message to the process `{}`", self.target)),
            )
        })
    }
}

pub(crate) fn decode<T: DeserializeOwned>(target: &Target, answer: &[u8]) -> Result<T, CallError> {
    codec::from_payload(answer)
        .map_err(|error| CallError::Refused(error.context(format!("reading the answer of the process `{target}`"))))
}

fn end(target: &Target, reason: &Reason, timeout: Option<Duration>) -> Result<(), CallError> {
    host::stop(&target.to_wit(), reason.as_str(), timeout.map(millis)).map_err(|failure| failed(target, failure))
}

pub(crate) fn failed(target: &Target, failure: host::Failure) -> CallError {
    let to = target.clone();
    match failure {
        host::Failure::NotFound => CallError::NotFound(to),
        host::Failure::Timeout(doing) => CallError::Timeout(to, doing),
        host::Failure::Crashed(reason) => CallError::Crashed(to, reason),
        host::Failure::Failed(why) => CallError::Failed(to, why),
        host::Failure::Full => CallError::Full(to),
        host::Failure::Conflict => CallError::Conflict(to),
        host::Failure::Other(error) => CallError::Refused(refused(error, format!("reaching the process `{to}`"))),
    }
}

impl<P> From<Target> for Handle<P> {
    fn from(target: Target) -> Self {
        Self { target, timeout: None, of: PhantomData }
    }
}

macro_rules! from_target {
    ($($ty:ty),*) => {
        $(impl<P> From<$ty> for Handle<P> {
            fn from(target: $ty) -> Self {
                Target::from(target).into()
            }
        })*
    };
}

from_target!(Pid, &Pid, &str, String, &String, &Target);

impl<P, S: Into<String>, N: Into<String>> From<(S, N)> for Handle<P> {
    fn from(target: (S, N)) -> Self {
        Target::from(target).into()
    }
}

impl<P> From<&Self> for Handle<P> {
    fn from(handle: &Self) -> Self {
        handle.clone()
    }
}

impl<P> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self { target: self.target.clone(), timeout: self.timeout, of: PhantomData }
    }
}

/// The same process by the same word for it, whatever is waited for.
impl<P> PartialEq for Handle<P> {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target
    }
}

impl<P> Eq for Handle<P> {}

impl<P> fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.target).finish()
    }
}

impl<P> fmt::Display for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.target, f)
    }
}

impl<P> Serialize for Handle<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.target.serialize(serializer)
    }
}

impl<'de, P> Deserialize<'de> for Handle<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Target::deserialize(deserializer).map(Self::from)
    }
}
