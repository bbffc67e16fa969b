//! What no single key can know: whether the parts of a manifest fit together.

use std::collections::BTreeMap;
use std::fmt::Display;

use matchit::Router;
use skep_types::{BucketId, ByteSize, PluginName, TopicPattern};

use crate::duration;
use crate::host::HostConfig;
use crate::pattern::HostPattern;
use crate::plugin::PluginConfig;
use crate::read::{Reading, closest, join};
use crate::route::Route;
pub(crate) use databases::database_grants;
pub(crate) use sockets::sockets;

mod databases;
mod sockets;

type Plugins = BTreeMap<PluginName, PluginConfig>;

/// The drain time must cover every call that may be in flight, or a reload would cut some off.
pub(crate) fn drain(host: &HostConfig, plugins: &Plugins, reading: &Reading) {
    let Some((name, plugin)) = plugins.iter().max_by_key(|(_, plugin)| plugin.limits.deadline) else { return };
    let deadline = plugin.limits.deadline;
    if deadline > host.drain {
        let (drain, deadline) = (duration::show(host.drain), duration::show(deadline));
        let message = format!(
            "{drain} is below the deadline of plugin `{name}`, {deadline}; calls would be cut off at a reload: \
             write `drain = \"{deadline}\"` or more"
        );
        reading.report("host.drain", message);
    }
}

/// A plugin may only be given plugins that exist. `names` are those in the file, readable or not.
pub(crate) fn grants(plugins: &Plugins, names: &[&str], reading: &Reading) {
    for (name, plugin) in plugins {
        let granted = plugin.grants.plugins.iter().enumerate();
        for (at, other) in granted.filter(|(_, other)| !names.contains(&other.as_str())) {
            let hint = closest(other.as_str(), names.iter().copied());
            let hint = hint.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            let path = format!("{}[{at}]", join(&join(&join("plugins", name.as_str()), "grants"), "plugins"));
            reading.report(&path, format!("there is no plugin `{other}`{hint}"));
        }
    }
}

/// A plugin may only be given buckets that another plugin declares.
pub(crate) fn bucket_grants(plugins: &Plugins, reading: &Reading) {
    let declared: Vec<String> = buckets(plugins).map(|(id, _)| id.to_string()).collect();
    for (name, plugin) in plugins {
        let table = join(&join(&join("plugins", name.as_str()), "grants"), "caches");
        for id in plugin.grants.caches.keys() {
            let text = id.to_string();
            if id.owner == *name {
                let message = format!("a plugin's own buckets are open to it: `{}` without the plugin's name", id.name);
                reading.report(&join(&table, &text), message);
            } else if !declared.contains(&text) {
                let hint = closest(&text, declared.iter().map(String::as_str));
                let hint = hint.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                let message = format!("plugin `{}` declares no bucket `{}`{hint}", id.owner, id.name);
                reading.report(&join(&table, &text), message);
            }
        }
    }
}

/// A plugin may only be given topics of other plugins that exist. Which topics they have shows only when they publish.
pub(crate) fn topic_grants(plugins: &Plugins, names: &[&str], reading: &Reading) {
    for (name, plugin) in plugins {
        let granted = Granted { to: name, table: "topics", kind: "topics", names, reading };
        plugin.grants.topics.keys().for_each(|selector| granted.check(&selector.owner, &selector.pattern));
    }
}

/// A plugin may only be given keys of other plugins that exist. Which keys they have shows only when they write.
pub(crate) fn store_grants(plugins: &Plugins, names: &[&str], reading: &Reading) {
    for (name, plugin) in plugins {
        let granted = Granted { to: name, table: "store", kind: "keys", names, reading };
        plugin.grants.store.keys().for_each(|selector| granted.check(&selector.owner, &selector.pattern));
    }
}

/// A plugin may only be given processes of other plugins that exist. Which names they have shows only when they start them.
pub(crate) fn process_grants(plugins: &Plugins, names: &[&str], reading: &Reading) {
    for (name, plugin) in plugins {
        let granted = Granted { to: name, table: "processes", kind: "processes", names, reading };
        plugin.grants.processes.keys().for_each(|selector| granted.check(&selector.owner, &selector.pattern));
    }
}

/// Grants of what others have, which are written as `owner/pattern`.
struct Granted<'a> {
    to: &'a PluginName,
    table: &'a str,
    kind: &'a str,
    names: &'a [&'a str],
    reading: &'a Reading,
}

impl Granted<'_> {
    fn check(&self, owner: &PluginName, pattern: &impl Display) {
        let table = join(&join(&join("plugins", self.to.as_str()), "grants"), self.table);
        let path = join(&table, &format!("{owner}/{pattern}"));
        if owner == self.to {
            self.reading.report(&path, format!("not needed: a plugin's own {} are open to it", self.kind));
        } else if !self.names.contains(&owner.as_str()) {
            let hint = closest(owner.as_str(), self.names.iter().copied());
            let hint = hint.map_or_else(String::new, |near| format!(", did you mean `{near}/{pattern}`?"));
            self.reading.report(&path, format!("there is no plugin `{owner}`{hint}"));
        }
    }
}

