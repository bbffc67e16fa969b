//! Thousands of rows in the store, and a process for each that is worked on, which ticks it down to zero.

mod driver;
mod figures;
mod row;
mod table;

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

#[skep::processes]
mod kinds {
    #[process]
    pub(crate) use super::driver::Driver;
    #[process]
    pub(crate) use super::row::Row;
}

#[skep::http]
fn app() -> Router {
    Router::new().get("/stats", stats)
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stats {
    /// Above zero.
    rows_left: i64,
    at_work: usize,
    /// How often the table was filled and is at zero again.
    rounds: i64,
    /// Of all rounds. Each is a commit.
    ticks: i64,
    /// From the moment that the ticks of the last second were due to the one when they were done.
    mean_tick_us: Option<i64>,
}

fn stats() -> Result<Json<Stats>> {
    // In this order: a table that is filled in between is one under way, and not one more that is through.
    let fillings = table::fillings()?;
    let rows_left = table::left()?;
    let under_way = i64::from(rows_left > 0);
    Ok(Json(Stats {
        rows_left,
        at_work: row::at_work()?,
        rounds: fillings - under_way,
        ticks: table::ticks()?,
        mean_tick_us: figures::mean_of_last_second()?,
    }))
}

#[cfg(test)]
mod tests;
