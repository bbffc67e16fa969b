//! What metrics are told of sockets and channels. The engine counts; the differences are added now and then.

use metrics::{counter, gauge};
use parking_lot::Mutex;
use skep_channels::Stats;

const SOCKETS: &str = "skep_sockets";
const SESSIONS: &str = "skep_socket_sessions";
const OPENED: &str = "skep_sockets_opened_total";
const REFUSED: &str = "skep_sockets_refused_total";
const SLOW: &str = "skep_sockets_slow_total";
const JOINS: &str = "skep_channel_joins_total";
const CRASHES: &str = "skep_channel_crashes_total";
const FRAMES: &str = "skep_socket_frames_total";
const DROPPED: &str = "skep_socket_messages_dropped_total";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_gauge!(SOCKETS, "Sockets of clients that are open");
    metrics::describe_gauge!(SESSIONS, "Longpoll sessions among the sockets");
    metrics::describe_counter!(OPENED, "Sockets that were opened");
    metrics::describe_counter!(REFUSED, "Sockets that were refused, by plugins or for want of room");
    metrics::describe_counter!(SLOW, "Sockets that were closed because their client did not read");
    metrics::describe_counter!(JOINS, "Joins of channels that went well");
    metrics::describe_counter!(CRASHES, "Joins and channels that crashed");
    metrics::describe_counter!(FRAMES, "Frames of sockets that have ended, by direction");
    metrics::describe_counter!(DROPPED, "Messages that were dropped because a queue of a socket was full");
}

/// What was told last.
#[derive(Default)]
pub(super) struct Meter(Mutex<Stats>);

impl Meter {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(super) fn tell(&self, now: &Stats) {
        let before = std::mem::replace(&mut *self.0.lock(), *now);
        gauge!(SOCKETS).set(now.sockets as f64);
        gauge!(SESSIONS).set(now.sessions as f64);
        let grown = |now: u64, before: u64| now.saturating_sub(before);
        counter!(OPENED).increment(grown(now.opened, before.opened));
        counter!(REFUSED).increment(grown(now.refused, before.refused));
        counter!(SLOW).increment(grown(now.slow, before.slow));
        counter!(JOINS).increment(grown(now.joins, before.joins));
        counter!(CRASHES).increment(grown(now.crashes, before.crashes));
        counter!(FRAMES, "direction" => "in").increment(grown(now.received, before.received));
        counter!(FRAMES, "direction" => "out").increment(grown(now.sent, before.sent));
        counter!(DROPPED).increment(grown(now.dropped, before.dropped));
    }
}
