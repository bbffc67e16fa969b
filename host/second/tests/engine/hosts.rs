//! What hosts that share one Redis see of each other.

use std::sync::Arc;
use std::time::Duration;

use skep_cache::{Error, FetchOptions, Fetched, Ttl};
use skep_second::Options;

use crate::{FRESH, SLOW, Server, eventually, host, host_with, link};

const WAIT: FetchOptions = FetchOptions { wait: SLOW, stale: false };

#[tokio::test]
async fn what_one_writes_the_other_has_soon() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    for round in 0..50 {
        let (writer, reader) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let text = round.to_string();
        writer.put_text("k", &text).await;
        // Its copy would do for an hour: it is told.
        eventually(async || reader.text("k").await.as_deref() == Some(&*text)).await;
    }
    assert!(one.stats().told >= 25 && other.stats().told >= 25);
    other.delete("k").await;
    eventually(async || one.text("k").await.is_none()).await;
    // Other buckets and installations hear nothing of it.
    let _: () = server.say(&["SET", "skep:1:{shop/other}/k", "x"]).await;
    let stats = one.stats();
    one.put_text("k", "mine").await;
    assert_eq!(one.text("k").await.as_deref(), Some("mine"));
    assert_eq!(one.stats().told, stats.told);
}

#[tokio::test]
async fn without_being_told_a_copy_is_as_old_as_it_may_be() {
    let Some(server) = Server::start(&["--user", "default", "on", "nopass", "~*", "&*", "+@all", "-client|tracking"])
    else {
        return;
    };
    let fresh = Options { fresh: Duration::from_millis(50), ..FRESH };
    let (one, other) = (host(&server, fresh).await, host(&server, FRESH).await);
    assert!(one.stats().up && !one.stats().tells);
    for host in [&one, &other] {
        host.put_text("k", "0").await;
        assert_eq!(host.text("k").await.as_deref(), Some("0"));
    }
    let third = host(&server, FRESH).await;
    third.put_text("k", "1").await;
    eventually(async || one.text("k").await.as_deref() == Some("1")).await;
    assert_eq!(other.text("k").await.as_deref(), Some("0"));
    // Nothing is fresh for no time at all.
    other.configure(Options { fresh: Duration::ZERO, ..FRESH });
    assert_eq!(other.text("k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_thousand_who_wait_are_one_question() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    one.put_text("k", "1").await;
    let before = server.scripts().await;
    let values = futures_util::future::join_all((0..1000).map(|_| other.text("k"))).await;
    assert!(values.iter().all(|value| value.as_deref() == Some("1")));
    assert_eq!((other.stats().hits, server.scripts().await - before), (1, 1));

    // And one that nobody has is loaded by one, who has asked once.
    let other = Arc::new(other);
    let calls = (0..1000).map(|_| {
        let other = Arc::clone(&other);
        tokio::spawn(async move {
            match other.fetch("new", WAIT).await.unwrap() {
                Fetched::Miss(lease) => {
                    tokio::task::yield_now().await;
                    other.fill(lease, b"loaded", Ttl::Default).await.unwrap();
                    1
                }
                Fetched::Hit(value) => {
                    assert_eq!(value, b"loaded");
                    0
                }
                Fetched::Stale { .. } => panic!("nobody takes that"),
            }
        })
    });
    let mut loads = 0;
    for call in calls.collect::<Vec<_>>() {
        loads += call.await.unwrap();
    }
    assert_eq!((loads, other.stats().misses), (1, 1));
    // The other host need not load it.
    assert!(matches!(one.fetch("new", WAIT).await.unwrap(), Fetched::Hit(value) if value == b"loaded"));
}

#[tokio::test]
async fn of_two_hosts_that_load_one_fills() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    let (Fetched::Miss(first), Fetched::Miss(second)) =
        (one.fetch("k", WAIT).await.unwrap(), other.fetch("k", WAIT).await.unwrap())
    else {
        panic!("it is not there")
    };
    one.fill(first, b"1", Ttl::Default).await.unwrap();
    // Somebody waits there; the value of the first host is good for him.
    let waiting = other.fetch("k", WAIT);
    let (filled, waited) = tokio::join!(other.fill(second, b"2", Ttl::Default), waiting);
    assert_eq!(filled, Err(Error::Conflict));
    assert!(matches!(waited.unwrap(), Fetched::Hit(value) if value == b"1"));
    assert_eq!(other.text("k").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_write_ends_the_lease_of_its_own_host() {
    let Some(server) = Server::start(&[]) else { return };
    let host = host(&server, FRESH).await;
    for delete in [false, true] {
        let Fetched::Miss(lease) = host.fetch("k", WAIT).await.unwrap() else { panic!("it is not there") };
        if delete {
            host.delete("k").await;
        } else {
            host.put_text("k", "put").await;
        }
        assert_eq!(host.fill(lease, b"late", Ttl::Default).await, Err(Error::Conflict));
        assert_eq!(host.text("k").await.as_deref(), (!delete).then_some("put"));
        host.delete("k").await;
    }
}

#[tokio::test]
async fn installations_with_other_prefixes_do_not_meet() {
    let Some(server) = Server::start(&[]) else { return };
    let one = host(&server, FRESH).await;
    let other = host_with(skep_second::redis::Options { prefix: "other".to_owned(), ..link(&server, SLOW) }, FRESH);
    other.is_up().await;
    one.put_text("k", "1").await;
    assert_eq!(other.text("k").await, None);
    other.clear().await;
    assert_eq!(one.text("k").await.as_deref(), Some("1"));
    let names: Vec<String> = server.say(&["KEYS", "*"]).await;
    let expected = ["other:1:{shop/pages}", "skep:1:{shop/pages}", "skep:1:{shop/pages}/k"];
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
}
