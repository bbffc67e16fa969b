//! Jobs, and what belongs to them: attempts, the places of unique ones, who waits for whom.

use super::Family;
use crate::postgres::batch::{Answers, Batch};
use crate::postgres::fault::Fault;

/// Jobs of a group.
#[derive(Default)]
pub(in crate::postgres) struct Jobs {}

impl Family for Jobs {
    fn keep(&mut self) {}

    fn undo(&mut self) {}

    fn load(&mut self, _: &mut Batch) {}

    fn loaded(&mut self, _: &mut Answers) -> Result<(), Fault> {
        Ok(())
    }

    fn write(&mut self, _: &mut Batch) {}
}
