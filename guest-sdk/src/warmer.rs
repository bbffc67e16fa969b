//! A warmer: what its function returns, and what the host is told of it.

use crate::{Error, Result};

/// What a warmer's return type must be: a `Result` of nothing, with any error that `?` takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a warmer returns",
    label = "a warmer cannot return this",
    note = "a warmer returns `Result<()>`, with an error that `?` can make a `skep_sdk::Error`: what it computed goes into a cache"
)]
pub trait Warmed {
    /// The error as the host has it.
    fn into_error(self) -> Result<()>;
}

impl<E: Into<Error>> Warmed for Result<(), E> {
    fn into_error(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

/// What the exported `warm` does with the function's value: an error crosses the border as the line that a handler's
/// error is in the log.
#[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
pub fn warm(warmed: impl Warmed) -> Result<(), String> {
    warmed.into_error().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{Rejection, ResultExt, StatusCode};

    #[test]
    fn an_error_is_told_with_what_was_being_done() {
        let failed: Result<(), io::Error> = Err(io::Error::other("no bees"));
        assert_eq!(warm(failed.context("counting").context("ranking")), Err("ranking: counting: no bees".to_owned()));
        assert_eq!(warm(Ok::<(), Error>(())), Ok(()));
    }

    #[test]
    fn any_error_that_the_sdk_takes_will_do() {
        assert_eq!(warm(Err::<(), _>(io::Error::other("no bees"))), Err("no bees".to_owned()));
        assert_eq!(warm(Err::<(), _>("no such name")), Err("no such name".to_owned()));
        assert_eq!(warm(Err::<(), _>(Rejection::new(StatusCode::GONE, "left", "it left"))), Err("it left".to_owned()));
    }
}
