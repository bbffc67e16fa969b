//! Warmers fill caches before anybody asks, and again on an interval; one that fails is nobody else's trouble.

use std::time::Duration;

use skep_node::Mode;
use skep_tests::Host;

use crate::cache::{get, ok, probe, reload};

fn warmed(plugin: &str, warmers: &str) -> String {
    probe(plugin, &format!("caches = {{ main = {{}} }}\nwarmers = {{ {warmers} }}"))
}

async fn start(manifest: &str) -> anyhow::Result<Host> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("skep.toml"), manifest)?;
    Host::in_folder(dir, Mode::Production).await
}

async fn runs(host: &Host, plugin: &str) -> u64 {
    let counted = ok(host, plugin, "/get?k=runs").await;
    counted.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Waits for so many runs; the test's own time limit is the only one.
async fn until_runs(host: &Host, plugin: &str, wanted: u64) {
    while runs(host, plugin).await < wanted {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_warmer_has_run_before_the_first_request() {
    let host = start(&warmed("warm1", "fill = { required = true }")).await.unwrap();
    assert!(ok(&host, "warm1", "/get?k=warm").await.contains("yes"));
    assert!(ok(&host, "warm1", "/get?k=client").await.contains("None"), "no client waits for a warmer");
    assert_eq!(runs(&host, "warm1").await, 1, "without an interval it runs once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warmer_runs_on_its_interval_and_after_a_reload() {
    let host = start(&warmed("warm2", "fill = { every = '100ms' }")).await.unwrap();
    until_runs(&host, "warm2", 3).await;
    reload(&host, &warmed("warm2", "fill = {}")).await.unwrap();
    let after = runs(&host, "warm2").await;
    reload(&host, &warmed("warm2", "fill = { required = true }")).await.unwrap();
    until_runs(&host, "warm2", after + 1).await;
    reload(&host, &probe("warm2", "caches = { main = {} }")).await.unwrap();
    let stopped = runs(&host, "warm2").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(runs(&host, "warm2").await, stopped, "what the manifest no longer names runs no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_warmer_is_tried_again_and_then_fails_the_start() {
    let host = start(&warmed("warm3", "flaky = { required = true, every = '100ms' }")).await.unwrap();
    assert!(runs(&host, "warm3").await >= 3, "it said no twice");
    let error = start(&warmed("warm4", "refuse = { required = true, every = '100ms' }")).await.err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("`refuse` of plugin `warm4` failed 5 times: refuse says no"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warmer_that_dies_leaves_its_plugin_alone() {
    let host = start(&warmed("warm5", "trap = { every = '100ms' }")).await.unwrap();
    until_runs(&host, "warm5", 3).await;
    assert_eq!(get(&host, "warm5", "/ok").await, (200, "ok".to_owned()));
    assert!(host.calls("warm5", "trap") >= 2, "each death is counted as a call's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_the_export_is_refused_and_it_is_named() {
    let wasm = skep_tests::guests::hostile_fast();
    let manifest = format!("[plugins.warm6]\nsource = {wasm:?}\nroutes = [\"/\"]\nwarmers = {{ fill = {{}} }}\n");
    let error = format!("{:#}", start(&manifest).await.err().unwrap());
    assert!(error.contains("exports no `skep:plugin/cache-warmer@0.1.0`"), "{error}");
}
