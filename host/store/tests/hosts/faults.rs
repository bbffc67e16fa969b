//! One fault at a time.

use std::sync::Arc;
use std::time::Duration;

use skep_store::{
    Commit, CommitError, Conflict, Error, JobFilter, JobState, Mail, MailId, NewJob, PostgresOptions, ProcessChange,
    ProcessTurn, Receiver, Replace, StateSet, Unique, Write,
};
use skep_test_postgres::{AtCommit, Proxy, Server, ServerOptions};

use crate::child::{job, key, open, options, plugin};
use crate::turns;
use crate::two::{Host, NOW, commit};

const FAULTS: [AtCommit; 3] = [AtCommit::CutBefore, AtCommit::CutAfter, AtCommit::StallAfter];

impl Host {
    async fn set(&self, at: &str) -> Result<u64, CommitError> {
        let set = Write::Set { key: key(at), value: "x".into(), expires: None };
        self.store.commit(Commit { writes: vec![set], ..commit() }).await.map(|done| done.version)
    }

    /// Whether it is there, as soon as that can be asked.
    async fn has(&self, at: &str) -> bool {
        for _ in 0..TRIES {
            match self.store.get(plugin(), vec![at.to_owned()], NOW).await {
                Ok(found) => return found[0].is_some(),
                Err(Error::Unavailable(_) | Error::Busy) => pause().await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("it does not recover");
    }

    /// Tries until it is answered.
    async fn set_at_last(&self, at: &str) {
        for _ in 0..TRIES {
            match self.set(at).await {
                Ok(_) => return,
                Err(CommitError::Store(Error::Unavailable(_) | Error::OutcomeUnknown | Error::Busy)) => pause().await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("it does not recover");
    }
}

/// With the pauses between them, a minute.
const TRIES: usize = 3_000;

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// What waits for a program, beside what goes on meanwhile.
async fn beside(what: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(what).await.unwrap();
}

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

/// Concurrent writers on a server that comes and goes: what was answered is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_under_load_loses_nothing_that_was_answered() {
    let Some(server) = Server::start().map(Arc::new) else { return };
    let url = server.database();
    let hosts = [Arc::new(Host::open(&url).await), Arc::new(Host::open(&url).await)];
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (host, stop) = (Arc::clone(&hosts[writer % 2]), Arc::clone(&stop));
            tokio::spawn(async move {
                let (mut answered, mut refused) = (Vec::new(), Vec::new());
                for number in 0.. {
                    if stop.load(std::sync::atomic::Ordering::SeqCst) {
                        break;
                    }
                    let at = format!("{writer}/{number}");
                    match host.set(&at).await {
                        Ok(_) => answered.push(at),
                        Err(CommitError::Store(Error::OutcomeUnknown)) => {}
                        Err(CommitError::Store(Error::Unavailable(_) | Error::Busy)) => {
                            refused.push(at);
                            pause().await;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                (answered, refused)
            })
        })
        .collect();
    for round in 0..4 {
        for host in &hosts {
            host.set_at_last(&format!("round {round}")).await;
        }
        let server = Arc::clone(&server);
        beside(move || {
            server.kill();
            server.start_again();
        })
        .await;
    }
    for host in &hosts {
        host.set_at_last("after").await;
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    for writer in writers {
        let (more, less) = writer.await.unwrap();
        answered.extend(more);
        refused.extend(less);
    }
    assert!(answered.len() > 8 && !refused.is_empty(), "{} and {}", answered.len(), refused.len());
    for some in answered.chunks(500) {
        let found = hosts[0].store.get(plugin(), some.to_vec(), NOW).await.unwrap();
        let lost: Vec<_> = some.iter().zip(&found).filter(|(_, found)| found.is_none()).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    for some in refused.chunks(500) {
        let found = hosts[1].store.get(plugin(), some.to_vec(), NOW).await.unwrap();
        let ghosts: Vec<_> = some.iter().zip(&found).filter(|(_, found)| found.is_some()).collect();
        assert!(ghosts.is_empty(), "{ghosts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frozen_server_is_taken_for_gone_and_used_again() {
    let Some(server) = Server::start().map(Arc::new) else { return };
    let host = Host::open(&server.database()).await;
    host.set("before").await.unwrap();
    let freezes = Arc::clone(&server);
    beside(move || freezes.freeze()).await;
    // They are answered, whenever that is; and whoever comes then, too.
    let during = host.set("during").await;
    assert!(matches!(during, Err(CommitError::Store(Error::Unavailable(_) | Error::OutcomeUnknown))), "{during:?}");
    let read = host.store.get(plugin(), vec!["before".to_owned()], NOW).await;
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    let later = host.set("later").await;
    assert!(matches!(later, Err(CommitError::Store(Error::Unavailable(_)))), "{later:?}");
    let thaws = Arc::clone(&server);
    beside(move || thaws.thaw()).await;
    host.set_at_last("after").await;
    assert!(host.has("before").await && host.has("after").await && !host.has("later").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_frozen_host_does_not_keep_others_waiting() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(&url).await;
    let (frozen, other) = (Host::open(proxy.url()).await, Host::open(&url).await);
    other.set("row").await.unwrap();
    for _ in 0..5 {
        // It stops somewhere in the middle of its transactions, which have rows that the other wants.
        let writes: Vec<_> = (0..20)
            .map(|_| {
                let sum = Write::Sum { key: key("sum"), by: 1 };
                frozen.store.commit(Commit { writes: vec![sum], ..commit() })
            })
            .collect();
        proxy.stall();
        let sum = Write::Sum { key: key("sum"), by: 1 };
        let mut done = other.store.commit(Commit { writes: vec![sum.clone()], ..commit() }).await;
        for _ in 0..TRIES {
            if done.is_ok() {
                break;
            }
            pause().await;
            done = other.store.commit(Commit { writes: vec![sum.clone()], ..commit() }).await;
        }
        done.unwrap();
        proxy.flow();
        for write in writes {
            _ = write.await;
        }
        frozen.set_at_last("after").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_that_starts_before_the_server_says_so_and_starts_behind_it() {
    let Some(server) = Server::start().map(Arc::new) else { return };
    let url = server.database();
    let kills = Arc::clone(&server);
    beside(move || kills.kill()).await;
    let observer = || Arc::new(crate::two::Told::default());
    let early = open(options(&url), observer()).await.map(drop).unwrap_err();
    assert!(early.to_string().contains("cannot use the database"), "{early}");
    let starts = Arc::clone(&server);
    beside(move || starts.start_again()).await;
    Host::open(&url).await.set_at_last("a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_has_the_password() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let [password, in_url] = server.secrets();
    let mut said = vec![format!("{:?}", options(&url))];
    let observer = || Arc::new(crate::two::Told::default());
    let gone = {
        let proxy = Proxy::before(&url).await;
        proxy.url().to_owned()
    };
    let wrong = [
        url.replace("postgres://skep:", "postgres://nobody:"),
        url.replace("/test_", "/no_such_test_"),
        url.replace("postgres://", "postgres:/"),
        url.replace("127.0.0.1:", "127.0.0.1:x"),
        format!("{url}?sslmode=require"),
        format!("{url}?sslmode={in_url}"),
        gone,
    ];
    for url in wrong {
        let error = open(options(&url), observer()).await.map(drop).unwrap_err();
        said.extend([error.to_string(), format!("{error:?}")]);
    }
    let schema = PostgresOptions { schema: "x\"y".to_owned(), ..options(&url) };
    said.push(format!("{:?}", open(schema, observer()).await.map(drop).unwrap_err()));
    let proxy = Proxy::before(&url).await;
    let host = Host::open(proxy.url()).await;
    proxy.refuse();
    for _ in 0..3 {
        said.push(host.set("a").await.unwrap_err().to_string());
        said.push(host.store.get(plugin(), vec!["a".to_owned()], NOW).await.unwrap_err().to_string());
    }
    for text in said {
        assert!(!text.contains(password) && !text.contains(in_url), "{text}");
    }
}
