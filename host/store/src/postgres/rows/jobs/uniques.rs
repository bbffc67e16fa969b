//! Who holds the place of a unique job. A place is a row under a primary key: there can be one holder. Of two hosts that give a
//! free place at once, one meets the other there, and its group is done again.

use bytes::Bytes;
use tokio_postgres::types::Type;

use crate::postgres::batch::{Answers, Batch, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::table::{Change, Table};

/// Whose, and the key.
pub(in crate::postgres) type Place = (i64, Bytes);

/// A job that has a place.
#[derive(Clone, Copy, Debug)]
pub(in crate::postgres) struct Holder {
    pub(in crate::postgres) job: i64,
    pub(in crate::postgres) until: Option<i64>,
    /// In which states it keeps others out, as bits.
    pub(in crate::postgres) states: i16,
}

/// Places of a group.
#[derive(Default)]
pub(in crate::postgres) struct Uniques {
    table: Table<Place, Holder>,
    asked: Vec<Place>,
}

static LOAD: Sql = Sql {
    text: "SELECT plugin, key, job, until, states FROM unnest($1::bigint[], $2::bytea[]) AS wanted(plugin, key)
           JOIN uniques USING (plugin, key) ORDER BY plugin, key FOR UPDATE OF uniques",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO uniques(plugin, key, job, until, states)
           SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::smallint[])",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT2_ARRAY],
};
static UPDATE: Sql = Sql {
    text: "UPDATE uniques SET job = new.job, until = new.until, states = new.states
           FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::smallint[])
             AS new(plugin, key, job, until, states)
           WHERE uniques.plugin = new.plugin AND uniques.key = new.key",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT2_ARRAY],
};
static DELETE: Sql = Sql {
    text: "DELETE FROM uniques USING unnest($1::bigint[], $2::bytea[]) AS gone(plugin, key)
           WHERE uniques.plugin = gone.plugin AND uniques.key = gone.key",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};

type Columns = (Vec<i64>, Vec<Raw>, Vec<i64>, Vec<Option<i64>>, Vec<i16>);

impl Uniques {
    /// The place is to be loaded, and the job that has it.
    pub(in crate::postgres) fn want(&mut self, place: Place) {
        self.table.want(place);
    }

    pub(in crate::postgres) fn get(&mut self, place: &Place) -> Result<Option<Holder>, Missing> {
        Ok(self.table.get(place)?.copied())
    }

    pub(in crate::postgres) fn put(&mut self, place: Place, holder: Option<Holder>) {
        self.table.put(place, holder);
    }

    pub(super) fn keep(&mut self) {
        self.table.keep();
    }

    pub(super) fn undo(&mut self) {
        self.table.undo();
    }

    /// Answers the places that are asked for, in columns.
    pub(super) fn load(&mut self, batch: &mut Batch) -> (Vec<i64>, Vec<Raw>) {
        self.asked = self.table.wanted();
        let columns: (Vec<i64>, Vec<Raw>) = self.asked.iter().map(|(plugin, key)| (*plugin, Raw(key.clone()))).unzip();
        if !self.asked.is_empty() {
            batch.ask(&LOAD, params![columns.0.clone(), columns.1.clone()]);
        }
        columns
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                let place = (get(&row, 0)?, Bytes::copy_from_slice(get(&row, 1)?));
                let holder = Holder { job: get(&row, 2)?, until: get(&row, 3)?, states: get(&row, 4)? };
                self.table.loaded(place, holder);
            }
        }
        self.table.absent(asked);
        Ok(())
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        let (mut insert, mut update) = (Columns::default(), Columns::default());
        let mut delete: (Vec<i64>, Vec<Raw>) = Default::default();
        for ((plugin, key), change) in self.table.changes() {
            let (to, holder) = match change {
                Change::Insert(holder) => (&mut insert, holder),
                Change::Update(holder) => (&mut update, holder),
                Change::Delete => {
                    delete.0.push(*plugin);
                    delete.1.push(Raw(key.clone()));
                    continue;
                }
                Change::Absent => continue,
            };
            to.0.push(*plugin);
            to.1.push(Raw(key.clone()));
            to.2.push(holder.job);
            to.3.push(holder.until);
            to.4.push(holder.states);
        }
        for (columns, sql) in [(insert, &INSERT), (update, &UPDATE)] {
            if !columns.0.is_empty() {
                batch.ask(sql, params![columns.0, columns.1, columns.2, columns.3, columns.4]);
            }
        }
        if !delete.0.is_empty() {
            batch.ask(&DELETE, params![delete.0, delete.1]);
        }
    }
}
