//! Processes: who may change one, its name, its events; mail, and what is due.

use std::sync::Arc;

use bytes::Bytes;
use skep_store::{
    BeforeChange, Commit, CommitError, DueCursor, DuePage, Error, Mail, MailId, NewProcess, Outgoing, ProcessChange,
    ProcessDone, ProcessId, ProcessRecord, ProcessTurn, Receiver, Saved, Timestamp, Write,
};

use crate::{Fixture, NOW, commit, key, name, plugin};

crate::on_every_backend! {
    a_turn_is_committed_with_its_effects_or_not_at_all,
    whoever_lost_a_process_changes_nothing,
    a_turn_ends_a_quarantine,
    a_name_has_one_process,
    those_that_are_asked_for_at_once_see_each_other,
    names_are_listed_in_order_by_prefix,
    large_parts_come_and_go,
    events_have_no_gaps_and_are_never_numbered_twice,
    a_long_past_is_deleted_behind_the_others,
    mail_is_told_when_it_is_due_and_kept_until_it_is_handled,
    pages_of_large_mail_miss_nothing,
    what_is_due_is_seen_once,
    a_quota_counts_records_events_and_mail,
    it_is_there_after_it_was_closed,
}

fn id(number: u64) -> ProcessId {
    ProcessId { plugin: plugin("shop"), number }
}

fn named(text: &str) -> Receiver {
    Receiver::Name(plugin("shop"), text.to_owned())
}

fn saved(text: &str) -> Saved {
    Saved { version: 1, state: Bytes::copy_from_slice(text.as_bytes()) }
}

fn new(name_: Option<&str>) -> NewProcess {
    NewProcess {
        kind: name("cart"),
        name: name_.map(str::to_owned),
        args: "args".into(),
        saved: Some(saved("empty")),
        extra: Bytes::new(),
        wake_at: None,
    }
}

fn turn(text: &str) -> ProcessTurn {
    ProcessTurn { saved: Some(saved(text)), ..ProcessTurn::default() }
}

fn of(process: ProcessChange) -> Commit {
    Commit { process: Some(process), ..commit(NOW) }
}

fn mail(to: Receiver, text: &str, at: Option<Timestamp>) -> Mail {
    Mail { to, data: Bytes::copy_from_slice(text.as_bytes()), at }
}

impl Fixture {
    async fn change(&self, process: ProcessChange) -> Result<ProcessDone, CommitError> {
        self.store.commit(of(process)).await.map(|done| done.process.unwrap())
    }

    async fn begin(&self, number: u64, name: Option<&str>) {
        assert_eq!(self.change(ProcessChange::begin(id(number), new(name))).await.unwrap().seq, 1);
    }

    async fn record(&self, number: u64) -> Option<ProcessRecord> {
        self.store.process(id(number)).await.unwrap()
    }

    async fn texts(&self, to: Vec<Receiver>, now: Timestamp) -> Vec<String> {
        let page = self.store.mail_for(to, None, now, 100).await.unwrap();
        page.mail.iter().map(|mail| String::from_utf8(mail.data.to_vec()).unwrap()).collect()
    }

    async fn due(&self, cursor: DueCursor, now: Timestamp) -> DuePage {
        self.store.processes_due(cursor, now, 100).await.unwrap()
    }

    async fn used(&self) -> (u64, u64) {
        let usage = self.store.usage().await.unwrap();
        usage.iter().find(|usage| usage.plugin == plugin("shop")).map_or((0, 0), |usage| (usage.processes, usage.bytes))
    }
}

