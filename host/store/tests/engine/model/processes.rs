//! Random turns, mail and looks at both.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use skep_store::{
    BeforeChange, Due, DueCursor, Mail, MailId, NewProcess, ProcessChange, ProcessId, ProcessStore, ProcessTurn,
    Receiver, RecordChange, Saved,
};

use super::naive::Naive;
use super::{KEYS, NAMES, PLUGINS};
use crate::{name, plugin};

const NUMBERS: [u64; 4] = [1, 2, 1 << 40, u64::MAX];

#[derive(Clone, Debug)]
pub(super) struct Turn {
    id: (usize, usize),
    /// Whether the seq is right.
    right: bool,
    what: u8,
    name: Option<usize>,
    large: [bool; 3],
    wake_in: Option<u64>,
    append: usize,
    /// So many of the last events are kept.
    keep: Option<u64>,
    handled: Vec<u64>,
}

/// Plugin, number or name, when, and whether it is large.
pub(super) type Letter = (usize, usize, bool, Option<u64>, bool);

pub(super) fn turn() -> impl Strategy<Value = Turn> {
    (
        ((0..2_usize, 0..4_usize), prop::bool::weighted(0.9), 0..14_u8),
        prop::option::of(0..6_usize),
        any::<[bool; 3]>(),
        prop::option::of(0..30_u64),
        (0..4_usize, prop::option::of(0..4_u64)),
        prop::collection::vec(0..12_u64, 0..3),
    )
        .prop_map(|((id, right, what), name, large, wake_in, (append, keep), handled)| Turn {
            id,
            right,
            what,
            name,
            large,
            wake_in,
            append,
            keep,
            handled,
        })
}

pub(super) fn letters() -> impl Strategy<Value = Vec<Letter>> {
    let letter = (0..2_usize, 0..4_usize, any::<bool>(), prop::option::of(0..30_u64), any::<bool>());
    prop::collection::vec(letter, 0..3)
}

pub(super) fn id((of, number): (usize, usize)) -> ProcessId {
    ProcessId { plugin: plugin(PLUGINS[of]), number: NUMBERS[number] }
}

pub(super) fn build_mail(letters: &[Letter], naive: &Naive) -> Vec<Mail> {
    let build = |(of, to, by_name, at, large): &Letter| Mail {
        to: if *by_name {
            Receiver::Name(plugin(PLUGINS[*of]), KEYS[*to].to_owned())
        } else {
            Receiver::Process(id((*of, *to)))
        },
        data: if *large { "m".repeat(700) } else { "mail".to_owned() }.into(),
        // Some are late already.
        at: at.map(|at| naive.now + at - 5),
    };
    letters.iter().map(build).collect()
}

impl Turn {
    pub(super) fn build(&self, naive: &Naive) -> ProcessChange {
        let (id, kept) = (id(self.id), &naive.processes);
        let part = |at: usize, text: &str| Bytes::from(text.repeat(if self.large[at] { 200 } else { 2 }));
        let wake_at = self.wake_in.map(|after| naive.now + after);
        let seq = kept.seq(&id);
        // Where there is none, one begins, mostly.
        let begins = if self.what == 0 { seq != 0 } else { seq == 0 };
        let record = if begins {
            RecordChange::Begin(NewProcess {
                kind: name(NAMES[self.append % 2]),
                name: self.name.map(|at| KEYS[at].to_owned()),
                args: part(0, "arg"),
                saved: self.large[0].then(|| Saved { version: 1, state: part(2, "abc") }),
                extra: part(1, "ext"),
                wake_at,
            })
        } else {
            match self.what {
                1 => RecordChange::End,
                2 => RecordChange::Quarantine(self.wake_in.map(|at| format!("why {at}"))),
                what => RecordChange::Turn(ProcessTurn {
                    saved: (what % 4 != 0).then(|| Saved { version: what.into(), state: part(2, "xyz") }),
                    before: match what {
                        3 | 4 | 8 => BeforeChange::Put(Saved { version: 7, state: part(0, "old") }),
                        5 | 9 => BeforeChange::Clear,
                        _ => BeforeChange::Keep,
                    },
                    extra: (what % 3 != 0).then(|| part(1, "new")),
                    wake_at: if what > 10 { kept.records.get(&id).and_then(|record| record.wake_at) } else { wake_at },
                }),
            }
        };
        let last = kept.last_event(&id);
        let append = if record == RecordChange::End { 0 } else { self.append };
        // Numbers that were never given, and those of all mail there is.
        let mail = |at: &u64| kept.mail.keys().nth(*at as usize / 2).map_or(MailId(*at * 100), |place| place.id);
        let seq = match &record {
            RecordChange::Begin(_) => 0,
            _ => (seq + u64::from(!self.right)).max(1),
        };
        ProcessChange {
            id,
            seq,
            record,
            append: (0..append).map(|at| format!("event {}", last + at as u64).into()).collect(),
            events_below: self.keep.map_or(0, |keep| (last + 2).saturating_sub(keep)),
            handled: if self.large[1] { self.handled.iter().map(mail).collect() } else { Vec::new() },
        }
    }
}

