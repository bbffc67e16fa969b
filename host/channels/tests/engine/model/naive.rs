//! The naive model: what each client is told, and what guests are called for, as the protocol and the options say it.
//! Everything is a list that is walked from its beginning.

use std::collections::{BTreeMap, VecDeque};

use skep_channels::{Frame, Version};

use super::said::{Cast, FRAME_OVERHEAD, Said};

pub(super) const TOPICS: [&str; 3] = ["room:a", "room:b", "room:c"];
pub(super) const UNMATCHED: &str = "{\"reason\":\"unmatched topic\"}";
const TOO_MANY: &str = "{\"reason\":\"too many channels joined\"}";

/// Bounds, of all sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) channels: usize,
    pub(super) queue: usize,
    pub(super) queue_bytes: usize,
    pub(super) drops_broadcasts: bool,
    pub(super) mailbox: usize,
    pub(super) infos: usize,
    /// Per second and at once.
    pub(super) joins: (u32, u32),
    pub(super) messages: (u32, u32),
    pub(super) idle_ms: u64,
}

/// Who handles a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handler {
    pub(super) owner: &'static str,
    pub(super) keeps: &'static str,
    pub(super) revision: u32,
}

/// What a guest is told: whether to wait with it, what to do, and with which number.
pub(super) type Told = (bool, &'static str, u32);

#[derive(Clone, Debug)]
pub(super) enum Letter {
    Join(String, Told),
    In(String, Told),
    Leave(String),
    Close,
    Gone,
    Stop(&'static str),
    Said(Said),
    Held(Cast),
    Out(Cast),
    Info(u32),
}

impl Letter {
    fn is_of_client(&self) -> bool {
        matches!(self, Self::In(..) | Self::Leave(_))
    }

    fn is_info(&self) -> bool {
        matches!(self, Self::Said(_) | Self::Held(_) | Self::Out(_) | Self::Info(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Waiting,
    Joining,
    Joined,
    Ending,
}

/// A call that waits until it is let go.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Join(String, Told, u32),
    In(String, Told),
    End,
}

#[derive(Debug)]
pub(super) struct Chan {
    pub(super) serial: u32,
    pub(super) topic: usize,
    pub(super) join_ref: String,
    /// The ref of its join.
    pub(super) reference: String,
    pub(super) step: Step,
    pub(super) handler: Option<Handler>,
    pub(super) mail: VecDeque<Letter>,
    pub(super) held: Option<Call>,
    pub(super) released: bool,
    /// Its end is over, which its socket hears of when it has its turn.
    pub(super) over: bool,
    pub(super) replaced: bool,
    pub(super) told: bool,
    pub(super) lingers: bool,
    pub(super) listens: bool,
    pub(super) tracks: bool,
    /// The join ref of the channel whose end its client is told of behind the reply.
    pub(super) close_behind: Option<String>,
    /// The reply to the join from before its end, and whether it refuses.
    pub(super) early: Option<(Said, bool)>,
}

impl Chan {
    pub(super) fn lives(&self) -> bool {
        self.step != Step::Ending
    }

    /// It has begun and its end has not.
    pub(super) fn hears(&self) -> bool {
        matches!(self.step, Step::Joining | Step::Joined)
    }

    pub(super) fn is_of(&self, owner: &str) -> bool {
        self.handler.is_some_and(|handler| handler.owner == owner)
    }

    pub(super) fn infos(&self) -> usize {
        self.mail.iter().filter(|letter| letter.is_info()).count()
    }
}

/// A socket and its client.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) version: Version,
    pub(super) limits: Limits,
    /// Whether the client reads, and what it has read.
    pub(super) reads: bool,
    pub(super) seen: Vec<Frame>,
    /// What waits for the client, and whether it may be dropped.
    pub(super) queue: VecDeque<(Frame, bool)>,
    pub(super) closing: Option<u16>,
    pub(super) gone: bool,
    pub(super) channels: Vec<Chan>,
    pub(super) next_serial: u32,
    pub(super) heard: u64,
    /// When the allowances are whole again, in microseconds.
    pub(super) joins_whole: u64,
    pub(super) messages_whole: u64,
    pub(super) dropped: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
    /// What guests were called for, by serial.
    pub(super) diary: BTreeMap<u32, Vec<String>>,
}

impl Peer {
    pub(super) fn new(version: Version, limits: Limits, now: u64) -> Self {
        Self {
            version,
            limits,
            reads: true,
            seen: Vec::new(),
            queue: VecDeque::new(),
            closing: None,
            gone: false,
            channels: Vec::new(),
            next_serial: 0,
            heard: now,
            joins_whole: now,
            messages_whole: now,
            dropped: 0,
            received: 0,
            sent: 0,
            diary: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, serial: u32, what: String) {
        self.diary.entry(serial).or_default().push(what);
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queue.iter().map(|(frame, _)| frame.bytes().len() + FRAME_OVERHEAD).sum()
    }

    /// The outbound queue and its policy.
    pub(super) fn send(&mut self, said: &Said, droppable: bool) {
        let Some(frame) = said.frame(self.version) else { return };
        if self.closing.is_some() {
            return;
        }
        let more = frame.bytes().len() + FRAME_OVERHEAD;
        while !self.queue.is_empty()
            && (self.queue.len() >= self.limits.queue || self.queued_bytes() + more > self.limits.queue_bytes)
        {
            let oldest = self.queue.iter().position(|(_, droppable)| *droppable);
            match oldest.filter(|_| self.limits.drops_broadcasts) {
                Some(at) => {
                    self.queue.remove(at);
                    self.dropped += 1;
                }
                None => {
                    self.dropped += self.queue.len() as u64 + 1;
                    self.queue.clear();
                    self.closing = Some(1013);
                    return;
                }
            }
        }
        self.queue.push_back((frame, droppable));
    }

    pub(super) fn close(&mut self, code: u16) {
        self.closing.get_or_insert(code);
    }

    fn has_room(&self) -> bool {
        let half =
            self.queue.len() < self.limits.queue.div_ceil(2) && self.queued_bytes() <= self.limits.queue_bytes / 2;
        let few = self.channels.len() < 2 * self.limits.channels + 2;
        let of_client = |chan: &Chan| chan.mail.iter().filter(|letter| letter.is_of_client()).count();
        half && few && self.channels.iter().all(|chan| of_client(chan) < self.limits.mailbox)
    }

    fn throttled(&self, now: u64) -> bool {
        let over = |whole: u64, (rate, burst): (u32, u32)| whole > now + interval(rate) * u64::from(burst - 1);
        over(self.joins_whole, self.limits.joins) || over(self.messages_whole, self.limits.messages)
    }

    pub(super) fn accepts(&self, now: u64) -> bool {
        self.closing.is_none() && self.has_room() && !self.throttled(now)
    }

    /// Who is not listened to need not say anything.
    pub(super) fn excuse(&mut self, now: u64) {
        if self.throttled(now) || !self.has_room() {
            self.heard = now;
        }
    }

    /// Time has come to this: who is listened to and says nothing is closed.
    pub(super) fn look(&mut self, now: u64) {
        self.excuse(now);
        if now >= self.heard + self.limits.idle_ms * 1000 {
            self.close(1000);
        }
    }

    /// The client reads all that there is.
    pub(super) fn read(&mut self) {
        self.sent += self.queue.len() as u64;
        self.seen.extend(self.queue.drain(..).map(|(frame, _)| frame));
    }

    /// A frame of the client, whether it is one of the protocol or not.
    pub(super) fn hear(&mut self, now: u64) {
        self.heard = now;
        self.messages_whole = self.messages_whole.max(now) + interval(self.limits.messages.0);
    }

    fn reply(&mut self, join_ref: &str, reference: &str, topic: &str, status: &str, response: &str) {
        self.send(&Said::reply(join_ref, reference, topic, status, response), false);
    }

    pub(super) fn heartbeat(&mut self, reference: &str) {
        self.received += 1;
        self.reply("null", reference, "phoenix", "ok", "{}");
    }

    pub(super) fn join(&mut self, now: u64, topic: usize, (join_ref, told): (String, Told), handler: Option<Handler>) {
        self.received += 1;
        self.joins_whole = self.joins_whole.max(now) + interval(self.limits.joins.0);
        let reference = format!("\"{}\"", told.2);
        let Some(handler) = handler else {
            return self.reply("null", &reference, TOPICS[topic], "error", UNMATCHED);
        };
        let joined = self.channels.iter().filter(|chan| chan.lives() && !chan.replaced).count();
        let before = self.channels.iter_mut().rfind(|chan| chan.topic == topic && chan.lives());
        match before {
            Some(before) => {
                before.replaced = true;
                before.mail.push_back(Letter::Close);
            }
            None if joined >= self.limits.channels => {
                return self.reply(&join_ref, &reference, TOPICS[topic], "error", TOO_MANY);
            }
            None => {}
        }
        self.channels.push(Chan {
            serial: self.next_serial,
            topic,
            join_ref,
            reference: reference.clone(),
            step: Step::Waiting,
            handler: Some(handler),
            mail: VecDeque::from([Letter::Join(reference, told)]),
            held: None,
            released: false,
            over: false,
            replaced: false,
            told: false,
            lingers: false,
            listens: false,
            tracks: false,
            close_behind: None,
            early: None,
        });
        self.next_serial += 1;
    }

    /// A push, or a leave where nothing is told.
    pub(super) fn push(&mut self, topic: usize, join_ref: &str, reference: &str, told: Option<Told>) {
        self.received += 1;
        let last = self.channels.iter_mut().rfind(|chan| chan.topic == topic && !chan.told);
        match (last, told) {
            (None, Some(_)) => self.reply("null", reference, TOPICS[topic], "error", UNMATCHED),
            (None, None) => self.reply(join_ref, reference, TOPICS[topic], "ok", "{}"),
            // Of a channel that was, or whose end has begun: nobody answers.
            (Some(chan), _) if !chan.lives() || !(chan.join_ref == "null" || chan.join_ref == join_ref) => {}
            (Some(chan), Some(told)) => chan.mail.push_back(Letter::In(reference.to_owned(), told)),
            (Some(chan), None) => chan.mail.push_back(Letter::Leave(reference.to_owned())),
        }
    }

    /// A message of pubsub for the handler of a channel.
    pub(super) fn inform(&mut self, at: usize, letter: Letter) {
        let (chan, max) = (&mut self.channels[at], self.limits.infos);
        if chan.infos() >= max {
            self.dropped += 1;
            let oldest = chan.mail.iter().position(|mail| mail.is_info() && !matches!(mail, Letter::Said(_)));
            let Some(oldest) = oldest else { return };
            chan.mail.remove(oldest);
        }
        chan.mail.push_back(letter);
    }

    pub(super) fn of_serial(&mut self, serial: u32) -> Option<&mut Chan> {
        self.channels.iter_mut().find(|chan| chan.serial == serial)
    }
}

fn interval(per_second: u32) -> u64 {
    1_000_000 / u64::from(per_second)
}
