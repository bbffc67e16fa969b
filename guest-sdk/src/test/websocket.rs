//! Clients of raw WebSockets in native tests.

use super::{TestRequest, TestResponse};
use crate::{
    __private::bindings::websockets::exports::skep::plugin::websocket_handler::Opening,
    double::{presence, websockets as double},
    websocket::{Frame, Talks, WebSocketId, export::begin},
};

impl TestRequest {
    /// Opens a WebSocket, as the host would. What the client offers is its header `sec-websocket-protocol`.
    ///
    /// # Errors
    /// The answer to a client that is refused.
    #[allow(clippy::result_large_err, reason = "it is the answer")]
    pub fn open_websocket<S: Talks>(self) -> Result<TestWebSocket, TestResponse> {
        let request = self.request();
        let offered = request.headers().get_all("sec-websocket-protocol").iter();
        let offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let protocols = offered.map(|protocol| protocol.trim().to_owned()).collect();
        let socket = double::begin();
        match begin::<S>(request, Opening { socket: socket.clone(), protocols }) {
            Ok(accepted) => {
                let protocol = accepted.protocol.clone();
                double::open::<S>(&socket, accepted);
                Ok(TestWebSocket { socket, protocol })
            }
            Err(response) => {
                presence::end(&socket);
                Err(TestResponse(response))
            }
        }
    }
}

/// A client's WebSocket, from [`TestRequest::open_websocket`]. It stays open until one side closes it.
#[derive(Debug)]
pub struct TestWebSocket {
    socket: String,
    protocol: Option<String>,
}

impl TestWebSocket {
    /// The protocol that was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Names it.
    #[must_use]
    pub fn id(&self) -> WebSocketId {
        WebSocketId::new(self.socket.clone())
    }

    /// Says something. What comes of it has come when this returns.
    pub fn send(&self, frame: impl Into<Frame>) {
        double::say(&self.socket, frame.into());
    }

    /// All that the client has got since this was last asked.
    #[must_use]
    pub fn received(&self) -> Vec<Frame> {
        double::received(&self.socket)
    }

    /// The code and the reason with which it was closed; none if it is open. After a crash the code is 1011.
    #[must_use]
    pub fn closed(&self) -> Option<(u16, String)> {
        double::closed(&self.socket)
    }

    /// The client closes it.
    pub fn close(&self, code: u16) {
        double::end(&self.socket, code, "");
    }
}
