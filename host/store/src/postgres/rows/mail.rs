//! Mail to processes. It is never changed: it comes, and it goes.

use bytes::Bytes;
use foldhash::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Family;
use super::processes::Place;
use crate::limits::MAIL_OVERHEAD;
use crate::number::sql;
use crate::postgres::batch::{Answers, Batch, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::names::Names;
use crate::postgres::table::{Change, Table};

/// How much mail to processes' numbers is loaded at once: what is more goes with later groups.
pub(in crate::postgres) const LOOK: usize = 5_000;

/// A mail, as far as it is looked at.
pub(in crate::postgres) struct Mail {
    pub(in crate::postgres) sender: i64,
    pub(in crate::postgres) plugin: i64,
    /// The number that it is sent to; none if it is sent to a name.
    pub(in crate::postgres) number: Option<i64>,
    /// What it counts for.
    pub(in crate::postgres) bytes: i64,
    /// The rest, of one that comes.
    pub(in crate::postgres) new: Option<New>,
}

/// What a mail brings that comes.
pub(in crate::postgres) struct New {
    pub(in crate::postgres) name: Option<String>,
    pub(in crate::postgres) at: i64,
    pub(in crate::postgres) data: Bytes,
}

/// Mails of a group.
#[derive(Default)]
pub(in crate::postgres) struct Mails {
    table: Table<i64, Mail>,
    asked: Vec<i64>,
    /// By the numbers of their receivers, as far as they are known. Some may be gone.
    to: HashMap<Place, Vec<i64>>,
    /// Whose mail was looked for, and whether all that there is was found.
    looked: HashMap<Place, bool>,
    wanted_to: Vec<Place>,
    asked_to: Vec<Place>,
}

impl Mails {
    /// The mail of this number is to be loaded.
    pub(in crate::postgres) fn want(&mut self, id: i64) {
        self.table.want(id);
    }

    /// Mail to this number is to be loaded.
    pub(in crate::postgres) fn want_to(&mut self, place: Place) {
        if !self.looked.contains_key(&place) {
            self.wanted_to.push(place);
        }
    }

    pub(in crate::postgres) fn get(&mut self, id: i64) -> Result<Option<&Mail>, Missing> {
        self.table.get(&id)
    }

    /// Mail to this number, and whether that is all.
    pub(in crate::postgres) fn to(&mut self, place: Place) -> Result<(Vec<i64>, bool), Missing> {
        let Some(all) = self.looked.get(&place) else {
            self.wanted_to.push(place);
            return Err(Missing);
        };
        Ok((self.to.get(&place).cloned().unwrap_or_default(), *all))
    }

    pub(in crate::postgres) fn add(&mut self, id: i64, mail: Mail) {
        self.remember(id, &mail);
        self.table.put(id, Some(mail));
    }

    pub(in crate::postgres) fn delete(&mut self, id: i64) {
        self.table.put(id, None);
    }

    fn remember(&mut self, id: i64, mail: &Mail) {
        if let Some(number) = mail.number {
            self.to.entry((mail.plugin, number)).or_default().push(id);
        }
    }

    fn load_row(&mut self, row: &Row) -> Result<(), Fault> {
        let id = get(row, 0)?;
        let bytes: i64 = get(row, 4)?;
        let bytes = bytes + sql(MAIL_OVERHEAD);
        let mail = Mail { sender: get(row, 1)?, plugin: get(row, 2)?, number: get(row, 3)?, bytes, new: None };
        self.remember(id, &mail);
        self.table.loaded(id, mail);
        Ok(())
    }
}

/// What a mail's row is asked for, to let it go.
macro_rules! columns {
    () => {
        "mail.id, mail.sender, mail.plugin, mail.number,
           octet_length(mail.data)::bigint + coalesce(octet_length(mail.name), 0) AS bytes"
    };
}

static LOAD: Sql = Sql {
    text: concat!("SELECT ", columns!(), " FROM mail WHERE id = ANY($1) ORDER BY id FOR UPDATE"),
    types: &[Type::INT8_ARRAY],
};
static LOAD_TO: Sql = Sql {
    text: concat!(
        "SELECT found.* FROM unnest($1::bigint[], $2::bigint[]) AS wanted(plugin, number)
         CROSS JOIN LATERAL (
           SELECT ",
        columns!(),
        " FROM mail WHERE mail.plugin = wanted.plugin AND mail.number = wanted.number AND mail.number IS NOT NULL
           ORDER BY at, id LIMIT $3 FOR UPDATE
         ) AS found LIMIT $3"
    ),
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO mail(id, sender, plugin, number, name, at, data)
           SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bytea[])",
    types: &[
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};
static DELETE: Sql = Sql { text: "DELETE FROM mail WHERE id = ANY($1)", types: &[Type::INT8_ARRAY] };

impl Family for Mails {
    fn keep(&mut self) {
        self.table.keep();
    }

    fn undo(&mut self) {
        self.table.undo();
    }

    fn load(&mut self, batch: &mut Batch) {
        self.asked = self.table.wanted();
        if !self.asked.is_empty() {
            batch.ask(&LOAD, params![self.asked.clone()]);
        }
        self.asked_to = std::mem::take(&mut self.wanted_to);
        self.asked_to.sort_unstable();
        self.asked_to.dedup();
        if !self.asked_to.is_empty() {
            let (plugins, numbers): (Vec<i64>, Vec<i64>) = self.asked_to.iter().copied().unzip();
            batch.ask(&LOAD_TO, params![plugins, numbers, sql(LOOK as u64)]);
        }
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                self.load_row(&row)?;
            }
        }
        self.table.absent(asked);
        let asked_to = std::mem::take(&mut self.asked_to);
        if !asked_to.is_empty() {
            let rows = answers.rows();
            for row in &rows {
                self.load_row(row)?;
            }
            self.looked.extend(asked_to.into_iter().map(|place| (place, rows.len() < LOOK)));
        }
        Ok(())
    }

    fn has_strangers(&self, names: &Names) -> bool {
        self.table.all().any(|(_, mail)| names.plugin_name(mail.sender).is_none())
    }

    fn write(&mut self, batch: &mut Batch) {
        let (mut ids, mut senders, mut plugins) = (Vec::new(), Vec::new(), Vec::new());
        let (mut numbers, mut names, mut times, mut data) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut delete: Vec<i64> = Vec::new();
        for (id, change) in self.table.changes() {
            match change {
                Change::Insert(mail) => {
                    let Some(new) = &mail.new else { continue };
                    ids.push(*id);
                    senders.push(mail.sender);
                    plugins.push(mail.plugin);
                    numbers.push(mail.number);
                    names.push(new.name.clone());
                    times.push(new.at);
                    data.push(Raw(new.data.clone()));
                }
                Change::Delete => delete.push(*id),
                Change::Update(_) | Change::Absent => {}
            }
        }
        if !ids.is_empty() {
            batch.ask(&INSERT, params![ids, senders, plugins, numbers, names, times, data]);
        }
        if !delete.is_empty() {
            batch.ask(&DELETE, params![delete]);
        }
    }
}
