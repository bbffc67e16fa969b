//! What a guest's statement may ask of SQLite.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use super::functions;

/// The table of the migrations.
pub(super) const MIGRATIONS_TABLE: &str = "skep_migrations";

/// Pragmas that only tell, and only of the database itself. Those in the second list have no argument, which would write.
const PRAGMAS_THAT_ASK: [&str; 10] = [
    // It lasts as long as its transaction, whose commit looks again.
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];
const PRAGMAS_THAT_TELL: [&str; 9] = [
    "application_id",
    "data_version",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "page_count",
    "page_size",
    "schema_version",
    "user_version",
];
/// Modules of virtual tables: those that keep data in the file, beside what only reads JSON and pragmas.
const MODULES: [&str; 3] = ["fts5", "fts5vocab", "rtree"];

/// Functions that load code, and that take time in the product of two lengths, uninterrupted.
const FUNCTIONS_DENIED: [&str; 4] = ["load_extension", "fts3_tokenizer", "json_patch", "jsonb_patch"];

/// The guard of a connection. While `own` is set, the host asks for itself.
#[derive(Clone, Default)]
pub(super) struct Guard {
    own: Arc<AtomicBool>,
    length_max: Arc<AtomicUsize>,
}

impl Guard {
    /// Puts a connection under guard, with limits that no guest can lift.
    pub(super) fn attach(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false)?;
        // A text in double quotes is a name, as everywhere else; a mistyped column is an error and no text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        for (limit, most) in [
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
            (Limit::SQLITE_LIMIT_COLUMN, 500),
            (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
            // A pattern is looked for in one step, in the product of both lengths at worst.
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 32),
        ] {
            connection.set_limit(limit, most)?;
        }
        functions::attach(connection, &self.length_max)?;
        let own = Arc::clone(&self.own);
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            if own.load(Relaxed) || may(&asked) { Authorization::Allow } else { Authorization::Deny }
        }))
    }

    /// The longest value and row from now on.
    pub(super) fn limit_length(&self, connection: &Connection, most: u64) -> rusqlite::Result<()> {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        self.length_max.store(usize::try_from(most).unwrap_or(usize::MAX), Relaxed);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most).map(|_| ())
    }

    /// What the host asks for itself.
    pub(super) fn own<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.own.store(true, Relaxed);
        let done = ask();
        self.own.store(false, Relaxed);
        done
    }
}

fn may(asked: &AuthContext<'_>) -> bool {
    use AuthAction as A;
    // `CREATE TABLE temp.t` is no temporary table to the authorizer. Renaming a table looks through the temporary ones.
    let is_temporary = asked.database_name.is_some_and(|name| name.eq_ignore_ascii_case("temp"));
    if is_temporary && !matches!(asked.action, A::Read { .. } | A::Select | A::Update { .. } | A::Function { .. }) {
        return false;
    }
    match asked.action {
        A::Attach { .. } | A::Detach { .. } | A::Transaction { .. } | A::Savepoint { .. } | A::Unknown { .. } => false,
        // They would outlive the session, in memory.
        A::CreateTempIndex { .. }
        | A::CreateTempTable { .. }
        | A::CreateTempTrigger { .. }
        | A::CreateTempView { .. }
        | A::DropTempIndex { .. }
        | A::DropTempTable { .. }
        | A::DropTempTrigger { .. }
        | A::DropTempView { .. } => false,
        A::Pragma { pragma_name, pragma_value } => {
            let is = |known: &&str| known.eq_ignore_ascii_case(pragma_name);
            PRAGMAS_THAT_ASK.iter().any(is) || (pragma_value.is_none() && PRAGMAS_THAT_TELL.iter().any(is))
        }
        A::CreateVtable { module_name, .. } | A::DropVtable { module_name, .. } => {
            MODULES.iter().any(|known| known.eq_ignore_ascii_case(module_name))
        }
        A::Function { function_name } => {
            !FUNCTIONS_DENIED.iter().any(|known| known.eq_ignore_ascii_case(function_name))
        }
        A::Insert { table_name }
        | A::Delete { table_name }
        | A::Update { table_name, .. }
        | A::DropTable { table_name }
        | A::AlterTable { table_name, .. }
        | A::CreateTrigger { table_name, .. }
        | A::CreateTable { table_name } => !table_name.eq_ignore_ascii_case(MIGRATIONS_TABLE),
        _ => true,
    }
}
