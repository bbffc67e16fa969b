//! Somebody's data: this plugin's, or that of another one.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Item, Items, Key, Page,
    atomic::{atomic, until_it_holds},
    host,
};
use crate::{Result, capability::refused, clock, codec};

/// Whoever loses so many races in a row should ask for less at once.
pub(super) const ATTEMPTS: u32 = 32;

/// The data of one plugin, from [`space`]. It has the functions of [`store`](crate::store), which are those of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space(pub(super) Option<String>);

/// The data of another plugin. The manifest must grant it: `grants.store = { shop = "read" }`, or `"write"`.
///
/// ```
/// # use skep_sdk::{prelude::*, store};
/// # store::atomic().set(store::space("shop").key("price:honey"), &7_u32).commit()?;
/// let price: Option<u32> = store::space("shop").get("price:honey")?;
/// assert_eq!(price, Some(7));
/// # Ok::<_, Error>(())
/// ```
pub fn space(plugin: impl Into<String>) -> Space {
    Space(Some(plugin.into()))
}

/// This plugin's data, for code that takes anybody's. The functions of [`store`](crate::store) are the same.
#[must_use]
pub const fn own() -> Space {
    Space(None)
}

impl Space {
    /// A key there, for [`atomic`](fn@super::atomic) and [`transaction`](super::transaction).
    pub fn key(&self, key: impl Into<String>) -> Key {
        Key::new(self.name(), key)
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// When the value is no `T`; [`Denied`](crate::CapabilityError::Denied) for what the manifest does not grant.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.get_item(key)?.map(|item| item.value))
    }

