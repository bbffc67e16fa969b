//! Over the real store.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use skep_process::*;
use skep_store::{
    Changes, Commit, Key, Observer, Outgoing, ProcessId, ProcessRecord, ProcessStore as _, Receiver, SqliteOptions,
    SqliteStore, Store as _, Timestamp, Write,
};
use skep_types::ManualClock;
use tempfile::TempDir;

use crate::rig::{Bad, Counters, clock, named, plugin, secs};

/// Passes on what the store says.
#[derive(Default)]
struct Hearing(Mutex<Vec<Processes>>);

impl Observer for Hearing {
    fn changed(&self, changes: Changes) {
        self.0.lock().iter().for_each(|engine| engine.hear(&changes));
    }
}

/// A store, and an engine over it.
struct Host {
    engine: Processes,
    store: Arc<SqliteStore>,
    hearing: Arc<Hearing>,
    counters: Counters,
    clock: Arc<ManualClock>,
    folder: Arc<TempDir>,
    options: KindOptions,
}

fn durable() -> KindOptions {
    KindOptions { persistence: Persistence::Durable, ..KindOptions::default() }
}

fn event_log() -> KindOptions {
    let snapshot_every = NonZeroU32::new(4).unwrap();
    KindOptions { persistence: Persistence::EventLog { snapshot_every }, ..KindOptions::default() }
}

impl Host {
    fn new(options: KindOptions) -> Self {
        Self::on(Arc::new(TempDir::new().unwrap()), clock(), Counters::version(1), options)
    }

    fn on(folder: Arc<TempDir>, clock: Arc<ManualClock>, counters: Counters, options: KindOptions) -> Self {
        let path: PathBuf = folder.path().join("store.sqlite");
        let hearing = Arc::<Hearing>::default();
        let store = Arc::new(SqliteStore::open(SqliteOptions::new(path), hearing.clone()).unwrap());
        let (engine, counters) = engine(&store, &hearing, &clock, &counters, options);
        Self { engine, store, hearing, counters, clock, folder, options }
    }

    /// The host dies, and there is another one.
    async fn next(self) -> Self {
        self.store.close().await.unwrap();
        Self::on(self.folder, self.clock, self.counters, self.options)
    }

    async fn start(&self, name: &str) -> Pid {
        let spec = Spec { kind: "counter".to_owned(), name: Some(name.to_owned()), args: "".into(), supervised: false };
        self.engine.start(&plugin(), spec).await.unwrap().pid
    }

    async fn try_call(&self, to: &str, word: &str) -> Result<String, Failure> {
        call(&self.engine, to, word).await
    }

    async fn call(&self, to: &str, word: &str) -> String {
        self.try_call(to, word).await.unwrap()
    }

    fn now(&self) -> Timestamp {
        use skep_types::Clock as _;
        let now = self.clock.wall().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
        u64::try_from(now.as_millis()).unwrap()
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.engine.look();
    }

    async fn record(&self, pid: &Pid) -> Option<ProcessRecord> {
        self.store.process(id(pid)).await.unwrap()
    }

    /// Mail of a commit of somebody else.
    async fn mail(&self, to: Receiver, word: &str, at: Option<Timestamp>) {
        let mut commit = Commit::new(plugin(), self.now());
        let mail = skep_store::Mail { to, data: word.to_owned().into(), at };
        commit.messages.push(Outgoing::Mail(mail));
        assert_eq!(self.store.commit(commit).await.unwrap().mail.len(), 1);
    }

    async fn mail_left(&self, to: Vec<Receiver>) -> usize {
        self.store.mail_for(to, None, Timestamp::MAX >> 1, 100).await.unwrap().mail.len()
    }
}

