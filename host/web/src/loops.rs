//! Event loops: threads that look after connections.
//!
//! Workers that share tasks are right for work, and dear for connections: whichever worker is free takes the next event, so the state
//! of a connection goes from one processor's cache to another's with every request. Here a connection lives on one thread, which has a
//! scheduler and a poll of its own, from its first byte to its last, and is given to the thread that has fewest: what Envoy and nginx
//! call a worker.
//!
//! Nobody takes anything from a loop that is busy, so what may be long has no place on one. Requests of HTTP/2 do not run there, since
//! one connection may bring all that there are; nor does what a [`Handler`](crate::Handler) takes elsewhere.

use std::io;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Some threads, and how many connections each has. They end when this goes, and cut off what they have.
pub(crate) struct EventLoops {
    loops: Vec<EventLoop>,
    _running: DropGuard,
}

struct EventLoop {
    runtime: Handle,
    /// One more than there are connections.
    connections: Arc<()>,
}

impl EventLoops {
    /// Starts so many, at least one.
    ///
    /// # Errors
    /// What the system has against another thread or poll.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let running = stop.clone().drop_guard();
        let start = |number: usize| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (handle, stopped) = (runtime.handle().clone(), stop.clone());
            std::thread::Builder::new().name(format!("events-{number}")).spawn(move || {
                runtime.block_on(stopped.cancelled());
                // What blocks for somebody who is gone does not keep it.
                runtime.shutdown_background();
            })?;
            Ok(EventLoop { runtime: handle, connections: Arc::new(()) })
        };
        let loops = (0..count.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self { loops, _running: running })
    }

    /// Has a connection live on the loop that has fewest.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let Some(chosen) = self.loops.iter().min_by_key(|events| Arc::strong_count(&events.connections)) else {
            return;
        };
        let counted = Arc::clone(&chosen.connections);
        // An async block would have room for the connection twice.
        chosen.runtime.spawn(connection.map(move |()| drop(counted)));
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    /// Where a connection lives that goes on until it is told.
    async fn connect(loops: &EventLoops) -> (ThreadId, oneshot::Sender<()>) {
        let (end, ended) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        loops.spawn(async move {
            let _ = tell.send(std::thread::current().id());
            let _ = ended.await;
        });
        (told.await.unwrap(), end)
    }

    #[tokio::test]
    async fn a_connection_goes_to_the_loop_that_has_fewest() {
        let loops = EventLoops::start(2).unwrap();
        let (first, end_first) = connect(&loops).await;
        let (second, end_second) = connect(&loops).await;
        assert_ne!(first, second);
        assert_ne!(first, std::thread::current().id());
        let (_third, _end) = connect(&loops).await;
        drop(end_second);
        // Its place is given back when its loop has dropped it.
        while Arc::strong_count(&loops.loops[1].connections) > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(connect(&loops).await.0, second, "two are on the first");
        drop(end_first);
    }

    #[tokio::test]
    async fn loops_end_with_their_owner_and_cut_off_what_they_have() {
        let loops = EventLoops::start(1).unwrap();
        let (held, mut cut_off) = mpsc::channel::<()>(1);
        loops.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(loops);
        assert_eq!(cut_off.recv().await, None);
    }
}
