//! What a manifest gives to a plugin: arguments, configuration, secrets, and a log.

use skep_tests::{Host, events, guests};

/// A host with the plugin `given` and a file that holds a secret.
async fn host(source: std::path::PathBuf, more: &str) -> Host {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "from a file\n").unwrap();
    let manifest = format!("[plugins.given]\nsource = {source:?}\nroutes = [\"/{{*path}}\"]\n{more}\n");
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    Host::in_folder(dir, skep_node::Mode::Production).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_arrive_in_their_order() {
    let none = host(guests::hostile(), "").await;
    assert_eq!(none.get("/args").await.body, "");
    let some = host(guests::hostile(), "args = [\"--greet\", \"two words\", \"\"]").await;
    assert_eq!(some.get("/args").await.body, "--greet\ntwo words\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_is_read_by_wasi_config_and_secrets_with_it() {
    let more = "config = { GREETING = \"hello\", empty = \"\" }\nenv = { ONLY_ENV = \"x\" }\n\
                secrets = { KEY = { file = \"secret\" } }";
    let host = host(guests::drafts(), more).await;
    for (key, status, value) in [
        ("GREETING", 200, "hello"),
        ("empty", 200, ""),
        ("KEY", 200, "from a file"),
        ("greeting", 404, "no such key"),
        ("ONLY_ENV", 404, "no such key"),
        ("PATH", 404, "no such key"),
    ] {
        let reply = host.get(&format!("/config?key={key}")).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, value), "{key}");
    }
    let all = host.get("/config-all").await.body;
    let mut all: Vec<_> = all.lines().collect();
    all.sort_unstable();
    assert_eq!(all, ["GREETING=hello", "KEY=from a file", "empty="]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_the_environment_too_and_configuration_is_not() {
    let more = "config = { GREETING = \"hello\" }\nsecrets = { KEY = { file = \"secret\" } }";
    let host = host(guests::hostile(), more).await;
    assert_eq!(host.get("/env").await.body, "KEY=from a file\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_logging_becomes_an_event_of_its_level() {
    let host = host(guests::drafts(), "").await;
    for name in ["plain", "draft"] {
        for (level, expected) in
            [("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"), ("error", "ERROR"), ("critical", "ERROR")]
        {
            let reply = host.get(&format!("/log?name={name}&level={level}&context=db&message=slow+query")).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            let lines = events::of_request("guest", reply.header("x-request-id")).await;
            assert_eq!(lines.len(), 1, "{name} {level}: {lines:?}");
            let told = ["level", "message", "context", "plugin", "stream"].map(|field| lines[0][field].as_str());
            assert_eq!(told, [expected, "slow query", "db", "given", "log"], "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_logging_counts_toward_the_limit_on_logs() {
    let host = host(guests::drafts(), "limits = { log = \"1KiB\" }").await;
    let reply = host.get(&format!("/log?message={}", "x".repeat(5000))).await;
    let lines = events::of_request("guest", reply.header("x-request-id")).await;
    assert_eq!(lines.iter().map(|line| line["message"].len()).sum::<usize>(), 1024);
    let said = events::of_request("skep_runtime::report", reply.header("x-request-id")).await;
    assert_eq!((said.len(), said[0]["limit"].as_str()), (1, "log"), "{said:?}");
}
