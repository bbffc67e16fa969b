//! The one process that the manifest starts. It starts all others.

use std::{env, time::Duration};

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::{
    row::{self, Row},
    table,
};

/// It remembers how far it is, and finds out anew when it does not.
#[derive(Serialize, Deserialize)]
pub struct Driver {
    /// All rows before this one are at zero or at work.
    next: u32,
}

#[derive(Serialize, Deserialize)]
pub struct Look;

#[skep::process(part)]
impl Driver {
    fn init(ctx: &mut Ctx) -> Result<Self> {
        ctx.send_after(Duration::ZERO, &Look)?;
        ctx.send_every(Duration::from_millis(number("LOOK_MS", 2_000)?.into()), &Look)?;
        Ok(Driver { next: 0 })
    }

    /// Fills the table when all of it is at zero, and starts as many as there is room for.
    fn timer(&mut self, _: Look) -> Result<()> {
        let (rows, rounds) = (number("ROWS", 40)?, number("ROUNDS", 0)?);
        if table::left()? == 0 {
            if rounds > 0 && table::fillings()? >= rounds.into() {
                return Ok(());
            }
            table::fill(rows, number("NUMBER", 3)?)?;
            self.next = 0;
        }
        let at_work = row::at_work()?;
        if at_work == 0 && self.next >= rows {
            // Rows are left and nobody is at work: the host was away, or a process gave up.
            self.next = 0;
        }
        self.start(rows, usize::try_from(number("AT_ONCE", 20)?)?.saturating_sub(at_work))
    }
}

impl Driver {
    /// Starts processes for the next rows that are above zero. An error leaves the rest to the next look.
    fn start(&mut self, rows: u32, mut places: usize) -> Result<()> {
        let tick_ms = number("TICK_MS", 1_000)?;
        while places > 0 && self.next < rows {
            let portion = self.next..rows.min(self.next.saturating_add(table::PORTION));
            for (row, number) in portion.clone().zip(table::numbers(portion)?) {
                if places == 0 {
                    break;
                }
                if number > 0 {
                    process::start_or_get::<Row>(table::key(row), &tick_ms.into())?;
                    places -= 1;
                }
                self.next = row + 1;
            }
        }
        Ok(())
    }
}

/// What the manifest says; a few rows where it says nothing, as in tests.
fn number(name: &str, otherwise: u32) -> Result<u32> {
    env::var(name).map_or(Ok(otherwise), |text| text.parse()).context(format!("reading {name}"))
}
