//! What the guests' answers do.

use std::sync::Arc;

use skep_pubsub::{Broadcast, Publish, TopicSelector};
use skep_types::{PluginName, TopicId, TopicName};

use super::Socket;
use super::deliver::Tag;
use super::next::in_order;
use super::record::{Early, Phase, Record};
use crate::call::{Done, Outcome, Work, terminate};
use crate::port::{Action, Channel, ChannelHandler, Crash, Joined};
use crate::wire::{Body, Frame, Ref, check_json};

const JOIN_CRASHED: &str = "{\"reason\":\"join crashed\"}";

/// The channel that acts.
struct Actor {
    serial: u32,
    owner: PluginName,
    topic: TopicName,
    /// The message in hand.
    reference: Option<Ref>,
}

/// How a channel stops by itself.
enum Stop {
    Crash(Crash),
    Asked(String),
}

impl From<Crash> for Stop {
    fn from(crash: Crash) -> Self {
        Self::Crash(crash)
    }
}

impl Socket {
    pub(super) fn done(&mut self, done: Done) {
        let serial = done.serial;
        match done.outcome {
            Outcome::Join { reference, result } => self.join_done(serial, &reference, result),
            Outcome::Act { reference, result } => match result {
                Ok(actions) => self.act(serial, reference, actions),
                Err(crash) => self.stopped(serial, Stop::Crash(crash)),
            },
            Outcome::Raw(result) => self.raw_done(serial, result),
            Outcome::End => self.shared.update(|state| self.shared.ended(state, serial)),
        }
    }

    fn join_done(&mut self, serial: u32, reference: &Ref, result: Result<Result<Joined, Body>, Crash>) {
        let early = self.shared.update(|state| state.record(serial)?.early.take());
        let refusal = |early: Option<Box<Early>>| early.filter(|early| early.refuses).map(|early| early.frame);
        match result {
            Ok(Ok(joined)) if early.as_ref().is_some_and(|early| early.refuses) => {
                // It has told the client no, and then let it in: what it began has to end.
                let handler = self.shared.update(|state| state.record(serial)?.handler.clone());
                if let (Some(handler), Some(frame)) = (handler, refusal(early)) {
                    self.end_unjoined(serial, handler, joined);
                    self.refused_by(serial, frame);
                }
            }
            Ok(Ok(joined)) => self.joined(serial, reference, joined, early.map(|early| early.frame)),
            Ok(Err(reply)) => match refusal(early) {
                Some(frame) => self.refused_by(serial, frame),
                None => self.refused(serial, reference, &reply),
            },
            Err(crash) => match refusal(early) {
                Some(frame) => self.refused_by(serial, frame),
                None => self.join_crashed(serial, reference, &crash),
            },
        }
    }

    /// Tells a handler of the end of a channel that has not joined. Nothing waits for it.
    fn end_unjoined(&self, serial: u32, handler: Arc<dyn ChannelHandler>, joined: Joined) {
        let topic = self.shared.update(|state| Some(state.record(serial)?.topic.clone()));
        if let (true, Some(topic)) = (handler.terminates(), topic) {
            let assigns = joined.assigns.unwrap_or_else(|| self.shared.assigns.clone());
            let channel = Channel { id: self.channel_id(serial), topic, assigns, socket: self.info() };
            tokio::spawn(terminate(handler, channel, "closed".to_owned()));
        }
    }

    fn refused_by(&mut self, serial: u32, reply: Frame) {
        self.untie(serial);
        self.shared.update(|state| self.shared.refused(state, serial, reply));
    }

