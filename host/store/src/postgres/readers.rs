//! Connections that read. Many reads are on their way on each of them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::batch::{Answers, Batch};
use super::fault::Fault;
use super::names::{self, Names};
use super::session::{Part, Session};
use super::writer::Shared;
use crate::error::Error;
use crate::queue::closed;

/// How long a server that is gone is left alone before it is asked again; doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest such time.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The connections, and how many more reads there may be.
pub(super) struct Readers {
    shared: Arc<Shared>,
    lines: Vec<Mutex<Line>>,
    next: AtomicUsize,
    room: Semaphore,
}

#[derive(Default)]
struct Line {
    session: Option<Arc<Session>>,
    broken: Option<(Instant, Duration, Error)>,
}

/// What a read sees.
#[derive(Clone)]
pub(super) struct Reader {
    session: Arc<Session>,
    pub(super) shared: Arc<Shared>,
}

/// What a read comes to.
pub(super) enum Read {
    /// It is refused.
    Refused(Error),
    /// It cannot be made.
    Fault(Fault),
}

impl From<Fault> for Read {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Reader {
    /// Looks, all of one moment.
    pub(super) async fn look(&self, batch: &Batch) -> Result<Answers, Fault> {
        self.session.run(batch, Part::Look).await
    }

    /// Names, with those of these queues, which may have come into being elsewhere.
    pub(super) async fn queues<T>(&self, queues: &[i64], with: impl FnOnce(&Names) -> T) -> Result<T, Fault> {
        let unknown = {
            let names = self.shared.names.read();
            queues.iter().any(|queue| names.queue_name(*queue).is_none())
        };
        if unknown {
            names::refresh(&self.session, &self.shared.names, Part::Look).await?;
        }
        Ok(with(&self.shared.names.read()))
    }
}

impl Readers {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let lines = (0..shared.target.options.readers.get()).map(|_| Mutex::default()).collect();
        let room = Semaphore::new(shared.target.options.waiting_max.min(Semaphore::MAX_PERMITS));
        Self { shared, lines, next: AtomicUsize::new(0), room }
    }

    /// Reads. What is over the bound is refused at once. A connection that is lost is made again once; a read may be made twice.
    pub(super) async fn read<A, T, F>(&self, args: Arc<A>, read: fn(Reader, Arc<A>) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Read>>,
    {
        let _room = self.room.try_acquire().map_err(|_| if self.room.is_closed() { closed() } else { Error::Busy })?;
        let mut last = Error::Unavailable("there is no connection".to_owned());
        for _ in 0..2 {
            let session = self.session().await?;
            let reader = Reader { session: Arc::clone(&session), shared: Arc::clone(&self.shared) };
            match read(reader, Arc::clone(&args)).await {
                Ok(found) => return Ok(found),
                Err(Read::Refused(error)) => return Err(error),
                Err(Read::Fault(fault)) if fault.breaks() => {
                    last = fault.error();
                    self.drop(&session).await;
                }
                Err(Read::Fault(fault)) => return Err(fault.error()),
            }
        }
        Err(last)
    }

    async fn session(&self) -> Result<Arc<Session>, Error> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.lines.len().max(1);
        let Some(line) = self.lines.get(at) else { return Err(closed()) };
        let mut line = line.lock().await;
        if let Some(session) = line.session.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        if let Some((since, wait, error)) = &line.broken
            && since.elapsed() < *wait
        {
            return Err(error.clone());
        }
        match Session::connect(&self.shared.target, None).await {
            Ok(session) => {
                let session = Arc::new(session);
                *line = Line { session: Some(Arc::clone(&session)), broken: None };
                Ok(session)
            }
            Err(fault) => {
                let wait = line.broken.as_ref().map_or(RETRY_FIRST, |(_, wait, _)| (*wait * 2).min(RETRY_MAX));
                line.broken = Some((Instant::now(), wait, fault.error()));
                Err(fault.error())
            }
        }
    }

    async fn drop(&self, broken: &Arc<Session>) {
        for line in &self.lines {
            let mut line = line.lock().await;
            if line.session.as_ref().is_some_and(|session| Arc::ptr_eq(session, broken)) {
                line.session = None;
            }
        }
    }

    /// Takes no more, and waits for those that are on their way.
    pub(super) async fn close(&self) {
        let all = self.shared.target.options.waiting_max.min(Semaphore::MAX_PERMITS);
        let all = u32::try_from(all).unwrap_or(u32::MAX);
        let done = self.room.acquire_many(all).await;
        self.room.close();
        drop(done);
    }
}