async fn a_turn_is_committed_with_its_effects_or_not_at_all(f: Fixture) {
    f.begin(7, Some("cart:1")).await;
    let ids = f.store.post_mail(plugin("shop"), vec![mail(named("cart:1"), "add", None)], NOW).await.unwrap();
    let mut one = of(ProcessChange::turn(id(7), 1, ProcessTurn { wake_at: Some(NOW + 5), ..turn("1 pear") }));
    one.process.as_mut().unwrap().handled = ids.clone();
    one.writes.push(Write::Sum { key: key("orders"), by: 1 });
    one.messages.push(Outgoing::Mail(mail(Receiver::Process(id(8)), "hello", None)));
    let done = f.store.commit(one.clone()).await.unwrap();
    assert_eq!(done.process, Some(ProcessDone { seq: 2, last_event: 0 }));
    assert_eq!(done.mail, [MailId(2)]);
    let record = f.record(7).await.unwrap();
    assert_eq!((record.seq, record.saved, record.wake_at), (2, Some(saved("1 pear")), Some(NOW + 5)));
    assert_eq!((record.args, record.before, record.quarantined), ("args".into(), None, None));
    assert!(f.texts(vec![named("cart:1")], NOW).await.is_empty());
    // Whoever says it again has not seen it: nothing of it is written.
    assert_eq!(f.store.commit(one.clone()).await.unwrap_err(), CommitError::Stale { seq: 2 });
    // With the right seq, the mail was handled all the same.
    one.process.as_mut().unwrap().seq = 2;
    assert_eq!(f.store.commit(one).await.unwrap_err(), CommitError::Handled(MailId(1)));
    let orders = f.store.get(plugin("shop"), vec!["orders".into()], NOW).await.unwrap();
    assert_eq!(orders[0].as_ref().unwrap().value, "1");
    assert_eq!(f.texts(vec![Receiver::Process(id(8))], NOW).await, ["hello"]);
    assert_eq!(f.record(7).await.unwrap().seq, 2);
    // A check that does not hold undoes the turn too.
    let mut one = of(ProcessChange::turn(id(7), 2, turn("2 pears")));
    one.checks.push(crate::check("orders", None));
    assert_eq!(f.store.commit(one).await.unwrap_err(), CommitError::Conflict(0));
    assert_eq!(f.record(7).await.unwrap().saved, Some(saved("1 pear")));
}

async fn whoever_lost_a_process_changes_nothing(f: Fixture) {
    let missing = f.change(ProcessChange::turn(id(1), 3, turn("a"))).await;
    assert_eq!(missing, Err(CommitError::Stale { seq: 0 }));
    f.begin(1, None).await;
    assert_eq!(f.change(ProcessChange::begin(id(1), new(None))).await, Err(CommitError::Stale { seq: 1 }));
    f.change(ProcessChange::turn(id(1), 1, turn("new owner"))).await.unwrap();
    for late in [
        ProcessChange::turn(id(1), 1, turn("zombie")),
        ProcessChange::quarantine(id(1), 1, Some("zombie".into())),
        ProcessChange::end(id(1), 1),
    ] {
        assert_eq!(f.change(late).await, Err(CommitError::Stale { seq: 2 }));
    }
    assert_eq!(f.record(1).await.unwrap().saved, Some(saved("new owner")));
    // An operator takes it away.
    assert!(f.store.remove_process(id(1)).await.unwrap());
    assert!(!f.store.remove_process(id(1)).await.unwrap());
    let late = f.change(ProcessChange::turn(id(1), 2, turn("a"))).await;
    assert_eq!(late, Err(CommitError::Stale { seq: 0 }));
    for wrong in [
        ProcessChange { seq: 1, ..ProcessChange::begin(id(1), new(None)) },
        ProcessChange::turn(id(1), 0, turn("a")),
        ProcessChange { append: vec!["a".into()], ..ProcessChange::end(id(1), 1) },
        ProcessChange::begin(id(1), new(Some(""))),
        ProcessChange::begin(id(1), new(Some("a\nb"))),
    ] {
        assert!(matches!(f.change(wrong).await, Err(CommitError::Store(Error::Invalid(_)))));
    }
    let long = ProcessChange::begin(id(1), new(Some(&"x".repeat(257))));
    assert_eq!(f.change(long).await, Err(Error::TooLarge(256).into()));
}

