//! Rate limits of routes: over them nothing runs, and clients are told when to come back.

use skep_tests::host::{TOKEN, send};
use skep_tests::{Host, Reply, guests};

async fn ask(host: &Host, method: &str, path: &str, key: Option<&str>) -> Reply {
    let request = host.request(method, path);
    send(match key {
        Some(key) => request.header("x-key", key),
        None => request,
    })
    .await
}

fn manifest(plugin: &str, env: &str, limit: &str) -> String {
    format!(
        "[plugins.{plugin}]\nsource = {:?}\nenv = {{ E = '{env}' }}\ncors = {{ origins = ['https://a.example'], methods = ['POST'] }}\n\
         routes = ['GET /ok', 'GET /echo', {{ route = 'POST /status', rate_limit = {limit} }}]\n\
         rate_limit = {{ requests = 3, per = '1h', by = 'header:X-Key' }}\n",
        guests::hostile_fast()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_limit_no_instance_runs_and_the_client_is_told_when_to_come_back() {
    let login = "{ requests = 2, per = '1h' }";
    let host = Host::start(&manifest("rate", "1", login)).await;
    for _ in 0..2 {
        assert_eq!(ask(&host, "POST", "/status", None).await.status, 200);
    }
    let calls = host.calls("rate", "ok");
    let refused = ask(&host, "POST", "/status", None).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate-limited"), "{}", refused.body);
    let after: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=1800).contains(&after), "{after}");
    assert_eq!(host.calls("rate", "ok"), calls, "the plugin was not called");
    let url = format!("http://{}/metrics", host.admin.address());
    let metrics = host.client.get(url).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("skep_rate_limited_total{plugin=\"rate\"} 1"), "{metrics}");

    // The route's own limit is all that counted there; the others share the plugin's, by header.
    for path in ["/ok", "/echo", "/ok"] {
        assert_eq!(ask(&host, "GET", path, Some("alice")).await.status, 200, "{path}");
    }
    assert_eq!(ask(&host, "GET", "/echo", Some("alice")).await.status, 429);
    assert_eq!(ask(&host, "GET", "/echo", Some("bob")).await.status, 200);
    assert_eq!(ask(&host, "GET", "/echo", None).await.status, 200, "without the header the address counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_the_refusal_and_preflights_are_not_counted() {
    let host = Host::start(&manifest("rate-cors", "1", "{ requests = 1, per = '1h' }")).await;
    for _ in 0..5 {
        let preflight = host.request("OPTIONS", "/status").header("origin", "https://a.example");
        assert_eq!(send(preflight.header("access-control-request-method", "POST")).await.status, 200);
    }
    let post = async || send(host.request("POST", "/status").header("origin", "https://a.example")).await;
    assert_eq!(post().await.status, 200);
    let refused = post().await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (429, "https://a.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_counts_on_over_a_reload_that_leaves_it_as_it_is() {
    let (one, two) = ("{ requests = 1, per = '1h' }", "{ requests = 2, per = '1h' }");
    let host = Host::start(&manifest("rate-on", "1", one)).await;
    assert_eq!(ask(&host, "POST", "/status", None).await.status, 200);
    let reload = async |text: String| {
        std::fs::write(host.path().join("skep.toml"), text).unwrap();
        host.admin().reload().await.unwrap();
    };
    reload(manifest("rate-on", "2", one)).await;
    assert_eq!(ask(&host, "POST", "/status", None).await.status, 429, "unchanged settings");
    reload(manifest("rate-on", "2", two)).await;
    assert_eq!(ask(&host, "POST", "/status", None).await.status, 200, "another limit starts afresh");
}