    fn joined(&mut self, serial: u32, reference: &Ref, joined: Joined, early: Option<Frame>) {
        let Joined { reply, assigns, actions } = joined;
        if let Err(crash) = checked(&reply) {
            return self.join_crashed(serial, reference, &crash);
        }
        let (shared, version) = (&self.shared, self.shared.version());
        let presence = shared.update(|state| {
            let record = state.record(serial)?;
            let topic = record.topic.as_str();
            let reply = early.map_or_else(|| version.reply(&record.join_ref, reference, topic, "ok", &reply), Ok);
            let reply = match reply {
                Ok(reply) => reply,
                Err(unfit) => return Some(Err(Crash::new(unfit.to_string()))),
            };
            record.phase = Phase::Joined;
            if let Some(assigns) = assigns {
                record.assigns = assigns;
            }
            let (topic, behind) = (record.topic.clone(), record.close_behind.take());
            let presence = record.handler.as_ref().is_some_and(|handler| handler.presence());
            state.send(&shared.options, reply, false);
            shared.close_behind(state, &topic, behind);
            shared.release_held(state, serial);
            Some(Ok(presence))
        });
        self.hub.counters.joins();
        match presence {
            Some(Ok(true)) => {
                let with_presence = std::iter::once(Action::PresenceState).chain(actions).collect();
                self.act(serial, None, with_presence);
            }
            Some(Ok(false)) => self.act(serial, None, actions),
            Some(Err(crash)) => self.join_crashed(serial, reference, &crash),
            None => {}
        }
    }

    fn refused(&mut self, serial: u32, reference: &Ref, reply: &Body) {
        if let Err(crash) = checked(reply) {
            return self.join_crashed(serial, reference, &crash);
        }
        self.untie(serial);
        let (shared, version) = (&self.shared, self.shared.version());
        let told = shared.update(|state| {
            let record = state.record(serial)?;
            let reply = version.reply(&record.join_ref, reference, record.topic.as_str(), "error", reply);
            Some(reply.map(|reply| shared.refused(state, serial, reply)))
        });
        if let Some(Err(unfit)) = told {
            self.join_crashed(serial, reference, &Crash::new(unfit.to_string()));
        }
    }

    pub(super) fn join_crashed(&mut self, serial: u32, reference: &Ref, crash: &Crash) {
        self.untie(serial);
        self.hub.counters.crashes();
        tracing::warn!(channel = %self.channel_id(serial), %crash, "a join crashed");
        let (shared, version) = (&self.shared, self.shared.version());
        shared.update(|state| {
            let Some(record) = state.record(serial) else { return };
            let topic = record.topic.as_str();
            let reply = version.reply_text(&record.join_ref, reference, topic, "error", JOIN_CRASHED);
            shared.refused(state, serial, reply);
        });
    }

    fn act(&mut self, serial: u32, reference: Option<Ref>, actions: Vec<Action>) {
        if !actions.is_empty() {
            let actor = self.shared.update(|state| {
                let record = state.record(serial)?;
                let (owner, topic) = (record.handler.as_ref()?.owner().clone(), record.topic.clone());
                Some(Actor { serial, owner, topic, reference })
            });
            let Some(actor) = actor else { return };
            for action in actions {
                if let Err(stop) = self.act_one(&actor, action) {
                    return self.stopped(serial, stop);
                }
            }
        }
        self.idle(serial);
    }

    fn act_one(&mut self, actor: &Actor, action: Action) -> Result<(), Stop> {
        let serial = actor.serial;
        match action {
            Action::Reply { status, body } => {
                checked(&body)?;
                let reference = actor.reference.as_ref();
                let reference = reference.ok_or_else(|| Crash::new("a reply where nothing was asked"))?;
                self.hub.reply_now(&self.shared, serial, reference, &status, &body)?;
            }
            Action::Push { event, body } => {
                checked(&body)?;
                self.hub.push_now(&self.shared, serial, &event, &body)?;
            }
            Action::Broadcast { event, body } => self.broadcast(actor, &event, body, false)?,
            Action::BroadcastFrom { event, body } => self.broadcast(actor, &event, body, true)?,
            Action::Assign(assigns) => self.shared.update(|state| {
                if let Some(record) = state.record(serial) {
                    record.assigns = assigns;
                }
            }),
            Action::Subscribe(selector) => self.listen(serial, selector)?,
            Action::Unsubscribe(selector) => self.unlisten(serial, &selector),
            Action::PresenceState => {
                let topic = TopicId { owner: actor.owner.clone(), name: actor.topic.clone() };
                let (event, json) = self.hub.presence_state(&topic);
                self.hub.push_now(&self.shared, serial, event, &Body::Json(json))?;
            }
            Action::Stop(reason) => return Err(Stop::Asked(reason)),
        }
        Ok(())
    }

