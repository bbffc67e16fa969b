//! Channels that are processes: each joined client has one, which is told of it in JSON. What it begins with and is told
//! stands in the contract, at `channel-handler`.
//!
//! The channel remembers its process as its assigns. Whichever of both ends first ends the other.

use std::future::ready;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::IgnoredAny;
use skep_channels::{
    Action, Body, Channel, ChannelHandler, ChannelId, Channels, Crash, Info, Joined, Joining, Message, Working,
};
use skep_process::{Error, Failure as Unsent, Pid, Processes, Reason, Spec, StartFailure, Target};
use skep_types::{Failure, FailureKind, HandlerName, Phase, PluginName};
use tokio::sync::oneshot;

use super::handlers::{crash, done};
use crate::guard::HandlerGuard;

/// The channels of one pattern.
pub(super) struct ProcessChannel {
    processes: Processes,
    channels: Channels,
    guard: Arc<HandlerGuard>,
    owner: PluginName,
    kind: HandlerName,
    intercepts: Vec<String>,
    keeps: String,
}

impl ProcessChannel {
    pub(super) fn new(
        processes: &Processes,
        channels: &Channels,
        guard: Arc<HandlerGuard>,
        owner: &PluginName,
        kind: &HandlerName,
        intercepts: Vec<String>,
    ) -> Self {
        let (processes, channels, owner) = (processes.clone(), channels.clone(), owner.clone());
        let (kind, keeps) = (kind.clone(), format!("a process of the kind {kind}"));
        Self { processes, channels, guard, owner, kind, intercepts, keeps }
    }

    /// What its `init` gets.
    fn birth(&self, channel: &Channel, joining: &Joining) -> String {
        let mut args = Object::default();
        args.text("channel", &channel.id.of(&self.owner)).text("topic", channel.topic.as_str());
        if let Some(reply_ref) = joining.reply_ref.of(&self.owner) {
            args.text("ref", &reply_ref);
        }
        args.bytes("assigns", &channel.assigns).body(&joining.params);
        args.end()
    }

    fn tell(&self, channel: &Channel, message: String) -> Working<Vec<Action>> {
        let (processes, process) = (self.processes.clone(), process(channel));
        Box::pin(async move {
            let Some(process) = process else { return Err(Crash::new("the channel has no process")) };
            Ok(match processes.send(&process, message.into()).await {
                // One that has ended ends the channel, which is on its way.
                Ok(()) | Err(Unsent::NotFound) => Vec::new(),
                Err(refused) => {
                    let why = serde_json::json!({ "reason": refused.to_string() });
                    vec![Action::Reply { status: "error".to_owned(), body: Body::Json(why.to_string()) }]
                }
            })
        })
    }
}

impl ChannelHandler for ProcessChannel {
    fn owner(&self) -> &PluginName {
        &self.owner
    }

    fn intercepts(&self) -> &[String] {
        &self.intercepts
    }

    fn terminates(&self) -> bool {
        true
    }

    fn keeps(&self) -> &str {
        &self.keeps
    }

    fn join(&self, channel: Channel, joining: Joining) -> Working<Result<Joined, Body>> {
        let admitted = self.guard.admit().map_err(crash);
        let args = self.birth(&channel, &joining);
        // Whatever the kind says, one that crashed is not started again: its client joins again.
        let spec = Spec { kind: self.kind.to_string(), name: None, args: args.into(), supervised: true };
        let (processes, channels) = (self.processes.clone(), self.channels.clone());
        let (owner, id, peer) = (self.owner.clone(), channel.id, channel.socket.peer());
        Box::pin(async move {
            let permit = admitted?;
            let (told, started) = oneshot::channel();
            // A client that leaves meanwhile leaves no process behind, so the start goes on without it.
            tokio::spawn(bind(processes, channels, owner, id, spec, told));
            let gone = || Failure::new(FailureKind::Internal, Phase::Handle, "the start of its process panicked");
            match started.await.map_err(|_| gone()).and_then(|started| started) {
                Ok(Started::Runs(bound)) => {
                    done(permit, peer, Ok(()))?;
                    Ok(Ok(Joined { reply: Body::empty(), assigns: Some(bound.keep().into()), actions: Vec::new() }))
                }
                // It has said why, or its client sees a crash.
                Ok(Started::Failed(why)) => {
                    done(permit, peer, Ok(()))?;
                    Err(Crash::new(why))
                }
                Err(failure) => done(permit, peer, Err(failure)),
            }
        })
    }

    fn handle_in(&self, channel: Channel, message: Message) -> Working<Vec<Action>> {
        let mut told = Object::default();
        told.text("$channel", "in").text("event", &message.event);
        if let Some(reply_ref) = message.reply_ref.of(&self.owner) {
            told.text("ref", &reply_ref);
        }
        told.body(&message.body);
        self.tell(&channel, told.end())
    }

