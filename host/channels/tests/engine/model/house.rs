//! The model's other half: what channels do with what waits for them, and what is done to them from outside.

use skep_channels::Version;

use super::naive::{Call, Chan, Handler, Letter, Limits, Peer, Step, TOPICS, Told, UNMATCHED};
use super::said::{Cast, Said};

/// What came of an operation from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    NotFound,
    Invalid,
}

pub(super) struct Model {
    pub(super) limits: Limits,
    /// In microseconds.
    pub(super) now: u64,
    pub(super) table: [Option<Handler>; 3],
    /// All that there ever were.
    pub(super) peers: Vec<Peer>,
    pub(super) joins: u64,
    pub(super) crashes: u64,
    pub(super) slow: u64,
}

impl Model {
    pub(super) fn new(limits: Limits, table: [Option<Handler>; 3]) -> Self {
        Self { limits, now: 0, table, peers: Vec::new(), joins: 0, crashes: 0, slow: 0 }
    }

    pub(super) fn connect(&mut self, version: Version) {
        self.peers.push(Peer::new(version, self.limits, self.now));
    }

    /// Lets everything happen that can. Ends take until the next round, as they have tasks of their own.
    pub(super) fn settle(&mut self) {
        loop {
            let mut any = false;
            for p in 0..self.peers.len() {
                self.peers[p].excuse(self.now);
                if self.peers[p].closing.is_none() {
                    end_all(&mut self.peers[p]);
                }
                while self.peers[p].closing.is_none() && self.step(p) {
                    any = true;
                }
                if self.peers[p].closing.is_some() {
                    self.finish(p);
                }
                if self.peers[p].reads {
                    any |= !self.peers[p].queue.is_empty();
                    self.peers[p].read();
                }
            }
            let channels = self.peers.iter_mut().flat_map(|peer| &mut peer.channels);
            for chan in channels.filter(|chan| chan.step == Step::Ending && !chan.lingers) {
                (chan.over, any) = (true, true);
            }
            if !any {
                break;
            }
        }
        for peer in &mut self.peers {
            peer.look(self.now);
        }
    }

    /// The socket is gone, or about to be: guests are told of the end of what has joined.
    pub(super) fn finish(&mut self, p: usize) {
        let peer = &mut self.peers[p];
        for chan in std::mem::take(&mut peer.channels) {
            if chan.step == Step::Joined {
                peer.note(chan.serial, "end closed".to_owned());
            }
        }
        if !std::mem::replace(&mut peer.gone, true) {
            self.slow += u64::from(peer.closing == Some(1013));
        }
    }

    /// The next letter of the first channel that can take one.
    fn step(&mut self, p: usize) -> bool {
        let peer = &mut self.peers[p];
        let channels = &peer.channels;
        let ready = channels.iter().enumerate().position(|(at, chan)| {
            let first = channels.iter().position(|other| other.topic == chan.topic) == Some(at);
            let begins = chan.held.is_none() && !chan.mail.is_empty() && (first || chan.step != Step::Waiting);
            chan.lives() && (chan.released || begins)
        });
        let Some(chan) = ready.map(|at| &mut peer.channels[at]) else { return false };
        let serial = chan.serial;
        if std::mem::take(&mut chan.released) {
            let held = chan.held.take().unwrap();
            self.answer(p, serial, held);
        } else {
            let letter = chan.mail.pop_front().unwrap();
            self.open(p, serial, letter);
        }
        true
    }

