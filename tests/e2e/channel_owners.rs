//! The same channels on one socket are one plugin's: who else brings them is refused, and changes nothing.

use serde_json::json;
use skep_node::Mode;
use skep_tests::{Host, guests};

use crate::cache::reload;
use crate::channels::{open, probe};

const FUEL: &str = "limits = { fuel = 200_000_000 }";

/// A plugin with a socket, on which its own channels are.
fn owner(plugin: &str) -> String {
    probe(plugin, &format!("{FUEL}\nsockets = {{ '{plugin}.test/socket' = {{}} }}"))
}

/// A plugin whose channels `probe:*` are on that socket.
fn guest(plugin: &str, at: &str) -> String {
    let at = format!("{at}@{at}.test/socket");
    probe(plugin, &format!("{FUEL}\nchannels.'probe:*' = {{ sockets = ['{at}'] }}\ngrants.sockets = ['{at}']"))
}

/// What the error says: who they are, what both have, and where.
fn says(error: &str, first: &str, second: &str, at: &str) {
    for part in [first, second, "probe:*", &format!("{at}@{at}.test/socket")] {
        assert!(error.contains(&format!("`{part}`")), "`{part}`: {error}");
    }
}

/// The entry of one names the channels, and the component of the other has them: no manifest shows that.
#[tokio::test(flavor = "multi_thread")]
async fn two_plugins_with_the_same_channels_on_a_socket_do_not_start() {
    let manifest = format!("{}{}", owner("own1"), guest("own2", "own1"));
    let refused = Host::try_start(&manifest, Mode::Production).await.err().unwrap();
    says(&format!("{refused:#}"), "own1", "own2", "own1");

    // Under development the others serve, and operators see why one does not.
    let host = Host::try_start(&manifest, Mode::Development).await.unwrap();
    says(&host.node.plugin("own2").unwrap().note().unwrap(), "own1", "own2", "own1");
    let mut client = open(&host, "own1", "").await;
    let before = host.calls("own1", "ok");
    assert_eq!(client.join("probe:a", &json!({})).await.1, "ok");
    assert_eq!(host.calls("own1", "ok"), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_brings_the_same_channels_is_refused_and_changes_nothing() {
    let host = Host::start(&format!("{}{}", owner("own3"), probe("own4", FUEL))).await;
    let mut client = open(&host, "own3", "").await;
    let (join_ref, status, _) = client.join("probe:a", &json!({})).await;
    assert_eq!(status, "ok");
    let clash = format!("{}{}", owner("own3"), guest("own4", "own3"));
    let error = reload(&host, &clash).await.unwrap_err().to_string();
    says(&error, "own3", "own4", "own3");
    assert_eq!(client.ask(&join_ref, "probe:a", "echo", &json!(1)).await.1, json!(1), "it has not noticed");
    // The channels change hands where both say so at once.
    let moved = "sockets = { 'own3.test/socket' = {}, 'own3.test/else' = {} }\n\
                 channels.'probe:*' = { sockets = ['@own3.test/else'] }";
    let moved = format!("{}{}", probe("own3", &format!("{FUEL}\n{moved}")), guest("own4", "own3"));
    reload(&host, &moved).await.unwrap();
    client.event("probe:a", "phx_error").await;
    let before = host.calls("own4", "ok");
    assert_eq!(client.join("probe:a", &json!({})).await.1, "ok");
    assert_eq!(host.calls("own4", "ok"), before + 1, "it is the other one's now");
}

/// A socket without channels of its own: its plugin's component has none.
fn own5() -> String {
    let wasm = guests::hostile_fast();
    format!(
        "[plugins.own5]\nsource = {wasm:?}\nroutes = ['own5.test/{{*path}}']\n\
         sockets = {{ 'own5.test/socket' = {{ connect = 'anyone' }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_brings_the_same_channels_is_refused_and_changes_nothing() {
    let host = Host::start(&format!("{}{}", own5(), guest("own6", "own5"))).await;
    let mut client = open(&host, "own5", "").await;
    let (join_ref, status, why) = client.join("probe:a", &json!({})).await;
    assert_eq!(status, "ok", "{why}");
    let serving = host.node.plugin("own5").unwrap().current().unwrap().id().clone();
    let wasm = std::fs::read(guests::channel_probe()).unwrap();
    let error = host.admin().deploy("own5", wasm.into()).await.unwrap_err().to_string();
    says(&error, "own5", "own6", "own5");
    assert_eq!(*host.node.plugin("own5").unwrap().current().unwrap().id(), serving);
    assert_eq!(host.admin().revisions("own5").await.unwrap().len(), 1, "nothing of it is kept");
    let before = host.calls("own6", "ok");
    assert_eq!(client.ask(&join_ref, "probe:a", "echo", &json!(1)).await.1, json!(1));
    assert_eq!(host.calls("own6", "ok"), before + 1);
    // Patterns that overlap are no clash: `probe:bare` is the more exact one.
    assert_eq!(client.join("probe:b", &json!({})).await.1, "ok");
}
