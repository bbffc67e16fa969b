//! Rows that a group works on, a file for each table: what is wanted, how it is locked and loaded, how it is written back.
//!
//! | module | holds |
//! |---|---|
//! | `items` | key-value data |
//! | `ticks` | last ticks of schedules |
//! | `outbox` | messages on their way to topics |
//! | `jobs` | jobs, and what belongs to them |
//! | `processes` | processes, and what belongs to them |
//! | `mail` | mail to processes |
//!
//! All are loaded and written in one order, so that two hosts do not wait for each other in a circle.

pub(super) mod items;
pub(super) mod jobs;
pub(super) mod mail;
pub(super) mod outbox;
pub(super) mod processes;
pub(super) mod ticks;

use super::batch::{Answers, Batch};
use super::fault::Fault;
use super::names::Names;

/// The rows of a table, or of some that belong together.
pub(super) trait Family {
    /// Another write begins: what was done so far stays.
    fn keep(&mut self);

    /// Undoes what was done since [`keep`](Self::keep).
    fn undo(&mut self);

    /// Asks for what is wanted, and locks it.
    fn load(&mut self, batch: &mut Batch);

    /// Takes the answers to what [`load`](Self::load) asked for, if it did.
    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault>;

    /// Whether rows were loaded that refer to plugins or queues which came into being elsewhere, so that their names have to be
    /// learned.
    fn has_strangers(&self, _: &Names) -> bool {
        false
    }

    /// Writes what became of the rows.
    fn write(&mut self, batch: &mut Batch);
}

/// All of them.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) ticks: ticks::Ticks,
    pub(super) items: items::Items,
    pub(super) jobs: jobs::Jobs,
    pub(super) processes: processes::Processes,
    pub(super) mail: mail::Mails,
    pub(super) outbox: outbox::Outbox,
}

impl Rows {
    fn each(&mut self) -> [&mut dyn Family; 6] {
        let Self { ticks, items, jobs, processes, mail, outbox } = self;
        [ticks, items, jobs, processes, mail, outbox]
    }
}

impl Family for Rows {
    fn keep(&mut self) {
        self.each().into_iter().for_each(Family::keep);
    }

    fn undo(&mut self) {
        self.each().into_iter().for_each(Family::undo);
    }

    fn load(&mut self, batch: &mut Batch) {
        self.each().into_iter().for_each(|rows| rows.load(batch));
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        self.each().into_iter().try_for_each(|rows| rows.loaded(answers))
    }

    fn has_strangers(&self, names: &Names) -> bool {
        let Self { ticks, items, jobs, processes, mail, outbox } = self;
        let all: [&dyn Family; 6] = [ticks, items, jobs, processes, mail, outbox];
        all.iter().any(|rows| rows.has_strangers(names))
    }

    fn write(&mut self, batch: &mut Batch) {
        self.each().into_iter().for_each(|rows| rows.write(batch));
    }
}
