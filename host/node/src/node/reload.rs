//! Manifest reloads: everything is made ready beside what runs, and put in place all or nothing.

use std::sync::Arc;

use anyhow::Context as _;
use skep_admin::api::Reloaded;
use skep_manifest::{HostConfig, Manifest, RateLimit};
use skep_web::{Handler, Pattern, RouteTable, Target};

use super::{Node, Plugins};
use crate::build;
use crate::caches::Wanted;
use crate::guard::Branch;
use crate::guard::route::PluginRoute;
use crate::meter::Meter;
use crate::plugin::{Absence, Plugin};
use crate::rate::Limiters;
use crate::sockets::{SocketRoute, Transport};
use crate::spec::{Settings, pattern};
use crate::store::content_hash;
use crate::streams::StreamRoute;

impl Node {
    /// Reads the manifest again, all or nothing: every plugin whose entry, secrets or component changed is loaded and
    /// tried out before the first is swapped.
    ///
    /// # Errors
    /// What is wrong with the manifest or with one of its plugins; nothing is changed then.
    pub async fn reload(&self) -> anyhow::Result<Reloaded> {
        let _turn = self.reloading.lock().await;
        let old = self.manifest.load_full();
        let file = old.file.clone().context("a node without a manifest has nothing to reload")?;
        let manifest = Manifest::load(&file)?;
        let known = self.plugins.load_full();
        let wanted: Wanted = self.buckets.prepare(&manifest).await?;
        let databases = self.databases.prepare(&manifest).await?;
        let (mut plugins, mut swaps, mut reloaded) = (Plugins::new(), Vec::new(), Reloaded::default());
        let mut adopted = Vec::new();
        for (name, config) in &manifest.plugins {
            let settings = Settings::read(name.clone(), config.clone())?;
            let plugin = match known.get(name) {
                Some(plugin) => Arc::clone(plugin),
                None => {
                    let meter = Meter::new(name.clone(), manifest.host.access_log);
                    reloaded.added.push(name.to_string());
                    self.new_plugin(settings.clone(), self.store_of(&manifest, name), meter)
                }
            };
            plugins.insert(name.clone(), Arc::clone(&plugin));
            if let Some(program) = build::missing_program(&config.needs)
                && !config.source.exists()
            {
                plugin.absent(Absence::Skipped(format!("needs {program}")));
                continue;
            }
            let (wasm, origin) = self.component(&plugin, &settings).with_context(|| format!("plugin `{name}`"))?;
            let serving = plugin.store.history().entries.first().map(|entry| entry.content.clone());
            let same_component = serving.is_some_and(|serving| serving == content_hash(&wasm));
            let serving = plugin.settings();
            let is_news = wanted.is_news_to(&settings) || databases.is_news_to(&settings);
            let same = same_component && serving.runs_as(&settings) && !is_news;
            if plugin.current().is_some() && same {
                if *serving != settings {
                    reloaded.changed.push(name.to_string());
                    adopted.push((plugin, settings));
                }
                continue;
            }
            let opens = (wanted.granted(&settings), databases.granted(&settings));
            let revision = self.prepare(&plugin, &settings, wasm.clone(), opens).await;
            let revision = revision.with_context(|| format!("plugin `{name}`"))?;
            if !reloaded.added.contains(&name.to_string()) {
                reloaded.changed.push(name.to_string());
            }
            swaps.push((plugin, settings, wasm, revision, origin));
        }
        let fresh = swaps.iter().map(|(_, settings, _, prepared, _)| (settings, &*prepared.revision));
        let _claim = self.services.sockets.claim(fresh, |name| plugins.contains_key(name))?;
        // The last things that can fail; the table needs the new settings, which the plugins do not have yet.
        let settings_of = |plugin: &Arc<Plugin>| {
            let fresh = swaps.iter().find(|(swapped, ..)| Arc::ptr_eq(swapped, plugin));
            fresh.map_or_else(|| plugin.settings(), |(_, settings, ..)| Arc::new(settings.clone()))
        };
        let (table, limiters) = self.table(plugins.values().map(|plugin| (Arc::clone(plugin), settings_of(plugin))))?;
        // A migration cannot be taken back, so what else may be wrong is known by then, but for a bucket that does not fit its new
        // limits.
        for name in manifest.plugins.keys() {
            databases.migrate(name).await.with_context(|| format!("plugin `{name}`"))?;
        }
        let left = self.buckets.put_in_place(wanted)?;
        self.databases.put_in_place(databases);
        self.rates.put_in_place(limiters);
        self.topics.put_in_place(&manifest);
        for (plugin, settings, wasm, revision, origin) in swaps {
            if let Err(error) = self.keep(&plugin, &settings, &wasm, &revision, origin, false) {
                tracing::warn!(plugin = %settings.name, error = format!("{error:#}"), "the revision is not kept");
            }
            plugin.swap(&revision, settings, origin, manifest.host.drain, &self.this);
            plugin.listen().await;
        }
        for (plugin, settings) in adopted {
            plugin.adopt(settings);
            plugin.listen().await;
        }
        self.front.swap(table);
        for (name, plugin) in known.iter().filter(|(name, _)| !plugins.contains_key(*name)) {
            reloaded.removed.push(name.to_string());
            plugin.stop(manifest.host.drain).await;
        }
        // The memory for caches is the one thing of it that a running node can change.
        let host = HostConfig { cache_memory: old.host.cache_memory, ..manifest.host.clone() };
        if old.host != host {
            reloaded.needs_restart = true;
            tracing::warn!("changes to [host] take effect when the node is restarted");
        }
        self.plugins.store(Arc::new(plugins));
        self.manifest.store(Arc::new(manifest));
        self.buckets.save(left).await;
        self.buckets.hurry();
        Ok(reloaded)
    }

