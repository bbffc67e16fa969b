//! The rows: numbers in the store. All that must outlive a crash of the host is here.

use skep_sdk::prelude::*;

/// A commit takes 1,000 operations at most, and a read as many keys.
pub const PORTION: u32 = 1_000;

pub fn key(row: u32) -> String {
    format!("row:{row:06}")
}

/// Takes one from a row, and returns what is left of it.
///
/// What was read is checked when it is committed: if somebody else has changed the row meanwhile, nothing is written and this
/// runs again. The sums are part of the commit, so they tell of each tick that took place and of no other. Adding to a sum
/// never conflicts, however many do it at once.
pub fn tick(row: &str) -> Result<u32> {
    let (left, _) = store::transaction(|tx| {
        let Some(left) = tx.get::<u32>(row)?.unwrap_or(0).checked_sub(1) else { return Ok(0) };
        tx.set(row, &left);
        tx.sum("ticks", 1);
        if left == 0 {
            tx.sum("left", -1);
        }
        Ok::<_, Error>(left)
    })?;
    Ok(left)
}

/// Writes a number into all rows. The last commit says that they are there; without it this is done again.
pub fn fill(rows: u32, number: u32) -> Result<()> {
    let mut first = 0;
    while first < rows {
        let end = rows.min(first.saturating_add(PORTION));
        (first..end).fold(store::atomic(), |commit, row| commit.set(key(row), &number)).commit()?;
        first = end;
    }
    store::atomic().sum("left", rows.into()).sum("fillings", 1).commit()?;
    Ok(())
}

/// What stands in these rows.
pub fn numbers(rows: std::ops::Range<u32>) -> Result<Vec<u32>> {
    let items = store::get_many::<u32>(rows.map(key))?;
    Ok(items.into_iter().map(|item| item.map_or(0, |item| item.value)).collect())
}

/// How many rows are above zero.
pub fn left() -> Result<i64> {
    store::counter("left")
}

pub fn fillings() -> Result<i64> {
    store::counter("fillings")
}

pub fn ticks() -> Result<i64> {
    store::counter("ticks")
}
