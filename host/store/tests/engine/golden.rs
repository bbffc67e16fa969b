//! Files of every schema that there was are read, and brought to the newest one.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use skep_store::{
    After, BeforeChange, Caps, Commit, DueCursor, HeldBack, JobFilter, JobId, JobState, LeaseRequest, Mail, MailId,
    NewProcess, Outgoing, ProcessChange, ProcessId, ProcessStore, ProcessTurn, Publish, QueueState, RateCap, Receiver,
    Saved, Settle, Settled, SqliteStore, StateSet, Store, Tick, Timestamp, Unique, Write,
};
use tempfile::TempDir;

use crate::files::{fixture, options};
use crate::{NOW, Told, commit, job, key, lease, name, plugin, queue, set};

/// The newest schema. A file of it is written with `SKEP_STORE_WRITE_GOLDEN=1`; once a schema is released, its file is never
/// written again, nor is what fills it changed: what a newer one has is filled in beside it.
const NEWEST: u32 = 3;

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/store-v{version}.sqlite"))
}

/// What schema 1 holds: one of everything. The message stays in the outbox if the copy is made before the next write.
async fn fill(store: &SqliteStore) {
    let mut one = commit(NOW);
    one.writes = vec![
        set("cart", "1 pear"),
        Write::Set { key: key("session"), value: "x".repeat(3000).into(), expires: Some(NOW + 1000) },
        Write::Sum { key: key("orders"), by: 5 },
    ];
    one.jobs = vec![job("first"), job(&"large ".repeat(200)), job("last")];
    one.jobs[0].meta = vec![("trace".into(), "abc".into())];
    one.jobs[0].unique = Some(Unique {
        key: [7; 16],
        until: Some(NOW + 60_000),
        states: StateSet::of(&JobState::ALL),
        conflict: skep_store::Conflict::Existing,
        replace: skep_store::Replace::default(),
    });
    one.jobs[2].after = vec![After::Place(1)];
    one.ticks = vec![Tick { plugin: plugin("shop"), schedule: "nightly".into(), last: None, at: NOW }];
    store.commit(one).await.unwrap();
    let leased = store.settle_and_lease(vec![], Some(rated(2, NOW + 1))).await.unwrap().1.jobs;
    let fence = leased[0].lease.as_ref().unwrap().fence;
    let failed = Settled::Retryable { error: "no route".into(), run_at: NOW + 500 };
    store.settle(vec![Settle { id: leased[0].id, fence, now: NOW + 2, as_: failed }]).await.unwrap()[0].unwrap();
    store.set_queue_state(queue("mail"), QueueState { paused: true, concurrency: Some(3) }).await.unwrap();
    let mut last = commit(NOW);
    let topic = "shop/orders".parse().unwrap();
    last.messages = vec![Outgoing::Publish(Publish { topic, event: Some("new".into()), data: "hello".into() })];
    store.commit(last).await.unwrap();
}

/// What schema 2 holds beside that: a small process, and one that has one of everything.
async fn fill_processes(store: &SqliteStore) {
    let id = |number| ProcessId { plugin: plugin("shop"), number };
    let small = NewProcess {
        kind: name("cart"),
        name: Some("cart:1".into()),
        args: "args".into(),
        saved: None,
        extra: Bytes::new(),
        wake_at: Some(NOW + 9),
    };
    let large = NewProcess { args: "a".repeat(600).into(), extra: "e".repeat(600).into(), name: None, ..small.clone() };
    let before = BeforeChange::Put(Saved { version: 1, state: "old".into() });
    let saved = Some(Saved { version: 2, state: "s".repeat(600).into() });
    let turn = ProcessTurn { saved, before, extra: None, wake_at: Some(NOW + 8) };
    let turn = ProcessChange {
        append: vec!["one".into(), "two".into(), "three".into()],
        ..ProcessChange::turn(id(u64::MAX), 1, turn)
    };
    let below = ProcessChange { events_below: 3, ..ProcessChange::quarantine(id(u64::MAX), 2, Some("why".into())) };
    let begin = [ProcessChange::begin(id(1), small), ProcessChange::begin(id(u64::MAX), large), turn, below];
    for change in begin {
        store.commit(Commit { process: Some(change), ..commit(NOW) }).await.unwrap();
    }
    let number = Mail { to: Receiver::Process(id(u64::MAX)), data: "later".into(), at: Some(NOW + 7) };
    let named = Mail { to: Receiver::Name(plugin("shop"), "cart:1".into()), data: "now".into(), at: None };
    store.post_mail(plugin("mall"), vec![number, named], NOW).await.unwrap();
}

/// What is leased to fill it: since schema 3 that leaves what began lately.
fn rated(limit: usize, now: Timestamp) -> LeaseRequest {
    let rate = Some(RateCap { count: NonZeroU32::new(3).unwrap(), period_ms: 60_000 });
    LeaseRequest { caps: Caps { rate, ..Caps::default() }, ..lease(limit, now) }
}

async fn holds_rates(store: &SqliteStore, begun: usize) {
    store.set_queue_state(queue("mail"), QueueState::default()).await.unwrap();
    let mut more = commit(NOW);
    more.jobs = vec![job("more"); 3];
    store.commit(more).await.unwrap();
    let leased = store.settle_and_lease(vec![], Some(rated(5, NOW + 2))).await.unwrap().1;
    // A step is 600 ms.
    let again = (NOW + 2).next_multiple_of(600) + 60_000;
    assert_eq!((leased.jobs.len(), leased.held_back), (3 - begun, Some(HeldBack::Rate { again })));
}

