//! Whether channels have sockets to be joined on.

use skep_types::PluginName;

use super::Plugins;
use crate::channels::{Brings, Clash, MountSelector, clashes};
use crate::read::{Reading, closest, join};

/// Channels are joined on sockets that are there, and on those of others if that is granted; and a topic is for one plugin.
pub(crate) fn sockets(plugins: &Plugins, names: &[&str], reading: &Reading) {
    for (name, plugin) in plugins {
        let entry = join("plugins", name.as_str());
        let known = Sockets { plugins, names, of: name, reading };
        for (at, socket) in plugin.grants.sockets.iter().enumerate() {
            let path = format!("{}[{at}]", join(&join(&entry, "grants"), "sockets"));
            if socket.owner.as_ref() == Some(name) {
                reading.report(&path, "not needed: a plugin's own sockets are open to it");
            } else {
                known.check(socket, &path);
            }
        }
        for (pattern, channel) in &plugin.channels {
            let path = join(&join(&entry, "channels"), &pattern.to_string());
            for (at, socket) in channel.sockets.iter().flatten().enumerate() {
                let path = format!("{}[{at}]", join(&path, "sockets"));
                let is_own = socket.owner.as_ref().is_none_or(|owner| owner == name);
                if is_own || plugin.grants.sockets.contains(socket) {
                    known.check(socket, &path);
                } else {
                    let message = format!(
                        "`{socket}` is of another plugin, which must be granted: `grants.sockets = [\"{socket}\"]`"
                    );
                    reading.report(&path, message);
                }
            }
        }
    }
    one_plugin_each(plugins, reading);
}

/// What only components say is not known here: it is looked at when they are loaded.
fn one_plugin_each(plugins: &Plugins, reading: &Reading) {
    let named = plugins.iter().map(|(plugin, config)| Brings { plugin, config, component: Vec::new() });
    for Clash { first, second, topics, socket } in clashes(named) {
        let MountSelector { owner: Some(owner), mount } = socket else { continue };
        // One that is not there has a problem of its own.
        if plugins.get(&owner).is_some_and(|plugin| plugin.sockets.contains_key(&mount)) {
            let path = join(&join(&join("plugins", second.as_str()), "channels"), &topics.to_string());
            let message = format!(
                "plugin `{first}` has the channels `{topics}` on the socket `{mount}` of `{owner}` already; a client's join \
                 has one plugin to go to"
            );
            reading.report(&path, message);
        }
    }
}

/// Sockets as a plugin names them.
struct Sockets<'a> {
    plugins: &'a Plugins,
    names: &'a [&'a str],
    of: &'a PluginName,
    reading: &'a Reading,
}

impl Sockets<'_> {
    fn check(&self, socket: &MountSelector, path: &str) {
        let owner = socket.owner.as_ref().unwrap_or(self.of);
        let Some(plugin) = self.plugins.get(owner) else {
            // One that is there and cannot be read has problems of its own.
            if !self.names.contains(&owner.as_str()) {
                let hint = closest(owner.as_str(), self.names.iter().copied());
                let hint = hint.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
                self.reading.report(path, format!("there is no plugin `{owner}`{hint}"));
            }
            return;
        };
        if !plugin.sockets.contains_key(&socket.mount) {
            let mounts: Vec<String> = plugin.sockets.keys().map(ToString::to_string).collect();
            let hint = closest(&socket.mount.to_string(), mounts.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            self.reading.report(path, format!("plugin `{owner}` has no socket `{}`{hint}", socket.mount));
        }
    }
}
