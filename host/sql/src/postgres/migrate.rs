//! Migrations of a database of a server.

use std::sync::Arc;
use std::time::Duration;

use postgres_protocol::escape::escape_literal;
use postgres_protocol::message::frontend;

use super::Pool;
use super::fault::Trouble;
use super::lease::{Lease, in_time};
use super::values::{self, Form};
use super::wire::IN_TRANSACTION;
use crate::backend::Alone;
use crate::error::Error;
use crate::migrations::plan::{Kept, plan};
use crate::migrations::{Migrated, Migration, Migrations, MigrationsError};
use crate::value::{Row, Value};

/// The lock that all hosts take which migrate this database, whoever's migrations they are: `skepmigr`.
const LOCK: i64 = 0x736b_6570_6d69_6772;
/// How long one waits for another.
const LOCK_WAIT: Duration = Duration::from_secs(60);
const TABLE: &str = "CREATE TABLE skep_migrations (owner TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, \
                     checksum TEXT NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (owner, number))";

impl Pool {
    /// Applies what is missing, each in a transaction of its own, under a lock.
    pub(crate) async fn migrate(
        self: &Arc<Self>,
        migrations: &Migrations,
        alone: &Alone,
        now_ms: i64,
    ) -> Result<Migrated, MigrationsError> {
        let failed = |error: Error| MigrationsError(error.to_string());
        let waits = Alone { statement: LOCK_WAIT, ..alone.clone() };
        let (mut lease, until) = self.lease(&waits).await.map_err(failed)?;
        // Its end is the end of the lease, which cleans the connection.
        let lock = format!("SELECT pg_catalog.pg_advisory_lock({LOCK})");
        let locked = in_time(lease.left(until), lease.say(&lock)).await;
        match locked.map_err(Trouble::tell) {
            Ok(_) => {}
            Err(Error::Timeout) => {
                let why = "another host migrates this database, for a minute already: look at it, and try again";
                return Err(MigrationsError(why.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        }
        let mut migrated = Migrated::default();
        loop {
            let kept = in_time(lease.left(waits.until()), kept(&mut lease, &migrations.owner)).await;
            let kept = kept.map_err(|trouble| failed(trouble.tell()))?;
            let plan = plan(&migrations.files, &kept.rows)?;
            let Some(file) = plan.next else { return Ok(Migrated { ahead: plan.ahead, ..migrated }) };
            apply(&mut lease, file, &migrations.owner, kept.has_table, alone, now_ms).await?;
            migrated.applied.push(file.applied());
        }
    }
}

struct All {
    rows: Vec<Kept>,
    has_table: bool,
}

async fn kept(lease: &mut Lease, owner: &str) -> Result<All, Trouble> {
    let there = rows(lease, "SELECT pg_catalog.to_regclass('skep_migrations') IS NOT NULL", &[Form::Boolean]).await?;
    if there != [[Value::Boolean(true)]] {
        return Ok(All { rows: Vec::new(), has_table: false });
    }
    let owner = escape_literal(owner);
    let sql = format!("SELECT number, name, checksum FROM skep_migrations WHERE owner = {owner} ORDER BY number");
    let found = rows(lease, &sql, &[Form::Integer, Form::Text, Form::Text]).await?;
    let kept = |row: Row| match <[Value; 3]>::try_from(row) {
        Ok([Value::Integer(number), Value::Text(name), Value::Text(checksum)]) => {
            Some(Kept { number: number.try_into().ok()?, name, checksum })
        }
        _ => None,
    };
    Ok(All { rows: found.into_iter().filter_map(kept).collect(), has_table: true })
}

async fn rows(lease: &mut Lease, sql: &str, forms: &[Form]) -> Result<Vec<Row>, Trouble> {
    let wire = &mut lease.connection()?.wire;
    frontend::query(sql, wire.outgoing()).map_err(|error| Trouble::Lost(error.to_string()))?;
    let mut found = Vec::new();
    wire.ask(|_, body| {
        found.push(values::read(body, forms)?);
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn apply(
    lease: &mut Lease,
    file: &Migration,
    owner: &str,
    has_table: bool,
    alone: &Alone,
    now_ms: i64,
) -> Result<(), MigrationsError> {
    let until = alone.until();
    let failed = |trouble: Trouble| file.failed(None, &trouble.tell().to_string());
    let left = lease.left(until);
    in_time(left, begin(lease, alone.statement)).await.map_err(failed)?;
    let applied = in_time(left, lease.say(&file.sql)).await;
    let status = applied.map_err(|trouble| match trouble {
        Trouble::Server(error) => {
            let why = error.explain();
            file.failed(error.position().map(|position| byte_of(&file.sql, position)), &why)
        }
        other => file.failed(None, &other.tell().to_string()),
    })?;
    if status != IN_TRANSACTION {
        let why = "it ends its transaction itself, so that some of it was applied and not noted: take BEGIN and COMMIT out \
                   of it, and undo by hand what was applied";
        return Err(MigrationsError(format!("`{}`: {why}", file.path.display())));
    }
    let create = if has_table { "" } else { TABLE };
    let (owner, name, checksum) = (escape_literal(owner), escape_literal(&file.name), escape_literal(&file.checksum));
    let note = format!(
        "{create}; INSERT INTO skep_migrations VALUES ({owner}, {}, {name}, {checksum}, {now_ms})",
        file.number
    );
    in_time(left, lease.say(&note)).await.map_err(failed)?;
    let path = file.path.display();
    lease.commit(until).await.map_err(|error| match error {
        Error::OutcomeUnknown => {
            MigrationsError(format!("`{path}`: the connection was lost while it was committed; try again"))
        }
        other => file.failed(None, &other.to_string()),
    })
}

async fn begin(lease: &mut Lease, most: Duration) -> Result<u8, Trouble> {
    lease.connection()?.limit(most).await?;
    lease.say("BEGIN").await
}

/// Where a character is, counted from 1.
fn byte_of(text: &str, position: u64) -> usize {
    let before = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
    text.char_indices().nth(before).map_or(text.len(), |(at, _)| at)
}
