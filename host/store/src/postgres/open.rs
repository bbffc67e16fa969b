//! Opening a database: where it is, whose it is, its schema.

use std::sync::Arc;

use tokio_postgres::config::SslMode;

use super::batch::{Batch, Sql, get, params};
use super::fault::Fault;
use super::options::PostgresOptions;
use super::schema::{MIGRATIONS, VERSION};
use super::session::{Part, Session};
use super::tls::{Tls, Trust};
use crate::sqlite::Durability;

/// The store was not opened. The database is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What it was told makes no sense.
    #[error("the database's options: {0}")]
    Options(String),
    /// The schema holds somebody else's tables.
    #[error("the schema `{schema}` holds tables of another program; it was left as it is: name another schema")]
    Foreign {
        /// The schema.
        schema: String,
    },
    /// A newer host wrote it.
    #[error("the schema `{schema}` has version {found}, and this host knows {VERSION}: start a newer host")]
    Newer {
        /// The schema.
        schema: String,
        /// Its version.
        found: i64,
    },
    /// A pooler is in between, of which it was not told.
    #[error(
        "between this host and the database is a pooler that gives a connection to each transaction, as PgBouncer does: set \
         `pooled = true`, or name the server itself in the URL"
    )]
    Pooled,
    /// The server is out of reach, or refuses to work.
    #[error("cannot use the database: {0}")]
    Failed(String),
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.text().to_owned())
    }
}

/// Where connections go, and what each says first.
pub(super) struct Target {
    pub(super) options: PostgresOptions,
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: Tls,
    /// What a connection says once.
    pub(super) settings: String,
    /// How a transaction begins that writes.
    pub(super) begin: String,
    /// How one begins that reads.
    pub(super) look: String,
}

impl Target {
    pub(super) fn new(options: PostgresOptions) -> Result<Arc<Self>, OpenError> {
        let schema = &options.schema;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if schema.is_empty() || schema.len() > 63 || !schema.chars().all(plain) || schema.starts_with("pg_") {
            return Err(OpenError::Options(format!(
                "`{schema}` is no name for a schema: 1 to 63 lower-case letters, digits and `_`, and not `pg_…`"
            )));
        }
        let (url, trust) = trust(&options.url)?;
        // The library's error does not repeat what it could not read.
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|error| OpenError::Options(format!("the URL: {error}")))?;
        if trust != Trust::Anybody {
            config.ssl_mode(SslMode::Require);
        }
        let keepalive = std::time::Duration::from_secs(5);
        config.application_name("skep").connect_timeout(options.connect_timeout).tcp_user_timeout(options.patience);
        config.keepalives_idle(keepalive).keepalives_interval(keepalive).keepalives_retries(3);
        let tls = Tls::new(&trust).map_err(|error| OpenError::Options(format!("TLS: {error}")))?;
        let local = if options.pooled { "LOCAL " } else { "" };
        let mut settings = String::new();
        for (name, value) in [
            ("search_path", format!("\"{schema}\"")),
            ("statement_timeout", options.statement_timeout.as_millis().to_string()),
            ("lock_timeout", options.lock_timeout.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", options.idle_timeout.as_millis().to_string()),
        ] {
            settings += &format!("SET {local}{name} = {value}; ");
        }
        if options.durability != Durability::Full {
            settings += &format!("SET {local}synchronous_commit = off; ");
        }
        let each = if options.pooled { settings.as_str() } else { "" };
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {each}");
        let look = format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {each}");
        Ok(Arc::new(Self { config, tls, settings, begin, look, options }))
    }
}

/// What the URL says of certificates, and the URL without what the library does not know.
fn trust(url: &str) -> Result<(String, Trust), OpenError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(OpenError::Options("the URL begins with `postgres://`".to_owned()));
    }
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), Trust::Anybody)) };
    let (mut rest, mut verify, mut root) = (Vec::new(), false, None);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-full")) => verify = true,
            Some(("sslmode", "verify-ca")) => {
                return Err(OpenError::Options("`sslmode` is disable, prefer, require or verify-full".to_owned()));
            }
            Some(("sslrootcert", path)) => root = Some(path.to_owned()),
            _ => rest.push(pair),
        }
    }
    let trust = match (verify, root) {
        (false, None) => Trust::Anybody,
        (false, Some(_)) => {
            return Err(OpenError::Options("`sslrootcert` is for `sslmode=verify-full`".to_owned()));
        }
        (true, None) => Trust::Known,
        (true, Some(path)) => Trust::File(path.into()),
    };
    let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    Ok((url, trust))
}

