//! Values that several change: compare and swap.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{Bucket, Ttl, host::Condition};
use crate::{__private::bindings::imports::skep::plugin::types as wit, Result, StatusCode};

/// Whoever loses so many races in a row should use a lock.
const ATTEMPTS: u32 = 32;

/// A value as it was read, with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// Changes with every write; never given twice in a bucket.
    pub version: u64,
    /// What is left of its lifetime; `None` if it does not end by time.
    pub time_left: Option<Duration>,
}

impl Bucket {
    /// The value of a key with its version, for [`put_if_version`](Self::put_if_version).
    ///
    /// # Errors
    /// When the value is no `T`.
    pub fn get_versioned<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Versioned<T>>> {
        let entry = self.handle().get_entry(key).map_err(|error| self.refused("reading", key, error))?;
        let Some(entry) = entry else { return Ok(None) };
        Ok(Some(Versioned {
            value: self.decode(key, &entry.value)?,
            version: entry.version,
            time_left: entry.time_left.map(Duration::from_millis),
        }))
    }

    /// Stores a value if there is none. Returns whether it did: of several callers exactly one gets `true`.
    ///
    /// # Errors
    /// As [`put`](Self::put); an entry in the way is no error.
    pub fn put_if_absent<T: Serialize + ?Sized>(&self, key: &str, value: &T, ttl: impl Into<Ttl>) -> Result<bool> {
        self.put_if(key, value, ttl.into(), Condition::IfAbsent)
    }

    /// Stores a value if the entry still has this version. Returns whether it did; if not, read it again.
    ///
    /// # Errors
    /// As [`put`](Self::put); another version, or no entry, is no error.
    pub fn put_if_version<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        version: u64,
        ttl: impl Into<Ttl>,
    ) -> Result<bool> {
        self.put_if(key, value, ttl.into(), Condition::IfVersion(version))
    }

    /// Makes a new value out of the old one and stores it, so that no change of anybody else is lost; returns it. With
    /// `None` everything stays as it is. The entry keeps the time that it has left; a new one lives as long as the
    /// manifest says.
    ///
    /// `change` runs again if somebody else was faster, so it should do nothing but compute.
    ///
    /// ```
    /// # use skep_sdk::{cache, prelude::*};
    /// # let carts = cache::bucket("carts")?;
    /// let cart = carts.update("maja", |cart: Option<Vec<String>>| {
    ///     let mut cart = cart.unwrap_or_default();
    ///     cart.push("honey".to_owned());
    ///     Some(cart)
    /// })?;
    /// assert_eq!(cart, Some(vec!["honey".to_owned()]));
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put), and when the old value is no `T`. [`Conflict`](crate::CapabilityError::Conflict), as a
    /// 503, after 32 lost races.
    pub fn update<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<Option<T>> {
        for _ in 0..ATTEMPTS {
            let (old, condition) = match self.get_versioned(key)? {
                Some(Versioned { value, version, .. }) => (Some(value), Condition::IfVersion(version)),
                None => (None, Condition::IfAbsent),
            };
            let Some(new) = change(old) else { return Ok(None) };
            if self.put_if(key, &new, Ttl::Keep, condition)? {
                return Ok(Some(new));
            }
        }
        // Nothing is wrong with the client's request: there are too many like it.
        Err(self.refused("updating", key, wit::Error::Conflict).status(StatusCode::SERVICE_UNAVAILABLE))
    }

    fn put_if<T: Serialize + ?Sized>(&self, key: &str, value: &T, ttl: Ttl, condition: Condition) -> Result<bool> {
        match self.handle().put(key, &self.encode(key, value)?, ttl.lifetime(), condition) {
            Ok(_) => Ok(true),
            Err(wit::Error::Conflict) => Ok(false),
            Err(error) => Err(self.refused("writing", key, error)),
        }
    }
}
