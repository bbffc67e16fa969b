//! Several keys in one call to the host.

use serde::{Serialize, de::DeserializeOwned};

use super::{Bucket, Keys, Ttl};
use crate::Result;

impl Bucket {
    /// The values of several keys, in their order. Each is read for itself: a write may fall between two of them.
    ///
    /// ```
    /// # use skep_sdk::{cache, prelude::*};
    /// let prices = cache::bucket("prices")?;
    /// prices.put_many([("honey", 7_u32), ("wax", 3)], cache::Ttl::Standard)?;
    /// assert_eq!(prices.get_many::<u32>(["wax", "mead"])?, [Some(3), None]);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// When one of the values is no `T`; [`TooLarge`](crate::CapabilityError::TooLarge) if they are more, taken
    /// together, than the host returns at once.
    pub fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Option<T>>> {
        let keys: Vec<String> = keys.into_iter().map(Into::into).collect();
        let first = keys.first().map_or("", String::as_str);
        let values = self.handle().get_many(&keys).map_err(|error| self.refused("reading keys from", first, error))?;
        let found = keys.iter().zip(values);
        found.map(|(key, bytes)| bytes.map(|bytes| self.decode(key, &bytes)).transpose()).collect()
    }

    /// Stores several values with one lifetime. All keys and sizes are checked before anything is stored.
    ///
    /// # Errors
    /// As [`put`](Self::put). A table that fills up on the way keeps those before the one that it refused.
    pub fn put_many<T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (impl Into<String>, T)>,
        ttl: impl Into<Ttl>,
    ) -> Result<()> {
        let entries = entries.into_iter().map(|(key, value)| {
            let key = key.into();
            let bytes = self.encode(&key, &value)?;
            Ok((key, bytes))
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        let first = entries.first().map_or("", |(key, _)| key.as_str());
        let put = self.handle().put_many(&entries, ttl.into().lifetime());
        put.map_err(|error| self.refused("writing keys from", first, error))
    }

    /// The keys that start with `prefix`, in no order, fetched page by page as they are asked for.
    ///
    /// An entry that is there all the while is returned once; one that comes or goes meanwhile may or may not be.
    ///
    /// ```
    /// # use skep_sdk::{cache, prelude::*};
    /// let sessions = cache::bucket("sessions")?;
    /// for key in sessions.keys("maja:") {
    ///     sessions.delete(&key?)?;
    /// }
    /// # Ok::<_, Error>(())
    /// ```
    pub fn keys(&self, prefix: impl Into<String>) -> Keys {
        Keys::new(self.clone(), prefix.into())
    }

    /// Removes all entries, of all keys. Returns how many there were.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn clear(&self) -> Result<u64> {
        self.handle().clear().map_err(|error| self.refused("clearing", "*", error))
    }
}