async fn a_turn_ends_a_quarantine(f: Fixture) {
    let wakes = |text| ProcessTurn { wake_at: Some(NOW), ..turn(text) };
    f.begin(1, None).await;
    f.change(ProcessChange::turn(id(1), 1, wakes("a"))).await.unwrap();
    f.change(ProcessChange::quarantine(id(1), 2, Some("it does not load".into()))).await.unwrap();
    assert!(f.due(DueCursor::default(), NOW).await.due.is_empty());
    f.change(ProcessChange::turn(id(1), 3, wakes("b"))).await.unwrap();
    let record = f.record(1).await.unwrap();
    assert_eq!((record.seq, record.quarantined, record.saved), (4, None, Some(saved("b"))));
    let page = f.due(DueCursor::default(), NOW).await;
    assert_eq!(
        page.due.iter().map(|due| (&due.to, due.mail)).collect::<Vec<_>>(),
        [(&Receiver::Process(id(1)), false)]
    );
}

async fn a_name_has_one_process(f: Fixture) {
    let f = Arc::new(f);
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let f = Arc::clone(&f);
            tokio::spawn(async move { f.change(ProcessChange::begin(id(number), new(Some("only")))).await })
        })
        .collect();
    let mut taken = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => {}
            Err(CommitError::NameTaken(id)) => taken.push(id.number),
            Err(error) => panic!("{error}"),
        }
    }
    let record = f.store.process_by_name(plugin("shop"), "only".into()).await.unwrap().unwrap();
    assert_eq!(taken, vec![record.id.number; 99]);
    // It is of one plugin, and free when its process has ended.
    let other = ProcessId { plugin: plugin("mall"), number: 1 };
    f.change(ProcessChange::begin(other, new(Some("only")))).await.unwrap();
    f.change(ProcessChange::end(record.id, 1)).await.unwrap();
    assert_eq!(f.store.process_by_name(plugin("shop"), "only".into()).await.unwrap(), None);
    f.begin(u64::MAX, Some("only")).await;
    let again = f.store.process_by_name(plugin("shop"), "only".into()).await.unwrap().unwrap();
    assert_eq!(again.id.number, u64::MAX);
}

