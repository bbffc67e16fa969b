//! Rollbacks that the host does by itself, for a revision that failed its probation.

use skep_supervision::EventKind;
use skep_types::RevisionId;

use super::Node;
use crate::guard::{ROLLBACKS, plugin_path};
use crate::plugin::Plugin;
use crate::spec::Settings;
use crate::store::{Entry, Origin, Pin, unix_ms};

impl Node {
    /// Puts the predecessor of a bad revision back in service, unless somebody deployed something else meanwhile.
    ///
    /// The predecessor never stopped: it is the same object with its calls in flight, its settings and its routes.
    pub(crate) async fn take_back(&self, plugin: &Plugin, bad: &RevisionId, new_ratio: f64, old_ratio: f64) {
        let _turn = plugin.deploying.lock().await;
        // A reload puts revisions in service too, and routes with them.
        let _still = self.reloading.lock().await;
        let Some(predecessor) = plugin.end_probation(bad) else { return };
        predecessor.drain.abort();
        let to = predecessor.prepared.revision.id().clone();
        let deployed = plugin.settings();
        if let Err(error) = self.remember_rollback(plugin, &deployed, bad, &to) {
            tracing::warn!(
                plugin = %plugin.name(),
                error = format!("{error:#}"),
                "the rollback is not kept: a restart brings the bad revision back"
            );
        }
        let settings = Settings::clone(&predecessor.settings);
        let claim = self.services.sockets.claim([(&settings, &*predecessor.prepared.revision)], |_| true);
        if let Err(clash) = &claim {
            // Somebody else has brought them meanwhile. It is the bad revision that has to go.
            tracing::warn!(plugin = %plugin.name(), error = format!("{clash:#}"), "the rollback brings channels of another plugin");
        }
        plugin.swap(&predecessor.prepared, settings, Origin::Rollback, self.drain(), &self.this);
        plugin.listen().await;
        if *deployed != *predecessor.settings {
            self.route_again();
        }
        let percent = |ratio: f64| ratio * 100.0;
        plugin.trouble(format!(
            "rolled back from {bad}: {:.0} % of its calls failed, {:.0} % before",
            percent(new_ratio),
            percent(old_ratio)
        ));
        metrics::counter!(ROLLBACKS, "plugin" => plugin.name().to_string()).increment(1);
        let kind = EventKind::RolledBack { from: bad.to_string(), to: to.to_string(), new_ratio, old_ratio };
        self.services.environment.bus.publish(self.clock.wall(), plugin_path(plugin.name()), kind);
    }

    /// Writes the rollback down, so that a restart does not bring the bad revision back.
    ///
    /// The pin is for the manifest's entry as it stands, which may not be the predecessor's: settings are the
    /// operator's, and come back with a restart or a reload.
    fn remember_rollback(
        &self,
        plugin: &Plugin,
        deployed: &Settings,
        bad: &RevisionId,
        to: &RevisionId,
    ) -> anyhow::Result<()> {
        let history = plugin.store.history();
        let find = |id: &RevisionId| history.entries.iter().find(|entry| entry.revision == id.as_str());
        let known = find(to).ok_or_else(|| anyhow::anyhow!("`keep_revisions` is too low, {to} is not kept"))?;
        let of_source = find(bad).filter(|entry| entry.origin == Origin::Source);
        let pin = Pin {
            content: known.content.clone(),
            manifest: deployed.manifest_hash(),
            instead_of: of_source.map(|entry| entry.content.clone()),
        };
        let entry = Entry { origin: Origin::Rollback, at_ms: unix_ms(self.clock.wall()), ..known.clone() };
        plugin.store.keep(&plugin.store.component(&known.content)?, entry, Some(pin))
    }

    /// Makes the routes anew from the settings in service.
    fn route_again(&self) {
        match self.routes(&self.plugins.load()) {
            Ok((table, limiters)) => {
                self.front.swap(table);
                self.rates.put_in_place(limiters);
            }
            // Another plugin has one of the routes by now: the revision serves under those of the manifest.
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the routes stay as they are"),
        }
    }
}
