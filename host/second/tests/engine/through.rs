//! Every operation reaches Redis and comes back, with its time.

use std::time::Duration;

use skep_cache::{Condition, Error, FetchOptions, Fetched, PutOptions, Ttl};
use skep_second::Options;

use crate::{FRESH, SLOW, Server, after, eventually, host, with};

const IF_ABSENT: PutOptions = PutOptions { ttl: Ttl::Default, condition: Condition::IfAbsent };
const NOW: FetchOptions = FetchOptions { wait: Duration::ZERO, stale: false };

fn if_version(version: u64) -> PutOptions {
    PutOptions { ttl: Ttl::Default, condition: Condition::IfVersion(version) }
}

const ENTRY: &str = "skep:1:{shop/pages}/k";

#[tokio::test]
async fn a_value_goes_through_and_is_read_again_by_a_host_that_starts() {
    let Some(server) = Server::start(&[]) else { return };
    let first = host(&server, FRESH).await;
    let version = first.put_text("k", "value").await;
    assert_eq!(first.text("k").await.as_deref(), Some("value"));
    // What memory has for certain is asked of nobody.
    assert_eq!((first.stats().hits, first.stats().misses, first.stats().writes), (0, 0, 1));
    drop(first);

    let second = host(&server, FRESH).await;
    let entry = second.get_entry("k").await.unwrap();
    assert_eq!((&*entry.value, entry.version, entry.ttl_left), (&b"value"[..], version, None));
    assert_eq!(second.text("k").await.as_deref(), Some("value"));
    assert_eq!((second.stats().hits, second.stats().misses), (1, 0));
    // A miss is not remembered.
    assert_eq!((second.text("none").await, second.text("none").await), (None, None));
    assert_eq!(second.stats().misses, 2);
    assert!(second.stats().up && second.stats().tells);
}

#[tokio::test]
async fn times_are_the_same_in_both() {
    let Some(server) = Server::start(&[]) else { return };
    let options = Options { ttl: Some(Duration::from_secs(1000)), stale: Duration::from_secs(500), ..FRESH };
    let (one, other) = (host(&server, options).await, host(&server, options).await);
    // What both have, as soon as the other one has been told; in hundreds of seconds.
    let left = async |key: &str| {
        let left_at = async |host: &crate::Host| {
            host.get_entry(key).await.map(|entry| entry.ttl_left.map(|left| left.as_secs_f64()))
        };
        // The seconds that a test may take.
        let near = |a: Option<Option<f64>>, b: Option<Option<f64>>| match (a, b) {
            (Some(Some(a)), Some(Some(b))) => (a - b).abs() < 60.0,
            (a, b) => a == b,
        };
        eventually(async || near(left_at(&one).await, left_at(&other).await)).await;
        left_at(&other).await.map(|left| left.map(|left| (left / 100.0).round() * 100.0))
    };
    one.put_text("k", "1").await;
    assert_eq!(left("k").await, Some(Some(1000.0)));
    // It is kept past its end in Redis.
    let there: i64 = server.say(&["PTTL", ENTRY]).await;
    assert!((1_400_000..=1_500_000).contains(&there), "{there}");
    one.put("k", b"2", with(after(3000))).await.unwrap();
    assert_eq!(left("k").await, Some(Some(3000.0)));
    one.put("k", b"3", with(Ttl::Keep)).await.unwrap();
    eventually(async || other.text("k").await.as_deref() == Some("3")).await;
    assert_eq!(left("k").await, Some(Some(3000.0)));
    one.put("new", b"3", with(Ttl::Keep)).await.unwrap();
    assert_eq!(left("new").await, Some(Some(1000.0)));
    let version = one.get_entry("k").await.unwrap().version;
    assert!(one.touch("k", after(6000)).await);
    assert_eq!(left("k").await, Some(Some(6000.0)));
    assert!(one.touch("k", Ttl::Never).await);
    assert_eq!(left("k").await, Some(None));
    assert_eq!(one.get_entry("k").await.unwrap().version, version);
    // Of a bucket that is gone nothing stays for ever.
    let there: i64 = server.say(&["PTTL", ENTRY]).await;
    assert!(there > 0);
    one.put("k", b"4", with(Ttl::Keep)).await.unwrap();
    assert_eq!(left("k").await, Some(None));
    assert!(!one.touch("none", after(1)).await);
    // A time of nothing: nobody ever sees it.
    one.put("k", b"5", with(after(0))).await.unwrap();
    assert_eq!((left("k").await, left("new").await), (None, Some(Some(1000.0))));
}