    fn handle_out(&self, channel: Channel, event: Arc<str>, body: Body) -> Working<Vec<Action>> {
        let mut told = Object::default();
        told.text("$channel", "out").text("event", &event).body(&body);
        let told = self.tell(&channel, told.end());
        // Nobody waits for an answer to a broadcast: where the mailbox is full it is lost, as every message of a topic.
        Box::pin(async move { told.await.map(|_| Vec::new()) })
    }

    fn handle_info(&self, _: Channel, _: Info) -> Working<Vec<Action>> {
        // It subscribes as a process does.
        Box::pin(ready(Ok(Vec::new())))
    }

    fn terminate(&self, channel: Channel, _: String) -> Working<()> {
        let (processes, process) = (self.processes.clone(), process(&channel));
        Box::pin(async move {
            if let Some(process) = process {
                stop(&processes, &process).await;
            }
            Ok(())
        })
    }
}

/// Starts a channel's process, and ends the channel with it.
async fn bind(
    processes: Processes,
    channels: Channels,
    owner: PluginName,
    channel: ChannelId,
    spec: Spec,
    told: oneshot::Sender<Result<Started, Failure>>,
) {
    match processes.start(&owner, spec).await {
        Ok(started) => {
            let process = Target::Pid(started.pid.clone());
            let bound = Bound { processes: processes.clone(), pid: Some(started.pid) };
            // If nobody waits any more, it is stopped as it is dropped.
            _ = told.send(Ok(Started::Runs(bound)));
            let reason = processes.ended(&process).await;
            // It need not be there any more.
            _ = channels.stop(&owner, channel, reason.as_str());
        }
        Err(failure) => _ = told.send(not_started(failure)),
    }
}

enum Started {
    Runs(Bound),
    /// What its `init` returned.
    Failed(String),
}

fn not_started(failure: StartFailure) -> Result<Started, Failure> {
    let failed = |kind, detail: String| Err(Failure::new(kind, Phase::Handle, detail));
    match failure {
        StartFailure::Failed(why) => Ok(Started::Failed(why)),
        StartFailure::Crashed(reason) => failed(FailureKind::Trap, reason.to_string()),
        StartFailure::Other(Error::Full(_) | Error::Unavailable(_) | Error::Stopping) => {
            failed(FailureKind::Overloaded, failure.to_string())
        }
        other => failed(FailureKind::Internal, other.to_string()),
    }
}

/// A process that ends when its channel does not take it.
struct Bound {
    processes: Processes,
    pid: Option<Pid>,
}

impl Bound {
    /// The channel has it from now on, by this text.
    fn keep(mut self) -> String {
        self.pid.take().map(|pid| pid.to_string()).unwrap_or_default()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.take() {
            let processes = self.processes.clone();
            tokio::spawn(async move { stop(&processes, &Target::Pid(pid)).await });
        }
    }
}

/// The process of a channel that has joined.
fn process(channel: &Channel) -> Option<Target> {
    let text = std::str::from_utf8(&channel.assigns).ok()?;
    Some(Target::Pid(text.parse().ok()?))
}

async fn stop(processes: &Processes, process: &Target) {
    match processes.stop(process, Reason::SHUTDOWN, None).await {
        // It may have ended first.
        Ok(()) | Err(Unsent::NotFound) => {}
        Err(error) => tracing::warn!(%error, "a channel's process was not stopped"),
    }
}

/// A JSON object, of texts and of what is JSON already.
#[derive(Default)]
struct Object(String);

impl Object {
    fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    fn text(&mut self, key: &str, text: &str) -> &mut Self {
        self.raw(key, &quoted(text))
    }

    fn binary(&mut self, key: &str, bytes: &[u8]) -> &mut Self {
        self.text(&format!("{key}_binary"), &BASE64_STANDARD.encode(bytes))
    }

    /// As JSON if they are, otherwise in base64; nothing of none.
    fn bytes(&mut self, key: &str, bytes: &[u8]) -> &mut Self {
        let json = std::str::from_utf8(bytes).ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        match json {
            Some(json) => self.raw(key, json),
            None if bytes.is_empty() => self,
            None => self.binary(key, bytes),
        }
    }

    /// The payload.
    fn body(&mut self, body: &Body) -> &mut Self {
        match body {
            Body::Json(json) => self.raw("payload", json),
            Body::Binary(bytes) => self.binary("payload", bytes),
        }
    }

    fn end(self) -> String {
        self.0 + "}"
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_is_told_is_json_whatever_the_client_says() {
        let mut told = Object::default();
        told.text("event", "a \"b\"\n").bytes("assigns", b"{\"a\":1}").body(&Body::Json("[1, 2]".into()));
        assert_eq!(told.end(), r#"{"event":"a \"b\"\n","assigns":{"a":1},"payload":[1, 2]}"#);
        let mut told = Object::default();
        told.text("event", "x").bytes("none", b"").bytes("assigns", b"\x01").body(&Body::Binary("hi".into()));
        assert_eq!(told.end(), r#"{"event":"x","assigns_binary":"AQ==","payload_binary":"aGk="}"#);
    }
}
