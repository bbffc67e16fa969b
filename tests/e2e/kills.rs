//! Every way for a guest to misbehave: the right status, one log line with the facts, and neighbours that notice nothing.

use skep_tests::{Host, Reply, events, guests};

/// Two hostile plugins, a start-up trap and a neighbour that must never notice.
/// The metrics of a process tell plugins apart by name, so each test has its own.
async fn host(test: &str) -> Host {
    let (wasi, fast) = (guests::hostile(), guests::hostile_fast());
    let neighbour = guests::wstd();
    Host::start(&format!(
        r#"
        [plugins.{test}-wasi]
        source = "{wasi}"
        routes = ["wasi.test/{{*path}}"]
        limits = {{ fuel = 50_000_000, deadline = "2s", memory = "16MiB", log = "4KiB", handles = 500 }}

        [plugins.{test}-fast]
        source = "{fast}"
        routes = ["fast.test/{{*path}}"]
        limits = {{ fuel = 50_000_000, deadline = "2s", memory = "16MiB", log = "4KiB" }}

        [plugins.{test}-neighbour]
        source = "{neighbour}"
        routes = ["/"]
        "#,
        wasi = wasi.display(),
        fast = fast.display(),
        neighbour = neighbour.display(),
    ))
    .await
}

async fn get(host: &Host, plugin: &str, path: &str) -> Reply {
    skep_tests::host::send(host.request("GET", path).header("host", format!("{plugin}.test"))).await
}

