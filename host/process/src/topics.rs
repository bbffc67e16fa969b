//! The port to pubsub: where processes subscribe.

use std::sync::Arc;

use crate::address::Pid;
use crate::error::Error;

/// Subscribes processes to topics. What is published there comes back by [`Processes::publish`](crate::Processes::publish).
///
/// The engine knows what each process subscribed to: it subscribes again what comes back from the store, and takes back all at
/// its end. So an implementation keeps nothing for a process that the engine has not asked for.
pub trait Topics: Send + Sync + 'static {
    /// Messages of this topic, or with a trailing `*` of these topics, go to the process from now on. It must not wait. Asked
    /// for once for each process and text.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no topic, [`Error::Full`]; whatever a guest is to be told.
    fn subscribe(&self, pid: &Pid, topic: &str) -> Result<(), Error>;

    /// No more of it.
    fn unsubscribe(&self, pid: &Pid, topic: &str);
}

impl<T: Topics + ?Sized> Topics for Arc<T> {
    fn subscribe(&self, pid: &Pid, topic: &str) -> Result<(), Error> {
        (**self).subscribe(pid, topic)
    }

    fn unsubscribe(&self, pid: &Pid, topic: &str) {
        (**self).unsubscribe(pid, topic);
    }
}

/// There are no topics.
pub(crate) struct Nowhere;

impl Topics for Nowhere {
    fn subscribe(&self, _: &Pid, _: &str) -> Result<(), Error> {
        Err(Error::Unavailable("this host has no topics".to_owned()))
    }

    fn unsubscribe(&self, _: &Pid, _: &str) {}
}
