//! Sockets and channels of plugins: which mounts there are, and who handles which topics there.
//!
//! | module | holds |
//! |---|---|
//! | `claims` | what plugins are about to bring, so that channels on a socket are one plugin's |
//! | `handlers` | a plugin as the engine calls it: who may connect, and its channels |
//! | `process` | channels that are processes |
//! | `raw` | the same for raw WebSockets |
//! | `options` | from the manifest's words to the engine's |
//! | `route` | the routes that lead to a mount |
//! | `meter` | what metrics are told |
//!
//! A mount stays the same object for as long as its plugin names it, and so do its sockets; what it leads to is swapped whenever
//! a revision or an entry of the manifest is put in service. A route with `websocket` has a mount, too.

mod claims;
mod handlers;
mod meter;
mod options;
mod process;
mod raw;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use anyhow::Context as _;
use parking_lot::Mutex;
use skep_channels::{ChannelHandler, Channels, Drain, Speech, Table, Target};
use skep_manifest::{ChannelConfig, Mount, MountSelector, Route, SocketConfig, WebSocketConfig};
use skep_process::Processes;
use skep_pubsub::PubSub;
use skep_runtime::{ChannelDefinition, Revision};
use skep_types::{Clock, HandlerName, PluginName, TopicPattern};
use skep_web::SocketEndpoint;

use crate::guard::{Branch, Guards};
use crate::plugin::Plugin;
use crate::processes::persistence;
use crate::spec::Settings;
use handlers::{PluginChannel, PluginSocket};
use process::ProcessChannel;

pub(crate) use meter::describe;
pub(crate) use route::{SocketRoute, Transport};

/// The sockets of a host.
pub(crate) struct SocketService {
    pub(crate) channels: Channels,
    processes: Processes,
    state: Mutex<State>,
    meter: meter::Meter,
}

#[derive(Default)]
struct State {
    /// By plugin and mount: those that a route leads to.
    mounts: BTreeMap<(PluginName, Mount), Arc<skep_channels::Mount>>,
    /// By plugin and the route's text: those of raw WebSockets.
    raw: BTreeMap<(PluginName, String), Arc<skep_channels::Mount>>,
    /// What is in service of each plugin that has sockets, raw ones among them, or channels.
    offers: BTreeMap<PluginName, Offer>,
    /// What is about to be: for each deploy and reload on its way.
    claimed: Vec<claims::Claimed>,
    /// How many claims there were: the number of the next.
    claims: u64,
}

/// What a plugin in service brings.
struct Offer {
    plugin: Weak<Plugin>,
    guards: Arc<Guards>,
    settings: Settings,
    channels: Vec<ChannelDefinition>,
}

