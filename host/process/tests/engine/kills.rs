//! Ten thousand random kills while messages go to and fro: monitors fire once, and restarts obey the rules.

use std::collections::BTreeMap;

use skep_process::*;
use skep_supervision::{Intensity, Restart};

use crate::rig::{Rig, named, plugin, secs};

const PROCESSES: usize = 200;
const KILLS: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_kills_are_told_once_each() {
    let kind = KindOptions { restart: Restart::Temporary, ..KindOptions::default() };
    let limits = Limits { live_max: PROCESSES / 2, ..Limits::default() };
    let rig = Rig::with(kind, Options { limits, ..Options::default() });
    let mut watcher = rig.start("watcher").await;
    rig.call("watcher", "trap").await;
    let callers: Vec<_> = (0..4_u64)
        .map(|seed| {
            let engine = rig.engine.clone();
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                loop {
                    let at = random.usize(..PROCESSES).to_string();
                    let word = ["add", "sleep", "later", "answer"][random.usize(..4)];
                    // Whatever comes of it.
                    drop(engine.call(None, &named(&at), word.into(), Some(secs(1))).await);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut killed, mut monitors) = (0, 0);
    let mut hosts = Vec::new();
    while killed < KILLS {
        let at = random.usize(..PROCESSES).to_string();
        let spec = Spec { kind: "counter".to_owned(), name: Some(at.clone()), args: "".into(), supervised: false };
        // One may be on its way out.
        let Ok(started) = rig.engine.start_or_get(&plugin(), spec).await else { continue };
        let target: Target = started.pid.clone().into();
        if rig.engine.inspect(&watcher).is_none() {
            watcher = rig.start("watcher").await;
        }
        rig.call("watcher", &format!("monitor {}", started.pid)).await;
        monitors += 1;
        let engine = rig.engine.clone();
        hosts.push(tokio::spawn(async move { engine.ended(&target).await }));
        if random.bool() {
            tokio::task::yield_now().await;
        }
        killed += usize::from(rig.engine.kill(&started.pid));
    }
    for host in hosts {
        host.await.unwrap();
    }
    callers.iter().for_each(tokio::task::JoinHandle::abort);
    // All are dead: the last words of each come into the watcher's mailbox before an answer of it.
    while !rig.engine.inspect(&watcher).unwrap().monitors.is_empty() {
        rig.call("watcher", "get").await;
    }
    let downs = rig.log().into_iter().filter(|line| line.starts_with("watcher: down")).count();
    assert_eq!(downs, monitors, "each monitor fires once");
    let told = rig.told.0.lock();
    let mut lives: BTreeMap<Number, (usize, usize)> = BTreeMap::new();
    for (pid, what) in told.iter() {
        let life = lives.entry(pid.number).or_default();
        life.0 += usize::from(matches!(what, Happened::Ended(_)));
        life.1 += usize::from(matches!(what, Happened::Restarted));
    }
    lives.remove(&watcher.number);
    assert!(lives.values().all(|life| *life == (1, 0)), "each ends once, and none comes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_obey_the_rules_under_load() {
    let intensity = Intensity { restarts: 5, period: secs(5) };
    let rig = Rig::with(KindOptions { intensity, ..KindOptions::default() }, Options::default());
    let mut pids = Vec::new();
    for at in 0..50 {
        pids.push(rig.start(&at.to_string()).await);
    }
    let callers: Vec<_> = (0..2_u64)
        .map(|seed| {
            let engine = rig.engine.clone();
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                loop {
                    let at = random.usize(..50).to_string();
                    drop(engine.cast(&named(&at), "add".into()).await);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    // The clock stands still: so five restarts are bad luck, and the sixth crash begins a round.
    for pid in &pids {
        while rig.state(pid) != Some(ProcessState::BackingOff) {
            rig.engine.kill(pid);
            tokio::task::yield_now().await;
        }
    }
    callers.iter().for_each(tokio::task::JoinHandle::abort);
    let told = rig.told.0.lock();
    for pid in &pids {
        let of = |is: fn(&Happened) -> bool| told.iter().filter(|(at, what)| at == pid && is(what)).count();
        let crashes = of(|what| matches!(what, Happened::Crashed(_)));
        let restarts = of(|what| *what == Happened::Restarted);
        assert_eq!((crashes, restarts), (6, 5), "{pid}");
    }
}
