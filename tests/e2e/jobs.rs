//! Jobs, end to end.

use skep_tests::{Host, eventually, guests};

use crate::cache::ok;

/// A plugin that enqueues and does jobs, with more of its entry.
pub(crate) fn probe(name: &str, more: &str) -> String {
    let wasm = guests::jobs_probe();
    format!("[plugins.{name}]\nsource = {wasm:?}\nroutes = ['{name}.test/{{*path}}']\n{more}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_done_and_its_output_can_be_awaited() {
    let host = Host::start(&probe("job1", "")).await;
    let line = ok(&host, "job1", "/enqueue?name=echo&args=honey").await;
    let id = line.strip_suffix(" new").unwrap_or_else(|| panic!("{line}")).to_owned();
    let status = ok(&host, "job1", &format!("/await?id={id}")).await;
    assert!(status.starts_with("completed 1/20"), "{status}");
    eventually("it is counted", async || host.counter("skep_job_attempts_total", &[("plugin", "job1")]) == 1).await;
}
