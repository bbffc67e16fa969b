//! One subscriber on a thread of its own: it counts what comes, and how old it is.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use skep_loadgen::Histogram;

use super::message::{Line, Lines, now};
use crate::redis::{Redis, command};

const BUFFER_BYTES: usize = 64 << 10;
/// How often it is looked whether all has come.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// What has not come by then does not come.
const GIVE_UP: Duration = Duration::from_secs(20);

/// What came since it was last taken.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) messages: u64,
    pub(super) gaps: u64,
    /// When the first was published, and when the last came.
    pub(super) first_published: u64,
    pub(super) last_came: u64,
    /// From when it was asked for, and from when it was published, to here.
    pub(super) since_asked: Histogram,
    pub(super) since_published: Histogram,
}

impl Seen {
    /// Messages a second, from the first that was published to the last that came.
    pub(super) fn rate(&self) -> f64 {
        self.messages as f64 * 1e9 / self.last_came.saturating_sub(self.first_published).max(1) as f64
    }

    fn note(&mut self, line: Line) {
        let Line::Message(stamp) = line else {
            self.gaps += 1;
            return;
        };
        let now = now();
        if self.messages == 0 {
            self.first_published = stamp.published;
        }
        self.messages += 1;
        self.last_came = now;
        self.since_asked.record(now.saturating_sub(stamp.asked));
        self.since_published.record(now.saturating_sub(stamp.published));
    }
}

/// The subscriber; hangs up when it is dropped.
pub(super) struct Subscriber {
    seen: Arc<Mutex<Seen>>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Subscriber {
    /// A client of an event stream.
    pub(super) fn of_skep(address: &str, path: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())?;
        let mut head = [0; 1024];
        let read = stream.read(&mut head)?;
        let head = head.get(..read).unwrap_or_default();
        anyhow::ensure!(head.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(head));
        Self::listen(stream)
    }

    pub(super) fn of_redis(redis: &Redis, topic: &str) -> anyhow::Result<Self> {
        let mut connection = redis.connect()?;
        connection.send(&command(&["SUBSCRIBE", topic]))?;
        let mut stream = connection.into_stream();
        // `subscribe`, the topic and how many there are now, of which the last line is a number.
        let mut answer = Vec::new();
        while !answer.ends_with(b":1\r\n") {
            let mut piece = [0; 256];
            let read = stream.read(&mut piece)?;
            anyhow::ensure!(read > 0, "redis hung up");
            answer.extend_from_slice(piece.get(..read).unwrap_or_default());
        }
        Self::listen(stream)
    }

    fn listen(stream: TcpStream) -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (mut reading, noted) = (stream.try_clone()?, Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let (mut lines, mut buffer) = (Lines::default(), vec![0; BUFFER_BYTES]);
            while let Ok(read @ 1..) = reading.read(&mut buffer) {
                let mut seen = lock(&noted);
                lines.read(buffer.get(..read).unwrap_or_default(), |line| seen.note(line));
            }
        });
        Ok(Self { seen, stream, thread: Some(thread) })
    }

    /// Waits until so many have come, and takes them.
    pub(super) fn take(&self, messages: u64) -> anyhow::Result<Seen> {
        let until = now() + u64::try_from(GIVE_UP.as_nanos())?;
        while lock(&self.seen).messages < messages {
            let thread = self.thread.as_ref().context("it listens as long as it is there")?;
            let gone = thread.is_finished() || now() > until;
            anyhow::ensure!(!gone, "{} of {messages} messages came", lock(&self.seen).messages);
            std::thread::park_timeout(LOOK_EVERY);
        }
        let seen = std::mem::take(&mut *lock(&self.seen));
        anyhow::ensure!(seen.gaps == 0, "{} gaps in what a subscriber read", seen.gaps);
        Ok(seen)
    }
}

/// A subscriber's thread cannot panic while it notes.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
