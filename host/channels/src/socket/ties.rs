//! What lives as long as a channel or its socket, and the end of both.

use std::sync::Arc;

use skep_presence::Owner;
use skep_pubsub::{SinkSubscription, TopicPattern, TopicSelector};
use skep_types::PluginName;

use super::Socket;
use super::deliver::Tag;
use super::record::Phase;
use super::state::State;
use crate::call::terminate;
use crate::port::{Channel, Crash};

/// What lives as long as a channel.
pub(super) struct Tie {
    pub(super) serial: u32,
    _channel: Option<SinkSubscription>,
    pub(super) further: Vec<(TopicSelector, SinkSubscription)>,
    _owner: Owner,
}

impl Socket {
    /// Makes the channel the owner of presences, and lets it hear its topic.
    pub(super) fn tie(&mut self, serial: u32, channel: Option<&Channel>, owner: &PluginName) -> Result<(), Crash> {
        let hub = &self.hub.options;
        let refused = |error: &dyn std::error::Error| Crash::new(error.to_string());
        let held = hub.presence.owner(&self.channel_id(serial).of(owner)).map_err(|error| refused(&error))?;
        let heard = channel.map(|channel| {
            let pattern = TopicPattern::Exact(channel.topic.clone());
            let selector = TopicSelector { owner: owner.clone(), pattern };
            hub.pubsub.subscribe_sink(selector, Arc::clone(&self.shared) as _, Tag::Channel(serial).number())
        });
        let channel = heard.transpose().map_err(|error| refused(&error))?;
        let heard_as = channel.as_ref().map(SinkSubscription::id);
        self.shared.update(|state| {
            if let Some(record) = state.record(serial) {
                record.heard_as = heard_as;
            }
        });
        self.ties.reserve_exact(usize::from(self.ties.len() < 4));
        self.ties.push(Tie { serial, _channel: channel, further: Vec::new(), _owner: held });
        Ok(())
    }

    /// It hears nothing more, and its presences are gone.
    pub(super) fn untie(&mut self, serial: u32) {
        self.ties.retain(|tie| tie.serial != serial);
        if self.ties.is_empty() {
            self.ties = Vec::new();
        }
    }

    /// Cancels what guests do and tells them of the end. Frames that wait for the client stay.
    pub(super) fn finish(&mut self) {
        self.calls = None;
        self.named = None;
        self.ties = Vec::new();
        let channels = self.shared.update(|state: &mut State| std::mem::take(&mut state.channels));
        let raw = self.finish_raw(&channels);
        let told: Vec<_> = channels
            .into_iter()
            // The end of the others is told already, by a task of its own.
            .filter(|record| record.phase == Phase::Joined)
            .filter_map(|record| {
                let handler = record.handler.filter(|handler| handler.terminates())?;
                let (id, socket) = (self.channel_id(record.serial), self.info());
                let channel = Channel { id, topic: record.topic, assigns: record.assigns, socket };
                Some(terminate(handler, channel, "closed".to_owned()))
            })
            .collect();
        if told.is_empty() && raw.is_none() {
            return;
        }
        // Without a runtime the process is ending, and so are the guests.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Some(raw) = raw {
                    raw.await;
                }
                for one in told {
                    one.await;
                }
            });
        }
    }
}
