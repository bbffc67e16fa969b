//! In development, what is saved is built and served, and what does not build changes nothing.

use std::sync::Arc;
use std::time::Duration;

use skep_node::Mode;
use skep_tests::host::eventually;
use skep_tests::{Host, guests};

/// Waits until the plugin answers so, which is when its files were noticed, built, tried out and swapped.
async fn answers(host: &Host, expected: &str) {
    eventually(&format!("it answers {expected:?}"), async || host.get("/").await.body.trim() == expected).await;
}

/// Waits until the plugin's note says so.
async fn notes(host: &Host, expected: &str) {
    let note = || host.node.plugin("app").unwrap().note().unwrap_or_default();
    eventually(&format!("the note says {expected:?}"), async || note().contains(expected)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_built_and_served() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src");
    std::fs::create_dir(&source).unwrap();
    std::fs::copy(guests::wstd(), source.join("next.bin")).unwrap();
    // A build that fails where a compiler would: the source says so.
    let manifest = "[plugins.app]\nsource = \"out/app.wasm\"\nroutes = [\"/\"]\nwatch = [\"src/**\"]\n\
                    build = \"test ! -e src/broken || { echo no such thing >&2; exit 1; }; mkdir -p out && cp src/next.bin out/app.wasm\"\n";
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    let host = Host::in_folder(dir, Mode::Development).await.unwrap();
    let watching = tokio::spawn(skep_node::watch::run(Arc::clone(&host.node)));
    answers(&host, "hello from wstd").await;
    // The watch has to be in place before the first save; it says nothing when it is.
    tokio::time::sleep(Duration::from_millis(500)).await;

    std::fs::copy(guests::waki(), source.join("next.bin")).unwrap();
    answers(&host, "hello from waki").await;

    std::fs::write(source.join("broken"), "x").unwrap();
    notes(&host, "no such thing").await;
    answers(&host, "hello from waki").await;

    std::fs::remove_file(source.join("broken")).unwrap();
    std::fs::copy(guests::wasip2_stream(), source.join("next.bin")).unwrap();
    answers(&host, "hello from wasip2").await;
    assert_eq!(host.node.plugin("app").unwrap().note(), None, "a good build clears the note");

    let routed =
        std::fs::read_to_string(host.path().join("skep.toml")).unwrap().replace("[\"/\"]", "[\"/\", \"/more\"]");
    std::fs::write(host.path().join("skep.toml"), routed).unwrap();
    let is_routed = async || host.get("/more").await.status != 404 || host.get("/more").await.code() != "no-route";
    eventually("the manifest is read again", is_routed).await;
    watching.abort();
}