/// What is asked for before anything is answered is carried out in that order, some of it together.
async fn those_that_are_asked_for_at_once_see_each_other(f: Fixture) {
    let events = |texts: &[&str]| texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
    let with = |change: ProcessChange, texts: &[&str], below| {
        of(ProcessChange { append: events(texts), events_below: below, ..change })
    };
    let turns = |number, seq| ProcessChange::turn(id(number), seq, turn("s"));
    let before = ProcessTurn { before: BeforeChange::Put(saved("old")), ..turn("s") };
    f.begin(1, Some("a")).await;
    f.change(ProcessChange { append: events(&["a", "b"]), ..turns(1, 1) }).await.unwrap();
    let letter = || vec![mail(Receiver::Process(id(1)), "to 1", None)];
    let first = f.store.post_mail(plugin("mall"), letter(), NOW).await.unwrap();
    let second = f.store.post_mail(plugin("mall"), letter(), NOW);
    let ends = ProcessChange { handled: first.clone(), ..ProcessChange::end(id(1), 2) };
    let commits = [
        with(ends, &[], 0),
        with(ProcessChange::begin(id(2), new(Some("a"))), &["x", "y"], 0),
        of(ProcessChange::begin(id(3), new(Some("a")))),
        // A number may be given again, and nothing of the one that had it is left.
        with(ProcessChange::begin(id(1), new(None)), &["c"], 0),
        with(turns(2, 1), &["z"], 3),
        of(ProcessChange { handled: first.clone(), ..turns(2, 2) }),
        of(ProcessChange::turn(id(2), 2, before.clone())),
        of(ProcessChange::turn(id(1), 1, before.clone())),
        of(turns(1, 1)),
    ];
    let commits = commits.map(|commit| f.store.commit(commit));
    let settled = f.store.settle_upgrade(plugin("shop"));
    let removed = [f.store.remove_process(id(2)), f.store.remove_process(id(2))];
    let last = f.store.commit(with(ProcessChange::begin(id(4), new(Some("a"))), &["end"], 0));
    assert_eq!(second.await.unwrap().len(), 1);
    let mut done = Vec::new();
    for commit in commits {
        done.push(commit.await.map(|done| done.process.map(|done| (done.seq, done.last_event)).unwrap()));
    }
    let expected = [
        Ok((3, 2)),
        Ok((1, 2)),
        Err(CommitError::NameTaken(id(2))),
        Ok((1, 1)),
        Ok((2, 3)),
        Err(CommitError::Handled(first[0])),
        Ok((3, 3)),
        Ok((2, 1)),
        Err(CommitError::Stale { seq: 2 }),
    ];
    assert_eq!(done, expected);
    // Those of the same moment may be left to the next time.
    let mut settled = settled.await.unwrap();
    let [one, other] = removed;
    assert_eq!((one.await, other.await), (Ok(true), Ok(false)));
    assert_eq!(last.await.unwrap().process.unwrap().last_event, 1);
    settled += f.store.settle_upgrade(plugin("shop")).await.unwrap();
    assert!((1..=2).contains(&settled));
    let record = f.record(1).await.unwrap();
    assert_eq!((record.seq, record.name, record.before), (2, None, None));
    assert_eq!(f.store.process_by_name(plugin("shop"), "a".into()).await.unwrap().unwrap().id, id(4));
    for (number, text) in [(1, "c"), (4, "end")] {
        let page = f.store.process_events(id(number), 0, 9).await.unwrap();
        let found: Vec<_> = page.events.iter().map(|event| (event.number, &event.data[..])).collect();
        assert_eq!(found, [(1, text.as_bytes())]);
    }
    assert!(f.texts(vec![Receiver::Process(id(1))], NOW).await.is_empty());
    let usage = f.store.usage().await.unwrap();
    assert!(usage.iter().all(|usage| usage.plugin == plugin("shop") || usage.bytes == 0), "{usage:?}");
    assert_eq!(f.used().await, (2, (192 + 4 + 1 + 33) + (192 + 1 + 4 + 5 + 35)));
    for table in ["process_events", "processes"] {
        assert_eq!(f.home.rows(table), 2, "{table}");
    }
}

async fn names_are_listed_in_order_by_prefix(f: Fixture) {
    for (number, name) in (1..).zip(["b", "a/2", "a", "a/1", "é", "a/3"]) {
        f.begin(number, Some(name)).await;
    }
    f.begin(9, None).await;
    let list = async |prefix: &str, after: Option<&str>, limit| {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let page = f.store.process_names(plugin("shop"), prefix, after, limit).await.unwrap();
        let names: Vec<_> = page.processes.into_iter().map(|head| head.name.unwrap()).collect();
        (names.join(" "), page.more)
    };
    assert_eq!(list("", None, 10).await, ("a a/1 a/2 a/3 b é".into(), false));
    assert_eq!(list("a/", None, 2).await, ("a/1 a/2".into(), true));
    assert_eq!(list("a/", Some("a/2"), 2).await, ("a/3".into(), false));
    assert_eq!(list("a/", Some("a"), 2).await, ("a/1 a/2".into(), true));
    assert_eq!(list("a/", Some("b"), 2).await, (String::new(), false));
    assert_eq!(list("é", None, 2).await, ("é".into(), false));
    // No name has a zero, but one may be asked for.
    assert_eq!(list("a\0", None, 2).await, (String::new(), false));
    assert_eq!(list("a", Some("a/1\0"), 2).await, ("a/2 a/3".into(), false));
    assert_eq!(f.store.process_by_name(plugin("shop"), "a\0".into()).await, Ok(None));
    assert!(f.texts(vec![named("a\0")], NOW).await.is_empty());
    assert!(!f.store.processes(plugin("shop"), Some(i64::MAX as u64), 2).await.unwrap().more);
    let page = f.store.processes(plugin("shop"), Some(4), 2).await.unwrap();
    assert_eq!(page.processes.iter().map(|head| head.id.number).collect::<Vec<_>>(), [5, 6]);
    assert!(page.more);
}

