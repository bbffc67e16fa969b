//! Joining and leaving, as the cases of Phoenix's own tests of sockets and channels.

use crate::rig::Rig;

const UNMATCHED: &str = r#"[null,"7","lobby","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;

#[tokio::test(start_paused = true)]
async fn a_join_is_answered_and_messages_go_to_it() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1","2","room:a","echo",{"a": [1, 2.50, "ü\n"]}]"#);
    client.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":{"a": [1, 2.50, "ü\n"]}}]"#).await;
    client.send(r#"["1","3","room:a","push",[]]"#);
    client.sees(r#"["1",null,"room:a","pushed",[]]"#).await;
    client.sees(r#"["1","3","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.send(r#"["1","4","room:a","silence",{}]"#);
    client.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_have_no_join() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"[null,"5","phoenix","heartbeat",{}]"#);
    client.sees(r#"[null,"5","phoenix","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.send(r#"["9",5,"phoenix","heartbeat",{}]"#);
    client.sees(r#"[null,5,"phoenix","phx_reply",{"status":"ok","response":{}}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_handles_is_unmatched() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    for event in ["phx_join", "echo", "heartbeat"] {
        client.send(&format!("[\"7\",\"7\",\"lobby\",\"{event}\",{{}}]"));
        client.sees(UNMATCHED).await;
    }
    // A topic that is handled, but not joined; and one that no topic can be.
    client.send(r#"["7","7","room:a","echo",{}]"#);
    client.sees(&UNMATCHED.replace("lobby", "room:a")).await;
    client.send(r#"["7","7","room:*","phx_join",{}]"#);
    client.sees(&UNMATCHED.replace("lobby", "room:*")).await;
    client.send(r#"[null,"7","phoenix","phx_join",{}]"#);
    client.sees(&UNMATCHED.replace("lobby", "phoenix")).await;
}

#[tokio::test(start_paused = true)]
async fn refs_come_back_as_they_were() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"[1,2,"room:a","phx_join",{}]"#);
    client.sees(r#"[1,2,"room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.send(r#"[1,null,"room:a","echo",{}]"#);
    client.sees(r#"[1,null,"room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    // "1" is another ref than 1.
    client.send(r#"["1",3,"room:a","echo",{}]"#);
    client.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn stale_refs_are_dropped_and_a_null_join_takes_any() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    for stale in ["\"0\"", "null"] {
        client.send(&format!("[{stale},\"2\",\"room:a\",\"echo\",{{}}]"));
        client.send(&format!("[{stale},\"2\",\"room:a\",\"phx_leave\",{{}}]"));
    }
    client.quiet().await;
    client.send(r#"[null,"1","room:b","phx_join",{}]"#);
    client.sees(r#"[null,"1","room:b","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.send(r#"["any","2","room:b","echo",{}]"#);
    client.sees(r#"[null,"2","room:b","phx_reply",{"status":"ok","response":{}}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn a_leave_is_answered_and_then_the_channel_closes() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    rig.notes.take();
    client.send(r#"["1","2","room:a","echo",1]"#);
    client.send(r#"["1","3","room:a","phx_leave",{}]"#);
    client.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":1}]"#).await;
    client.sees(r#"["1","3","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.sees(r#"["1","1","room:a","phx_close",{}]"#).await;
    assert_eq!(rig.notes.take(), ["end room:a left"]);
    client.send(r#"["1","4","room:a","echo",{}]"#);
    client.sees(r#"[null,"4","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#).await;
    client.send(r#"["1","5","room:a","phx_leave",{}]"#);
    client.sees(r#"["1","5","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_join_may_be_denied_or_crash() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"["1","1","room:a","phx_join","deny"]"#);
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"error","response":{"reason":"unauthorized"}}]"#).await;
    for crash in ["crash", "panic", "bad json"] {
        client.send(&format!("[\"1\",\"1\",\"room:a\",\"phx_join\",\"{crash}\"]"));
        client.sees(r#"["1","1","room:a","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]"#).await;
    }
    // Nothing of it stays.
    assert_eq!(rig.pubsub.stats().subscriptions, 0);
    assert_eq!(rig.presence.stats().owners, 0);
    client.join("room:a").await;
    assert_eq!((rig.channels.stats().joins, rig.channels.stats().crashes), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_join_waits_for_it() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"["1","1","room:a","phx_join","gate"]"#);
    client.send(r#"["1","2","room:a","echo",{}]"#);
    client.quiet().await;
    // Channels of one socket go side by side.
    client.send(r#"["9","9","room:b","phx_join",{}]"#);
    client.sees(r#"["9","9","room:b","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    rig.notes.gate.notify_one();
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    // Behind a join that is denied it is answered too.
    client.send(r#"["1","1","room:c","phx_join","deny"]"#);
    client.send(r#"["1","2","room:c","echo",{}]"#);
    client.send(r#"["1","3","room:c","phx_leave",{}]"#);
    client.sees(r#"["1","1","room:c","phx_reply",{"status":"error","response":{"reason":"unauthorized"}}]"#).await;
    client.sees(r#"[null,"2","room:c","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#).await;
    client.sees(r#"["1","3","room:c","phx_reply",{"status":"ok","response":{}}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_join_ends_the_first_channel() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    rig.notes.take();
    client.send(r#"["2","2","room:a","phx_join",{}]"#);
    client.send(r#"["1","3","room:a","echo",{}]"#);
    client.send(r#"["2","4","room:a","echo",{}]"#);
    client.sees(r#"["2","2","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.sees(r#"["1","1","room:a","phx_close",{}]"#).await;
    client.sees(r#"["2","4","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.quiet().await;
    // The old one ends before the new one joins.
    assert_eq!(rig.notes.take(), ["end room:a closed", "join room:a {}"]);
    // Also if the new one is denied then.
    client.send(r#"["5","5","room:a","phx_join","deny"]"#);
    client.sees(r#"["5","5","room:a","phx_reply",{"status":"error","response":{"reason":"unauthorized"}}]"#).await;
    client.sees(r#"["2","2","room:a","phx_close",{}]"#).await;
    client.quiet().await;
    assert_eq!(rig.pubsub.stats().subscriptions, 0);
}

#[tokio::test(start_paused = true)]
async fn joins_in_a_row_end_each_other_in_order() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"["1","1","room:a","phx_join","gate"]"#);
    client.send(r#"["2","2","room:a","phx_join",{}]"#);
    client.send(r#"["3","3","room:a","phx_join",{}]"#);
    client.send(r#"["3","4","room:a","echo",{}]"#);
    client.quiet().await;
    rig.notes.gate.notify_one();
    for seen in [
        r#"["1","1","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#,
        r#"["2","2","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#,
        r#"["1","1","room:a","phx_close",{}]"#,
        r#"["3","3","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#,
        r#"["2","2","room:a","phx_close",{}]"#,
        r#"["3","4","room:a","phx_reply",{"status":"ok","response":{}}]"#,
    ] {
        client.sees(seen).await;
    }
    client.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn actions_of_a_join_follow_its_reply() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"["1","1","room:a","phx_join","welcome"]"#);
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.sees(r#"["1",null,"room:a","welcome",1]"#).await;
    client.sees(r#"[null,null,"room:a","came",2]"#).await;
}
