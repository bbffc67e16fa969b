//! Components that were not written for skep run unchanged.

use std::sync::Arc;

use skep_tests::{Host, guests};

/// The requests that run at once.
const CONCURRENCY: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn components_of_other_toolchains_run_unchanged_at_concurrency_200() {
    let plugins = [
        ("wstd", guests::wstd()),
        ("waki", guests::waki()),
        ("spin", guests::spin()),
        ("wasip2", guests::wasip2_stream()),
        ("wasip3", guests::wasip3()),
    ];
    let manifest: String = plugins
        .iter()
        .map(|(name, wasm)| {
            format!(
                "[plugins.{name}]\nsource = {:?}\nroutes = [\"{name}.test/\", \"{name}.test/{{*path}}\"]\n",
                wasm.display().to_string()
            )
        })
        .collect();
    let host = Arc::new(Host::start(&manifest).await);
    for (name, _) in &plugins {
        let calls: Vec<_> = (0..CONCURRENCY)
            .map(|at| {
                let (host, name) = (Arc::clone(&host), *name);
                tokio::spawn(async move {
                    let named = |request: reqwest::RequestBuilder| request.header("host", format!("{name}.test"));
                    let hello = skep_tests::host::send(named(host.request("GET", "/"))).await;
                    let sent = format!("{name} {at} ").repeat(100);
                    let echo = skep_tests::host::send(named(host.request("POST", "/echo")).body(sent.clone())).await;
                    (hello, sent == echo.body)
                })
            })
            .collect();
        for call in calls {
            let (hello, echoed) = call.await.unwrap();
            assert_eq!((hello.status, hello.body.trim()), (200, format!("hello from {name}").as_str()));
            assert!(echoed, "{name} did not echo what it was sent");
        }
        // A call ends, and is counted, a moment after the client has the last byte of its answer.
        let counted = async {
            while host.calls(name, "ok") < 2 * CONCURRENCY as u64 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(30), counted).await;
        assert_eq!(host.calls(name, "ok"), 2 * CONCURRENCY as u64, "{name}");
    }
}
