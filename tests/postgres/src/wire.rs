//! Where a message of PostgreSQL's protocol begins and ends, and which ones commit.

use std::collections::HashMap;

/// What is kept of a message's body: enough for a COMMIT and names.
const BODY_KEPT: usize = 256;
const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();
const GSS_REQUEST: [u8; 4] = 80_877_104_u32.to_be_bytes();

/// A message that a piece of the stream ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// 0: one of the first ones of a client, which have none.
    kind: u8,
    /// Its beginning.
    body: Vec<u8>,
    /// Where in the piece it begins, 0 if it began before, and where it ends.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// Cuts a stream, whatever its pieces are.
#[derive(Debug)]
pub(crate) struct Framer {
    /// A client's first messages have no kind.
    greeting: bool,
    head: Vec<u8>,
    body: Vec<u8>,
    /// Bytes of the body that are still to come, once the head is there.
    left: Option<usize>,
}

impl Framer {
    pub(crate) fn of_client() -> Self {
        Self { greeting: true, head: Vec::new(), body: Vec::new(), left: None }
    }

    pub(crate) fn of_server() -> Self {
        Self { greeting: false, ..Self::of_client() }
    }

    /// The messages that end in this piece.
    pub(crate) fn messages(&mut self, piece: &[u8]) -> Vec<Message> {
        let (mut found, mut from) = (Vec::new(), 0);
        for (at, byte) in piece.iter().enumerate() {
            match &mut self.left {
                Some(left) => {
                    *left -= 1;
                    if self.body.len() < BODY_KEPT {
                        self.body.push(*byte);
                    }
                }
                None => {
                    self.head.push(*byte);
                    let kinds = usize::from(!self.greeting);
                    if let Some(length) = self.head.get(kinds..).and_then(|length| length.try_into().ok()) {
                        // It counts itself.
                        self.left = Some((u32::from_be_bytes(length) as usize).saturating_sub(4));
                    }
                }
            }
            if self.left == Some(0) {
                found.push(self.end(from, at + 1));
                from = at + 1;
            }
        }
        found
    }

    fn end(&mut self, from: usize, to: usize) -> Message {
        let (head, body) = (std::mem::take(&mut self.head), std::mem::take(&mut self.body));
        self.left = None;
        let kind = if self.greeting { 0 } else { head.first().copied().unwrap_or(0) };
        // What follows a question for TLS is another first message.
        self.greeting &= body == SSL_REQUEST || body == GSS_REQUEST;
        Message { kind, body, from, to }
    }
}

/// What a statement is of its transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verb {
    BeginReading,
    BeginWriting,
    Commit,
    #[default]
    Other,
}

/// What a client has prepared, statements and portals by their names, and what its transaction is.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    statements: HashMap<Vec<u8>, Verb>,
    portals: HashMap<Vec<u8>, Verb>,
    only_reads: bool,
}

impl Transactions {
    /// Whether a message of a client commits a transaction that may have written.
    pub(crate) fn commits(&mut self, message: &Message) -> bool {
        let mut texts = message.body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default().to_vec();
        let verb = match message.kind {
            b'Q' => verb(&text()),
            b'P' => {
                let (name, verb) = (text(), verb(&text()));
                _ = self.statements.insert(name, verb);
                Verb::Other
            }
            b'B' => {
                let (portal, statement) = (text(), text());
                let verb = self.statements.get(&statement).copied().unwrap_or_default();
                _ = self.portals.insert(portal, verb);
                Verb::Other
            }
            b'E' => self.portals.get(&text()).copied().unwrap_or_default(),
            _ => Verb::Other,
        };
        match verb {
            Verb::BeginReading => self.only_reads = true,
            Verb::BeginWriting => self.only_reads = false,
            Verb::Commit => return !self.only_reads,
            Verb::Other => {}
        }
        false
    }
}

/// Whether a server says that a transaction has ended, well or not.
pub(crate) fn answers_commit(message: &Message) -> bool {
    message.kind == b'C' && [&b"COMMIT\0"[..], b"ROLLBACK\0"].contains(&&message.body[..])
}

fn verb(text: &[u8]) -> Verb {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    match text.split([' ', '\n', ';']).find(|word| !word.is_empty()) {
        Some("commit" | "end") => Verb::Commit,
        Some("begin" | "start") if text.contains("read only") => Verb::BeginReading,
        Some("begin" | "start") => Verb::BeginWriting,
        _ => Verb::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let startup = [&9_u32.to_be_bytes()[..], b"\0\x03\0\0\0"].concat();
        let asks = [&8_u32.to_be_bytes()[..], &SSL_REQUEST].concat();
        let stream =
            [asks, startup, message(b'Q', b"BEGIN\0"), message(b'Q', &[b'x'; 1000]), message(b'S', b"")].concat();
        let whole = Framer::of_client().messages(&stream);
        let kinds: Vec<_> = whole.iter().map(|message| (message.kind, message.body.len(), message.from)).collect();
        assert_eq!(kinds, [(0, 4, 0), (0, 5, 8), (b'Q', 6, 17), (b'Q', 256, 28), (b'S', 0, 1033)]);
        assert_eq!(whole[4].to, stream.len());
        for size in [1, 2, 3, 7, 100] {
            let mut framer = Framer::of_client();
            let found: Vec<_> = stream.chunks(size).flat_map(|piece| framer.messages(piece)).collect();
            let of = |all: &[Message]| all.iter().map(|one| (one.kind, one.body.clone())).collect::<Vec<_>>();
            assert_eq!(of(&found), of(&whole), "in pieces of {size}");
        }
    }

    #[test]
    fn a_commit_is_known_in_both_forms() {
        let mut transactions = Transactions::default();
        let mut framer = Framer::of_server();
        let mut commits = |kind, body: &[u8]| transactions.commits(&framer.messages(&message(kind, body))[0]);
        assert!(commits(b'Q', b"COMMIT\0") && commits(b'Q', b" commit ;\0") && commits(b'Q', b"END\0"));
        assert!(!commits(b'Q', b"SELECT 'COMMIT'\0") && !commits(b'Q', b"committee\0"));
        assert!(!commits(b'P', b"s1\0COMMIT\0\0\0") && !commits(b'P', b"s2\0SELECT 1\0\0\0"));
        assert!(!commits(b'B', b"\0s1\0\0\0\0\0\0\0"));
        assert!(commits(b'E', b"\0\0\0\0\0"));
        assert!(!commits(b'B', b"\0s2\0\0\0\0\0\0\0"));
        assert!(!commits(b'E', b"\0\0\0\0\0"));
        assert!(!commits(b'Q', b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY\0") && !commits(b'Q', b"COMMIT\0"));
        assert!(!commits(b'Q', b"BEGIN\0") && commits(b'Q', b"COMMIT\0"));
    }

    #[test]
    fn an_answer_to_a_commit_is_known() {
        let mut framer = Framer::of_server();
        let stream = [message(b'C', b"SELECT 1\0"), message(b'C', b"COMMIT\0"), message(b'Z', b"I")].concat();
        let answers: Vec<_> = framer.messages(&stream).iter().map(answers_commit).collect();
        assert_eq!(answers, [false, true, false]);
    }
}
