//! Two hosts that want the same at once: one of them gets it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use skep_store::{
    Check, Commit, CommitError, Committed, Conflict, JobFilter, JobState, Mail, NewJob, NewProcess, PostgresOptions,
    ProcessChange, ProcessTurn, Receiver, Replace, StateSet, Tick, Unique, Write,
};
use skep_test_postgres::Server;

use crate::alive::host;
use crate::child::{job, key, options, plugin};
use crate::turns;
use crate::two::{Host, NOW, commit, two};

/// Asks both at once.
async fn race<T: Send + 'static>(
    hosts: &[Host; 2],
    commit: impl Fn() -> Commit,
    mut check: impl FnMut([Result<Committed, CommitError>; 2]) -> T,
) -> T {
    let [a, b] = [&hosts[0], &hosts[1]].map(|host| tokio::spawn(host.store.commit(commit())));
    check([a.await.unwrap(), b.await.unwrap()])
}

fn one_is_done(answers: [Result<Committed, CommitError>; 2], refused: impl Fn(&CommitError) -> bool) -> Committed {
    match answers {
        [Ok(done), Err(error)] | [Err(error), Ok(done)] if refused(&error) => done,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_is_taken_once() {
    let Some(hosts) = two().await else { return };
    let mut last = None;
    for at in 1..40 {
        let tick = || Tick { plugin: plugin(), schedule: "nightly".to_owned(), last, at: NOW + at };
        let takes = || Commit { ticks: vec![tick()], jobs: vec![job("nightly")], ..commit() };
        race(&hosts, takes, |answers| one_is_done(answers, |error| *error == CommitError::Conflict(0))).await;
        last = Some(NOW + at);
        for host in &hosts {
            assert_eq!(host.store.ticks(plugin()).await.unwrap(), [("nightly".to_owned(), NOW + at)]);
        }
    }
    assert_eq!(hosts[0].store.usage().await.unwrap()[0].jobs, 39);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_changed_by_one() {
    let Some(hosts) = two().await else { return };
    for number in 1..100 {
        let new = || NewProcess { name: Some(format!("name {number}")), ..turns::begin(String::new()) };
        let begins = || turns::of(ProcessChange::begin(turns::id(number), new()));
        race(&hosts, begins, |answers| one_is_done(answers, |error| *error == CommitError::Stale { seq: 1 })).await;
    }
    for seq in 1..40 {
        let turn = || {
            let turn = ProcessChange::turn(turns::id(1), seq, ProcessTurn::default());
            turns::of(ProcessChange { append: vec!["event".into()], ..turn })
        };
        let stale = |error: &CommitError| *error == CommitError::Stale { seq: seq + 1 };
        let done = race(&hosts, turn, |answers| one_is_done(answers, stale)).await;
        assert_eq!(done.process.unwrap().last_event, seq);
    }
    assert_eq!(hosts[1].store.process_events(turns::id(1), 0, 100).await.unwrap().events.len(), 39);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_given_once() {
    let Some(hosts) = two().await else { return };
    for number in 0..20 {
        let name = format!("name {number}");
        let begin = |of: u64| {
            let new = NewProcess { name: Some(name.clone()), ..turns::begin(String::new()) };
            turns::of(ProcessChange::begin(turns::id(2 * number + of), new))
        };
        let [a, b] = [0, 1].map(|at| tokio::spawn(hosts[at].store.commit(begin(at as u64))));
        let taken = |error: &CommitError| matches!(error, CommitError::NameTaken(id) if id.number / 2 == number);
        one_is_done([a.await.unwrap(), b.await.unwrap()], taken);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_handled_once() {
    let Some(hosts) = two().await else { return };
    for number in 0..2 {
        let begin = turns::begin(number.to_string());
        hosts[0].store.commit(turns::of(ProcessChange::begin(turns::id(number), begin))).await.unwrap();
    }
    // By two processes, so that it is not the process that is in the way.
    for seq in 1..20 {
        let letter = Mail { to: Receiver::Name(plugin(), "0".to_owned()), data: "once".into(), at: None };
        let mail = hosts[1].store.post_mail(plugin(), vec![letter], NOW).await.unwrap()[0];
        let (mut handled, mut refused) = (0, 0);
        let handles = |number: u64| {
            let turn = ProcessChange::turn(turns::id(number), seq, ProcessTurn::default());
            turns::of(ProcessChange { handled: vec![mail], ..turn })
        };
        let [a, b] = [0, 1].map(|at| tokio::spawn(hosts[at].store.commit(handles(at as u64))));
        for (number, answer) in [a.await.unwrap(), b.await.unwrap()].into_iter().enumerate() {
            match answer {
                Ok(_) => handled += 1,
                Err(CommitError::Handled(id)) => {
                    assert_eq!(id, mail);
                    refused += 1;
                    // It takes its turn without it.
                    let turn = ProcessChange::turn(turns::id(number as u64), seq, ProcessTurn::default());
                    hosts[0].store.commit(turns::of(turn)).await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((handled, refused), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unique_job_is_there_once() {
    let Some(hosts) = two().await else { return };
    for number in 0..40 {
        let unique = Unique {
            key: [number; 16],
            until: None,
            states: StateSet::of(&JobState::ALL),
            conflict: if number % 2 == 0 { Conflict::Existing } else { Conflict::Refuse },
            replace: Replace::default(),
        };
        let insert = || Commit { jobs: vec![NewJob { unique: Some(unique), ..job("it") }], ..commit() };
        race(&hosts, insert, |answers| {
            if number % 2 == 1 {
                one_is_done(answers, |error| *error == CommitError::Duplicate(0));
                return;
            }
            let [a, b] = answers.map(|answer| answer.unwrap().jobs.remove(0));
            assert!(a.id == b.id && a.was_there != b.was_there, "{a:?} {b:?}");
        })
        .await;
    }
    assert_eq!(hosts[0].store.jobs(JobFilter::default(), None, 100).await.unwrap().jobs.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_and_checks_of_both_hold() {
    let Some(hosts) = two().await else { return };
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let store = Arc::clone(&hosts[number % 2].store);
            tokio::spawn(async move {
                let mut one = commit();
                one.writes = vec![Write::Sum { key: key("a"), by: 1 }, Write::Sum { key: key("b"), by: -1 }];
                if number % 4 >= 2 {
                    one.writes.reverse();
                }
                store.commit(one).await.unwrap().version
            })
        })
        .collect();
    let mut versions = BTreeSet::new();
    for task in tasks {
        assert!(versions.insert(task.await.unwrap()), "a version is given twice");
    }
    for host in &hosts {
        let found = host.store.get(plugin(), vec!["a".into(), "b".into()], NOW).await.unwrap();
        let values: Vec<_> = found.iter().map(|item| item.as_ref().unwrap().value.clone()).collect();
        assert_eq!(values, ["200", "-200"]);
    }
    // What only one may do.
    for round in 0..40_u64 {
        let found = hosts[0].store.get(plugin(), vec!["lock".into()], NOW).await.unwrap();
        let version = found[0].as_ref().map(|item| item.version);
        let value = round.to_string();
        let set = || {
            let set = Write::Set { key: key("lock"), value: value.clone().into(), expires: None };
            Commit { checks: vec![Check { key: key("lock"), version }], writes: vec![set], ..commit() }
        };
        let done = race(&hosts, set, |answers| one_is_done(answers, |error| *error == CommitError::Conflict(0))).await;
        assert!(Some(done.version) > version);
    }
}

/// Skew of writes: each relies on the absence, or the value, of what the other writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_checked_holds_when_the_other_commits() {
    let Some(server) = Server::start() else { return };
    // Nobody gives up but because of a circle.
    let long = Duration::from_secs(60);
    let options = PostgresOptions {
        lock_timeout: long,
        statement_timeout: long,
        idle_timeout: long,
        patience: long,
        ..options(&server.database())
    };
    let hosts = [host(options.clone()).await, host(options).await];
    for round in 0..40 {
        let one = |absent: &str, sets: &str| {
            let all = |of: &str| (0..100).map(|at| key(&format!("{of}{round}/{at}"))).collect::<Vec<_>>();
            let set = |key| Write::Set { key, value: "1".into(), expires: None };
            Commit {
                checks: all(absent).into_iter().map(|key| Check { key, version: None }).collect(),
                writes: all(sets).into_iter().map(set).collect(),
                ..commit()
            }
        };
        let a = tokio::spawn(hosts[0].store.commit(one("x", "y")));
        let b = tokio::spawn(hosts[1].store.commit(one("y", "x")));
        let answers = [a.await.unwrap(), b.await.unwrap()];
        one_is_done(answers, |error| *error == CommitError::Conflict(0));
    }
    // One waits for the other, and they do not wait in a circle, until the server sees it a second later.
    let log = tokio::task::block_in_place(|| server.log());
    assert!(!log.contains("deadlock detected"), "{log}");
}
