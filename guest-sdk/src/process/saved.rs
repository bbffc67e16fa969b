//! A state as it is kept.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};

use super::Process;
use crate::{Error, Result, codec};

/// How a process's state is written, for sleep, snapshots and upgrades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Names its fields: a later revision may add some with `#[serde(default)]`, and operators read it. The default.
    Json,
    /// Smaller and quicker, and only what wrote it can read it: every change of the state's shape is a new version.
    Postcard,
}

/// The state that an earlier version saved, for `migrate`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use skep_sdk::{prelude::*, process::Saved, test};
///
/// #[derive(Serialize, Deserialize)]
/// struct Hive {
///     bees: u64,
///     name: String,
/// }
///
/// #[skep::process(version = 3)]
/// impl Hive {
///     fn init(name: String) -> Self {
///         Hive { bees: 0, name }
///     }
///
///     fn call(&mut self, _: ()) -> u64 {
///         self.bees
///     }
///
///     fn migrate(version: u32, old: Saved) -> Result<Self> {
///         match version {
///             1 => Ok(Hive { bees: old.read()?, name: String::new() }),       // it was a number once
///             2 => old.read(),                                                // nothing but the name was added
///             _ => Err("from the future".into()),
///         }
///     }
/// }
///
/// let hive = test::sleeping::<Hive>("hive:7", 1, &20_000);
/// assert_eq!(hive.call(&())?, 20_000);
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Saved {
    format: Format,
    bytes: Vec<u8>,
}

impl Saved {
    /// The state as the type that it had, in the format that `#[skep::process]` names now.
    ///
    /// # Errors
    /// When it is no such value; the text says where.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        self.read_as(self.format)
    }

    /// The same in another format, for a version before which the format was changed.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_as<T: DeserializeOwned>(&self, format: Format) -> Result<T> {
        match format {
            Format::Json => codec::from_json(&self.bytes),
            Format::Postcard => codec::decode(&self.bytes).map_err(Error::from),
        }
    }

    /// The state as it was saved.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What `migrate` takes: the state as any type that can be read from it, or as [`Saved`] where there are several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what `migrate` takes",
    label = "a saved state cannot be read as this",
    note = "`migrate` takes the state of the earlier version, as a type that implements `serde::Deserialize`; or `process::Saved`"
)]
pub trait FromSaved: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no such value.
    fn from_saved(saved: Saved) -> Result<Self>;
}

impl<T: DeserializeOwned> FromSaved for T {
    fn from_saved(saved: Saved) -> Result<T> {
        saved.read()
    }
}

impl FromSaved for Saved {
    fn from_saved(saved: Self) -> Result<Self> {
        Ok(saved)
    }
}

/// What the exported `save` does.
pub(crate) fn write<T: Serialize + ?Sized>(format: Format, state: &T) -> Result<Vec<u8>> {
    match format {
        Format::Json => codec::to_json(state).map_err(Error::from),
        Format::Postcard => codec::encode(state).map_err(Error::from),
    }
    .map_err(|error| error.context("writing the state"))
}

/// What the exported `load` does.
pub(crate) fn read<P: Process>(version: u32, bytes: Vec<u8>) -> Result<P> {
    let saved = Saved { format: P::FORMAT, bytes };
    let (read, doing): (_, Cow<'static, str>) = if version == P::VERSION {
        (saved.read(), "reading the state".into())
    } else {
        (P::on_migrate(version, saved), format!("migrating the state of version {version} to {}", P::VERSION).into())
    };
    read.map_err(|error: Error| error.context(doing))
}
