//! What is published, and how it is found again in what a subscriber reads, of an event stream as of redis.

use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time in nanoseconds since 1970: publishers and subscribers are different processes of one machine.
pub(super) fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let now = SystemTime::now();
    u64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or_default()
}

/// The two times in front of a message's filling, as the guest `pubsub-bench` writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When whoever asked for it did so.
    pub(super) asked: u64,
    /// When it was published; the first one, of those that one call published.
    pub(super) published: u64,
}

impl Stamp {
    /// A message of so many bytes.
    pub(super) fn message(self, bytes: usize) -> String {
        let stamp = format!("{} {} ", self.asked, self.published);
        format!("{stamp:x<bytes$}")
    }
}

/// What a line of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Message(Stamp),
    /// Messages are missing here.
    Gap,
}

/// Takes an answer apart at its line ends, whatever pieces it comes in. Lines that are neither a message nor a gap, such
/// as heads, sizes of chunks and what redis writes around a message, are passed over.
#[derive(Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet. Most pieces end with a line, and most clients keep nothing.
    begun: Vec<u8>,
}

impl Lines {
    pub(super) fn read(&mut self, mut piece: &[u8], mut each: impl FnMut(Line)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = piece.split_at(end);
            piece = rest.get(1..).unwrap_or_default();
            let line = match self.begun.is_empty() {
                true => parse(line),
                false => {
                    self.begun.extend_from_slice(line);
                    parse(&std::mem::take(&mut self.begun))
                }
            };
            line.into_iter().for_each(&mut each);
        }
        self.begun.extend_from_slice(piece);
    }
}

fn parse(line: &[u8]) -> Option<Line> {
    if line.starts_with(b"event: gap") {
        return Some(Line::Gap);
    }
    let text = line.strip_prefix(b"data: ").unwrap_or(line);
    let mut words = text.splitn(3, |byte| *byte == b' ');
    let (asked, published, filling) = (words.next()?, words.next()?, words.next()?);
    if !filling.starts_with(b"x") {
        return None;
    }
    Some(Line::Message(Stamp { asked: number(asked)?, published: number(published)? }))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_any_pieces() {
        let stamp = Stamp { asked: 12, published: 345 };
        let message = stamp.message(100);
        assert_eq!(message.len(), 100);
        let stream = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n6c\r\ndata: {message}\n\n\r\n\
             1f\r\nevent: gap\ndata: {{\"missed\":7}}\n\n\r\n6c\r\ndata: {message}\n\n\r\n"
        );
        let redis = format!("*3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$100\r\n{message}\r\n");
        for pieces in [1, 2, 7, 1000] {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in [stream.as_bytes(), redis.as_bytes()].concat().chunks(pieces) {
                lines.read(piece, |line| found.push(line));
            }
            let message = Line::Message(stamp);
            assert_eq!(found, [message, Line::Gap, message, message], "{pieces}");
        }
    }
}
