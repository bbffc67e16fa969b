//! A row for each process. Whoever changes a process, its events or its state before an upgrade has the row locked.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Place;
use crate::number::{len, sql};
use crate::postgres::batch::{Answers, Batch, Param, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::rows::Family;
use crate::postgres::table::{Change, Table};

/// Bytes that may be large: they are written where they change, and their length is all that is loaded of them.
#[derive(Clone, Debug)]
pub(in crate::postgres) enum Data {
    /// They are what they were: so many.
    Kept(i64),
    /// They are these.
    New(Bytes),
}

impl Data {
    pub(in crate::postgres) fn len(&self) -> i64 {
        match self {
            Self::Kept(len) => *len,
            Self::New(data) => len(data),
        }
    }

    fn written(&self) -> Option<Raw> {
        match self {
            Self::Kept(_) => None,
            Self::New(data) => Some(Raw(data.clone())),
        }
    }
}

/// A process as it is kept.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Record {
    pub(in crate::postgres) seq: i64,
    pub(in crate::postgres) bytes: i64,
    pub(in crate::postgres) first_event: i64,
    pub(in crate::postgres) last_event: i64,
    pub(in crate::postgres) wake_at: Option<i64>,
    pub(in crate::postgres) name: Option<String>,
    pub(in crate::postgres) quarantined: Option<Bytes>,
    /// Of the state; none if there is none.
    pub(in crate::postgres) version: Option<i64>,
    pub(in crate::postgres) extra: Data,
    pub(in crate::postgres) state: Data,
    /// What its state was before an upgrade.
    pub(in crate::postgres) before: Option<(i64, Data)>,
    /// Who made its last turn.
    pub(in crate::postgres) host: i64,
    /// The rest, of one that begins.
    pub(in crate::postgres) begun: Option<Begun>,
}

/// What a process has from its beginning on.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Begun {
    pub(in crate::postgres) kind: String,
    pub(in crate::postgres) args: Bytes,
}

/// Records of a group.
#[derive(Default)]
pub(in crate::postgres) struct Records {
    table: Table<Place, Record>,
    asked: Vec<Place>,
    /// Plugins of whose processes those are to be loaded that have a state before an upgrade, and how many.
    wanted_upgraded: BTreeMap<i64, i64>,
    asked_upgraded: Vec<i64>,
    upgraded: BTreeMap<i64, Vec<Place>>,
}

impl Records {
    pub(in crate::postgres) fn want(&mut self, place: Place) {
        self.table.want(place);
    }

    /// Those of a plugin's that have a state before an upgrade are to be loaded, so many.
    pub(in crate::postgres) fn want_upgraded(&mut self, plugin: i64, most: usize) {
        if !self.upgraded.contains_key(&plugin) {
            self.wanted_upgraded.insert(plugin, sql(most as u64));
        }
    }

    /// Those that were found.
    pub(in crate::postgres) fn upgraded(&self, plugin: i64) -> Option<&Vec<Place>> {
        self.upgraded.get(&plugin)
    }

    pub(in crate::postgres) fn get(&mut self, place: &Place) -> Result<Option<&Record>, Missing> {
        self.table.get(place)
    }

    pub(in crate::postgres) fn put(&mut self, place: Place, record: Option<Record>) {
        self.table.put(place, record);
    }
}

/// What is asked of a record that may change.
macro_rules! columns {
    () => {
        "processes.plugin, processes.number, seq, bytes, first_event, last_event, wake_at, processes.name, quarantined,
           version, octet_length(extra)::bigint, coalesce(octet_length(state), 0)::bigint, before_version,
           coalesce(octet_length(before_state), 0)::bigint, host"
    };
}

