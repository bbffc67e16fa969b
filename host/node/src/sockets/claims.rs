//! What plugins are about to bring: channels of one pattern on one socket are one plugin's, also when several are deployed at once.

use std::sync::Arc;

use skep_manifest::{Brings, Clash, clashes};
use skep_runtime::Revision;
use skep_types::{PluginName, TopicPattern};

use super::{Offer, SocketService};
use crate::spec::Settings;

/// The channels that plugins are about to bring. It is held until they are in service, or will not be.
#[must_use = "others may take the channels once it is dropped"]
pub(crate) struct Claim {
    service: Arc<SocketService>,
    number: u64,
}

/// What one plugin has claimed.
pub(super) struct Claimed {
    number: u64,
    settings: Settings,
    channels: Vec<TopicPattern>,
}

impl SocketService {
    /// Claims the channels of revisions that are about to be put in service, under these settings. Of what serves, that of plugins
    /// which do not stay no longer counts.
    ///
    /// # Errors
    /// The first two plugins that have the same channels on one socket; nothing is claimed then.
    pub(crate) fn claim<'a>(
        self: &Arc<Self>,
        fresh: impl IntoIterator<Item = (&'a Settings, &'a Revision)>,
        stays: impl Fn(&PluginName) -> bool,
    ) -> anyhow::Result<Claim> {
        let mut state = self.state.lock();
        let number = state.claims;
        let channels = |revision: &Revision| {
            revision.declared().channels.iter().map(|definition| definition.topics.clone()).collect()
        };
        let claimed = |(settings, revision): (&Settings, &Revision)| Claimed {
            number,
            settings: settings.clone(),
            channels: channels(revision),
        };
        let fresh: Vec<Claimed> = fresh.into_iter().map(claimed).collect();
        let is_fresh = |name: &PluginName| fresh.iter().any(|one| one.settings.name == *name);
        let serving = state.offers.iter().filter(|(name, _)| stays(name) && !is_fresh(name));
        let serving = serving.map(|(_, offer)| offer.brings());
        let others = state.claimed.iter().filter(|claimed| stays(&claimed.settings.name));
        let all = serving.chain(others.chain(&fresh).map(Claimed::brings));
        // Two that serve may clash after a rollback that the host did by itself; that is not the doing of others.
        let is_ours = |clash: &Clash| is_fresh(&clash.first) || is_fresh(&clash.second);
        if let Some(clash) = clashes(all).into_iter().find(is_ours) {
            return Err(clash.into());
        }
        state.claims += 1;
        state.claimed.extend(fresh);
        Ok(Claim { service: Arc::clone(self), number })
    }
}

impl Offer {
    fn brings(&self) -> Brings<'_> {
        let component = self.channels.iter().map(|definition| &definition.topics).collect();
        Brings { plugin: &self.settings.name, config: &self.settings.config, component }
    }
}

impl Claimed {
    fn brings(&self) -> Brings<'_> {
        let component = self.channels.iter().collect();
        Brings { plugin: &self.settings.name, config: &self.settings.config, component }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.service.state.lock().claimed.retain(|claimed| claimed.number != self.number);
    }
}
