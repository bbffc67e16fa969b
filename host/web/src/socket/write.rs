//! Frames for a client: written as they are, from where everybody's copy is, with their headers beside them.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use skep_channels::{Close, Frame};
use tokio::io::AsyncWrite;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// The longest header of a server's frame.
const HEAD_BYTES: usize = 10;
/// Slices of one write: headers and payloads.
const SLICES: usize = 32;
/// What is gathered on the stack for one plain write, which costs less than one of slices.
const SMALL_BYTES: usize = 512;
/// Pongs that wait. A client that pings and does not read gets no more.
const PIECES_MAX: usize = 256;
/// The longest reason of a close frame, so that its payload has at most 125 bytes.
const REASON_BYTES_MAX: usize = 123;

/// What is on its way to one client.
#[derive(Default)]
pub(crate) struct Writer {
    /// The first may be written in part.
    pieces: VecDeque<Piece>,
    unflushed: bool,
}

/// A frame of the wire.
struct Piece {
    head: [u8; HEAD_BYTES],
    /// What of the header is not written yet.
    from: u8,
    to: u8,
    payload: Bytes,
}

impl Piece {
    fn head(&self) -> &[u8] {
        self.head.get(self.from.into()..self.to.into()).unwrap_or_default()
    }

    /// So much of it is written; returns how much of that was behind its end.
    fn advance(&mut self, written: usize) -> usize {
        let of_head = written.min(self.head().len());
        self.from += u8::try_from(of_head).unwrap_or(self.to);
        let of_payload = (written - of_head).min(self.payload.len());
        self.payload.advance(of_payload);
        written - of_head - of_payload
    }

    fn is_over(&self) -> bool {
        self.from == self.to && self.payload.is_empty()
    }
}

impl Writer {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && !self.unflushed
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        match frame {
            Frame::Text(bytes) => self.push(OpCode::Data(Data::Text), bytes),
            Frame::Binary(bytes) => self.push(OpCode::Data(Data::Binary), bytes),
        }
    }

    pub(crate) fn pong(&mut self, payload: Bytes) {
        if self.pieces.len() < PIECES_MAX {
            self.push(OpCode::Control(Control::Pong), payload);
        }
    }

    pub(crate) fn close(&mut self, close: &Close) {
        let mut end = close.reason.len().min(REASON_BYTES_MAX);
        while !close.reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut payload = BytesMut::with_capacity(2 + end);
        payload.extend_from_slice(&close.code.to_be_bytes());
        payload.extend_from_slice(close.reason.get(..end).unwrap_or_default().as_bytes());
        self.push(OpCode::Control(Control::Close), payload.freeze());
    }

    fn push(&mut self, opcode: OpCode, payload: Bytes) {
        let mut head = [0; HEAD_BYTES];
        let mut rest = head.as_mut_slice();
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        // There is room for the longest header without a mask.
        _ = header.format(payload.len() as u64, &mut rest);
        let to = u8::try_from(HEAD_BYTES - rest.len()).unwrap_or_default();
        self.pieces.push_back(Piece { head, from: 0, to, payload });
    }

    /// Writes all of it.
    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.write(|slices| match slices {
            [one] => Pin::new(&mut *stream).poll_write(cx, one),
            many => Pin::new(&mut *stream).poll_write_vectored(cx, many),
        }))?;
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all of it, by whatever takes slices of it.
    pub(crate) fn write(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let mut small = [0; SMALL_BYTES];
            let written = match self.gather(&mut small) {
                Some(bytes) => write(&[IoSlice::new(bytes)]),
                None => self.write_slices(&mut write),
            };
            let mut written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            while let Some(piece) = self.pieces.front_mut() {
                written = piece.advance(written);
                if !piece.is_over() {
                    break;
                }
                self.pieces.pop_front();
            }
        }
        // An idle socket keeps nothing.
        self.pieces = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().flat_map(|piece| [piece.head(), &piece.payload[..]]).filter(|part| !part.is_empty())
    }

    /// All of it in one place, if it is small.
    fn gather<'a>(&self, room: &'a mut [u8; SMALL_BYTES]) -> Option<&'a [u8]> {
        let mut len = 0;
        for part in self.parts() {
            let end = len + part.len();
            room.get_mut(len..end)?.copy_from_slice(part);
            len = end;
        }
        room.get(..len)
    }

    fn write_slices(
        &self,
        write: &mut impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(self.parts()) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        write(slices.get(..count).unwrap_or_default())
    }
}
