//! What `#[skep::process]` makes of a type: what others say to it, and what it does.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use super::{Ctx, Down, Exit, Format, Reason, Reply, saved::Saved};
use crate::{Error, Result, pubsub::Message};

/// What a process understands, and what it answers: `#[skep::process]` says it of the plugin's own.
///
/// Of a process in another plugin, the two share a crate with its messages, or this plugin says what it knows of it:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use skep_sdk::{prelude::*, process::{Protocol, Unhandled}};
///
/// struct Cart;
///
/// #[derive(Serialize, Deserialize)]
/// enum CartCall {
///     Total,
/// }
///
/// impl Protocol for Cart {
///     type Call = CartCall;
///     type Reply = u64;
///     type Cast = Unhandled;
///     type Info = Unhandled;
/// }
///
/// fn total(cart: &str) -> Result<u64> {
///     Ok(process::call::<Cart>(("shop", cart), &CartCall::Total)?)
/// }
/// ```
pub trait Protocol {
    /// What it is called with.
    type Call: Serialize + DeserializeOwned;
    /// What it answers.
    type Reply: Serialize + DeserializeOwned;
    /// What it is told.
    type Cast: Serialize + DeserializeOwned;
    /// What it is told of which nobody misses one.
    type Info: Serialize + DeserializeOwned;
}

/// A process of any kind, in any language, as JSON: for names of which nobody knows what is behind them.
#[derive(Clone, Copy, Debug)]
pub enum Untyped {}

impl Protocol for Untyped {
    type Call = serde_json::Value;
    type Reply = serde_json::Value;
    type Cast = serde_json::Value;
    type Info = serde_json::Value;
}

/// What a process takes that has no function for it: nothing is one, so the compiler refuses to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unhandled {}

impl Serialize for Unhandled {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Unhandled {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("this process handles none"))
    }
}

/// What a process is: a value that can be saved and read again, because it sleeps when it is idle, and moves to a new
/// revision of the plugin.
pub trait State: Serialize + DeserializeOwned + 'static {}

impl<T: Serialize + DeserializeOwned + 'static> State for T {}

/// A kind of processes as a type, which [`#[skep::process]`](crate::skep::process) makes of the one that holds the state.
///
/// Its functions are called by the SDK; the author's are those of the `impl` under the attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no process",
    label = "there is no `#[skep::process]` on an `impl` of this",
    note = "in a module under `#[skep::processes]` the `impl` is marked `#[process]`; one elsewhere `#[skep::process(part)]`"
)]
#[allow(clippy::missing_errors_doc, reason = "each of them passes on what the author's function returns")]
pub trait Process: Protocol + State {
    /// What `init` takes; `()` if it takes nothing.
    type Args: Serialize + DeserializeOwned;
    /// What its timers say.
    type Timer: Serialize + DeserializeOwned;
    /// The kind's name in the host.
    const KIND: &'static str;
    /// Of the state's shape.
    const VERSION: u32 = 1;
    /// How the state is saved.
    const FORMAT: Format = Format::Json;
    /// Whether it has `apply`.
    const REPLAYS: bool = false;

    /// `init`.
    fn begin(args: Self::Args, ctx: &mut Ctx<Self>) -> Result<Self>;

    /// `call`. Without it no call can be read, and this is not reached; so it is with the next three.
    fn on_call(&mut self, _message: Self::Call, _ctx: &mut Ctx<Self>) -> Result<Reply<Self::Reply>> {
        Err(unhandled("call"))
    }

    /// `cast`.
    fn on_cast(&mut self, _message: Self::Cast, _ctx: &mut Ctx<Self>) -> Result<()> {
        Err(unhandled("cast"))
    }

    /// `info`.
    fn on_info(&mut self, _message: Self::Info, _ctx: &mut Ctx<Self>) -> Result<()> {
        Err(unhandled("info"))
    }

    /// `timer`.
    fn on_timer(&mut self, _message: Self::Timer, _ctx: &mut Ctx<Self>) -> Result<()> {
        Err(unhandled("timer"))
    }

    /// `published`.
    fn on_published(&mut self, _message: Message, _ctx: &mut Ctx<Self>) -> Result<()> {
        Err(unhandled("published"))
    }

    /// `down`.
    fn on_down(&mut self, _down: Down, _ctx: &mut Ctx<Self>) -> Result<()> {
        Err(unhandled("down"))
    }

    /// `exit`.
    fn on_exit(&mut self, _exit: Exit, _ctx: &mut Ctx<Self>) -> Result<()> {
        Err(unhandled("exit"))
    }

    /// `terminate`.
    fn on_terminate(&mut self, _reason: &Reason) {}

    /// `apply`, of an event as it is kept.
    fn on_replay(&mut self, _event: &[u8]) -> Result<()> {
        Err(unhandled("apply"))
    }

    /// `migrate`.
    fn on_migrate(_version: u32, _old: Saved) -> Result<Self> {
        Err(unhandled("migrate"))
    }
}

/// A process whose state follows from what happened: one with `apply`. See [`Ctx::append`].
#[diagnostic::on_unimplemented(
    message = "nothing can happen to `{Self}`",
    label = "this process has no `apply`",
    note = "`fn apply(&mut self, event: Event)` in the `impl` under `#[skep::process]` says what an event does to the state"
)]
pub trait EventLog: Process {
    /// What happens.
    type Event: Serialize + DeserializeOwned;

    /// `apply`.
    fn on_event(&mut self, event: Self::Event);
}

fn unhandled(function: &str) -> Error {
    format!("the process has no `{function}`").into()
}

/// What `init` and `migrate` must return: the state, or a `Result` of it with any error that `?` takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the state of `{P}`",
    label = "a process cannot begin with this",
    note = "it returns `Self`, or `Result<Self>` with an error that `?` can make a `skep_sdk::Error`"
)]
pub trait Begun<P> {
    /// The error as the host has it.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_state(self) -> Result<P>;
}

impl<P> Begun<P> for P {
    fn into_state(self) -> Result<P> {
        Ok(self)
    }
}

impl<P, E: Into<Error>> Begun<P> for Result<P, E> {
    fn into_state(self) -> Result<P> {
        self.map_err(Into::into)
    }
}

/// What the functions must return that answer nobody: nothing, or a `Result` of nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is returned where nobody waits for an answer",
    label = "there is nobody to answer",
    note = "it returns nothing, or `Result<()>` with an error that `?` can make a `skep_sdk::Error`"
)]
pub trait Handled {
    /// The error as the host has it.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_handled(self) -> Result<()>;
}

impl Handled for () {
    fn into_handled(self) -> Result<()> {
        Ok(())
    }
}

impl<E: Into<Error>> Handled for Result<(), E> {
    fn into_handled(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
