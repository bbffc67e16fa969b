//! The naive model: lists that are searched from end to end.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use proptest::prelude::*;
use skep_pubsub::{
    Error, Limits, MESSAGE_OVERHEAD, Overflow, Publish, Retain, SubscribeOptions, Subscription, TopicSelector,
};
use skep_types::ByteSize;

use crate::{START_MS, engine, read, show, text, topic};

const TOPICS: [&str; 4] = ["a/x:1", "a/x:2", "a/y", "b/x:1"];
const SELECTORS: [&str; 7] = ["a/x:1", "a/x:2", "a/y", "b/x:1", "a/x:*", "a/*", "a/y*"];

#[derive(Clone, Debug)]
enum Step {
    /// Selector, queue, overflow, and how far behind the last id to resume.
    Subscribe(usize, usize, usize, Option<u64>),
    Unsubscribe(usize),
    Publish(usize, Option<usize>),
    Read(usize, usize),
    Since(usize, u64, usize),
    Advance(u64),
    Reload(usize),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..7_usize, 1..5_usize, 0..3_usize, prop::option::of(0..8_u64)).prop_map(|(s, q, o, a)| Step::Subscribe(s, q, o, a)),
        2 => any::<usize>().prop_map(Step::Unsubscribe),
        12 => (0..4_usize, prop::option::of(any::<usize>())).prop_map(|(t, from)| Step::Publish(t, from)),
        5 => (any::<usize>(), 0..5_usize).prop_map(|(s, n)| Step::Read(s, n)),
        2 => (0..4_usize, 0..8_u64, 0..5_usize).prop_map(|(t, b, l)| Step::Since(t, b, l)),
        2 => (0..1500_u64).prop_map(Step::Advance),
        1 => (0..4_usize).prop_map(Step::Reload),
        1 => Just(Step::Sweep),
    ]
}

fn table(number: usize) -> Vec<(&'static str, Retain)> {
    let keep = |messages, ms, bytes| Retain {
        messages: NonZeroUsize::new(messages).unwrap(),
        bytes: ByteSize(bytes),
        age: Duration::from_millis(ms),
    };
    match number {
        0 => vec![("a/*", keep(4, 2000, 99_999)), ("a/x:1", keep(6, 9999, 99_999))],
        1 => vec![("a/x:*", keep(2, 3000, 99_999)), ("b/*", keep(9, 1000, 3 * (MESSAGE_OVERHEAD + 9)))],
        2 => vec![("a/*", keep(9, 500, 99_999)), ("a/x:*", keep(3, 1000, 99_999))],
        _ => vec![],
    }
}

#[derive(Default)]
struct Log {
    base: u64,
    next: u64,
    /// Id, time, data.
    messages: Vec<(u64, u64, String)>,
}

struct Listener {
    real: Subscription,
    selector: TopicSelector,
    queue: usize,
    overflow: usize,
    backlog: Vec<String>,
    live: Vec<String>,
    dropped: u64,
    closed: bool,
}

impl Listener {
    /// Whether it is in the queue then.
    fn push(&mut self, data: &str) -> bool {
        if self.closed {
            return false;
        }
        let missed = |text: &String| text.strip_prefix('-').map(|n| n.parse::<u64>().unwrap());
        if self.live.iter().filter(|text| missed(text).is_none()).count() == self.queue {
            self.dropped += 1;
            match self.overflow {
                0 => {
                    let before = self.live.first().and_then(missed);
                    self.live.drain(..1 + usize::from(before.is_some()));
                    self.live.insert(0, format!("-{}", before.unwrap_or(0) + 1));
                }
                1 => {
                    let before = self.live.last().and_then(missed);
                    self.live.truncate(self.live.len() - usize::from(before.is_some()));
                    self.live.push(format!("-{}", before.unwrap_or(0) + 1));
                    return false;
                }
                _ => {
                    self.closed = true;
                    return false;
                }
            }
        }
        self.live.push(data.to_owned());
        true
    }
}

#[derive(Default)]
struct Model {
    now: u64,
    rules: Vec<(TopicSelector, Retain)>,
    logs: BTreeMap<&'static str, Log>,
    floor: u64,
    listeners: Vec<Listener>,
    published: u64,
}

