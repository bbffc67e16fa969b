//! One WebSocket as one small task: it reads while the socket accepts, lets it work, and writes what it says.

use std::pin::Pin;
use std::task::{Context, Poll};

use skep_channels::{Close, Socket};
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep};

use super::connection::{Connection, TAKE_BYTES};
use super::read::{Event, Reader};

/// Rounds before other tasks get their turn.
const ROUNDS: usize = 16;

/// A WebSocket. It resolves when the connection is over; dropping it cuts the connection.
pub(crate) struct WebSocket<C> {
    connection: C,
    socket: Socket,
    reader: Reader,
    end: End,
}

enum End {
    /// Not in sight.
    Open,
    /// Frames are still written, and then the close frame; whoever does not take them by then is cut off.
    Closing { sent: bool, heard: bool, until: Pin<Box<Sleep>> },
}

impl<C: Connection> WebSocket<C> {
    /// With what was read of its frames already.
    pub(crate) fn new(connection: C, unread: &[u8], socket: Socket) -> Self {
        let mut reader = Reader::new(socket.options().frame_bytes_max.0);
        reader.feed(unread);
        Self { connection, socket, reader, end: End::Open }
    }

    /// Takes what is to be written, and writes it; whether all of it is gone. None if the connection is.
    fn write(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let Self { connection, socket, end, .. } = self;
        let written = connection.outgoing(|writer, stream| {
            loop {
                if writer.is_empty() {
                    socket.take(TAKE_BYTES, |frame| writer.frame(frame));
                }
                if writer.is_empty() {
                    let Some(close) = end.close_frame(socket) else { return Some(true) };
                    writer.close(&close);
                }
                match writer.poll_write(stream, cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return None,
                    Poll::Pending => return Some(false),
                }
            }
        });
        written?
    }

    /// Reads and hands in; whether there was anything. None if the connection is over.
    fn read(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let mut any = false;
        for _ in 0..ROUNDS {
            let open = matches!(self.end, End::Open);
            if open && !self.socket.accepts() {
                return Some(any);
            }
            match self.reader.next() {
                Ok(Some(event)) => {
                    any = true;
                    self.heard(event);
                }
                Ok(None) => match self.reader.poll_read(self.connection.incoming(), cx) {
                    Poll::Ready(Ok(0) | Err(_)) => return None,
                    Poll::Ready(Ok(_)) => any = true,
                    Poll::Pending => return Some(any),
                },
                // Nothing more of it can be understood.
                Err(violation) if open => {
                    self.socket.close(violation.0, violation.1);
                    return Some(true);
                }
                Err(_) => return None,
            }
        }
        cx.waker().wake_by_ref();
        Some(any)
    }

    fn heard(&mut self, event: Event) {
        match (event, &mut self.end) {
            (Event::Frame(frame), End::Open) => self.socket.receive(frame),
            (Event::Ping(payload), End::Open) => {
                self.socket.heard();
                self.connection.outgoing(|writer, _| writer.pong(payload));
            }
            (Event::Pong, End::Open) => self.socket.heard(),
            (Event::Close(code), End::Open) => {
                // The same comes back, as the standard asks.
                self.socket.close(code.unwrap_or(1000), "");
                self.closing(true);
            }
            (Event::Close(_), End::Closing { heard, .. }) => *heard = true,
            (_, End::Closing { .. }) => {}
        }
    }

    fn closing(&mut self, heard: bool) {
        let until = Instant::now() + self.socket.options().close_timeout;
        self.end = End::Closing { sent: false, heard, until: Box::pin(tokio::time::sleep_until(until)) };
    }
}

impl End {
    /// The close frame, once, when everything before it is written.
    fn close_frame(&mut self, socket: &Socket) -> Option<Close> {
        match self {
            Self::Closing { sent, .. } if !*sent => {
                *sent = true;
                socket.closing()
            }
            _ => None,
        }
    }
}

impl<C: Connection> Future for WebSocket<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        for _ in 0..ROUNDS {
            // Whether there is anything to write is seen below.
            _ = this.socket.poll(cx);
            if matches!(this.end, End::Open) && this.socket.closing().is_some() {
                this.closing(false);
            }
            let Some(written) = this.write(cx) else { return Poll::Ready(()) };
            if let End::Closing { sent, heard, until } = &mut this.end {
                let said = *sent && written;
                if (said && *heard) || until.as_mut().poll(cx).is_ready() {
                    // The client sees the end of the stream behind the close frame.
                    this.connection.outgoing(|_, stream| _ = Pin::new(stream).poll_shutdown(cx));
                    return Poll::Ready(());
                }
            }
            match this.read(cx) {
                None => return Poll::Ready(()),
                Some(false) => return Poll::Pending,
                Some(true) => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
