//! The example `chat` is built by its own command, and does what its README says for a client that writes Phoenix's frames.

use serde_json::json;
use skep_tests::Host;
use skep_tests::host::send;
use skep_tests::phoenix::Phoenix;

async fn come(host: &Host, name: &str) -> Phoenix {
    Phoenix::open(host, "localhost", &format!("/socket/websocket?vsn=2.0.0&name={name}"), &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_talk_in_a_room_and_see_each_other_come_type_and_go() {
    let host = Host::example("chat").await;
    let page = host.get("/").await;
    assert!(page.status == 200 && page.body.contains("phoenix-1.8.9.min.js"), "{page:?}");
    let client = host.get("/static/phoenix-1.8.9.min.js").await;
    assert!(client.status == 200 && client.body.contains("phx_join"), "{}", client.status);
    let refused = Phoenix::open(&host, "localhost", "/socket/websocket?vsn=2.0.0", &[]).await.err();
    assert_eq!(refused, Some(403), "one without a name");

    let (mut anna, mut ben) = (come(&host, "anna").await, come(&host, "ben").await);
    let (anna_ref, _, welcome) = anna.join("room:lobby", &json!({})).await;
    assert_eq!(welcome, json!({"before": []}));
    anna.send(&anna_ref, "room:lobby", "new_msg", &json!({"body": "hello"})).await;
    assert_eq!(anna.event("room:lobby", "new_msg").await["body"], "hello");
    let (ben_ref, _, welcome) = ben.join("room:lobby", &json!({})).await;
    assert_eq!((&welcome["before"][0]["user"], &welcome["before"][0]["body"]), (&json!("anna"), &json!("hello")));
    assert!(ben.event("room:lobby", "presence_state").await["anna"].is_object());
    anna.wait(|frame| frame[3] == "presence_diff" && frame[4]["joins"]["ben"].is_object()).await;
    ben.send(&ben_ref, "room:lobby", "typing", &json!({"typing": true})).await;
    anna.wait(|frame| frame[4]["joins"]["ben"]["metas"][0]["typing"] == true).await;
    let form = "application/x-www-form-urlencoded";
    let announce = host.request("POST", "/rooms/lobby/announcements").header("content-type", form);
    let said = send(announce.body("body=Honey+is+ready")).await;
    assert!(said.status < 300, "{said:?}");
    assert_eq!(ben.event("room:lobby", "new_msg").await["body"], "Honey is ready");
    drop(ben);
    anna.wait(|frame| {
        frame[3] == "presence_diff" && frame[4]["leaves"]["ben"].is_object() && frame[4]["joins"]["ben"].is_null()
    })
    .await;
}
