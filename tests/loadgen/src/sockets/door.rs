//! Where sockets are opened, and opening many.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::frame::text_frame;
use crate::pace::now;

/// Clients that come in at once: fewer than a listener's queue holds.
const AT_ONCE: usize = 64;
/// Addresses that clients come from, `127.0.0.2` and those behind it: each has some 28,000 ports.
const SOURCES: u32 = 8;
/// The answer to a handshake or a join is shorter.
const ANSWER_BYTES_MAX: usize = 4096;
/// A client that has not joined by then does not join.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where sockets are opened, and the topic that is joined there.
#[derive(Clone, Debug)]
pub struct Door {
    address: SocketAddr,
    /// Nothing, where the server is told nothing.
    handshake: Vec<u8>,
    join: Vec<u8>,
    receive_buffer: Option<u32>,
}

/// Clients that have come in.
#[derive(Debug)]
pub struct Opened {
    /// All that have joined.
    pub streams: Vec<TcpStream>,
    /// How long that took.
    pub took: Duration,
    /// Why there are no more, if there are fewer than were wanted.
    pub stopped: Option<io::Error>,
}

impl Door {
    /// A mount (`/socket`) of a server on this machine, and a topic; a client's ref of the join is `"1"`.
    #[must_use]
    pub fn new(address: SocketAddr, mount: &str, topic: &str) -> Self {
        let handshake = format!(
            "GET {mount}/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let join = text_frame(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
        Self { address, handshake: handshake.into_bytes(), join, receive_buffer: None }
    }

    /// A server that is connected to and told nothing.
    #[must_use]
    pub fn bare(address: SocketAddr) -> Self {
        Self { address, handshake: Vec::new(), join: Vec::new(), receive_buffer: None }
    }

    /// Clients with a receive buffer of about so many bytes, instead of the system's.
    #[must_use]
    pub fn receive_buffer(self, bytes: u32) -> Self {
        Self { receive_buffer: Some(bytes), ..self }
    }

    /// Opens one socket and joins; from one of several loopback addresses.
    ///
    /// # Errors
    /// When there is no connection, or the server refuses or says something odd.
    pub async fn open(&self, number: u32) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + 1 + number % SOURCES);
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        let mut stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        if self.handshake.is_empty() {
            return Ok(stream);
        }
        let mut answer = Vec::new();
        stream.write_all(&self.handshake).await?;
        read_until(&mut stream, &mut answer, |answer| answer.ends_with(b"\r\n\r\n")).await?;
        expect(answer.starts_with(b"HTTP/1.1 101"), "a handshake", &answer)?;
        answer.clear();
        stream.write_all(&self.join).await?;
        read_until(&mut stream, &mut answer, |answer| answer.ends_with(b"}]")).await?;
        let is_ok = answer.windows(13).any(|part| part == br#""status":"ok""#);
        expect(is_ok, "a join", &answer)?;
        Ok(stream)
    }

    /// Opens up to so many, in a `LocalSet`; the first one that fails is the last one that was tried.
    pub async fn open_many(&self, count: usize) -> Opened {
        let started = now();
        let (places, door) = (Rc::new(Semaphore::new(AT_ONCE)), Rc::new(self.clone()));
        let mut opening = JoinSet::new();
        for number in 0..u32::try_from(count).unwrap_or(u32::MAX) {
            let (places, door) = (Rc::clone(&places), Rc::clone(&door));
            opening.spawn_local(async move {
                let _place = places.acquire().await.map_err(|_| io::ErrorKind::Interrupted)?;
                let opened = tokio::time::timeout(PATIENCE, door.open(number)).await;
                let opened = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                if opened.is_err() {
                    places.close();
                }
                opened
            });
        }
        let (mut streams, mut stopped) = (Vec::with_capacity(count), None);
        while let Some(opened) = opening.join_next().await {
            match opened.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
                Ok(stream) => streams.push(stream),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => stopped = stopped.or(Some(error)),
            }
        }
        Opened { streams, took: started.elapsed(), stopped }
    }
}

async fn read_until(stream: &mut TcpStream, answer: &mut Vec<u8>, is_whole: fn(&[u8]) -> bool) -> io::Result<()> {
    while !is_whole(answer) {
        let read = stream.read_buf(answer).await?;
        expect(read > 0 && answer.len() <= ANSWER_BYTES_MAX, "an answer that ends", answer)?;
    }
    Ok(())
}

fn expect(is_so: bool, what: &str, answer: &[u8]) -> io::Result<()> {
    if is_so {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(answer);
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("no {what}: {answer}")))
}
