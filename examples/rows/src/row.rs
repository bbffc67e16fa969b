//! A process that works on one row, until there is nothing left of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

use crate::{figures, table};

/// Its name is the row's key. What stands in the row is in the store and nowhere else, so there is nothing here to be lost.
#[derive(Serialize, Deserialize)]
pub struct Row {
    every_ms: u64,
    /// When the next tick is, in microseconds since the epoch.
    due_us: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Tick;

#[skep::process(part)]
impl Row {
    /// A timer that `init` set is set anew when a crash has it run again: there is always one.
    fn init(every_ms: u64, ctx: &mut Ctx) -> Result<Self> {
        ctx.send_every(Duration::from_millis(every_ms), &Tick)?;
        Ok(Row { every_ms, due_us: figures::now_us() + every_ms * 1_000 })
    }

    fn timer(&mut self, _: Tick, ctx: &mut Ctx) -> Result<()> {
        let due_us = self.next_due();
        let row = ctx.name().ok_or("a row's process has its name")?;
        if table::tick(row)? == 0 {
            ctx.stop("normal");
        }
        figures::ticked(due_us)
    }
}

impl Row {
    /// When the tick in hand was due. The host counts on from there, past those that nobody had the time for.
    fn next_due(&mut self) -> u64 {
        let (due_us, every_us) = (self.due_us, self.every_ms * 1_000);
        let missed = figures::now_us().saturating_sub(due_us) / every_us.max(1);
        self.due_us += every_us * (missed + 1);
        due_us
    }
}

/// How many are there.
pub fn at_work() -> Result<usize> {
    process::list("row:").try_fold(0, |count, listed| listed.map(|_| count + 1))
}