async fn large_parts_come_and_go(f: Fixture) {
    let large = |byte: &str| byte.repeat(3_000);
    let begin = NewProcess { args: large("a").into(), extra: large("e").into(), ..new(None) };
    f.change(ProcessChange::begin(id(1), begin)).await.unwrap();
    let base = f.used().await.1;
    assert_eq!(base, 192 + 3_000 + 3_000 + 5);
    let before = || BeforeChange::Put(Saved { version: 9, state: large("b").into() });
    f.change(ProcessChange::turn(id(1), 1, ProcessTurn { before: before(), ..turn(&large("s")) })).await.unwrap();
    assert_eq!(f.used().await.1, base + 2_995 + 3_032);
    let record = f.record(1).await.unwrap();
    assert_eq!((record.args, record.extra), (large("a").into(), large("e").into()));
    assert_eq!((record.saved, record.before.unwrap().version), (Some(saved(&large("s"))), 9));
    // What is not said stays; what is small again goes back into its row.
    f.change(ProcessChange::turn(id(1), 2, ProcessTurn::default())).await.unwrap();
    assert_eq!(f.record(1).await.unwrap().saved, Some(saved(&large("s"))));
    let small = ProcessTurn { extra: Some("e".into()), before: BeforeChange::Clear, ..turn("s") };
    f.change(ProcessChange::turn(id(1), 3, small)).await.unwrap();
    let record = f.record(1).await.unwrap();
    assert_eq!((record.saved, record.extra, record.before), (Some(saved("s")), "e".into(), None));
    assert_eq!(f.used().await, (1, 192 + 3_000 + 2));
    // Of all at once, when nobody wants to go back any more.
    f.change(ProcessChange::turn(id(1), 4, ProcessTurn { before: before(), ..turn("s") })).await.unwrap();
    assert_eq!(f.store.settle_upgrade(plugin("shop")).await.unwrap(), 1);
    assert_eq!(f.record(1).await.unwrap().before, None);
    f.change(ProcessChange::turn(id(1), 5, ProcessTurn { before: before(), ..turn(&large("s")) })).await.unwrap();
    f.change(ProcessChange::end(id(1), 6)).await.unwrap();
    assert_eq!((f.record(1).await, f.used().await), (None, (0, 0)));
    for table in ["processes", "process_parts", "process_befores"] {
        assert_eq!(f.home.rows(table), 0, "{table}");
    }
}

async fn events_have_no_gaps_and_are_never_numbered_twice(f: Fixture) {
    f.begin(1, None).await;
    let append = |seq, texts: &[&str], below| {
        let append = texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        ProcessChange { append, events_below: below, ..ProcessChange::turn(id(1), seq, ProcessTurn::default()) }
    };
    let events = async |after, limit| {
        let page = f.store.process_events(id(1), after, limit).await.unwrap();
        let texts = page.events.iter().map(|event| format!("{}{}", event.number, event.data[0] as char));
        (texts.collect::<Vec<_>>().join(" "), page.more)
    };
    assert_eq!(f.change(append(1, &["a", "b", "c"], 0)).await.unwrap().last_event, 3);
    assert_eq!(f.change(append(2, &["d"], 3)).await.unwrap(), ProcessDone { seq: 3, last_event: 4 });
    assert_eq!(events(0, 10).await, ("3c 4d".into(), false));
    assert_eq!(events(0, 1).await, ("3c".into(), true));
    assert_eq!(events(3, 1).await, ("4d".into(), false));
    // All are gone, but for those that come with it; their numbers are not given again.
    f.change(append(3, &["e"], 99)).await.unwrap();
    assert_eq!(events(0, 10).await, ("5e".into(), false));
    f.change(append(4, &[], 6)).await.unwrap();
    let record = f.record(1).await.unwrap();
    assert_eq!((record.first_event, record.last_event), (6, 5));
    f.change(append(5, &["f"], 1)).await.unwrap();
    assert_eq!(events(0, 10).await, ("6f".into(), false));
    assert_eq!(f.used().await.1, 192 + 4 + 5 + 32 + 1);
}

