//! A revision that is clearly worse than its predecessor is rolled back by the host; no other ever is.

use std::path::Path;
use std::time::Duration;

use skep_node::Mode;
use skep_tests::host::eventually;
use skep_tests::{Host, events, guests, host};

/// The good component has no route `/exit` and says so with a 404; the bad one dies there. Both answer `/ok`.
fn manifest(plugin: &str, source: &Path, extra: &str) -> String {
    format!(
        "[host]\nhttp = {{ trusted_proxies = ['127.0.0.0/8'] }}\n\
         [plugins.{plugin}]\nsource = {source:?}\nroutes = ['/{{*path}}']\n{extra}\n"
    )
}

fn good() -> Vec<u8> {
    std::fs::read(guests::hostile_fast()).unwrap()
}

fn bad() -> Vec<u8> {
    std::fs::read(guests::hostile()).unwrap()
}

/// Calls from five clients, of which so many in ten die in the bad revision.
async fn traffic(host: &Host, calls: usize, deadly_of_ten: usize) {
    for at in 0..calls {
        // Seven and ten share no divisor: each client gets its share of the deadly ones.
        let path = if (at * 7) % 10 < deadly_of_ten { "/exit" } else { "/ok" };
        host.get_as(at % 5, path).await;
    }
}

fn revision(host: &Host, plugin: &str) -> String {
    host.node.plugin(plugin).unwrap().current().unwrap().id().to_string()
}

/// Waits until a revision serves.
async fn serves(host: &Host, plugin: &str, wanted: &str) {
    eventually(&format!("{wanted} serves"), async || revision(host, plugin) == wanted).await;
}

