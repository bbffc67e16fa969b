//! The routes of a mount: the connection is the host's from the handshake on.

use http::Request;
use skep_types::{Call, PluginName};
use skep_web::{Handler, HandlerFuture, RequestBody, SocketEndpoint};

/// How a client of a route comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    LongPoll,
}

/// A route that leads to a mount.
pub(crate) struct SocketRoute {
    pub(crate) plugin: PluginName,
    pub(crate) endpoint: SocketEndpoint,
    pub(crate) transport: Transport,
}

impl Handler for SocketRoute {
    fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture {
        let (endpoint, transport) = (self.endpoint.clone(), self.transport);
        Box::pin(async move {
            match transport {
                Transport::WebSocket => endpoint.websocket(call, request).await,
                Transport::LongPoll => endpoint.longpoll(call, request).await,
            }
        })
    }
}
