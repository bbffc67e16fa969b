//! Jobs, and what belongs to them.
//!
//! | module | holds |
//! |---|---|
//! | `row` | a job's row: how it is read, how it is written |
//! | `lanes`, `keys` | where jobs are found: the first of a queue, those that are due |
//! | `asks` | jobs that are looked for by what they are |
//! | `uniques` | the places of unique ones |
//! | `attempts` | how attempts failed |
//! | `waits`, `ending` | who waits for whom; who was not told yet |
//! | `said` | what operators said of queues |
//! | `caps` | queues whose leases are capped |
//!
//! Queues are locked first, by leases, which wait for none; then places of unique jobs, then jobs by their numbers, then those that
//! are looked for. What operators said is written last.

pub(in crate::postgres) mod asks;
mod attempts;
pub(in crate::postgres) mod caps;
pub(in crate::postgres) mod ending;
mod keys;
pub(in crate::postgres) mod lanes;
pub(in crate::postgres) mod row;
pub(in crate::postgres) mod said;
mod stock;
pub(in crate::postgres) mod uniques;
mod waits;

use self::asks::Asks;
use self::attempts::Attempts;
use self::caps::Caps;
use self::ending::Ending;
use self::lanes::Lane;
use self::said::Said;
use self::stock::Stock;
use self::uniques::Uniques;
use self::waits::Waits;
use super::Family;
use crate::postgres::batch::{Answers, Batch};
use crate::postgres::fault::Fault;
use crate::postgres::names::Names;

/// Jobs of a group.
#[derive(Default)]
pub(in crate::postgres) struct Jobs {
    pub(in crate::postgres) uniques: Uniques,
    pub(in crate::postgres) stock: Stock,
    pub(in crate::postgres) asks: Asks,
    pub(in crate::postgres) ending: Ending,
    pub(in crate::postgres) waits: Waits,
    pub(in crate::postgres) attempts: Attempts,
    pub(in crate::postgres) said: Said,
    pub(in crate::postgres) caps: Caps,
}

impl Jobs {
    /// Deletes a job, and how its attempts failed.
    pub(in crate::postgres) fn delete(&mut self, id: i64) {
        self.stock.put(id, None);
        self.attempts.erase(id);
    }
}

impl Family for Jobs {
    fn keep(&mut self) {
        let Self { uniques, stock, asks: _, ending, waits, attempts, said, caps } = self;
        uniques.keep();
        stock.keep();
        ending.keep();
        waits.keep();
        attempts.keep();
        said.keep();
        caps.keep();
    }

    fn undo(&mut self) {
        let Self { uniques, stock, asks: _, ending, waits, attempts, said, caps } = self;
        uniques.undo();
        stock.undo();
        ending.undo();
        waits.undo();
        attempts.undo();
        said.undo();
        caps.undo();
    }

    fn load(&mut self, batch: &mut Batch) {
        let Self { uniques, stock, asks, ending, waits, attempts, said, caps } = self;
        caps.load(batch);
        let places = uniques.load(batch);
        stock.load(batch, places);
        asks.load(batch);
        ending.load(batch);
        waits.load(batch);
        attempts.load(batch);
        said.load(batch);
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let Self { uniques, stock, asks, ending, waits, attempts, said, caps } = self;
        let room = caps.loaded(answers)?;
        uniques.loaded(answers)?;
        stock.loaded(answers)?;
        asks.loaded(answers, stock)?;
        ending.loaded(answers)?;
        waits.loaded(answers, stock)?;
        attempts.loaded(answers)?;
        said.loaded(answers)?;
        for (queue, jobs) in room {
            stock.want_first(Lane::Queue(queue), i64::MAX, jobs);
        }
        Ok(())
    }

    fn has_strangers(&self, names: &Names) -> bool {
        self.stock.has_strangers(names)
    }

    fn write(&mut self, batch: &mut Batch) {
        let Self { uniques, stock, asks: _, ending, waits, attempts, said, caps } = self;
        uniques.write(batch);
        stock.write(batch);
        ending.write(batch);
        waits.write(batch);
        attempts.write(batch);
        said.write(batch);
        caps.write(batch);
    }
}
