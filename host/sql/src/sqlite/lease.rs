//! A connection that is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::TrySendError;

use tokio::sync::oneshot;

use super::Home;
use super::serve::Serving;
use super::watch::Watch;
use super::worker::{Job, Once, Work, Worker};
use crate::error::Error;
use crate::gate::Place;

/// Numbers of holders; 0 is nobody.
static HOLDERS: AtomicU64 = AtomicU64::new(1);

/// A connection that is held. Its drop interrupts what it does, undoes what is not committed, and gives it back.
pub(crate) struct Lease {
    held: Option<(Worker, Place)>,
    home: Arc<Home>,
    holder: u64,
    /// A question was dropped before its answer; what it does goes on until it sees that.
    asking: bool,
}

/// Interrupts what is asked once, if its answer is not awaited to the end.
struct Asking {
    watch: Option<Arc<Watch>>,
    holder: u64,
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.stop(self.holder);
        }
    }
}

impl Lease {
    pub(super) fn new(worker: Worker, place: Place, home: &Arc<Home>) -> Self {
        let holder = HOLDERS.fetch_add(1, Relaxed);
        Self { held: Some((worker, place)), home: Arc::clone(home), holder, asking: false }
    }

    /// Asks the connection's thread.
    pub(super) async fn ask<T: Send + 'static>(
        &mut self,
        work: impl for<'c> FnOnce(&mut Serving<'c>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if self.asking {
            return Err(Error::Unavailable("an earlier statement was given up while it worked".to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        let holder = self.holder;
        let work: Work = Box::new(move |serving| {
            let done = match serving {
                // Whoever asked has gone away.
                _ if reply.is_closed() => return true,
                Ok(serving) => {
                    serving.watch.works_for(holder);
                    work(serving)
                }
                Err(error) => Err(error.clone()),
            };
            _ = reply.send(done);
            true
        });
        let (worker, _) = self.held.as_mut().ok_or_else(given_back)?;
        send(worker, &self.home, work)?;
        self.asking = true;
        let answer = answer.await;
        self.asking = false;
        answer.unwrap_or_else(|_| Err(thread_failed()))
    }

    /// Asks once, and gives the connection back with the answer, if that is not a reason to keep it. The thread does it by
    /// itself, so that it is there already for whoever is next.
    pub(super) async fn ask_once<T: Send + 'static>(
        mut self,
        keeps: fn(&T) -> bool,
        work: impl for<'c> FnOnce(&mut Serving<'c>) -> Result<T, Error> + Send + 'static,
    ) -> Result<(T, Option<Self>), Error> {
        let (worker, place) = self.held.take().ok_or_else(given_back)?;
        let (reply, answer) = oneshot::channel();
        let (holder, home) = (self.holder, Arc::clone(&self.home));
        let once: Once = Box::new(move |serving, worker, place| {
            let serving = match serving {
                Ok(serving) => serving,
                Err(error) => {
                    home.give_back(worker, place);
                    _ = reply.send(Err(error.clone()));
                    return false;
                }
            };
            serving.watch.works_for(holder);
            let done = if reply.is_closed() { Err(given_back()) } else { work(serving) };
            if done.as_ref().is_ok_and(keeps) {
                match reply.send(done.map(|done| (done, Some((worker, place))))) {
                    Err(Ok((_, Some((worker, place))))) => {
                        serving.clean();
                        home.give_back(worker, place);
                        return false;
                    }
                    Ok(()) | Err(_) => return true,
                }
            }
            serving.clean();
            home.give_back(worker, place);
            _ = reply.send(done.map(|done| (done, None)));
            false
        });
        let mut asking = Asking { watch: Some(send_once(&self.home, once, worker, place)?), holder };
        let answer = answer.await;
        asking.watch = None;
        let (done, kept) = answer.unwrap_or_else(|_| Err(thread_failed()))?;
        self.held = kept;
        let keeps = self.held.is_some();
        Ok((done, keeps.then_some(self)))
    }
}

/// Hands work to the thread, or to a new one, if it has just ended because nobody had asked for a while.
fn send(worker: &mut Worker, home: &Home, mut work: Work) -> Result<(), Error> {
    loop {
        match worker.send(work) {
            Ok(()) => return Ok(()),
            Err(back) => {
                work = back;
                *worker = home.start()?;
            }
        }
    }
}

/// The same with what goes with its connection. Answers how to interrupt it.
fn send_once(home: &Home, mut once: Once, mut worker: Worker, mut place: Place) -> Result<Arc<Watch>, Error> {
    loop {
        let (jobs, watch) = (worker.jobs.clone(), Arc::clone(&worker.watch));
        match jobs.try_send(Job::Once(once, worker, place)) {
            Err(TrySendError::Full(Job::Once(back, _, its)) | TrySendError::Disconnected(Job::Once(back, _, its))) => {
                (once, place) = (back, its);
                worker = home.start()?;
            }
            Ok(()) | Err(_) => return Ok(watch),
        }
    }
}

fn given_back() -> Error {
    Error::Unavailable("the connection was given back".to_owned())
}

fn thread_failed() -> Error {
    Error::Unavailable("the connection's thread has failed".to_owned())
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((worker, place)) = self.held.take() {
            worker.watch.stop(self.holder);
            let jobs = worker.jobs.clone();
            // If the thread has gone, the place is free by this very drop.
            _ = jobs.try_send(Job::Give(worker, place, Arc::clone(&self.home)));
        }
    }
}
