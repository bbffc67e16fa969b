//! Processes, and what belongs to them.
//!
//! | module | holds |
//! |---|---|
//! | `records` | a row for each process; whoever has it locked has the process |
//! | `names` | who has which name |
//! | `events` | what happened to them |
//! | `trims` | events and mail that are to be deleted, but were too many to be deleted at once |

pub(in crate::postgres) mod events;
pub(in crate::postgres) mod names;
pub(in crate::postgres) mod records;
pub(in crate::postgres) mod trims;

use super::Family;
use crate::postgres::batch::{Answers, Batch};
use crate::postgres::fault::Fault;

/// A process: whose, and its number.
pub(in crate::postgres) type Place = (i64, i64);

/// Processes of a group.
#[derive(Default)]
pub(in crate::postgres) struct Processes {
    pub(in crate::postgres) records: records::Records,
    pub(in crate::postgres) names: names::ProcessNames,
    pub(in crate::postgres) events: events::Events,
    pub(in crate::postgres) trims: trims::Trims,
}

impl Processes {
    /// Processes of a host that counts in this slot.
    pub(in crate::postgres) fn of(slot: i16) -> Self {
        Self { events: events::Events::of(slot), ..Self::default() }
    }

    fn each(&mut self) -> [&mut dyn Family; 4] {
        let Self { records, names, events, trims } = self;
        [records, names, events, trims]
    }
}

impl Family for Processes {
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

    fn write(&mut self, batch: &mut Batch) {
        self.each().into_iter().for_each(|rows| rows.write(batch));
    }
}
