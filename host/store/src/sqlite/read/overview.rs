//! Queues, schedules, and what each plugin uses.

use skep_types::PluginName;

use crate::Timestamp;
use crate::error::Error;
use crate::job::{QueueCounts, QueueRef, QueueState};
use crate::number::number;
use crate::sqlite::fault::Stop;
use crate::sqlite::readers::Reader;
use crate::sqlite::state::{handler_name, plugin_name};
use crate::sqlite::tx::Quotas;
use crate::store::PluginUsage;

/// How many jobs there are in each queue.
pub(in crate::sqlite) fn queue_counts(reader: &Reader) -> Result<Vec<QueueCounts>, Stop<Error>> {
    let mut select = reader.connection.prepare_cached(
        "SELECT plugins.name, queues.name, suspended, scheduled, available, executing, retryable, completed, cancelled,
           discarded FROM queues JOIN plugins ON plugins.id = plugin ORDER BY plugins.name, queues.name",
    )?;
    let found = select.query_map([], |row| {
        let mut counts = [0; 8];
        for (at, count) in counts.iter_mut().enumerate() {
            *count = number(row.get(2 + at)?);
        }
        Ok(QueueCounts { queue: QueueRef { plugin: plugin_name(row, 0)?, queue: handler_name(row, 1)? }, counts })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// What operators said of queues.
pub(in crate::sqlite) fn queue_states(reader: &Reader) -> Result<Vec<(QueueRef, QueueState)>, Stop<Error>> {
    let mut select = reader.connection.prepare_cached(
        "SELECT plugins.name, queues.name, paused, concurrency FROM queues JOIN plugins ON plugins.id = plugin
         WHERE said ORDER BY plugins.name, queues.name",
    )?;
    let found = select.query_map([], |row| {
        let queue = QueueRef { plugin: plugin_name(row, 0)?, queue: handler_name(row, 1)? };
        Ok((queue, QueueState { paused: row.get(2)?, concurrency: row.get(3)? }))
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// The last tick of each schedule.
pub(in crate::sqlite) fn ticks(reader: &Reader, plugin: &PluginName) -> Result<Vec<(String, Timestamp)>, Stop<Error>> {
    let mut select = reader.connection.prepare_cached(
        "SELECT schedule, at FROM ticks JOIN plugins ON plugins.id = plugin WHERE plugins.name = ?1 ORDER BY schedule",
    )?;
    let found = select.query_map([plugin.as_str()], |row| Ok((row.get(0)?, number(row.get(1)?))))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// What each plugin uses.
pub(in crate::sqlite) fn usage(reader: &Reader, quotas: &Quotas) -> Result<Vec<PluginUsage>, Stop<Error>> {
    let mut select =
        reader.connection.prepare_cached("SELECT name, items, jobs, processes, bytes FROM plugins ORDER BY name")?;
    let found = select.query_map([], |row| {
        let plugin = plugin_name(row, 0)?;
        let quota = quotas.read().get(&plugin).copied();
        let [items, jobs, processes, bytes] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?].map(number);
        Ok(PluginUsage { plugin, items, jobs, processes, bytes, quota })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
