//! Messages on their way: rows of the same transaction, told when it is durable, deleted with the next.

use rusqlite::{Connection, params};
use skep_types::TopicId;

use crate::commit::{Commit, Outgoing, Publish};
use crate::limits::MESSAGE_OVERHEAD;
use crate::number::{len, number, sql};
use crate::sqlite::state::unreadable;
use crate::sqlite::tx::Tx;

/// What a commit's messages count for.
pub(super) fn bytes(messages: &[Outgoing]) -> i64 {
    publishes(messages).map(|publish| size(publish, len(publish.topic.to_string().as_bytes()))).sum()
}

fn publishes(messages: &[Outgoing]) -> impl Iterator<Item = &Publish> {
    messages.iter().filter_map(|message| match message {
        Outgoing::Publish(publish) => Some(publish),
        Outgoing::Mail(_) => None,
    })
}

fn size(publish: &Publish, topic: i64) -> i64 {
    let event = publish.event.as_ref().map_or(0, |event| len(event.as_bytes()));
    sql(MESSAGE_OVERHEAD) + topic + event + len(&publish.data)
}

/// Writes a commit's messages.
pub(super) fn add(tx: &mut Tx<'_>, commit: &Commit) -> rusqlite::Result<()> {
    for publish in publishes(&commit.messages) {
        let plugin = tx.state.plugin_id(tx.connection, &commit.plugin)?;
        tx.state.counters.message += 1;
        let id = tx.state.counters.message;
        tx.connection
            .prepare_cached("INSERT INTO outbox(id, plugin, topic, event, data) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![sql(id), plugin, publish.topic.to_string(), publish.event, &publish.data[..]])?;
        let first = tx.effects.outbox.map_or(id, |(first, _)| first);
        tx.effects.outbox = Some((first, id + 1));
        tx.effects.publishes.push(publish.clone());
    }
    Ok(())
}

/// Deletes messages that were told.
pub(in crate::sqlite) fn forget(tx: &mut Tx<'_>, told: &[(u64, u64)]) -> rusqlite::Result<()> {
    for (first, behind) in told {
        let mut delete = tx.connection.prepare_cached(
            "DELETE FROM outbox WHERE id >= ?1 AND id < ?2
             RETURNING (SELECT name FROM plugins WHERE plugins.id = plugin),
               octet_length(topic) + coalesce(octet_length(event), 0) + length(data)",
        )?;
        let mut rows = delete.query([sql(*first), sql(*behind)])?;
        while let Some(row) = rows.next()? {
            let (plugin, bytes) = (crate::sqlite::state::plugin_name(row, 0)?, row.get::<_, i64>(1)?);
            tx.state.used(&plugin, 0, 0, -(bytes + sql(MESSAGE_OVERHEAD)));
        }
    }
    Ok(())
}

/// Messages that nobody knows to be told, and their rows.
pub(in crate::sqlite) fn left(connection: &Connection, told: &[(u64, u64)]) -> rusqlite::Result<Left> {
    let mut left = Left::default();
    let mut select = connection.prepare("SELECT id, topic, event, data FROM outbox ORDER BY id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id = number(row.get(0)?);
        if told.iter().any(|(first, behind)| (*first..*behind).contains(&id)) {
            continue;
        }
        let topic: TopicId = row.get_ref(1)?.as_str()?.parse().map_err(|error| unreadable(1, error))?;
        let data = row.get_ref(3)?.as_blob()?.to_vec().into();
        left.publishes.push(Publish { topic, event: row.get(2)?, data });
        left.rows.push((id, id + 1));
    }
    Ok(left)
}

/// What [`left`] finds.
#[derive(Default)]
pub(in crate::sqlite) struct Left {
    pub(in crate::sqlite) publishes: Vec<Publish>,
    pub(in crate::sqlite) rows: Vec<(u64, u64)>,
}
