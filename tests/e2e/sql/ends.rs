//! Every way for a call to end while it holds a transaction or a cursor: nothing of it stays, and nobody waits for it.

use super::*;

/// Whoever writes next gets its turn at once, and sees nothing of what was not committed.
async fn nothing_is_left(host: &Host, plugin: &str, written: &mut u64) {
    said(host, plugin, "/execute", &format!("insert into bees (name) values ('after {written}')")).await;
    *written += 1;
    assert_eq!(bees(host, plugin).await, written.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_a_call_gives_back_what_it_holds_of_a_database() {
    for (plugin, instances) in [("se1", "'fresh'"), ("se1-reused", "{ reuse = 1000 }")] {
        let more = format!("instances = {instances}\nlimits = {{ fuel = 50_000_000 }}\n{MAIN}");
        let host = start(&probe(plugin, &more)).await;
        let mut written = 0;
        for name in ["a", "b", "c"] {
            said(&host, plugin, "/execute", &format!("insert into bees (name) values ('{name}')")).await;
            written += 1;
        }
        for (end, status) in [("return", 200), ("trap", 500), ("panic", 500), ("spin", 500)] {
            for (what, statement) in [("transaction", "delete from bees"), ("cursor", "select * from bees")] {
                let path = format!("/hold?what={what}&end={end}");
                let (got, body) = ask(&host, plugin, &path, statement).await;
                assert_eq!(got, status, "{plugin} {path}: {body}");
                nothing_is_left(&host, plugin, &mut written).await;
            }
        }
        eventually("no connection is held", async || {
            host.admin().database(&format!("{plugin}/main")).await.unwrap().in_use == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_statement_too() {
    let more = format!("limits = {{ deadline = '500ms' }}\n{MAIN}");
    let host = start(&probe("se2", &more)).await;
    let mut written = 0;
    for (path, statement) in [
        ("/query", RUNAWAY.to_owned()),
        ("/execute", format!("update counter set value = ({RUNAWAY})")),
        ("/transaction", format!("delete from bees\nupdate counter set value = ({RUNAWAY})")),
        ("/hold?what=transaction&end=spin", "delete from bees".to_owned()),
    ] {
        let (status, body) = ask(&host, "se2", path, &statement).await;
        assert!(status == 504 || status == 500, "{path}: {status} {body}");
        nothing_is_left(&host, "se2", &mut written).await;
    }
    assert_eq!(rows(&host, "se2", "select value from counter").await, json!([{ "value": 0 }]));
    eventually("no connection is held", async || host.admin().database("se2/main").await.unwrap().in_use == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_a_reused_instance_kept_reaches_nothing() {
    let more = format!("instances = {{ reuse = 1000 }}\nlimits = {{ concurrency = 1 }}\n{MAIN}");
    let host = start(&probe("se3", &more)).await;
    said(&host, "se3", "/execute", "insert into bees (name) values ('maja')").await;
    assert_eq!(said(&host, "se3", "/calls", "").await, "1");
    assert_eq!(said(&host, "se3", "/keep", "delete from bees").await, "1");
    assert_eq!(bees(&host, "se3").await, "1", "it was rolled back with its call");
    let (status, body) = ask(&host, "se3", "/kept", "delete from bees").await;
    assert!(status == 409 && body.contains("the transaction has ended"), "{status} {body}");
    assert_eq!(said(&host, "se3", "/calls", "").await, "2", "it is the same instance");
    assert_eq!(bees(&host, "se3").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_lets_a_transaction_end() {
    let host = Arc::new(start(&probe("se4", MAIN)).await);
    let adding = {
        let host = Arc::clone(&host);
        tokio::spawn(async move { said(&host, "se4", "/add?n=200", "").await })
    };
    for rows in [9, 8, 7] {
        let database = format!("sql.main = {{ migrations = 'migrations', max_rows = {rows}, connections = {rows} }}");
        reload(&host, &probe("se4", &database)).await.unwrap();
        said(&host, "se4", "/add?n=10", "").await;
    }
    adding.await.unwrap();
    assert_eq!(rows(&host, "se4", "select value from counter").await, json!([{ "value": 230 }]));
}
