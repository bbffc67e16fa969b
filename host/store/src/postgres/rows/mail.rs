//! Mail to processes.

use super::Family;
use crate::postgres::batch::{Answers, Batch};
use crate::postgres::fault::Fault;

/// Mails of a group.
#[derive(Default)]
pub(in crate::postgres) struct Mails {}

impl Family for Mails {
    fn keep(&mut self) {}

    fn undo(&mut self) {}

    fn load(&mut self, _: &mut Batch) {}

    fn loaded(&mut self, _: &mut Answers) -> Result<(), Fault> {
        Ok(())
    }

    fn write(&mut self, _: &mut Batch) {}
}
