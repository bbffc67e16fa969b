//! Answers that are written while they are sent.

use std::time::Duration;

use futures_util::StreamExt as _;
use skep_tests::host::eventually;
use skep_tests::{Host, events, guests};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn host(limits: &str) -> Host {
    Host::start(&format!(
        "[plugins.streams]\nsource = {:?}\nroutes = [\"/{{*path}}\"]\nlimits = {{ {limits} }}\n\
         [plugins.three]\nsource = {:?}\nroutes = [\"three.test/{{*path}}\"]\n",
        guests::hostile(),
        guests::wasip3()
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_come_as_they_are_written() {
    let host = host("").await;
    let stream = async |path| host.request("GET", path).send().await.unwrap().bytes_stream();
    // The next one would be written in ten minutes.
    let mut slow = stream("/stream?n=2&ms=600000&size=5").await;
    let first = tokio::time::timeout(Duration::from_secs(30), slow.next()).await;
    assert!(first.is_ok_and(|chunk| chunk.unwrap().unwrap().len() == 5), "the first chunk does not wait for the last");
    let mut quick = stream("/stream?n=3&ms=1&size=5").await;
    let mut all = 0;
    while let Some(chunk) = quick.next().await {
        all += chunk.unwrap().len();
    }
    assert_eq!(all, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_guest_dies_is_aborted_never_ended() {
    let host = host("stream_idle = \"300ms\"").await;
    for (path, code) in [("/stream-then-trap", "trap"), ("/stream-then-hang", "stream-idle")] {
        let reply = host.get(path).await;
        assert_eq!(reply.status, 200, "{path}: headers were out");
        assert!(reply.body.contains("broke off"), "{path}: the client must see a broken body: {reply:?}");
        let lines = events::of_request("call", reply.header("x-request-id")).await;
        assert_eq!((lines.len(), lines[0]["outcome"].as_str()), (1, code), "{path}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_keep_their_stream_alive_and_silence_ends_it() {
    let host = Host::start(&format!(
        "[plugins.events]\nsource = {:?}\nroutes = [\"GET /{{*path}}\"]\nlimits = {{ stream_idle = \"1s\" }}\n",
        guests::wasip2_stream()
    ))
    .await;
    // Thirty events take longer than the idle time, and none of them takes a tenth of it.
    let lively = host.get("/sse?n=30&ms=50").await;
    assert_eq!((lively.status, lively.header("content-type")), (200, "text/event-stream"));
    let expected: String = (1..=30).map(|at| format!("id: {at}\ndata: event {at} of 30\n\n")).collect();
    assert_eq!(lively.body, expected);

    let silent = host.request("GET", "/sse?n=2&ms=60000").send().await.unwrap();
    let id = silent.headers()["x-request-id"].to_str().unwrap().to_owned();
    let mut body = silent.bytes_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "id: 1\ndata: event 1 of 2\n\n");
    let end = tokio::time::timeout(Duration::from_secs(30), body.next()).await.expect("the stream goes on");
    assert!(end.is_some_and(|end| end.is_err()), "aborted, not ended as if complete");
    let lines = events::of_request("call", &id).await;
    assert_eq!((lines.len(), lines[0]["outcome"].as_str()), (1, "stream-idle"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end_is_cut_at_its_limit() {
    let host = host("response_body = \"1MiB\", fuel = 100_000_000_000").await;
    let reply = host.get("/body-forever").await;
    assert!(reply.body.contains("broke off"), "{} bytes came as if complete", reply.body.len());
    let lines = events::of_request("call", reply.header("x-request-id")).await;
    assert_eq!(lines[0]["outcome"], "response-too-large", "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_ends_the_guest() {
    let host = host("stream_idle = \"60s\"").await;
    let before = host.calls("streams", "client-gone");
    let running = || host.node.plugin("streams").unwrap().current().unwrap().running();
    // Of all hosts in this process, so others may count as well.
    let gone = || host.calls("streams", "client-gone") - before;
    for (path, ended) in [("/stream-then-hang", 1), ("/sleep?ms=20000", 2)] {
        let mut stream = TcpStream::connect(host.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        if path.starts_with("/stream") {
            let mut buffer = [0; 1024];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
        }
        eventually("the guest begins", async || running() == 1).await;
        drop(stream);
        eventually("the guest is gone", async || gone() >= ended && running() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_mid_body_ends_the_call() {
    let host = host("deadline = \"30s\"").await;
    let running = || host.node.plugin("streams").unwrap().current().unwrap().running();
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    stream.write_all(b"POST /slurp HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nonly this").await.unwrap();
    eventually("the guest begins", async || running() == 1).await;
    drop(stream);
    let gone = eventually("the guest waits no more for the rest of the body", async || running() == 0);
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it waits until its deadline");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways_in_both_versions() {
    let host = host("").await;
    for name in ["any", "three.test"] {
        let chunks = futures_util::stream::iter(0..20).then(|at| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, std::io::Error>(vec![b'a' + at as u8; 20_000])
        });
        let body = reqwest::Body::wrap_stream(chunks);
        let response = host.request("POST", "/echo").header("host", name).body(body).send().await.unwrap();
        let echoed = response.bytes().await.unwrap();
        assert_eq!(echoed.len(), 400_000, "{name}");
        assert!((0..20).all(|at| echoed[at * 20_000] == b'a' + at as u8), "{name}: out of order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_after_the_answer_does_not_hold_it_back() {
    let host = host("").await;
    let reply = tokio::time::timeout(Duration::from_secs(20), host.get("/post-return?how=sleep&ms=60000")).await;
    assert_eq!(reply.expect("the answer waits for the work after it").status, 200);
}
