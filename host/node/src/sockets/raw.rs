//! Raw WebSockets: a plugin as the engine calls it, and the mounts of the routes that lead to one.

use std::pin::Pin;
use std::sync::{Arc, Weak};

use skep_channels::{
    Crash, Frame, Info, RawAction, RawDecision, RawHandler, RawOpening, RawSocket, Speech, Target, Working,
};
use skep_manifest::{Route, WebSocketConfig};
use skep_runtime::{Revision, WebSocketCall};
use skep_types::{ByteSize, Failure, PluginName};

use super::handlers::{call, crash, done, serving};
use super::options;
use crate::guard::handler::Permit;
use crate::guard::{Branch, Guards, HandlerGuard};
use crate::plugin::Plugin;

/// The raw WebSockets of one route. Each call is of the revision that is in service then.
pub(super) struct PluginWebSocket {
    plugin: Weak<Plugin>,
    guard: Arc<HandlerGuard>,
    owner: PluginName,
    assigns: ByteSize,
}

/// What the mount of a route leads to.
pub(super) fn target(
    plugin: &Weak<Plugin>,
    guards: &Guards,
    owner: &PluginName,
    route: &Route,
    config: &WebSocketConfig,
) -> Target {
    let guard = guards.handler(Branch::Http, &route.to_string());
    let (plugin, owner, assigns) = (Weak::clone(plugin), owner.clone(), config.limits.assigns);
    let handler = PluginWebSocket { plugin, guard, owner, assigns };
    Target { options: Arc::new(options::of_limits(&config.limits)), speech: Speech::Raw(Arc::new(handler)) }
}

/// What operators know the mount of a route by, as a mount with channels is written: `shop/ticker`, `shop@example.org/ticker`.
pub(super) fn name(owner: &PluginName, route: &Route) -> String {
    match &route.host {
        Some(host) => format!("{owner}@{host}{}", route.path),
        None => format!("{owner}{}", route.path),
    }
}

impl PluginWebSocket {
    fn begin(&self) -> Result<(Permit, Arc<Revision>), Failure> {
        self.guard.admit().and_then(|permit| Ok((permit, serving(&self.plugin)?)))
    }

    fn begin_told(&self) -> Result<(Permit, Arc<Revision>), Crash> {
        self.begin().map_err(crash)
    }
}

impl RawHandler for PluginWebSocket {
    fn owner(&self) -> &PluginName {
        &self.owner
    }

    fn open(&self, opening: RawOpening) -> Pin<Box<dyn Future<Output = Result<RawDecision, Failure>> + Send>> {
        let (begun, assigns) = (self.begin(), self.assigns);
        Box::pin(async move {
            let (permit, revision) = begun?;
            let peer = opening.request.call.client;
            let decided = revision.open_websocket(opening, assigns).await;
            permit.done(decided.as_ref().map(|_| ()), Some(peer));
            decided
        })
    }

    fn message(&self, socket: RawSocket, frame: Frame) -> Working<Vec<RawAction>> {
        let (begun, assigns) = (self.begin_told(), self.assigns);
        Box::pin(async move {
            let (permit, revision) = begun?;
            let peer = socket.socket.peer();
            let message = WebSocketCall::Message(&frame);
            done(permit, peer, revision.tell_websocket(call(peer), &socket, message, assigns).await)
        })
    }

    fn info(&self, socket: RawSocket, info: Info) -> Working<Vec<RawAction>> {
        let (begun, assigns) = (self.begin_told(), self.assigns);
        Box::pin(async move {
            let (permit, revision) = begun?;
            let peer = socket.socket.peer();
            let message = WebSocketCall::Info(&info);
            done(permit, peer, revision.tell_websocket(call(peer), &socket, message, assigns).await)
        })
    }

    fn close(&self, socket: RawSocket, code: u16) -> Working<()> {
        let begun = self.begin_told();
        Box::pin(async move {
            let (permit, revision) = begun?;
            let peer = socket.socket.peer();
            done(permit, peer, revision.close_websocket(call(peer), &socket, code).await)
        })
    }
}
