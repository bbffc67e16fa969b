//! Which topics a plugin may use, for `pubsub` and `presence` alike.

use std::sync::Arc;

use skep_bindings::types::Error;
use skep_presence::{Announce, Diff, Presence};
use skep_pubsub::{Options, PubSub};
use skep_types::{PluginName, SystemClock, TopicId, TopicSelector};

use crate::state::CallState;

/// The engines behind a plugin's topics, and what it may do with those of others. Its own are always granted.
#[derive(Clone)]
pub struct TopicGrants {
    /// Where messages go.
    pub pubsub: PubSub,
    /// Who is there.
    pub presence: Presence,
    /// Topics of other plugins.
    pub others: Vec<GrantedTopics>,
}

/// Topics of another plugin that the manifest gives to this one.
#[derive(Clone, Debug)]
pub struct GrantedTopics {
    /// Which.
    pub topics: TopicSelector,
    /// Whether it may publish there, and track.
    pub publish: bool,
    /// Whether it may listen there, and look who is there.
    pub subscribe: bool,
}

/// What a plugin wants of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To publish and to track.
    Publish,
    /// To listen and to look.
    Subscribe,
}

/// For engines that nobody listens to.
struct Unheard;

impl Announce for Unheard {
    fn announce(&self, _: &TopicId, _: &Diff) {}
}

impl TopicGrants {
    /// Engines of the plugin's own, which it shares with nobody.
    #[must_use]
    pub fn apart() -> Self {
        let pubsub = PubSub::new(Options::new(Arc::new(SystemClock)));
        Self {
            pubsub,
            presence: Presence::new(skep_presence::Options::default(), Arc::new(Unheard)),
            others: Vec::new(),
        }
    }

    /// Whether the plugin may do this with all of these topics.
    ///
    /// # Errors
    /// What to write in the manifest.
    pub fn check(&self, plugin: &PluginName, wanted: &TopicSelector, direction: Direction) -> Result<(), String> {
        let allowed = |granted: &GrantedTopics| match direction {
            Direction::Publish => granted.publish,
            Direction::Subscribe => granted.subscribe,
        };
        if wanted.owner == *plugin || self.others.iter().any(|other| allowed(other) && other.topics.covers(wanted)) {
            return Ok(());
        }
        let word = match direction {
            Direction::Publish => "publish",
            Direction::Subscribe => "subscribe",
        };
        Err(format!(
            "`{wanted}` is not granted; write `topics = {{ \"{wanted}\" = \"{word}\" }}` in the plugin's grants"
        ))
    }
}

impl CallState {
    /// The topic that a guest names, if it may do this with it.
    pub(super) fn topic(&self, text: &str, direction: Direction) -> Result<TopicId, Error> {
        self.stats.owe(text.len());
        let plugin = self.stats.plugin();
        let topic = TopicId::of(plugin, text).map_err(|error| Error::Invalid(error.to_string()))?;
        if topic.owner != *plugin {
            let wanted = TopicSelector {
                owner: topic.owner.clone(),
                pattern: skep_types::TopicPattern::Exact(topic.name.clone()),
            };
            self.env.topics.check(plugin, &wanted, direction).map_err(Error::Denied)?;
        }
        Ok(topic)
    }
}

/// A topic as this plugin writes it.
#[must_use]
pub fn as_written_by(plugin: &PluginName, topic: &TopicId) -> String {
    // A slash in a name of its own would read as another plugin's.
    if topic.owner == *plugin && !topic.name.as_str().contains('/') {
        topic.name.to_string()
    } else {
        topic.to_string()
    }
}