#[tokio::test]
async fn what_has_ended_in_redis_has_ended_here() {
    let Some(server) = Server::start(&[]) else { return };
    let options = Options { stale: Duration::from_secs(3600), ..FRESH };
    let (one, other) = (host(&server, options).await, host(&server, options).await);
    one.put("k", b"old", with(Ttl::After(Duration::from_millis(20)))).await.unwrap();
    eventually(async || one.get("k").await.is_none() && other.get("k").await.is_none()).await;
    // Past its end, for who takes that: also on a host that never had it.
    let stale = FetchOptions { wait: SLOW, stale: true };
    for host in [&one, &other] {
        match host.fetch("k", stale).await.unwrap() {
            Fetched::Stale { value, lease: Some(_) } => assert_eq!(value, b"old"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(host.fetch("k", NOW).await.unwrap(), Fetched::Miss(_)));
    }
    // It is as good as absent to conditions.
    other.put("k", b"new", IF_ABSENT).await.unwrap();
    eventually(async || one.text("k").await.as_deref() == Some("new")).await;
}

#[tokio::test]
async fn conditions_are_decided_in_redis() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    let first = one.put("k", b"1", IF_ABSENT).await.unwrap();
    assert_eq!(other.put("k", b"2", IF_ABSENT).await, Err(Error::Conflict));
    let second = other.put("k", b"2", if_version(first)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(one.put("k", b"3", if_version(first)).await, Err(Error::Conflict));
    // Who lost sees who won.
    assert_eq!(one.text("k").await.as_deref(), Some("2"));
    assert_eq!(one.put("none", b"3", if_version(first)).await, Err(Error::Conflict));
    one.put("k", b"3", if_version(second)).await.unwrap();
}

#[tokio::test]
async fn counters_count_for_all_hosts_and_to_the_last_bit() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    let rounds = async |host: &crate::Host| {
        for _ in 0..100 {
            host.increment("k", 1, Ttl::Default).await.unwrap();
        }
    };
    tokio::join!(rounds(&one), rounds(&one), rounds(&other));
    assert_eq!(one.increment("k", -301, Ttl::Default).await, Ok(-1));
    assert_eq!(other.increment("k", 0, Ttl::Default).await, Ok(-1));
    eventually(async || one.text("k").await.as_deref() == Some("-1")).await;
    one.put_text("k", "9223372036854775806").await;
    assert_eq!(other.increment("k", 1, Ttl::Default).await, Ok(i64::MAX));
    assert!(matches!(other.increment("k", 1, Ttl::Default).await, Err(Error::Invalid(_))));
    assert_eq!(other.text("k").await, Some(i64::MAX.to_string()));
    // A counter keeps its end, also when adding is refused.
    one.increment("new", 5, after(1000)).await.unwrap();
    one.increment("new", 5, after(5000)).await.unwrap();
    assert!(one.increment("new", i64::MAX, Ttl::Default).await.is_err());
    let left = other.get_entry("new").await.unwrap().ttl_left.unwrap();
    assert!(left <= Duration::from_secs(1000) && left > Duration::from_secs(500), "{left:?}");
    assert_eq!(other.text("new").await.as_deref(), Some("10"));
    for text in ["", "x", "+1", " 1", "1.5", "123456789012345678901234567890"] {
        one.put_text("text", text).await;
        assert!(one.increment("text", 1, Ttl::Default).await.is_err(), "{text:?}");
        eventually(async || other.text("text").await.as_deref() == Some(text)).await;
    }
}