/// The first connection. Before it says what stays with a connection, it looks whether that would become somebody else's:
/// whether two have the same server process in turn, or one has two.
pub(super) async fn connect(target: &Arc<Target>) -> Result<Session, OpenError> {
    let session = Session::bare(target, None).await?;
    if !target.options.pooled {
        let beside = Session::bare(target, None).await?;
        let (one, other) = (session.backend().await?, beside.backend().await?);
        if one == other || beside.backend().await? != other {
            return Err(OpenError::Pooled);
        }
        session.settle().await?;
    }
    Ok(session)
}

static TABLES: Sql = Sql {
    text: "SELECT count(*), count(*) FILTER (WHERE tablename = 'skep_schema'), coalesce(current_schema(), '')::text
           FROM pg_tables WHERE schemaname = current_schema()",
    types: &[],
};
static SEEN: Sql = Sql { text: "SELECT version FROM skep_schema", types: &[] };

/// Makes sure that the schema is there, is ours and has the present version. Hosts that start at once do it one after the other.
pub(super) async fn migrate(session: &Session, target: &Target) -> Result<(), OpenError> {
    session.say(&target.begin).await?;
    let done = in_transaction(session, &target.options.schema).await;
    match done {
        Ok(()) => Ok(session.say("COMMIT").await?),
        Err(error) => {
            _ = session.rollback().await;
            Err(error)
        }
    }
}

/// The same, in a transaction that is open.
pub(super) async fn in_transaction(session: &Session, schema: &str) -> Result<(), OpenError> {
    // "skep" as a number, so that nobody else means the same lock.
    session.say("SELECT pg_advisory_xact_lock(1936418160, hashtext(current_database()))").await?;
    let exists = format!("SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'");
    // Where it is there already, who may not create schemas still gets on.
    session
        .say(&format!("DO $$ BEGIN IF NOT EXISTS ({exists}) THEN CREATE SCHEMA \"{schema}\"; END IF; END $$"))
        .await?;
    let row = session.run(&Batch::of(&TABLES, params![]), Part::Middle).await?.row()?;
    let (tables, ours): (i64, i64) = (get(&row, 0)?, get(&row, 1)?);
    if get::<&str>(&row, 2)? != schema {
        // It was said on a connection that another one has now.
        return Err(OpenError::Pooled);
    }
    if tables > 0 && ours == 0 {
        return Err(OpenError::Foreign { schema: schema.to_owned() });
    }
    let mut seen: i64 = 0;
    if ours > 0 {
        let row = session.run(&Batch::of(&SEEN, params![]), Part::Middle).await?.row()?;
        seen = get(&row, 0)?;
    }
    if seen > VERSION as i64 {
        return Err(OpenError::Newer { schema: schema.to_owned(), found: seen });
    }
    let first = usize::try_from(seen).unwrap_or(0);
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(first) {
        session.say(migration).await?;
        session.say(&format!("UPDATE skep_schema SET version = {}", at + 1)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Trust, trust};

    #[test]
    fn what_the_library_does_not_know_is_taken_out() {
        let of = |url: &str| trust(url).unwrap();
        assert_eq!(of("postgres://a@b/c"), ("postgres://a@b/c".to_owned(), Trust::Anybody));
        assert_eq!(of("postgres://b?sslmode=require"), ("postgres://b?sslmode=require".to_owned(), Trust::Anybody));
        assert_eq!(of("postgres://b?sslmode=verify-full&a=b"), ("postgres://b?a=b".to_owned(), Trust::Known));
        let url = "postgres://b?sslmode=verify-full&sslrootcert=/x.pem";
        assert_eq!(of(url), ("postgres://b".to_owned(), Trust::File("/x.pem".into())));
        assert!(trust("host=a").is_err());
        assert!(trust("postgres://b?sslrootcert=/x.pem").is_err());
    }
}
