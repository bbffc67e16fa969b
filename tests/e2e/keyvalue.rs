//! `wasi:keyvalue`, both drafts, over the buckets of the manifest.

use skep_tests::{Host, guests};

async fn host(plugin: &str) -> Host {
    let wasm = guests::keyvalue();
    Host::start(&format!(
        "[plugins.{plugin}]\nsource = {wasm:?}\nroutes = [\"/{{*path}}\"]\n\
         caches = {{ default = {{}}, small = {{ kind = \"table\", entries = 2 }} }}\n\
         grants = {{ caches = {{ \"{plugin}-owner/shown\" = \"read\" }} }}\n\
         [plugins.{plugin}-owner]\nsource = {wasm:?}\nroutes = [\"owner.test/{{*path}}\"]\ncaches = {{ shown = {{}} }}\n"
    ))
    .await
}

async fn ask(host: &Host, path: &str) -> String {
    host.get(path).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn both_drafts_see_one_store() {
    let host = host("kv1").await;
    for (one, other) in [("draft", "draft2"), ("draft2", "draft")] {
        ask(&host, &format!("/{one}/set?k=a&v=by-{one}")).await;
        assert_eq!(ask(&host, &format!("/{other}/get?k=a")).await, format!("by-{one}"));
        assert_eq!(ask(&host, &format!("/{other}/exists?k=a")).await, "true");
        ask(&host, &format!("/{other}/delete?k=a")).await;
        assert_eq!(ask(&host, &format!("/{one}/get?k=a")).await, "none");
        assert_eq!(ask(&host, &format!("/{one}/many")).await, "m0,none,m2");
    }
    assert_eq!(ask(&host, "/draft/increment?k=n&by=40").await, "40");
    assert_eq!(ask(&host, "/draft2/increment?k=n&by=2").await, "42");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_in_pages_and_each_once() {
    let host = host("kv2").await;
    ask(&host, "/draft/fill?n=2500").await;
    for draft in ["draft", "draft2"] {
        assert_eq!(ask(&host, &format!("/{draft}/keys")).await, "2500 key-00000", "{draft}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_was_overtaken_is_refused_and_may_be_tried_again() {
    let host = host("kv3").await;
    assert_eq!(ask(&host, "/draft2/swap").await, "false Some(\"somebody else\") true");
    assert_eq!(ask(&host, "/draft2/get?k=swap").await, "mine at last");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_or_full_is_an_error_of_the_store() {
    let host = host("kv4").await;
    for draft in ["draft", "draft2"] {
        let refusal = async |path: &str| ask(&host, &format!("/{draft}/{path}")).await;
        assert!(refusal("get?b=none").await.contains("NoSuchStore"));
        assert!(refusal("get?b=kv9/other").await.contains("AccessDenied"));
        assert_eq!(refusal("get?b=kv4-owner/shown").await, "none");
        assert!(refusal("set?b=kv4-owner/shown").await.contains("AccessDenied"));
    }
    for key in ["a", "b"] {
        assert_eq!(ask(&host, &format!("/draft/set?b=small&k={key}")).await, "");
    }
    assert!(ask(&host, "/draft/set?b=small&k=c").await.contains("full"));
}
