//! Rows of a query, page by page.

use crate::error::Error;
use crate::value::{Column, Row};

/// An open result. It is closed by its drop, by the end of its transaction, and with its session, which it may outlive; then
/// [`next`](Self::next) is [`Error::Invalid`].
pub struct Cursor {
    columns: Vec<Column>,
}

impl Cursor {
    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether all rows were handed out. It may become known one page late.
    #[must_use]
    pub fn is_done(&self) -> bool {
        true
    }

    /// The next rows: at most `rows_max` and at most a page. None: there are no more.
    ///
    /// # Errors
    /// As [`Error`] says. After one the cursor is closed.
    pub async fn next(&mut self, _rows_max: usize) -> Result<Vec<Row>, Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }
}
