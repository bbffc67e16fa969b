//! `[plugins.NAME.topics."orders:*"]`: what the host keeps of a plugin's topics; and the topics of others it may use.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use skep_types::{ByteSize, InvalidTopic, TopicName, TopicPattern, TopicSelector};
use toml::Value;

use crate::read::{Item, Read};

const SECOND: Duration = Duration::from_secs(1);
/// As long as anything in memory can be meant to live.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// A smaller log holds no message of a useful size.
const BYTES_MIN: ByteSize = ByteSize::kib(1);
const BYTES_MAX: ByteSize = ByteSize::mib(1 << 10);

/// Some topics of a plugin. Of several patterns that match a topic, the most exact one counts, and it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    /// The log that each of these topics has. Default: none, a message is gone when it is delivered.
    pub retain: Option<Retain>,
    /// What is told of who is there. Default: everything.
    pub presence: PresenceDetail,
}

/// The bounds of one topic's log; what is over any of them leaves it, the oldest message first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    /// The most messages. Default 1,000, 1 to 1,000,000.
    pub messages: usize,
    /// The most bytes: messages, and what the host needs for each. Default 1 MiB, 1 KiB to 1 GiB, and not more than
    /// `host.topic_memory`.
    pub bytes: ByteSize,
    /// How long a message is kept. Default 1 h, 1 s to a year.
    pub age: Duration,
}

/// What is told of who is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PresenceDetail {
    /// Who they are: keys and metas, and each change of them.
    #[default]
    Full,
    /// How many they are, for topics with a crowd.
    Count,
}

/// What a plugin may do with topics of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopicAccess {
    /// Listen, read the log and see who is there.
    Subscribe,
    /// Send messages and be there.
    Publish,
    /// Everything.
    Both,
}

impl Default for Retain {
    fn default() -> Self {
        Self { messages: 1000, bytes: ByteSize::mib(1), age: Duration::from_secs(3600) }
    }
}

impl TopicAccess {
    /// Whether it allows to listen.
    #[must_use]
    pub fn subscribes(self) -> bool {
        matches!(self, Self::Subscribe | Self::Both)
    }

    /// Whether it allows to send.
    #[must_use]
    pub fn publishes(self) -> bool {
        matches!(self, Self::Publish | Self::Both)
    }
}

/// The settings of a topic: those of its own name, else of the longest prefix that it has, else the defaults.
pub(crate) fn of(topics: &BTreeMap<TopicPattern, TopicConfig>, name: &TopicName) -> TopicConfig {
    let matching = topics.iter().filter(|(pattern, _)| pattern.matches(name));
    let exactness = |pattern: &TopicPattern| match pattern {
        TopicPattern::Exact(_) => usize::MAX,
        TopicPattern::Prefix(prefix) => prefix.len(),
    };
    matching.max_by_key(|(pattern, _)| exactness(pattern)).map(|(_, config)| *config).unwrap_or_default()
}

/// Reads the settings of a plugin's topics.
pub(crate) fn read(item: &Item<'_>) -> Option<BTreeMap<TopicPattern, TopicConfig>> {
    item.map("a table for each pattern of topics, `[plugins.NAME.topics.\"orders:*\"]`")
}

/// Reads the topics of others that a plugin is granted.
pub(crate) fn read_grants(item: &Item<'_>) -> Option<BTreeMap<TopicSelector, TopicAccess>> {
    let granted = item.map::<Granted, _>("a table such as { \"shop/orders:*\" = \"subscribe\" }")?;
    Some(granted.into_iter().map(|(Granted(selector), access)| (selector, access)).collect())
}

/// A selector whose plugin is never left away.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Granted(TopicSelector);

impl FromStr for Granted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('/') {
            return Err(format!("`{text}` names no plugin: write it and its topics, as in \"shop/orders:*\""));
        }
        text.parse().map(Self).map_err(|error: InvalidTopic| error.to_string())
    }
}

impl Read for TopicConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut topic = Self::default();
        if let Some(retain) = table.item("retain") {
            topic.retain = read_retain(&retain).unwrap_or_default();
        }
        table.set("presence", &mut topic.presence);
        table.finish();
        Some(topic)
    }
}

fn read_retain(item: &Item<'_>) -> Option<Option<Retain>> {
    match item.value {
        Value::Boolean(kept) => Some(kept.then(Retain::default)),
        Value::Table(_) => Retain::read(item).map(Some),
        _ => item.expected("true, or a table such as { messages = 1000, bytes = \"1MiB\", age = \"1h\" }"),
    }
}

impl Read for Retain {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut retain = Self::default();
        table.bounded("messages", &mut retain.messages, 1..=1_000_000);
        table.bounded("bytes", &mut retain.bytes, BYTES_MIN..=BYTES_MAX);
        table.bounded("age", &mut retain.age, SECOND..=YEAR);
        table.finish();
        Some(retain)
    }
}

impl Read for PresenceDetail {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("full", Self::Full), ("count", Self::Count)])
    }
}

impl Read for TopicAccess {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("subscribe", Self::Subscribe), ("publish", Self::Publish), ("both", Self::Both)])
    }
}
