//! The admin listener asks for its token, and tells what there is.

use skep_tests::{Host, guests, host::TOKEN};

async fn host() -> Host {
    Host::start(&format!(
        "[plugins.hello]\nsource = {:?}\nroutes = [\"GET /\"]\nsecrets = {{ KEY = {{ file = {:?} }} }}\n",
        guests::wstd(),
        guests::root().join("LICENSE-MIT")
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_but_health_needs_the_token() {
    let host = host().await;
    let url = |path: &str| format!("http://{}{path}", host.admin.address());
    for (path, open) in [
        ("/health", true),
        ("/ready", true),
        ("/metrics", false),
        ("/api/status", false),
        ("/api/plugins/hello/revisions", false),
        ("/api/logs", false),
    ] {
        let bare = host.client.get(url(path)).send().await.unwrap().status().as_u16();
        assert_eq!(bare, if open { 200 } else { 401 }, "{path} without a token");
        for wrong in ["Bearer wrong", "Bearer ", "Basic a-token-for-tests", &format!("Bearer {TOKEN}x")] {
            let status = host.client.get(url(path)).header("authorization", wrong).send().await.unwrap().status();
            assert_eq!(status.as_u16(), if open { 200 } else { 401 }, "{path} with {wrong}");
        }
        let known = host.client.get(url(path)).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(known.status(), 200, "{path} with the token");
    }
    for path in ["/api/plugins/hello/deploy", "/api/plugins/hello/rollback", "/api/reload"] {
        let status = host.client.post(url(path)).body("x").send().await.unwrap().status();
        assert_eq!(status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_metrics_tell_what_happened_and_no_secret() {
    let host = host().await;
    for _ in 0..3 {
        assert_eq!(host.get("/").await.status, 200);
    }
    let status = host.admin().status().await.unwrap();
    assert_eq!(status.plugins.len(), 1);
    assert_eq!((status.plugins[0].state.as_str(), status.plugins[0].routes.join(",").as_str()), ("running", "GET /"));
    let metrics = host.client.get(format!("http://{}/metrics", host.admin.address())).bearer_auth(TOKEN);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    for name in ["skep_calls_total", "skep_call_seconds", "skep_call_fuel", "skep_call_memory_bytes"] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let all = format!("{status:?}{metrics}{:?}", host.node.plugin("hello").unwrap().settings().config);
    assert!(!all.contains("Permission is hereby granted"), "the secret's value is nowhere");
    assert!(!skep_tests::events::any_says("Permission is hereby granted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_file_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = host().await;
    let mode = std::fs::metadata(host.path().join(".skep/admin.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_listener_for_everybody_must_be_meant() {
    let open = "[host]\nadmin = \"0.0.0.0:9090\"\n[plugins.a]\nsource = \"a.wasm\"\n";
    let error = skep_manifest::Manifest::parse(open, std::path::Path::new("/")).unwrap_err().to_string();
    assert!(error.contains("admin_public"), "{error}");
}
