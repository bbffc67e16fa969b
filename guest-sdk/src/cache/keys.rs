//! A walk over a bucket's keys.

use std::vec;

use super::Bucket;
use crate::{Error, Result};

/// As many as the host gives: each page is one call to it.
const PAGE_KEYS: u32 = 1000;

/// The keys of a bucket, from [`Bucket::keys`]. It ends after an error.
#[derive(Debug)]
#[must_use = "keys are fetched as they are asked for"]
pub struct Keys {
    bucket: Bucket,
    prefix: String,
    page: vec::IntoIter<String>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Start,
    At(String),
    End,
}

impl Keys {
    pub(super) fn new(bucket: Bucket, prefix: String) -> Self {
        Self { bucket, prefix, page: vec::IntoIter::default(), next: Next::Start }
    }

    /// Fetches the next page. It may be empty before the end.
    fn turn(&mut self, cursor: Option<&str>) -> Result<()> {
        let page = self.bucket.handle().keys(&self.prefix, cursor, PAGE_KEYS);
        let page = page.map_err(|error| self.bucket.refused("listing keys from", &self.prefix, error))?;
        self.page = page.keys.into_iter();
        self.next = page.cursor.map_or(Next::End, Next::At);
        Ok(())
    }
}

impl Iterator for Keys {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.page.next() {
                return Some(Ok(key));
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
