//! Orders that a real server shows rarely: here it does what it is asked at once, and its answer comes when the test says so.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use skep_cache::{Bucket, BucketOptions, PutOptions};
use skep_second::port::{Answer, Edit, Edited, Fault, Found, Left, Listener, Second, Seen, Standing};
use skep_second::{Options, Tiered};
use skep_types::SystemClock;
use tokio::sync::{oneshot, watch};

use crate::{FRESH, eventually};

type Entries = HashMap<String, (Vec<u8>, u64)>;
/// A question, and what lets its answer go.
type Asked = (String, oneshot::Sender<Result<(), Fault>>);

struct Held {
    entries: Mutex<Entries>,
    /// Answers that wait for the test, in the order of their questions.
    waiting: Mutex<VecDeque<Asked>>,
    holds: Mutex<bool>,
    standing: watch::Sender<Standing>,
    listener: Mutex<Option<Weak<dyn Listener>>>,
    patience: Duration,
}

impl Held {
    async fn answer<T>(&self, name: String, done: T) -> Result<T, Fault> {
        let waits = self.holds.lock().unwrap().then(oneshot::channel);
        if let Some((go, wait)) = waits {
            self.waiting.lock().unwrap().push_back((name, go));
            wait.await.unwrap()?;
        }
        Ok(done)
    }

    fn hold(&self, holds: bool) {
        *self.holds.lock().unwrap() = holds;
    }

    fn asked(&self) -> Vec<String> {
        self.waiting.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    fn release(&self, name: &str, with: Result<(), Fault>) {
        let mut waiting = self.waiting.lock().unwrap();
        let at = waiting.iter().position(|(waits, _)| waits == name).expect("it was asked");
        // Whoever asked may have gone.
        drop(waiting.remove(at).unwrap().1.send(with));
    }

    /// Another host writes.
    fn set(&self, key: &str, value: &str) {
        self.entries.lock().unwrap().insert(key.to_owned(), (value.as_bytes().to_vec(), fastrand::u64(..)));
    }

    fn has(&self, key: &str) -> Option<String> {
        let entries = self.entries.lock().unwrap();
        entries.get(key).map(|(value, _)| String::from_utf8(value.clone()).unwrap())
    }

    fn tell(&self, key: &str) {
        let listener = self.listener.lock().unwrap().clone();
        listener.unwrap().upgrade().unwrap().changed(key);
    }
}

impl Second for Held {
    fn read<'a>(&'a self, keys: &'a [Box<str>]) -> Answer<'a, Vec<Seen>> {
        let seen = |key: &str| match self.entries.lock().unwrap().get(key) {
            Some((value, version)) => {
                Seen::Entry(Found { value: value.clone(), version: *version, left: Some(Left::Endless) })
            }
            None => Seen::Absent,
        };
        let all = keys.iter().map(|key| seen(key)).collect();
        Box::pin(self.answer(format!("read {}", keys.join(" ")), all))
    }

    fn edit<'a>(&'a self, key: &'a str, edit: Edit<'a>) -> Answer<'a, Edited> {
        let mut entries = self.entries.lock().unwrap();
        let (what, edited) = match edit {
            Edit::Put { value, version, .. } => {
                entries.insert(key.to_owned(), (value.to_vec(), version));
                ("put", Edited::Stored(Left::Endless, None))
            }
            Edit::Delete => match entries.remove(key) {
                Some(_) => ("delete", Edited::Removed(Vec::new())),
                None => ("delete", Edited::Absent),
            },
            Edit::Restore { value, version, .. } => match entries.remove(key) {
                Some((there, other)) if other == version => {
                    entries.insert(key.to_owned(), (there, other));
                    ("restore", Edited::Stored(Left::Endless, None))
                }
                Some(_) => ("restore", Edited::Absent),
                None => {
                    entries.insert(key.to_owned(), (value.to_vec(), version));
                    ("restore", Edited::Stored(Left::Endless, None))
                }
            },
            other => panic!("not needed here: {other:?}"),
        };
        drop(entries);
        Box::pin(self.answer(format!("{what} {key}"), edited))
    }

    fn clear(&self) -> Answer<'_, ()> {
        self.entries.lock().unwrap().clear();
        Box::pin(self.answer("clear".to_owned(), ()))
    }

    fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn tell(&self, listener: Weak<dyn Listener>) {
        *self.listener.lock().unwrap() = Some(listener);
    }
}

