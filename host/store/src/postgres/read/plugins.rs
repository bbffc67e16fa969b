//! Schedules, and what each plugin uses.

use std::sync::Arc;

use skep_types::PluginName;
use tokio_postgres::types::Type;

use crate::Timestamp;
use crate::number::number;
use crate::postgres::batch::{Batch, Sql, get, params};
use crate::postgres::fault::Fault;
use crate::postgres::readers::{Read, Reader};
use crate::store::PluginUsage;

static TICKS: Sql = Sql {
    text: "SELECT schedule, at FROM ticks WHERE plugin = (SELECT id FROM plugins WHERE name = $1) ORDER BY schedule",
    types: &[Type::TEXT],
};
/// Sums are numbers without an end, as PostgreSQL has them.
static USAGE: Sql = Sql {
    text: "SELECT name, sum(items)::bigint, sum(jobs)::bigint, sum(processes)::bigint, sum(bytes)::bigint
           FROM plugins JOIN plugin_counts ON plugin = id GROUP BY id, name ORDER BY name",
    types: &[],
};

/// The last tick of each schedule.
pub(in crate::postgres) async fn ticks(
    reader: Reader,
    plugin: Arc<PluginName>,
) -> Result<Vec<(String, Timestamp)>, Read> {
    let rows = reader.look(&Batch::of(&TICKS, params![plugin.to_string()])).await?.rows();
    let tick = |row| Ok((text(get(row, 0)?)?, number(get(row, 1)?)));
    rows.iter().map(tick).collect()
}

fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_| Fault::Failed("a text is none".to_owned()))
}

/// What each plugin uses.
pub(in crate::postgres) async fn usage(reader: Reader, _: Arc<()>) -> Result<Vec<PluginUsage>, Read> {
    let rows = reader.look(&Batch::of(&USAGE, params![])).await?.rows();
    let usage = |row| {
        let name: &str = get(row, 0)?;
        let plugin = PluginName::new(name).map_err(|_| Fault::Failed(format!("`{name}` is no name")))?;
        let quota = reader.shared.quotas.read().get(&plugin).copied();
        let (items, jobs, processes) = (number(get(row, 1)?), number(get(row, 2)?), number(get(row, 3)?));
        Ok(PluginUsage { plugin, items, jobs, processes, bytes: number(get(row, 4)?), quota })
    };
    rows.iter().map(usage).collect()
}
