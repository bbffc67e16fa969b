//! Where a database is: in a file, or in a PostgreSQL that the manifest names.

use toml::Value;

use super::{SIZE_MAX, SIZE_MIN, SqlPlace, SqliteConfig};
use crate::read::{Item, Read, Section};
use crate::secret::SecretRef;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// Keys that are for a SQLite file only.
const ONLY_WITHOUT_URL: [&str; 2] = ["max_size", "durability"];

/// A PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Where it is.
    pub url: PostgresUrl,
    /// The password of the user in the URL. Default: the one in the URL if that is a secret, or none.
    pub password: Option<SecretRef>,
}

/// Where a PostgreSQL is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresUrl {
    /// As it is written, without a password.
    Written(String),
    /// In a secret, with or without one.
    Secret(SecretRef),
}

/// Reads what says where a database is.
pub(super) fn read_place(table: &mut Section<'_>) -> SqlPlace {
    let mut sqlite = SqliteConfig::default();
    table.bounded("max_size", &mut sqlite.max_size, SIZE_MIN..=SIZE_MAX);
    table.set("durability", &mut sqlite.durability);
    let Some(server) = read_server(table) else { return SqlPlace::Sqlite(sqlite) };
    for item in ONLY_WITHOUT_URL.iter().filter_map(|key| table.item(key)) {
        item.fail::<()>("is for a SQLite file; that of a PostgreSQL is said there");
    }
    server.map_or(SqlPlace::Sqlite(sqlite), SqlPlace::Postgres)
}

/// Reads `url` and what goes with it, if it is there. One that cannot be read is a problem by itself; the rest is read on, so that
/// all problems are told.
pub(crate) fn read_server(table: &mut Section<'_>) -> Option<Option<PostgresConfig>> {
    let url = table.item("url");
    let password = table.get("password");
    let Some(url) = url else {
        if let Some(item) = table.item("password") {
            item.fail::<()>("is for a PostgreSQL: write its `url`, or leave this away for a SQLite file");
        }
        return None;
    };
    let url = PostgresUrl::read(&url);
    Some(url.map(|url| PostgresConfig { url, password }))
}

/// Who is in front of the host, maybe with a password.
fn user(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    rest.get(..end).and_then(|authority| authority.rsplit_once('@')).map_or("", |(user, _)| user)
}

impl Read for PostgresUrl {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(url) = item.value else { return SecretRef::read(item).map(Self::Secret) };
        // No message repeats the URL: it may have a password in it.
        let rest = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme));
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            return item.fail(
                "is no PostgreSQL: write `postgres://USER@HOST[:PORT]/DATABASE`, or leave it away for a SQLite file",
            );
        };
        let parameters = rest.split_once('?').map_or("", |(_, parameters)| parameters);
        if user(url).is_empty() {
            return item.fail("names no user: write `postgres://USER@HOST[:PORT]/DATABASE`");
        }
        if user(url).contains(':') || parameters.split('&').any(|pair| pair.starts_with("password=")) {
            return item.fail(
                "has a password in it: a secret stays out of the manifest. Write `password = { env = \"NAME\" }` beside it, or \
                 `url = { env = \"NAME\" }` for the whole",
            );
        }
        Some(Self::Written(url.clone()))
    }
}