fn engine(
    store: &Arc<SqliteStore>,
    hearing: &Hearing,
    clock: &Arc<ManualClock>,
    counters: &Counters,
    kind: KindOptions,
) -> (Processes, Counters) {
    let keeper = StoreKeeper::new(Arc::<SqliteStore>::clone(store));
    // Nothing here is found because it happens to be looked for now and then.
    let options = Options { poll: secs(1_000_000), ..Options::default() };
    let engine = Processes::open(clock.clone(), Some(Arc::new(keeper)), options).unwrap();
    hearing.0.lock().push(engine.clone());
    let counters = Counters { engine: Arc::default(), ..counters.clone() };
    counters.engine.set(engine.clone()).ok();
    engine.set_kind(&plugin(), "counter", kind, Arc::new(counters.clone())).unwrap();
    (engine, counters)
}

async fn call(engine: &Processes, to: &str, word: &str) -> Result<String, Failure> {
    let answer = engine.call(None, &named(to), word.to_owned().into(), None).await?;
    Ok(String::from_utf8(answer.to_vec()).unwrap())
}

fn id(pid: &Pid) -> ProcessId {
    ProcessId { plugin: pid.plugin.clone(), number: pid.number.0 }
}

fn by_name(name: &str) -> Receiver {
    Receiver::Name(plugin(), name.to_owned())
}

/// Waits until this is so; the test hangs where it never is, and is ended from outside.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    while !is_so().await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_durable_one_survives_the_host_with_its_timers() {
    let host = Host::new(durable());
    let pid = host.start("a").await;
    for count in 1..=3 {
        assert_eq!(host.call("a", "add").await, count.to_string());
    }
    host.call("a", "after 60000 ring").await;
    let seq = host.record(&pid).await.unwrap().seq;
    assert_eq!(host.call("a", "get").await, "3 v1");
    assert_eq!(host.record(&pid).await.unwrap().seq, seq, "reading writes nothing");
    let host = host.next().await;
    assert_eq!(host.engine.whereis(&plugin(), "a").await.unwrap(), Some(pid.clone()));
    assert_eq!(host.call("a", "get").await, "3 v1");
    let host = host.next().await;
    let log = Arc::clone(&host.counters.seen);
    assert!(log.log.lock().is_empty());
    // Nobody asks for it: its timer brings it back.
    host.pass(secs(60));
    until(async || *log.log.lock() == ["a: ring"]).await;
    until(async || host.record(&pid).await.unwrap().wake_at.is_none()).await;
}

#[tokio::test]
async fn an_event_log_is_replayed_from_its_last_snapshot() {
    let mut host = Host::new(event_log());
    let pid = host.start("a").await;
    for count in 1..=11 {
        assert_eq!(host.call("a", "event").await, count.to_string());
        let record = host.record(&pid).await.unwrap();
        let events = host.store.process_events(id(&pid), 0, 100).await.unwrap().events;
        assert!(events.len() < 4);
        assert_eq!(events.len() as u64, record.last_event + 1 - record.first_event);
        if count % 3 == 0 {
            host = host.next().await;
            assert_eq!(host.call("a", "get").await, format!("{count} v1"));
        }
    }
    assert!(host.try_call("a", "crash").await.is_err());
    assert_eq!(host.call("a", "event").await, "12");
    let host = host.next().await;
    assert_eq!(host.call("a", "get").await, "12 v1");
}

