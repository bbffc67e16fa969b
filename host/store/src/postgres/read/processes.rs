//! Records of processes, and their events.

use std::sync::Arc;

use bytes::Bytes;
use skep_types::{HandlerName, PluginName};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{bytes, rows_max, text, text_end_of};
use crate::limits::{PAGE_BYTES_MAX, PROCESS_NAME_BYTES_MAX};
use crate::number::{number, sql};
use crate::postgres::batch::{Batch, Sql, get, params};
use crate::postgres::fault::Fault;
use crate::postgres::readers::{Read, Reader};
use crate::process::{EventPage, ProcessEvent, ProcessHead, ProcessId, ProcessPage, ProcessRecord, Saved};

/// What there is of a process but what may be large.
macro_rules! head {
    () => {
        "number, kind, name, seq, wake_at, quarantined, bytes"
    };
}

/// What there is beside [`head`].
macro_rules! rest {
    () => {
        "first_event, last_event, version, args, extra, state, before_version, before_state"
    };
}

/// Rows of the plugin whose name is the first parameter.
macro_rules! of_plugin {
    () => {
        " FROM processes WHERE plugin = (SELECT id FROM plugins WHERE plugins.name = $1)"
    };
}

static RECORD: Sql = Sql {
    text: concat!("SELECT ", head!(), ", ", rest!(), of_plugin!(), " AND number = $2"),
    types: &[Type::TEXT, Type::INT8],
};
static BY_NAME: Sql = Sql {
    text: concat!("SELECT ", head!(), ", ", rest!(), of_plugin!(), " AND name = $2"),
    types: &[Type::TEXT, Type::TEXT],
};
static NAMES: Sql = Sql {
    text: concat!("SELECT ", head!(), of_plugin!(), " AND name >= $2 AND name < $3 ORDER BY name LIMIT $4"),
    types: &[Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8],
};
static LIST: Sql = Sql {
    text: concat!("SELECT ", head!(), of_plugin!(), " AND number >= $2 ORDER BY number LIMIT $3"),
    types: &[Type::TEXT, Type::INT8, Type::INT8],
};
/// Events are looked at only as far as the page goes; how long they are is known without. Those that are about to be deleted are
/// not there.
static EVENTS: Sql = Sql {
    text: concat!(
        "SELECT id, data
         FROM (
           SELECT id, data, sum(size) OVER (ORDER BY id) - size AS before
           FROM (
             SELECT id, data, octet_length(data) AS size
             FROM (SELECT plugin, number, first_event",
        of_plugin!(),
        " AND number = $2) AS process
             JOIN process_events USING (plugin, number)
             WHERE id >= first_event AND id > $3 ORDER BY id LIMIT $4
           ) AS found
         ) AS summed
         WHERE before <= $5 ORDER BY id"
    ),
    types: &[Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};

fn head(row: &Row, plugin: &PluginName) -> Result<ProcessHead, Fault> {
    let id = ProcessId { plugin: plugin.clone(), number: get::<i64>(row, 0)?.cast_unsigned() };
    let kind: &str = get(row, 1)?;
    Ok(ProcessHead {
        id,
        kind: HandlerName::new(kind).map_err(|_| Fault::Failed(format!("`{kind}` is no name")))?,
        name: get(row, 2)?,
        seq: number(get(row, 3)?),
        wake_at: get::<Option<i64>>(row, 4)?.map(number),
        quarantined: get::<Option<&[u8]>>(row, 5)?.map(|why| String::from_utf8_lossy(why).into_owned()),
        bytes: number(get(row, 6)?),
    })
}

fn full(row: &Row, plugin: &PluginName) -> Result<ProcessRecord, Fault> {
    let ProcessHead { id, kind, name, seq, wake_at, quarantined, bytes: _ } = head(row, plugin)?;
    Ok(ProcessRecord {
        id,
        kind,
        name,
        args: bytes(row, 10)?,
        saved: saved(row, 9, 12)?,
        before: saved(row, 13, 14)?,
        extra: bytes(row, 11)?,
        seq,
        first_event: number(get(row, 7)?),
        last_event: number(get(row, 8)?),
        wake_at,
        quarantined,
    })
}

fn saved(row: &Row, version: usize, state: usize) -> Result<Option<Saved>, Fault> {
    let Some(version) = get::<Option<i64>>(row, version)? else { return Ok(None) };
    let version = u32::try_from(version).map_err(|_| Fault::Failed(format!("{version} is no version of a state")))?;
    let state = get::<Option<&[u8]>>(row, state)?.map(Bytes::copy_from_slice).unwrap_or_default();
    Ok(Some(Saved { version, state }))
}

/// A process by its number.
pub(in crate::postgres) async fn record(reader: Reader, id: Arc<ProcessId>) -> Result<Option<ProcessRecord>, Read> {
    let batch = Batch::of(&RECORD, params![id.plugin.to_string(), id.number.cast_signed()]);
    let rows = reader.look(&batch).await?.rows();
    Ok(rows.first().map(|row| full(row, &id.plugin)).transpose()?)
}

/// A process by its name.
pub(in crate::postgres) async fn by_name(
    reader: Reader,
    args: Arc<(PluginName, String)>,
) -> Result<Option<ProcessRecord>, Read> {
    let (plugin, name) = &*args;
    let Some(name) = text(name) else { return Ok(None) };
    let rows = reader.look(&Batch::of(&BY_NAME, params![plugin.to_string(), name])).await?.rows();
    Ok(rows.first().map(|row| full(row, plugin)).transpose()?)
}

/// What a row of a page costs beside its name.
const HEAD_BYTES: usize = 256;

async fn page(reader: Reader, batch: Batch, plugin: &PluginName, limit: usize) -> Result<ProcessPage, Read> {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let (mut page, mut bytes) = (ProcessPage::default(), 0);
    for row in reader.look(&batch).await?.rows() {
        let found = head(&row, plugin)?;
        bytes += HEAD_BYTES + text(&found.name) + text(&found.quarantined);
        if page.processes.len() >= limit || (bytes > PAGE_BYTES_MAX && !page.processes.is_empty()) {
            page.more = true;
            break;
        }
        page.processes.push(found);
    }
    Ok(page)
}

/// So many rows are asked for: one more than there is room for.
fn heads_max(limit: usize) -> i64 {
    rows_max(limit.min(PAGE_BYTES_MAX / HEAD_BYTES))
}

/// Processes by how their names begin.
pub(in crate::postgres) async fn names(
    reader: Reader,
    args: Arc<(PluginName, String, Option<String>, usize)>,
) -> Result<ProcessPage, Read> {
    let (plugin, prefix, after, limit) = &*args;
    let Some(prefix) = text(prefix) else { return Ok(ProcessPage::default()) };
    // What an index is looked through for has to be said without an "or". No name has characters below this one, so none is
    // between a name and what it is with that.
    let from = match after.as_deref().filter(|after| *after >= prefix.as_str()) {
        Some(after) => format!("{}\u{1}", after.split('\0').next().unwrap_or_default()),
        None => prefix.clone(),
    };
    // No name is as long as this.
    let behind = text_end_of(&prefix).unwrap_or_else(|| char::MAX.to_string().repeat(PROCESS_NAME_BYTES_MAX));
    let batch = Batch::of(&NAMES, params![plugin.to_string(), from, behind, heads_max(*limit)]);
    page(reader, batch, plugin, *limit).await
}

/// Processes by their numbers, as the database orders them.
pub(in crate::postgres) async fn list(
    reader: Reader,
    args: Arc<(PluginName, Option<u64>, usize)>,
) -> Result<ProcessPage, Read> {
    let (plugin, after, limit) = &*args;
    let from = after.map_or(Some(i64::MIN), |after| after.cast_signed().checked_add(1));
    let Some(from) = from else { return Ok(ProcessPage::default()) };
    page(reader, Batch::of(&LIST, params![plugin.to_string(), from, heads_max(*limit)]), plugin, *limit).await
}

/// A process's events.
pub(in crate::postgres) async fn events(reader: Reader, args: Arc<(ProcessId, u64, usize)>) -> Result<EventPage, Read> {
    let (id, after, limit) = &*args;
    let batch = Batch::of(
        &EVENTS,
        params![
            id.plugin.to_string(),
            id.number.cast_signed(),
            sql(*after),
            rows_max(*limit),
            sql(PAGE_BYTES_MAX as u64)
        ],
    );
    let (mut page, mut held) = (EventPage::default(), 0);
    for row in reader.look(&batch).await?.rows() {
        let event = ProcessEvent { number: number(get(&row, 0)?), data: bytes(&row, 1)? };
        held += event.data.len();
        if page.events.len() >= *limit || (held > PAGE_BYTES_MAX && !page.events.is_empty()) {
            page.more = true;
            break;
        }
        page.events.push(event);
    }
    Ok(page)
}
