//! Who has which name. It is read, not locked: of two hosts that give one name, one meets the other under the index.

use tokio_postgres::types::Type;

use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::rows::Family;
use crate::postgres::table::Table;

/// Whose, and the name.
pub(in crate::postgres) type Named = (i64, String);

/// Names that a group has looked at, and the numbers of those who have them.
#[derive(Default)]
pub(in crate::postgres) struct ProcessNames {
    table: Table<Named, i64>,
    asked: Vec<Named>,
}

impl ProcessNames {
    pub(in crate::postgres) fn want(&mut self, named: Named) {
        self.table.want(named);
    }

    pub(in crate::postgres) fn get(&mut self, named: &Named) -> Result<Option<i64>, Missing> {
        Ok(self.table.get(named)?.copied())
    }

    /// It is this one's now, or free.
    pub(in crate::postgres) fn put(&mut self, named: Named, number: Option<i64>) {
        self.table.put(named, number);
    }
}

static LOAD: Sql = Sql {
    text: "SELECT plugin, name, number FROM unnest($1::bigint[], $2::text[]) AS wanted(plugin, name)
           JOIN processes USING (plugin, name) WHERE processes.name IS NOT NULL",
    types: &[Type::INT8_ARRAY, Type::TEXT_ARRAY],
};

impl Family for ProcessNames {
    fn keep(&mut self) {
        self.table.keep();
    }

    fn undo(&mut self) {
        self.table.undo();
    }

    fn load(&mut self, batch: &mut Batch) {
        self.asked = self.table.wanted();
        if !self.asked.is_empty() {
            let (plugins, names): (Vec<i64>, Vec<String>) = self.asked.iter().cloned().unzip();
            batch.ask(&LOAD, params![plugins, names]);
        }
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                self.table.loaded((get(&row, 0)?, get(&row, 1)?), get(&row, 2)?);
            }
        }
        self.table.absent(asked);
        Ok(())
    }

    fn write(&mut self, _: &mut Batch) {
        // They are written with the records.
    }
}
