//! Key-value data.
//!
//! A key that is not there cannot be locked. Where a write relies on its absence and does not insert it, as a check does, the
//! key is inserted and deleted again: if another host has inserted it meanwhile, or is about to, one of the two meets the other
//! under the primary key, and its group is done again. All that are inserted are so in the order of their keys, for whatever
//! reason: of two hosts each of which inserts what the other relies on, one waits, and not each for the other.

use bytes::Bytes;
use foldhash::HashSet;
use tokio_postgres::types::Type;

use super::Family;
use crate::postgres::batch::{Answers, Batch, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::table::{Change, Table};

/// Whose, and the key as the table has it.
pub(in crate::postgres) type Place = (i64, Bytes);

/// An item as it is kept, whether it has ended or not.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Item {
    pub(in crate::postgres) version: i64,
    pub(in crate::postgres) expires: Option<i64>,
    /// How many bytes its value has.
    pub(in crate::postgres) len: i64,
    /// None where it was not asked for.
    pub(in crate::postgres) value: Option<Bytes>,
}

/// Items of a group.
#[derive(Default)]
pub(in crate::postgres) struct Items {
    table: Table<Place, Item>,
    /// Those whose values are asked for.
    valued: HashSet<Place>,
    asked: Vec<Place>,
    /// What has ended is asked for: by when, and how many.
    expiring: Option<(i64, i64)>,
    /// What has ended, as it was found.
    pub(in crate::postgres) expired: Vec<Place>,
    asked_expiring: bool,
}

impl Items {
    /// The item is to be loaded, with its value if it is `valued`.
    pub(in crate::postgres) fn want(&mut self, place: Place, valued: bool) {
        if valued {
            self.valued.insert(place.clone());
        }
        self.table.want(place);
    }

    /// Items that have ended by now are to be loaded, so many more.
    pub(in crate::postgres) fn want_expired(&mut self, now: i64, limit: i64) {
        let (by, most) = self.expiring.unwrap_or((now, 0));
        self.expiring = Some((by.max(now), most.saturating_add(limit)));
    }

    pub(in crate::postgres) fn get(&mut self, place: &Place) -> Result<Option<&Item>, Missing> {
        self.table.get(place)
    }

    pub(in crate::postgres) fn put(&mut self, place: Place, item: Option<Item>) {
        self.table.put(place, item);
    }

    /// The write that is carried out relies on what it saw there.
    pub(in crate::postgres) fn rely(&mut self, place: &Place) {
        self.table.rely(place);
    }
}

static LOAD: Sql = Sql {
    text: "SELECT plugin, key, version, expires, octet_length(value)::bigint, CASE WHEN valued THEN value END
           FROM unnest($1::bigint[], $2::bytea[], $3::boolean[]) AS wanted(plugin, key, valued)
           JOIN items USING (plugin, key) ORDER BY plugin, key FOR UPDATE OF items",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::BOOL_ARRAY],
};
static EXPIRED: Sql = Sql {
    text: "SELECT plugin, key, version, expires, octet_length(value)::bigint, NULL::bytea
           FROM items WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED",
    types: &[Type::INT8, Type::INT8],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO items(plugin, key, version, expires, value)
           SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[])",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};
static UPDATE: Sql = Sql {
    text: "UPDATE items SET version = new.version, expires = new.expires, value = new.value
           FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[])
             AS new(plugin, key, version, expires, value)
           WHERE items.plugin = new.plugin AND items.key = new.key",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};
static DELETE: Sql = Sql {
    text: "DELETE FROM items USING unnest($1::bigint[], $2::bytea[]) AS gone(plugin, key)
           WHERE items.plugin = gone.plugin AND items.key = gone.key",
    types: &[Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};

#[derive(Default)]
struct Written {
    plugins: Vec<i64>,
    keys: Vec<Raw>,
    versions: Vec<i64>,
    expires: Vec<Option<i64>>,
    values: Vec<Raw>,
}

impl Written {
    fn add(&mut self, (plugin, key): &Place, item: &Item) {
        self.plugins.push(*plugin);
        self.keys.push(Raw(key.clone()));
        self.versions.push(item.version);
        self.expires.push(item.expires);
        // One that was changed has a value.
        self.values.push(Raw(item.value.clone().unwrap_or_default()));
    }

    fn ask(self, batch: &mut Batch, sql: &'static Sql) {
        if !self.plugins.is_empty() {
            batch.ask(sql, params![self.plugins, self.keys, self.versions, self.expires, self.values]);
        }
    }
}

fn columns(places: &[Place]) -> (Vec<i64>, Vec<Raw>) {
    places.iter().map(|(plugin, key)| (*plugin, Raw(key.clone()))).unzip()
}

impl Family for Items {
    fn keep(&mut self) {
        self.table.keep();
    }

    fn undo(&mut self) {
        self.table.undo();
    }

    fn load(&mut self, batch: &mut Batch) {
        self.asked = self.table.wanted();
        if !self.asked.is_empty() {
            let (plugins, keys) = columns(&self.asked);
            let valued: Vec<bool> = self.asked.iter().map(|place| self.valued.contains(place)).collect();
            batch.ask(&LOAD, params![plugins, keys, valued]);
        }
        let expiring = self.expiring.take();
        self.asked_expiring = expiring.is_some();
        if let Some((by, most)) = expiring {
            batch.ask(&EXPIRED, params![by, most]);
        }
    }

    fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        for (ask, expired) in [(!asked.is_empty(), false), (self.asked_expiring, true)] {
            if !ask {
                continue;
            }
            for row in answers.rows() {
                let place = (get(&row, 0)?, Bytes::copy_from_slice(get(&row, 1)?));
                if expired {
                    self.expired.push(place.clone());
                }
                let value: Option<&[u8]> = get(&row, 5)?;
                let item = Item {
                    version: get(&row, 2)?,
                    expires: get(&row, 3)?,
                    len: get(&row, 4)?,
                    value: value.map(Bytes::copy_from_slice),
                };
                self.table.loaded(place, item);
            }
        }
        self.table.absent(asked);
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) {
        let (mut insert, mut update) = (Written::default(), Written::default());
        let mut delete = Vec::new();
        for (place, change) in self.table.changes() {
            match change {
                Change::Insert(item) => insert.add(place, item),
                Change::Update(item) => update.add(place, item),
                Change::Delete => delete.push(place.clone()),
                Change::Absent => {
                    insert.add(place, &Item { version: 0, expires: None, len: 0, value: None });
                    delete.push(place.clone());
                }
            }
        }
        insert.ask(batch, &INSERT);
        update.ask(batch, &UPDATE);
        if !delete.is_empty() {
            let (plugins, keys) = columns(&delete);
            batch.ask(&DELETE, params![plugins, keys]);
        }
    }
}
