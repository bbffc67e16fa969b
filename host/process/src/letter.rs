//! What waits in a mailbox.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::address::Pid;
use crate::behaviour::{CallRef, MonitorRef, Published, TimerId};
use crate::error::{Error, Failure};
use crate::keeper::MailId;
use crate::reason::Reason;
use crate::time::Tick;

/// Where the answer of a call goes. Dropped without one it says that the host is gone.
pub(crate) struct Answer(oneshot::Sender<Result<Bytes, Failure>>);

impl Answer {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<Bytes, Failure>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Nothing happens if nobody waits any more.
    pub(crate) fn give(self, answer: Result<Bytes, Failure>) {
        let _ = self.0.send(answer);
    }

    pub(crate) fn is_awaited(&self) -> bool {
        !self.0.is_closed()
    }
}

/// What an answer that was dropped says.
pub(crate) fn dropped() -> Failure {
    Failure::Other(Error::Stopping)
}

/// A message that waits.
pub(crate) enum Letter {
    Call {
        message: Bytes,
        from: CallRef,
        answer: Answer,
        /// When nobody waits for it any more.
        over: Tick,
    },
    Cast {
        message: Bytes,
        mail: Option<MailId>,
    },
    Info(Bytes),
    /// What it says stands with the timer, so a timer that is cancelled says nothing.
    Timer(TimerId),
    Published(Box<Published>),
    /// As for a timer: what stands with the monitor.
    Down(Box<(MonitorRef, Pid, Reason)>),
    Exit(Box<(Pid, Reason)>),
}

impl Letter {
    /// Whether it counts against the mailbox's bound; see [`Processes`](crate::Processes).
    pub(crate) const fn is_counted(&self) -> bool {
        matches!(self, Self::Call { .. } | Self::Cast { .. } | Self::Info(_) | Self::Published(_))
    }
}
