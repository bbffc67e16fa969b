//! Names of cache buckets.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::PluginName;
use crate::id::InvalidName;

/// The name of a bucket within its plugin: 1 to 64 lower-case letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

/// A bucket name breaks the rules.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a bucket name: use 1 to 64 lower-case letters, digits, `-` and `_`")]
pub struct InvalidBucketName(String);

impl BucketName {
    /// Checks a name.
    ///
    /// # Errors
    /// When the name breaks the rules above.
    pub fn new(name: &str) -> Result<Self, InvalidBucketName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidBucketName(name.chars().take(80).collect()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A bucket in the whole host: whose it is, and its name there. It reads and prints as `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId {
    /// The plugin that configures it.
    pub owner: PluginName,
    /// Its name there.
    pub name: BucketName,
}

/// A text that names no bucket.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBucketId {
    /// There is no slash in it.
    #[error("`{0}` names no bucket: write the plugin and its bucket, as in \"shop/sessions\"")]
    Slash(String),
    /// The part in front of the slash is no plugin.
    #[error(transparent)]
    Owner(#[from] InvalidName),
    /// The part behind the slash is no bucket.
    #[error(transparent)]
    Name(#[from] InvalidBucketName),
}

impl FromStr for BucketId {
    type Err = InvalidBucketId;

    fn from_str(text: &str) -> Result<Self, InvalidBucketId> {
        let cut = || InvalidBucketId::Slash(text.chars().take(80).collect());
        let (owner, name) = text.split_once('/').ok_or_else(cut)?;
        Ok(Self { owner: PluginName::new(owner)?, name: BucketName::new(name)? })
    }
}

impl fmt::Display for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "0", "rate_limits-2", &"x".repeat(64)] {
            assert!(BucketName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a/b", "a.b", "ä", &"x".repeat(65)] {
            assert!(BucketName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_read_and_print() {
        assert_eq!("shop/my_cache".parse::<BucketId>().unwrap().to_string(), "shop/my_cache");
        for bad in ["", "shop", "shop/", "/a", "Shop/a", "shop/a/b"] {
            assert!(bad.parse::<BucketId>().is_err(), "{bad}");
        }
    }
}
