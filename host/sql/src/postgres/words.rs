//! Which statements are passed on to a server.
//!
//! This is no wall: a function may do what a statement may not, and what guests may do is what the role may that the operator
//! gives in the URL. It keeps what belongs to the host, transactions and the session's settings, out of reach of mistakes.

use crate::error::Error;
use crate::words;

/// The first words of statements that read and write data, and that make and change what it is kept in.
const ALLOWED: [&str; 21] = [
    "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "SHOW", "CREATE", "ALTER",
    "DROP", "TRUNCATE", "COMMENT", "ANALYZE", "REFRESH", "REINDEX", "CALL", "LOCK", "NOTIFY",
];

pub(super) fn allowed(sql: &str) -> Result<(), Error> {
    let first = words::first(sql);
    if ALLOWED.contains(&first.as_str()) {
        return Ok(());
    }
    if words::is_transaction(&first) {
        return Err(words::refuse_transaction(&first));
    }
    match first.as_str() {
        "" => Err(Error::Invalid(if sql.trim().is_empty() || sql.trim_start().starts_with(['-', '/', ';']) {
            "there is no statement".to_owned()
        } else {
            "syntax error: a statement begins with a word".to_owned()
        })),
        // What is known to change the connection, or to leave the database.
        "SET" | "RESET" | "DISCARD" | "LISTEN" | "UNLISTEN" | "COPY" | "LOAD" | "DO" | "PREPARE" | "EXECUTE"
        | "DEALLOCATE" | "DECLARE" | "FETCH" | "MOVE" | "CLOSE" | "CHECKPOINT" | "CLUSTER" | "VACUUM" | "GRANT"
        | "REVOKE" | "SECURITY" | "REASSIGN" | "IMPORT" => Err(Error::Denied(format!(
            "`{first}` is no statement here: guests read and write data, and change neither the connection's settings \
             nor anybody's rights"
        ))),
        _ => Err(Error::Invalid(format!("syntax error: no statement begins with `{first}`"))),
    }
}
