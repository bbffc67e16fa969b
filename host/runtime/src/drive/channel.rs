//! `skep:plugin/channel-handler`: what clients join. Each message is a call of its own, in a fresh instance; what a channel
//! remembers comes in with it and goes out again.

use std::sync::Arc;

use bytes::Bytes;
use skep_bindings::channel_handler::{
    Action as Asked, BodyParam, BodyResult, Definition, Ended, Joined as SaidJoined, Joining, Message as GuestMessage,
    Published, Reason, Status,
};
use skep_channels::{Action, Body, Channel, Info, Joined, Message};
use skep_types::{ByteSize, Call, Failure, FailureKind, Phase, PluginName, TopicId, TopicSelector};
use wasmtime::Store;

use crate::capability::topics::{Direction, as_written_by};
use crate::drive::errand::Errand;
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

/// What a channel may ask for in one call.
const ACTIONS_MAX: usize = 1_000;
const EVENT_BYTES_MAX: usize = 255;
const BODY_BYTES_MAX: usize = 1 << 20;

/// Which message a channel is told of.
#[derive(Clone, Copy, Debug)]
pub enum ChannelCall<'a> {
    /// One of its client.
    In(&'a Message),
    /// A broadcast that it intercepts.
    Out(&'a str, &'a Body),
    /// One that was published.
    Info(&'a Info),
}

impl Revision {
    /// The plugin's channels, as the component defines them.
    pub(crate) async fn ask_channel_definitions(self: &Arc<Self>, call: Call) -> Result<Vec<Definition>, Failure> {
        self.run_errand(call, self.limits().deadline, Definitions, Ok).await
    }

    /// A client wants to join. What it remembers may have `assigns` bytes.
    ///
    /// # Errors
    /// Every way for the call to end without an answer; the inner error is the refusal that the client sees.
    pub async fn join_channel(
        self: &Arc<Self>,
        call: Call,
        channel: &Channel,
        params: &Body,
        assigns: ByteSize,
    ) -> Result<Result<Joined, Body>, Failure> {
        let join = Join { told: Told::of(self.plugin(), channel), params };
        self.run_errand(call, self.limits().deadline, join, |said| match said {
            Err(refusal) => Ok(Err(from_guest(refusal)?)),
            Ok(SaidJoined { reply, assigns: kept, actions }) => Ok(Ok(Joined {
                reply: reply.map_or_else(|| Ok(Body::empty()), from_guest)?,
                assigns: kept.map(|kept| remembered(kept, assigns)).transpose()?,
                actions: self.actions(actions, assigns)?,
            })),
        })
        .await
    }

    /// Tells a channel of a message. What it remembers may have `assigns` bytes.
    ///
    /// # Errors
    /// Every way for the call to end without an answer, and one that breaks a rule.
    pub async fn tell_channel(
        self: &Arc<Self>,
        call: Call,
        channel: &Channel,
        message: ChannelCall<'_>,
        assigns: ByteSize,
    ) -> Result<Vec<Action>, Failure> {
        let tell = Tell { told: Told::of(self.plugin(), channel), plugin: self.plugin(), message };
        self.run_errand(call, self.limits().deadline, tell, |actions| self.actions(actions, assigns)).await
    }

    /// Tells a channel that it has ended: `left`, `closed`, `crashed`, or what it stopped with.
    ///
    /// # Errors
    /// Every way for the call to end without an answer.
    pub async fn end_channel(self: &Arc<Self>, call: Call, channel: &Channel, reason: &str) -> Result<(), Failure> {
        let end = End { told: Told::of(self.plugin(), channel), reason };
        self.run_errand(call, self.limits().deadline, end, Ok).await
    }

    fn actions(&self, asked: Vec<Asked>, assigns: ByteSize) -> Result<Vec<Action>, Failure> {
        if asked.len() > ACTIONS_MAX {
            return Err(bad(format!("it asks for {} things at once, and may for {ACTIONS_MAX}", asked.len())));
        }
        asked.into_iter().map(|asked| self.action(asked, assigns)).collect()
    }

    fn action(&self, asked: Asked, assigns: ByteSize) -> Result<Action, Failure> {
        Ok(match asked {
            Asked::Reply(reply) => Action::Reply { status: status(reply.status)?, body: from_guest(reply.body)? },
            Asked::Push(push) => Action::Push { event: event(push.event)?, body: from_guest(push.body)? },
            Asked::Broadcast(cast) => Action::Broadcast { event: event(cast.event)?, body: from_guest(cast.body)? },
            Asked::BroadcastFrom(cast) => {
                Action::BroadcastFrom { event: event(cast.event)?, body: from_guest(cast.body)? }
            }
            Asked::Assign(kept) => Action::Assign(remembered(kept, assigns)?),
            Asked::Subscribe(topics) => Action::Subscribe(self.listened(&topics)?),
            Asked::Unsubscribe(topics) => Action::Unsubscribe(selector(self.plugin(), &topics)?),
            Asked::PresenceState => Action::PresenceState,
            Asked::Stop(reason) => Action::Stop(reason),
        })
    }

    /// Topics that it may listen to.
    pub(super) fn listened(&self, topics: &str) -> Result<TopicSelector, Failure> {
        let wanted = selector(self.plugin(), topics)?;
        self.env().topics.check(self.plugin(), &wanted, Direction::Subscribe).map_err(bad)?;
        Ok(wanted)
    }
}

pub(super) fn selector(plugin: &PluginName, topics: &str) -> Result<TopicSelector, Failure> {
    TopicSelector::of(plugin, topics).map_err(|error| bad(error.to_string()))
}

fn event(event: String) -> Result<String, Failure> {
    let fits = (1..=EVENT_BYTES_MAX).contains(&event.len()) && !event.contains(['\r', '\n']);
    if fits { Ok(event) } else { Err(bad("an event has 1 to 255 bytes without line breaks".to_owned())) }
}

fn status(status: Status) -> Result<String, Failure> {
    match status {
        Status::Ok => Ok("ok".to_owned()),
        Status::Error => Ok("error".to_owned()),
        Status::Other(word) if (1..=EVENT_BYTES_MAX).contains(&word.len()) => Ok(word),
        Status::Other(_) => Err(bad("a status has 1 to 255 bytes".to_owned())),
    }
}

fn from_guest(body: BodyResult) -> Result<Body, Failure> {
    let body = match body {
        BodyResult::Json(text) if text.is_empty() => Body::empty(),
        BodyResult::Json(text) => Body::Json(text),
        BodyResult::Binary(bytes) => Body::Binary(bytes.into()),
    };
    if body.len() > BODY_BYTES_MAX {
        return Err(bad(format!("a body of {} bytes, and it may have {BODY_BYTES_MAX}", body.len())));
    }
    Ok(body)
}

pub(super) fn remembered(kept: Vec<u8>, max: ByteSize) -> Result<Bytes, Failure> {
    if kept.len() as u64 > max.0 {
        return Err(bad(format!("it remembers {} bytes, and may {max}: raise `assigns` of the socket", kept.len())));
    }
    Ok(kept.into())
}

pub(super) fn bad(why: String) -> Failure {
    Failure::new(FailureKind::BadAnswer, Phase::Handle, why)
}

fn to_guest(body: &Body) -> BodyParam<'_> {
    match body {
        Body::Json(text) => BodyParam::Json(text),
        Body::Binary(bytes) => BodyParam::Binary(bytes),
    }
}