    pub(super) fn routes(&self, plugins: &Plugins) -> anyhow::Result<(RouteTable, Limiters)> {
        self.table(plugins.values().map(|plugin| (Arc::clone(plugin), plugin.settings())))
    }

    /// The table for these settings, and the limiters in it. Nothing is in service yet.
    fn table(
        &self,
        plugins: impl Iterator<Item = (Arc<Plugin>, Arc<Settings>)>,
    ) -> anyhow::Result<(RouteTable, Limiters)> {
        let (mut routes, mut limiters) = (Vec::<(Pattern, Arc<Target>)>::new(), Limiters::new());
        for (plugin, settings) in plugins {
            let layers = settings.layers()?;
            let mut target = |plain: Arc<dyn Handler>, route: Option<String>, limit: Option<&RateLimit>| {
                let handler = match limit {
                    Some(limit) => self.rates.get(&mut limiters, &settings.name, route, limit)?.guard(plain),
                    None => plain,
                };
                anyhow::Ok(Target::new(handler, &layers, self.front.errors()))
            };
            let of_plugin = settings.config.rate_limit.as_ref();
            for route in &settings.config.routes {
                let guard = plugin.guards().handler(Branch::Http, &route.to_string());
                let plain: Arc<dyn Handler> = match (route.sse.clone(), &route.websocket) {
                    (Some(config), _) => {
                        let topics = Arc::clone(&self.topics);
                        Arc::new(StreamRoute { plugin: Arc::clone(&plugin), topics, config, guard })
                    }
                    // Its handler has the same guard.
                    (None, Some(config)) => {
                        let endpoint = self.services.sockets.raw_endpoint(&plugin, &settings, route, config)?;
                        let plugin = settings.name.clone();
                        let home = self.runtime.home().clone();
                        Arc::new(SocketRoute { plugin, endpoint, transport: Transport::WebSocket, home })
                    }
                    (None, None) => Arc::new(PluginRoute { plugin: Arc::clone(&plugin), guard }),
                };
                let target = match &route.rate_limit {
                    // All routes without a limit of their own share the plugin's allowance.
                    None => target(plain, None, of_plugin)?,
                    Some(limit) => target(plain, Some(route.to_string()), Some(limit))?,
                };
                routes.push((pattern(route), target));
            }
            for (mount, config) in &settings.config.sockets {
                let endpoint = self.services.sockets.endpoint(&plugin, &settings, mount, config)?;
                let longpoll = config.longpoll.map(|_| (mount.longpoll(), Transport::LongPoll));
                for (route, transport) in std::iter::once((mount.websocket(), Transport::WebSocket)).chain(longpoll) {
                    let plugin = settings.name.clone();
                    let (endpoint, home) = (endpoint.clone(), self.runtime.home().clone());
                    let plain = Arc::new(SocketRoute { plugin, endpoint, transport, home });
                    routes.push((pattern(&route), target(plain, None, of_plugin)?));
                }
            }
        }
        Ok((RouteTable::build(routes)?, limiters))
    }
}
