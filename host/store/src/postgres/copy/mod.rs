//! Moves the store of a stopped host from its SQLite file into a PostgreSQL, all of it or nothing.
//!
//! | module | holds |
//! |---|---|
//! | `tables` | what goes where |
//! | `columns` | rows on their way: read one by one, written together |
//!
//! Everything is one transaction of the database, the making of its tables too: a copy that fails, or is killed, leaves the
//! schema as it was. Hosts that start meanwhile wait for its end, because they make tables under the same lock.

mod columns;
mod tables;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tokio_postgres::types::Type;

use self::columns::Columns;
use self::tables::{COUNTERS, TABLES, Table};
use super::batch::{Batch, Sql, get, params};
use super::fault::Fault;
use super::open::{self, OpenError, Target};
use super::options::PostgresOptions;
use super::session::{Part, Session};
use crate::sqlite::{self, SqliteOptions};

/// How long the server may take for a batch, for an index of it, or for the commit.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the server waits for the next batch, which a slow disk has to give first.
const IDLE: Duration = Duration::from_secs(120);

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many rows there are of each table, by its name.
    pub tables: Vec<(&'static str, u64)>,
}

/// The store was not copied. The database is as it was; so is the file, but that it has the present schema.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// There is nothing to copy.
    #[error("there is no store in `{}`: a host that kept its store there would have made it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Somebody has it.
    #[error("a host works on `{}`, or another program has it open: stop it, and copy again", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not opened.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// What is in the file cannot be read.
    #[error("`{}`: {what} cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// What is the matter.
        reason: String,
    },
    /// The database is not opened, or refuses to work.
    #[error(transparent)]
    Postgres(#[from] OpenError),
    /// There is something already.
    #[error(
        "the schema `{schema}` holds a store already, or a host works on it: stop that host, and name another schema; if nothing \
         in this one is needed, drop it (`DROP SCHEMA {schema} CASCADE`) and copy again"
    )]
    NotEmpty {
        /// The schema.
        schema: String,
    },
    /// The database refuses rows.
    #[error("the table {table} cannot be written: {reason}; nothing was copied: see to that, and copy again")]
    Write {
        /// Which one.
        table: &'static str,
        /// What the server says.
        reason: String,
    },
    /// Not everything arrived. It was undone.
    #[error("of the table {table}, {to} rows arrived of {from}; nothing was copied: keep the file, and report this")]
    Differs {
        /// Which one.
        table: &'static str,
        /// Rows in the file.
        from: u64,
        /// Rows in the database.
        to: u64,
    },
    /// The answer to the commit was lost.
    #[error(
        "it is not known whether the copy was committed ({0}): copy again; if that is refused because the schema holds a store, it was"
    )]
    OutcomeUnknown(String),
    /// The machine refuses.
    #[error("no thread for the copy")]
    Io(#[source] io::Error),
}

static STRANGERS: Sql = Sql {
    text: "SELECT EXISTS (SELECT 1 FROM plugins) OR EXISTS (SELECT 1 FROM queues) OR EXISTS (SELECT 1 FROM hosts)",
    types: &[],
};
/// Behind what was given already, here or there.
static GO_ON: Sql = Sql {
    text: "SELECT setval(name::regclass, greatest(number + 1, nextval(name::regclass)), false)
           FROM unnest($1, $2) AS seen(name, number)",
    types: &[Type::TEXT_ARRAY, Type::INT8_ARRAY],
};
static NAMES_GO_ON: Sql = Sql {
    text: "SELECT
             setval(pg_get_serial_sequence('plugins', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM plugins), false),
             setval(pg_get_serial_sequence('queues', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM queues), false)",
    types: &[],
};

/// Copies the store in a file to a database whose schema is empty, or not there yet. It blocks until that is done.
///
/// Jobs that are on lease stay on it: who worked on them is gone, and they are taken back when it runs out.
///
/// # Errors
/// [`CopyError`]: the file is in use, or is no store; the schema holds one; or the server fails in the middle.
pub fn copy(from: &Path, to: PostgresOptions) -> Result<Copied, CopyError> {
    let is_there = from.metadata().is_ok_and(|metadata| metadata.len() > 0);
    if !is_there {
        return Err(CopyError::Missing { path: from.to_owned() });
    }
    let target =
        Target::new(PostgresOptions { patience: PATIENCE, statement_timeout: PATIENCE, idle_timeout: IDLE, ..to })?;
    let file = sqlite::open_alone(&SqliteOptions::new(from)).map_err(|error| match error {
        sqlite::OpenError::Failed { path, source, .. } if sqlite::is_locked(&source) => CopyError::InUse { path },
        other => other.into(),
    })?;
    let source = Source { path: from.to_owned(), file };
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CopyError::Io)?;
        runtime.block_on(async {
            let session = open::connect(&target).await?;
            session.say(&target.begin).await.map_err(OpenError::from)?;
            let copied = source.copy(&session, &target).await;
            match copied {
                Ok(copied) => match session.say("COMMIT").await {
                    Ok(()) => Ok(copied),
                    Err(fault @ Fault::Failed(_)) => Err(OpenError::from(fault).into()),
                    Err(fault) => Err(CopyError::OutcomeUnknown(fault.text().to_owned())),
                },
                Err(error) => {
                    _ = session.rollback().await;
                    Err(error)
                }
            }
        })
    };
    // A thread of its own, so that it does not matter who calls.
    let thread = std::thread::Builder::new().name("store-copy".to_owned()).spawn(run).map_err(CopyError::Io)?;
    thread.join().unwrap_or_else(|_| Err(CopyError::Io(io::Error::other("the thread has gone"))))
}

