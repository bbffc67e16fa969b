//! Clients that listen.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::frame::Frames;
use crate::histogram::Histogram;
use crate::pace::now;

const BUFFER_BYTES: usize = 64 << 10;

/// What came to all of them since [`Crowd::expect`].
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Frames.
    pub frames: u64,
    /// From then to the last of them.
    pub took: Duration,
    /// From then to each of them.
    pub ages: Histogram,
}

/// What the clients share. They are tasks of one thread, and nothing awaits while any of it is borrowed.
struct Shared {
    heard: RefCell<Heard>,
    buffer: RefCell<Vec<u8>>,
    since: Cell<Instant>,
    wanted: Cell<u64>,
    all: Notify,
    ended: RefCell<Option<io::Error>>,
}

/// The clients; they hang up when it is dropped. It lives in a `LocalSet`.
pub struct Crowd {
    shared: Rc<Shared>,
    clients: JoinSet<()>,
}

impl Crowd {
    /// Lets clients listen that have joined.
    #[must_use]
    pub fn listen(streams: Vec<TcpStream>) -> Self {
        let shared = Rc::new(Shared {
            heard: RefCell::default(),
            buffer: RefCell::new(vec![0; BUFFER_BYTES]),
            since: Cell::new(now()),
            wanted: Cell::new(0),
            all: Notify::new(),
            ended: RefCell::new(None),
        });
        let mut clients = JoinSet::new();
        for stream in streams {
            clients.spawn_local(listen(stream, Rc::clone(&shared)));
        }
        Self { shared, clients }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Hangs up; all connections are closed when it returns.
    pub async fn hang_up(mut self) {
        self.clients.shutdown().await;
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Forgets what came so far. So many frames are expected for each client, and their ages count from now on.
    pub fn expect(&self, each: u64) {
        self.shared.heard.take();
        self.shared.wanted.set(each * self.clients.len() as u64);
        self.shared.since.set(now());
    }

    /// The ages of further frames count from now on.
    pub fn mark(&self) {
        self.shared.since.set(now());
    }

    /// Waits until all frames have come that were expected, and takes what came.
    ///
    /// # Errors
    /// When a client's socket has ended, or the frames do not come.
    pub async fn heard(&self, patience: Duration) -> io::Result<Heard> {
        let shared = &self.shared;
        let came = tokio::time::timeout(patience, async {
            while shared.heard.borrow().frames < shared.wanted.get() && shared.ended.borrow().is_none() {
                shared.all.notified().await;
            }
        });
        let in_time = came.await.is_ok();
        if let Some(error) = shared.ended.take() {
            return Err(error);
        }
        let heard = shared.heard.take();
        if in_time {
            return Ok(heard);
        }
        let says = format!("{} of {} frames came", heard.frames, shared.wanted.get());
        Err(io::Error::new(io::ErrorKind::TimedOut, says))
    }
}

async fn listen(mut stream: TcpStream, shared: Rc<Shared>) {
    let mut frames = Frames::default();
    let error = loop {
        match poll_fn(|cx| frames.poll_read(&mut stream, &shared.buffer, cx)).await {
            Ok(ended) => shared.note(ended),
            Err(error) => break error,
        }
    };
    shared.ended.borrow_mut().get_or_insert(error);
    shared.all.notify_one();
}

impl Shared {
    fn note(&self, ended: u64) {
        if ended == 0 {
            return;
        }
        let (age, mut heard) = (self.since.get().elapsed(), self.heard.borrow_mut());
        for _ in 0..ended {
            heard.ages.record(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        }
        heard.frames += ended;
        heard.took = age;
        if heard.frames >= self.wanted.get() {
            self.all.notify_one();
        }
    }
}