/// More than one transaction deletes.
async fn a_long_past_is_deleted_behind_the_others(f: Fixture) {
    for (number, below) in [(1, 11_500), (2, 0)] {
        f.begin(number, None).await;
        for at in 0..12 {
            let change = ProcessChange::turn(id(number), at + 1, ProcessTurn::default());
            f.change(ProcessChange { append: vec!["event".into(); 1_000], ..change }).await.unwrap();
        }
        let more = vec![mail(Receiver::Process(id(number)), "mail", None); 1_000];
        for _ in 0..6 {
            f.store.post_mail(plugin("mall"), more.clone(), NOW).await.unwrap();
        }
        let change = ProcessChange::turn(id(number), 13, ProcessTurn::default());
        f.change(ProcessChange { events_below: below, ..change }).await.unwrap();
    }
    f.change(ProcessChange::end(id(2), 14)).await.unwrap();
    // At once, for whoever looks.
    assert_eq!(f.store.process_events(id(1), 0, 1).await.unwrap().events[0].number, 11_500);
    assert!(f.store.process_events(id(2), 0, 1).await.unwrap().events.is_empty());
    // What is left is worked off unasked, while others write.
    for _ in 0..500 {
        f.store.stage(NOW, 1).await.unwrap();
        let usage = f.store.usage().await.unwrap();
        let bytes: Vec<_> = usage.iter().map(|usage| usage.bytes).collect();
        if bytes == [6_000 * (128 + 4), 192 + 9 + 501 * (32 + 5)] {
            return;
        }
    }
    panic!("{:?}", f.store.usage().await.unwrap());
}

async fn mail_is_told_when_it_is_due_and_kept_until_it_is_handled(f: Fixture) {
    f.begin(1, Some("a")).await;
    f.told.take();
    let post = vec![
        mail(Receiver::Process(id(1)), "later", Some(NOW + 10)),
        mail(Receiver::Process(id(1)), "number", None),
        mail(named("a"), "name", Some(NOW - 5)),
        mail(named("nobody"), "nobody", Some(NOW + 3)),
    ];
    let ids = f.store.post_mail(plugin("mall"), post, NOW).await.unwrap();
    let told = f.told.take();
    assert_eq!(told[0].mail.iter().map(|mail| mail.id).collect::<Vec<_>>(), ids[1..3]);
    assert_eq!((told[0].mail[1].at, &told[0].mail[1].from), (NOW, &plugin("mall")));
    assert_eq!(told[0].mail_due, Some(NOW + 3));
    let both = || vec![Receiver::Process(id(1)), named("a")];
    assert_eq!(f.texts(both(), NOW).await, ["number", "name"]);
    assert_eq!(f.texts(both(), NOW + 10).await, ["number", "name", "later"]);
    let mut page = f.store.mail_for(both(), None, NOW + 10, 1).await.unwrap();
    let mut seen = Vec::new();
    while let Some(last) = page.mail.last() {
        seen.extend(page.mail.iter().map(|mail| mail.id));
        assert_eq!(page.more, seen.len() < 3);
        page = f.store.mail_for(both(), Some(last.place()), NOW + 10, 1).await.unwrap();
    }
    assert_eq!(seen, [ids[1], ids[2], ids[0]]);
    // Mail of another plugin's processes is not there for it.
    let other = ProcessId { plugin: plugin("mall"), number: 1 };
    f.change(ProcessChange::begin(other.clone(), new(None))).await.unwrap();
    let mut change = ProcessChange::turn(other, 1, turn("a"));
    change.handled = vec![ids[1]];
    assert_eq!(f.change(change).await, Err(CommitError::Handled(ids[1])));
    let mut twice = ProcessChange::turn(id(1), 1, turn("a"));
    twice.handled = vec![ids[1], ids[1]];
    assert_eq!(f.change(twice).await, Err(CommitError::Handled(ids[1])));
    // The end takes the mail to its number with it; that to its name waits for the next one.
    f.change(ProcessChange::end(id(1), 1)).await.unwrap();
    assert_eq!(f.texts(both(), NOW + 10).await, ["name"]);
    assert_eq!(f.store.delete_mail(ids).await.unwrap(), 2);
    assert!(f.texts(both(), NOW + 10).await.is_empty());
    let usage = f.store.usage().await.unwrap();
    assert_eq!(usage.iter().map(|usage| usage.bytes).collect::<Vec<_>>(), [192 + 9, 0]);
}

