//! Last ticks of schedules. Of two hosts that insert the first one at once, one meets the other under the primary key.

use bytes::Bytes;
use tokio_postgres::types::Type;

use super::Family;
use crate::postgres::batch::{Answers, Batch, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::table::{Change, Table};

/// Whose, and the schedule's name.
pub(in crate::postgres) type Place = (i64, Bytes);

/// Ticks of a group.
#[derive(Default)]
pub(in crate::postgres) struct Ticks {
    table: Table<Place, i64>,
    asked: Vec<Place>,
}

impl Ticks {
    pub(in crate::postgres) fn want(&mut self, place: Place) {
        self.table.want(place);
    }

    pub(in crate::postgres) fn get(&mut self, place: &Place) -> Result<Option<i64>, Missing> {
        Ok(self.table.get(place)?.copied())
    }

    pub(in crate::postgres) fn put(&mut self, place: Place, at: i64) {
        self.table.put(place, Some(at));
    }
}

type Columns = (Vec<i64>, Vec<Raw>, Vec<i64>);

static LOAD: Sql = Sql {
    text: "SELECT plugin, schedule, at FROM unnest($1::bigint[], $2::bytea[]) AS wanted(plugin, schedule)
           JOIN ticks USING (plugin, schedule) ORDER BY plugin, schedule FOR UPDATE OF ticks",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO ticks(plugin, schedule, at) SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[])",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY],
};
static UPDATE: Sql = Sql {
    text: "UPDATE ticks SET at = new.at
           FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS new(plugin, schedule, at)
           WHERE ticks.plugin = new.plugin AND ticks.schedule = new.schedule",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY],
};

impl Family for Ticks {
    fn keep(&mut self) {
        self.table.keep();
    }

    fn undo(&mut self) {
        self.table.undo();
    }

    fn load(&mut self, batch: &mut Batch) {
        self.asked = self.table.wanted();
        if !self.asked.is_empty() {
            let columns: (Vec<i64>, Vec<Raw>) =
                self.asked.iter().map(|(plugin, schedule)| (*plugin, Raw(schedule.clone()))).unzip();
            batch.ask(&LOAD, params![columns.0, columns.1]);
        }
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                self.table.loaded((get(&row, 0)?, Bytes::copy_from_slice(get(&row, 1)?)), get(&row, 2)?);
            }
        }
        self.table.absent(asked);
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) {
        let (mut insert, mut update) = (Columns::default(), Columns::default());
        for ((plugin, schedule), change) in self.table.changes() {
            let (to, at) = match change {
                Change::Insert(at) => (&mut insert, at),
                Change::Update(at) => (&mut update, at),
                Change::Delete | Change::Absent => continue,
            };
            to.0.push(*plugin);
            to.1.push(Raw(schedule.clone()));
            to.2.push(*at);
        }
        for (columns, sql) in [(insert, &INSERT), (update, &UPDATE)] {
            if !columns.0.is_empty() {
                batch.ask(sql, params![columns.0, columns.1, columns.2]);
            }
        }
    }
}
