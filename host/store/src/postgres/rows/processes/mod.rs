//! Processes, and what belongs to them: events, states before an upgrade, what is left to be deleted.

use super::Family;
use crate::postgres::batch::{Answers, Batch};
use crate::postgres::fault::Fault;

/// Processes of a group.
#[derive(Default)]
pub(in crate::postgres) struct Processes {}

impl Family for Processes {
    fn keep(&mut self) {}

    fn undo(&mut self) {}

    fn load(&mut self, _: &mut Batch) {}

    fn loaded(&mut self, _: &mut Answers) -> Result<(), Fault> {
        Ok(())
    }

    fn write(&mut self, _: &mut Batch) {}
}
