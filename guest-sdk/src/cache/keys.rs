//! A walk over a bucket's keys.

use super::Bucket;
use crate::{
    Error, Result,
    pages::{PAGE_ITEMS, Pages},
};

/// The keys of a bucket, from [`Bucket::keys`]. It ends after an error.
#[derive(Debug)]
#[must_use = "keys are fetched as they are asked for"]
pub struct Keys {
    bucket: Bucket,
    prefix: String,
    pages: Pages<String>,
}

impl Keys {
    pub(super) fn new(bucket: Bucket, prefix: String) -> Self {
        Self { bucket, prefix, pages: Pages::new() }
    }
}

impl Iterator for Keys {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let Self { bucket, prefix, pages } = self;
        pages.next(|cursor| {
            let page = bucket.handle().keys(prefix, cursor, PAGE_ITEMS);
            let page = page.map_err(|error| bucket.refused("listing keys from", prefix, error))?;
            Ok((page.keys, page.cursor))
        })
    }
}