    fn open(&mut self, p: usize, serial: u32, letter: Letter) {
        let peer = &mut self.peers[p];
        let chan = peer.of_serial(serial).unwrap();
        let (topic, join_ref) = (TOPICS[chan.topic], chan.join_ref.clone());
        match letter {
            Letter::Join(reference, told) => {
                let Some(handler) = chan.handler else {
                    return self.refuse(p, serial, &Said::reply("null", &reference, topic, "error", UNMATCHED));
                };
                chan.step = Step::Joining;
                let call = Call::Join(reference, told, handler.revision);
                self.call(p, serial, &format!("join {} {}", told.1, told.2), told.0, call);
            }
            Letter::In(reference, told) => {
                self.call(p, serial, &format!("in {} {}", told.1, told.2), told.0, Call::In(reference, told));
            }
            Letter::Leave(reference) => {
                peer.send(&Said::reply(&join_ref, &reference, topic, "ok", "{}"), false);
                self.end(p, serial, "left", false);
            }
            Letter::Close => self.end(p, serial, "closed", false),
            Letter::Gone => self.end(p, serial, "gone", true),
            Letter::Stop(reason) => self.end(p, serial, reason, reason != "shutdown: now"),
            Letter::Out(cast) => {
                let body = format!("Json(\"{}\")", cast.number);
                peer.note(serial, format!("out {} {body}", cast.event));
                peer.send(&Said::text(&join_ref, "null", topic, "seen", &cast.number.to_string()), false);
            }
            Letter::Info(number) => {
                peer.note(serial, format!("info {number}"));
                peer.send(&Said::text(&join_ref, "null", topic, "info", &number.to_string()), false);
            }
            Letter::Said(_) | Letter::Held(_) => unreachable!("they go with the reply"),
        }
    }

    fn call(&mut self, p: usize, serial: u32, what: &str, held: bool, call: Call) {
        self.peers[p].note(serial, what.to_owned());
        if held {
            self.peers[p].of_serial(serial).unwrap().held = Some(call);
        } else {
            self.answer(p, serial, call);
        }
    }

    /// A call that was held goes on, when its socket has its turn.
    pub(super) fn release(&mut self, p: usize, serial: u32) {
        let chan = self.peers[p].of_serial(serial).unwrap();
        match chan.held {
            Some(Call::End) => (chan.held, chan.lingers) = (None, false),
            _ => chan.released = true,
        }
    }

    fn answer(&mut self, p: usize, serial: u32, call: Call) {
        match call {
            Call::Join(reference, told, revision) => self.joined(p, serial, &reference, told, revision),
            Call::In(reference, told) => self.act(p, serial, &reference, told),
            Call::End => unreachable!("it has a task of its own"),
        }
    }

    fn joined(&mut self, p: usize, serial: u32, reference: &str, (_, what, number): Told, revision: u32) {
        let peer = &mut self.peers[p];
        let chan = peer.of_serial(serial).unwrap();
        let (topic, join_ref) = (TOPICS[chan.topic], chan.join_ref.clone());
        let early = chan.early.take();
        if let Some((said, true)) = early {
            // It was refused, whatever the guest says now; what it let in has to end.
            if !matches!(what, "deny" | "crash" | "panic") {
                peer.note(serial, "end closed".to_owned());
            }
            return self.refuse(p, serial, &said);
        }
        match what {
            "deny" => {
                let said = Said::reply(&join_ref, reference, topic, "error", &number.to_string());
                return self.refuse(p, serial, &said);
            }
            "crash" | "panic" | "bad json" => {
                self.crashes += 1;
                let why = "{\"reason\":\"join crashed\"}";
                return self.refuse(p, serial, &Said::reply(&join_ref, reference, topic, "error", why));
            }
            _ => {}
        }
        chan.step = Step::Joined;
        (chan.lingers, chan.tracks) = (what == "linger", what == "track");
        let closed = chan.close_behind.take();
        let mut released = Vec::new();
        for letter in std::mem::take(&mut chan.mail) {
            match letter {
                Letter::Held(cast) if cast.is_intercepted() => chan.mail.push_back(Letter::Out(cast)),
                Letter::Held(cast) => released.push((cast.said(), true)),
                Letter::Said(said) => released.push((said, false)),
                other => chan.mail.push_back(other),
            }
        }
        self.joins += 1;
        let ok = || Said::reply(&join_ref, reference, topic, "ok", &revision.to_string());
        peer.send(&early.map_or_else(ok, |(said, _)| said), false);
        if let Some(before) = closed {
            peer.send(&Said::ended(&before, topic, "phx_close"), false);
        }
        for (said, droppable) in released {
            peer.send(&said, droppable);
        }
        if what == "greet" {
            peer.send(&Said::text(&join_ref, "null", topic, "greeting", &number.to_string()), false);
            self.broadcast_by(p, serial, "came", number, true);
        }
    }