/// The promises of a kill: status and code for the client, one line for the operator, a working neighbour.
async fn killed(host: &Host, test: &str, kind: &str, path: &str, status: u16, code: &str) {
    let plugin = format!("{test}-{kind}");
    let counted = host.calls(&plugin, code);
    let reply = get(host, kind, path).await;
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{plugin}{path}: {}", reply.body);
    assert!(!reply.body.contains("hostile"), "no detail of the guest for clients: {}", reply.body);
    let lines = events::of_request("call", reply.header("x-request-id")).await;
    assert_eq!(lines.len(), 1, "one line for {plugin}{path}: {lines:?}");
    let line = &lines[0];
    assert_eq!(line["plugin"], plugin, "{line:?}");
    assert_eq!(line["outcome"], code, "{line:?}");
    assert!(line.contains_key("function"), "names the guest function: {line:?}");
    assert!(line.contains_key("fuel") && line.contains_key("memory") && line.contains_key("micros"), "{line:?}");
    assert_eq!(host.calls(&plugin, code), counted + 1, "counted once");
    let neighbour = host.get("/").await;
    assert_eq!((neighbour.status, neighbour.body.trim()), (200, "hello from wstd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_wasi_http_die_alone() {
    let host = host("k0").await;
    for (path, status, code) in [
        ("/spin", 500, "fuel-exhausted"),
        ("/sleep?ms=60000", 504, "deadline"),
        ("/never-returns-from-host", 504, "deadline"),
        ("/bomb", 500, "memory-exhausted"),
        ("/recurse", 500, "stack-overflow"),
        ("/trap", 500, "trap"),
        ("/panic", 500, "trap"),
        ("/exit", 500, "trap"),
        ("/no-answer", 502, "no-answer"),
        ("/answer-twice", 500, "trap"),
        ("/handles", 500, "host-memory-exhausted"),
    ] {
        killed(&host, "k0", "wasi", path, status, code).await;
    }
    assert_eq!(get(&host, "wasi", "/ok").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_the_fast_path_die_alone() {
    let host = host("k1").await;
    for (path, status, code) in [
        ("/spin", 500, "fuel-exhausted"),
        ("/bomb", 500, "memory-exhausted"),
        ("/recurse", 500, "stack-overflow"),
        ("/trap", 500, "trap"),
        ("/status?code=101", 502, "bad-answer"),
        ("/status?code=65535", 502, "bad-answer"),
        ("/bad-header", 502, "bad-answer"),
    ] {
        killed(&host, "k1", "fast", path, status, code).await;
    }
    assert_eq!(get(&host, "fast", "/ok").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooded_log_is_cut_and_said_so() {
    let host = host("k2").await;
    for plugin in ["wasi", "fast"] {
        let reply = get(&host, plugin, "/log-flood?bytes=20000").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let lines = events::of_request("guest", reply.header("x-request-id")).await;
        let printed: usize = lines.iter().map(|line| line["message"].len()).sum();
        assert!((1..=4096).contains(&printed), "{plugin} printed {printed} bytes");
        let said = events::of_request("skep_runtime::report", reply.header("x-request-id")).await;
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0]["limit"], "log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_is_refused_with_its_reason() {
    for (component, expected) in [
        ("start-trap", "does not start: trap"),
        ("start-spin", "does not start: fuel-exhausted"),
        ("huge-initial", "memory"),
        ("unknown-import", "acme:thing/api"),
        ("no-handler", "exports no handler"),
    ] {
        let wasm = guests::wat(component);
        let manifest = format!(
            "[plugins.bad]\nsource = {:?}\nroutes = [\"/\"]\nlimits = {{ fuel = 10_000_000 }}\n",
            wasm.display().to_string()
        );
        let error = match Host::try_start(&manifest, skep_node::Mode::Production).await {
            Ok(_) => panic!("{component} was accepted"),
            Err(error) => format!("{error:#}"),
        };
        assert!(error.contains(expected), "{component}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memories_and_tables_count_together() {
    let manifest = |memory: &str| {
        format!(
            "[plugins.two]\nsource = {:?}\nroutes = [\"/\"]\nlimits = {{ memory = \"{memory}\" }}\n",
            guests::wat("two-memories").display().to_string()
        )
    };
    let host = Host::start(&manifest("192MiB")).await;
    let roomy = host.get("/").await;
    let host = Host::start(&manifest("128MiB")).await;
    let tight = host.get("/").await;
    assert_eq!(roomy.body.trim(), "first=+ second=+ table=+");
    assert_eq!(tight.body.trim(), "first=+ second=- table=+", "each fits by itself, both together do not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_hostile_calls_at_once_leave_the_neighbour_alone() {
    let host = std::sync::Arc::new(host("k5").await);
    let paths = ["/spin", "/bomb", "/recurse", "/trap", "/panic", "/no-answer", "/exit"];
    let hostile: Vec<_> = (0..1000)
        .map(|at| {
            let host = std::sync::Arc::clone(&host);
            tokio::spawn(async move { get(&host, "wasi", paths[at % paths.len()]).await.status })
        })
        .collect();
    for _ in 0..100 {
        assert_eq!(host.get("/").await.status, 200);
    }
    for call in hostile {
        let status = call.await.unwrap();
        assert!([500, 502, 503, 504].contains(&status), "{status}");
    }
}

/// On one thread: what a guest does not give back, nobody else has.
#[tokio::test]
async fn a_guest_that_does_nothing_but_call_the_host_gives_its_turns_back_and_meets_its_deadline() {
    let host = Host::start(&format!(
        r#"
        [plugins.caller]
        source = "{caller}"
        routes = ["/get", "/put", "/fill"]
        limits = {{ fuel = 1_000_000_000_000_000, deadline = "2s" }}
        caches = {{ hot = {{}} }}

        [plugins.caller-neighbour]
        source = "{neighbour}"
        routes = ["/"]
        "#,
        caller = guests::cache_bench().display(),
        neighbour = guests::wstd().display(),
    ))
    .await;
    assert_eq!(host.get("/fill?b=hot&keys=10&n=1").await.status, 200);
    for operation in ["get", "put"] {
        let path = format!("/{operation}?b=hot&keys=10&n=1000000000");
        let calls = tokio::spawn(skep_tests::host::send(host.request("GET", &path)));
        let mut answers = 0;
        while !calls.is_finished() {
            assert_eq!(host.get("/").await.status, 200);
            answers += 1;
        }
        let reply = calls.await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (504, "deadline"), "{operation}: {}", reply.body);
        assert!(answers >= 20, "the neighbour answered {answers} times beside {operation}");
    }
}

/// Fuel is looked at where functions and loops begin, so there it is looked at in the calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_calls_the_host_in_a_straight_line_is_stopped_in_a_call() {
    // 32 KiB from address 4096 on, all of it zeros.
    const CALL: &str = "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 32768))";
    let source =
        guests::wat_with("straight-line", |text| text.replace("(; calls ;)", &format!("{CALL}\n").repeat(20_000)));
    for (limits, status, code) in [
        (r#"fuel = 1_000_000_000_000, deadline = "30ms""#, 504, "deadline"),
        (r#"fuel = 1_000_000, deadline = "20s""#, 500, "fuel-exhausted"),
    ] {
        let manifest = format!("[plugins.line]\nsource = {source:?}\nroutes = [\"/\"]\nlimits = {{ {limits} }}\n");
        let host = Host::start(&manifest).await;
        let reply = host.get("/").await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{limits}: {}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_keys_costs_what_it_looks_at() {
    let source = guests::cache_bench();
    let host = Host::start(&format!(
        r#"
        [plugins.searched]
        source = {source:?}
        routes = ["/fill"]
        caches = {{ hot = {{}} }}

        [plugins.searching]
        source = {source:?}
        routes = ["/search"]
        grants.caches = {{ 'searched/hot' = 'read' }}
        limits = {{ fuel = 1_000_000 }}
        "#
    ))
    .await;
    assert_eq!(host.get("/fill?b=hot&keys=2000&n=1").await.status, 200);
    assert_eq!(host.get("/search?b=searched/hot&keys=1&n=10").await.status, 200);
    let many = host.get("/search?b=searched/hot&keys=1&n=100").await;
    assert_eq!((many.status, many.code().as_str()), (500, "fuel-exhausted"), "{}", many.body);
}
