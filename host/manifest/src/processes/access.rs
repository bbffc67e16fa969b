//! Processes of other plugins, as grants name them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use skep_types::PluginName;

use crate::keys::{KeyPattern, Words};
use crate::read::{Item, Read};

const WORDS: Words =
    Words { one: "name", many: "processes", what: "a process's name", example: "cart:*", bytes_max: 256 };

/// Processes of one plugin by their names, written as topics and keys are: `shop/stock` is one, `shop/cart:*` all whose names
/// begin so, `shop/*` every one, those without a name included.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessSelector {
    /// The plugin whose processes they are.
    pub owner: PluginName,
    /// Which of them.
    pub pattern: KeyPattern,
}

/// What a plugin may do with processes of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessAccess {
    /// Ask who has a name, and be told of the end.
    Monitor,
    /// Send messages: `call`, `cast`, `send`; and monitor.
    Call,
    /// Everything: `stop`, and a link, through which the crash of one ends the other, as well.
    All,
}

impl ProcessAccess {
    /// Whether it allows to send messages.
    #[must_use]
    pub fn calls(self) -> bool {
        matches!(self, Self::Call | Self::All)
    }

    /// Whether it allows to stop them and to link to them.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::All)
    }
}

impl ProcessSelector {
    /// Whether a process of the owner is one of them, by its name if it has one.
    #[must_use]
    pub fn matches(&self, name: Option<&str>) -> bool {
        match name {
            Some(name) => self.pattern.matches(name),
            // Without a name it is one of all, and no other pattern can mean it.
            None => self.pattern.covers(""),
        }
    }
}

impl FromStr for ProcessSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (owner, pattern) = WORDS.parse(text)?;
        Ok(Self { owner, pattern })
    }
}

impl fmt::Display for ProcessSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.pattern)
    }
}

/// Reads the processes of others that a plugin is granted.
pub(crate) fn read_grants(item: &Item<'_>) -> Option<BTreeMap<ProcessSelector, ProcessAccess>> {
    item.map("a table such as { \"shop/cart:*\" = \"call\" }")
}

impl Read for ProcessAccess {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("monitor", Self::Monitor), ("call", Self::Call), ("all", Self::All)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_name_is_one_of_all() {
        let matches = |text: &str, name| text.parse::<ProcessSelector>().unwrap().matches(name);
        assert!(matches("shop/cart:*", Some("cart:42")) && !matches("shop/cart:*", Some("main")));
        assert!(matches("shop/main", Some("main")) && !matches("shop/main", None));
        assert!(matches("shop/*", Some("main")) && matches("shop/*", None) && !matches("shop/cart:*", None));
    }

    #[test]
    fn access_grows_from_word_to_word() {
        let allowed = |access: ProcessAccess| (access.calls(), access.stops());
        assert_eq!(allowed(ProcessAccess::Monitor), (false, false));
        assert_eq!(allowed(ProcessAccess::Call), (true, false));
        assert_eq!(allowed(ProcessAccess::All), (true, true));
    }
}
