//! Items in the order of their keys.

use std::fmt;

use super::{Item, Space};
use crate::{
    Error, Result,
    pages::{PAGE_ITEMS, Pages},
};

/// A part of a list, from [`page`](super::page).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// In the order of their keys.
    pub items: Vec<Item<T>>,
    /// Where the next page begins. `None`: this is the last one.
    pub cursor: Option<String>,
}

/// Items in the order of their keys, from [`list`](super::list). It ends after an error of the host.
#[must_use = "items are fetched as they are asked for"]
pub struct Items<T> {
    space: Space,
    prefix: String,
    decode: fn(Item<Vec<u8>>) -> Result<Item<T>>,
    pages: Pages<Item<Vec<u8>>>,
}

impl<T> Items<T> {
    pub(super) fn new(space: Space, prefix: String, decode: fn(Item<Vec<u8>>) -> Result<Item<T>>) -> Self {
        Self { space, prefix, decode, pages: Pages::new() }
    }
}

impl<T> Iterator for Items<T> {
    type Item = Result<Item<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { space, prefix, pages, .. } = self;
        let item = pages.next(|cursor| {
            let page = space.page_bytes(prefix, cursor, PAGE_ITEMS)?;
            Ok((page.items, page.cursor))
        })?;
        Some(item.and_then(self.decode))
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("space", &self.space).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
