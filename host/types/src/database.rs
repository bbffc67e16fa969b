//! Names of SQL databases.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::PluginName;
use crate::id::InvalidName;

/// The name of a database within its plugin: 1 to 64 lower-case letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseName(Arc<str>);

/// A database name breaks the rules.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a database name: use 1 to 64 lower-case letters, digits, `-` and `_`")]
pub struct InvalidDatabaseName(String);

impl DatabaseName {
    /// Checks a name.
    ///
    /// # Errors
    /// When the name breaks the rules above.
    pub fn new(name: &str) -> Result<Self, InvalidDatabaseName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidDatabaseName(name.chars().take(80).collect()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseName {
    type Err = InvalidDatabaseName;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseName> {
        Self::new(text)
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A database in the whole host: whose it is, and its name there. It reads and prints as `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseId {
    /// The plugin that declares it.
    pub owner: PluginName,
    /// Its name there.
    pub name: DatabaseName,
}

/// A text that names no database.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDatabaseId {
    /// There is no slash in it.
    #[error("`{0}` names no database: write the plugin and its database, as in \"shop/main\"")]
    Slash(String),
    /// The part in front of the slash is no plugin.
    #[error(transparent)]
    Owner(#[from] InvalidName),
    /// The part behind the slash is no database.
    #[error(transparent)]
    Name(#[from] InvalidDatabaseName),
}

impl FromStr for DatabaseId {
    type Err = InvalidDatabaseId;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseId> {
        let cut = || InvalidDatabaseId::Slash(text.chars().take(80).collect());
        let (owner, name) = text.split_once('/').ok_or_else(cut)?;
        Ok(Self { owner: PluginName::new(owner)?, name: DatabaseName::new(name)? })
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "0", "price_list-2", &"x".repeat(64)] {
            assert!(DatabaseName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a/b", "a.b", "ä", &"x".repeat(65)] {
            assert!(DatabaseName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_read_and_print() {
        assert_eq!("shop/my_data".parse::<DatabaseId>().unwrap().to_string(), "shop/my_data");
        for bad in ["", "shop", "shop/", "/a", "Shop/a", "shop/a/b"] {
            assert!(bad.parse::<DatabaseId>().is_err(), "{bad}");
        }
    }
}
