//! Events and mail that are to be deleted, but were too many to be deleted at once.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Place;
use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::rows::Family;
use crate::postgres::table::{Change, Table};

/// What is to be deleted of a process.
#[derive(Clone, Copy, Debug)]
pub(in crate::postgres) struct Trim {
    /// Events from this one on,
    pub(in crate::postgres) first: i64,
    /// with lower numbers than this.
    pub(in crate::postgres) below: i64,
    /// And the mail to its number.
    pub(in crate::postgres) ended: bool,
}

/// What a group has looked at.
#[derive(Default)]
pub(in crate::postgres) struct Trims {
    table: Table<Place, Trim>,
    asked: Vec<Place>,
    /// Any are asked for, so many.
    wanted_left: i64,
    asked_left: bool,
    /// Those that were found.
    pub(in crate::postgres) left: Vec<Place>,
}

impl Trims {
    /// So many are to be loaded, whichever they are. Those that another host works on are left to it.
    pub(in crate::postgres) const fn want_left(&mut self, most: i64) {
        self.wanted_left = most;
    }

    pub(in crate::postgres) fn get(&mut self, place: &Place) -> Result<Option<Trim>, Missing> {
        Ok(self.table.get(place)?.copied())
    }

    pub(in crate::postgres) fn put(&mut self, place: Place, trim: Option<Trim>) {
        self.table.put(place, trim);
    }
}

static LOAD: Sql = Sql {
    text: "SELECT plugin, number, first, below, ended
           FROM unnest($1::bigint[], $2::bigint[]) AS wanted(plugin, number) JOIN process_trims USING (plugin, number)
           ORDER BY plugin, number FOR UPDATE OF process_trims",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
static LEFT: Sql = Sql {
    text: "SELECT plugin, number, first, below, ended FROM process_trims
           ORDER BY plugin, number LIMIT $1 FOR UPDATE SKIP LOCKED",
    types: &[Type::INT8],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO process_trims(plugin, number, first, below, ended)
           SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[])",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BOOL_ARRAY],
};
static UPDATE: Sql = Sql {
    text: "UPDATE process_trims AS old SET first = new.first, below = new.below, ended = new.ended
           FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[])
             AS new(plugin, number, first, below, ended)
           WHERE old.plugin = new.plugin AND old.number = new.number",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BOOL_ARRAY],
};
static DELETE: Sql = Sql {
    text: "DELETE FROM process_trims AS old USING unnest($1::bigint[], $2::bigint[]) AS gone(plugin, number)
           WHERE old.plugin = gone.plugin AND old.number = gone.number",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};

type Columns = (Vec<Place>, Vec<Trim>);

fn ask((places, trims): &Columns, batch: &mut Batch, sql: &'static Sql) {
    if !places.is_empty() {
        let (plugins, numbers): (Vec<i64>, Vec<i64>) = places.iter().copied().unzip();
        let firsts: Vec<i64> = trims.iter().map(|trim| trim.first).collect();
        let belows: Vec<i64> = trims.iter().map(|trim| trim.below).collect();
        let ended: Vec<bool> = trims.iter().map(|trim| trim.ended).collect();
        batch.ask(sql, params![plugins, numbers, firsts, belows, ended]);
    }
}

fn read(row: &Row) -> Result<(Place, Trim), Fault> {
    let place = (get(row, 0)?, get(row, 1)?);
    Ok((place, Trim { first: get(row, 2)?, below: get(row, 3)?, ended: get(row, 4)? }))
}

impl Family for Trims {
    fn keep(&mut self) {
        self.table.keep();
    }

    fn undo(&mut self) {
        self.table.undo();
    }

    fn load(&mut self, batch: &mut Batch) {
        self.asked = self.table.wanted();
        if !self.asked.is_empty() {
            let (plugins, numbers): (Vec<i64>, Vec<i64>) = self.asked.iter().copied().unzip();
            batch.ask(&LOAD, params![plugins, numbers]);
        }
        let most = std::mem::take(&mut self.wanted_left);
        self.asked_left = most > 0;
        if self.asked_left {
            batch.ask(&LEFT, params![most]);
        }
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                let (place, trim) = read(&row)?;
                self.table.loaded(place, trim);
            }
        }
        self.table.absent(asked);
        if self.asked_left {
            for row in answers.rows() {
                let (place, trim) = read(&row)?;
                self.left.push(place);
                self.table.loaded(place, trim);
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) {
        let (mut insert, mut update, mut delete) = (Columns::default(), Columns::default(), Vec::new());
        for (place, change) in self.table.changes() {
            let (to, trim) = match change {
                Change::Insert(trim) => (&mut insert, trim),
                Change::Update(trim) => (&mut update, trim),
                Change::Delete => {
                    delete.push(*place);
                    continue;
                }
                Change::Absent => continue,
            };
            to.0.push(*place);
            to.1.push(*trim);
        }
        ask(&insert, batch, &INSERT);
        ask(&update, batch, &UPDATE);
        if !delete.is_empty() {
            let (plugins, numbers): (Vec<i64>, Vec<i64>) = delete.into_iter().unzip();
            batch.ask(&DELETE, params![plugins, numbers]);
        }
    }
}
