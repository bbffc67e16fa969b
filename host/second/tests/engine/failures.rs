//! Redis is killed, stopped, restarted, refuses: memory goes on, and nothing old comes back.

use std::time::Duration;

use skep_cache::{Condition, FetchOptions, Fetched, PutOptions, Ttl};
use skep_second::redis::Link;

use crate::{FRESH, SLOW, Server, eventually, host, host_with, link};

const WAIT: FetchOptions = FetchOptions { wait: SLOW, stale: false };

/// Every operation, none of which may fail or hang.
async fn everything_works(host: &crate::Host, round: &str) {
    let key = |name: &str| format!("{round}-{name}");
    host.put_text(&key("put"), "1").await;
    assert_eq!(host.text(&key("put")).await.as_deref(), Some("1"));
    let version = host.get_entry(&key("put")).await.unwrap().version;
    let swap = PutOptions { ttl: Ttl::Default, condition: Condition::IfVersion(version) };
    host.put(&key("put"), b"2", swap).await.unwrap();
    host.put(&key("put"), b"3", swap).await.unwrap_err();
    let absent = PutOptions { ttl: Ttl::Default, condition: Condition::IfAbsent };
    host.put(&key("put"), b"4", absent).await.unwrap_err();
    assert_eq!(host.text(&key("put")).await.as_deref(), Some("2"));
    assert!(host.touch(&key("put"), Ttl::After(Duration::from_secs(1000))).await);
    assert!(host.get_entry(&key("put")).await.unwrap().ttl_left.is_some());
    assert_eq!(host.take(&key("put")).await.unwrap(), "2");
    assert!(host.get(&key("put")).await.is_none() && !host.delete(&key("put")).await);
    assert_eq!(host.increment(&key("count"), 5, Ttl::Default).await, Ok(5));
    assert_eq!(host.increment(&key("count"), 5, Ttl::Default).await, Ok(10));
    host.put_text(&key("text"), "x").await;
    host.increment(&key("text"), 1, Ttl::Default).await.unwrap_err();
    host.put_many(&[(key("a"), "1"), (key("b"), "2")], Ttl::Default).await.unwrap();
    let values = host.get_many(&[key("a"), key("b"), key("c")]).await;
    assert!(values[0].is_some() && values[1].is_some() && values[2].is_none());
    let Fetched::Miss(lease) = host.fetch(&key("fetch"), WAIT).await.unwrap() else { panic!("it is not there") };
    host.fill(lease, b"filled", Ttl::Default).await.unwrap();
    assert!(matches!(host.fetch(&key("fetch"), WAIT).await.unwrap(), Fetched::Hit(value) if value == b"filled"));
}

#[tokio::test]
async fn killed_and_back_empty() {
    let Some(mut server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    one.put_text("before", "1").await;
    everything_works(&one, "up").await;
    server.kill();
    one.is_down().await;
    let before = one.stats();
    everything_works(&one, "down").await;
    let stats = one.stats();
    assert!(!stats.up && stats.owed > 0 && stats.skipped > before.skipped, "{stats:?}");
    // Nobody was made to wait for an answer that does not come.
    assert_eq!((stats.errors, stats.hits), (before.errors, before.hits));
    assert_eq!(one.text("before").await.as_deref(), Some("1"));

    server.start_again();
    one.is_up().await;
    other.is_up().await;
    one.owes_nothing().await;
    // What was written meanwhile is there now, for all.
    for host in [&one, &other] {
        assert_eq!(host.text("down-count").await.as_deref(), Some("10"));
        assert_eq!(host.text("down-fetch").await.as_deref(), Some("filled"));
        assert_eq!(host.text("down-put").await, None);
        // And what Redis has lost is lost: it is the one that hosts share.
        assert_eq!(host.text("before").await, None);
    }
    everything_works(&one, "again").await;
    assert_eq!(other.text("again-count").await.as_deref(), Some("10"));
}

#[tokio::test]
async fn killed_in_the_midst_of_it() {
    let Some(mut server) = Server::start(&[]) else { return };
    let host = std::sync::Arc::new(host(&server, FRESH).await);
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let host = std::sync::Arc::clone(&host);
            tokio::spawn(async move {
                for round in 0..200 {
                    let key = format!("{worker}-{}", round % 10);
                    host.put_text(&key, &round.to_string()).await;
                    // Nobody else writes it: what was written is read, whoever keeps it.
                    let read = host.text(&key).await;
                    assert!(read.is_none() || read == Some(round.to_string()), "{key}: {read:?}");
                    host.increment("sum", 1, Ttl::Default).await.unwrap();
                }
            })
        })
        .collect();
    eventually(async || host.stats().writes > 200).await;
    server.kill();
    host.is_down().await;
    server.start_again();
    host.is_up().await;
    for worker in workers {
        worker.await.unwrap();
    }
    host.owes_nothing().await;
}

