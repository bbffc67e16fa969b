//! Many clients of one event stream, in one thread: a socket each and nothing else.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use skep_loadgen::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::message::{Line, Lines, now};

/// Clients that connect at once: fewer than a listener's queue holds.
const CONNECTING: usize = 256;
const BUFFER_BYTES: usize = 64 << 10;
const HEAD_BYTES_MAX: usize = 4096;
/// The receive buffer of a client that never reads; the system makes more of it, but not much.
const SMALL_BUFFER: u32 = 4096;
/// What has not come by then does not come.
const GIVE_UP: Duration = Duration::from_secs(60);

/// What came to all of them since the last time.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) messages: u64,
    pub(super) first_published: u64,
    pub(super) last_came: u64,
    /// From when a message was published to when each client read it.
    pub(super) ages: Histogram,
}

/// What the clients share. They are tasks of one thread, and nothing awaits while any of it is borrowed.
#[derive(Default)]
struct Shared {
    heard: RefCell<Heard>,
    buffer: RefCell<Vec<u8>>,
    wanted: Cell<u64>,
    all: Notify,
    gaps: Cell<u64>,
    closed: Cell<u64>,
}

/// The clients; they hang up when it is dropped. It lives in a `LocalSet`.
pub(super) struct Crowd {
    shared: Rc<Shared>,
    clients: JoinSet<()>,
}

impl Crowd {
    /// Opens so many streams; all of them listen when it returns.
    pub(super) async fn open(address: SocketAddr, path: &str, count: usize) -> anyhow::Result<Self> {
        let shared = Rc::new(Shared { buffer: RefCell::new(vec![0; BUFFER_BYTES]), ..Shared::default() });
        let places = Rc::new(Semaphore::new(CONNECTING));
        let request = Rc::new(request(path));
        let mut opening = JoinSet::new();
        for _ in 0..count {
            let (places, request) = (Rc::clone(&places), Rc::clone(&request));
            opening.spawn_local(async move {
                let _place = places.acquire().await?;
                let mut stream = TcpStream::connect(address).await?;
                greet(&mut stream, &request).await?;
                anyhow::Ok(stream)
            });
        }
        let mut clients = JoinSet::new();
        while let Some(opened) = opening.join_next().await {
            let stream = opened??;
            clients.spawn_local(listen(stream, Rc::clone(&shared)));
        }
        Ok(Self { shared, clients })
    }

    /// Forgets what came so far, and says how many messages to wait for.
    pub(super) fn expect(&self, messages: u64) {
        self.shared.heard.take();
        self.shared.wanted.set(messages);
    }

    /// Waits for the messages that were expected, and takes what came.
    pub(super) async fn heard(&self) -> anyhow::Result<Heard> {
        let shared = &self.shared;
        let came = tokio::time::timeout(GIVE_UP, async {
            while shared.heard.borrow().messages < shared.wanted.get() {
                shared.all.notified().await;
            }
        });
        let in_time = came.await.is_ok();
        let heard = shared.heard.take();
        let (gaps, closed) = (shared.gaps.get(), shared.closed.get());
        anyhow::ensure!(
            in_time && gaps == 0 && closed == 0,
            "{} of {} messages came to {} clients, with {gaps} gaps; {closed} streams ended",
            heard.messages,
            shared.wanted.get(),
            self.clients.len()
        );
        Ok(heard)
    }
}

/// Clients that are connected, have a small receive buffer and never read.
pub(super) async fn open_stalled(address: SocketAddr, path: &str, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let mut stalled = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
        let mut stream = socket.connect(address).await?;
        greet(&mut stream, &request(path)).await?;
        stalled.push(stream);
    }
    Ok(stalled)
}

fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()
}

/// Asks for the stream and reads the head of the answer.
async fn greet(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<()> {
    stream.write_all(request).await.context("asking for a stream")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read_buf(&mut head).await?;
        anyhow::ensure!(read > 0 && head.len() < HEAD_BYTES_MAX, "a stream without a head");
    }
    anyhow::ensure!(head.starts_with(b"HTTP/1.1 200"), "no stream: {}", String::from_utf8_lossy(&head));
    Ok(())
}

async fn listen(stream: TcpStream, shared: Rc<Shared>) {
    let mut lines = Lines::default();
    while stream.readable().await.is_ok() {
        let mut buffer = shared.buffer.borrow_mut();
        match stream.try_read(&mut buffer) {
            Ok(read @ 1..) => {
                lines.read(buffer.get(..read).unwrap_or_default(), |line| shared.note(line));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => break,
        }
    }
    shared.closed.set(shared.closed.get() + 1);
}

impl Shared {
    fn note(&self, line: Line) {
        let Line::Message(stamp) = line else {
            self.gaps.set(self.gaps.get() + 1);
            return;
        };
        let (now, mut heard) = (now(), self.heard.borrow_mut());
        if heard.messages == 0 {
            heard.first_published = stamp.published;
        }
        heard.messages += 1;
        heard.last_came = now;
        heard.ages.record(now.saturating_sub(stamp.published));
        if heard.messages == self.wanted.get() {
            self.all.notify_one();
        }
    }
}