    fn refuse(&mut self, p: usize, serial: u32, said: &Said) {
        let peer = &mut self.peers[p];
        let at = peer.channels.iter().position(|chan| chan.serial == serial).unwrap();
        let chan = peer.channels.remove(at);
        let topic = TOPICS[chan.topic];
        peer.send(said, false);
        if let Some(before) = chan.close_behind {
            peer.send(&Said::ended(&before, topic, "phx_close"), false);
        }
        for letter in chan.mail {
            match letter {
                Letter::In(reference, _) => {
                    peer.send(&Said::reply("null", &reference, topic, "error", UNMATCHED), false);
                }
                Letter::Leave(reference) => {
                    peer.send(&Said::reply(&chan.join_ref, &reference, topic, "ok", "{}"), false);
                }
                _ => {}
            }
        }
    }

    fn act(&mut self, p: usize, serial: u32, reference: &str, (_, what, number): Told) {
        let chan = self.peers[p].of_serial(serial).unwrap();
        let (topic, join_ref) = (TOPICS[chan.topic], chan.join_ref.clone());
        let payload = number.to_string();
        let pushed = Said::text(&join_ref, "null", topic, "pushed", &payload);
        match what {
            "push" | "bad json" => self.peers[p].send(&pushed, false),
            "shout" => self.broadcast_by(p, serial, "shouted", number, true),
            "others" => self.broadcast_by(p, serial, "shouted", number, false),
            "secret" => self.broadcast_by(p, serial, "secret", number, true),
            "linger" => chan.lingers = true,
            "listen" => chan.listens = true,
            "unlisten" => chan.listens = false,
            "silence" => return,
            _ => {}
        }
        if matches!(what, "crash" | "panic" | "bad json") {
            self.crashes += 1;
            return self.end(p, serial, "crashed", true);
        }
        self.peers[p].send(&Said::reply(&join_ref, reference, topic, "ok", &payload), false);
        match what {
            "stop" => self.end(p, serial, "normal", false),
            "give up" => self.end(p, serial, "given up", true),
            _ => {}
        }
    }

    /// Its end begins; as an error its client is told at once.
    fn end(&mut self, p: usize, serial: u32, reason: &str, is_error: bool) {
        let peer = &mut self.peers[p];
        peer.note(serial, format!("end {reason}"));
        let chan = peer.of_serial(serial).unwrap();
        chan.step = Step::Ending;
        chan.mail.clear();
        (chan.listens, chan.tracks, chan.told) = (false, false, is_error);
        chan.held = chan.lingers.then_some(Call::End);
        if is_error {
            let said = Said::ended(&chan.join_ref, TOPICS[chan.topic], "phx_error");
            peer.send(&said, false);
        }
    }

    fn broadcast_by(&mut self, p: usize, serial: u32, event: &'static str, number: u32, to_all: bool) {
        let chan = self.peers[p].of_serial(serial).unwrap();
        let (topic, owner) = (chan.topic, chan.handler.unwrap().owner);
        let cast = Cast { topic: TOPICS[topic], event, number, binary: false };
        self.broadcast(owner, topic, cast, (!to_all).then_some((p, serial)));
    }

