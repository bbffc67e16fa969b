//! What the host knows of a call before a guest sees it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::RequestId;

/// One call of a handler, however it came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// The id in every log line of the call.
    pub id: RequestId,
    /// Who asked: the peer, or what a trusted proxy says of it. Unspecified (`0.0.0.0`) where no client is waiting.
    pub client: IpAddr,
    /// Whether the client used https.
    pub secure: bool,
    /// What the route's captures matched, percent-decoded, in the route's order.
    pub captures: Vec<(String, String)>,
    /// How many plugins called each other to get here; bounds a loop between plugins.
    pub hops: u8,
}

/// What a call cost, whatever came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Fuel burnt.
    pub fuel: u64,
    /// The most that linear memories and tables held together, in bytes.
    pub memory: u64,
    /// From admission to the end, streaming included.
    pub wall: Duration,
}

/// Told once about the end of every call; metrics and logs hang on it.
pub trait CallObserver: Send + Sync + 'static {
    /// A call ended: with the status of its answer, or with a failure.
    fn ended(&self, call: &Call, outcome: Result<u16, &crate::Failure>, usage: Usage);
}

/// An observer that a call can carry along.
pub type SharedObserver = Arc<dyn CallObserver>;
