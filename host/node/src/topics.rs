//! The topics of a node: the engines behind pubsub and presence, as the manifest wants them.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use metrics::{Counter, Gauge};
use parking_lot::Mutex;
use skep_manifest::{Manifest, PresenceDetail};
use skep_presence::{Announce, Diff, Mode, Modes, Presence, Replica};
use skep_pubsub::{Broadcast, Limits, PubSub, Publish, Retain};
use skep_runtime::{GrantedTopics, TopicGrants};
use skep_types::{Clock, TopicId, TopicPattern, TopicSelector};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::spec::Settings;

/// Logs that one upkeep looks at for messages that are too old.
const SWEEP_LOGS: usize = 1_000;
/// The event of a diff of members, as Phoenix's clients know it.
const DIFF_EVENT: &str = "presence_diff";
/// The event of a diff in topics that only tell how many there are.
const COUNT_EVENT: &str = "presence_count";

/// Counters and gauges of the whole node.
const PUBLISHED: &str = "skep_messages_published_total";
const DELIVERED: &str = "skep_messages_delivered_total";
const DROPPED: &str = "skep_messages_dropped_total";
const SUBSCRIPTIONS: &str = "skep_subscriptions";
const TOPICS: &str = "skep_topics";
const RETAINED: &str = "skep_retained_bytes";
const PRESENCES: &str = "skep_presences";
const DIFFS: &str = "skep_presence_diffs_total";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_counter!(PUBLISHED, "Messages that were published");
    metrics::describe_counter!(DELIVERED, "Messages that were put into the queues of listeners");
    metrics::describe_counter!(DROPPED, "Messages that found a listener's queue full");
    metrics::describe_gauge!(SUBSCRIPTIONS, "Listeners: subscribers, event streams");
    metrics::describe_gauge!(TOPICS, "Topics that somebody listens to, or that are retained");
    metrics::describe_gauge!(RETAINED, metrics::Unit::Bytes, "What the logs of all topics hold");
    metrics::describe_gauge!(PRESENCES, "Presences in all topics");
    metrics::describe_counter!(DIFFS, "Changes of presences that were announced");
}

/// The engines, and the loop that announces who came and went.
pub(crate) struct Topics {
    pub(crate) pubsub: PubSub,
    pub(crate) presence: Presence,
    meter: Mutex<Meter>,
    // The loop ends with the node.
    _announcing: DropGuard,
}

impl Topics {
    /// The engines for a manifest. To be called inside the tokio runtime, where the announcements run.
    pub(crate) fn new(manifest: &Manifest, clock: Arc<dyn Clock>) -> Self {
        let limits = Limits { retained_bytes_max: manifest.host.topic_memory, ..Limits::default() };
        let options = skep_pubsub::Options { limits, ..skep_pubsub::Options::new(Arc::clone(&clock)) };
        let pubsub = PubSub::new(skep_pubsub::Options { retain: retention(manifest), ..options });
        let started = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let options = skep_presence::Options {
            replica: Replica::new(&manifest.host.name, u64::try_from(started.as_millis()).unwrap_or_default()),
            modes: modes(manifest),
            clock,
            ..skep_presence::Options::default()
        };
        let presence = Presence::new(options, Arc::new(Announcer(pubsub.clone())));
        let stop = CancellationToken::new();
        tokio::spawn(presence.service().run(stop.clone().cancelled_owned()));
        Self { pubsub, presence, meter: Mutex::new(Meter::new()), _announcing: stop.drop_guard() }
    }

    /// Takes what a reloaded manifest says of topics.
    pub(crate) fn put_in_place(&self, manifest: &Manifest) {
        self.pubsub.set_retention(retention(manifest));
        self.presence.set_modes(modes(manifest));
    }

    /// What a plugin may do with topics.
    pub(crate) fn granted(&self, settings: &Settings) -> TopicGrants {
        let others = settings.config.grants.topics.iter();
        let others = others.map(|(topics, access)| GrantedTopics {
            topics: topics.clone(),
            publish: access.publishes(),
            subscribe: access.subscribes(),
        });
        TopicGrants { pubsub: self.pubsub.clone(), presence: self.presence.clone(), others: others.collect() }
    }