#[tokio::test]
async fn the_file_of_every_schema_is_read() {
    if std::env::var_os("SKEP_STORE_WRITE_GOLDEN").is_some() {
        let f = fixture();
        fill_processes(&f.store).await;
        fill(&f.store).await;
        f.store.backup(golden(NEWEST)).await.unwrap();
    }
    for version in 1..=NEWEST {
        let folder = TempDir::new().unwrap();
        fs::copy(golden(version), folder.path().join("store.sqlite")).unwrap();
        let told = Arc::new(Told::default());
        let store = SqliteStore::open(options(&folder), Arc::clone(&told) as Arc<_>).unwrap();
        assert_eq!(told.publishes(), ["hello"], "what was not told is told when it opens");
        holds_the_first(&store).await;
        if version >= 2 {
            holds_processes(&store).await;
        }
        holds_rates(&store, if version >= 3 { 2 } else { 0 }).await;
        // From here on it is as a new one is, after it was opened once more too.
        let id = ProcessId { plugin: plugin("shop"), number: 77 };
        let begin = NewProcess {
            kind: name("cart"),
            name: Some("new".into()),
            args: Bytes::new(),
            saved: None,
            extra: Bytes::new(),
            wake_at: None,
        };
        let begin = ProcessChange::begin(id.clone(), begin);
        store.commit(Commit { process: Some(begin), ..commit(NOW) }).await.unwrap();
        store.close().await.unwrap();
        let again = SqliteStore::open(options(&folder), told).unwrap();
        assert_eq!(again.process(id).await.unwrap().unwrap().seq, 1);
        let processes = again.usage().await.unwrap().iter().map(|usage| usage.processes).sum::<u64>();
        assert_eq!(processes, if version >= 2 { 3 } else { 1 });
    }
}

async fn holds_processes(store: &SqliteStore) {
    let id = |number| ProcessId { plugin: plugin("shop"), number };
    let small = store.process_by_name(plugin("shop"), "cart:1".into()).await.unwrap().unwrap();
    assert_eq!((small.id, small.seq, small.saved, small.wake_at), (id(1), 1, None, Some(NOW + 9)));
    assert_eq!((&small.args[..], small.kind, small.last_event), (&b"args"[..], name("cart"), 0));
    let large = store.process(id(u64::MAX)).await.unwrap().unwrap();
    assert_eq!((large.seq, large.args.len(), large.extra.len(), large.name), (3, 600, 600, None));
    assert_eq!((large.before.unwrap().state, large.quarantined), ("old".into(), Some("why".into())));
    let saved = large.saved.unwrap();
    assert_eq!((saved.version, saved.state.len()), (2, 600));
    let events = store.process_events(id(u64::MAX), 0, 9).await.unwrap().events;
    assert_eq!((events[0].number, &events[0].data[..], events.len()), (3, &b"three"[..], 1));
    let due = store.processes_due(DueCursor::default(), NOW + 8, 9).await.unwrap();
    let named = Receiver::Name(plugin("shop"), "cart:1".into());
    assert_eq!(due.due.iter().map(|due| &due.to).collect::<Vec<_>>(), [&named, &Receiver::Process(id(u64::MAX))]);
    assert_eq!(due.next, Some(NOW + 9));
    let mail = store.mail_for(vec![named], None, NOW, 9).await.unwrap().mail;
    assert_eq!((mail[0].id, &mail[0].from, &mail[0].data[..]), (MailId(2), &plugin("mall"), &b"now"[..]));
    let bytes: Vec<_> = store.usage().await.unwrap().iter().map(|usage| usage.bytes).collect();
    assert_eq!(bytes[0], 128 + 5 + 128 + 6 + 3);
}

async fn holds_the_first(store: &SqliteStore) {
    let keys = ["cart", "orders", "session"].map(str::to_owned).to_vec();
    let items = store.get(plugin("shop"), keys, NOW).await.unwrap();
    let lens: Vec<_> = items.iter().map(|item| item.as_ref().unwrap().value.len()).collect();
    assert_eq!(lens, [6, 1, 3000]);
    let states: Vec<_> = store.jobs(JobFilter::default(), None, 10).await.unwrap().jobs;
    let states: Vec<_> = states.iter().map(|job| job.state).collect();
    assert_eq!(states, [JobState::Suspended, JobState::Executing, JobState::Retryable]);
    let (first, attempts) = store.job(JobId(1)).await.unwrap();
    assert_eq!((&first.meta[0].1[..], &attempts[0].error[..], first.run_at), ("abc", "no route", NOW + 500));
    assert_eq!(store.job(JobId(2)).await.unwrap().0.args.len(), 1200);
    assert_eq!(store.ticks(plugin("shop")).await.unwrap(), [("nightly".to_owned(), NOW)]);
    let said = QueueState { paused: true, concurrency: Some(3) };
    assert_eq!(store.queue_states().await.unwrap(), [(queue("mail"), said)]);
    // It goes on: the unique job is known, the dependant waits for its own, the numbers grow.
    let mut again = commit(NOW);
    again.jobs = vec![job("again"), job("new")];
    again.jobs[0].unique = Some(Unique {
        key: [7; 16],
        until: None,
        states: StateSet::of(&JobState::ALL),
        conflict: skep_store::Conflict::Existing,
        replace: skep_store::Replace::default(),
    });
    let done = store.commit(again).await.unwrap();
    assert_eq!((done.jobs[0].was_there, done.jobs[0].id, done.jobs[1].id), (true, JobId(1), JobId(4)));
    assert_eq!(store.reclaim(NOW + 60_000, 10).await.unwrap().0, [JobId(2)]);
}