#[tokio::test]
async fn mail_of_anybodys_commit_arrives_and_its_row_goes() {
    let host = Host::new(durable());
    let pid = host.start("a").await;
    let both = || vec![Receiver::Process(id(&pid)), by_name("a")];
    host.mail(Receiver::Process(id(&pid)), "add", None).await;
    // The store told of it before the commit was answered.
    assert_eq!(host.call("a", "get").await, "1 v1");
    assert_eq!(host.mail_left(both()).await, 0);
    host.mail(by_name("a"), "add", None).await;
    assert_eq!(host.call("a", "get").await, "2 v1");
    // What is put off comes when its time has come.
    let at = host.now() + 60_000;
    host.mail(by_name("a"), "add", Some(at)).await;
    assert_eq!(host.call("a", "get").await, "2 v1");
    assert_eq!(host.mail_left(both()).await, 1);
    host.pass(secs(60));
    until(async || host.mail_left(both()).await == 0).await;
    assert_eq!(host.call("a", "get").await, "3 v1");
    // Many at once, by casts and by commits, are each handled once.
    let casts: Vec<_> = (0..50)
        .map(|_| {
            let engine = host.engine.clone();
            tokio::spawn(async move { engine.cast(&named("a"), "add".into()).await })
        })
        .collect();
    for cast in casts {
        cast.await.unwrap().unwrap();
    }
    for _ in 0..10 {
        host.mail(by_name("a"), "add", None).await;
    }
    until(async || host.mail_left(both()).await == 0).await;
    assert_eq!(host.call("a", "get").await, "63 v1");
    // Mail to nobody does not stay.
    host.mail(by_name("nobody"), "add", None).await;
    until(async || host.mail_left(vec![by_name("nobody")]).await == 0).await;
}

#[tokio::test]
async fn mail_reaches_one_that_is_not_in_memory() {
    let host = Host::new(durable());
    let pid = host.start("a").await;
    host.call("a", "add").await;
    let host = host.next().await;
    assert_eq!(host.engine.totals().processes, 0);
    host.mail(by_name("a"), "add", None).await;
    until(async || host.mail_left(vec![by_name("a")]).await == 0).await;
    assert_eq!(host.call("a", "get").await, "2 v1");
    // Its kind is not there now, which does not mean that nobody is.
    host.engine.remove_kind(&plugin(), "counter");
    until(async || host.engine.totals().processes == 0).await;
    host.mail(Receiver::Process(id(&pid)), "add", None).await;
    host.mail(by_name("nobody"), "add", None).await;
    until(async || host.mail_left(vec![by_name("nobody")]).await == 0).await;
    assert_eq!(host.mail_left(vec![Receiver::Process(id(&pid))]).await, 1);
    let host = host.next().await;
    until(async || host.mail_left(vec![Receiver::Process(id(&pid))]).await == 0).await;
    assert_eq!(host.call("a", "get").await, "3 v1");
}

#[tokio::test]
async fn whoever_lost_a_process_writes_nothing() {
    let host = Host::new(durable());
    let pid = host.start("a").await;
    assert_eq!(host.call("a", "add").await, "1");
    let (other, _) = engine(&host.store, &host.hearing, &host.clock, &host.counters, durable());
    assert_eq!(call(&other, "a", "add").await.unwrap(), "2");
    let seq = host.record(&pid).await.unwrap().seq;
    assert_eq!(host.try_call("a", "add").await, Err(Failure::Other(Error::Conflict)));
    assert_eq!(host.record(&pid).await.unwrap().seq, seq);
    assert_eq!(call(&other, "a", "get").await.unwrap(), "2 v1");
    // Asked again it has what the other wrote.
    assert_eq!(host.call("a", "get").await, "2 v1");
    // Of two who start the same name, one does.
    let spec = || Spec { kind: "counter".to_owned(), name: Some("b".to_owned()), args: "".into(), supervised: false };
    let (plugin_one, plugin_two) = (plugin(), plugin());
    let (one, two) = tokio::join!(host.engine.start(&plugin_one, spec()), other.start(&plugin_two, spec()));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
}

