//! What a query gives.

use std::{cell::Cell, fmt, iter::FusedIterator, marker::PhantomData, rc::Rc, vec};

use serde::de::DeserializeOwned;

use super::{decode, host};
use crate::{__private::bindings::imports::skep::plugin::types as wit, Error, Result, capability::refused};

/// The rows of a query, fetched page by page as they are asked for. It ends after an error. Rows that were not fetched yet when a
/// transaction begins or ends are lost: asking for them is [`Invalid`](crate::CapabilityError::Invalid).
#[must_use = "a query whose rows nobody looks at is an `execute`"]
pub struct Rows<T> {
    columns: Vec<String>,
    page: vec::IntoIter<Vec<host::Value>>,
    rest: Option<host::Cursor>,
    doing: String,
    conflicted: Rc<Cell<bool>>,
    row: PhantomData<fn() -> T>,
}

impl<T> Rows<T> {
    pub(super) fn new(answer: host::Answer, doing: String, conflicted: Rc<Cell<bool>>) -> Self {
        Self {
            columns: answer.columns.into_iter().map(|column| column.name).collect(),
            page: answer.first.rows.into_iter(),
            rest: answer.rest.filter(|_| !answer.first.done),
            doing,
            conflicted,
            row: PhantomData,
        }
    }

    /// The names of the columns, in their order; a name may repeat.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether there are no more rows.
    pub(super) fn is_over(&mut self) -> Result<bool> {
        self.fill()?;
        Ok(self.page.len() == 0)
    }

    /// Fetches until there is a row, or no more.
    fn fill(&mut self) -> Result<()> {
        while self.page.len() == 0
            && let Some(cursor) = self.rest.take()
        {
            let page = cursor.next(0).map_err(|error| {
                if matches!(error, wit::Error::Conflict) {
                    self.conflicted.set(true);
                }
                refused(error, self.doing.clone())
            })?;
            self.page = page.rows.into_iter();
            self.rest = Some(cursor).filter(|_| !page.done);
        }
        Ok(())
    }
}

impl<T: DeserializeOwned> Iterator for Rows<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if let Err(error) = self.fill() {
            return Some(Err(error));
        }
        let row = decode::row(&self.columns, self.page.next()?);
        Some(row.map_err(|error| {
            (self.page, self.rest) = (Vec::new().into_iter(), None);
            Error::from(error).context(self.doing.clone())
        }))
    }
}

impl<T: DeserializeOwned> FusedIterator for Rows<T> {}

impl<T> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}
