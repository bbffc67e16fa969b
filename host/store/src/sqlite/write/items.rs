//! What becomes of a commit's key-value data.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use foldhash::HashMap;
use rusqlite::{OptionalExtension, params};
use skep_types::PluginName;

use crate::Timestamp;
use crate::commit::{Check, Key, Write};
use crate::error::Error;
use crate::limits::ITEM_OVERHEAD;
use crate::number::{len, number, sql};
use crate::sqlite::fault::{Stop, refuse};
use crate::sqlite::tx::Tx;

/// What is there under the keys of a commit when it is carried out, and the sums on the way.
#[derive(Default)]
pub(super) struct Plan<'a> {
    slots: Vec<Slot<'a>>,
    by_key: HashMap<&'a Key, usize>,
    pub(super) sums: Vec<i64>,
}

struct Slot<'a> {
    key: &'a Key,
    /// The key as the table has it.
    mark: Cow<'a, [u8]>,
    /// Bytes of the value that is in the table, ended or not.
    stored: Option<i64>,
    value: Option<Value>,
}

struct Value {
    bytes: Bytes,
    expires: Option<Timestamp>,
}

impl<'a> Plan<'a> {
    /// Reads what has to be known, and works out the end of it all.
    pub(super) fn of(tx: &Tx<'_>, writes: &'a [Write], now: Timestamp) -> Result<Self, Stop<Error>> {
        let mut plan = Self::default();
        for write in writes {
            match write {
                Write::Set { key, value, expires } => {
                    // What has ended when it is written is deleted.
                    let live = expires.is_none_or(|at| at > now);
                    plan.slot(tx, key, false, now)?.value =
                        live.then(|| Value { bytes: value.clone(), expires: *expires });
                }
                Write::Delete(key) => plan.slot(tx, key, false, now)?.value = None,
                Write::Sum { key, by } => {
                    let slot = plan.slot(tx, key, true, now)?;
                    let expires = slot.value.as_ref().and_then(|value| value.expires);
                    let Some(before) = slot.value.as_ref().map_or(Some(0), |value| decimal(&value.bytes)) else {
                        return refuse(Error::Invalid(format!("`{}` is not a number", key.key)));
                    };
                    let Some(sum) = before.checked_add(*by) else {
                        return refuse(Error::Invalid(format!("the sum in `{}` passes 64 bits", key.key)));
                    };
                    slot.value = Some(Value { bytes: sum.to_string().into(), expires });
                    plan.sums.push(sum);
                }
            }
        }
        Ok(plan)
    }

    /// The slot of a key. Its value is read only if it is asked for, and nothing of this commit was written there before.
    fn slot(&mut self, tx: &Tx<'_>, key: &'a Key, wanted: bool, now: Timestamp) -> rusqlite::Result<&mut Slot<'a>> {
        let at = match self.by_key.get(key) {
            Some(at) => *at,
            None => {
                self.slots.push(Slot::read(tx, key, wanted, now)?);
                self.by_key.insert(key, self.slots.len() - 1);
                self.slots.len() - 1
            }
        };
        self.slots.get_mut(at).ok_or(rusqlite::Error::InvalidQuery)
    }

    /// What each plugin has more, or less: items and bytes.
    pub(super) fn uses(&self) -> BTreeMap<&'a PluginName, (i64, i64)> {
        let mut uses = BTreeMap::new();
        for slot in &self.slots {
            let key = len(&slot.mark) + sql(ITEM_OVERHEAD);
            let of = |bytes: Option<i64>| bytes.map_or((0, 0), |bytes| (1, key + bytes));
            let (before, after) = (of(slot.stored), of(slot.value.as_ref().map(|value| len(&value.bytes))));
            let uses: &mut (i64, i64) = uses.entry(&slot.key.space).or_default();
            uses.0 += after.0 - before.0;
            uses.1 += after.1 - before.1;
        }
        uses
    }

    pub(super) fn write(&self, tx: &mut Tx<'_>, version: u64) -> rusqlite::Result<()> {
        for slot in &self.slots {
            let key = &*slot.mark;
            match &slot.value {
                Some(value) => {
                    let plugin = tx.state.plugin_id(tx.connection, &slot.key.space)?;
                    tx.connection
                        .prepare_cached(
                            "INSERT INTO items(plugin, key, version, expires, value) VALUES (?1, ?2, ?3, ?4, ?5)
                             ON CONFLICT(plugin, key) DO UPDATE SET
                               version = excluded.version, expires = excluded.expires, value = excluded.value",
                        )?
                        .execute(params![plugin, key, sql(version), value.expires.map(sql), &value.bytes[..]])?;
                }
                None if slot.stored.is_some() => {
                    let plugin = tx.state.plugin_id(tx.connection, &slot.key.space)?;
                    tx.connection
                        .prepare_cached("DELETE FROM items WHERE plugin = ?1 AND key = ?2")?
                        .execute(params![plugin, key])?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

impl<'a> Slot<'a> {
    fn read(tx: &Tx<'_>, key: &'a Key, wanted: bool, now: Timestamp) -> rusqlite::Result<Self> {
        // Keys were checked before they came here.
        let mark = key.area.mark(&key.key).unwrap_or_default();
        let Some(plugin) = tx.state.plugin(&key.space) else {
            return Ok(Self { key, mark, stored: None, value: None });
        };
        let mut select = tx.connection.prepare_cached(
            "SELECT length(value), expires, iif(?3, value, x'') FROM items WHERE plugin = ?1 AND key = ?2",
        )?;
        let found = select.query_row(params![plugin.id, mark, wanted], |row| {
            let expires = row.get::<_, Option<i64>>(1)?.map(number);
            let live = wanted && expires.is_none_or(|at| at > now);
            let bytes = Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?);
            Ok((Some(row.get(0)?), live.then_some(Value { bytes, expires })))
        });
        let (stored, value) = found.optional()?.unwrap_or_default();
        Ok(Self { key, mark, stored, value })
    }
}

/// The number that a text says, as the cache's counters are written.
fn decimal(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether a check holds.
pub(super) fn holds(tx: &Tx<'_>, check: &Check, now: Timestamp) -> rusqlite::Result<bool> {
    let Some(plugin) = tx.state.plugin(&check.key.space) else { return Ok(check.version.is_none()) };
    let found: Option<i64> = tx
        .connection
        .prepare_cached(
            "SELECT version FROM items WHERE plugin = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)",
        )?
        .query_row(params![plugin.id, check.key.area.mark(&check.key.key), sql(now)], |row| row.get(0))
        .optional()?;
    Ok(found.map(number) == check.version)
}
