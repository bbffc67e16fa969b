//! A result that is fetched piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use super::connection::{Connection, Fetched, Prepared};
use super::fault::Trouble;
use super::wire::{End, IN_TRANSACTION};
use crate::error::Error;
use crate::page::{Filling, Page, PageLimits};
use crate::value::{Row, Value};

/// How many rows are asked for before it is known how long they are.
const FIRST_ROWS: usize = 32;
/// The most bytes that come at once. More come only if the first rows, or rows behind short ones, are very long.
const PIECE_BYTES_MAX: u64 = 32 << 20;

/// A result at the server, and rows that came before they were wanted.
pub(super) struct Portal {
    pub(super) name: String,
    prepared: Arc<Prepared>,
    ahead: VecDeque<(Row, u64)>,
    ended: bool,
    rows: u64,
    bytes: u64,
    limits: PageLimits,
    /// Whether it has written anything; nothing, if nobody wants to know.
    pub(super) has_written: Option<bool>,
}

impl Portal {
    pub(super) fn new(name: String, prepared: Arc<Prepared>, limits: PageLimits, watched: bool) -> Self {
        let has_written = watched.then_some(false);
        Self { name, prepared, ahead: VecDeque::new(), ended: false, rows: 0, bytes: 0, limits, has_written }
    }

    /// Begins, behind so many statements that are written already.
    pub(super) async fn begin(
        &mut self,
        connection: &mut Connection,
        at: usize,
        params: &[Value],
        first: usize,
    ) -> Result<Page, Trouble> {
        let filling = Filling::new(first, self.limits);
        let wanted = self.wanted(&filling);
        connection.write_execute(&self.name, &self.prepared, params, wanted)?;
        self.take(connection, at).await?;
        self.fill(connection, filling).await
    }

    /// The next page.
    pub(super) async fn next(&mut self, connection: &mut Connection, rows_max: usize) -> Result<Page, Trouble> {
        self.fill(connection, Filling::new(rows_max, self.limits)).await
    }

    async fn fill(&mut self, connection: &mut Connection, mut filling: Filling) -> Result<Page, Trouble> {
        loop {
            while let Some((row, bytes)) = self.ahead.pop_front() {
                if let Some(row) = filling.put(row, bytes) {
                    self.ahead.push_front((row, bytes));
                    return Ok(filling.finish(false));
                }
            }
            if self.ended {
                return Ok(filling.finish(true));
            }
            connection.write_more(&self.name, self.wanted(&filling))?;
            self.take(connection, 0).await?;
        }
    }

    /// How many rows are asked for: one more than there is room for, which tells whether there are more.
    fn wanted(&self, filling: &Filling) -> i32 {
        let (rows, bytes) = filling.room();
        let likely = match self.bytes.checked_div(self.rows) {
            Some(length) => usize::try_from(bytes / length.max(1)).unwrap_or(usize::MAX),
            None => FIRST_ROWS,
        };
        i32::try_from(rows.min(likely).saturating_add(1)).unwrap_or(i32::MAX)
    }

    async fn take(&mut self, connection: &mut Connection, at: usize) -> Result<(), Trouble> {
        if self.has_written.is_some() {
            connection.write_written()?;
        }
        let fetched = connection.fetch(&self.prepared, self.limits, at, PIECE_BYTES_MAX).await?;
        let (Fetched { rows, bytes, has_written }, answer) = fetched;
        still_in_transaction(answer.status)?;
        self.ended = answer.ends.get(at) != Some(&End::Suspended);
        self.has_written = self.has_written.map(|before| before || has_written);
        self.rows += rows.len() as u64;
        self.bytes += bytes;
        if self.rows > self.limits.result_rows_max {
            return Err(Trouble::Refused(Error::TooLarge(self.limits.result_rows_max)));
        }
        self.ahead.extend(rows);
        Ok(())
    }
}

/// Whether a statement has left the transaction alone in which it was carried out.
pub(super) fn still_in_transaction(status: u8) -> Result<(), Trouble> {
    if status == IN_TRANSACTION {
        return Ok(());
    }
    Err(Trouble::Refused(Error::Denied("the statement has ended its transaction: that is done by calls".to_owned())))
}
