//! Jobs that are looked for by what they are.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::Stock;
use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};

/// Which jobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::postgres) enum Ask {
    /// Those of these among the last ones before a number.
    Order {
        before: i64,
        limit: i64,
        plugin: Option<String>,
        queue: Option<String>,
        name: Option<String>,
        state: Option<i16>,
    },
    /// Those that other workers of this host have, and those of hosts that are gone.
    Others { worker: String, host: i64, limit: i64 },
    /// Those that wait for a revision which knows these names.
    Unknown { plugin: String, names: Vec<String>, limit: i64 },
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(in crate::postgres) struct Found {
    /// In no order.
    pub(in crate::postgres) ids: Vec<i64>,
    /// The last one that was looked at, if there may be more behind it.
    pub(in crate::postgres) last: Option<i64>,
}

/// What a group asks for.
#[derive(Default)]
pub(in crate::postgres) struct Asks {
    wanted: Vec<Ask>,
    asked: Vec<Ask>,
    known: BTreeMap<Ask, Found>,
}

static ORDER: Sql = Sql {
    text: concat!(
        "SELECT ",
        super::row::columns!(),
        " FROM (SELECT id FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2) AS last JOIN jobs USING (id)
          WHERE ($5::text IS NULL OR jobs.name = $5) AND ($6::smallint IS NULL OR jobs.state = $6)
            AND (($3::text IS NULL AND $4::text IS NULL) OR jobs.queue IN (
              SELECT queues.id FROM queues JOIN plugins ON plugins.id = queues.plugin
              WHERE ($3::text IS NULL OR plugins.name = $3) AND ($4::text IS NULL OR queues.name = $4)
            ))
          ORDER BY jobs.id FOR UPDATE OF jobs"
    ),
    types: &[Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT2],
};
static ORDER_END: Sql = Sql {
    text: "SELECT count(*), min(id) FROM (SELECT id FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2) AS last",
    types: &[Type::INT8, Type::INT8],
};
/// A worker that is gone says nothing; of one that another host is about to take, the other one takes it.
static OTHERS: Sql = Sql {
    text: concat!(
        "SELECT ",
        super::row::columns!(),
        " FROM jobs WHERE lane = -2 AND worker <> $1
            AND (host = $2 OR NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.id = jobs.host))
          ORDER BY rank, id LIMIT $3 FOR UPDATE OF jobs SKIP LOCKED"
    ),
    types: &[Type::TEXT, Type::INT8, Type::INT8],
};
/// Whoever has one locked is waited for: it is not looked for again before the next revision.
static UNKNOWN: Sql = Sql {
    text: concat!(
        "SELECT ",
        super::row::columns!(),
        " FROM jobs WHERE waiting = -1 AND name = ANY($2) AND queue = ANY(ARRAY(
            SELECT queues.id FROM queues JOIN plugins ON plugins.id = queues.plugin WHERE plugins.name = $1
          )) LIMIT $3 FOR UPDATE OF jobs"
    ),
    types: &[Type::TEXT, Type::TEXT_ARRAY, Type::INT8],
};

impl Asks {
    pub(in crate::postgres) fn want(&mut self, ask: Ask) {
        if !self.known.contains_key(&ask) && !self.wanted.contains(&ask) {
            self.wanted.push(ask);
        }
    }

    pub(in crate::postgres) fn get(&mut self, ask: &Ask) -> Result<Found, Missing> {
        if let Some(found) = self.known.get(ask) {
            return Ok(found.clone());
        }
        self.want(ask.clone());
        Err(Missing)
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked = std::mem::take(&mut self.wanted);
        for ask in &self.asked {
            match ask.clone() {
                Ask::Order { before, limit, plugin, queue, name, state } => {
                    batch.ask(&ORDER, params![before, limit, plugin, queue, name, state]);
                    batch.ask(&ORDER_END, params![before, limit]);
                }
                Ask::Others { worker, host, limit } => batch.ask(&OTHERS, params![worker, host, limit]),
                Ask::Unknown { plugin, names, limit } => batch.ask(&UNKNOWN, params![plugin, names, limit]),
            }
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers, stock: &mut Stock) -> Result<(), Fault> {
        for ask in std::mem::take(&mut self.asked) {
            let mut found = Found::default();
            for row in answers.rows() {
                found.ids.push(get(&row, 0)?);
                stock.take_one(&row)?;
            }
            if let Ask::Order { limit, .. } = &ask {
                let end = answers.row()?;
                found.last =
                    get::<Option<i64>>(&end, 1)?.filter(|_| get(&end, 0).is_ok_and(|seen: i64| seen >= *limit));
            }
            self.known.insert(ask, found);
        }
        Ok(())
    }
}
