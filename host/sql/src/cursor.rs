//! Rows of a query, page by page.

use std::collections::VecDeque;
use std::sync::Weak;

use crate::error::Error;
use crate::session::Inner;
use crate::value::{Column, Row};

/// An open result. It is closed by its drop, by the end of its transaction, and with its session, which it may outlive; then
/// [`next`](Self::next) is [`Error::Invalid`]. Rows that came with the query are handed out still.
pub struct Cursor {
    columns: Vec<Column>,
    /// Rows that were fetched and not handed out; never more than a page.
    fetched: VecDeque<Row>,
    rest: Option<Rest>,
}

/// Where the rest of the rows is.
pub(crate) struct Rest {
    pub(crate) session: Weak<Inner>,
    pub(crate) number: u64,
}

impl Cursor {
    pub(crate) fn new(columns: Vec<Column>, fetched: Vec<Row>, rest: Option<Rest>) -> Self {
        Self { columns, fetched: fetched.into(), rest }
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether all rows were handed out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.fetched.is_empty() && self.rest.is_none()
    }

    /// The next rows: at most `rows_max` and at most a page. None: there are no more.
    ///
    /// # Errors
    /// As [`Error`] says. After one the cursor is closed.
    pub async fn next(&mut self, rows_max: usize) -> Result<Vec<Row>, Error> {
        if !self.fetched.is_empty() {
            let count = rows_max.clamp(1, self.fetched.len());
            return Ok(self.fetched.drain(..count).collect());
        }
        // It is put back only if there are more: a future that is dropped closes the cursor.
        let Some(rest) = self.rest.take() else { return Ok(Vec::new()) };
        let session = rest.session.upgrade().ok_or_else(closed)?;
        let page = session.fetch(rest.number, rows_max).await?;
        if !page.done {
            self.rest = Some(rest);
        }
        Ok(page.rows)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(session) = self.session.upgrade() {
            session.abandon(self.number);
        }
    }
}

pub(crate) fn closed() -> Error {
    Error::Invalid(
        "the cursor is closed: its transaction or its session has ended, or it was open for too long".to_owned(),
    )
}