impl SocketService {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        pubsub: PubSub,
        presence: skep_presence::Presence,
        processes: Processes,
    ) -> Self {
        let channels = Channels::new(skep_channels::Options::new(clock, pubsub, presence));
        Self { channels, processes, state: Mutex::default(), meter: meter::Meter::default() }
    }

    /// Whether a revision's channels fit the manifest.
    ///
    /// # Errors
    /// What does not fit, and what to write.
    pub(crate) fn check(settings: &Settings, revision: &Revision) -> anyhow::Result<()> {
        let declared = &revision.declared().channels;
        for (topics, config) in &settings.config.channels {
            if let Some(kind) = &config.process {
                check_kind(settings, revision, kind).with_context(|| format!("the channels `{topics}`"))?;
                continue;
            }
            anyhow::ensure!(
                declared.iter().any(|channel| channel.topics == *topics),
                "the manifest has settings for the channels `{topics}`, and the component has: {}",
                declared.iter().map(|channel| channel.topics.to_string()).collect::<Vec<_>>().join(", ")
            );
        }
        Ok(())
    }

    /// Puts a plugin's sockets and channels in service. Those that have joined go on with them.
    pub(crate) fn apply(&self, plugin: &Weak<Plugin>, guards: &Arc<Guards>, settings: &Settings, revision: &Revision) {
        let channels = revision.declared().channels.clone();
        let mut state = self.state.lock();
        let has_raw = settings.config.routes.iter().any(|route| route.websocket.is_some());
        let has_channels = !channels.is_empty() || !settings.config.channels.is_empty();
        let has_any = has_channels || !settings.config.sockets.is_empty() || has_raw;
        if has_any {
            let offer =
                Offer { plugin: Weak::clone(plugin), guards: Arc::clone(guards), settings: settings.clone(), channels };
            state.offers.insert(settings.name.clone(), offer);
        } else if state.offers.remove(&settings.name).is_none() {
            return;
        }
        self.lead(&mut state);
    }

    /// The plugin goes. Its sockets are closed: nothing of it is left to serve them.
    pub(crate) fn detach(&self, plugin: &PluginName) {
        let mut state = self.state.lock();
        state.offers.remove(plugin);
        self.lead(&mut state);
    }

    /// What a route of a mount leads to. The mount is there from now on, with nothing behind it until its plugin serves.
    ///
    /// # Errors
    /// An origin that is none.
    pub(crate) fn endpoint(
        &self,
        plugin: &Arc<Plugin>,
        settings: &Settings,
        mount: &Mount,
        config: &SocketConfig,
    ) -> anyhow::Result<SocketEndpoint> {
        let mut state = self.state.lock();
        let key = (settings.name.clone(), mount.clone());
        let is_new = !state.mounts.contains_key(&key);
        let known = state.mounts.entry(key).or_insert_with(|| {
            let selector = MountSelector { owner: Some(settings.name.clone()), mount: mount.clone() };
            let guards = plugin.guards();
            let socket = PluginSocket::new(&Arc::downgrade(plugin), guards, &settings.name, mount, config);
            let target = Target {
                options: Arc::new(options::of(config)),
                speech: Speech::Channels { socket: Arc::new(socket), table: Table::default() },
            };
            skep_channels::Mount::new(&selector.to_string(), target)
        });
        let known = Arc::clone(known);
        if is_new {
            // Its plugin may serve already.
            self.lead(&mut state);
        }
        let options = options::endpoint(config).with_context(|| format!("the socket `{mount}`"))?;
        Ok(SocketEndpoint { channels: self.channels.clone(), mount: known, options })
    }

    /// What a route of raw WebSockets leads to. Its mount stays the same for as long as the route has this text.
    ///
    /// # Errors
    /// An origin that is none.
    pub(crate) fn raw_endpoint(
        &self,
        plugin: &Arc<Plugin>,
        settings: &Settings,
        route: &Route,
        config: &WebSocketConfig,
    ) -> anyhow::Result<SocketEndpoint> {
        let options = options::endpoint_of_limits(&config.limits);
        let options = options.with_context(|| format!("the route `{route}`"))?;
        let mut state = self.state.lock();
        // A new one leads to its plugin at once; its settings are swapped with the plugin's.
        let mount = state.raw.entry((settings.name.clone(), route.to_string())).or_insert_with(|| {
            let name = raw::name(&settings.name, route);
            let target = raw::target(&Arc::downgrade(plugin), plugin.guards(), &settings.name, route, config);
            skep_channels::Mount::new(&name, target)
        });
        Ok(SocketEndpoint { channels: self.channels.clone(), mount: Arc::clone(mount), options })
    }

    /// Leads every mount to what is in service, and forgets those that are no more.
    fn lead(&self, state: &mut State) {
        let State { mounts, raw, offers, .. } = state;
        for (owner, offer) in offers.iter() {
            for (path, config) in &offer.settings.config.sockets {
                let Some(mount) = mounts.get(&(owner.clone(), path.clone())) else { continue };
                let socket = PluginSocket::new(&offer.plugin, &offer.guards, owner, path, config);
                let table = self.table(offers, owner, path, config);
                let speech = Speech::Channels { socket: Arc::new(socket), table };
                self.channels.swap(mount, Target { options: Arc::new(options::of(config)), speech });
            }
            for route in &offer.settings.config.routes {
                let mount = raw.get(&(owner.clone(), route.to_string()));
                if let (Some(mount), Some(config)) = (mount, &route.websocket) {
                    let target = raw::target(&offer.plugin, &offer.guards, owner, route, config);
                    self.channels.swap(mount, target);
                }
            }
        }
        mounts.retain(|(owner, path), mount| {
            self.keep(mount, offers.get(owner).is_some_and(|offer| offer.settings.config.sockets.contains_key(path)))
        });
        raw.retain(|(owner, text), mount| {
            let leads = |route: &Route| route.websocket.is_some() && route.to_string() == *text;
            self.keep(mount, offers.get(owner).is_some_and(|offer| offer.settings.config.routes.iter().any(leads)))
        });
    }

    /// Who handles which topics of a mount: channels of its plugin, and those of others that it is granted.
    fn table(
        &self,
        offers: &BTreeMap<PluginName, Offer>,
        owner: &PluginName,
        path: &Mount,
        config: &SocketConfig,
    ) -> Table {
        let mut handlers: Vec<(TopicPattern, Arc<dyn ChannelHandler>)> = Vec::new();
        // The mount's own plugin last: of several for one pattern it is the one that counts. They are for a moment within a reload,
        // and after a rollback of the host's own, which nothing can refuse.
        let others = offers.iter().filter(|(name, _)| *name != owner);
        for (name, offer) in others.chain(offers.get_key_value(owner)) {
            let patterns = offer.channels.iter().map(|definition| &definition.topics);
            let patterns: BTreeSet<_> = patterns.chain(offer.settings.config.channels.keys()).collect();
            for topics in patterns {
                let channel = offer.settings.config.channel(topics);
                if channel.is_on(name, owner, path)
                    && let Some(handler) = self.handler(name, offer, topics, channel, config)
                {
                    handlers.push((topics.clone(), handler));
                }
            }
        }
        Table::new(handlers)
    }

    /// A plugin's channels of one pattern.
    fn handler(
        &self,
        name: &PluginName,
        offer: &Offer,
        topics: &TopicPattern,
        channel: ChannelConfig,
        config: &SocketConfig,
    ) -> Option<Arc<dyn ChannelHandler>> {
        let guard = offer.guards.handler(Branch::Channels, &topics.to_string());
        if let Some(kind) = &channel.process {
            let intercepts = channel.intercept.unwrap_or_default();
            let handler = ProcessChannel::new(&self.processes, &self.channels, guard, name, kind, intercepts);
            return Some(Arc::new(handler));
        }
        let definition = offer.channels.iter().find(|definition| definition.topics == *topics)?;
        let intercepts = channel.intercept.unwrap_or_else(|| definition.intercepts.clone());
        let assigns = config.limits.assigns;
        Some(Arc::new(PluginChannel::new(&offer.plugin, guard, name, definition, intercepts, assigns)))
    }

    /// Whether a mount is still known to somebody. The sockets of one that does not stay are closed.
    fn keep(&self, mount: &Arc<skep_channels::Mount>, stays: bool) -> bool {
        let is_held = Arc::strong_count(mount) > 1;
        if !stays && is_held {
            self.channels.close_mount(mount);
        }
        stays || is_held
    }

    /// Opens no more sockets, and closes all of them, batch after batch.
    pub(crate) async fn drain(&self, within: std::time::Duration) {
        let drain = Drain { patience: within, ..Drain::default() };
        if !self.channels.drain(drain).await {
            tracing::warn!("not all sockets were closed in time");
        }
    }

    /// Tells the recorder what has changed.
    pub(crate) fn measure(&self) {
        self.meter.tell(&self.channels.stats());
    }
}

/// Whether a channel can be a process of this kind.
fn check_kind(settings: &Settings, revision: &Revision, kind: &HandlerName) -> anyhow::Result<()> {
    let declared = &revision.declared().processes;
    let names = || declared.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>().join(", ");
    anyhow::ensure!(
        declared.iter().any(|one| one.kind == kind.as_str()),
        "they are to be processes of the kind `{kind}`, and the component has: {}",
        names()
    );
    anyhow::ensure!(
        !persistence(&settings.config.process(kind)).is_kept(),
        "they are to be processes of the kind `{kind}`, which end with their clients and so cannot be kept: leave its \
         `persistence` away, and keep what must stay in the store or in a process of its own"
    );
    Ok(())
}
