//! A handler that fails for many clients is left alone for a while; everything else goes on.

use std::time::Duration;

use skep_tests::{Host, Reply, events, guests, host};

/// Two routes of one plugin and a neighbour; the proxy in front speaks for many clients.
fn manifest(plugin: &str, breaker: &str) -> String {
    format!(
        "[host]\nhttp = {{ trusted_proxies = ['127.0.0.0/8'] }}\n\
         [plugins.{plugin}]\nsource = {:?}\nroutes = ['GET /bad/{{what}}', 'GET /good/{{what}}']\nbreaker = {{ {breaker} }}\n\
         [plugins.{plugin}-neighbour]\nsource = {:?}\nroutes = ['GET /']\n",
        guests::hostile_fast(),
        guests::wstd()
    )
}

async fn ask(host: &Host, clients: usize, times: usize, path: &str) -> Vec<Reply> {
    let mut replies = Vec::new();
    for at in 0..times {
        replies.push(host.get_as(at % clients, path).await);
    }
    replies
}

fn are(replies: &[Reply], status: u16, code: &str) {
    for (at, reply) in replies.iter().enumerate() {
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "call {at}: {reply:?}");
    }
}

fn metric(line: &str) -> Option<String> {
    let text = host::metrics()();
    let found = text.lines().find(|known| known.starts_with(line));
    found.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_fails_for_many_clients_is_left_alone_until_a_probe_succeeds() {
    let (host, clock) = Host::with_clock(&manifest("brk1", "")).await;
    are(&ask(&host, 5, 20, "/bad/trap").await, 500, "trap");
    let rejected = host.get_as(9, "/bad/ok").await;
    assert_eq!((rejected.status, rejected.code().as_str()), (503, "breaker-open"), "{rejected:?}");
    assert_eq!(rejected.header("retry-after"), "5");
    assert_eq!(host.calls("brk1", "trap"), 20, "a rejected call costs no instance");
    // The other route of the same component, and the neighbour.
    are(&ask(&host, 5, 20, "/good/ok").await, 200, "");
    are(&ask(&host, 1, 5, "/").await, 200, "");
    let open = "skep_breaker_open{plugin=\"brk1\",handler=\"http/GET /bad/{what}\"}";
    assert_eq!(metric(open).as_deref(), Some("1"));

    clock.advance(Duration::from_secs(5));
    are(&[host.get_as(9, "/bad/trap").await], 500, "trap");
    let rejected = host.get_as(9, "/bad/ok").await;
    assert_eq!((rejected.status, rejected.header("retry-after")), (503, "10"), "a probe that fails doubles the wait");
    clock.advance(Duration::from_secs(10));
    are(&ask(&host, 5, 10, "/bad/ok").await, 200, "");
    assert_eq!(metric(open).as_deref(), Some("0"));
    for (to, times) in [("open", "2"), ("half-open", "2"), ("closed", "1")] {
        let line =
            format!("skep_breaker_changes_total{{plugin=\"brk1\",handler=\"http/GET /bad/{{what}}\",to=\"{to}\"}}");
        assert_eq!(metric(&line).as_deref(), Some(times), "{line}");
    }
    for said in ["breaker opened for 5.0s", "breaker tries one call", "breaker closed"] {
        assert!(events::says_soon(&format!("host/brk1/http/GET /bad/{{what}} {said}")).await, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_with_poisonous_requests_switches_nothing_off() {
    let host = Host::start(&manifest("brk2", "")).await;
    are(&ask(&host, 1, 200, "/bad/trap").await, 500, "trap");
    are(&[host.get_as(7, "/bad/ok").await], 200, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn breakers_can_be_turned_off() {
    let host = Host::start(&manifest("brk3", "enabled = false")).await;
    are(&ask(&host, 5, 100, "/bad/trap").await, 500, "trap");
    are(&[host.get_as(7, "/bad/ok").await], 200, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_guest_wrote_and_what_clients_do_wrong_are_no_failures() {
    let mut text = manifest("brk4", "");
    text = text.replace("'GET /good", "'POST /bad/{what}', 'GET /good");
    let text = text.replace("breaker =", "limits = { request_body = '1KiB' }\nbreaker =");
    let host = Host::start(&text).await;
    for at in 0..40 {
        assert_eq!(host.get_as(at, "/bad/status?code=500").await.status, 500);
        let large = host.request("POST", "/bad/echo").header("x-forwarded-for", format!("203.0.113.{at}"));
        assert_eq!(host::send(large.body(vec![b'x'; 2048])).await.status, 413);
    }
    are(&[host.get_as(7, "/bad/ok").await], 200, "");
    assert_eq!(host::send(host.request("POST", "/bad/ok").body("x")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_settings_and_other_revisions_close_it_at_once() {
    let (host, _clock) = Host::with_clock(&manifest("brk5", "")).await;
    let open = async || {
        ask(&host, 5, 20, "/bad/trap").await;
        assert_eq!(host.get_as(1, "/bad/ok").await.status, 503);
    };
    open().await;
    let revision = host.node.plugin("brk5").unwrap().current().unwrap();
    std::fs::write(host.path().join("skep.toml"), manifest("brk5", "cool_down = '7s'")).unwrap();
    let reloaded = host.admin().reload().await.unwrap();
    assert_eq!(reloaded.changed, ["brk5"]);
    assert!(
        std::sync::Arc::ptr_eq(&revision, &host.node.plugin("brk5").unwrap().current().unwrap()),
        "no new revision"
    );
    assert_eq!(host.get_as(1, "/bad/ok").await.status, 200, "a breaker with other settings starts closed");
    open().await;
    let rejected = host.get_as(1, "/bad/ok").await;
    assert_eq!(rejected.header("retry-after"), "7");

    // The same component again is no deploy, and another one is.
    let wasm = std::fs::read(guests::hostile_fast()).unwrap();
    host.admin().deploy("brk5", wasm.clone().into()).await.unwrap();
    assert_eq!(host.get_as(1, "/bad/ok").await.status, 503);
    host.admin().deploy("brk5", guests::variant(&wasm, 1).into()).await.unwrap();
    assert_eq!(host.get_as(1, "/bad/ok").await.status, 200, "a deploy is an operator's act");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_route_has_a_breaker_for_its_question() {
    let (host, _clock) = Host::with_clock(&format!(
        "[host]\nhttp = {{ trusted_proxies = ['127.0.0.0/8'] }}\n[plugins.brk6]\nsource = {:?}\n\
         routes = [{{ route = 'GET /events', sse = {{ topic = 'news', open = 'handler' }} }}]\n",
        guests::pubsub_probe()
    ))
    .await;
    are(&ask(&host, 5, 20, "/events?deny=1").await, 403, "forbidden");
    are(&ask(&host, 5, 20, "/events?die=1").await, 500, "trap");
    are(&[host.get_as(9, "/events").await], 503, "breaker-open");
}
