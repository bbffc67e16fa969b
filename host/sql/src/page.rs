//! Filling a page: rows until one of its limits, and a look at whether there are more.

use crate::check::{length, within};
use crate::error::Error;
use crate::options::SessionLimits;
use crate::value::Row;

/// Rows that are handed out together.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    pub(crate) done: bool,
}

/// The limits of what a cursor hands out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimits {
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: u64,
    pub(crate) value_bytes_max: u64,
    pub(crate) row_bytes_max: u64,
    pub(crate) result_rows_max: u64,
}

impl PageLimits {
    pub(crate) fn of(limits: &SessionLimits) -> Self {
        Self {
            rows_max: limits.page_rows_max.max(1),
            bytes_max: limits.page_bytes_max.0,
            value_bytes_max: limits.value_bytes_max.0,
            row_bytes_max: limits.row_bytes_max.0,
            result_rows_max: limits.result_rows_max,
        }
    }

    /// The bytes of a row, if each of its values may be handed out.
    pub(crate) fn row(&self, row: &Row) -> Result<u64, Error> {
        let mut bytes = 0;
        for value in row {
            within(length(value), self.value_bytes_max)?;
            bytes += value.bytes();
        }
        within(bytes, self.row_bytes_max)?;
        Ok(bytes as u64)
    }
}

/// A page that is being filled.
pub(crate) struct Filling {
    page: Page,
    bytes: u64,
    rows_max: usize,
    limits: PageLimits,
}

impl Filling {
    pub(crate) fn new(rows_max: usize, limits: PageLimits) -> Self {
        let rows_max = rows_max.clamp(1, limits.rows_max);
        Self { page: Page::default(), bytes: 0, rows_max, limits }
    }

    /// Takes a row, or gives it back if the page is full. The first row of a page always has room.
    pub(crate) fn put(&mut self, row: Row, bytes: u64) -> Option<Row> {
        let first = self.page.rows.is_empty();
        if !first && (self.page.rows.len() >= self.rows_max || self.bytes + bytes > self.limits.bytes_max) {
            return Some(row);
        }
        self.bytes += bytes;
        self.page.rows.push(row);
        None
    }

    /// Rows and bytes that there is room for.
    pub(crate) fn room(&self) -> (usize, u64) {
        (self.rows_max - self.page.rows.len().min(self.rows_max), self.limits.bytes_max.saturating_sub(self.bytes))
    }

    pub(crate) fn finish(mut self, done: bool) -> Page {
        self.page.done = done;
        self.page
    }
}
