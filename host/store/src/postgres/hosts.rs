//! Who works on the database: each start of a host has a row in `hosts`, which it has touched a moment ago.
//!
//! Whoever has no row is dead. A host deletes its own when it closes; another one deletes it when it has itself seen it unchanged
//! for the time that is configured, and has seen the database all the while: after a failure of the server or of the
//! network nobody is dead until everybody had that time to come back. Each group of writes locks its host's row first, so that
//! nothing is written any more under the number of a host that is dead, and whoever waits for that lock waits for the end of
//! what a lost connection had begun.

use tokio_postgres::types::Type;

use super::batch::{Answers, Batch, Sql, get, params};
use super::fault::Fault;
use super::session::{Part, Session};

/// It waits for the groups that are on their way, which know nothing of this host yet, and keeps others until it is known.
static ALONE: Sql = Sql { text: "LOCK TABLE hosts IN EXCLUSIVE MODE", types: &[] };
static REGISTER: Sql = Sql {
    text: "INSERT INTO hosts(id, seen) VALUES (nextval('host_ids'), clock_timestamp()) RETURNING id",
    types: &[],
};
static LIVES: Sql = Sql {
    text: "SELECT EXISTS (SELECT 1 FROM hosts AS others WHERE others.id <> $1) FROM hosts WHERE id = $1
           FOR KEY SHARE OF hosts",
    types: &[Type::INT8],
};
static FENCE: Sql = Sql { text: "SELECT 1 FROM hosts WHERE id = $1 FOR UPDATE", types: &[Type::INT8] };
static NEXT: Sql = Sql { text: "SELECT coalesce(max(n), 0) + 1 FROM feed WHERE host = $1", types: &[Type::INT8] };
static BEAT: Sql =
    Sql { text: "UPDATE hosts SET seen = clock_timestamp() WHERE id = $1 RETURNING 1", types: &[Type::INT8] };
/// When a host was last seen is a number that nobody calculates with.
static OTHERS: Sql = Sql {
    text: "SELECT id, (extract(epoch FROM seen) * 1000000)::bigint FROM hosts WHERE id <> $1",
    types: &[Type::INT8],
};
static ORPHANS: Sql = Sql {
    text: "SELECT EXISTS (SELECT 1 FROM outbox WHERE NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.id = outbox.host))",
    types: &[],
};
/// One that is in the middle of a transaction is left alone: either it lives, or the server ends it.
static BURY: Sql = Sql {
    text: "DELETE FROM hosts WHERE id IN (
             SELECT hosts.id FROM hosts JOIN unnest($1::bigint[], $2::bigint[]) AS still(id, seen) ON still.id = hosts.id
             WHERE (extract(epoch FROM hosts.seen) * 1000000)::bigint = still.seen
             ORDER BY hosts.id FOR UPDATE OF hosts SKIP LOCKED
           ) RETURNING id",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
/// Leases of those who have no row are over: their jobs are the first that anybody reclaims. One that somebody is at is left to its
/// time.
static END_LEASES: Sql = Sql {
    text: "UPDATE jobs SET rank = 0 WHERE id IN (
             SELECT id FROM jobs
             WHERE lane = -2 AND rank > 0 AND NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.id = jobs.host)
             ORDER BY rank, id FOR UPDATE SKIP LOCKED
           )",
    types: &[],
};
static LEAVE: Sql = Sql { text: "DELETE FROM hosts WHERE id = $1", types: &[Type::INT8] };

/// Gives this start of the host its number. Whatever others commit from here on, they tell it.
pub(super) async fn register(session: &Session) -> Result<i64, Fault> {
    let mut batch = Batch::of(&ALONE, params![]);
    batch.ask(&REGISTER, params![]);
    // A number that nobody learned is dead before long.
    let mut answers = session.run(&batch, Part::Whole).await.map_err(Fault::harmless)?;
    answers.rows();
    get(&answers.row()?, 0)
}

/// Asks for the host's own row, and keeps it.
pub(super) fn ask(batch: &mut Batch, host: i64) {
    batch.ask(&LIVES, params![host]);
}

/// Whether there are other hosts; [`Dead`](Fault::Dead) if this one has no row.
pub(super) fn answered(answers: &mut Answers) -> Result<bool, Fault> {
    answers.rows().first().map_or(Err(Fault::Dead), |row| get(row, 0))
}

/// Waits for the end of whatever a lost connection of this host had begun. Answers the number of its next row of the feed.
pub(super) async fn fence(session: &Session, host: i64) -> Result<i64, Fault> {
    let mut batch = Batch::of(&FENCE, params![host]);
    // It looks when the lock is there, not before.
    batch.ask(&NEXT, params![host]);
    let mut answers = session.run(&batch, Part::Whole).await?;
    if answers.rows().is_empty() {
        return Err(Fault::Dead);
    }
    get(&answers.row()?, 0)
}

/// Gives the number back.
pub(super) async fn leave(session: &Session, host: i64) -> Result<(), Fault> {
    let mut batch = Batch::of(&LEAVE, params![host]);
    batch.ask(&END_LEASES, params![]);
    session.run(&batch, Part::Whole).await.map(drop)
}

/// What a host finds when it says that it lives.
pub(super) struct Beat {
    /// It has a row.
    pub(super) lives: bool,
    /// The others, and when each was last seen.
    pub(super) others: Vec<(i64, i64)>,
    /// There are messages that nobody tells.
    pub(super) orphans: bool,
}

/// Says that the host lives, and looks who does beside it.
pub(super) async fn beat(session: &Session, host: i64) -> Result<Beat, Fault> {
    let mut batch = Batch::of(&BEAT, params![host]);
    batch.ask(&OTHERS, params![host]);
    batch.ask(&ORPHANS, params![]);
    let mut answers = session.run(&batch, Part::Whole).await?;
    let lives = !answers.rows().is_empty();
    let others = answers.rows().iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect::<Result<_, Fault>>()?;
    Ok(Beat { lives, others, orphans: get(&answers.row()?, 0)? })
}

/// Takes these for dead, if they were not seen since. Answers who is.
pub(super) async fn bury(session: &Session, dead: &[(i64, i64)]) -> Result<Vec<i64>, Fault> {
    let (ids, seen): (Vec<i64>, Vec<i64>) = dead.iter().copied().unzip();
    let mut batch = Batch::of(&BURY, params![ids, seen]);
    batch.ask(&END_LEASES, params![]);
    let mut answers = session.run(&batch, Part::Whole).await?;
    answers.rows().iter().map(|row| get(row, 0)).collect()
}
