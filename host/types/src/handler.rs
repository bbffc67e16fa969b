//! Names of a plugin's handlers.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What a component calls one of its handlers, such as a subscription: 1 to 64 lower-case letters, digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandlerName(Arc<str>);

/// A handler's name breaks the rules.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a handler's name: use 1 to 64 lower-case letters, digits, `-` and `_`")]
pub struct InvalidHandlerName(String);

impl HandlerName {
    /// Checks a name.
    ///
    /// # Errors
    /// When the name breaks the rules above.
    pub fn new(name: &str) -> Result<Self, InvalidHandlerName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidHandlerName(name.chars().filter(|c| !c.is_control()).take(80).collect()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HandlerName {
    type Err = InvalidHandlerName;

    fn from_str(name: &str) -> Result<Self, InvalidHandlerName> {
        Self::new(name)
    }
}

/// So that a map by name is asked with what a guest wrote.
impl Borrow<str> for HandlerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "0", "on_order-2", &"x".repeat(64)] {
            assert_eq!(HandlerName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a/b", "a.b", "ä", "a\n", &"x".repeat(65)] {
            assert!(HandlerName::new(bad).is_err(), "{bad}");
        }
        assert!(!HandlerName::new("a\nb").unwrap_err().to_string().contains('\n'));
    }
}
