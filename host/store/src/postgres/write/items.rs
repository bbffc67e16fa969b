//! What becomes of a commit's key-value data, and of items that have ended.

use bytes::Bytes;

use super::commit::AllUses;
use crate::Timestamp;
use crate::commit::{Check, Commit, Key, Write};
use crate::error::Error;
use crate::limits::ITEM_OVERHEAD;
use crate::number::{len, number, sql};
use crate::postgres::counts::Uses;
use crate::postgres::fault::{Missing, Stop, broken, refuse};
use crate::postgres::rows::items::{Item, Place};
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

/// Where a key is.
fn place(plugin: i64, key: &Key) -> Place {
    // Keys were checked before they came here.
    (plugin, Bytes::from(key.area.mark(&key.key).unwrap_or_default().into_owned()))
}

pub(super) fn want(commit: &Commit, wants: &mut Wants<'_>) {
    for check in &commit.checks {
        if let Some(plugin) = wants.plugin(&check.key.space) {
            wants.rows.items.want(place(plugin, &check.key), false);
        }
    }
    for write in &commit.writes {
        let (Write::Set { key, .. } | Write::Delete(key) | Write::Sum { key, .. }) = write;
        wants.quota(&key.space);
        if let Some(plugin) = wants.plugin(&key.space) {
            wants.rows.items.want(place(plugin, key), matches!(write, Write::Sum { .. }));
        }
    }
}

fn lives(item: &Item, now: Timestamp) -> bool {
    item.expires.is_none_or(|at| number(at) > now)
}

/// Whether a check holds.
pub(super) fn holds(tx: &mut Tx<'_>, check: &Check, now: Timestamp) -> Result<bool, Missing> {
    let plugin = tx.plugin(&check.key.space)?;
    let place = place(plugin, &check.key);
    let found = tx.rows.items.get(&place)?.filter(|item| lives(item, now)).map(|item| number(item.version));
    tx.rows.items.rely(&place);
    Ok(found == check.version)
}

/// Writes in their order. Answers the sums.
pub(super) fn write<'a>(
    tx: &mut Tx<'_>,
    commit: &'a Commit,
    version: i64,
    uses: &mut AllUses<'a>,
) -> Result<Vec<i64>, Stop<Error>> {
    let mut sums = Vec::new();
    for write in &commit.writes {
        let (Write::Set { key, .. } | Write::Delete(key) | Write::Sum { key, .. }) = write;
        let plugin = tx.plugin(&key.space)?;
        let place = place(plugin, key);
        let before = tx.rows.items.get(&place)?;
        let stored = before.map(|item| item.len);
        let after = match write {
            // What has ended when it is written is deleted.
            Write::Set { value, expires, .. } if expires.is_none_or(|at| at > commit.now) => {
                Some((value.clone(), expires.map(sql)))
            }
            Write::Set { .. } | Write::Delete(_) => None,
            Write::Sum { by, .. } => {
                let (sum, expires) = add(before, key, *by, commit.now)?;
                sums.push(sum);
                Some((sum.to_string().into(), expires))
            }
        };
        let fixed = len(&place.1) + sql(ITEM_OVERHEAD);
        let of = |len: Option<i64>| len.map_or((0, 0), |len| (1, fixed + len));
        let (had, has) = (of(stored), of(after.as_ref().map(|(value, _)| len(value))));
        let uses = uses.entry(&key.space).or_default();
        uses.items += has.0 - had.0;
        uses.bytes += has.1 - had.1;
        if stored.is_some() || after.is_some() {
            let item = after.map(|(value, expires)| Item { version, expires, len: len(&value), value: Some(value) });
            tx.rows.items.put(place, item);
        } else {
            tx.rows.items.rely(&place);
        }
    }
    Ok(sums)
}

/// The sum, and when it ends.
fn add(before: Option<&Item>, key: &Key, by: i64, now: Timestamp) -> Result<(i64, Option<i64>), Stop<Error>> {
    let Some(item) = before.filter(|item| lives(item, now)) else { return Ok((by, None)) };
    let Some(value) = &item.value else { return refuse(broken("a number that was not loaded")) };
    let Some(number) = decimal(value) else {
        return refuse(Error::Invalid(format!("`{}` is not a number", key.key)));
    };
    match number.checked_add(by) {
        Some(sum) => Ok((sum, item.expires)),
        None => refuse(Error::Invalid(format!("the sum in `{}` passes 64 bits", key.key))),
    }
}

/// The number that a text says, as the cache's counters are written.
fn decimal(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Deletes items that ended by now, at most so many. Those that another host deletes are left to it.
pub(in crate::postgres) const EXPIRE: Verb<(Timestamp, usize), u64, Error> =
    Verb { want: |(now, limit), wants| wants.rows.items.want_expired(sql(*now), sql(*limit as u64)), run: expire };

fn expire((now, limit): &(Timestamp, usize), tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let mut gone = 0;
    for place in tx.rows.items.expired.clone() {
        if gone as usize >= *limit {
            break;
        }
        // Another write of the group may have changed it, or another of these has deleted it.
        let Some(bytes) = tx.rows.items.get(&place)?.filter(|item| !lives(item, *now)).map(|item| item.len) else {
            continue;
        };
        let bytes = bytes + len(&place.1) + sql(ITEM_OVERHEAD);
        tx.uses(place.0, Uses { items: -1, bytes: -bytes, ..Uses::default() });
        tx.rows.items.put(place, None);
        gone += 1;
    }
    Ok(gone)
}
