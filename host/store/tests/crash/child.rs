//! The program that is killed: writers that count with check and set, a worker, and processes, all of which say what was
//! answered.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use skep_store::{
    Caps, Changes, Check, Commit, CommitError, Durability, Ends, Key, LeaseRequest, NewJob, Observer, Outgoing,
    Publish, QueueRef, Settle, Settled, SqliteOptions, SqliteStore, Store, Write,
};
use skep_types::{ByteSize, HandlerName, PluginName};

use crate::{turns, vfs};

pub(crate) const NOW: u64 = 1_700_000_000_000;
/// Counters, each of which several writers advance.
pub(crate) const COUNTERS: usize = 3;
const WRITERS: usize = 9;

/// Says what it hears, at once.
pub(crate) struct Speaker;

impl Observer for Speaker {
    fn changed(&self, changes: Changes) {
        for publish in changes.publishes {
            say("heard", std::str::from_utf8(&publish.data).unwrap());
        }
    }
}

/// One line, in one write: it is said, or it is not.
pub(crate) fn say(what: &str, of: &str) {
    // The test's harness may have left its own line open.
    let line = format!("\n@{what} {of}\n");
    _ = std::io::stdout().write_all(line.as_bytes());
    _ = std::io::stdout().flush();
}

pub(crate) fn plugin() -> PluginName {
    PluginName::new("shop").unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::of_plugin(plugin(), text)
}

fn queue() -> QueueRef {
    QueueRef { plugin: plugin(), queue: HandlerName::new("mail").unwrap() }
}

pub(crate) fn options(path: &Path, durability: Durability) -> SqliteOptions {
    // The log begins anew many times in a round.
    SqliteOptions { durability, log_bytes: ByteSize::kib(400), ..SqliteOptions::new(path) }
}

/// Works until it is killed.
pub(crate) fn work(path: &Path, mode: &str) {
    let durability = match mode {
        "off" => Durability::Off,
        "normal" => Durability::Normal,
        _ => Durability::Full,
    };
    let shared = mode == "shared";
    if mode != "plain" && !shared {
        vfs::register();
        vfs::keep_images();
    }
    let store = Arc::new(SqliteStore::open(options(path, durability), Arc::new(Speaker)).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut tasks: Vec<_> =
            (0..WRITERS).map(|number| tokio::spawn(count(Arc::clone(&store), number % COUNTERS))).collect();
        tasks.push(tokio::spawn(perform(Arc::clone(&store))));
        for number in 0..turns::PROCESSES {
            tasks.push(tokio::spawn(turns::handle(Arc::clone(&store), number, number % 2 == 1 && !shared)));
            tasks.push(tokio::spawn(turns::post(Arc::clone(&store), number)));
        }
        tasks.push(tokio::spawn(turns::live_and_die(Arc::clone(&store))));
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Advances a counter: with each step goes an item, a job and a message, which say which one it is.
async fn count(store: Arc<SqliteStore>, counter: usize) {
    let at = format!("counter:{counter}");
    loop {
        let Ok(found) = store.get(plugin(), vec![at.clone()], NOW).await else { continue };
        let before = found[0].as_ref();
        let count: u64 = before.map_or(0, |item| std::str::from_utf8(&item.value).unwrap().parse().unwrap());
        let step = format!("{counter}/{}", count + 1);
        let mut commit = Commit::new(plugin(), NOW);
        commit.checks.push(Check { key: key(&at), version: before.map(|item| item.version) });
        let set = |at: String, value: String| Write::Set { key: key(&at), value: value.into(), expires: None };
        commit.writes = vec![
            set(at.clone(), (count + 1).to_string()),
            set(format!("step:{step}"), "x".repeat(fastrand::usize(0..3000))),
        ];
        commit.jobs.push(NewJob {
            queue: queue().queue,
            name: HandlerName::new("step").unwrap(),
            args: step.clone().into(),
            priority: 0,
            run_at: None,
            max_attempts: 1000,
            unique: None,
            after: Vec::new(),
            ends: Ends::Completed,
            meta: Vec::new(),
        });
        let topic = "shop/steps".parse().unwrap();
        commit.messages.push(Outgoing::Publish(Publish { topic, event: None, data: step.clone().into() }));
        match store.commit(commit).await {
            Ok(_) => say("step", &step),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Performs jobs, some at a time.
async fn perform(store: Arc<SqliteStore>) {
    let mut held = Vec::new();
    loop {
        let settles: Vec<Settle> = std::mem::take(&mut held);
        let lease = LeaseRequest {
            queue: queue(),
            limit: 5,
            worker: "child".to_owned(),
            now: NOW,
            until: NOW + 10_000,
            caps: Caps::default(),
        };
        let ids: Vec<_> = settles.iter().map(|settle| settle.id).collect();
        let (settled, leased) = store.settle_and_lease(settles, Some(lease)).await.unwrap();
        let leased = leased.jobs;
        for (id, settled) in ids.iter().zip(settled) {
            settled.unwrap();
            say("done", &id.to_string());
        }
        held = leased
            .iter()
            .map(|job| Settle {
                id: job.id,
                fence: job.lease.as_ref().unwrap().fence,
                now: NOW,
                as_: Settled::Completed { output: None },
            })
            .collect();
    }
}