    pub(super) fn broadcast(&mut self, owner: &str, topic: usize, cast: Cast, except: Option<(usize, u32)>) {
        for (p, peer) in self.peers.iter_mut().enumerate() {
            for at in 0..peer.channels.len() {
                let chan = &peer.channels[at];
                if !(chan.topic == topic && chan.hears() && chan.is_of(owner)) || except == Some((p, chan.serial)) {
                    continue;
                }
                let fits = cast.said().frame(peer.version).is_some();
                match chan.step {
                    _ if !fits => {}
                    Step::Joining => peer.inform(at, Letter::Held(cast)),
                    _ if cast.is_intercepted() => peer.inform(at, Letter::Out(cast)),
                    _ => peer.send(&cast.said(), true),
                }
            }
        }
    }

    /// A message of pubsub that is no broadcast: of a channel's topic, or of the one that some listen to.
    pub(super) fn publish(&mut self, owner: &str, topic: Option<usize>, number: u32) {
        for peer in &mut self.peers {
            for at in 0..peer.channels.len() {
                let chan = &peer.channels[at];
                let hears = match topic {
                    Some(topic) => chan.topic == topic && chan.hears() && chan.is_of(owner),
                    None => chan.listens,
                };
                if hears {
                    peer.inform(at, Letter::Info(number));
                }
            }
        }
    }

    /// The newest channel of a topic that the plugin can reach.
    fn reach(&mut self, p: usize, serial: u32) -> Option<&mut Chan> {
        let chan = self.peers.get_mut(p)?.of_serial(serial)?;
        (chan.hears() && chan.is_of("chat")).then_some(chan)
    }

    pub(super) fn push(&mut self, p: usize, serial: u32, number: u32) -> Outcome {
        let infos_max = self.limits.infos;
        let Some(chan) = self.reach(p, serial) else { return Outcome::NotFound };
        let said = Said::text(&chan.join_ref, "null", TOPICS[chan.topic], "told", &number.to_string());
        if chan.step == Step::Joined {
            self.peers[p].send(&said, false);
        } else if chan.infos() >= infos_max {
            return Outcome::Invalid;
        } else {
            chan.mail.push_back(Letter::Said(said));
        }
        Outcome::Done
    }

    pub(super) fn reply(&mut self, p: usize, serial: u32, reference: &str, status: &str, number: u32) -> Outcome {
        let Some(chan) = self.reach(p, serial) else { return Outcome::NotFound };
        let said = Said::reply(&chan.join_ref, reference, TOPICS[chan.topic], status, &number.to_string());
        if chan.step == Step::Joined {
            self.peers[p].send(&said, false);
        } else {
            chan.early.get_or_insert((said, status != "ok"));
        }
        Outcome::Done
    }

    pub(super) fn stop(&mut self, p: usize, serial: u32, reason: &'static str) -> Outcome {
        let Some(chan) = self.reach(p, serial) else { return Outcome::NotFound };
        chan.mail.push_front(Letter::Stop(reason));
        Outcome::Done
    }

    /// Other handlers: what has not begun is for whoever is there then; what has goes on with the same plugin, if it keeps
    /// the same.
    pub(super) fn swap(&mut self, table: [Option<Handler>; 3]) {
        self.table = table;
        for chan in self.peers.iter_mut().flat_map(|peer| &mut peer.channels).filter(|chan| chan.lives()) {
            let (old, new) = (chan.handler, table[chan.topic]);
            let same = |other: Option<Handler>| other.map(|handler| (handler.owner, handler.keeps));
            if chan.step == Step::Waiting || (new.is_some() && same(new) == same(old)) {
                chan.handler = new;
            } else {
                chan.mail.push_front(Letter::Gone);
            }
        }
    }
}

/// Takes out the channels whose end is over.
fn end_all(peer: &mut Peer) {
    while let Some(at) = peer.channels.iter().position(|chan| chan.over) {
        let chan = peer.channels.remove(at);
        let next = peer.channels.iter_mut().find(|other| other.topic == chan.topic);
        match next {
            _ if chan.told => {}
            Some(next) => next.close_behind = Some(chan.join_ref),
            None => peer.send(&Said::ended(&chan.join_ref, TOPICS[chan.topic], "phx_close"), false),
        }
    }
}
