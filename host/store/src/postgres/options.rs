//! What the store is told when it opens.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use skep_types::ByteSize;

use crate::limits::Limits;
use crate::sqlite::Durability;

/// What the store is told when it opens. Its `Debug` form has no password.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where the database is: `postgres://user:password@host/database?sslmode=require`. A secret. Of `sslmode`, `disable`,
    /// `prefer` and `require` are as libpq's: they encrypt, and do not ask who is at the other end; `verify-full` does, by the
    /// roots that browsers know or those of the file that `sslrootcert` names.
    pub url: String,
    /// The schema that everything is in; others are not touched. Lower-case letters, digits and `_`. Default: `skep`.
    pub schema: String,
    /// What a crash of the server may cost. [`Durability::Normal`]: the last writes (`synchronous_commit = off`). Default:
    /// nothing, as far as the server is configured so.
    pub durability: Durability,
    /// Connections that read. Default: 2.
    pub readers: NonZeroUsize,
    /// Writes that wait for the writer, and reads that are on their way. One more is [`Busy`](crate::Error::Busy).
    /// Default: 4,096.
    pub waiting_max: usize,
    /// Bytes of writes that wait for the writer. Default: 64 MiB.
    pub waiting_bytes_max: ByteSize,
    /// As [`SqliteOptions::value_bytes_max`](crate::SqliteOptions::value_bytes_max). Default: 1 MiB.
    pub value_bytes_max: ByteSize,
    /// The most bytes of a commit: keys, values, arguments, data. Default: 8 MiB.
    pub commit_bytes_max: ByteSize,
    /// Between the program and the server is a pooler that gives a connection to each transaction, as PgBouncer does: nothing
    /// is prepared, nothing is listened to, and each transaction says anew what a connection says once. Where it is not said and
    /// there is one, the store does not open, as far as it can see that. Default: no.
    pub pooled: bool,
    /// Whether it hears at once what other hosts change. Never if it is [`pooled`](Self::pooled). Default: yes.
    pub listen: bool,
    /// How often it looks at what other hosts have changed, in case it did not hear of it. Default: 1 s.
    pub poll: Duration,
    /// How long a connection may take to be made. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long an answer may take; then the server is taken for gone. Default: 15 s.
    pub patience: Duration,
    /// How long the server works on one statement. Default: 10 s.
    pub statement_timeout: Duration,
    /// How long a write waits for a row that another host has locked, before it lets go and tries again. Default: 3 s.
    pub lock_timeout: Duration,
    /// How long the server leaves a transaction open whose host says nothing: a frozen host keeps others waiting no longer than
    /// this. Default: 2 s.
    pub idle_timeout: Duration,
    /// After how long without a sign of life another host is taken for dead. Default: 5 s.
    pub host_timeout: Duration,
}

impl PostgresOptions {
    /// The defaults, with this database.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: "skep".to_owned(),
            durability: Durability::Full,
            readers: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
            waiting_max: 4_096,
            waiting_bytes_max: ByteSize::mib(64),
            value_bytes_max: ByteSize::mib(1),
            commit_bytes_max: ByteSize::mib(8),
            pooled: false,
            listen: true,
            poll: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(5),
            patience: Duration::from_secs(15),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(2),
            host_timeout: Duration::from_secs(5),
        }
    }

    pub(super) const fn limits(&self) -> Limits {
        Limits { value_bytes_max: self.value_bytes_max.0, commit_bytes_max: self.commit_bytes_max.0 }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("durability", &self.durability)
            .field("pooled", &self.pooled)
            .finish_non_exhaustive()
    }
}
