//! What bounds a socket is the manifest's to say.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skep_tests::Host;
use skep_tests::phoenix::Phoenix;

use crate::channels::{mounted, open};

/// Sends all at once, and waits for all replies; how long that took.
#[allow(clippy::disallowed_methods, reason = "a rate is kept in real time")]
async fn all_answered(client: &mut Phoenix, messages: &[(Value, &str, &str)]) -> Duration {
    let started = Instant::now();
    let mut references = Vec::new();
    for (join_ref, topic, event) in messages {
        references.push(client.send(join_ref, topic, event, &json!({})).await);
    }
    for reference in references {
        assert_eq!(client.reply(&reference).await.0, "ok");
    }
    started.elapsed()
}

/// Nothing is lost by a rate: the host reads on when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn rates_slow_a_client_down() {
    let joins = "joins_per_second = 1, joins_burst = 2";
    let host = Host::start(&mounted("cb1", joins)).await;
    let mut client = open(&host, "cb1", "").await;
    let topics = ["probe:a", "probe:b", "probe:c", "probe:d"];
    let joins: Vec<_> = topics.iter().map(|topic| (json!(topic), *topic, "phx_join")).collect();
    let took = all_answered(&mut client, &joins).await;
    assert!(took > Duration::from_millis(1500), "two at once, and one a second: {took:?}");

    let messages = "messages_per_second = 1, messages_burst = 2";
    let host = Host::start(&mounted("cb2", messages)).await;
    let mut client = open(&host, "cb2", "").await;
    let (join_ref, ..) = client.join("probe:a", &json!({})).await;
    let echoes: Vec<_> = (0..4).map(|_| (join_ref.clone(), "probe:a", "echo")).collect();
    let took = all_answered(&mut client, &echoes).await;
    assert!(took > Duration::from_millis(1500), "two at once, and one a second: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_closed() {
    let host = Host::start(&mounted("cb3", "idle_timeout = '1s'")).await;
    let mut client = open(&host, "cb3", "").await;
    client.join("probe:a", &json!({})).await;
    assert_eq!(client.closed().await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_closed_or_loses_broadcasts_and_others_go_on() {
    let manifest = |plugin, overflow| mounted(plugin, &format!("queue_bytes = '256KiB', overflow = '{overflow}'"));
    let host = Host::start(&format!("{}{}", manifest("cb4", "close"), manifest("cb5", "drop-broadcasts"))).await;
    for plugin in ["cb4", "cb5"] {
        let mut stuck = open(&host, plugin, "").await;
        stuck.join("probe:a", &json!({})).await;
        let mut loud = open(&host, plugin, "").await;
        let (join_ref, ..) = loud.join("probe:a", &json!({})).await;
        let mut steady = open(&host, plugin, "").await;
        steady.join("probe:a", &json!({})).await;
        // More than the system keeps for a connection, on both sides.
        let body = "x".repeat(60 << 10);
        for number in 0..250 {
            let said = json!(["n", {"number": number, "body": body}]);
            assert_eq!(loud.ask(&join_ref, "probe:a", "broadcast_from", &said).await.0, "ok");
            assert_eq!(steady.event("probe:a", "n").await["number"], number);
        }
        if plugin == "cb4" {
            assert_eq!(stuck.closed().await, 1013);
            continue;
        }
        let mut numbers = Vec::new();
        while numbers.last() != Some(&249) {
            numbers.push(stuck.event("probe:a", "n").await["number"].as_u64().unwrap());
        }
        assert!(numbers.len() < 250 && numbers.is_sorted(), "some are lost, and none changes its place: {numbers:?}");
    }
}
