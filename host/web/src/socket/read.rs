//! Frames of a client. What was read and is no whole frame yet waits in a buffer, which is not there otherwise.

use std::io::Cursor;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use skep_channels::Frame;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// What is read at once into the task's stack, which costs an idle socket nothing.
const READ_BYTES: usize = 4 << 10;
/// Room that is made at once for a frame that is larger: a client gets memory for what it has sent, not for what it says.
const GROW_BYTES: usize = 16 << 10;
/// The longest payload of pings, pongs and closes.
const CONTROL_BYTES_MAX: u64 = 125;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A message, whatever pieces it came in.
    Frame(Frame),
    /// To be answered with the same.
    Ping(Bytes),
    Pong,
    /// With its code, if it has one.
    Close(Option<u16>),
}

/// The connection must be closed, with this code and reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) u16, pub(crate) &'static str);

/// Reads the frames of one client.
pub(crate) struct Reader {
    unread: BytesMut,
    /// A message that comes in pieces.
    pieces: Option<Box<Pieces>>,
    frame_bytes_max: u64,
}

struct Pieces {
    text: bool,
    data: BytesMut,
}

impl Reader {
    pub(crate) fn new(frame_bytes_max: u64) -> Self {
        Self { unread: BytesMut::new(), pieces: None, frame_bytes_max }
    }

    /// Reads more; how much, 0 at the end.
    pub(crate) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        if !self.unread.is_empty() {
            self.unread.reserve(GROW_BYTES);
            return poll_read_buf(Pin::new(stream), cx, &mut self.unread);
        }
        let mut scratch = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
        self.unread.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// What was read, by somebody else.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next of what was read, if it is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, Violation> {
        loop {
            let Some((header, payload)) = self.frame()? else { return Ok(None) };
            match header.opcode {
                OpCode::Control(control) => return self.control(control, payload.freeze()).map(Some),
                OpCode::Data(data) => {
                    if let Some(frame) = self.data(data, header.is_final, payload)? {
                        return Ok(Some(Event::Frame(frame)));
                    }
                }
            }
        }
    }

    /// One frame of the wire, unmasked.
    fn frame(&mut self) -> Result<Option<(FrameHeader, BytesMut)>, Violation> {
        let mut cursor = Cursor::new(&self.unread[..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation(1002, "an unknown kind of frame"))?;
        let Some((header, len)) = parsed else { return Ok(None) };
        let head = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let Some(mask) = header.mask else { return Err(Violation(1002, "a frame without a mask")) };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation(1002, "a frame with reserved bits"));
        }
        let max = match header.opcode {
            OpCode::Control(_) if len > CONTROL_BYTES_MAX || !header.is_final => {
                return Err(Violation(1002, "a control frame that is long or in pieces"));
            }
            OpCode::Control(_) => CONTROL_BYTES_MAX,
            OpCode::Data(_) => self.frame_bytes_max,
        };
        let gathered = self.pieces.as_ref().map_or(0, |pieces| pieces.data.len() as u64);
        let len =
            Some(len).filter(|len| *len <= max.saturating_sub(if header.opcode.is_control() { 0 } else { gathered }));
        let len = len.and_then(|len| usize::try_from(len).ok()).ok_or(Violation(1009, "the frame is too large"))?;
        if self.unread.len() < head + len {
            return Ok(None);
        }
        let mut payload = self.unread.split_to(head + len).split_off(head);
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        unmask(&mut payload, mask);
        Ok(Some((header, payload)))
    }

    fn control(&self, control: Control, payload: Bytes) -> Result<Event, Violation> {
        match control {
            Control::Ping => Ok(Event::Ping(payload)),
            Control::Pong => Ok(Event::Pong),
            Control::Close => match payload.split_first_chunk() {
                None if payload.is_empty() => Ok(Event::Close(None)),
                Some((code, reason)) if std::str::from_utf8(reason).is_ok() => {
                    let code = u16::from_be_bytes(*code);
                    let allowed = CloseCode::from(code).is_allowed();
                    allowed.then_some(Event::Close(Some(code))).ok_or(Violation(1002, "a close code that is none"))
                }
                Some(_) => Err(Violation(1007, "text that is not UTF-8")),
                None => Err(Violation(1002, "a close code that is none")),
            },
            Control::Reserved(_) => Err(Violation(1002, "an unknown kind of frame")),
        }
    }

    fn data(&mut self, data: Data, last: bool, payload: BytesMut) -> Result<Option<Frame>, Violation> {
        let begins = match data {
            Data::Text => Some(true),
            Data::Binary => Some(false),
            Data::Continue => None,
            Data::Reserved(_) => return Err(Violation(1002, "an unknown kind of frame")),
        };
        let (text, whole) = match (begins, self.pieces.take()) {
            (Some(text), None) => (text, payload),
            (None, Some(mut pieces)) => {
                pieces.data.extend_from_slice(&payload);
                (pieces.text, pieces.data)
            }
            _ => return Err(Violation(1002, "pieces of different messages")),
        };
        if !last {
            self.pieces = Some(Box::new(Pieces { text, data: whole }));
            return Ok(None);
        }
        if !text {
            return Ok(Some(Frame::Binary(whole.freeze())));
        }
        if std::str::from_utf8(&whole).is_err() {
            return Err(Violation(1007, "text that is not UTF-8"));
        }
        Ok(Some(Frame::Text(whole.freeze())))
    }
}

trait IsControl {
    fn is_control(&self) -> bool;
}

impl IsControl for OpCode {
    fn is_control(&self) -> bool {
        matches!(self, Self::Control(_))
    }
}

/// Eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod against;
#[cfg(test)]
mod tests;