#[tokio::test]
async fn stopped_and_going_on_nothing_old_comes_back() {
    let Some(server) = Server::start(&[]) else { return };
    // The one that fails has little patience; the other one has all of it.
    let one = host_with(link(&server, Duration::from_secs(1)), FRESH);
    one.is_up().await;
    let other = host(&server, FRESH).await;
    for key in ["put", "deleted", "taken", "untouched"] {
        // By the patient one, so that nothing is owed on a slow machine.
        other.put_text(key, "old").await;
    }
    eventually(async || one.text("untouched").await.is_some() && one.text("taken").await.is_some()).await;
    one.owes_nothing().await;
    server.stop();
    // The first few wait and fail, then it is not asked any more.
    for round in 0.. {
        // Each another one: a key that is owed is not asked about.
        one.put_text(&format!("failed-{round}"), "1").await;
        if !one.stats().up {
            break;
        }
        assert!(round < 10, "half of ten are enough");
    }
    let errors = one.stats().errors;
    assert!(errors >= 5, "{errors}");
    everything_works(&one, "stopped").await;
    one.put_text("put", "new").await;
    one.delete("deleted").await;
    assert_eq!(one.take("taken").await.unwrap(), "old");
    assert_eq!(one.text("untouched").await.as_deref(), Some("old"));

    server.go_on();
    one.is_up().await;
    one.owes_nothing().await;
    for key in ["put", "deleted", "taken"] {
        // Nobody can know whether the old value in Redis was newer, so it is gone, and never seen again.
        let seen = one.text(key).await;
        assert!(seen.is_none() || (key == "put" && seen.as_deref() == Some("new")), "{key}: {seen:?}");
        eventually(async || other.text(key).await.as_deref() != Some("old")).await;
    }
    assert_eq!(one.text("untouched").await.as_deref(), Some("old"));
    assert_eq!(one.text("stopped-count").await.as_deref(), Some("10"));
}

#[tokio::test]
async fn a_clear_that_did_not_arrive_is_made_up_for() {
    let Some(server) = Server::start(&[]) else { return };
    let one = host_with(link(&server, Duration::from_secs(1)), FRESH);
    one.is_up().await;
    let other = host(&server, FRESH).await;
    other.put_text("k", "old").await;
    server.stop();
    one.clear().await;
    assert_eq!(one.text("k").await, None);
    assert_eq!(one.stats().owed, 1);
    one.put_text("later", "new").await;
    server.go_on();
    one.owes_nothing().await;
    eventually(async || other.text("k").await.is_none()).await;
    eventually(async || one.text("k").await.is_none()).await;
    assert_eq!((one.text("later").await.as_deref(), other.text("later").await.as_deref()), (Some("new"), Some("new")));
}

#[tokio::test]
async fn a_caller_that_is_cut_off_leaves_nothing_wrong() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    one.put_text("k", "old").await;
    server.stop();
    // It is on its way, and nobody waits for it any more.
    drop(tokio::time::timeout(Duration::from_millis(50), one.put_text("k", "new")).await);
    assert_eq!(one.stats().owed, 1);
    assert_eq!(one.text("k").await.as_deref(), Some("old"));
    server.go_on();
    one.owes_nothing().await;
    // Both have the same, whatever it is.
    eventually(async || one.text("k").await == other.text("k").await).await;
}

#[tokio::test]
async fn a_wrong_password_is_degraded_and_never_said() {
    let Some(server) = Server::start(&["--requirepass", "correct-horse"]) else { return };
    let mut options = link(&server, SLOW);
    options.password = Some("wrong-secret".to_owned());
    assert!(!format!("{options:?}").contains("secret"));
    let host = host_with(options, FRESH);
    let mut standing = host.link.standing();
    let refused = standing.wait_for(|standing| format!("{standing:?}").contains("password"));
    let refused = format!("{:?}", *tokio::time::timeout(crate::PATIENCE, refused).await.unwrap().unwrap());
    assert!(!refused.contains("secret") && !refused.contains("horse"), "{refused}");
    everything_works(&host, "x").await;
    assert!(!host.stats().up && host.stats().why.is_some());

    let mut options = link(&server, SLOW);
    options.password = Some("correct-horse".to_owned());
    let host = host_with(options, FRESH);
    host.is_up().await;
    everything_works(&host, "x").await;
    assert!(!format!("{:?} {:?}", host.link, host.tiered).contains("horse"));
}

#[tokio::test]
async fn one_that_refuses_to_write_is_degraded() {
    let Some(server) = Server::start(&[]) else { return };
    let host = host(&server, FRESH).await;
    let _: () = server.say(&["CONFIG", "SET", "maxmemory", "1"]).await;
    everything_works(&host, "full").await;
    assert!(host.stats().errors > 0 && host.stats().owed > 0);
    let _: () = server.say(&["CONFIG", "SET", "maxmemory", "0"]).await;
    host.owes_nothing().await;
    assert_eq!(host.text("full-count").await.as_deref(), Some("10"));
}

#[tokio::test]
async fn nobody_is_there_at_all() {
    let options = skep_second::redis::Options {
        url: "redis+unix:///nowhere/at/all".to_owned(),
        ..skep_second::redis::Options::default()
    };
    let host = host_with(options, FRESH);
    everything_works(&host, "x").await;
    let stats = host.stats();
    assert!(!stats.up && stats.skipped > 0 && stats.errors == 0);
    let too_many = skep_second::tiered::OWED_MAX + 1;
    for number in 0..too_many {
        host.put_text(&number.to_string(), "").await;
    }
    assert!(host.stats().owed < too_many as u64);
}

#[tokio::test]
async fn urls_that_lead_nowhere_are_refused_without_being_said() {
    for url in ["", "redis", "http://user:hunter2@host", "redis://user:hunter2@host:port", "redis://:hunter2@host/x"] {
        let options = skep_second::redis::Options { url: url.to_owned(), ..skep_second::redis::Options::default() };
        let error = Link::start(options).unwrap_err().to_string();
        assert!(!error.is_empty() && !error.contains("hunter2"), "{url}: {error}");
    }
}