/// A page that ends early for one of its receivers has nothing of the others that stands behind.
async fn pages_of_large_mail_miss_nothing(f: Fixture) {
    let to = vec![Receiver::Process(id(1)), named("a")];
    let mut ids = Vec::new();
    for _ in 0..6 {
        let large = mail(to[0].clone(), &"x".repeat(1 << 20), None);
        ids.extend(f.store.post_mail(plugin("shop"), vec![large], NOW).await.unwrap());
    }
    ids.extend(f.store.post_mail(plugin("shop"), vec![mail(to[1].clone(), "small", None)], NOW).await.unwrap());
    let first = f.store.mail_for(to.clone(), None, NOW, 100).await.unwrap();
    assert_eq!((first.mail.len(), first.more), (4, true));
    let second = f.store.mail_for(to, Some(first.mail[3].place()), NOW, 100).await.unwrap();
    assert!(!second.more);
    assert_eq!(first.mail.iter().chain(&second.mail).map(|mail| mail.id).collect::<Vec<_>>(), ids);
}

async fn what_is_due_is_seen_once(f: Fixture) {
    let wake = |number, at| ProcessChange::begin(id(number), NewProcess { wake_at: Some(NOW + at), ..new(None) });
    for (number, at) in [(1, 5), (2, 5), (3, 20), (4, 1), (5, 5)] {
        f.change(wake(number, at)).await.unwrap();
    }
    f.change(ProcessChange::quarantine(id(4), 1, Some("it does not load".into()))).await.unwrap();
    assert_eq!(f.record(4).await.unwrap().quarantined.as_deref(), Some("it does not load"));
    let post = |to: u64, at| mail(Receiver::Process(id(to)), "x", Some(NOW + at));
    let posts = vec![post(9, 0), post(9, 0), post(3, 0), post(9, 30)];
    f.store.post_mail(plugin("shop"), posts, NOW).await.unwrap();
    let numbers = |page: &DuePage| {
        let number = |to: &Receiver| match to {
            Receiver::Process(id) => id.number,
            Receiver::Name(..) => 0,
        };
        page.due.iter().map(|due| (number(&due.to), due.at - NOW)).collect::<Vec<_>>()
    };
    let page = f.due(DueCursor::default(), NOW).await;
    assert_eq!((numbers(&page), page.next, page.more), (vec![(9, 0), (3, 0)], Some(NOW + 5), false));
    let page = f.due(page.cursor, NOW + 6).await;
    assert_eq!((numbers(&page), page.next), (vec![(1, 5), (2, 5), (5, 5)], Some(NOW + 20)));
    let page = f.due(page.cursor, NOW + 19).await;
    assert_eq!((numbers(&page), page.next), (vec![], Some(NOW + 20)));
    // In pages, from the beginning.
    let (mut cursor, mut seen, mut pages) = (DueCursor::default(), Vec::new(), 0);
    loop {
        let page = f.store.processes_due(cursor, NOW + 30, 1).await.unwrap();
        seen.extend(numbers(&page));
        pages += 1;
        if !page.more {
            assert_eq!(page.next, None);
            break;
        }
        cursor = page.cursor;
    }
    seen.sort_unstable();
    assert_eq!((pages, seen), (4, vec![(1, 5), (2, 5), (3, 0), (3, 20), (5, 5), (9, 0), (9, 0), (9, 30)]));
    // A turn moves its timer, and one that runs again has one.
    f.change(ProcessChange::turn(id(1), 1, turn("a"))).await.unwrap();
    f.change(ProcessChange::quarantine(id(4), 2, None)).await.unwrap();
    let page = f.due(DueCursor::default(), NOW + 6).await;
    assert_eq!(numbers(&page), [(4, 1), (2, 5), (5, 5), (9, 0), (3, 0)]);
}