static LOAD: Sql = Sql {
    text: concat!(
        "SELECT ",
        columns!(),
        " FROM unnest($1::bigint[], $2::bigint[]) AS wanted(plugin, number) JOIN processes USING (plugin, number)
         ORDER BY processes.plugin, processes.number FOR UPDATE OF processes"
    ),
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
static UPGRADED: Sql = Sql {
    text: concat!(
        "SELECT ",
        columns!(),
        " FROM processes WHERE plugin = $1 AND before_version IS NOT NULL ORDER BY plugin, number LIMIT $2 FOR UPDATE"
    ),
    types: &[Type::INT8, Type::INT8],
};
/// Where a parameter is null, what is large stays what it was, and is not written anew.
static UPDATE: Sql = Sql {
    text: "UPDATE processes AS old
           SET seq = new.seq, bytes = new.bytes, first_event = new.first_event, last_event = new.last_event,
             wake_at = new.wake_at, quarantined = new.quarantined, version = new.version,
             extra = coalesce(new.extra, old.extra), state = coalesce(new.state, old.state),
             before_version = new.before_version,
             before_state = CASE WHEN new.before_version IS NOT NULL THEN coalesce(new.before_state, old.before_state) END,
             host = new.host
           FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
               $8::bytea[], $9::bigint[], $10::bytea[], $11::bytea[], $12::bigint[], $13::bytea[], $14::bigint[])
             AS new(plugin, number, seq, bytes, first_event, last_event, wake_at, quarantined, version, extra, state,
               before_version, before_state, host)
           WHERE old.plugin = new.plugin AND old.number = new.number",
    types: &TYPES,
};
static INSERT: Sql = Sql {
    text: "INSERT INTO processes(plugin, number, seq, bytes, first_event, last_event, wake_at, quarantined, version, extra,
             state, before_version, before_state, host, kind, name, args)
           SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::bigint[], $8::bytea[], $9::bigint[], $10::bytea[], $11::bytea[], $12::bigint[], $13::bytea[],
             $14::bigint[], $15::text[], $16::text[], $17::bytea[])",
    types: &TYPES_OF_NEW,
};
static DELETE: Sql = Sql {
    text: "DELETE FROM processes AS old USING unnest($1::bigint[], $2::bigint[]) AS gone(plugin, number)
           WHERE old.plugin = gone.plugin AND old.number = gone.number",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};

static TYPES: [Type; 14] = [
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
];
static TYPES_OF_NEW: [Type; 17] = [
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::BYTEA_ARRAY,
];

type Rows<'a> = Vec<(&'a Place, &'a Record)>;

/// What both a new and a changed record bring.
fn common(rows: &Rows<'_>) -> Vec<Param> {
    let of = |part: fn(&Record) -> i64| rows.iter().map(|(_, record)| part(record)).collect::<Vec<i64>>();
    let some = |part: fn(&Record) -> Option<i64>| rows.iter().map(|(_, record)| part(record)).collect::<Vec<_>>();
    let data = |part: fn(&Record) -> Option<Raw>| rows.iter().map(|(_, record)| part(record)).collect::<Vec<_>>();
    params![
        rows.iter().map(|(place, _)| place.0).collect::<Vec<i64>>(),
        rows.iter().map(|(place, _)| place.1).collect::<Vec<i64>>(),
        of(|record| record.seq),
        of(|record| record.bytes),
        of(|record| record.first_event),
        of(|record| record.last_event),
        some(|record| record.wake_at),
        data(|record| record.quarantined.clone().map(Raw)),
        some(|record| record.version),
        data(|record| record.extra.written()),
        data(|record| record.state.written()),
        some(|record| record.before.as_ref().map(|(version, _)| *version)),
        data(|record| record.before.as_ref().and_then(|(_, state)| state.written())),
        of(|record| record.host),
    ]
}

fn read(row: &Row) -> Result<(Place, Record), Fault> {
    let before = get::<Option<i64>>(row, 12)?;
    let record = Record {
        seq: get(row, 2)?,
        bytes: get(row, 3)?,
        first_event: get(row, 4)?,
        last_event: get(row, 5)?,
        wake_at: get(row, 6)?,
        name: get(row, 7)?,
        quarantined: get::<Option<&[u8]>>(row, 8)?.map(Bytes::copy_from_slice),
        version: get(row, 9)?,
        extra: Data::Kept(get(row, 10)?),
        state: Data::Kept(get(row, 11)?),
        before: before.map(|version| Ok::<_, Fault>((version, Data::Kept(get(row, 13)?)))).transpose()?,
        host: get(row, 14)?,
        begun: None,
    };
    Ok(((get(row, 0)?, get(row, 1)?), record))
}

impl Family for Records {
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
        for (plugin, most) in std::mem::take(&mut self.wanted_upgraded) {
            self.asked_upgraded.push(plugin);
            batch.ask(&UPGRADED, params![plugin, most]);
        }
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                let (place, record) = read(&row)?;
                self.table.loaded(place, record);
            }
        }
        self.table.absent(asked);
        for plugin in std::mem::take(&mut self.asked_upgraded) {
            let mut found = Vec::new();
            for row in answers.rows() {
                let (place, record) = read(&row)?;
                found.push(place);
                self.table.loaded(place, record);
            }
            self.upgraded.insert(plugin, found);
        }
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) {
        let (mut insert, mut update, mut delete) = (Rows::new(), Rows::new(), Vec::new());
        for (place, change) in self.table.changes() {
            match change {
                Change::Insert(record) => insert.push((place, record)),
                // Somebody has given the number of one that has ended to another.
                Change::Update(record) if record.begun.is_some() => {
                    delete.push(*place);
                    insert.push((place, record));
                }
                Change::Update(record) => update.push((place, record)),
                Change::Delete => delete.push(*place),
                Change::Absent => {}
            }
        }
        // Names that are given again are free before they are.
        if !delete.is_empty() {
            let (plugins, numbers): (Vec<i64>, Vec<i64>) = delete.into_iter().unzip();
            batch.ask(&DELETE, params![plugins, numbers]);
        }
        if !update.is_empty() {
            batch.ask(&UPDATE, common(&update));
        }
        if !insert.is_empty() {
            let begun = || insert.iter().map(|(_, record)| record.begun.as_ref());
            let mut columns = common(&insert);
            columns.extend(params![
                begun().map(|begun| begun.map(|begun| begun.kind.clone())).collect::<Vec<_>>(),
                insert.iter().map(|(_, record)| record.name.clone()).collect::<Vec<_>>(),
                begun().map(|begun| begun.map(|begun| Raw(begun.args.clone()))).collect::<Vec<_>>(),
            ]);
            batch.ask(&INSERT, columns);
        }
    }
}
