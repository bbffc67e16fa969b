//! Names of buckets.

use std::fmt;
use std::sync::Arc;

use skep_types::PluginName;

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

/// A bucket in the whole host: whose it is, and its name there. It prints as `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId {
    /// The plugin that configures it.
    pub owner: PluginName,
    /// Its name there.
    pub name: BucketName,
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
}
