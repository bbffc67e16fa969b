//! Names and ids. Each is a newtype that can only hold what its rules allow.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a plugin, as the manifest, the command line, logs and metrics use it.
///
/// Lower-case letters, digits and `-`, starting with a letter, at most 63 bytes: a DNS label, because
/// `http://PLUGIN.skep.internal/` is an address.
// Every call has one, and nearly all are short enough to be copied: threads do not count references to one name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(SmolStr);

/// A plugin name breaks the rules.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a plugin name: use 1 to 63 lower-case letters, digits and `-`, starting with a letter")]
pub struct InvalidName(String);

impl PluginName {
    /// Checks a name.
    ///
    /// # Errors
    /// When the name breaks the rules above.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if starts && rest && name.len() <= 63 && !name.ends_with('-') {
            Ok(Self(name.into()))
        } else {
            Err(InvalidName(name.to_owned()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TryFrom<String> for PluginName {
    type Error = InvalidName;
    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(&name)
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> Self {
        name.0.into()
    }
}

/// The content hash of a plugin's component and settings: 16 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RevisionId(Arc<str>);

impl RevisionId {
    /// Wraps the hexadecimal digits of a hash, cut to 16.
    #[must_use]
    pub fn from_hex(hex: &str) -> Self {
        Self(hex.get(..16).unwrap_or(hex).into())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one request, in every log line of the call and in the `x-request-id` header of the answer.
///
/// It is either the client's own, where a trusted proxy sent one, or 16 random hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    // The usual case needs no allocation on the request path.
    Own([u8; 16]),
    Given(Arc<str>),
}

impl RequestId {
    /// An id made from 64 random bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 16];
        for (at, digit) in digits.iter_mut().enumerate() {
            let nibble = (bits >> (60 - at * 4)) & 0xf;
            *digit = HEX.get(usize::try_from(nibble).unwrap_or(0)).copied().unwrap_or(b'0');
        }
        Self(Repr::Own(digits))
    }

    /// An id that a trusted proxy chose: printable ASCII without spaces, 1 to 128 bytes, else `None`.
    #[must_use]
    pub fn given(id: &str) -> Option<Self> {
        let fits = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(Repr::Given(id.into())))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Own(digits) => std::str::from_utf8(digits).unwrap_or_default(),
            Repr::Given(id) => id,
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "web", "shop-2", &"x".repeat(63)] {
            assert!(PluginName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "2a", "-a", "a-", "A", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert!(PluginName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn request_ids_are_hexadecimal_or_what_a_proxy_chose() {
        assert_eq!(RequestId::from_bits(0xdead_beef).as_str(), "00000000deadbeef");
        assert_eq!(RequestId::given("abc-1").unwrap().as_str(), "abc-1");
        for bad in ["", "a b", "a\nb", &"x".repeat(129)] {
            assert!(RequestId::given(bad).is_none(), "{bad:?}");
        }
    }
}