#[tokio::test]
async fn what_does_not_load_is_quarantined_until_it_does() {
    let host = Host::new(durable());
    let pid = host.start("a").await;
    host.call("a", "add").await;
    let host = host.next().await;
    let bad = Arc::clone(&host.counters.seen);
    *bad.bad.lock() = Bad::Error;
    let failed = host.try_call("a", "get").await;
    assert!(matches!(failed, Err(Failure::Crashed(why)) if why.as_str().starts_with("quarantined")));
    let marked = host.record(&pid).await.unwrap();
    assert!(marked.quarantined.is_some());
    assert_eq!(marked.saved.unwrap().state, "v1:1");
    // It loads with the next host; the first commit says so.
    let host = host.next().await;
    *bad.bad.lock() = Bad::No;
    assert_eq!(host.call("a", "get").await, "1 v1");
    let healthy = host.record(&pid).await.unwrap();
    assert_eq!((healthy.quarantined, healthy.seq), (None, marked.seq + 1));
    assert_eq!(host.call("a", "add").await, "2");
    // One that is quarantined can be stopped.
    let host = host.next().await;
    *bad.bad.lock() = Bad::Error;
    assert!(host.try_call("a", "get").await.is_err());
    host.engine.stop(&named("a"), Reason::NORMAL, None).await.unwrap();
    assert_eq!(host.record(&pid).await, None);
}

#[tokio::test]
async fn a_list_has_those_in_memory_and_those_in_the_store() {
    let host = Host::new(durable());
    for name in ["cart:5", "cart:1", "cart:3", "other"] {
        host.start(name).await;
    }
    let host = host.next().await;
    for name in ["cart:4", "cart:2"] {
        host.start(name).await;
    }
    host.call("cart:3", "get").await;
    assert_eq!(host.engine.totals().processes, 3);
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = host.engine.list(&plugin(), "cart:", after.as_deref(), 2).await.unwrap();
        assert!(page.processes.len() <= 2);
        names.extend(page.processes.into_iter().map(|listed| listed.name.as_ref().to_owned()));
        after = page.cursor;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["cart:1", "cart:2", "cart:3", "cart:4", "cart:5"]);
}

#[tokio::test]
async fn a_check_that_does_not_hold_takes_the_turn_back() {
    let host = Host::new(durable());
    let pid = host.start("a").await;
    assert_eq!(host.call("a", "claim one").await, "1");
    let mut commit = Commit::new(plugin(), host.now());
    let key = Key::of_plugin(plugin(), "two");
    commit.writes.push(Write::Set { key, value: "taken".into(), expires: None });
    host.store.commit(commit).await.unwrap();
    let before = host.record(&pid).await.unwrap();
    assert_eq!(host.try_call("a", "claim two").await, Err(Failure::Conflict));
    assert_eq!(host.record(&pid).await.unwrap(), before);
    assert_eq!(host.call("a", "get").await, "1 v1");
    let items = host.store.get(plugin(), vec!["one".into(), "two".into()], host.now()).await.unwrap();
    let values: Vec<_> = items.into_iter().map(|item| item.unwrap().value).collect();
    assert_eq!(values, ["a", "taken"]);
    // Mail whose effect is refused does not come for ever.
    host.mail(by_name("a"), "claim two", None).await;
    until(async || host.mail_left(vec![by_name("a")]).await == 0).await;
    assert_eq!(host.call("a", "get").await, "1 v1");
}

#[tokio::test]
async fn a_stopped_one_leaves_no_rows() {
    let host = Host::new(event_log());
    let pid = host.start("a").await;
    for _ in 0..3 {
        host.call("a", "event").await;
    }
    let at = host.now() + 60_000;
    host.mail(Receiver::Process(id(&pid)), "add", Some(at)).await;
    host.engine.stop(&named("a"), Reason::NORMAL, None).await.unwrap();
    assert_eq!(host.record(&pid).await, None);
    assert_eq!(host.store.process_by_name(plugin(), "a".to_owned()).await.unwrap(), None);
    assert!(host.store.process_events(id(&pid), 0, 100).await.unwrap().events.is_empty());
    assert_eq!(host.mail_left(vec![Receiver::Process(id(&pid))]).await, 0);
    let usage = host.store.usage().await.unwrap();
    assert!(usage.iter().all(|usage| (usage.processes, usage.bytes) == (0, 0)), "{usage:?}");
    // One that stops itself does not either.
    let pid = host.start("a").await;
    host.call("a", "event").await;
    assert_eq!(host.call("a", "stop normal").await, "bye");
    assert_eq!(host.record(&pid).await, None);
    let host = host.next().await;
    assert_eq!(host.engine.whereis(&plugin(), "a").await.unwrap(), None);
}