/// The file, which nobody else has open.
struct Source {
    path: PathBuf,
    file: Connection,
}

impl Source {
    async fn copy(&self, session: &Session, target: &Target) -> Result<Copied, CopyError> {
        let schema = &target.options.schema;
        open::in_transaction(session, schema).await?;
        session.say("LOCK TABLE hosts IN EXCLUSIVE MODE").await.map_err(OpenError::from)?;
        let strangers = session.run(&Batch::of(&STRANGERS, params![]), Part::Middle).await.map_err(OpenError::from)?;
        if read_one(strangers).map_err(OpenError::from)? {
            return Err(CopyError::NotEmpty { schema: schema.clone() });
        }
        let mut copied = Copied { tables: Vec::new() };
        for table in &TABLES {
            copied.tables.push((table.name, self.copy_table(session, table).await?));
        }
        self.go_on(session).await?;
        for table in &TABLES {
            // What is read next is planned for what is there.
            let said = session.say(&format!("ANALYZE {}", table.name)).await;
            said.map_err(|fault| refused(table.name, &fault))?;
        }
        Ok(copied)
    }

    /// Answers how many rows there are, here and there.
    async fn copy_table(&self, session: &Session, table: &'static Table) -> Result<u64, CopyError> {
        let unreadable = |error: rusqlite::Error| self.unreadable(table.name, &error);
        let mut select = self.file.prepare(table.read).map_err(unreadable)?;
        let mut rows = select.query([]).map_err(unreadable)?;
        let mut columns = Columns::of(table.write.types);
        loop {
            let row = rows.next().map_err(unreadable)?;
            let at_end = row.is_none();
            if let Some(row) = row {
                columns.push(row).map_err(unreadable)?;
            }
            if columns.is_full() || (at_end && !columns.is_empty()) {
                let batch = Batch::of(&table.write, columns.take());
                session.run(&batch, Part::Middle).await.map_err(|fault| refused(table.name, &fault))?;
            }
            if at_end {
                break;
            }
        }
        let count = format!("SELECT count(*) FROM {}", table.name);
        let from: i64 = self.file.query_row(&count, [], |row| row.get(0)).map_err(unreadable)?;
        let answers = session.run(&Batch::of(&table.count, params![]), Part::Middle).await;
        let to: i64 = answers.and_then(read_one).map_err(|fault| refused(table.name, &fault))?;
        let (from, to) = (crate::number::number(from), crate::number::number(to));
        if from == to { Ok(to) } else { Err(CopyError::Differs { table: table.name, from, to }) }
    }

    /// What is numbered from here on comes behind what was numbered.
    async fn go_on(&self, session: &Session) -> Result<(), CopyError> {
        const COUNTED: &str = "counters";
        let read = self.file.query_row("SELECT version, fence, job, mail, message FROM counters", [], |row| {
            (0..COUNTERS.len()).map(|at| row.get::<_, i64>(at)).collect::<rusqlite::Result<Vec<i64>>>()
        });
        let numbers = read.map_err(|error| self.unreadable(COUNTED, &error))?;
        let mut batch = Batch::of(&GO_ON, params![COUNTERS.map(str::to_owned).to_vec(), numbers]);
        batch.ask(&NAMES_GO_ON, params![]);
        session.run(&batch, Part::Middle).await.map(drop).map_err(|fault| refused(COUNTED, &fault))
    }

    fn unreadable(&self, what: &'static str, error: &rusqlite::Error) -> CopyError {
        CopyError::Read { path: self.path.clone(), what, reason: sqlite::explain(error) }
    }
}

fn read_one<T: for<'a> tokio_postgres::types::FromSql<'a>>(mut answers: super::batch::Answers) -> Result<T, Fault> {
    get(&answers.row()?, 0)
}

fn refused(table: &'static str, fault: &Fault) -> CopyError {
    CopyError::Write { table, reason: fault.text().to_owned() }
}
