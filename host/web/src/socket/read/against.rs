//! The reader beside the library's own: whatever a client sends, both give the same messages and end at the same place.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Error, ErrorKind, Read, Write};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use skep_channels::Frame;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use super::{Event, Reader, Violation};

/// The longest message.
const MAX: usize = 300;

/// A frame of the wire, mostly one that may be.
#[derive(Clone, Debug)]
struct Wire {
    first: u8,
    masked: bool,
    payload: Vec<u8>,
}

impl Wire {
    fn write(&self, out: &mut Vec<u8>) {
        const MASK: [u8; 4] = [0xa1, 2, 0x53, 250];
        out.push(self.first);
        let masked = if self.masked { 0x80 } else { 0 };
        match u8::try_from(self.payload.len()) {
            Ok(len @ ..=125) => out.push(masked | len),
            _ => {
                out.push(masked | 126);
                out.extend(u16::try_from(self.payload.len()).unwrap().to_be_bytes());
            }
        }
        if self.masked {
            out.extend(MASK);
            out.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            out.extend(&self.payload);
        }
    }
}

fn wire() -> impl Strategy<Value = Wire> {
    let first = prop_oneof![
        20 => prop_oneof![Just(0x81_u8), Just(0x82), Just(0x01), Just(0x02), Just(0x00), Just(0x80)],
        6 => prop_oneof![Just(0x89_u8), Just(0x8a)],
        1 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        6 => "[a-z\u{e4}\u{1f41d}]{0,40}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..40),
        1 => vec(Just(b'x'), 100..400),
        1 => (3000_u16..5001).prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    (first, prop::bool::weighted(0.98), payload).prop_map(|(first, masked, payload)| Wire { first, masked, payload })
}

/// What a reader said, and how it ended.
#[derive(Debug)]
struct Said {
    events: Vec<Event>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// There was no more, or the client closed.
    Whole,
    /// A piece of a text is no UTF-8. The library says so as soon as it sees it, and we with the last piece.
    NoText,
    Broken,
}

fn ours(bytes: &[u8], step: usize) -> Said {
    let (mut reader, mut events) = (Reader::new(MAX as u64), Vec::new());
    for piece in bytes.chunks(step) {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(event)) => {
                    let ends = matches!(event, Event::Close(_));
                    events.push(event);
                    if ends {
                        return Said { events, end: End::Whole };
                    }
                }
                Ok(None) => break,
                Err(Violation(code, _)) => {
                    let end = if code == 1007 { End::NoText } else { End::Broken };
                    return Said { events, end };
                }
            }
        }
    }
    Said { events, end: End::Whole }
}

/// What was received, and nobody who hears the answers.
struct Line(Cursor<Vec<u8>>);

impl Read for Line {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(Error::from(ErrorKind::WouldBlock)),
            read => Ok(read),
        }
    }
}

impl Write for Line {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn theirs(bytes: &[u8]) -> Said {
    let config = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let line = Line(Cursor::new(bytes.to_vec()));
    let mut socket = WebSocket::from_raw_socket(line, Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        events.push(match socket.read() {
            Ok(Message::Text(text)) => Event::Frame(Frame::Text(Bytes::from(text))),
            Ok(Message::Binary(data)) => Event::Frame(Frame::Binary(data)),
            Ok(Message::Ping(data)) => Event::Ping(data),
            Ok(Message::Pong(_)) => Event::Pong,
            Ok(Message::Close(close)) => {
                events.push(Event::Close(close.map(|close| close.code.into())));
                return Said { events, end: End::Whole };
            }
            Ok(Message::Frame(_)) => unreachable!("only for those who write"),
            Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                return Said { events, end: End::Whole };
            }
            Err(tungstenite::Error::Utf8(_)) => return Said { events, end: End::NoText },
            Err(_) => return Said { events, end: End::Broken },
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_say_the_same(frames in vec(wire(), 0..12), step in 1_usize..200, cut in prop::option::of(0_usize..500)) {
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.write(&mut bytes);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        let (ours, mut theirs) = (ours(&bytes, step), theirs(&bytes));
        if ours.end == End::Broken && theirs.events.last() == Some(&Event::Close(Some(1002))) {
            // A close code that is none: the library closes with this one in its place, and we refuse the frame.
            theirs.events.pop();
            theirs.end = End::Broken;
        }
        if theirs.end == End::NoText {
            // Nothing of such a text is given to anybody, and no text behind it.
            let (same, more) = ours.events.split_at(theirs.events.len().min(ours.events.len()));
            prop_assert_eq!(same, &theirs.events[..]);
            prop_assert!(more.iter().all(|event| !matches!(event, Event::Frame(_))), "{:?}", ours);
        } else {
            prop_assert_eq!(&ours.events, &theirs.events);
            // Of a frame that is cut off we refuse the head already.
            prop_assert!(ours.end == theirs.end || (cut.is_some() && theirs.end == End::Whole), "{:?} {:?}", ours, theirs);
        }
    }
}
