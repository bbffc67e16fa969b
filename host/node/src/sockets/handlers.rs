//! A plugin as the channels engine calls it. Each call is of the revision that is in service then.

use std::future::ready;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use skep_channels::{
    Action, Body, Channel, ChannelHandler, Connected, Connecting, Crash, Info, Joined, Joining, Message, Refused,
    SocketHandler, Working,
};
use skep_manifest::{Mount, SocketConfig, SocketConnect};
use skep_runtime::{ChannelCall, ChannelDefinition, Revision};
use skep_types::{ByteSize, Call, Failure, FailureKind, Phase, PluginName, RequestId};

use crate::guard::handler::Permit;
use crate::guard::{Branch, Guards, HandlerGuard};
use crate::plugin::Plugin;

/// Decides who may open a socket at one mount.
pub(super) struct PluginSocket {
    plugin: Weak<Plugin>,
    guard: Arc<HandlerGuard>,
    owner: PluginName,
    mount: String,
    connect: SocketConnect,
    assigns: ByteSize,
}

impl PluginSocket {
    pub(super) fn new(
        plugin: &Weak<Plugin>,
        guards: &Guards,
        owner: &PluginName,
        mount: &Mount,
        config: &SocketConfig,
    ) -> Self {
        let mount = mount.to_string();
        let guard = guards.handler(Branch::Sockets, &mount);
        let (connect, assigns) = (config.connect, config.limits.assigns);
        Self { plugin: Weak::clone(plugin), guard, owner: owner.clone(), mount, connect, assigns }
    }
}

impl SocketHandler for PluginSocket {
    fn owner(&self) -> &PluginName {
        &self.owner
    }

    fn connect(&self, client: Connecting) -> Pin<Box<dyn Future<Output = Result<Connected, Refused>> + Send>> {
        let serving = serving(&self.plugin);
        let (guard, mount, assigns) = (Arc::clone(&self.guard), self.mount.clone(), self.assigns);
        let (connect, owner) = (self.connect, self.owner.clone());
        Box::pin(async move {
            let revision = serving.map_err(Refused::Failed)?;
            if connect == SocketConnect::Anyone {
                return Ok(Connected::default());
            }
            let permit = guard.admit().map_err(Refused::Failed)?;
            let asked = revision.connect_socket(call(client.peer), &mount, &client, assigns).await;
            permit.done(asked.as_ref().map(|_| ()), Some(client.peer));
            asked.map_err(Refused::Failed)?.map_err(|why| {
                tracing::debug!(plugin = %owner, mount, client = %client.peer, why, "a socket was refused");
                Refused::Denied
            })
        })
    }
}

/// The channels of one pattern.
pub(super) struct PluginChannel {
    plugin: Weak<Plugin>,
    guard: Arc<HandlerGuard>,
    owner: PluginName,
    intercepts: Vec<String>,
    infos: bool,
    terminates: bool,
    assigns: ByteSize,
}

impl PluginChannel {
    pub(super) fn new(
        plugin: &Weak<Plugin>,
        guard: Arc<HandlerGuard>,
        owner: &PluginName,
        definition: &ChannelDefinition,
        intercepts: Vec<String>,
        assigns: ByteSize,
    ) -> Self {
        let &ChannelDefinition { infos, terminates, .. } = definition;
        Self { plugin: Weak::clone(plugin), guard, owner: owner.clone(), intercepts, infos, terminates, assigns }
    }

    fn begin(&self) -> Result<(Permit, Arc<Revision>), Crash> {
        let begun = self.guard.admit().and_then(|permit| Ok((permit, serving(&self.plugin)?)));
        begun.map_err(crash)
    }

    fn tell<F>(
        &self,
        channel: Channel,
        tell: impl FnOnce(Arc<Revision>, Call, Channel, ByteSize) -> F,
    ) -> Working<Vec<Action>>
    where
        F: Future<Output = Result<Vec<Action>, Failure>> + Send + 'static,
    {
        let peer = channel.socket.peer();
        match self.begin() {
            Ok((permit, revision)) => {
                let told = tell(revision, call(peer), channel, self.assigns);
                Box::pin(async move { done(permit, peer, told.await) })
            }
            Err(crash) => Box::pin(ready(Err(crash))),
        }
    }
}

impl ChannelHandler for PluginChannel {
    fn owner(&self) -> &PluginName {
        &self.owner
    }

    fn intercepts(&self) -> &[String] {
        &self.intercepts
    }

    fn terminates(&self) -> bool {
        self.terminates
    }

    fn join(&self, channel: Channel, joining: Joining) -> Working<Result<Joined, Body>> {
        let (begun, assigns) = (self.begin(), self.assigns);
        Box::pin(async move {
            let (permit, revision) = begun?;
            let peer = channel.socket.peer();
            done(permit, peer, revision.join_channel(call(peer), &channel, &joining.params, assigns).await)
        })
    }

    fn handle_in(&self, channel: Channel, message: Message) -> Working<Vec<Action>> {
        self.tell(channel, |revision, call, channel, assigns| async move {
            revision.tell_channel(call, &channel, ChannelCall::In(&message), assigns).await
        })
    }

    fn handle_out(&self, channel: Channel, event: Arc<str>, body: Body) -> Working<Vec<Action>> {
        self.tell(channel, |revision, call, channel, assigns| async move {
            revision.tell_channel(call, &channel, ChannelCall::Out(&event, &body), assigns).await
        })
    }

    fn handle_info(&self, channel: Channel, info: Info) -> Working<Vec<Action>> {
        if !self.infos {
            return Box::pin(ready(Ok(Vec::new())));
        }
        self.tell(channel, |revision, call, channel, assigns| async move {
            revision.tell_channel(call, &channel, ChannelCall::Info(&info), assigns).await
        })
    }

    fn terminate(&self, channel: Channel, reason: String) -> Working<()> {
        let begun = self.begin();
        Box::pin(async move {
            let (permit, revision) = begun?;
            let peer = channel.socket.peer();
            done(permit, peer, revision.end_channel(call(peer), &channel, &reason).await)
        })
    }
}

pub(super) fn serving(plugin: &Weak<Plugin>) -> Result<Arc<Revision>, Failure> {
    let gone = || Failure::new(FailureKind::NotRunning, Phase::Queue, "the plugin is not there any more");
    plugin.upgrade().ok_or_else(gone)?.serving()
}

pub(super) fn done<T>(permit: Permit, peer: IpAddr, answer: Result<T, Failure>) -> Result<T, Crash> {
    permit.done(answer.as_ref().map(|_| ()), Some(peer));
    answer.map_err(crash)
}

/// What of a failure is for operators; its client sees that there was one.
#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
pub(super) fn crash(failure: Failure) -> Crash {
    Crash::new(failure.to_string())
}

/// A call for a client's socket.
pub(super) fn call(client: IpAddr) -> Call {
    Call { id: RequestId::from_bits(fastrand::u64(..)), client, secure: false, captures: Vec::new(), hops: 0 }
}
