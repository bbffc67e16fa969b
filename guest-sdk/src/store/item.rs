//! What is kept, as it is read.

use std::time::SystemTime;

use serde::de::DeserializeOwned;

use super::{Key, host};
use crate::{Error, Result, clock, codec};

/// A value as it was read, with its version: what [`Atomic::check`](super::Atomic::check) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item<T> {
    /// Where it is.
    pub key: Key,
    /// What was read there.
    pub value: T,
    /// The commit that wrote it: it grows with every commit, so it is never the same again.
    pub version: u64,
    /// When it ends; `None` if it stays until it is deleted.
    pub expires: Option<SystemTime>,
}

impl Item<Vec<u8>> {
    pub(super) fn new(space: Option<&str>, item: host::Item) -> Self {
        let host::Item { key, value, version, expires } = item;
        Self { key: Key::new(space, key), value, version, expires: expires.map(clock::moment) }
    }

    pub(super) fn decode<T: DeserializeOwned>(self) -> Result<Item<T>> {
        let Self { key, value, version, expires } = self;
        match codec::from_json(&value) {
            Ok(value) => Ok(Item { key, value, version, expires }),
            Err(error) => Err(error.context(key.doing("reading"))),
        }
    }

    /// What a sum is: a number as decimal text.
    pub(super) fn number(&self) -> Result<i64> {
        let number = std::str::from_utf8(&self.value).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| Error::from("the value is no sum").context(self.key.doing("reading the sum")))
    }
}
