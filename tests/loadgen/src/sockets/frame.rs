//! Frames of the wire, as a client writes and reads them.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;

/// A close frame's opcode.
const CLOSE: u8 = 8;
/// The longest header of a server's frame, which has no mask.
const HEAD_BYTES: usize = 10;

/// A text frame of a client. Its mask is zero, which changes nothing of the text; so the same bytes can be sent again.
#[must_use]
pub fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(len @ ..126), _) => frame.push(0x80 | len),
        (_, Ok(len)) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// Finds the ends of a server's frames in whatever pieces they come.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; HEAD_BYTES],
    /// What of the head has come.
    come: usize,
    /// What of the payload is still to come, once the head is whole.
    left: Option<u64>,
}

impl Frames {
    /// Reads a piece; how many frames ended in it.
    ///
    /// # Errors
    /// When the server closes the socket.
    pub(crate) fn read(&mut self, mut piece: &[u8]) -> io::Result<u64> {
        let mut ended = 0;
        loop {
            if let Some(left) = self.left {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                piece = piece.get(here..).unwrap_or_default();
                let left = left - here as u64;
                if left > 0 {
                    self.left = Some(left);
                    return Ok(ended);
                }
                (self.left, self.come) = (None, 0);
                ended += 1;
            }
            let Some((byte, rest)) = piece.split_first() else { return Ok(ended) };
            piece = rest;
            if let Some(place) = self.head.get_mut(self.come) {
                *place = *byte;
                self.come += 1;
            }
            self.left = self.payload();
            if self.left.is_some() && self.head[0] & 0x0f == CLOSE {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server closes the socket"));
            }
        }
    }

    /// Reads what is there, into a buffer that others use, too; how many frames ended in it. A read that does not fill the
    /// buffer is known to be the last one, so it costs one call of the system.
    ///
    /// # Errors
    /// When the connection or the socket ends.
    pub(crate) fn poll_read(
        &mut self,
        stream: &mut TcpStream,
        buffer: &RefCell<Vec<u8>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<u64>> {
        let mut buffer = buffer.borrow_mut();
        let mut piece = ReadBuf::new(&mut buffer);
        ready!(Pin::new(stream).poll_read(cx, &mut piece))?;
        if piece.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(self.read(piece.filled()))
    }

    /// The payload's length, once the head says it.
    fn payload(&self) -> Option<u64> {
        let [_, short, a, b, c, d, e, f, g, h] = self.head;
        match (short & 0x7f, self.come) {
            (len @ ..126, 2..) => Some(len.into()),
            (126, 4..) => Some(u16::from_be_bytes([a, b]).into()),
            (127, HEAD_BYTES..) => Some(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server would send.
    fn unmasked(text: &str) -> Vec<u8> {
        let mut frame = text_frame(text);
        frame[1] &= 0x7f;
        let head = frame.len() - text.len();
        frame.drain(head - 4..head);
        frame
    }

    #[test]
    fn ends_are_found_in_any_pieces() {
        let lengths = [0, 1, 125, 126, 300, 70_000];
        let stream: Vec<u8> = lengths.iter().flat_map(|len| unmasked(&"x".repeat(*len))).collect();
        for size in [1, 2, 3, 100, 1_000_000] {
            let mut frames = Frames::default();
            let ended: u64 = stream.chunks(size).map(|piece| frames.read(piece).unwrap()).sum();
            assert_eq!(ended, lengths.len() as u64, "{size}");
            assert!(frames.come == 0 && frames.left.is_none(), "nothing is left over");
        }
        let half = &stream[..stream.len() - 1];
        assert_eq!(Frames::default().read(half).unwrap(), lengths.len() as u64 - 1);
    }

    #[test]
    fn a_close_is_told() {
        let mut frames = Frames::default();
        assert_eq!(frames.read(&unmasked("x")).unwrap(), 1);
        assert!(frames.read(&[0x88, 2, 3, 0xe8]).is_err());
    }
}