impl Model {
    fn retain(&self, name: &str) -> Option<Retain> {
        let matching = self.rules.iter().filter(|(selector, _)| selector.matches(&topic(name)));
        // Without its star a longer pattern is the more specific one, and an exact one is the longest that matches.
        matching.max_by_key(|(selector, _)| selector.to_string().trim_end_matches('*').len()).map(|(_, retain)| *retain)
    }

    fn open(&mut self, name: &'static str) {
        if self.retain(name).is_some() && !self.logs.contains_key(name) {
            let base = ((START_MS + self.now) * 1024).max(self.floor);
            self.logs.insert(name, Log { base, next: base, messages: Vec::new() });
        }
        self.trim(name);
    }

    fn trim(&mut self, name: &str) {
        let Some(retain) = self.retain(name) else { return };
        let now = self.now;
        let Some(log) = self.logs.get_mut(name) else { return };
        let size = |log: &Log| log.messages.iter().map(|m| m.2.len() as u64 + MESSAGE_OVERHEAD).sum::<u64>();
        while log.messages.first().is_some_and(|m| now - m.1 >= retain.age.as_millis() as u64)
            || log.messages.len() > retain.messages.get()
            || size(log) > retain.bytes.0
        {
            log.messages.remove(0);
        }
    }

    fn exact(&self, name: &str) -> usize {
        self.listeners.iter().filter(|listener| listener.selector.to_string() == name).count()
    }

    fn forget(&mut self, name: &str, always: bool) {
        let idle = self.exact(name) == 0 && self.logs.get(name).is_some_and(|log| log.messages.is_empty());
        if (idle || always)
            && let Some(log) = self.logs.remove(name)
        {
            self.floor = self.floor.max(log.next + 1);
        }
    }

    /// What is behind an id, and whether that is all.
    fn behind(&self, name: &str, after: u64) -> (Vec<String>, bool) {
        let Some(log) = self.logs.get(name) else { return (vec![], false) };
        if after < log.base || after >= log.next {
            return (log.messages.iter().map(|m| m.2.clone()).collect(), false);
        }
        let found: Vec<_> = log.messages.iter().filter(|m| m.0 > after).map(|m| m.2.clone()).collect();
        let complete = found.len() as u64 == log.next - 1 - after;
        (found, complete)
    }

    fn id_behind(&self, name: &str, back: u64) -> u64 {
        self.logs.get(name).map_or(START_MS * 1024, |log| log.next.saturating_sub(back))
    }
}

fn pick(count: usize, number: usize) -> Option<usize> {
    number.checked_rem(count)
}

