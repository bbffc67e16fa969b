//! Key-value data.

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, params};
use skep_types::PluginName;

use crate::Timestamp;
use crate::area::{Area, end_of};
use crate::error::Error;
use crate::item::{Item, ListRequest, Page};
use crate::number::{number, sql};
use crate::sqlite::fault::Stop;
use crate::sqlite::readers::Reader;

pub(super) fn plugin_id(reader: &Reader, name: &PluginName) -> rusqlite::Result<Option<i64>> {
    reader
        .connection
        .prepare_cached("SELECT id FROM plugins WHERE name = ?1")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()
}

/// Items by their keys.
pub(in crate::sqlite) fn get(
    reader: &Reader,
    space: &PluginName,
    keys: Vec<String>,
    now: Timestamp,
) -> Result<Vec<Option<Item>>, Stop<Error>> {
    let Some(plugin) = plugin_id(reader, space)? else { return Ok(vec![None; keys.len()]) };
    let mut select = reader.connection.prepare_cached(
        "SELECT version, expires, value FROM items
         WHERE plugin = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)",
    )?;
    let mut one = |key: String| {
        let Some(stored) = Area::Plugin.mark(&key) else { return Ok(None) };
        let found = select.query_row(params![plugin, stored, sql(now)], |row| Ok((head(row, 0)?, value(row, 2)?)));
        let item = |((version, expires), value)| Item { key, value, version, expires };
        Ok(found.optional()?.map(item))
    };
    keys.into_iter().map(&mut one).collect()
}

fn head(row: &Row<'_>, at: usize) -> rusqlite::Result<(u64, Option<Timestamp>)> {
    Ok((number(row.get(at)?), row.get::<_, Option<i64>>(at + 1)?.map(number)))
}

fn value(row: &Row<'_>, at: usize) -> rusqlite::Result<Bytes> {
    Ok(Bytes::copy_from_slice(row.get_ref(at)?.as_blob()?))
}

/// Items by how their keys begin.
pub(in crate::sqlite) fn list(reader: &Reader, request: &ListRequest) -> Result<Page, Stop<Error>> {
    let mut page = Page::default();
    let Some(plugin) = plugin_id(reader, &request.space)? else { return Ok(page) };
    let Some(prefix) = request.area.mark(&request.prefix) else { return Ok(page) };
    let after = request.after.as_ref().and_then(|after| request.area.mark(after)).filter(|after| *after >= prefix);
    let from = after.as_deref().unwrap_or(&prefix).max(request.area.first());
    let behind = end_of(&prefix);
    let mut select = reader.connection.prepare_cached(
        "SELECT version, expires, iif(?5, x'', value), key FROM items
         WHERE plugin = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) AND (expires IS NULL OR expires > ?4)
         ORDER BY key",
    )?;
    let mut rows = select.query(params![plugin, from, behind, sql(request.now), request.keys_only])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(3)?.as_blob()?;
        if after.as_deref() == Some(key) {
            continue;
        }
        let text = request.area.unmark(key);
        bytes += text.len() + row.get_ref(2)?.as_blob()?.len();
        if page.items.len() >= request.limit || (bytes > request.bytes_max && !page.items.is_empty()) {
            page.more = true;
            break;
        }
        let (version, expires) = head(row, 0)?;
        page.items.push(Item { key: text, value: value(row, 2)?, version, expires });
    }
    Ok(page)
}
