//! Why a channel has ended.

use crate::__private::bindings::channels::exports::skep::plugin::channel_handler as wit;

/// Why a channel has ended: what `terminate` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The client left the topic.
    Left,
    /// The client joined the topic once more, on the same socket.
    Rejoined,
    /// The socket is gone, for whatever reason. All that a process knows is this.
    Closed,
    /// It stopped itself, and said this.
    Stopped(String),
    /// One of its functions crashed, for this reason. Its value is that from before.
    Crashed(String),
}

impl End {
    pub(super) fn new(reason: wit::Reason) -> Self {
        match reason {
            wit::Reason::Left => Self::Left,
            wit::Reason::Rejoined => Self::Rejoined,
            wit::Reason::Closed => Self::Closed,
            wit::Reason::Stopped(why) => Self::Stopped(why),
            wit::Reason::Crashed(why) => Self::Crashed(why),
        }
    }
}