fn run(steps: Vec<Step>) {
    let (pubsub, clock) = engine(Limits::default(), &table(0));
    let parse = |number| -> Vec<(TopicSelector, Retain)> {
        table(number).into_iter().map(|(text, retain)| (text.parse().unwrap(), retain)).collect()
    };
    let mut model = Model { rules: parse(0), ..Model::default() };
    for step in steps {
        match step {
            Step::Subscribe(selector, queue, overflow, back) => {
                let name = SELECTORS[selector];
                let exact = !name.ends_with('*');
                if exact && (back.is_some() || !model.logs.contains_key(name)) {
                    model.open(name);
                }
                let after = back.map(|back| model.id_behind(name, back));
                let (backlog, complete) =
                    after.filter(|_| exact).map_or((vec![], false), |after| model.behind(name, after));
                let options = SubscribeOptions {
                    queue: NonZeroUsize::new(queue).unwrap(),
                    overflow: [Overflow::DropOldest, Overflow::DropNewest, Overflow::Close][overflow],
                    after,
                    ..SubscribeOptions::default()
                };
                let selector: TopicSelector = name.parse().unwrap();
                let real = pubsub.subscribe(selector.clone(), &options).unwrap();
                assert_eq!(real.resumed().map(|resumed| resumed.complete), after.map(|_| complete));
                model.listeners.push(Listener {
                    real,
                    selector,
                    queue,
                    overflow,
                    backlog,
                    live: vec![],
                    dropped: 0,
                    closed: false,
                });
            }
            Step::Unsubscribe(number) => {
                let Some(at) = pick(model.listeners.len(), number) else { continue };
                let name = model.listeners.swap_remove(at).selector.to_string();
                model.forget(&name, false);
            }
            Step::Publish(number, from) => {
                let name = TOPICS[number];
                let data = format!("m{:08}", model.published);
                model.published += 1;
                if model.retain(name).is_some() && !model.logs.contains_key(name) {
                    model.open(name);
                }
                let now = model.now;
                let id = model.logs.get_mut(name).map(|log| {
                    log.messages.push((log.next, now, data.clone()));
                    log.next += 1;
                    log.next - 1
                });
                model.trim(name);
                let from = from.and_then(|number| pick(model.listeners.len(), number));
                let from = from.map(|at| model.listeners[at].real.id());
                let hear = |l: &&mut Listener| l.selector.matches(&topic(name)) && Some(l.real.id()) != from;
                let receivers = model.listeners.iter_mut().filter(hear).map(|l| usize::from(l.push(&data))).sum();
                let done = pubsub.publish(&topic(name), Publish { from, ..text(&data) }).unwrap();
                assert_eq!((done.id, done.receivers), (id, receivers), "{name}");
            }
            Step::Read(number, count) => {
                let Some(at) = pick(model.listeners.len(), number) else { continue };
                let listener = &mut model.listeners[at];
                for _ in 0..count {
                    let from = if listener.backlog.is_empty() { &mut listener.live } else { &mut listener.backlog };
                    let expected = (!from.is_empty()).then(|| from.remove(0));
                    assert_eq!(listener.real.try_recv().map(|delivery| show(&delivery)), expected);
                }
                assert_eq!(listener.real.counts().dropped, listener.dropped);
                assert_eq!(listener.real.close_reason().is_some(), listener.closed);
            }
            Step::Since(number, back, limit) => {
                let name = TOPICS[number];
                model.trim(name);
                let after = model.id_behind(name, back);
                let found = pubsub.since(&topic(name), Some(after), limit);
                if model.retain(name).is_none() {
                    assert_eq!(found.unwrap_err(), Error::NotRetained);
                    continue;
                }
                let (mut expected, complete) = model.behind(name, after);
                expected.truncate(limit);
                let found = found.unwrap();
                let data = found.messages.iter().map(|m| String::from_utf8(m.data.to_vec()).unwrap());
                assert_eq!((data.collect::<Vec<_>>(), found.complete), (expected, complete));
            }
            Step::Advance(ms) => {
                clock.advance(Duration::from_millis(ms));
                model.now += ms;
            }
            Step::Reload(number) => {
                // A reload goes through topics in any order; in a new millisecond the first ids do not depend on it.
                clock.advance(Duration::from_millis(1));
                model.now += 1;
                model.rules = parse(number);
                pubsub.set_retention(parse(number));
                for name in TOPICS {
                    if model.retain(name).is_none() {
                        model.forget(name, true);
                    }
                }
                for name in TOPICS {
                    if model.exact(name) > 0 || model.logs.contains_key(name) {
                        model.open(name);
                    }
                    model.forget(name, false);
                }
            }
            Step::Sweep => {
                // Logs that are forgotten shorten the list; four rounds meet them all.
                (0..4).for_each(|_| _ = pubsub.sweep(4));
                for name in TOPICS {
                    model.trim(name);
                    model.forget(name, false);
                }
            }
        }
        let stats = pubsub.stats();
        let kept = model.logs.values().flat_map(|log| &log.messages);
        assert_eq!(stats.retained_bytes, kept.map(|m| m.2.len() as u64 + MESSAGE_OVERHEAD).sum::<u64>());
        assert_eq!((stats.logs, stats.subscriptions), (model.logs.len(), model.listeners.len()));
        let live = TOPICS.iter().filter(|name| model.exact(name) > 0 || model.logs.contains_key(*name)).count();
        assert_eq!(stats.topics, live);
    }
    for listener in &mut model.listeners {
        assert_eq!(read(&mut listener.real), [&listener.backlog[..], &listener.live].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_model_does(steps in prop::collection::vec(step(), 1..120)) {
        run(steps);
    }
}
