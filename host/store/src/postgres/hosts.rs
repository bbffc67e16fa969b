//! Who works on the database.

use tokio_postgres::types::Type;

use super::batch::{Batch, Sql, get, params};
use super::fault::Fault;
use super::session::{Part, Session};

static REGISTER: Sql = Sql {
    text: "INSERT INTO hosts(id, seen) VALUES (nextval('host_ids'), clock_timestamp()) RETURNING id",
    types: &[],
};

/// Held by each transaction that a host writes in: whoever gets it knows that none is left of that host.
pub(super) static WRITES: Sql =
    Sql { text: "SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), $1))", types: &[Type::INT8] };

/// Waits until a transaction has ended whose connection was lost: the server may still be at its commit.
pub(super) async fn outlive(session: &Session, host: i64) -> Result<(), Fault> {
    session.run(&Batch::of(&WRITES, params![host]), Part::Whole).await.map(|_| ())
}

/// Gives this start of the host its number.
pub(super) async fn register(session: &Session) -> Result<i64, Fault> {
    let row = session.run(&Batch::of(&REGISTER, params![]), Part::Whole).await?.row()?;
    get(&row, 0)
}