#[tokio::test]
async fn the_state_before_an_upgrade_stays_until_it_is_settled() {
    let host = Host::new(durable());
    let (a, b) = (host.start("a").await, host.start("b").await);
    host.call("a", "add").await;
    host.call("b", "add").await;
    let two = Counters { version: 2, ..host.counters.clone() };
    host.engine.set_kind(&plugin(), "counter", durable(), Arc::new(two.clone())).unwrap();
    for name in ["a", "b"] {
        until(async || host.call(name, "get").await == "1 v2").await;
        // A turn leaves it as it is.
        assert_eq!(host.call(name, "add").await, "2");
    }
    let old = skep_store::Saved { version: 1, state: "v1:1".into() };
    for pid in [&a, &b] {
        let record = host.record(pid).await.unwrap();
        assert_eq!((record.before.as_ref(), &*record.saved.unwrap().state), (Some(&old), &b"v2:2"[..]));
    }
    // Also of one that the next host has not in memory.
    let host = Host { counters: two, ..host };
    let host = host.next().await;
    assert_eq!(host.call("a", "add").await, "3");
    assert_eq!(host.record(&a).await.unwrap().before.as_ref(), Some(&old));
    host.engine.settle_upgrade(&plugin());
    until(async || host.record(&a).await.unwrap().before.is_none()).await;
    until(async || host.record(&b).await.unwrap().before.is_none()).await;
    assert_eq!(host.call("a", "add").await, "4");
    assert_eq!(host.record(&a).await.unwrap().before, None);
    assert!(host.counters.seen.inits.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn the_port_says_why_a_commit_was_refused() {
    let host = Host::new(durable());
    let a = host.start("a").await;
    let keeper = StoreKeeper::new(Arc::<SqliteStore>::clone(&host.store));
    let record = keeper.find(plugin(), a.number).await.unwrap().unwrap();
    let now = host.now();
    let turn = |pid: &Pid, expect| TurnCommit {
        pid: pid.clone(),
        now,
        expect,
        change: Change::Put(Box::new(Record { pid: pid.clone(), ..record.clone() })),
        same: Same::default(),
        append: Vec::new(),
        handled: Vec::new(),
        staged: None,
    };
    let other = Pid { number: Number(7), ..a.clone() };
    assert_eq!(keeper.commit(turn(&other, 0)).await, Err(CommitFailure::NameTaken(a.clone())));
    assert_eq!(keeper.commit(turn(&a, 9)).await, Err(CommitFailure::Fenced));
    let late = TurnCommit { handled: vec![MailId(77)], ..turn(&a, record.seq) };
    assert_eq!(keeper.commit(late).await, Err(CommitFailure::Handled(MailId(77))));
    let wrong = Pid { kind: "Not a kind".into(), ..other };
    assert!(matches!(keeper.commit(turn(&wrong, 0)).await, Err(CommitFailure::Store(skep_store::Error::Invalid(_)))));
    let events = TurnCommit { append: vec!["0".into(), "1".into(), "2".into()], ..turn(&a, record.seq) };
    keeper.commit(events).await.unwrap();
    let record = keeper.find(plugin(), a.number).await.unwrap().unwrap();
    assert_eq!((record.events_from, record.events_to), (0, 3));
    assert_eq!(keeper.events(plugin(), a.number, 1, 9).await.unwrap(), ["1", "2"]);
    let cut = Change::Put(Box::new(Record { events_from: 2, ..record.clone() }));
    keeper.commit(TurnCommit { change: cut, ..turn(&a, record.seq) }).await.unwrap();
    assert_eq!(keeper.events(plugin(), a.number, 0, 9).await.unwrap(), ["2"]);
}
