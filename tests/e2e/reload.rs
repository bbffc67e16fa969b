//! Deploys, rollbacks and manifest reloads: no request fails, nothing leaks, nothing half-done stays.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use skep_node::Mode;
use skep_runtime::Revision;
use skep_tests::{Host, guests};

fn manifest(source: &Path, extra: &str) -> String {
    format!("[plugins.app]\nsource = {source:?}\nroutes = [\"/\", \"/{{*path}}\"]\n{extra}")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_deploys_under_load_fail_no_request_and_leak_no_revision() {
    const DEPLOYS: u32 = 200;
    let wasm = guests::hostile_fast();
    let host = Arc::new(Host::start(&manifest(&wasm, "")).await);
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (host, stop, served) = (Arc::clone(&host), Arc::clone(&stop), Arc::clone(&served));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let reply = host.get("/ok").await;
                    assert_eq!((reply.status, reply.body.trim()), (200, "ok"), "a request failed during a deploy");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let admin = host.admin();
    for number in 0..DEPLOYS {
        let broken = number % 10 == 9;
        let bytes =
            if broken { b"\0asm broken".to_vec() } else { guests::variant(&std::fs::read(&wasm).unwrap(), number) };
        let before = served.load(Ordering::Relaxed);
        let deployed = admin.deploy("app", bytes.into()).await;
        assert_eq!(deployed.is_err(), broken, "{deployed:?}");
        // Some traffic meets every revision.
        while served.load(Ordering::Relaxed) < before + 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(host.calls("app", "trap") + host.calls("app", "retired"), 0);
    let name = host.node.plugin("app").unwrap();
    let last = Arc::downgrade(&name.current().unwrap());
    assert_eq!(last.strong_count(), 1, "only the plugin holds its revision");
    // Other tests of this process have revisions of their own, so the count is compared and not absolute.
    assert!(Revision::live() < i64::from(DEPLOYS) / 2, "{} revisions are in memory", Revision::live());
    let kept = admin.revisions("app").await.unwrap();
    assert_eq!(kept.len(), 5, "the last five are kept");
    let files = std::fs::read_dir(host.path().join(".skep/plugins/app")).unwrap().count();
    assert_eq!(files, 6, "five components and the history");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_or_unfit_component_changes_nothing_and_says_why() {
    let host = Host::start(&manifest(&guests::wstd(), "")).await;
    let before = host.node.plugin("app").unwrap().current().unwrap().id().clone();
    let admin = host.admin();
    for (bytes, expected) in [
        (b"not wasm".to_vec(), "not WebAssembly"),
        (wat::parse_str("(module)").unwrap(), "core module"),
        (wat::parse_str("(component)").unwrap(), "exports no handler"),
        (std::fs::read(guests::wat("start-trap")).unwrap(), "does not start"),
        (std::fs::read(guests::wat("unknown-import")).unwrap(), "acme:thing/api"),
        (std::fs::read(guests::wstd()).unwrap()[..50_000].to_vec(), "damaged"),
    ] {
        let error = admin.deploy("app", bytes.into()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let missing = admin.deploy("nobody", vec![0].into()).await.unwrap_err().to_string();
    assert!(missing.contains("no plugin `nobody`") && missing.contains("app"), "{missing}");
    assert_eq!(*host.node.plugin("app").unwrap().current().unwrap().id(), before);
    assert_eq!(host.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deployed_survives_a_restart_until_the_manifest_changes() {
    let host = Host::start(&manifest(&guests::wstd(), "")).await;
    host.admin().deploy("app", std::fs::read(guests::waki()).unwrap().into()).await.unwrap();
    assert_eq!(host.get("/").await.body.trim(), "hello from waki");
    let restart = async |host: Host| {
        let Host { node, admin, dir, .. } = host;
        drop(admin);
        node.shutdown().await;
        Host::in_folder(dir, Mode::Production).await.unwrap()
    };
    let host = restart(host).await;
    assert_eq!(host.get("/").await.body.trim(), "hello from waki", "after a restart");
    let changed = manifest(&guests::wstd(), "env = { CHANGED = \"yes\" }\n");
    std::fs::write(host.path().join("skep.toml"), changed).unwrap();
    let host = restart(host).await;
    assert_eq!(host.get("/").await.body.trim(), "hello from wstd", "the manifest's entry changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_goes_back_and_says_when_it_cannot() {
    let host = Host::start(&manifest(&guests::wstd(), "")).await;
    let admin = host.admin();
    let nothing = admin.rollback("app", None).await.unwrap_err().to_string();
    assert!(nothing.contains("no earlier revision"), "{nothing}");
    let first = host.node.plugin("app").unwrap().current().unwrap().id().to_string();
    admin.deploy("app", std::fs::read(guests::waki()).unwrap().into()).await.unwrap();
    let back = admin.rollback("app", None).await.unwrap();
    assert_eq!(back.revision, first);
    assert_eq!(host.get("/").await.body.trim(), "hello from wstd");
    let unknown = admin.rollback("app", Some("ffffffff")).await.unwrap_err().to_string();
    assert!(unknown.contains("ffffffff"), "{unknown}");
    let forth = admin.rollback("app", None).await.unwrap();
    assert_ne!(forth.revision, first);
    assert_eq!(host.get("/").await.body.trim(), "hello from waki");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_reload_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "one\n").unwrap();
    let base =
        |extra: &str| manifest(&guests::hostile(), &format!("secrets = {{ KEY = {{ file = \"key\" }} }}\n{extra}"));
    std::fs::write(dir.path().join("skep.toml"), base("")).unwrap();
    let host = Host::in_folder(dir, Mode::Production).await.unwrap();
    let write = |text: &str| std::fs::write(host.path().join("skep.toml"), text).unwrap();
    let admin = host.admin();
    assert!(host.get("/env?name=KEY").await.body.contains("one"));

    let other = format!("[plugins.other]\nsource = {:?}\nroutes = [\"other.test/\"]\n", guests::wstd());
    for (bad, expected) in [
        (format!("{}\n[plugins.bad]\nsource = \"missing.wasm\"\n{other}", base("")), "missing.wasm"),
        (format!("{}\n[plugins.bad]\nsoruce = \"x\"\n", base("")), "did you mean `source`"),
        (format!("{}\n[plugins.clash]\nsource = {:?}\nroutes = [\"/\"]\n", base(""), guests::wstd()), "clash"),
    ] {
        write(&bad);
        let error = admin.reload().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(host.node.plugins().len(), 1, "nothing is half-loaded");
        assert_eq!(host.get("/ok").await.status, 200);
    }

    std::fs::write(host.path().join("key"), "two\n").unwrap();
    write(&format!("{}\n{other}", base("")));
    let reloaded = admin.reload().await.unwrap();
    assert_eq!((reloaded.added, reloaded.changed), (vec!["other".to_owned()], vec!["app".to_owned()]));
    assert!(host.get("/env?name=KEY").await.body.contains("two"), "secrets are read again");
    let other_answers = skep_tests::host::send(host.request("GET", "/").header("host", "other.test")).await;
    assert_eq!(other_answers.body.trim(), "hello from wstd");

    write(&other);
    let reloaded = admin.reload().await.unwrap();
    assert_eq!(reloaded.removed, ["app"]);
    assert_eq!(host.get("/ok").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_finish_on_their_revision() {
    let host = Arc::new(Host::start(&format!("[host]\ndrain = \"11s\"\n{}", manifest(&guests::hostile(), ""))).await);
    let slow = {
        let host = Arc::clone(&host);
        tokio::spawn(async move { host.get("/sleep?ms=700").await })
    };
    tokio::time::sleep(Duration::from_millis(150)).await;
    host.admin().deploy("app", std::fs::read(guests::wstd()).unwrap().into()).await.unwrap();
    assert_eq!(host.get("/").await.body.trim(), "hello from wstd", "new calls go to the new revision");
    assert_eq!(slow.await.unwrap().status, 200, "the old call finished");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_stream_is_closed_when_the_drain_is_over() {
    let limits = "limits = { deadline = \"1s\" }\n";
    // A name of its own: the metrics of this process tell plugins apart by it.
    let manifest = manifest(&guests::hostile(), limits).replace("plugins.app", "plugins.endless");
    let host = Host::start(&format!("[host]\ndrain = \"1s\"\n{manifest}")).await;
    let response = host.request("GET", "/stream-then-hang").send().await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    host.admin().deploy("endless", std::fs::read(guests::wstd()).unwrap().into()).await.unwrap();
    let body = tokio::time::timeout(Duration::from_secs(30), response.bytes()).await;
    assert!(body.expect("the stream goes on").is_err(), "aborted, not ended as if complete");
    let lines = skep_tests::events::of_request("call", &id).await;
    assert_eq!(lines[0]["outcome"], "retired", "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_calls_finish() {
    let host = Host::start(&manifest(&guests::hostile(), "")).await;
    let (client, url) = (host.client.clone(), host.url("/sleep?ms=500"));
    let call = tokio::spawn(async move { client.get(url).send().await.map(|response| response.status().as_u16()) });
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(host.node.shutdown().await, "drained");
    assert_eq!(call.await.unwrap().unwrap(), 200);
    assert!(host.client.get(host.url("/ok")).send().await.is_err(), "nobody listens any more");
}
