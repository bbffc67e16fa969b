//! The routes of a mount: the connection is the host's from the handshake on.

use http::Request;
use skep_runtime::Home;
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
    pub(crate) home: Home,
}

impl Handler for SocketRoute {
    fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture {
        let (endpoint, transport) = (self.endpoint.clone(), self.transport);
        // So does the socket: it lives on, and what its channels do may be long.
        Box::pin(self.home.run(async move {
            match transport {
                Transport::WebSocket => endpoint.websocket(call, request).await,
                Transport::LongPoll => endpoint.longpoll(call, request).await,
            }
        }))
    }
}
