//! What a host's commits changed, for the other hosts.
//!
//! Each group leaves a row, in its own transaction, under the host's next number, where there are others to read it.

use tokio_postgres::types::Type;

use super::batch::{Batch, Sql, params};
use super::effects::Effects;
use super::writer::Shared;
use crate::number::sql;

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
static NOTIFY: Sql = Sql { text: "SELECT pg_notify('skep_' || current_schema(), '')", types: &[] };

/// Writes what others have to know of a group, under this number. Answers whether there is anything.
pub(super) fn write(batch: &mut Batch, effects: &Effects, shared: &Shared, host: i64, n: u64) -> bool {
    let Effects { available, next_due, ended, taken, mail, mail_due, .. } = effects;
    let of_jobs = available.is_empty() && next_due.is_none() && ended.is_empty() && taken.is_empty();
    if (of_jobs && mail.is_empty() && mail_due.is_none()) || shared.is_alone() {
        return false;
    }
    batch.ask(
        &INSERT,
        params![
            host,
            sql(n),
            available.iter().copied().collect::<Vec<i64>>(),
            next_due.map(sql),
            taken.iter().map(|(id, _)| sql(id.0)).collect::<Vec<i64>>(),
            taken.iter().map(|(_, fence)| sql(fence.0)).collect::<Vec<i64>>(),
            ended.iter().map(|(id, _)| sql(id.0)).collect::<Vec<i64>>(),
            ended.iter().map(|(_, state)| *state as i16).collect::<Vec<i16>>(),
            mail.iter().map(|mail| sql(mail.id.0)).collect::<Vec<i64>>(),
            mail_due.map(sql),
        ],
    );
    if shared.target.options.listen && !shared.target.options.pooled {
        batch.ask(&NOTIFY, params![]);
    }
    true
}
