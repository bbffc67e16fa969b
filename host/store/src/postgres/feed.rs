//! What a host's commits changed, for the other hosts.
//!
//! Each group leaves a row, in its own transaction, under the host's next number, where there are others to read it. The numbers
//! have no gaps, so whoever reads knows what it missed: rows that were deleted before it came to them, which it tells as
//! [`reopened`](Changes::reopened).

use std::time::Duration;

use tokio_postgres::types::Type;

use super::batch::{Batch, Sql, params};
use super::effects::Effects;
use super::fault::Fault;
use super::session::{Part, Session};
use crate::number::sql;

/// How long rows are kept. Whoever did not read for so long has to look at everything.
pub(super) const KEEP: Duration = Duration::from_secs(60);

static INSERT: Sql = Sql {
    text: "INSERT INTO feed(host, n, at, queues, next_due, taken, fences, ended, states, mail, mail_due)
           VALUES ($1, $2, clock_timestamp(), $3, $4, $5, $6, $7, $8, $9, $10)",
    types: &[
        Type::INT8,
        Type::INT8,
        Type::INT8_ARRAY,
        Type::INT8,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT2_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8,
    ],
};

/// Writes what others have to know of a group, under this number, if there are others. Answers whether there is anything.
pub(super) fn write(batch: &mut Batch, effects: &Effects, host: i64, n: u64, others: bool) -> bool {
    let Effects { available, freed, next_due, ended, taken, mail, mail_due, .. } = effects;
    let queues: Vec<i64> = available.union(freed).copied().collect();
    let of_jobs = queues.is_empty() && next_due.is_none() && ended.is_empty() && taken.is_empty();
    if (of_jobs && mail.is_empty() && mail_due.is_none()) || !others {
        return false;
    }
    batch.ask(
        &INSERT,
        params![
            host,
            sql(n),
            queues,
            next_due.map(sql),
            taken.iter().map(|(id, _)| sql(id.0)).collect::<Vec<i64>>(),
            taken.iter().map(|(_, fence)| sql(fence.0)).collect::<Vec<i64>>(),
            ended.iter().map(|(id, _)| sql(id.0)).collect::<Vec<i64>>(),
            ended.iter().map(|(_, state)| *state as i16).collect::<Vec<i16>>(),
            mail.iter().map(|mail| sql(mail.id.0)).collect::<Vec<i64>>(),
            mail_due.map(sql),
        ],
    );
    true
}

/// The last one stays, so that its number is not given again.
static PRUNE: Sql = Sql {
    text: "DELETE FROM feed WHERE host = $1 AND at < clock_timestamp() - make_interval(secs => $2)
             AND n < (SELECT max(n) FROM feed WHERE host = $1)",
    types: &[Type::INT8, Type::FLOAT8],
};
static PRUNE_DEAD: Sql = Sql {
    text: "DELETE FROM feed WHERE at < clock_timestamp() - make_interval(secs => $1)
             AND NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.id = feed.host)",
    types: &[Type::FLOAT8],
};

/// Deletes what everybody has read, or has to do without.
pub(super) async fn prune(session: &Session, host: i64) -> Result<(), Fault> {
    let mut batch = Batch::of(&PRUNE, params![host, KEEP.as_secs_f64()]);
    batch.ask(&PRUNE_DEAD, params![KEEP.as_secs_f64()]);
    session.run(&batch, Part::Whole).await.map(drop)
}
