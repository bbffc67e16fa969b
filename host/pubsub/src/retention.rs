//! Which topics have a log.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use skep_types::{PluginName, TopicId, TopicName, TopicPattern, TopicSelector};

use crate::options::Retain;

/// The table of one configuration. It is replaced as a whole.
#[derive(Default)]
pub(crate) struct Retention {
    /// Tells tables apart; the first one is 1, so that 0 stands for none.
    pub(crate) generation: u64,
    owners: HashMap<PluginName, Rules, RandomState>,
}

#[derive(Default)]
struct Rules {
    exact: HashMap<TopicName, Retain, RandomState>,
    /// The longest first.
    prefixes: Vec<(Arc<str>, Retain)>,
}

impl Retention {
    pub(crate) fn new(generation: u64, table: Vec<(TopicSelector, Retain)>) -> Self {
        let mut owners = HashMap::<_, Rules, _>::default();
        for (selector, retain) in table {
            let rules = owners.entry(selector.owner).or_default();
            match selector.pattern {
                TopicPattern::Exact(name) => {
                    rules.exact.insert(name, retain);
                }
                TopicPattern::Prefix(prefix) => rules.prefixes.push((prefix, retain)),
            }
        }
        for rules in owners.values_mut() {
            rules.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        }
        Self { generation, owners }
    }

    /// What is retained of a topic, by the most specific selector.
    pub(crate) fn of(&self, topic: &TopicId) -> Option<Retain> {
        let rules = self.owners.get(&topic.owner)?;
        let by_prefix = || {
            let found = rules.prefixes.iter().find(|(prefix, _)| topic.name.as_str().starts_with(&**prefix));
            found.map(|(_, retain)| *retain)
        };
        rules.exact.get(&topic.name).copied().or_else(by_prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn the_most_specific_selector_wins() {
        let row = |text: &str, n| {
            let retain = Retain { messages: NonZeroUsize::new(n).unwrap(), ..Retain::default() };
            (text.parse().unwrap(), retain)
        };
        let rows = vec![row("shop/*", 1), row("shop/orders:*", 2), row("shop/orders:4*", 3), row("shop/orders:42", 4)];
        let table = Retention::new(1, rows);
        let found = |text: &str| table.of(&text.parse().unwrap()).map(|retain| retain.messages.get());
        assert_eq!(found("shop/a"), Some(1));
        assert_eq!(found("shop/orders:1"), Some(2));
        assert_eq!(found("shop/orders:43"), Some(3));
        assert_eq!(found("shop/orders:42"), Some(4));
        assert_eq!(found("mail/orders:42"), None);
    }
}
