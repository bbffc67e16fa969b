//! Names of topics, and the patterns of those who listen.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::PluginName;
use crate::id::InvalidName;

/// As Phoenix's binary frames, whose sizes are one byte each.
const BYTES_MAX: usize = 255;

/// The name of a topic within its plugin, as in `orders:42`: 1 to 255 bytes of UTF-8 without control characters and `*`.
/// Colons separate its parts by convention only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

/// A text that names no topic.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTopic {
    /// Nothing, or too much.
    #[error("`{0}` is not a topic: use 1 to 255 bytes")]
    Size(String),
    /// A letter that topics do not have.
    #[error("`{0}` is not a topic: control characters and `*` cannot stand in one")]
    Letter(String),
    /// A star that is not at the end.
    #[error("`{0}` is not a pattern of topics: `*` can only be its last character")]
    Star(String),
    /// The part in front of the slash is no plugin.
    #[error("a topic of another plugin is written as \"plugin/topic\"; {0}")]
    Owner(#[from] InvalidName),
}

fn check(text: &str) -> Result<(), InvalidTopic> {
    let shown = || text.chars().filter(|c| !c.is_control()).take(80).collect();
    if !(1..=BYTES_MAX).contains(&text.len()) {
        return Err(InvalidTopic::Size(shown()));
    }
    if text.chars().any(|c| c.is_control() || c == '*') {
        return Err(InvalidTopic::Letter(shown()));
    }
    Ok(())
}

impl TopicName {
    /// Checks a name.
    ///
    /// # Errors
    /// When the name breaks the rules above.
    pub fn new(name: &str) -> Result<Self, InvalidTopic> {
        check(name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A topic in the whole host: whose it is, and its name there. It prints as `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId {
    /// The plugin whose topic it is.
    pub owner: PluginName,
    /// Its name there.
    pub name: TopicName,
}

impl TopicId {
    /// Reads what a plugin writes: a topic of its own, or `plugin/topic`. The first slash always separates, so a topic
    /// of its own that has a slash is written with its own name in front.
    ///
    /// # Errors
    /// When plugin or topic break the rules of their names.
    pub fn of(plugin: &PluginName, text: &str) -> Result<Self, InvalidTopic> {
        match text.split_once('/') {
            Some(_) => text.parse(),
            None => Ok(Self { owner: plugin.clone(), name: TopicName::new(text)? }),
        }
    }
}

impl FromStr for TopicId {
    type Err = InvalidTopic;

    /// Reads `owner/name`.
    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        let (owner, name) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self { owner: PluginName::new(owner)?, name: TopicName::new(name)? })
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// Topics of one plugin: exactly one, or with a trailing `*` all that begin so; `*` alone is every one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicPattern {
    /// This topic.
    Exact(TopicName),
    /// All topics whose name begins so.
    Prefix(Arc<str>),
}

impl TopicPattern {
    /// Whether the topic is one of them.
    #[must_use]
    pub fn matches(&self, topic: &TopicName) -> bool {
        match self {
            Self::Exact(name) => name == topic,
            Self::Prefix(prefix) => topic.as_str().starts_with(&**prefix),
        }
    }

    /// Whether all topics of the other pattern are among this one's.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(topic)) => self.matches(topic),
            (Self::Prefix(own), Self::Prefix(others)) => others.starts_with(&**own),
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }
}

impl FromStr for TopicPattern {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        match text.strip_suffix('*') {
            Some("") => Ok(Self::Prefix("".into())),
            Some(prefix) if prefix.contains('*') => Err(InvalidTopic::Star(text.chars().take(80).collect())),
            Some(prefix) => {
                check(prefix)?;
                Ok(Self::Prefix(prefix.into()))
            }
            None if text.contains('*') => Err(InvalidTopic::Star(text.chars().take(80).collect())),
            None => Ok(Self::Exact(TopicName::new(text)?)),
        }
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// Topics in the whole host: whose, and which of them. It reads and prints as `owner/orders:*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicSelector {
    /// The plugin whose topics they are.
    pub owner: PluginName,
    /// Which of them.
    pub pattern: TopicPattern,
}

impl TopicSelector {
    /// Reads what a plugin writes: topics of its own, or `plugin/pattern`, as for [`TopicId::of`].
    ///
    /// # Errors
    /// When plugin or pattern break the rules.
    pub fn of(plugin: &PluginName, text: &str) -> Result<Self, InvalidTopic> {
        match text.split_once('/') {
            Some(_) => text.parse(),
            None => Ok(Self { owner: plugin.clone(), pattern: text.parse()? }),
        }
    }

    /// Whether the topic is one of them.
    #[must_use]
    pub fn matches(&self, topic: &TopicId) -> bool {
        self.owner == topic.owner && self.pattern.matches(&topic.name)
    }

    /// Whether all topics of the other selector are among this one's.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.owner == other.owner && self.pattern.covers(&other.pattern)
    }
}

impl FromStr for TopicSelector {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        let (owner, pattern) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self { owner: PluginName::new(owner)?, pattern: pattern.parse()? })
    }
}

impl fmt::Display for TopicSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_from_their_plugin() {
        let shop = PluginName::new("shop").unwrap();
        let read = |text: &str| TopicId::of(&shop, text).map(|topic| topic.to_string());
        assert_eq!(read("orders:42").unwrap(), "shop/orders:42");
        assert_eq!(read("mail/sent").unwrap(), "mail/sent");
        assert_eq!(read("shop/doc:/a/b").unwrap(), "shop/doc:/a/b");
        for bad in ["", "a*", "a\nb", "/a", "Shop/a", "shop/", "shop/a*", &"x".repeat(256)] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_match_by_name_or_prefix() {
        let matches = |pattern: &str, topic: &str| {
            pattern.parse::<TopicPattern>().unwrap().matches(&TopicName::new(topic).unwrap())
        };
        assert!(matches("orders:42", "orders:42") && !matches("orders:4", "orders:42"));
        assert!(matches("orders:*", "orders:42") && !matches("orders:*", "order:42"));
        assert!(matches("*", "anything"));
        for bad in ["", "**", "a*b", "*a", "a\u{7}*"] {
            assert!(bad.parse::<TopicPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        let covers = |wide: &str, narrow: &str| {
            wide.parse::<TopicSelector>().unwrap().covers(&narrow.parse::<TopicSelector>().unwrap())
        };
        assert!(covers("shop/orders:*", "shop/orders:7") && covers("shop/*", "shop/orders:*"));
        assert!(covers("shop/a", "shop/a") && !covers("shop/a", "shop/a*"));
        assert!(!covers("shop/orders:*", "shop/*") && !covers("shop/*", "mail/a"));
    }
}
