//! One fault at a time.

use std::sync::Arc;
use std::time::Duration;

use skep_store::{Commit, CommitError, Error, PostgresOptions, Write};
use skep_test_postgres::{Proxy, Server};

use crate::child::{key, open, options, plugin};
use crate::two::{Host, NOW, commit};

impl Host {
    pub(crate) async fn set(&self, at: &str) -> Result<u64, CommitError> {
        let set = Write::Set { key: key(at), value: "x".into(), expires: None };
        self.store.commit(Commit { writes: vec![set], ..commit() }).await.map(|done| done.version)
    }

    /// Whether it is there, as soon as that can be asked.
    pub(crate) async fn has(&self, at: &str) -> bool {
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
    pub(crate) async fn set_at_last(&self, at: &str) {
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
pub(crate) const TRIES: usize = 3_000;

pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// What waits for a program, beside what goes on meanwhile.
async fn beside(what: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(what).await.unwrap();
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
