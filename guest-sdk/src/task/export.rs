//! A task's function, and what calls it.

use std::borrow::Borrow;

use serde::{Serialize, de::DeserializeOwned};

use super::Map;
use crate::{Error, Result, codec};

/// A task as a type, which [`#[skep::task]`](crate::skep::task) makes beside the function and under the same name, so that
/// other code may take any task:
///
/// ```
/// use skep_sdk::{prelude::*, task::Task};
///
/// fn soon<T: Task<Args = u32>>(hive: u32) -> Result<()> {
///     task::start(T::NAME, &hive).context("planning")
/// }
/// ```
pub trait Task {
    /// What the function takes; `()` if it takes nothing.
    type Args: Serialize + DeserializeOwned;
    /// What it returns when all is well.
    type Output: Serialize + DeserializeOwned;
    /// Its name in the host.
    const NAME: &'static str;

    /// Calls the function.
    ///
    /// # Errors
    /// That of the function.
    fn run(args: Self::Args) -> Result<Self::Output>;
}

/// What a task's return type must be: a `Result` of a serde type, with any error that `?` takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a task returns",
    label = "a task cannot return this",
    note = "a task returns `Result<T>`, with an error that `?` can make a `skep_sdk::Error`; `T` is `()` or any type that implements `serde::Serialize` and `serde::Deserialize`"
)]
pub trait Done {
    /// What it returns when all is well.
    type Output: Serialize + DeserializeOwned;

    /// The error as the host has it.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_result(self) -> Result<Self::Output>;
}

impl<T: Serialize + DeserializeOwned, E: Into<Error>> Done for Result<T, E> {
    type Output = T;

    fn into_result(self) -> Result<T> {
        self.map_err(Into::into)
    }
}

/// What the exported `run` does for one task.
#[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
pub fn run<T: Task>(args: &[u8]) -> Result<Vec<u8>, String> {
    let unfit = |what: &str, error| Error::from(error).context(format!("{what} of the task `{}`", T::NAME));
    let run = || {
        let args = codec::decode(args).map_err(|error| unfit("reading the arguments", error))?;
        codec::encode(&T::run(args)?).map_err(|error| unfit("writing the result", error))
    };
    run().map_err(|error: Error| error.to_string())
}

/// `resize::start`.
#[allow(clippy::missing_errors_doc, reason = "the macro documents it")]
pub fn typed_start<T: Task>(args: &T::Args) -> Result<()> {
    #[cfg(not(target_arch = "wasm32"))]
    crate::double::tasks::register::<T>();
    super::start(T::NAME, args)
}

/// `resize::map`.
pub fn typed_map<T: Task>(args: impl IntoIterator<Item = impl Borrow<T::Args>>) -> Map<T::Output> {
    #[cfg(not(target_arch = "wasm32"))]
    crate::double::tasks::register::<T>();
    super::map(T::NAME, args.into_iter().map(|args| Encode::<T, _>(args, std::marker::PhantomData)))
}

/// Serialises as the task's arguments, owned or borrowed.
struct Encode<T, A>(A, std::marker::PhantomData<T>);

impl<T: Task, A: Borrow<T::Args>> Serialize for Encode<T, A> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.borrow().serialize(serializer)
    }
}
