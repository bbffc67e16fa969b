//! Items in the order of their keys.

use std::{fmt, vec};

use super::{Item, Space};
use crate::{Error, Result};

/// As many as the host gives: each page is one call to it.
const PAGE_ITEMS: u32 = 1000;

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
    page: vec::IntoIter<Item<Vec<u8>>>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Start,
    At(String),
    End,
}

impl<T> Items<T> {
    pub(super) fn new(space: Space, prefix: String, decode: fn(Item<Vec<u8>>) -> Result<Item<T>>) -> Self {
        Self { space, prefix, decode, page: vec::IntoIter::default(), next: Next::Start }
    }

    /// Fetches the next page.
    fn turn(&mut self, cursor: Option<&str>) -> Result<()> {
        let page = self.space.page_bytes(&self.prefix, cursor, PAGE_ITEMS)?;
        self.page = page.items.into_iter();
        self.next = page.cursor.map_or(Next::End, Next::At);
        Ok(())
    }
}

impl<T> Iterator for Items<T> {
    type Item = Result<Item<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.page.next() {
                return Some((self.decode)(item));
            }
            // The end, unless the turn says otherwise.
            let turned = match std::mem::replace(&mut self.next, Next::End) {
                Next::Start => self.turn(None),
                Next::At(cursor) => self.turn(Some(&cursor)),
                Next::End => return None,
            };
            if let Err(error) = turned {
                return Some(Err(error));
            }
        }
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("space", &self.space).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