#[tokio::test]
async fn taking_and_deleting_are_for_one() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    for round in 0..50 {
        one.put_text("k", &round.to_string()).await;
        let (here, there) = tokio::join!(one.take("k"), other.take("k"));
        assert_eq!(u32::from(here.is_some()) + u32::from(there.is_some()), 1);
        assert_eq!(here.or(there).unwrap(), round.to_string());
    }
    one.put_text("k", "1").await;
    assert!(other.delete("k").await && !other.delete("k").await);
    eventually(async || one.text("k").await.is_none()).await;
    assert!(one.take("k").await.is_none());
}

#[tokio::test]
async fn many_are_asked_for_together() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    let pairs: Vec<_> = (0..60).map(|number| (format!("k{number}"), number.to_string())).collect();
    one.put_many(&pairs, Ttl::Default).await.unwrap();
    other.put_text("k0", "zero").await;
    let mut keys: Vec<_> = (0..62).map(|number| format!("k{number}")).collect();
    keys.push("k1".to_owned());
    let before = server.scripts().await;
    let values = other.get_many(&keys).await;
    assert_eq!(server.scripts().await - before, 1, "one question");
    assert_eq!(values[0].as_ref().unwrap(), "zero");
    assert!((1..60).all(|number| *values[number].as_ref().unwrap() == number.to_string()));
    assert_eq!((&values[60], &values[61], values[62].as_ref().unwrap() == "1"), (&None, &None, true));
    // The last of several values of one key is the one that stays.
    one.put_many(&[("k", "1"), ("k", "2"), ("k", "3")], Ttl::Default).await.unwrap();
    assert_eq!(other.text("k").await.as_deref(), Some("3"));
    let too_large = "x".repeat(1001);
    assert_eq!(one.put_many(&[("k", "4"), ("l", &too_large)], Ttl::Default).await, Err(Error::TooLarge(1000)));
    assert_eq!(one.text("k").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn clearing_is_for_all_hosts() {
    let Some(server) = Server::start(&[]) else { return };
    let (one, other) = (host(&server, FRESH).await, host(&server, FRESH).await);
    for key in ["a", "b"] {
        one.put_text(key, "1").await;
        assert!(other.text(key).await.is_some());
    }
    assert_eq!(one.clear().await, 2);
    assert_eq!(one.text("a").await, None);
    eventually(async || other.text("a").await.is_none()).await;
    assert_eq!((other.text("b").await, other.take("b").await), (None, None));
    other.put_text("a", "2").await;
    assert_eq!(one.text("a").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn limits_are_those_of_the_bucket() {
    let Some(server) = Server::start(&[]) else { return };
    let host = host(&server, FRESH).await;
    let (fits, too_long) = ("x".repeat(1000), "x".repeat(1001));
    host.put_text("k", &fits).await;
    assert_eq!(host.put("k", too_long.as_bytes(), PutOptions::default()).await, Err(Error::TooLarge(1000)));
    assert_eq!(host.text("k").await, Some(fits.clone()));
    let key = "k".repeat(1025);
    assert!(matches!(host.put(&key, b"", PutOptions::default()).await, Err(Error::Invalid(_))));
    assert!(matches!(host.increment(&key, 1, Ttl::Default).await, Err(Error::Invalid(_))));
    assert!(host.get(&key).await.is_none() && !host.touch(&key, Ttl::Never).await && !host.delete(&key).await);
    let Fetched::Miss(lease) = host.fetch("other", NOW).await.unwrap() else { panic!("it is not there") };
    assert_eq!(host.fill(lease, too_long.as_bytes(), Ttl::Default).await, Err(Error::TooLarge(1000)));
    assert_eq!(host.text("other").await, None);
    let Fetched::Miss(lease) = host.fetch("other", NOW).await.unwrap() else { panic!("it is not there") };
    host.fill(lease, fits.as_bytes(), Ttl::Default).await.unwrap();
    assert_eq!(host.text("other").await, Some(fits));
}
