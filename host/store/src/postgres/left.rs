//! Messages that were committed, and that nobody is known to have told: of hosts that are dead, and of this one, where it did not
//! learn what became of a commit.

use skep_types::TopicId;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::batch::{Batch, Sql, get, params};
use super::fault::Fault;
use super::hosts;
use super::session::{Part, Session};
use crate::commit::Publish;

/// How many messages of dead hosts are taken at once.
const ADOPT_MAX: i64 = 1_000;
/// And how many bytes of them, but for one that is larger.
const ADOPT_BYTES_MAX: i64 = 8 << 20;

/// Those who adopt do so one after the other. Whoever writes messages is not kept.
static ONE_BY_ONE: Sql = Sql { text: "LOCK TABLE outbox IN SHARE UPDATE EXCLUSIVE MODE", types: &[] };
static ADOPT: Sql = Sql {
    text: "UPDATE outbox SET host = $1
           FROM (
             SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS before
             FROM (
               SELECT id, bytes FROM outbox
               WHERE NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.id = outbox.host) ORDER BY id LIMIT $2
             ) AS orphans
           ) AS found
           WHERE outbox.id = found.id AND before < $3 AND EXISTS (SELECT 1 FROM hosts WHERE hosts.id = $1)
           RETURNING outbox.id, topic, event, data",
    types: &[Type::INT8, Type::INT8, Type::INT8],
};
static OWN: Sql = Sql {
    text: "SELECT id, topic, event, data FROM outbox WHERE host = $1 AND NOT id = ANY($2)",
    types: &[Type::INT8, Type::INT8_ARRAY],
};

/// Messages to tell, and their rows.
#[derive(Default)]
pub(super) struct Left {
    pub(super) publishes: Vec<Publish>,
    pub(super) rows: Vec<i64>,
}

impl Left {
    fn read(mut rows: Vec<Row>) -> Result<Self, Fault> {
        let mut left = Self::default();
        rows.sort_by_key(|row| row.try_get::<_, i64>(0).unwrap_or(0));
        for row in &rows {
            left.rows.push(get(row, 0)?);
            let (topic, event): (&str, Option<Vec<u8>>) = (get(row, 1)?, get(row, 2)?);
            let event = event.map(String::from_utf8).transpose();
            match (topic.parse::<TopicId>(), event) {
                (Ok(topic), Ok(event)) => {
                    left.publishes.push(Publish { topic, event, data: get::<Vec<u8>>(row, 3)?.into() });
                }
                // It counts as told, or it would stand in the way for ever.
                _ => tracing::error!(topic, "a message in the outbox makes no sense; it is dropped"),
            }
        }
        Ok(left)
    }
}

/// Makes messages of dead hosts this one's, some at a time.
pub(super) async fn adopt(session: &Session, host: i64) -> Result<Left, Fault> {
    let mut batch = Batch::default();
    hosts::ask(&mut batch, host);
    batch.ask(&ONE_BY_ONE, params![]);
    batch.ask(&ADOPT, params![host, ADOPT_MAX, ADOPT_BYTES_MAX]);
    let mut answers = session.run(&batch, Part::Whole).await?;
    hosts::answered(&mut answers)?;
    answers.rows();
    Left::read(answers.rows())
}

/// This host's, but for those that it has told.
pub(super) async fn own(session: &Session, host: i64, told: &[i64]) -> Result<Left, Fault> {
    let batch = Batch::of(&OWN, params![host, told.to_vec()]);
    Left::read(session.run(&batch, Part::Look).await?.rows())
}
