//! The access log: a line for each request if the manifest says so, and what stands in it.

use skep_tests::{Host, Reply, events, guests};

async fn host(access_log: &str) -> Host {
    Host::start(&format!(
        "[host]\n{access_log}\n[plugins.logged]\nsource = {:?}\nroutes = [\"GET /{{*path}}\"]\n",
        guests::hostile_fast()
    ))
    .await
}

/// The lines of a request. They are written before its answer is sent, so they are there or never come.
fn lines(reply: &Reply) -> Vec<events::Fields> {
    events::so_far("access", reply.header("x-request-id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_tells_who_asked_for_what_and_how_it_ended() {
    let host = host("access_log = true").await;
    for (path, logged, status) in [
        ("/ok?token=private", "/ok", "200"),
        ("/some/where/trap", "/some/where/trap", "500"),
        ("/status?code=204", "/status", "204"),
    ] {
        let reply = host.get(path).await;
        let lines = lines(&reply);
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
        let line = &lines[0];
        let told = ["method", "path", "status", "plugin", "client"].map(|field| line[field].as_str());
        assert_eq!(told, ["GET", logged, status, "logged", "127.0.0.1"], "{path}");
        assert!(line["micros"].parse::<u64>().unwrap() > 0, "{line:?}");
        assert!(!format!("{line:?}").contains("private"), "the query is where tokens are: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_no_plugin_answers_have_a_line_without_one() {
    let host = host("access_log = true").await;
    let reply = host.post("/ok", "").await;
    let lines = lines(&reply);
    assert_eq!((reply.status, lines.len()), (405, 1), "{lines:?}");
    assert_eq!((lines[0]["method"].as_str(), lines[0]["status"].as_str()), ("POST", "405"));
    assert!(!lines[0].contains_key("plugin"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_there_are_no_lines() {
    for off in ["", "access_log = false"] {
        let host = host(off).await;
        let reply = host.get("/ok").await;
        assert_eq!((reply.status, lines(&reply).len()), (200, 0), "{off:?}");
    }
}
