//! Saying that somebody is there.

use serde::Serialize;

use super::{Owner, host};
use crate::{__private::bindings::imports::skep::plugin::types as wit, Error, Result, capability::refused, codec};

/// Says that a key is there, for as long as its owner is. Returns the reference that names this presence in diffs.
///
/// In an event stream's function [`Opening::track`](crate::Opening::track) is shorter.
///
/// ```
/// # use skep_sdk::{prelude::*, presence, test};
/// # let stream = test::owner();
/// presence::track(&stream, "room:7", "maja", &json!({"typing": false}))?;
/// presence::update(&stream, "room:7", "maja", &json!({"typing": true}))?;
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// [`Conflict`](crate::CapabilityError::Conflict) if the owner is tracked there under this key already,
/// [`NotFound`](crate::CapabilityError::NotFound) if there is no such owner (any more),
/// [`Invalid`](crate::CapabilityError::Invalid) if the data is no JSON object, or for what is no topic or key, and
/// [`TooLarge`](crate::CapabilityError::TooLarge).
pub fn track<T: Serialize + ?Sized>(owner: &Owner, topic: &str, key: &str, data: &T) -> Result<String> {
    let doing = || doing("tracking", key, topic);
    let data = object(data, doing)?;
    host::track(owner.as_str(), topic, key, &data).map_err(|error| refused(error, doing()))
}

/// Replaces what a presence says of itself, and returns its new reference.
///
/// # Errors
/// [`NotFound`](crate::CapabilityError::NotFound) if it is not tracked; otherwise as [`track`].
pub fn update<T: Serialize + ?Sized>(owner: &Owner, topic: &str, key: &str, data: &T) -> Result<String> {
    let doing = || doing("updating", key, topic);
    let data = object(data, doing)?;
    host::update(owner.as_str(), topic, key, &data).map_err(|error| refused(error, doing()))
}

/// Says that a key is there no more. Returns whether it was.
///
/// # Errors
/// When the host refuses.
pub fn untrack(owner: &Owner, topic: &str, key: &str) -> Result<bool> {
    host::untrack(owner.as_str(), topic, key).map_err(|error| refused(error, doing("untracking", key, topic)))
}

fn doing(verb: &str, key: &str, topic: &str) -> String {
    format!("{verb} `{key}` in `{topic}`")
}

/// A value as a JSON object: diffs add to it, so nothing else will do.
fn object<T: Serialize + ?Sized>(data: &T, doing: impl Fn() -> String) -> Result<Vec<u8>> {
    let json = codec::to_json(data).map_err(|error| Error::from(error).context(doing()))?;
    if json.first() == Some(&b'{') {
        return Ok(json);
    }
    let text = format!("`{}` is no JSON object; a struct or a map makes one", std::any::type_name::<T>());
    Err(refused(wit::Error::Invalid(text), doing()))
}