/// The note of `skep ps`, which is written just after the swap.
async fn note(host: &Host, plugin: &str, start: &str) -> String {
    let mut note = String::new();
    eventually(&format!("a note that starts with {start}"), async || {
        let status = host.admin().status().await.unwrap();
        note = status.plugins.into_iter().find(|known| known.name == plugin).unwrap().note.unwrap_or_default();
        note.starts_with(start)
    })
    .await;
    note
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_deploy_is_rolled_back_and_said_so_and_stays_away_after_a_restart() {
    let text = manifest("prb1", &guests::hostile_fast(), "");
    let host = Host::start(&text).await;
    let first = revision(&host, "prb1");
    let before = host.node.plugin("prb1").unwrap().current().unwrap();
    traffic(&host, 60, 6).await;
    let deployed = host.admin().deploy("prb1", bad().into()).await.unwrap();
    assert_eq!(revision(&host, "prb1"), deployed.revision);
    traffic(&host, 60, 6).await;
    serves(&host, "prb1", &first).await;
    let now = host.node.plugin("prb1").unwrap().current().unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &now), "the predecessor itself: nothing was compiled");
    drop((before, now));
    let note = note(&host, "prb1", &format!("rolled back from {}: ", deployed.revision)).await;
    assert!(note.ends_with(" % of its calls failed, 0 % before"), "{note}");
    let line = format!("host/prb1 rolled back from {} to {first}", deployed.revision);
    assert!(events::says_soon(&line).await);
    assert_eq!(events::levels_of(&line), ["ERROR"], "one line");
    assert!(host::metrics()().contains("skep_rollbacks_total{plugin=\"prb1\"} 1"));
    let kept = host.admin().revisions("prb1").await.unwrap();
    assert_eq!(
        (kept[0].revision.as_str(), kept[0].origin.as_str(), kept[0].current),
        (first.as_str(), "rollback", true)
    );
    // Its breakers start closed, and what comes back is not on probation.
    traffic(&host, 60, 6).await;
    assert_eq!(host.get_as(1, "/exit").await.status, 404);

    host.node.shutdown().await;
    let Host { dir, .. } = host;
    let again = Host::in_folder(dir, Mode::Production).await.unwrap();
    assert_eq!(revision(&again, "prb1"), first);
    assert_eq!(again.get("/exit").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_revision_under_the_same_traffic_passes() {
    let (host, clock) = Host::with_clock(&manifest("prb2", &guests::hostile_fast(), "")).await;
    traffic(&host, 60, 6).await;
    let deployed = host.admin().deploy("prb2", guests::variant(&good(), 1).into()).await.unwrap();
    traffic(&host, 200, 6).await;
    clock.advance(Duration::from_secs(59));
    traffic(&host, 20, 6).await;
    let passed = format!("host/prb2 revision {} passed its probation", deployed.revision);
    assert!(!events::any_says(&passed));
    clock.advance(Duration::from_secs(1));
    assert!(events::says_soon(&passed).await);
    assert_eq!(revision(&host, "prb2"), deployed.revision);
    assert_eq!(host.admin().status().await.unwrap().plugins[0].note, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_as_bad_as_its_predecessor_stays() {
    let off = "breaker = { enabled = false }";
    let host = Host::start(&manifest("prb3", &guests::hostile(), off)).await;
    traffic(&host, 60, 6).await;
    let deployed = host.admin().deploy("prb3", guests::variant(&bad(), 1).into()).await.unwrap();
    traffic(&host, 100, 6).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(revision(&host, "prb3"), deployed.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_alone_rolls_nothing_back_and_streams_that_break_off_count() {
    let host = Host::start(&manifest("prb4", &guests::hostile_fast(), "")).await;
    let first = revision(&host, "prb4");
    traffic(&host, 60, 0).await;
    let deployed = host.admin().deploy("prb4", bad().into()).await.unwrap();
    for _ in 0..100 {
        host.get_as(1, "/exit").await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(revision(&host, "prb4"), deployed.revision);
    // The headers are out with 200, and then the guest dies.
    for _ in 0..3 {
        host.get_as(2, "/stream-then-trap").await;
    }
    serves(&host, "prb4", &first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probation_ends_with_its_time_and_with_the_next_deploy() {
    let (host, clock) =
        Host::with_clock(&manifest("prb5", &guests::hostile_fast(), "probation = { time = '30s' }")).await;
    traffic(&host, 60, 0).await;
    let deployed = host.admin().deploy("prb5", bad().into()).await.unwrap();
    clock.advance(Duration::from_secs(30));
    assert!(events::says_soon(&format!("revision {} passed its probation", deployed.revision)).await);
    traffic(&host, 60, 6).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(revision(&host, "prb5"), deployed.revision, "too late");

    // On probation, and replaced: calls of the next one are the next one's.
    host.admin().deploy("prb5", guests::variant(&good(), 2).into()).await.unwrap();
    let last = host.admin().deploy("prb5", guests::variant(&good(), 3).into()).await.unwrap();
    traffic(&host, 60, 6).await;
    clock.advance(Duration::from_secs(30));
    assert!(events::says_soon(&format!("revision {} passed its probation", last.revision)).await);
    assert_eq!(revision(&host, "prb5"), last.revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn probation_can_be_turned_off_and_asks_for_so_many_calls() {
    for (plugin, probation) in [("prb6", "enabled = false"), ("prb7", "calls = 1000")] {
        let extra = format!("probation = {{ {probation} }}");
        let host = Host::start(&manifest(plugin, &guests::hostile_fast(), &extra)).await;
        traffic(&host, 60, 0).await;
        let deployed = host.admin().deploy(plugin, bad().into()).await.unwrap();
        traffic(&host, 100, 6).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(revision(&host, plugin), deployed.revision, "{probation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_command_is_not_on_probation() {
    let host = Host::start(&manifest("prb8", &guests::hostile(), "")).await;
    host.admin().deploy("prb8", good().into()).await.unwrap();
    traffic(&host, 60, 6).await;
    let back = host.admin().rollback("prb8", None).await.unwrap();
    traffic(&host, 60, 6).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(revision(&host, "prb8"), back.revision, "an operator asked for this very revision");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_source_stays_away_until_there_is_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("app.wasm");
    std::fs::write(&source, good()).unwrap();
    std::fs::write(dir.path().join("skep.toml"), manifest("prb9", &source, "")).unwrap();
    let host = Host::in_folder(dir, Mode::Development).await.unwrap();
    let first = revision(&host, "prb9");
    traffic(&host, 60, 6).await;
    std::fs::write(&source, bad()).unwrap();
    host.admin().reload().await.unwrap();
    assert_ne!(revision(&host, "prb9"), first);
    traffic(&host, 60, 6).await;
    serves(&host, "prb9", &first).await;
    note(&host, "prb9", "rolled back").await;
    host.admin().reload().await.unwrap();
    assert_eq!(revision(&host, "prb9"), first, "the same file is not tried again");

    host.node.shutdown().await;
    let Host { dir, .. } = host;
    let host = Host::in_folder(dir, Mode::Development).await.unwrap();
    assert_eq!(revision(&host, "prb9"), first, "nor by a restart");
    std::fs::write(&source, guests::variant(&good(), 4)).unwrap();
    host.node.shutdown().await;
    let Host { dir, .. } = host;
    let host = Host::in_folder(dir, Mode::Development).await.unwrap();
    assert_ne!(revision(&host, "prb9"), first, "another file is");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_rolled_back_with_their_routes() {
    let text = manifest("prb10", &guests::hostile_fast(), "");
    let host = Host::start(&text).await;
    let first = revision(&host, "prb10");
    traffic(&host, 60, 0).await;
    let worse = text.replace("'/{*path}'", "'/{*path}', 'other.test/{*path}'") + "limits = { fuel = 200_000 }\n";
    std::fs::write(host.path().join("skep.toml"), &worse).unwrap();
    host.admin().reload().await.unwrap();
    let other = || host::send(host.request("GET", "/nowhere").header("host", "other.test"));
    assert_ne!(revision(&host, "prb10"), first);
    assert_eq!(other().await.status, 404);
    for at in 0..40 {
        host.get_as(at, "/spin-fuel?n=1000000").await;
    }
    serves(&host, "prb10", &first).await;
    note(&host, "prb10", "rolled back").await;
    assert_eq!(host.get_as(1, "/spin-fuel?n=1000000").await.status, 200, "the fuel is back");
    let routes = &host.admin().status().await.unwrap().plugins[0].routes;
    assert_eq!(routes, &["/{*path}"]);
    // The manifest is the operator's: the next reload brings its settings again, on a probation of their own.
    host.admin().reload().await.unwrap();
    assert_ne!(revision(&host, "prb10"), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_on_the_predecessor_outlive_a_rollback() {
    let text = manifest("prb11", &guests::hostile(), "").replace("[host]\n", "[host]\ndrain = '1s'\n");
    let host = Host::start(&text.replace("routes", "limits = { deadline = '1s' }\nroutes")).await;
    let first = revision(&host, "prb11");
    traffic(&host, 60, 0).await;
    let stream = host.request("GET", "/stream?n=8&ms=250").send().await.unwrap();
    // Another build of the component, and `/exit` in its traffic.
    host.admin().deploy("prb11", guests::variant(&bad(), 5).into()).await.unwrap();
    traffic(&host, 60, 6).await;
    serves(&host, "prb11", &first).await;
    let body = stream.bytes().await;
    assert!(body.is_ok(), "the drain ended with the rollback: {body:?}");
    let later = host.get("/stream?n=3&ms=10").await;
    assert_eq!((later.status, later.body.len()), (200, 48), "{later:?}");
}
