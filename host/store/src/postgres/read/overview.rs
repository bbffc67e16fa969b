//! Counts, states of queues, ticks, usage.

use std::sync::Arc;

use skep_types::PluginName;
use tokio_postgres::Row;

use crate::job::{QueueCounts, QueueRef, QueueState};
use crate::number::number;
use crate::postgres::batch::{Batch, Sql, get, params};
use crate::postgres::fault::Fault;
use crate::postgres::readers::{Read, Reader};
use crate::postgres::rows::jobs::row::handler_name;
use crate::postgres::rows::jobs::said::concurrency_of;

/// Queues that a number was given for, and nothing else, are not listed.
static QUEUE_COUNTS: Sql = Sql {
    text: "SELECT plugins.name, queues.name, coalesce(sum(suspended), 0)::bigint, coalesce(sum(scheduled), 0)::bigint,
             coalesce(sum(available), 0)::bigint, coalesce(sum(executing), 0)::bigint,
             coalesce(sum(retryable), 0)::bigint, coalesce(sum(completed), 0)::bigint,
             coalesce(sum(cancelled), 0)::bigint, coalesce(sum(discarded), 0)::bigint
           FROM queues JOIN plugins ON plugins.id = plugin LEFT JOIN queue_counts ON queue = queues.id
           WHERE said OR queue IS NOT NULL
           GROUP BY plugins.name, queues.name ORDER BY plugins.name, queues.name",
    types: &[],
};
static QUEUE_STATES: Sql = Sql {
    text: "SELECT plugins.name, queues.name, paused, concurrency FROM queues JOIN plugins ON plugins.id = plugin
           WHERE said ORDER BY plugins.name, queues.name",
    types: &[],
};

/// A name that was written as one.
pub(super) fn plugin_name(row: &Row, at: usize) -> Result<PluginName, Fault> {
    let text: &str = get(row, at)?;
    PluginName::new(text).map_err(|_| Fault::Failed(format!("`{text}` is no name")))
}

fn queue(row: &Row) -> Result<QueueRef, Fault> {
    Ok(QueueRef { plugin: plugin_name(row, 0)?, queue: handler_name(row, 1)? })
}

/// How many jobs there are in each queue.
pub(in crate::postgres) async fn queue_counts(reader: Reader, _: Arc<()>) -> Result<Vec<QueueCounts>, Read> {
    let mut all = Vec::new();
    for row in reader.look(&Batch::of(&QUEUE_COUNTS, params![])).await?.rows() {
        let mut counts = [0; 8];
        for (at, count) in counts.iter_mut().enumerate() {
            *count = number(get(&row, 2 + at)?);
        }
        all.push(QueueCounts { queue: queue(&row)?, counts });
    }
    Ok(all)
}

/// What operators said of queues.
pub(in crate::postgres) async fn queue_states(reader: Reader, _: Arc<()>) -> Result<Vec<(QueueRef, QueueState)>, Read> {
    let mut all = Vec::new();
    for row in reader.look(&Batch::of(&QUEUE_STATES, params![])).await?.rows() {
        let concurrency: Option<i64> = get(&row, 3)?;
        all.push((queue(&row)?, QueueState { paused: get(&row, 2)?, concurrency: concurrency.map(concurrency_of) }));
    }
    Ok(all)
}
