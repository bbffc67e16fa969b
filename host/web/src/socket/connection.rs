//! What a WebSocket is read from and written to.

use std::io;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;
use skep_channels::{Line, Outbound};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::write::Writer;

/// What is taken from the socket's queue at once.
pub(super) const TAKE_BYTES: usize = 64 << 10;

/// Both directions of a connection; dropping it cuts the connection.
pub(crate) trait Connection: Unpin {
    type Read: AsyncRead + Unpin;
    type Write: AsyncWrite + Unpin;

    fn incoming(&mut self) -> &mut Self::Read;

    /// What is on its way to the client, and where to. None if the connection is over.
    fn outgoing<T>(&mut self, with: impl FnOnce(&mut Writer, &mut Self::Write) -> T) -> Option<T>;
}

/// Any stream, such as one with TLS: only the socket's task writes to it.
pub(crate) struct Whole<S> {
    stream: S,
    writer: Writer,
}

impl<S> Whole<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, writer: Writer::default() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection for Whole<S> {
    type Read = S;
    type Write = S;

    fn incoming(&mut self) -> &mut S {
        &mut self.stream
    }

    fn outgoing<T>(&mut self, with: impl FnOnce(&mut Writer, &mut S) -> T) -> Option<T> {
        Some(with(&mut self.writer, &mut self.stream))
    }
}

/// A stream without TLS: the engine writes to it, too.
pub(crate) struct Plain {
    incoming: OwnedReadHalf,
    wire: Arc<Wire>,
}

/// Locked while the task or a flusher writes. Whoever holds it may lock the socket's state, and not the other way round.
pub(crate) struct Wire(Mutex<Option<Outgoing>>);

struct Outgoing {
    writer: Writer,
    half: OwnedWriteHalf,
}

impl Plain {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let (incoming, half) = stream.into_split();
        let wire = Wire(Mutex::new(Some(Outgoing { writer: Writer::default(), half })));
        Self { incoming, wire: Arc::new(wire) }
    }

    pub(crate) fn wire(&self) -> Arc<Wire> {
        Arc::clone(&self.wire)
    }
}

impl Connection for Plain {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn incoming(&mut self) -> &mut OwnedReadHalf {
        &mut self.incoming
    }

    fn outgoing<T>(&mut self, with: impl FnOnce(&mut Writer, &mut OwnedWriteHalf) -> T) -> Option<T> {
        self.wire.0.lock().as_mut().map(|outgoing| with(&mut outgoing.writer, &mut outgoing.half))
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // The engine may know the wire for longer.
        *self.wire.0.lock() = None;
    }
}

impl Line for Wire {
    fn flush(&self, outbound: &Outbound<'_>) -> bool {
        // Whoever holds it writes, or is about to find out that there is more.
        let Some(mut outgoing) = self.0.try_lock() else { return false };
        let Some(Outgoing { writer, half }) = outgoing.as_mut() else { return true };
        if !writer.is_empty() {
            // The task waits for the client.
            return false;
        }
        let all = outbound.take(TAKE_BYTES, |frame| writer.frame(frame));
        let written = writer.write(|slices| {
            let written = match slices {
                [one] => half.try_write(one),
                many => half.try_write_vectored(many),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                written => Poll::Ready(written),
            }
        });
        // What a broken connection is, the task finds out by itself.
        all && matches!(written, Poll::Ready(Ok(())))
    }
}