/// Everything that is due, in pages.
pub(super) async fn due_in_pages(store: &dyn ProcessStore, naive: &Naive, limit: usize) {
    let (mut cursor, mut timers, mut mail) = (DueCursor::default(), Vec::new(), BTreeSet::new());
    let due = naive.processes.timers(naive.now);
    loop {
        let page = store.processes_due(cursor.clone(), naive.now, limit).await.unwrap();
        assert_eq!(page.next, naive.processes.next_due(naive.now));
        // Those with timers first.
        assert!(page.due.is_sorted_by_key(|due| due.mail));
        for Due { to, at, mail: is_mail } in page.due {
            match to {
                Receiver::Process(id) if !is_mail => timers.push((at, id)),
                to => _ = mail.insert(to),
            }
        }
        if !page.more {
            break;
        }
        assert_ne!(page.cursor, cursor);
        cursor = page.cursor;
    }
    let expected = naive.processes.mail.values().filter(|mail| mail.at <= naive.now).map(|mail| mail.to.clone());
    assert!(timers.is_sorted_by_key(|(at, _)| *at));
    assert_eq!(timers.into_iter().collect::<BTreeSet<_>>(), due);
    assert_eq!(mail, expected.collect());
}

/// Everything that can be seen of processes is the same.
pub(super) async fn agree(store: &dyn ProcessStore, naive: &Naive) {
    let kept = &naive.processes;
    let (mut all, mut reads) = (Vec::new(), Vec::new());
    // All are asked before the first is waited for, for there are many.
    for (of, plugin_name) in PLUGINS.iter().enumerate() {
        let of_plugin = plugin(plugin_name);
        let names = store.process_names(of_plugin.clone(), String::new(), None, 1000);
        all.push((names, store.processes(of_plugin.clone(), None, 1000), of_plugin));
        for (number, name) in KEYS.iter().enumerate().take(NUMBERS.len()) {
            let id = id((of, number));
            let to = vec![Receiver::Process(id.clone()), Receiver::Name(plugin(plugin_name), (*name).to_owned())];
            let events = store.process_events(id.clone(), 0, 1000);
            let mail = store.mail_for(to.clone(), None, naive.now, 1000);
            reads.push((store.process(id.clone()), events, mail, id, to));
        }
    }
    for (record, events, mail, id, to) in reads {
        assert_eq!(record.await.unwrap().as_ref(), kept.records.get(&id));
        let events = events.await.unwrap().events.into_iter().map(|event| (event.number, event.data));
        let expected = kept.events.iter().filter(|((of, _), _)| *of == id);
        let expected: Vec<_> = expected.map(|((_, number), data)| (*number, data.clone())).collect();
        assert_eq!(events.collect::<Vec<_>>(), expected);
        let mail = mail.await.unwrap();
        assert_eq!((mail.mail, mail.more), (kept.mail_for(&to, naive.now), false));
    }
    for (names, all, of) in all {
        let mut expected: Vec<_> = kept.records.values().filter(|record| record.id.plugin == of).collect();
        assert_eq!(all.await.unwrap().processes.len(), expected.len());
        expected.retain(|record| record.name.is_some());
        expected.sort_by(|a, b| a.name.cmp(&b.name));
        let head = |record: &skep_store::ProcessRecord| (record.id.clone(), record.name.clone(), record.seq);
        let names = names.await.unwrap().processes.into_iter().map(|head| (head.id, head.name, head.seq));
        assert_eq!(names.collect::<Vec<_>>(), expected.into_iter().map(head).collect::<Vec<_>>());
    }
}
