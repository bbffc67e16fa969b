//! The one error of all that the host offers: cache, and whatever comes beside it.

use std::fmt;

use crate::{__private::bindings::imports::skep::plugin::types as wit, Error, StatusCode};

/// Why the host said no.
///
/// The SDK's functions return it inside an [`Error`], with what was being done; [`Error::capability`] finds it there.
/// Converted by `?` it is an answer with the status that [`status`](Self::status) names, and whoever knows better
/// says so:
///
/// ```
/// use skep_sdk::{CapabilityError, cache, prelude::*};
///
/// fn join() -> Result<&'static str> {
///     match cache::bucket("seats")?.put("7", &"maja") {
///         Err(error) if error.capability() == Some(&CapabilityError::Full) => {
///             Err(error).reject(StatusCode::CONFLICT, "all seats are taken")
///         }
///         put => put.map(|()| "welcome"),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapabilityError {
    /// The manifest does not grant this; the text says what to write there.
    Denied(String),
    /// An argument breaks a documented rule.
    Invalid(String),
    /// Over a documented size limit.
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A bounded thing is full: a table, a queue, a quota.
    Full,
    /// What was named is not there, or not any more.
    NotFound,
    /// A check, a version or a uniqueness rule failed.
    Conflict,
    /// The wait is over.
    Timeout,
    /// The other side ended before it answered.
    Crashed,
    /// A backing service is away; trying again later may work.
    Unavailable(String),
    /// A commit may or may not have happened.
    OutcomeUnknown,
}

impl CapabilityError {
    /// What a client is answered if the handler does not say otherwise.
    ///
    /// What may pass by itself is a 503: full, timeout, crashed, unavailable. A conflict is a 409. The rest is a
    /// mistake of the plugin or its manifest, or cannot be undone by asking again: 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Full | Self::Timeout | Self::Crashed | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Denied(_) | Self::Invalid(_) | Self::TooLarge { .. } | Self::NotFound | Self::OutcomeUnknown => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl fmt::Display for CapabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(why) => write!(f, "denied: {why}"),
            Self::Invalid(why) => write!(f, "invalid: {why}"),
            Self::TooLarge { limit_bytes } => write!(f, "too large: the limit is {limit_bytes} bytes"),
            Self::Full => f.write_str("full"),
            Self::NotFound => f.write_str("not found"),
            Self::Conflict => f.write_str("conflict: it was changed by somebody else"),
            Self::Timeout => f.write_str("timeout: it took longer than this call waits"),
            Self::Crashed => f.write_str("crashed: the other side ended before it answered"),
            Self::Unavailable(why) => write!(f, "unavailable: {why}"),
            Self::OutcomeUnknown => f.write_str("outcome unknown: it may or may not have happened"),
        }
    }
}

impl std::error::Error for CapabilityError {}

impl From<wit::Error> for CapabilityError {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Denied(why) => Self::Denied(why),
            wit::Error::Invalid(why) => Self::Invalid(why),
            wit::Error::TooLarge(limit_bytes) => Self::TooLarge { limit_bytes },
            wit::Error::Full => Self::Full,
            wit::Error::NotFound => Self::NotFound,
            wit::Error::Conflict => Self::Conflict,
            wit::Error::Timeout => Self::Timeout,
            wit::Error::Crashed => Self::Crashed,
            wit::Error::Unavailable(why) => Self::Unavailable(why),
            wit::Error::OutcomeUnknown => Self::OutcomeUnknown,
        }
    }
}

/// A refusal with what the plugin was doing, a verb first.
pub(crate) fn refused(error: wit::Error, doing: String) -> Error {
    Error::from(CapabilityError::from(error)).context(doing)
}

/// An error shows so much of a key: a client may have made it.
const KEY_SHOWN_CHARS: usize = 64;

/// A key, for the log.
pub(crate) fn shown(key: &str) -> String {
    let shown: String = key.chars().take(KEY_SHOWN_CHARS).flat_map(char::escape_debug).collect();
    let more = if key.chars().nth(KEY_SHOWN_CHARS).is_some() { "…" } else { "" };
    format!("{shown}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IntoResponse, Result};

    fn fails(error: CapabilityError) -> Result<()> {
        Err(error)?;
        Ok(())
    }

    #[test]
    fn a_refusal_has_its_status_and_tells_the_client_nothing() {
        for (error, status) in [
            (CapabilityError::Denied("grant it".into()), 500),
            (CapabilityError::TooLarge { limit_bytes: 7 }, 500),
            (CapabilityError::Conflict, 409),
            (CapabilityError::Timeout, 503),
            (CapabilityError::Unavailable("the store".into()), 503),
        ] {
            let response = fails(error.clone()).unwrap_err().into_response();
            assert_eq!(response.status().as_u16(), status, "{error}");
            assert!(!String::from_utf8_lossy(response.body()).contains("grant"));
        }
    }

    #[test]
    fn a_refusal_is_found_under_its_contexts() {
        let error = refused(wit::Error::Full, "putting `a`".to_owned()).context("logging in");
        assert_eq!(error.capability(), Some(&CapabilityError::Full));
        assert_eq!(error.to_string(), "logging in: putting `a`: full");
        assert_eq!(Error::from("honey").capability(), None);
    }
}
