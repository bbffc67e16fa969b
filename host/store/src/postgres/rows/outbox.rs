//! Messages on their way to topics: rows of the same transaction, told when it is durable, deleted with the next.

use tokio_postgres::types::Type;

use super::Family;
use crate::commit::Publish;
use crate::number::len;
use crate::postgres::batch::{Answers, Batch, Raw, Sql, params};
use crate::postgres::fault::Fault;

/// A message that is to be told.
pub(in crate::postgres) struct Message {
    pub(in crate::postgres) id: i64,
    pub(in crate::postgres) plugin: i64,
    pub(in crate::postgres) bytes: i64,
    pub(in crate::postgres) publish: Publish,
}

/// Messages of a group.
#[derive(Default)]
pub(in crate::postgres) struct Outbox {
    host: i64,
    slot: i16,
    /// Those that were told before, and are to be deleted.
    told: Vec<i64>,
    new: Vec<Message>,
    kept: usize,
}

impl Outbox {
    /// The rows of a host that has told these.
    pub(in crate::postgres) fn of(host: i64, slot: i16, told: Vec<i64>) -> Self {
        Self { host, slot, told, ..Self::default() }
    }

    pub(in crate::postgres) fn add(&mut self, message: Message) {
        self.new.push(message);
    }
}

static FORGET: Sql = Sql {
    text: "WITH gone AS (DELETE FROM outbox WHERE id = ANY($1) AND host = $2 RETURNING plugin, bytes),
             freed AS (SELECT plugin, sum(bytes)::bigint AS bytes FROM gone GROUP BY plugin ORDER BY plugin)
           INSERT INTO plugin_counts AS old (plugin, slot, items, jobs, processes, bytes)
           SELECT plugin, $3, 0, 0, 0, -bytes FROM freed
           ON CONFLICT (plugin, slot) DO UPDATE SET bytes = old.bytes + excluded.bytes",
    types: &[Type::INT8_ARRAY, Type::INT8, Type::INT2],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO outbox(id, plugin, host, bytes, topic, event, data)
           SELECT id, plugin, $1, bytes, topic, event, data
           FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::bytea[])
             AS new(id, plugin, bytes, topic, event, data)",
    types: &[
        Type::INT8,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};

/// What a message counts for beside its fixed addition.
pub(in crate::postgres) fn size(publish: &Publish) -> i64 {
    let event = publish.event.as_ref().map_or(0, |event| len(event.as_bytes()));
    len(publish.topic.to_string().as_bytes()) + event + len(&publish.data)
}

impl Family for Outbox {
    fn keep(&mut self) {
        self.kept = self.new.len();
    }

    fn undo(&mut self) {
        self.new.truncate(self.kept);
    }

    fn load(&mut self, _: &mut Batch) {}

    fn loaded(&mut self, _: &mut Answers) -> Result<(), Fault> {
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) {
        if !self.new.is_empty() {
            let of = |part: fn(&Message) -> i64| self.new.iter().map(part).collect::<Vec<i64>>();
            let publishes = || self.new.iter().map(|message| &message.publish);
            batch.ask(
                &INSERT,
                params![
                    self.host,
                    of(|message| message.id),
                    of(|message| message.plugin),
                    of(|message| message.bytes),
                    publishes().map(|publish| publish.topic.to_string()).collect::<Vec<_>>(),
                    publishes().map(|publish| publish.event.clone().map(String::into_bytes)).collect::<Vec<_>>(),
                    publishes().map(|publish| Raw(publish.data.clone())).collect::<Vec<_>>(),
                ],
            );
        }
        if !self.told.is_empty() {
            batch.ask(&FORGET, params![std::mem::take(&mut self.told), self.host, self.slot]);
        }
    }
}