    /// The bytes of a key as they are.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_item_bytes(key)?.map(|item| item.value))
    }

    /// The value of a key with its version, which a commit can check.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_item<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Item<T>>> {
        self.get_item_bytes(key)?.map(Item::decode).transpose()
    }

    /// The bytes of a key with their version.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn get_item_bytes(&self, key: &str) -> Result<Option<Item<Vec<u8>>>> {
        let item = host::get(self.name(), key).map_err(|error| refused(error, self.key(key).doing("reading")))?;
        Ok(item.map(|item| Item::new(self.name(), item)))
    }

    /// The values of several keys, in their order, as they are at one moment.
    ///
    /// # Errors
    /// When one of the values is no `T`; [`TooLarge`](crate::CapabilityError::TooLarge) if they are more, taken together,
    /// than the host returns at once.
    pub fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Option<Item<T>>>> {
        self.get_many_bytes(keys)?.into_iter().map(|item| item.map(Item::decode).transpose()).collect()
    }

    /// As [`get_many`](Self::get_many), with the bytes as they are.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn get_many_bytes(
        &self,
        keys: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Option<Item<Vec<u8>>>>> {
        let keys: Vec<String> = keys.into_iter().map(Into::into).collect();
        let first = || self.key(keys.first().map_or("", String::as_str));
        let items = host::get_many(self.name(), &keys);
        let items = items.map_err(|error| refused(error, first().doing("reading keys from")))?;
        Ok(items.into_iter().map(|item| item.map(|item| Item::new(self.name(), item))).collect())
    }

    /// What a sum is now; zero if there is none.
    ///
    /// # Errors
    /// When the value was not written by a sum.
    pub fn counter(&self, key: &str) -> Result<i64> {
        self.get_item_bytes(key)?.map_or(Ok(0), |item| item.number())
    }

    /// The items whose keys begin so, in the order of the keys' bytes, fetched page by page as they are asked for. Each page is
    /// as the store is at one moment.
    pub fn list<T: DeserializeOwned>(&self, prefix: impl Into<String>) -> Items<T> {
        Items::new(self.clone(), prefix.into(), Item::decode)
    }

    /// As [`list`](Self::list), with the bytes as they are.
    pub fn list_bytes(&self, prefix: impl Into<String>) -> Items<Vec<u8>> {
        Items::new(self.clone(), prefix.into(), Ok)
    }

    /// One page of such items: at most `limit` and 1,000. The cursor of the page before leads on, as in a list that a
    /// browser turns over.
    ///
    /// # Errors
    /// When one of the values is no `T`; [`Invalid`](crate::CapabilityError::Invalid) for what is no cursor.
    pub fn page<T: DeserializeOwned>(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page<T>> {
        let page = self.page_bytes(prefix, cursor, limit)?;
        let items = page.items.into_iter().map(Item::decode).collect::<Result<_>>()?;
        Ok(Page { items, cursor: page.cursor })
    }

    /// As [`page`](Self::page), with the bytes as they are.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn page_bytes(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page<Vec<u8>>> {
        let page = host::list(self.name(), prefix, cursor, limit);
        let page = page.map_err(|error| refused(error, self.key(prefix).doing("listing keys from")))?;
        let items = page.items.into_iter().map(|item| Item::new(self.name(), item)).collect();
        Ok(Page { items, cursor: page.cursor })
    }

    /// Keeps a value, whatever was there. It is durable when this returns.
    ///
    /// # Errors
    /// [`Full`](crate::CapabilityError::Full) if the quota is used up, [`TooLarge`](crate::CapabilityError::TooLarge),
    /// [`Unavailable`](crate::CapabilityError::Unavailable) and
    /// [`OutcomeUnknown`](crate::CapabilityError::OutcomeUnknown); also when the value does not encode. The same holds for every
    /// function that writes.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        atomic().set(self.key(key), value).write()
    }

    /// Keeps a value for so long.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_for<T: Serialize + ?Sized>(&self, key: &str, value: &T, ttl: Duration) -> Result<()> {
        atomic().set_for(self.key(key), value, ttl).write()
    }

    /// Keeps bytes as they are.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_bytes(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<()> {
        atomic().set_bytes(self.key(key), value).write()
    }

    /// Keeps bytes as they are for so long.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_bytes_for(&self, key: &str, value: impl Into<Vec<u8>>, ttl: Duration) -> Result<()> {
        atomic().set_bytes_for(self.key(key), value, ttl).write()
    }

    /// Deletes a key. It need not be there.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn delete(&self, key: &str) -> Result<()> {
        atomic().delete(self.key(key)).write()
    }

    /// Adds to a number and returns the sum. One that is not there is 0. A sum is decimal text and no typed value: read it
    /// with [`counter`](Self::counter).
    ///
    /// # Errors
    /// [`Invalid`](crate::CapabilityError::Invalid) if what is there is no sum, or it passes 64 bits; otherwise as
    /// [`set`](Self::set).
    pub fn sum(&self, key: &str, by: i64) -> Result<i64> {
        let committed = atomic().sum(self.key(key), by).commit()?;
        Ok(committed.sums.first().copied().unwrap_or_default())
    }

    /// Makes a new value out of the old one and keeps it, so that no change of anybody else is lost; returns it. With `None`
    /// everything stays as it is. When it ends does not change.
    ///
    /// `change` runs again if somebody else was faster, so it should do nothing but compute.
    ///
    /// ```
    /// # use skep_sdk::{prelude::*, store};
    /// let cart = store::update("cart:maja", |cart: Option<Vec<String>>| {
    ///     let mut cart = cart.unwrap_or_default();
    ///     cart.push("honey".to_owned());
    ///     Some(cart)
    /// })?;
    /// assert_eq!(cart, Some(vec!["honey".to_owned()]));
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`set`](Self::set), and when the old value is no `T`. [`Conflict`](crate::CapabilityError::Conflict), as a 503, after
    /// 32 lost races.
    pub fn update<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Option<T>,
    ) -> Result<Option<T>> {
        let key = self.key(key);
        until_it_holds(&key.doing("updating"), || {
            let old = self.get_item::<T>(key.as_str())?;
            let (commit, ends) = match &old {
                Some(item) => (atomic().check(item), item.expires),
                None => (atomic().check_absent(&key), None),
            };
            let Some(new) = change(old.map(|item| item.value)) else { return Ok(Ok(None)) };
            let bytes =
                codec::to_json(&new).map_err(|error| crate::Error::from(error).context(key.doing("writing")))?;
            Ok(commit.set_until(key.clone(), bytes, ends.map(clock::timestamp)).commit().map(|_| Some(new)))
        })
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}
