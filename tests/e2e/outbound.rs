//! What guests may reach: granted origins, no private addresses, neighbours by grant.

use skep_tests::host::eventually;
use skep_tests::{Host, Reply, guests};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// An upstream that answers `pong`, on a port of its own.
async fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\npong").await;
            });
        }
    });
    port
}

/// An upstream that takes requests and never answers; says when its client hangs up.
async fn silent() -> (u16, tokio::sync::oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (hung_up, heard) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        // The others are kept as well, and the port stays open: a test may come back to it.
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                kept.push(stream);
            }
        });
        let mut buffer = [0; 4096];
        while first.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
        let _ = hung_up.send(());
    });
    (port, heard)
}

async fn host(grants: &str, limits: &str) -> Host {
    let hostile = guests::hostile();
    Host::start(&format!(
        r#"
        [plugins.caller]
        source = {hostile:?}
        routes = ["/{{*path}}"]
        limits = {{ {limits} }}
        grants = {{ {grants} }}

        [plugins.granted]
        source = {hostile:?}
        [plugins.private]
        source = {hostile:?}
        "#,
    ))
    .await
}

async fn fetch(host: &Host, url: &str) -> Reply {
    host.get(&format!("/fetch?url={url}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied() {
    let port = upstream().await;
    let host = host("", "").await;
    let reply = fetch(&host, &format!("http://127.0.0.1:{port}/")).await;
    assert!(!reply.body.contains("pong"), "{reply:?}");
    assert!(reply.body.to_lowercase().contains("denied"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_origin_on_a_private_address_needs_that_grant_too() {
    let port = upstream().await;
    for url in [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/")] {
        let origins = format!("http = [\"http://127.0.0.1:{port}\", \"http://localhost:{port}\"]");
        let public_only = host(&origins, "").await;
        let refused = fetch(&public_only, &url).await;
        assert!(!refused.body.contains("pong"), "{url}: {refused:?}");
        assert!(refused.body.to_lowercase().contains("prohibited"), "{url}: {refused:?}");
        let private_too = host(&format!("{origins}, http_private = [\"127.0.0.0/8\", \"::1/128\"]"), "").await;
        let allowed = fetch(&private_too, &url).await;
        assert!(allowed.body.contains("pong"), "{url}: {allowed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_never_answers_is_504_on_time_and_sees_the_disconnect() {
    let (port, hung_up) = silent().await;
    let grants = format!("http = [\"http://127.0.0.1:{port}\"], http_private = [\"127.0.0.0/8\"]");
    let host = host(&grants, "deadline = \"400ms\"").await;
    #[expect(clippy::disallowed_methods, reason = "the promise is about real time")]
    let started = std::time::Instant::now();
    let reply = fetch(&host, &format!("http://127.0.0.1:{port}/")).await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline"), "{reply:?}");
    assert!(started.elapsed() >= std::time::Duration::from_millis(400), "not before its time");
    tokio::time::timeout(std::time::Duration::from_secs(5), hung_up).await.expect("the upstream sees it").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_timeout_of_its_own_leaves_the_guest_time_to_answer() {
    let (port, _) = silent().await;
    let grants = format!("http = [\"http://127.0.0.1:{port}\"], http_private = [\"127.0.0.0/8\"]");
    let host = host(&grants, "deadline = \"20s\", outbound_timeout = \"200ms\"").await;
    let reply = fetch(&host, &format!("http://127.0.0.1:{port}/")).await;
    assert_ne!(reply.status, 504, "the guest answers: {reply:?}");
    assert!(reply.body.to_lowercase().contains("timeout"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_reach_each_other_by_grant_and_without_the_network() {
    let host = host("plugins = [\"granted\"]", "").await;
    let answered = fetch(&host, "http://granted.skep.internal/ok").await;
    assert!(answered.body.contains("ok"), "{answered:?}");
    let refused = fetch(&host, "http://private.skep.internal/ok").await;
    assert!(refused.body.to_lowercase().contains("denied"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_that_call_in_a_circle_are_stopped_at_the_eighth_hop() {
    let plugin = |name: &str| {
        format!(
            "[plugins.{name}]\nsource = {:?}\nroutes = [\"{name}.skep.internal/{{*path}}\"]\n\
             grants = {{ plugins = [\"{name}\"] }}\n",
            guests::hostile()
        )
    };
    let host = Host::start(&[plugin("chain"), plugin("circle")].concat()).await;
    let get = async |name: &str, path: &str| {
        let request = host.request("GET", path).header("host", format!("{name}.skep.internal"));
        skep_tests::host::send(request).await
    };
    let chain = |hops| (0..hops).fold("/ok".to_owned(), |to, _| format!("/fetch?url=http://chain.skep.internal{to}"));
    let longest = get("chain", &chain(8)).await;
    assert_eq!((longest.status, longest.body.as_str()), (200, "ok"));
    let longer = get("chain", &chain(9)).await;
    assert_eq!((longer.status, longer.body.as_str()), (502, "LoopDetected"));

    let endless = get("circle", "/fetch-itself").await;
    assert_eq!((endless.status, endless.body.as_str()), (502, "LoopDetected"));
    // The call from outside and its eight hops; an answer can be here a moment before its call is counted.
    eventually("all are counted", async || host.calls("circle", "ok") == 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_requests_of_one_call_are_counted() {
    let (port, _) = silent().await;
    let grants = format!("http = [\"http://127.0.0.1:{port}\"], http_private = [\"127.0.0.0/8\"]");
    for limit in [2, 4] {
        let limits = format!("outbound_concurrency = {limit}, outbound_timeout = \"300ms\"");
        let host = host(&grants, &limits).await;
        let reply = host.get(&format!("/fetch-many?url=http://127.0.0.1:{port}/&n=6")).await;
        let refused = reply.body.lines().find_map(|line| line.strip_prefix("ConnectionLimitReached "));
        let refused: usize = refused.unwrap_or("0").parse().unwrap();
        assert_eq!(refused, 6 - limit, "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_sockets_and_ungranted_files_are_denied() {
    let port = upstream().await;
    let host = host("", "").await;
    let connect = host.get(&format!("/connect?addr=127.0.0.1:{port}")).await;
    assert!(connect.body.to_lowercase().contains("denied"), "{connect:?}");
    let file = host.get("/files?path=/etc/passwd").await;
    assert!(!file.body.contains("root:"), "{file:?}");
    let env = host.get("/env?name=PATH").await;
    assert!(!env.body.contains("bin"), "an empty environment: {env:?}");
}
