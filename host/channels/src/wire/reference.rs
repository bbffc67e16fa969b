//! Refs: whatever a client sends to tell its messages apart.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::Malformed;

/// The longest ref, as JSON, in bytes: binary frames have one byte for its size.
pub const REF_BYTES_MAX: usize = 255;

/// A ref, which comes back as it was: usually a string, but numbers and null do as well.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Ref(Option<Box<str>>);

impl Ref {
    /// No ref.
    pub const NULL: Self = Self(None);

    /// The ref with this JSON.
    pub(crate) fn from_json(json: &str) -> Result<Self, Malformed> {
        if json == "null" {
            return Ok(Self::NULL);
        }
        if json.len() > REF_BYTES_MAX {
            return Err(Malformed("a ref is too long"));
        }
        // One text for each string, so that refs compare by their text.
        if json.contains('\\') && json.starts_with('"') {
            let text: String = serde_json::from_str(json).map_err(|_| Malformed("a ref is no JSON"))?;
            return Self::from_text(&text);
        }
        Ok(Self(Some(json.into())))
    }

    /// The ref that is this string.
    pub(crate) fn from_text(text: &str) -> Result<Self, Malformed> {
        let json = serde_json::to_string(text).map_err(|_| Malformed("a ref is no text"))?;
        if json.len() > REF_BYTES_MAX + 2 {
            return Err(Malformed("a ref is too long"));
        }
        Ok(Self(Some(json.into())))
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        self.0.as_deref().unwrap_or("null")
    }

    /// As text, for binary frames: a string without its quotes, nothing for null.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self.0.as_deref() {
            None => Cow::Borrowed(""),
            Some(json) if json.starts_with('"') => {
                let plain = json.get(1..json.len() - 1).filter(|text| !text.contains('\\'));
                let unescaped = || Cow::Owned(serde_json::from_str(json).unwrap_or_default());
                plain.map_or_else(unescaped, Cow::Borrowed)
            }
            Some(json) => Cow::Borrowed(json),
        }
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.json())
    }
}

impl FromStr for Ref {
    type Err = Malformed;

    /// Reads what it prints: JSON.
    fn from_str(json: &str) -> Result<Self, Malformed> {
        super::check_json(json)?;
        Self::from_json(json.trim())
    }
}
