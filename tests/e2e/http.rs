//! HTTP manners of the front.

use skep_tests::{Host, guests};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn host(host: &str, plugin: &str) -> Host {
    Host::start(&format!(
        "[host]\n{host}\n[plugins.front]\nsource = {:?}\nroutes = [\"/{{*path}}\", \"GET /only-get\", \"GET /item/{{id}}/{{*rest}}\"]\n{plugin}",
        guests::hostile_fast()
    ))
    .await
}

/// Sends bytes on a connection of their own and reads until the host closes it or says no more.
async fn raw(host: &Host, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(3), stream.read_to_end(&mut answer)).await;
    let _ = read;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_the_guest_as_they_were_sent() {
    let host = host("", "").await;
    let reply = host.get("/request?a=1&b=%20").await;
    for part in ["Method::Get", "http://", "/request?a=1&b=%20", "client: 127.0.0.1"] {
        assert!(reply.body.contains(part), "{part}: {}", reply.body);
    }
    let captures = host.get("/item/a%2Fb/captures").await;
    assert_eq!(captures.body, "id=a/b\nrest=captures\n", "decoded, in the route's order");
    assert_eq!(host.post("/echo", "some bytes").await.body, "some bytes");
    assert_eq!(reply.header("x-request-id").len(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_headers_and_no_body() {
    let host = host("", "").await;
    let answer = raw(&host, b"HEAD /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_lowercase().contains("content-length:"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "no body: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_told_apart() {
    let host = Host::start(&format!(
        "[plugins.front]\nsource = {:?}\nroutes = [\"GET /ok\", \"PUT /ok\"]\n",
        guests::hostile_fast()
    ))
    .await;
    assert_eq!(host.get("/nowhere").await.code(), "no-route");
    let wrong = host.post("/ok", "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET, HEAD, PUT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_continue_is_answered_and_not_before_a_refusal() {
    let host = host("", "limits = { request_body = \"1KiB\" }").await;
    let small =
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\nhi";
    let answer = raw(&host, small).await;
    assert!(answer.starts_with("HTTP/1.1 100") && answer.contains("200 OK") && answer.ends_with("hi"), "{answer}");
    let large = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\nexpect: 100-continue\r\n\r\n";
    let answer = raw(&host, large).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_bounded_in_time_and_size() {
    let host = host(
        "http = { header_timeout = \"200ms\", keep_alive = \"400ms\", max_headers = 16, max_header_bytes = \"8KiB\" }",
        "",
    )
    .await;
    let slow = raw(&host, b"GET /ok HTTP/1.1\r\nhost: x\r\n").await;
    assert_eq!(slow, "", "a head that does not come is given up");
    let idle = raw(&host, b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200"), "an idle connection is closed after its answer: {idle}");
    let fields: String = (0..30).map(|at| format!("x-{at}: 1\r\n")).collect();
    let many = raw(&host, format!("GET /ok HTTP/1.1\r\nhost: x\r\n{fields}\r\n").as_bytes()).await;
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let big =
        raw(&host, format!("GET /ok HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(20_000)).as_bytes()).await;
    assert!(big.starts_with("HTTP/1.1 431"), "{big}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_requests() {
    let host = host("", "").await;
    let answer = raw(
        &host,
        b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\nGET /ok HTTP/1.1\r\nhost: x\r\n\r\nGET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_400_and_disturb_nobody() {
    let host = host("", "").await;
    for garbage in
        ["\x16\x03\x01\x02\x00", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /ok HTTP/1.1\r\nbad header\r\n\r\n"]
    {
        let answer = raw(&host, garbage.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{garbage:?}: {answer}");
    }
    assert_eq!(host.get("/ok").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_by_prior_knowledge_and_tls_by_alpn() {
    let plain = host("", "").await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let response = client.get(plain.url("/ok")).send().await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 200));

    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let manifest = format!(
        "[host]\ntls = {{ cert = \"cert.pem\", key = \"key.pem\" }}\n[plugins.front]\nsource = {:?}\nroutes = [\"/{{*path}}\"]\n",
        guests::hostile_fast()
    );
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    let host = Host::in_folder(dir, skep_node::Mode::Production).await.unwrap();
    let reply = std::process::Command::new("curl")
        .args([
            "-sk",
            "--http2",
            "-w",
            " %{http_version}",
            &format!("https://localhost:{}/request", host.address.port()),
        ])
        .output();
    let reply = tokio::task::spawn_blocking(move || reply).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&reply.stdout);
    assert!(text.contains("https") && text.ends_with(" 2"), "the guest knows that it was https: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trusted_proxies_speak_for_clients() {
    let told = |host: &Host| {
        host.request("GET", "/request")
            .header("x-forwarded-for", "203.0.113.7")
            .header("x-forwarded-proto", "https")
            .header("x-request-id", "from-the-proxy")
    };
    let strict = host("", "").await;
    let reply = skep_tests::host::send(told(&strict)).await;
    assert!(!reply.body.contains("203.0.113.7") && reply.header("x-request-id") != "from-the-proxy", "{reply:?}");
    let trusting = host("http = { trusted_proxies = [\"127.0.0.0/8\"] }", "").await;
    let reply = skep_tests::host::send(told(&trusting)).await;
    assert!(reply.body.contains("203.0.113.7") && reply.body.contains("https"), "{reply:?}");
    assert_eq!(reply.header("x-request-id"), "from-the-proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_and_cors_are_by_manifest() {
    let plain = host("", "").await;
    let wanted = |host: &Host| host.request("GET", "/big?bytes=20000").header("accept-encoding", "gzip");
    assert_eq!(skep_tests::host::send(wanted(&plain)).await.header("content-encoding"), "");
    let layered =
        host("", "compression = true\ncors = { origins = [\"https://a.example\"], methods = [\"PUT\"] }\n").await;
    let reply = skep_tests::host::send(wanted(&layered).header("origin", "https://a.example")).await;
    assert_eq!(reply.header("content-encoding"), "gzip");
    assert_eq!(reply.header("access-control-allow-origin"), "https://a.example");
    let preflight = |origin: &str| {
        layered
            .request("OPTIONS", "/ok")
            .header("origin", origin.to_owned())
            .header("access-control-request-method", "PUT")
    };
    let allowed = skep_tests::host::send(preflight("https://a.example")).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-methods")), (200, "PUT"));
    let refused = skep_tests::host::send(preflight("https://evil.example")).await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    let failed = skep_tests::host::send(layered.request("GET", "/trap").header("origin", "https://a.example")).await;
    assert_eq!((failed.status, failed.header("access-control-allow-origin")), (500, "https://a.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn authors_see_the_guests_stack_in_a_browser() {
    let manifest = format!("[plugins.front]\nsource = {:?}\nroutes = [\"/{{*path}}\"]\n", guests::hostile_fast());
    let host = Host::try_start(&manifest, skep_node::Mode::Development).await.unwrap();
    let page = skep_tests::host::send(host.request("GET", "/recurse").header("accept", "text/html")).await;
    assert_eq!((page.status, page.header("content-type")), (500, "text/html; charset=utf-8"));
    assert!(page.body.contains("stack-overflow") && page.body.contains("hostile_common::die::deeper"), "{}", page.body);
}
