//! A database, and its transactions.

use std::{fmt, ops::Deref, rc::Rc};

use super::{Connection, host};
use crate::{CapabilityError, Error, Result, StatusCode, capability::refused};

/// So often a transaction is tried that others get in the way of.
const ATTEMPTS: usize = 8;

/// A database of the host. A clone is the same one, and costs nothing. Statements are sent through it as through every
/// [`Connection`].
#[derive(Clone)]
pub struct Database(Rc<Connection>);

/// In whose words a database is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite: parameters are `?1`.
    Sqlite,
    /// PostgreSQL: parameters are `$1`.
    Postgres,
}

/// How much a transaction sees of others. SQLite's are serializable, whatever is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// As the server has it, mostly read committed.
    #[default]
    Standard,
    /// One moment for all reads.
    RepeatableRead,
    /// As if there were no others.
    Serializable,
}

/// What a transaction is to be; see [`Database::transaction_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TransactionOptions {
    read_only: bool,
    isolation: Isolation,
}

impl TransactionOptions {
    /// One that may write, and sees of others what the server has it see.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only reads. In SQLite it waits for no writer, and none for it.
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// How much it sees of others.
    pub fn isolation(self, isolation: Isolation) -> Self {
        Self { isolation, ..self }
    }
}

impl Database {
    /// Opens a database of this plugin by its name, or one that another plugin shares, as `"owner/name"`.
    ///
    /// # Errors
    /// [`Denied`](CapabilityError::Denied) if the manifest neither declares nor grants it; the log says what to write there.
    pub fn open(name: &str) -> Result<Self> {
        match host::open(name) {
            Ok(handle) => Ok(Self(Rc::new(Connection::database(name, handle)))),
            Err(error) => Err(refused(error, format!("opening the database `{name}`"))),
        }
    }

    /// In whose words it is asked.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.0.handle().map(host::Database::dialect) {
            Some(host::Dialect::Postgres) => Dialect::Postgres,
            Some(host::Dialect::Sqlite) | None => Dialect::Sqlite,
        }
    }

    /// Runs `work` in a transaction, and commits it; an error of `work` undoes it. If another transaction gets in the way it
    /// begins anew, so `work` should do nothing but what the transaction undoes, and compute.
    ///
    /// ```
    /// use skep_sdk::{prelude::*, sql, test};
    ///
    /// test::database("main").run("create table stock (item text primary key, count integer not null)");
    /// let db = sql::Database::open("main")?;
    /// db.execute("insert into stock values ('honey', 3)", ())?;
    ///
    /// let buy = |item: &str, wanted: i64| {
    ///     db.transaction(|tx| {
    ///         let left: i64 = tx.query_one("select count from stock where item = ?1", params![item])?;
    ///         if left < wanted {
    ///             return Err(Error::new(StatusCode::CONFLICT, "sold out"));
    ///         }
    ///         tx.execute("update stock set count = count - ?2 where item = ?1", params![item, wanted])?;
    ///         Ok(left - wanted)
    ///     })
    /// };
    /// assert_eq!(buy("honey", 2)?, 1);
    /// assert!(buy("honey", 2).is_err());
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// A statement that is refused undoes the transaction at once, whatever `work` makes of it: its commit is refused for the same
    /// reason. What should happen in its place is asked for (`insert … on conflict …`), or done in another transaction.
    ///
    /// A call has one transaction of a database at a time, and while it is open everything goes through it: what is asked of the
    /// database itself is [`Invalid`](CapabilityError::Invalid).
    ///
    /// # Errors
    /// That of `work`; a [`Violation`](super::Violation) at the commit; [`OutcomeUnknown`](CapabilityError::OutcomeUnknown) if it
    /// may or may not be committed; [`Conflict`](CapabilityError::Conflict), as a 503, when others were in the way 8 times.
    pub fn transaction<R, E: Into<Error>>(&self, work: impl FnMut(&Connection) -> Result<R, E>) -> Result<R> {
        self.transaction_with(TransactionOptions::new(), work)
    }

    /// As [`transaction`](Self::transaction), with more to say of it.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub fn transaction_with<R, E: Into<Error>>(
        &self,
        options: TransactionOptions,
        mut work: impl FnMut(&Connection) -> Result<R, E>,
    ) -> Result<R> {
        for _ in 0..ATTEMPTS {
            let transaction = match self.begin(options) {
                Err(error) if error.capability() == Some(&CapabilityError::Conflict) => continue,
                begun => begun?,
            };
            let done = work(&transaction).map_err(Into::into);
            // Whatever the work made of it, a transaction that another one was in the way of is undone.
            if transaction.is_conflicted() {
                continue;
            }
            let ended = done.and_then(|value| transaction.commit().map(|()| value));
            if !transaction.is_conflicted() {
                return ended;
            }
        }
        // Nothing is wrong with the client's request: there are too many like it.
        let doing = self.0.doing_it("running a transaction in");
        Err(Error::from(CapabilityError::Conflict).context(doing).status(StatusCode::SERVICE_UNAVAILABLE))
    }

    fn begin(&self, options: TransactionOptions) -> Result<Connection> {
        let isolation = match options.isolation {
            Isolation::Standard => host::Isolation::Standard,
            Isolation::RepeatableRead => host::Isolation::RepeatableRead,
            Isolation::Serializable => host::Isolation::Serializable,
        };
        let begun = self.0.handle().map(|database| database.begin(options.read_only, isolation));
        match begun {
            Some(Ok(handle)) => Ok(self.0.transaction(handle)),
            Some(Err(error)) => Err(refused(error, self.0.doing_it("beginning a transaction in"))),
            None => Err(Error::from("a transaction has none inside of it")),
        }
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
