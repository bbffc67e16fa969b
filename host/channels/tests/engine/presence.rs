//! Presences of channels, as phoenix.js expects them.

use std::sync::Arc;

use crate::rig::Rig;
use serde_json::Value;

fn parsed(frame: &str) -> (Value, String, Value) {
    let Value::Array(mut parts) = serde_json::from_str(frame).unwrap() else { panic!("{frame}") };
    let (payload, event) = (parts.pop().unwrap(), parts.pop().unwrap());
    (parts.remove(0), event.as_str().unwrap().to_owned(), payload)
}

#[tokio::test(start_paused = true)]
async fn the_state_comes_after_the_join_and_then_the_diffs() {
    let rig = Rig::new();
    let mut guest = rig.guest(1);
    guest.shows_presence = true;
    rig.swap([("room:*", Arc::new(guest) as _)]);
    let mut client = rig.client().await;
    client.send(r#"["1","1","room:a","phx_join","track"]"#);
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    let (join_ref, event, state) = parsed(&client.text().await);
    assert_eq!((join_ref.as_str(), event.as_str()), (Some("1"), "presence_state"));
    let first = state["ann"]["metas"][0]["phx_ref"].as_str().unwrap().to_owned();
    assert_eq!(state["ann"]["metas"][0]["at"], 1);
    // The joiner also gets its own diff.
    let (join_ref, event, diff) = parsed(&client.text().await);
    assert_eq!((join_ref, event.as_str()), (Value::Null, "presence_diff"));
    assert_eq!(diff["joins"]["ann"]["metas"][0]["phx_ref"], first);
    assert_eq!(diff["leaves"], serde_json::json!({}));
    // An update is one diff with both.
    client.send(r#"["1","2","room:a","update","ann"]"#);
    client.text().await;
    let (_, _, diff) = parsed(&client.text().await);
    let (join, leave) = (&diff["joins"]["ann"]["metas"][0], &diff["leaves"]["ann"]["metas"][0]);
    assert_eq!((&join["phx_ref_prev"], &join["at"]), (&leave["phx_ref"], &2.into()));
    assert_eq!((&leave["phx_ref"], &leave["at"]), (&first.into(), &1.into()));
    client.send(r#"["1","3","room:a","who",{}]"#);
    let (_, event, state) = parsed(&client.text().await);
    assert_eq!((event.as_str(), &state["ann"]["metas"][0]), ("presence_state", join));
}

#[tokio::test(start_paused = true)]
async fn a_presence_ends_with_its_channel_however_that_ends() {
    let rig = Rig::new();
    let mut watcher = rig.joined("room:a").await;
    for end in ["phx_leave", "crash", "gone"] {
        let mut client = rig.joined("room:a").await;
        client.send(r#"["1","2","room:a","track","bob"]"#);
        client.text().await;
        let (_, _, diff) = parsed(&watcher.text().await);
        let reference = diff["joins"]["bob"]["metas"][0]["phx_ref"].clone();
        if end == "gone" {
            drop(client);
        } else {
            client.text().await;
            client.send(&format!("[\"1\",\"3\",\"room:a\",\"{end}\",{{}}]"));
            client.text().await;
        }
        let (_, _, diff) = parsed(&watcher.text().await);
        assert_eq!(diff["leaves"]["bob"]["metas"][0]["phx_ref"], reference, "{end}");
    }
    assert_eq!(rig.presence.stats().entries, 0);
}
