//! Who works on the database.

use super::batch::{Batch, Sql, get, params};
use super::fault::Fault;
use super::session::{Part, Session};

static REGISTER: Sql = Sql {
    text: "INSERT INTO hosts(id, seen) VALUES (nextval('host_ids'), clock_timestamp()) RETURNING id",
    types: &[],
};

/// Gives this start of the host its number.
pub(super) async fn register(session: &Session) -> Result<i64, Fault> {
    let row = session.run(&Batch::of(&REGISTER, params![]), Part::Whole).await?.row()?;
    get(&row, 0)
}
