//! Why a channel has ended.

use crate::__private::bindings::channels::exports::skep::plugin::channel_handler as wit;

/// Why a channel has ended: what `terminate` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The client left the topic.
    Left,
    /// The socket is gone, for whatever reason; or the client joined the topic once more on it. A process knows no better when
    /// its client has left.
    Closed,
    /// It stopped itself, and said this.
    Stopped(String),
    /// One of its functions crashed. Its value is that from before.
    Crashed,
}

impl End {
    pub(super) fn new(reason: wit::Reason) -> Self {
        match reason {
            wit::Reason::Left => Self::Left,
            wit::Reason::Closed => Self::Closed,
            wit::Reason::Stopped(why) => Self::Stopped(why),
            wit::Reason::Crashed => Self::Crashed,
        }
    }
}
