//! What the engine is told when it starts, and how the sockets of a mount are bounded.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use skep_presence::Presence;
use skep_pubsub::PubSub;
use skep_types::{ByteSize, Clock};

/// What the engine is told when it starts.
#[derive(Clone)]
pub struct Options {
    /// Wall time, for operators. Timeouts and rates go by tokio's clock.
    pub clock: Arc<dyn Clock>,
    /// Where broadcasts go.
    pub pubsub: PubSub,
    /// Whose presences are there. A channel's [id](crate::ChannelId) is the owner of what is tracked with it.
    pub presence: Presence,
    /// Sockets at once, those of longpoll sessions among them. One more is refused. Default: 200,000.
    pub sockets_max: usize,
    /// Longpoll sessions at once. One more is refused. Default: 10,000.
    pub sessions_max: usize,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, pubsub: PubSub, presence: Presence) -> Self {
        Self { clock, pubsub, presence, sockets_max: 200_000, sessions_max: 10_000 }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("sockets_max", &self.sockets_max)
            .field("sessions_max", &self.sessions_max)
            .finish_non_exhaustive()
    }
}

/// What happens when a socket's outbound queue has no room for a frame, because its client does not read. An empty queue
/// takes any frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowClient {
    /// The socket is closed with 1013, what waits is dropped, and the client may come back.
    #[default]
    Close,
    /// The oldest broadcasts make room and are counted. Replies, pushes and ends of channels stay; where nothing but those
    /// wait, the socket is closed.
    DropBroadcasts,
}

/// A rate, as a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, at least 1.
    pub per_second: u32,
    /// At once after a pause, at least 1.
    pub burst: u32,
}

/// How the sockets of a mount are bounded. All of them share one copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// The largest frame of a client. Over it the socket is closed with 1009. Default: 128 KiB.
    pub frame_bytes_max: ByteSize,
    /// Channels of one socket. A join over it gets the error `too many channels joined`. Default: 100.
    pub channels_max: usize,
    /// Joins of one client. Over it nothing is read from that client for a while. Default: 50 per second, 200 at once.
    pub joins: Rate,
    /// Messages of one client, heartbeats among them. Over it nothing is read from that client for a while. Default: 1,000
    /// per second, 2,000 at once.
    pub messages: Rate,
    /// How long a client may say nothing. Over it the socket is closed with 1000, as Phoenix's. Default: 60 s.
    pub idle_timeout: Duration,
    /// How long a client has to read what waits for it when its socket is closed. Over it the connection is cut. Default: 5 s.
    pub close_timeout: Duration,
    /// Frames that wait for one client to read. At half of it nothing more is read from that client, so that only what it
    /// did not ask for can overflow. Default: 1,024.
    pub queue: usize,
    /// What they have, in bytes. Default: 1 MiB.
    pub queue_bytes: ByteSize,
    /// What happens when one of the two is reached. Default: the socket is closed.
    pub slow_client: SlowClient,
    /// Messages of its client that wait for one channel's handler. At it nothing more is read from that client. Default: 64.
    pub mailbox: usize,
    /// Messages of pubsub that wait for one channel's handler. Over it the oldest is dropped and counted. Default: 1,000.
    pub infos: usize,
    /// Further topics that one channel listens to. A handler that asks for more has crashed. Default: 32.
    pub subscriptions_max: usize,
    /// How long a longpoll request waits for messages. A session that is not polled for one and a half windows ends.
    /// Default: 10 s.
    pub window: Duration,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            frame_bytes_max: ByteSize::kib(128),
            channels_max: 100,
            joins: Rate { per_second: 50, burst: 200 },
            messages: Rate { per_second: 1_000, burst: 2_000 },
            idle_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            queue: 1_024,
            queue_bytes: ByteSize::mib(1),
            slow_client: SlowClient::Close,
            mailbox: 64,
            infos: 1_000,
            subscriptions_max: 32,
            window: Duration::from_secs(10),
        }
    }
}