    fn broadcast(&self, actor: &Actor, event: &str, body: Body, others_only: bool) -> Result<(), Crash> {
        let mut publish = publish(event, body)?;
        if others_only {
            publish.from = self.shared.update(|state| state.record(actor.serial)?.heard_as);
        }
        let topic = TopicId { owner: actor.owner.clone(), name: actor.topic.clone() };
        let published = self.hub.options.pubsub.publish(&topic, publish);
        published.map(drop).map_err(|error| Crash::new(error.to_string()))
    }

    pub(super) fn listen(&mut self, serial: u32, selector: TopicSelector) -> Result<(), Crash> {
        let Some(tie) = self.ties.iter_mut().find(|tie| tie.serial == serial) else { return Ok(()) };
        if tie.further.iter().any(|(known, _)| *known == selector) {
            return Ok(());
        }
        if tie.further.len() >= self.shared.options.subscriptions_max {
            return Err(Crash::new("the channel listens to as many topics as it may"));
        }
        let pubsub = &self.hub.options.pubsub;
        let tag = Tag::Further(serial).number();
        let heard = pubsub.subscribe_sink(selector.clone(), Arc::clone(&self.shared) as _, tag);
        tie.further.push((selector, heard.map_err(|error| Crash::new(error.to_string()))?));
        Ok(())
    }

    pub(super) fn unlisten(&mut self, serial: u32, selector: &TopicSelector) {
        if let Some(tie) = self.ties.iter_mut().find(|tie| tie.serial == serial) {
            tie.further.retain(|(known, _)| known != selector);
        }
    }

    /// The channel ends by its own doing.
    fn stopped(&mut self, serial: u32, stop: Stop) {
        self.untie(serial);
        let (shared, id) = (&self.shared, self.channel_id(serial));
        let (in_order, reason) = match stop {
            Stop::Asked(reason) => (in_order(&reason), reason),
            Stop::Crash(crash) => {
                self.hub.counters.crashes();
                tracing::warn!(channel = %id, topic = %self.topic(serial), %crash, "a channel crashed");
                (false, "crashed".to_owned())
            }
        };
        let ending = shared.update(|state| {
            let record = state.record(serial)?;
            if in_order {
                record.end();
            } else {
                shared.failed(state, serial);
            }
            let record = state.record(serial)?;
            record.busy = true;
            let (handler, topic) = (record.handler.clone()?, record.topic.clone());
            Some((handler, topic, record.assigns.clone()))
        });
        let Some((handler, topic, assigns)) = ending else { return };
        let channel = Channel { id, topic, assigns, socket: self.info() };
        self.tell_end(serial, handler, channel, reason);
    }

    fn tell_end(&mut self, serial: u32, handler: Arc<dyn ChannelHandler>, channel: Channel, reason: String) {
        if handler.terminates() {
            self.run(serial, Work::End(tokio::spawn(terminate(handler, channel, reason))));
        } else {
            self.shared.update(|state| self.shared.ended(state, serial));
        }
    }

    fn topic(&self, serial: u32) -> String {
        let topic = |record: &mut Record| record.topic.to_string();
        self.shared.update(|state| state.record(serial).map(topic)).unwrap_or_default()
    }
}

/// A broadcast as a message of pubsub.
pub(crate) fn publish(event: &str, body: Body) -> Result<Publish, Crash> {
    checked(&body)?;
    let (data, kind) = match body {
        Body::Json(json) => (json.into(), Broadcast::Json),
        Body::Binary(data) => (data, Broadcast::Binary),
    };
    Ok(Publish { event: Some(event.into()), data, broadcast: Some(kind), ..Publish::default() })
}

/// A guest's JSON goes into frames as it is, so it must be JSON.
pub(crate) fn checked(body: &Body) -> Result<(), Crash> {
    match body {
        Body::Json(json) => check_json(json).map_err(|_| Crash::new("a body that is not the JSON it should be")),
        Body::Binary(_) => Ok(()),
    }
}
