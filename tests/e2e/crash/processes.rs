//! What the processes of a host that is killed under load come back with: what was acknowledged, or a part of it that is bounded.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use skep_tests::guests;
use tempfile::TempDir;

use super::{HOST, Site, Skep, folder, folder_on_postgres, random, rounds, rounds_on_postgres};

/// How many messages a process loses at most that is kept as a snapshot.
const SNAPSHOT_EVERY: u64 = 10;
/// Each process has so many clients.
const CLIENTS: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Said {
    Calls,
    Casts,
}

/// The processes: a name, a kind, and how they are spoken to.
const PROCESSES: [(&str, &str, Said); 5] = [
    ("durable", "counter", Said::Calls),
    ("mailed", "counter", Said::Casts),
    ("log", "ledger", Said::Calls),
    ("snapshot-a", "loader", Said::Calls),
    ("snapshot-b", "loader", Said::Calls),
];

fn manifest() -> String {
    let wasm = guests::process_probe();
    format!(
        "[plugins.crash]\nsource = {wasm:?}\nroutes = ['{HOST}/{{*path}}']\n\
         [plugins.crash.processes]\ncounter = {{ persistence = 'durable' }}\n\
         ledger = {{ persistence = {{ event-log = {{ snapshot_every = 50 }} }} }}\n\
         loader = {{ persistence = {{ snapshot = {{ every_messages = {SNAPSHOT_EVERY}, every = '1h' }} }} }}\n"
    )
}

/// What the clients of one process were told in one round.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    done: u64,
    open: u64,
}

/// Adds 1 until the host is gone.
async fn add(site: &Site, name: &str, said: Said, told: &Mutex<Told>) {
    let path = match said {
        Said::Calls => format!("/call?to={name}&say=add 1"),
        Said::Casts => format!("/cast?to={name}&say=add 1"),
    };
    loop {
        match site.get(&path).await {
            Some((200, _)) => told.lock().done += 1,
            // The host goes, and has said so or not: whether it was done, nobody knows.
            answer => {
                told.lock().open += 1;
                if answer.is_none() {
                    return;
                }
            }
        }
    }
}

async fn load(skep: Skep, after: Duration) -> BTreeMap<&'static str, Told> {
    let mut clients = Vec::new();
    let told = PROCESSES.map(|(name, _, said)| {
        let told = Arc::new(Mutex::new(Told::default()));
        for _ in 0..CLIENTS {
            let (site, told) = (skep.site.clone(), Arc::clone(&told));
            clients.push(tokio::spawn(async move { add(&site, name, said, &told).await }));
        }
        (name, told)
    });
    tokio::time::sleep(after).await;
    skep.kill().await;
    for client in clients {
        client.await.unwrap();
    }
    told.into_iter().map(|(name, told)| (name, *told.lock())).collect()
}

/// Where a process stands. Casts that were in the store when the host died are handled after the next start, so it is asked until
/// it stands still.
async fn count(site: &Site, name: &str) -> u64 {
    let (mut before, mut same) = (None, 0);
    loop {
        let answer = site.ok(&format!("/call?to={name}&say=get")).await;
        // `COUNT`, `COUNT ENTRIES` or `v1 COUNT`.
        let count = answer.trim_start_matches("v1 ").split(' ').next().unwrap().parse().unwrap();
        same = if before == Some(count) { same + 1 } else { 0 };
        if same == 3 {
            return count;
        }
        before = Some(count);
        if name == "mailed" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_a_host_that_is_killed_come_back_with_what_was_acknowledged() {
    come_back(&folder(&manifest()), rounds()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_a_host_with_a_postgresql_that_is_killed_come_back_with_what_was_acknowledged() {
    let Some(dir) = folder_on_postgres(&manifest()) else { return };
    come_back(&dir, rounds_on_postgres()).await;
}

async fn come_back(dir: &TempDir, rounds: u64) {
    let mut random = random();
    let mut counts = BTreeMap::new();
    let mut skep = Skep::start(dir.path()).await;
    for (name, kind, _) in PROCESSES {
        skep.site.ok(&format!("/start?kind={kind}&name={name}")).await;
        counts.insert(name, 0);
    }
    let mut lost = 0;
    for round in 0..rounds {
        let told = load(skep, Duration::from_millis(random.u64(30..600))).await;
        skep = Skep::start(dir.path()).await;
        let mut line = String::new();
        for (name, kind, _) in PROCESSES {
            let (before, told) = (counts[name], told[name]);
            let now = count(&skep.site, name).await;
            line += &format!(" {name} {before} + {} (+ {}) = {now};", told.done, told.open);
            let bound = if kind == "loader" { SNAPSHOT_EVERY } else { 0 };
            assert!(now + bound >= before + told.done, "round {round}:{line} acknowledged and lost");
            assert!(now <= before + told.done + told.open, "round {round}:{line} done twice");
            lost += (before + told.done).saturating_sub(now);
            counts.insert(name, now);
        }
        eprintln!("round {round}:{line}");
        // The log of what was cast grows with the state otherwise.
        skep.site.ok("/call?to=mailed&say=forget").await;
    }
    eprintln!("{lost} of {} messages to snapshots were lost", counts["snapshot-a"] + counts["snapshot-b"]);
    assert!(counts.values().all(|count| *count >= rounds), "there was no load: {counts:?}");
    stop(skep, dir.path(), &counts).await;
}

/// A host that ends in order loses nothing at all.
async fn stop(skep: Skep, dir: &Path, counts: &BTreeMap<&'static str, u64>) {
    for _ in 0..3 {
        skep.site.ok("/call?to=snapshot-a&say=add 1").await;
    }
    skep.end().await;
    let skep = Skep::start(dir).await;
    assert_eq!(count(&skep.site, "snapshot-a").await, counts["snapshot-a"] + 3);
    skep.kill().await;
}