fn held(patience: Duration) -> (Arc<Held>, Arc<Tiered>) {
    let held = Arc::new(Held {
        entries: Mutex::default(),
        waiting: Mutex::default(),
        holds: Mutex::new(true),
        standing: watch::Sender::new(Standing::Up { epoch: 1, tells: true }),
        listener: Mutex::default(),
        patience,
    });
    let bucket = Bucket::new(&BucketOptions::default(), Arc::new(SystemClock));
    let options = Options { value_bytes: 1000, ..FRESH };
    let tiered = Tiered::start(bucket, Arc::clone(&held) as _, Arc::new(SystemClock), options);
    (held, Arc::new(tiered))
}

const LONG: Duration = Duration::from_secs(3600);

fn get(tiered: &Arc<Tiered>) -> tokio::task::JoinHandle<Option<String>> {
    let tiered = Arc::clone(tiered);
    tokio::spawn(async move { text(&tiered).await })
}

fn put(tiered: &Arc<Tiered>, value: &'static str) -> tokio::task::JoinHandle<()> {
    let tiered = Arc::clone(tiered);
    tokio::spawn(async move {
        tiered.put("k", value.as_bytes(), PutOptions::default()).await.unwrap();
    })
}

async fn text(tiered: &Tiered) -> Option<String> {
    tiered.get("k").await.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

async fn asked(held: &Held, names: &[&str]) {
    eventually(async || held.asked() == names).await;
}

fn in_memory(tiered: &Tiered) -> Option<String> {
    tiered.peek("k").map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

#[tokio::test]
async fn a_lookup_that_a_write_overtook_changes_nothing() {
    let (held, tiered) = held(LONG);
    held.set("k", "old");
    let early = get(&tiered);
    asked(&held, &["read k"]).await;
    let write = put(&tiered, "new");
    asked(&held, &["read k", "put k"]).await;
    held.release("put k", Ok(()));
    write.await.unwrap();
    // Who comes after the write does not join the lookup from before it.
    assert_eq!(text(&tiered).await.as_deref(), Some("new"));
    held.release("read k", Ok(()));
    assert_eq!(early.await.unwrap().as_deref(), Some("old"));
    assert_eq!(in_memory(&tiered).as_deref(), Some("new"));
}

#[tokio::test]
async fn a_lookup_that_was_told_of_a_change_is_not_kept() {
    let (held, tiered) = held(LONG);
    held.set("k", "old");
    let early = get(&tiered);
    asked(&held, &["read k"]).await;
    held.set("k", "new");
    held.tell("k");
    let late = get(&tiered);
    asked(&held, &["read k", "read k"]).await;
    held.release("read k", Ok(()));
    assert_eq!(early.await.unwrap().as_deref(), Some("old"));
    assert_eq!(in_memory(&tiered), None);
    held.release("read k", Ok(()));
    assert_eq!(late.await.unwrap().as_deref(), Some("new"));
    assert_eq!(in_memory(&tiered).as_deref(), Some("new"));
    // A write that somebody else fell into is not known to hold.
    let write = put(&tiered, "mine");
    asked(&held, &["put k"]).await;
    held.set("k", "theirs");
    held.tell("k");
    held.release("put k", Ok(()));
    write.await.unwrap();
    held.hold(false);
    assert_eq!(text(&tiered).await.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn a_lookup_goes_on_when_who_began_it_is_gone() {
    let (held, tiered) = held(LONG);
    held.set("k", "value");
    let mut first = Box::pin(tiered.get("k"));
    assert!(poll(&mut first).is_pending());
    let others: Vec<_> = (0..10).map(|_| get(&tiered)).collect();
    let mut last = Box::pin(tiered.get("k"));
    assert!(poll(&mut last).is_pending());
    drop(first);
    assert_eq!(held.asked(), ["read k"]);
    held.release("read k", Ok(()));
    assert_eq!(last.await.unwrap(), "value");
    held.hold(false);
    for other in others {
        assert_eq!(other.await.unwrap().as_deref(), Some("value"));
    }
    // If all are gone it ends, and the next begins anew.
    held.hold(true);
    held.tell("k");
    let mut first = Box::pin(tiered.get("k"));
    assert!(poll(&mut first).is_pending());
    drop(first);
    let next = get(&tiered);
    asked(&held, &["read k", "read k"]).await;
    held.release("read k", Ok(()));
    held.release("read k", Ok(()));
    assert_eq!(next.await.unwrap().as_deref(), Some("value"));
}

#[tokio::test]
async fn several_keys_join_what_is_under_way() {
    let (held, tiered) = held(LONG);
    held.set("k", "1");
    held.set("l", "2");
    let one = get(&tiered);
    asked(&held, &["read k"]).await;
    let both = tokio::spawn({
        let tiered = Arc::clone(&tiered);
        async move { tiered.get_many(&["l", "k", "none"]).await }
    });
    asked(&held, &["read k", "read l none"]).await;
    held.release("read l none", Ok(()));
    held.release("read k", Ok(()));
    one.await.unwrap();
    let both = both.await.unwrap();
    assert_eq!((both[0].as_ref().unwrap() == "2", both[1].as_ref().unwrap() == "1", &both[2]), (true, true, &None));
}

#[tokio::test]
async fn writes_of_a_key_go_one_by_one() {
    let (held, tiered) = held(LONG);
    let first = put(&tiered, "1");
    asked(&held, &["put k"]).await;
    let second = put(&tiered, "2");
    tokio::task::yield_now().await;
    assert_eq!(held.asked(), ["put k"]);
    held.release("put k", Ok(()));
    first.await.unwrap();
    asked(&held, &["put k"]).await;
    held.release("put k", Ok(()));
    second.await.unwrap();
    assert_eq!((in_memory(&tiered).as_deref(), held.has("k").as_deref()), (Some("2"), Some("2")));
    assert_eq!(tiered.stats().owed, 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_a_turn_is_served_by_memory() {
    let (held, tiered) = held(Duration::from_millis(50));
    let first = put(&tiered, "1");
    asked(&held, &["put k"]).await;
    put(&tiered, "2").await.unwrap();
    assert_eq!((in_memory(&tiered).as_deref(), tiered.stats().owed), (Some("2"), 1));
    held.release("put k", Ok(()));
    first.await.unwrap();
    // The first one's answer is late, and changes nothing.
    assert_eq!(in_memory(&tiered).as_deref(), Some("2"));
    asked(&held, &["restore k"]).await;
    held.hold(false);
    held.release("restore k", Ok(()));
    eventually(async || tiered.stats().owed == 0).await;
    // The other one's value was there: of both nobody knows which is newer.
    assert_eq!((in_memory(&tiered), held.has("k")), (None, None));
}

#[tokio::test]
async fn what_did_not_arrive_is_stored_later() {
    let (held, tiered) = held(LONG);
    let write = put(&tiered, "new");
    asked(&held, &["put k"]).await;
    held.entries.lock().unwrap().clear();
    held.release("put k", Err(Fault::NoAnswer));
    write.await.unwrap();
    assert_eq!(in_memory(&tiered).as_deref(), Some("new"));
    asked(&held, &["restore k"]).await;
    // Until then memory has the word.
    held.set("k", "old");
    assert_eq!(text(&tiered).await.as_deref(), Some("new"));
    held.entries.lock().unwrap().clear();
    held.release("restore k", Err(Fault::Refused("not now".to_owned())));
    asked(&held, &["restore k"]).await;
    held.release("restore k", Ok(()));
    eventually(async || tiered.stats().owed == 0).await;
    assert_eq!((in_memory(&tiered).as_deref(), held.has("k").as_deref()), (Some("new"), Some("new")));
    assert_eq!(tiered.stats().errors, 2);
}

#[tokio::test]
async fn a_clear_that_was_cut_off_is_made_up_for() {
    let (held, tiered) = held(LONG);
    held.hold(false);
    put(&tiered, "old").await.unwrap();
    held.hold(true);
    let mut clear = Box::pin(tiered.clear());
    assert!(poll(&mut clear).is_pending());
    drop(clear);
    // It was done there, and nobody knows that here: memory goes on alone until it is done again.
    assert_eq!((held.has("k"), text(&tiered).await.as_deref()), (None, Some("old")));
    asked(&held, &["clear", "clear"]).await;
    held.hold(false);
    held.release("clear", Ok(()));
    held.release("clear", Ok(()));
    eventually(async || tiered.stats().owed == 0).await;
    assert_eq!(text(&tiered).await, None);
}

#[tokio::test]
async fn one_that_comes_back_is_asked_about_everything_anew() {
    let (held, tiered) = held(LONG);
    held.hold(false);
    put(&tiered, "mine").await.unwrap();
    held.set("k", "theirs");
    assert_eq!(text(&tiered).await.as_deref(), Some("mine"));
    held.standing.send_replace(Standing::Down { why: "test".into() });
    assert_eq!(text(&tiered).await.as_deref(), Some("mine"));
    // What was told meanwhile was told to nobody.
    held.standing.send_replace(Standing::Up { epoch: 2, tells: true });
    assert_eq!(text(&tiered).await.as_deref(), Some("theirs"));
    assert_eq!(tiered.stats().skipped, 1);
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