    /// Lets go of what is too old. To be called every few seconds.
    pub(crate) fn upkeep(&self) {
        self.pubsub.sweep(SWEEP_LOGS);
        self.measure();
    }

    /// Brings the metrics up to date.
    pub(crate) fn measure(&self) {
        self.meter.lock().measure(self.pubsub.stats(), self.presence.stats());
    }
}

/// Publishes who came and went on the topic itself.
struct Announcer(PubSub);

impl Announce for Announcer {
    fn announce(&self, topic: &TopicId, diff: &Diff) {
        let event = match diff {
            Diff::Members { .. } => DIFF_EVENT,
            Diff::Count(_) => COUNT_EVENT,
        };
        // Every node announces what it sees by itself.
        // Sockets that have joined the topic are told by the host, as of any broadcast.
        let broadcast = Some(Broadcast::Json);
        let data = diff.to_json().into();
        let publish = Publish { event: Some(event.into()), data, from: None, local: true, broadcast };
        if let Err(error) = self.0.publish(topic, publish) {
            tracing::warn!(%topic, "a change of presences cannot be announced: {error}");
        }
    }
}

fn selector(owner: &skep_types::PluginName, pattern: &TopicPattern) -> TopicSelector {
    TopicSelector { owner: owner.clone(), pattern: pattern.clone() }
}

fn retention(manifest: &Manifest) -> Vec<(TopicSelector, Retain)> {
    let of_plugins = manifest.plugins.iter();
    let all = of_plugins.flat_map(|(owner, plugin)| plugin.topics.iter().map(move |topics| (owner, topics)));
    all.filter_map(|(owner, (pattern, config))| {
        let skep_manifest::Retain { messages, bytes, age } = config.retain?;
        let messages = messages.try_into().unwrap_or(std::num::NonZeroUsize::MIN);
        Some((selector(owner, pattern), Retain { messages, bytes, age }))
    })
    .collect()
}

fn modes(manifest: &Manifest) -> Modes {
    let of_plugins = manifest.plugins.iter();
    let all = of_plugins.flat_map(|(owner, plugin)| plugin.topics.iter().map(move |topics| (owner, topics)));
    let mut modes: Vec<_> = all
        .map(|(owner, (pattern, config))| {
            let mode = match config.presence {
                PresenceDetail::Full => Mode::Full,
                PresenceDetail::Count => Mode::Count,
            };
            (selector(owner, pattern), mode)
        })
        .collect();
    // The engine takes the first that matches, and the most specific is to count.
    modes.sort_by_key(|(selector, _)| match &selector.pattern {
        TopicPattern::Exact(_) => std::cmp::Reverse(usize::MAX),
        TopicPattern::Prefix(prefix) => std::cmp::Reverse(prefix.len()),
    });
    Modes(modes)
}

struct Meter {
    published: Counter,
    delivered: Counter,
    dropped: Counter,
    subscriptions: Gauge,
    topics: Gauge,
    retained: Gauge,
    presences: Gauge,
    diffs: Counter,
}

impl Meter {
    fn new() -> Self {
        Self {
            published: metrics::counter!(PUBLISHED),
            delivered: metrics::counter!(DELIVERED),
            dropped: metrics::counter!(DROPPED),
            subscriptions: metrics::gauge!(SUBSCRIPTIONS),
            topics: metrics::gauge!(TOPICS),
            retained: metrics::gauge!(RETAINED),
            presences: metrics::gauge!(PRESENCES),
            diffs: metrics::counter!(DIFFS),
        }
    }

    fn measure(&self, topics: skep_pubsub::Stats, presences: skep_presence::Stats) {
        self.published.absolute(topics.published);
        self.delivered.absolute(topics.delivered);
        self.dropped.absolute(topics.dropped);
        self.diffs.absolute(presences.diffs);
        #[allow(clippy::cast_precision_loss)] // Beyond 2^53 nobody counts them one by one.
        {
            self.subscriptions.set(topics.subscriptions as f64);
            self.topics.set(topics.topics as f64);
            self.retained.set(topics.retained_bytes as f64);
            self.presences.set(presences.entries as f64);
        }
    }
}
