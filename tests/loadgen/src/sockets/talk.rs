//! Clients that ask and wait for the reply.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::frame::Frames;
use crate::histogram::Histogram;
use crate::pace::now;

const BUFFER_BYTES: usize = 64 << 10;

/// What clients have asked.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// From each question to its reply, of those that were asked and answered in time.
    pub latencies: Histogram,
    /// For how long they asked.
    pub took: Duration,
}

impl Talk {
    /// Replies a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.latencies.count() as f64 / self.took.as_secs_f64()
    }
}

/// Asks once, and waits until so many frames have come.
///
/// # Errors
/// When the connection or the socket ends.
pub async fn ask(stream: &mut TcpStream, question: &[u8], frames: u64) -> io::Result<()> {
    let (mut reading, mut buffer, mut ended) = (Frames::default(), [0; 4096], 0);
    stream.write_all(question).await?;
    while ended < frames {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        ended += reading.read(buffer.get(..read).unwrap_or_default())?;
    }
    Ok(())
}

/// Lets each client ask the same again and again, the next as soon as the reply to the last is there, for so long; what is
/// answered in the time before that is not counted. The clients come back. It runs in a `LocalSet`.
///
/// # Errors
/// When a connection or a socket ends.
pub async fn talk(
    streams: Vec<TcpStream>,
    question: &[u8],
    warm_up: Duration,
    time: Duration,
) -> io::Result<(Talk, Vec<TcpStream>)> {
    let from = now() + warm_up;
    let shared = Rc::new(Shared {
        question: question.to_vec(),
        from,
        until: from + time,
        buffer: RefCell::new(vec![0; BUFFER_BYTES]),
        latencies: RefCell::default(),
    });
    let mut clients = JoinSet::new();
    for stream in streams {
        clients.spawn_local(work(stream, Rc::clone(&shared)));
    }
    let mut streams = Vec::with_capacity(clients.len());
    while let Some(stream) = clients.join_next().await {
        streams.push(stream.map_err(io::Error::other)??);
    }
    Ok((Talk { latencies: shared.latencies.take(), took: time }, streams))
}

/// What the clients share, as those of a crowd.
struct Shared {
    question: Vec<u8>,
    from: Instant,
    until: Instant,
    buffer: RefCell<Vec<u8>>,
    latencies: RefCell<Histogram>,
}

async fn work(mut stream: TcpStream, shared: Rc<Shared>) -> io::Result<TcpStream> {
    let mut frames = Frames::default();
    loop {
        let asked = now();
        if asked >= shared.until {
            return Ok(stream);
        }
        stream.write_all(&shared.question).await?;
        while poll_fn(|cx| frames.poll_read(&mut stream, &shared.buffer, cx)).await? == 0 {}
        let answered = now();
        if asked >= shared.from && answered <= shared.until {
            let nanos = u64::try_from((answered - asked).as_nanos()).unwrap_or(u64::MAX);
            shared.latencies.borrow_mut().record(nanos);
        }
    }
}