async fn a_quota_counts_records_events_and_mail(f: Fixture) {
    f.begin(1, None).await;
    f.store.set_quota(plugin("shop"), 1_000);
    let full = |done: Result<ProcessDone, CommitError>| assert_eq!(done, Err(Error::Quota(1_000).into()));
    full(f.change(ProcessChange::turn(id(1), 1, turn(&"x".repeat(900)))).await);
    let event = ProcessChange::turn(id(1), 1, ProcessTurn::default());
    full(f.change(ProcessChange { append: vec![vec![0; 900].into()], ..event }).await);
    let large = mail(named("a"), &"x".repeat(700), None);
    let posted = f.store.post_mail(plugin("shop"), vec![large.clone()], NOW).await;
    assert_eq!(posted, Err(Error::Quota(1_000)));
    // It counts against whoever sends it.
    let ids = f.store.post_mail(plugin("mall"), vec![large], NOW).await.unwrap();
    let mut handle = ProcessChange::turn(id(1), 1, turn(&"x".repeat(700)));
    handle.handled = ids;
    f.change(handle).await.unwrap();
    // Over its quota, a process may still shrink, be quarantined and end.
    f.store.set_quota(plugin("shop"), 10);
    f.change(ProcessChange::turn(id(1), 2, turn("x"))).await.unwrap();
    f.change(ProcessChange::quarantine(id(1), 3, Some("ü".repeat(5_000)))).await.unwrap();
    assert_eq!(f.record(1).await.unwrap().quarantined.unwrap().len(), 4_096);
    f.change(ProcessChange::end(id(1), 4)).await.unwrap();
    let usage = f.store.usage().await.unwrap();
    assert!(usage.iter().all(|usage| (usage.processes, usage.bytes) == (0, 0)), "{usage:?}");
}

async fn it_is_there_after_it_was_closed(f: Fixture) {
    f.begin(1, Some("a")).await;
    let append = ProcessChange { append: vec!["e".into()], ..ProcessChange::turn(id(1), 1, turn("s")) };
    f.change(append).await.unwrap();
    f.store.post_mail(plugin("shop"), vec![mail(named("a"), "m", None)], NOW).await.unwrap();
    f.store.close().await.unwrap();
    let again = f.again().await;
    let record = again.process_by_name(plugin("shop"), "a".into()).await.unwrap().unwrap();
    assert_eq!((record.seq, record.saved, record.last_event), (2, Some(saved("s")), 1));
    assert_eq!(again.process_events(id(1), 0, 9).await.unwrap().events[0].data, "e");
    assert_eq!(again.mail_for(vec![named("a")], None, NOW, 9).await.unwrap().mail[0].id, MailId(1));
    assert_eq!(again.post_mail(plugin("shop"), vec![mail(named("a"), "n", None)], NOW).await.unwrap(), [MailId(2)]);
}