/// A log must fit into the memory for all of them; and what is the plugin's own is written without its name.
pub(crate) fn topics(host: &HostConfig, plugins: &Plugins, reading: &Reading) {
    for (name, plugin) in plugins {
        let entry = join("plugins", name.as_str());
        for (pattern, topic) in &plugin.topics {
            let path = join(&join(&entry, "topics"), &pattern.to_string());
            own_topic(name, pattern, &path, reading);
            if let Some(retain) = topic.retain.filter(|retain| retain.bytes > host.topic_memory) {
                let message = format!(
                    "a log of {} does not fit into `host.topic_memory`, {}, which is for those of all topics",
                    retain.bytes, host.topic_memory
                );
                reading.report(&join(&join(&path, "retain"), "bytes"), message);
            }
        }
        for pattern in plugin.channels.keys() {
            own_topic(name, pattern, &join(&join(&entry, "channels"), &pattern.to_string()), reading);
        }
        for (at, route) in plugin.routes.iter().enumerate() {
            if let Some(sse) = &route.sse {
                let path = format!("{}[{at}].sse", join(&entry, "routes"));
                own_topic(name, &sse.topic.pattern(), &path, reading);
            }
        }
    }
}

/// Topics of a plugin in its own entry. With its name in front they would be `shop/shop/orders`, which nobody means.
fn own_topic(plugin: &PluginName, pattern: &TopicPattern, path: &str, reading: &Reading) {
    let text = pattern.to_string();
    if text.strip_prefix(plugin.as_str()).is_some_and(|below| below.starts_with('/')) {
        reading.report(path, format!("topics here are the plugin's own: leave `{plugin}/` away"));
    }
}

/// What all buckets may hold together must be there to be held.
pub(crate) fn cache_memory(host: &HostConfig, plugins: &Plugins, reading: &Reading) {
    const NAMED: usize = 3;
    let sum = buckets(plugins).fold(0_u64, |sum, (_, bytes)| sum.saturating_add(bytes.0));
    if sum <= host.cache_memory.0 {
        return;
    }
    let mut largest: Vec<_> = buckets(plugins).collect();
    largest.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let more = largest.len().saturating_sub(NAMED);
    let mut named: Vec<_> = largest.iter().take(NAMED).map(|(id, bytes)| format!("`{id}` ({bytes})")).collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    let message = format!(
        "{} is less than the {} that all buckets may come to: {}; raise it, or lower their `bytes`",
        host.cache_memory,
        ByteSize(sum),
        named.join(", ")
    );
    reading.report("host.cache_memory", message);
}

fn buckets(plugins: &Plugins) -> impl Iterator<Item = (BucketId, ByteSize)> {
    plugins.iter().flat_map(|(owner, plugin)| {
        let id = |name: &_| BucketId { owner: owner.clone(), name: Clone::clone(name) };
        plugin.caches.iter().map(move |(name, bucket)| (id(name), bucket.bytes))
    })
}

/// A route, and whose it is.
struct Owned<'a> {
    plugin: &'a PluginName,
    route: &'a Route,
}

/// The routes of one host pattern so far. The front has one router for each too.
#[derive(Default)]
struct HostRoutes<'a> {
    /// By normalised path, so that a manifest with thousands of routes is checked in an instant.
    paths: BTreeMap<String, Vec<Owned<'a>>>,
    router: Router<()>,
}

/// A request must have one plugin to go to.
pub(crate) fn routes(plugins: &Plugins, reading: &Reading) {
    let mut all = Vec::new();
    for (plugin, config) in plugins {
        let entry = join("plugins", plugin.as_str());
        for (at, route) in config.routes.iter().enumerate() {
            all.push((plugin, route.clone(), format!("{}[{at}]", join(&entry, "routes"))));
        }
        for (mount, socket) in &config.sockets {
            let path = join(&join(&entry, "sockets"), &mount.to_string());
            all.push((plugin, mount.websocket(), path.clone()));
            all.extend(socket.longpoll.map(|_| (plugin, mount.longpoll(), path)));
        }
    }
    let mut hosts: BTreeMap<Option<&HostPattern>, HostRoutes<'_>> = BTreeMap::new();
    for (plugin, route, path) in &all {
        if let Err(message) = hosts.entry(route.host.as_ref()).or_default().add(Owned { plugin, route }) {
            reading.report(path, message);
        }
    }
}

impl<'a> HostRoutes<'a> {
    fn add(&mut self, new: Owned<'a>) -> Result<(), String> {
        let path = new.route.normalised();
        if let Some(same_path) = self.paths.get_mut(&path) {
            if let Some(other) = same_path.iter().find(|other| other.route.shares_method(new.route)) {
                return Err(format!("{} gets the same requests as {}", new.name(), other.name()));
            }
            same_path.push(new);
            return Ok(());
        }
        // Different paths may still be too alike for the router: `/x/{id}` and `/x/{*rest}` both want `/x/1`.
        if let Err(error) = self.router.insert(path.as_str(), ()) {
            let other = self.paths.iter().find(|(other, _)| !fit(other, &path));
            let other = other.and_then(|(_, routes)| routes.first()).map_or_else(|| error.to_string(), Owned::name);
            return Err(format!(
                "{} would get some of the same requests as {other}, and neither is the more exact one: put literal text \
                 in front of the capture of one of them",
                new.name()
            ));
        }
        self.paths.insert(path, vec![new]);
        Ok(())
    }
}

/// Whether a router can hold both paths.
fn fit(one: &str, other: &str) -> bool {
    let mut pair = Router::new();
    [one, other].into_iter().all(|path| pair.insert(path, ()).is_ok())
}

impl Owned<'_> {
    fn name(&self) -> String {
        format!("`{}` of plugin `{}`", self.route, self.plugin)
    }
}
