//! Commits whose answer is lost: they are there or not, and a look tells.

use skep_store::{
    Commit, CommitError, Conflict, Error, JobFilter, JobState, Mail, MailId, NewJob, ProcessChange, ProcessTurn,
    Receiver, Replace, StateSet, Unique,
};
use skep_test_postgres::{AtCommit, Proxy, Server, ServerOptions};

use crate::child::{job, plugin};
use crate::faults::{TRIES, pause};
use crate::turns;
use crate::two::{Host, NOW, commit};

const FAULTS: [AtCommit; 3] = [AtCommit::CutBefore, AtCommit::CutAfter, AtCommit::StallAfter];

/// A commit whose answer is lost, at last: others commit too, and some of theirs are lost before.
async fn lose<T>(
    proxy: &Proxy,
    fault: AtCommit,
    mut attempt: impl AsyncFnMut(usize) -> Result<T, CommitError>,
) -> (usize, bool) {
    let mut armed = false;
    for number in 0..TRIES {
        if !armed {
            proxy.at_commit([fault]);
        }
        // What the host commits of its own accord is not in the way twice.
        armed = true;
        match attempt(number).await {
            Ok(_) => armed = false,
            Err(CommitError::Store(Error::OutcomeUnknown)) => return (number, true),
            // What is not passed on was not written either; a host may know that.
            Err(CommitError::Store(Error::Unavailable(_))) if fault == AtCommit::CutBefore => return (number, false),
            Err(CommitError::Store(Error::Unavailable(_) | Error::Busy)) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no commit is ever lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_there_or_not_and_a_look_tells() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let (host, other) = (Host::open(proxy.url()).await, Host::open(&url).await);
    for (at, fault) in FAULTS.into_iter().cycle().take(9).enumerate() {
        let name = |number| format!("{at}/{number}");
        let (number, unknown) = lose(&proxy, fault, async |number| host.set(&name(number)).await).await;
        let there = host.has(&name(number)).await;
        if fault != AtCommit::CutBefore {
            assert!(unknown && there, "{fault:?}: the server had it");
        } else {
            assert!(!there, "the server never had it");
        }
        // It stays so, and everybody sees the same.
        host.set_at_last(&format!("after {at}")).await;
        assert_eq!((host.has(&name(number)).await, other.has(&name(number)).await), (there, there), "{fault:?}");
    }
}

/// The server is still at a commit when its host has lost the connection, and has looked what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_that_is_slow_to_come_does_not_come_behind_a_look() {
    // Every commit takes a tenth of a second.
    let slow = [("commit_delay", "100000"), ("commit_siblings", "0")];
    let settings = slow.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let Some(server) = Server::with(&ServerOptions { settings, fsync: true, ..ServerOptions::default() }) else {
        return;
    };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let host = Host::open(proxy.url()).await;
    host.set_at_last("before").await;
    let mut looked = Vec::new();
    for at in 0..4 {
        let name = |number| format!("{at}/{number}");
        let (number, _) = lose(&proxy, AtCommit::CutBehind, async |number| host.set(&name(number)).await).await;
        looked.push((name(number), host.has(&name(number)).await));
    }
    for (name, there) in looked {
        assert_eq!(host.has(&name).await, there, "{name} came later");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_insertion_is_not_known_is_inserted_again_and_there_once() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let host = Host::open(proxy.url()).await;
    let insert = async |key: u8| {
        let unique = Unique {
            key: [key; 16],
            until: None,
            states: StateSet::of(&JobState::ALL),
            conflict: Conflict::Existing,
            replace: Replace::default(),
        };
        let jobs = vec![NewJob { unique: Some(unique), ..job(&format!("job {key}")) }];
        host.store.commit(Commit { jobs, ..commit() }).await
    };
    let mut keys = 0;
    for fault in FAULTS.into_iter().cycle().take(6) {
        let base = keys;
        let attempt = async |number: usize| insert(base + u8::try_from(number).unwrap()).await;
        let (number, _) = lose(&proxy, fault, attempt).await;
        let lost = base + u8::try_from(number).unwrap();
        let mut again = insert(lost).await;
        while again.is_err() {
            pause().await;
            again = insert(lost).await;
        }
        assert!(again.unwrap().jobs[0].was_there || fault == AtCommit::CutBefore);
        keys = lost + 1;
    }
    let jobs = host.store.jobs(JobFilter::default(), None, 1_000).await.unwrap().jobs;
    assert_eq!(jobs.len(), usize::from(keys));
}

/// Whoever runs a process learns from its seq what became of a turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_ended_in_the_unknown_was_committed_or_not() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let host = Host::open(proxy.url()).await;
    let id = turns::id(1);
    host.store.commit(turns::of(ProcessChange::begin(id.clone(), turns::begin("1".to_owned())))).await.unwrap();
    let to = Receiver::Process(id.clone());
    let turn = |seq, handled: &[MailId]| {
        let turn = ProcessChange::turn(id.clone(), seq, ProcessTurn::default());
        turns::of(ProcessChange { handled: handled.to_owned(), append: vec!["x".into()], ..turn })
    };
    let (mut seq, mut unknown) = (1, 0);
    for fault in FAULTS.into_iter().cycle().take(60) {
        let letter = Mail { to: to.clone(), data: "x".into(), at: None };
        let mail = loop {
            // One that is not known may be there: it is handled by nobody here, and stays.
            match host.store.post_mail(plugin(), vec![letter.clone()], NOW).await {
                Ok(mail) => break mail,
                Err(_) => pause().await,
            }
        };
        proxy.at_commit([fault]);
        let answer = host.store.commit(turn(seq, &mail)).await;
        let record = loop {
            match host.store.process(id.clone()).await {
                Ok(record) => break record.unwrap(),
                Err(_) => pause().await,
            }
        };
        let left = host.store.mail_for(vec![to.clone()], None, NOW, 1_000).await.unwrap().mail;
        let handled = !left.iter().any(|left| mail.contains(&left.id));
        assert_eq!(record.last_event + 1, record.seq);
        assert_eq!(handled, record.seq == seq + 1, "the mail goes with the turn");
        match answer {
            Ok(_) => assert!(handled),
            Err(CommitError::Store(Error::OutcomeUnknown)) => unknown += 1,
            Err(CommitError::Store(Error::Unavailable(_))) => assert!(!handled),
            Err(error) => panic!("{error}"),
        }
        seq = record.seq;
    }
    assert!(unknown > 5, "{unknown} of 60");
    assert_eq!(host.store.process_events(id, 0, 1_000).await.unwrap().events.len() as u64, seq - 1);
}