/// What a guest is told of a channel with each call.
struct Told<'a> {
    id: String,
    topic: &'a str,
    assigns: &'a [u8],
}

impl<'a> Told<'a> {
    fn of(plugin: &PluginName, channel: &'a Channel) -> Self {
        Self { id: channel.id.of(plugin), topic: channel.topic.as_str(), assigns: &channel.assigns }
    }

    fn len(&self) -> usize {
        self.id.len() + self.topic.len() + self.assigns.len()
    }
}

struct Join<'a> {
    told: Told<'a>,
    params: &'a Body,
}

impl Errand for Join<'_> {
    type Answer = Result<SaidJoined, BodyResult>;
    const ROLE: Role = Role::Channel;

    fn charge(&self) -> usize {
        self.told.len() + self.params.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Channels(guest) = guest else { return None };
        let Told { id: channel, topic, assigns } = &self.told;
        let joining = Joining { channel, topic, assigns, params: to_guest(self.params) };
        Some(guest.skep_plugin_channel_handler().call_join(store, joining).await)
    }
}

struct Tell<'a> {
    told: Told<'a>,
    plugin: &'a PluginName,
    message: ChannelCall<'a>,
}

impl Errand for Tell<'_> {
    type Answer = Vec<Asked>;
    const ROLE: Role = Role::Channel;

    fn charge(&self) -> usize {
        let said = match self.message {
            ChannelCall::In(message) => message.event.len() + message.body.len(),
            ChannelCall::Out(event, body) => event.len() + body.len(),
            ChannelCall::Info(info) => info.topic.name.as_str().len() + info.data.len(),
        };
        self.told.len() + said
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Channels(guest) = guest else { return None };
        let guest = guest.skep_plugin_channel_handler();
        let Told { id: channel, topic, assigns } = &self.told;
        Some(match self.message {
            ChannelCall::In(Message { event, body, reply_ref }) => {
                let reference = reply_ref.of(self.plugin);
                let ref_ = reference.as_deref();
                let message = GuestMessage { channel, topic, assigns, event, body: to_guest(body), ref_ };
                guest.call_handle_in(store, message).await
            }
            ChannelCall::Out(event, body) => {
                let message = GuestMessage { channel, topic, assigns, event, body: to_guest(body), ref_: None };
                guest.call_handle_out(store, message).await
            }
            ChannelCall::Info(Info { topic: from, id, event, data }) => {
                let from = &TopicId { owner: from.owner.clone(), name: from.name.clone() };
                let from = &as_written_by(self.plugin, from);
                let message = Published { channel, topic, assigns, from, id: *id, event: event.as_deref(), data };
                guest.call_handle_info(store, message).await
            }
        })
    }
}

struct End<'a> {
    told: Told<'a>,
    reason: &'a str,
}

impl Errand for End<'_> {
    type Answer = ();
    const ROLE: Role = Role::Channel;

    fn charge(&self) -> usize {
        self.told.len() + self.reason.len()
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Channels(guest) = guest else { return None };
        let Told { id: channel, topic, assigns } = &self.told;
        let reason = match self.reason {
            "left" => Reason::Left,
            "closed" => Reason::Closed,
            "crashed" => Reason::Crashed,
            other => Reason::Stopped(other),
        };
        let ended = Ended { channel, topic, assigns, reason };
        Some(guest.skep_plugin_channel_handler().call_terminate(store, ended).await)
    }
}

struct Definitions;

impl Errand for Definitions {
    type Answer = Vec<Definition>;
    const ROLE: Role = Role::Channel;

    fn charge(&self) -> usize {
        0
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Channels(guest) = guest else { return None };
        Some(guest.skep_plugin_channel_handler().call_definitions(store).await)
    }
}
