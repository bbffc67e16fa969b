//! Key-value data.

use std::sync::Arc;

use bytes::Bytes;
use skep_types::PluginName;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::Timestamp;
use crate::area::{Area, end_of};
use crate::item::{Item, ListRequest, Page};
use crate::number::{number, sql};
use crate::postgres::batch::{Batch, Raw, Sql, get, params};
use crate::postgres::fault::Fault;
use crate::postgres::readers::{Read, Reader};

static GET: Sql = Sql {
    text: "SELECT version, expires, value, place FROM unnest($2::bytea[]) WITH ORDINALITY AS wanted(key, place)
           JOIN items USING (key)
           WHERE plugin = (SELECT id FROM plugins WHERE name = $1) AND (expires IS NULL OR expires > $3)",
    types: &[Type::TEXT, Type::BYTEA_ARRAY, Type::INT8],
};
/// Values are looked at only as far as the page goes; how long they are is known without.
static LIST: Sql = Sql {
    text: "SELECT version, expires, CASE WHEN $5 THEN ''::bytea ELSE value END, key
           FROM (
             SELECT *, sum(size) OVER (ORDER BY key) - size AS before
             FROM (
               SELECT version, expires, value, key,
                 octet_length(key) + CASE WHEN $5 THEN 0 ELSE octet_length(value) END AS size
               FROM items
               WHERE plugin = (SELECT id FROM plugins WHERE name = $1) AND key >= $2 AND key < $3
                 AND (expires IS NULL OR expires > $4)
               ORDER BY key LIMIT $6
             ) AS found
           ) AS summed
           WHERE before <= $7 ORDER BY key",
    types: &[Type::TEXT, Type::BYTEA, Type::BYTEA, Type::INT8, Type::BOOL, Type::INT8, Type::INT8],
};

/// Items by their keys.
pub(in crate::postgres) async fn get_items(
    reader: Reader,
    args: Arc<(PluginName, Vec<String>, Timestamp)>,
) -> Result<Vec<Option<Item>>, Read> {
    let (space, keys, now) = &*args;
    // A key that no plugin can have is nobody's: none begins with what stands here for it.
    let mark = |key: &String| Raw(Area::Plugin.mark(key).map(|key| Bytes::from(key.into_owned())).unwrap_or_default());
    let stored: Vec<Raw> = keys.iter().map(mark).collect();
    let batch = Batch::of(&GET, params![space.to_string(), stored, sql(*now)]);
    let mut items = vec![None; keys.len()];
    for row in reader.look(&batch).await?.rows() {
        let place = usize::try_from(get::<i64>(&row, 3)? - 1).unwrap_or(usize::MAX);
        if let (Some(item), Some(key)) = (items.get_mut(place), keys.get(place)) {
            *item = Some(read(&row, key.clone())?);
        }
    }
    Ok(items)
}

fn read(row: &Row, key: String) -> Result<Item, Fault> {
    Ok(Item {
        key,
        value: Bytes::copy_from_slice(get(row, 2)?),
        version: number(get(row, 0)?),
        expires: get::<Option<i64>>(row, 1)?.map(number),
    })
}

/// Items by how their keys begin.
pub(in crate::postgres) async fn list(reader: Reader, request: Arc<ListRequest>) -> Result<Page, Read> {
    let mut page = Page::default();
    let Some(prefix) = request.area.mark(&request.prefix) else { return Ok(page) };
    let after = request.after.as_ref().and_then(|after| request.area.mark(after)).filter(|after| *after >= prefix);
    // What an index is looked through for has to be said without an "or".
    let from = after.map_or_else(|| prefix.to_vec(), |after| [&*after, &[0]].concat());
    let from = from.max(request.area.first().to_vec());
    // No byte of a text is 255.
    let behind = end_of(&prefix).unwrap_or_else(|| vec![u8::MAX]);
    let batch = Batch::of(
        &LIST,
        params![
            request.space.to_string(),
            from,
            behind,
            sql(request.now),
            request.keys_only,
            sql(request.limit as u64).saturating_add(1),
            // A mark is a byte of each key that does not count.
            sql(request.bytes_max as u64).saturating_add(sql(request.limit as u64)),
        ],
    );
    let mut bytes = 0;
    for row in reader.look(&batch).await?.rows() {
        let item = read(&row, request.area.unmark(get(&row, 3)?))?;
        bytes += item.key.len() + item.value.len();
        if page.items.len() >= request.limit || (bytes > request.bytes_max && !page.items.is_empty()) {
            page.more = true;
            break;
        }
        page.items.push(item);
    }
    Ok(page)
}
