//! Keys in the stores of other plugins, as grants name them; and patterns of other names, which are written the same way.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use skep_types::PluginName;

/// As long as the store's keys.
const WORDS: Words = Words { one: "key", many: "keys", what: "a key", example: "catalog:*", bytes_max: 1024 };

/// Keys of one plugin, written as topics are: `shop/catalog:7` is one key, `shop/catalog:*` all that begin so, `shop/*` every
/// one. The first slash separates, so keys may have slashes. A star inside of a key cannot be written here, since it would
/// look like more than it does; a prefix that ends before it covers such keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySelector {
    /// The plugin whose keys they are.
    pub owner: PluginName,
    /// Which of them.
    pub pattern: KeyPattern,
}

/// Some keys of a plugin, or names of its processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyPattern {
    /// This key.
    Exact(Arc<str>),
    /// All keys that begin so.
    Prefix(Arc<str>),
}

impl KeyPattern {
    /// Whether the key is one of them.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *key,
            Self::Prefix(prefix) => key.starts_with(&**prefix),
        }
    }

    /// Whether all keys that begin so are among them: what somebody must be allowed who lists keys by a prefix.
    #[must_use]
    pub fn covers(&self, prefix: &str) -> bool {
        match self {
            Self::Exact(_) => false,
            Self::Prefix(own) => prefix.starts_with(&**own),
        }
    }
}

/// What names of a plugin's things are called, for those who write one wrong.
pub(crate) struct Words {
    /// One of them, in a word.
    pub(crate) one: &'static str,
    /// All of them.
    pub(crate) many: &'static str,
    /// One of them, with its article.
    pub(crate) what: &'static str,
    /// A pattern that makes sense.
    pub(crate) example: &'static str,
    /// The longest.
    pub(crate) bytes_max: usize,
}

impl Words {
    /// Reads `owner/name`, or `owner/prefix*`.
    pub(crate) fn parse(&self, text: &str) -> Result<(PluginName, KeyPattern), String> {
        let Self { one, many, what, example, bytes_max } = self;
        let Some((owner, names)) = text.split_once('/') else {
            return Err(match PluginName::new(text) {
                Ok(plugin) => format!(
                    "says nothing of {many}: write \"{plugin}/*\" for all of the plugin, or some, as in \"{plugin}/{example}\""
                ),
                Err(_) => format!("`{text}` names no plugin: write it and its {many}, as in \"shop/{example}\""),
            });
        };
        let owner = PluginName::new(owner)
            .map_err(|error| format!("{many} of another plugin are written as \"plugin/{one}\"; {error}"))?;
        let (stem, is_prefix) = names.strip_suffix('*').map_or((names, false), |prefix| (prefix, true));
        if stem.contains('*') {
            return Err(format!("`{names}` is not a pattern of {many}: `*` can only be its last character"));
        }
        if stem.len() > *bytes_max || stem.chars().any(char::is_control) || (stem.is_empty() && !is_prefix) {
            let shown: String = stem.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(format!("`{shown}` is not {what}: use 1 to {bytes_max} bytes without control characters"));
        }
        let pattern = if is_prefix { KeyPattern::Prefix(stem.into()) } else { KeyPattern::Exact(stem.into()) };
        Ok((owner, pattern))
    }
}

impl FromStr for KeySelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (owner, pattern) = WORDS.parse(text)?;
        Ok(Self { owner, pattern })
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(key) => f.write_str(key),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl fmt::Display for KeySelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> KeySelector {
        text.parse().unwrap()
    }

    #[test]
    fn selectors_read_and_print() {
        for text in ["shop/a", "shop/catalog:*", "shop/*", "shop/files/a b/*"] {
            assert_eq!(keys(text).to_string(), text);
        }
        assert!(format!("shop/{}", "x".repeat(1024)).parse::<KeySelector>().is_ok());
        let long = format!("shop/{}", "x".repeat(1025));
        for bad in ["", "shop", "shop/", "Shop/a", "/a", "shop/**", "shop/a*b", "shop/*a", "shop/a\n", &long] {
            assert!(bad.parse::<KeySelector>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_matches_a_key_or_all_that_begin_so() {
        let matches = |text: &str, key: &str| keys(text).pattern.matches(key);
        assert!(matches("shop/a", "a") && !matches("shop/a", "ab") && !matches("shop/ab", "a"));
        assert!(matches("shop/a*", "a") && matches("shop/a*", "a*b") && !matches("shop/a*", "b"));
        assert!(matches("shop/*", "anything"));
        let covers = |text: &str, prefix: &str| keys(text).pattern.covers(prefix);
        assert!(covers("shop/a*", "a") && covers("shop/a*", "ab") && covers("shop/*", ""));
        assert!(!covers("shop/ab*", "a") && !covers("shop/a", "a") && !covers("shop/a*", ""));
    }
}
