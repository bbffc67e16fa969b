//! Topics: who may publish and look where, what a log keeps, and that nothing but the manifest ends one.

use skep_tests::{Host, Sse, eventually, guests};

use crate::cache::{get, ok, reload};
use crate::event_streams::{kept, listen, probe, publish, request};

/// The lines of a topic's log, without the ids; the first one says whether it is complete.
async fn since(host: &Host, plugin: &str, query: &str) -> Vec<String> {
    let body = ok(host, plugin, &format!("/since?{query}")).await;
    let text = |line: &str| line.split_once(' ').map_or(line, |(_, text)| text).to_owned();
    body.lines().map(text).collect()
}

fn ids(text: &str) -> Vec<u64> {
    text.split(' ').map(|id| id.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_has_what_was_published_in_its_order() {
    let host = Host::start(&probe("logged", "", &kept(100))).await;
    let (status, body) = get(&host, "logged", "/since?topic=other").await;
    assert_eq!((status, body.as_str()), (409, "NotFound"), "it has no log");
    assert_eq!(ok(&host, "logged", "/publish?topic=other").await, "none");
    assert_eq!(since(&host, "logged", "topic=room:a").await, ["complete"]);

    let first = ids(&ok(&host, "logged", "/publish?topic=room:a&data=x&event=word&n=3").await);
    let second = ids(&publish(&host, "logged", "a", "y").await);
    let all = [first, second].concat();
    assert!(all.windows(2).all(|two| two[1] == two[0] + 1), "{all:?}");
    assert_eq!(since(&host, "logged", "topic=room:a").await, ["complete", "word x0", "word x1", "word x2", "- y"]);
    let after = |id: u64, limit: usize| format!("topic=room:a&after={id}&limit={limit}");
    assert_eq!(since(&host, "logged", &after(all[1], 10)).await, ["complete", "word x2", "- y"]);
    assert_eq!(since(&host, "logged", &after(all[0], 1)).await, ["complete", "word x1"]);
    assert_eq!(since(&host, "logged", &after(all[3], 10)).await, ["complete"]);
    assert_eq!(since(&host, "logged", &after(1, 10)).await[0], "gap", "an id of no log");
    assert_eq!(since(&host, "logged", &after(u64::MAX, 0)).await, ["gap"]);
    assert_eq!(since(&host, "logged", "topic=room:b").await, ["complete"], "another topic has a log of its own");
    assert_eq!(since(&host, "logged", "topic=logged/room:a&limit=1").await, ["complete", "word x0"], "its own by name");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_others_are_granted_by_direction_and_pattern() {
    let grants = "grants.topics = { 'shop/room:*' = 'subscribe', 'shop/in:*' = 'publish', 'shop/both' = 'both' }";
    let shop = probe("shop", "", &format!("{}topics.both = {{ retain = true }}", kept(9)));
    let host = Host::start(&format!("{shop}{}", probe("guest", "", grants))).await;
    publish(&host, "shop", "1", "x").await;
    assert_eq!(since(&host, "guest", "topic=shop/room:1").await, ["complete", "- x"]);
    assert_eq!(ok(&host, "guest", "/count?topic=shop/room:1").await, "0");
    assert_eq!(ok(&host, "guest", "/publish?topic=shop/in:1").await, "none");
    ok(&host, "guest", "/publish?topic=shop/both&data=y").await;
    assert_eq!(since(&host, "guest", "topic=shop/both").await, ["complete", "- y"]);
    assert_eq!(since(&host, "shop", "topic=both").await, ["complete", "- y"], "it is one topic");

    for (path, topic, word) in [
        ("publish", "shop/room:1", "publish"),
        ("publish-big", "shop/room:1", "publish"),
        ("track", "shop/room:1", "publish"),
        ("untrack", "shop/other", "publish"),
        ("since", "shop/in:1", "subscribe"),
        ("list", "shop/in:1", "subscribe"),
        ("get", "shop/in:1", "subscribe"),
        ("count", "shop/room", "subscribe"),
        ("publish", "nobody/a", "publish"),
        ("publish", "shop/both:1", "publish"),
    ] {
        let (status, body) = get(&host, "guest", &format!("/{path}?topic={topic}")).await;
        let says = format!("`{topic}` is not granted; write `topics = {{ \"{topic}\" = \"{word}\" }}`");
        let body = body.replace("\\\"", "\"");
        assert!(status == 409 && body.starts_with("Denied") && body.contains(&says), "{path} {topic}: {body}");
    }
    assert_eq!(since(&host, "shop", "topic=room:1").await, ["complete", "- x"], "nothing came through");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_sizes_have_limits() {
    let host = Host::start(&probe("sized", "", &kept(9))).await;
    assert_eq!(ok(&host, "sized", "/publish-big?bytes=1048576").await, "none");
    let (status, body) = get(&host, "sized", "/publish-big?bytes=1048577").await;
    assert!(status == 409 && body.contains("TooLarge") && body.contains("1048576"), "{body}");
    let long = "e".repeat(255);
    ok(&host, "sized", &format!("/publish?event={long}")).await;
    ok(&host, "sized", &format!("/publish?topic={long}")).await;
    for path in [
        format!("/publish?event={long}e"),
        "/publish?event=a%0Ab".to_owned(),
        "/publish?event=a%0Db".to_owned(),
        format!("/publish?topic={long}e"),
        "/publish?topic=".to_owned(),
        "/publish?topic=a*".to_owned(),
        "/publish?topic=a%0Ab".to_owned(),
        "/publish?topic=Not+A+Plugin/a".to_owned(),
        "/since?topic=*".to_owned(),
    ] {
        let (status, body) = get(&host, "sized", &path).await;
        assert!(status == 409 && body.starts_with("Invalid"), "{path}: {body}");
    }
    // The text of a message cannot forge fields of an event.
    let mut stream = listen(&host, "sized", "/events/a").await;
    publish(&host, "sized", "a", "x%0A%0Aevent:%20forged%0Adata:%20y").await;
    let event = stream.event().await;
    assert_eq!((event.event.as_str(), event.data.as_str()), ("message", "x\n\nevent: forged\ndata: y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_bounded_by_messages_bytes_and_age() {
    let topics = "[plugins.bounded.topics]\n'few:*' = { retain = { messages = 3 } }\n\
        'few:many' = { retain = { messages = 5 } }\n'small' = { retain = { bytes = '8KiB' } }\n\
        'short' = { retain = { age = '1s' } }\n";
    let host = Host::start(&probe("bounded", "", topics)).await;
    for (topic, kept) in [("few:1", 3), ("few:many", 5)] {
        ok(&host, "bounded", &format!("/publish?topic={topic}&n=8")).await;
        let lines = since(&host, "bounded", &format!("topic={topic}")).await;
        assert_eq!(
            (lines[0].as_str(), lines.len() - 1, lines[1].clone()),
            ("gap", kept, format!("- hello{}", 8 - kept))
        );
    }
    for _ in 0..4 {
        ok(&host, "bounded", "/publish-big?topic=small&bytes=3000").await;
    }
    let lines = since(&host, "bounded", "topic=small").await;
    assert_eq!((lines[0].as_str(), lines.len()), ("gap", 3), "two of 3,000 bytes fit");
    let id = ok(&host, "bounded", "/publish?topic=short").await;
    assert_eq!(since(&host, "bounded", "topic=short").await.len(), 2);
    eventually("it is too old", async || since(&host, "bounded", "topic=short").await.len() == 1).await;
    assert!(ids(&ok(&host, "bounded", "/publish?topic=short").await) > ids(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_follow_the_manifest_and_survive_their_plugin() {
    let with = |topics: &str| probe("follows", "", topics);
    let host = Host::start(&with(&kept(5))).await;
    let mut stream = listen(&host, "follows", "/events/a").await;
    let before = ids(&ok(&host, "follows", "/publish?topic=room:a&n=5").await);
    let wasm = guests::variant(&std::fs::read(guests::pubsub_probe()).unwrap(), 1);
    host.admin().deploy("follows", wasm.into()).await.unwrap();
    assert_eq!(since(&host, "follows", "topic=room:a").await.len(), 6, "after a deploy");
    let next = ids(&publish(&host, "follows", "a", "x").await);
    assert_eq!(next[0], before[4] + 1);

    reload(&host, &with(&kept(2))).await.unwrap();
    assert_eq!(since(&host, "follows", "topic=room:a").await, ["gap", "- hello4", "- x"], "the new bound");
    reload(&host, &with("")).await.unwrap();
    assert_eq!(get(&host, "follows", "/since?topic=room:a").await.1, "NotFound");
    assert_eq!(publish(&host, "follows", "a", "unkept").await, "none");
    reload(&host, &with(&kept(5))).await.unwrap();
    assert_eq!(since(&host, "follows", "topic=room:a").await, ["complete"], "another log");
    let fresh = ids(&publish(&host, "follows", "a", "y").await);
    assert!(fresh > next, "ids of a later log are greater: {next:?} {fresh:?}");

    assert_eq!(stream.take(5).await.last().unwrap(), "hello4");
    assert_eq!(stream.take(3).await, ["x", "unkept", "y"], "the listener heard all of it");
    let mut back = Sse::resume(request(&host, "follows", "/events/a"), &next[0].to_string()).await;
    assert_eq!((back.event().await.event.as_str(), back.data().await.as_str()), ("gap", "y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_all_who_listen_each_in_order() {
    let host = Host::start(&probe("crowd", "", "")).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(listen(&host, "crowd", "/events/a").await);
    }
    let mut other = listen(&host, "crowd", "/events/b").await;
    ok(&host, "crowd", "/publish?topic=room:a&data=&n=100&local=1&skip_own=1").await;
    publish(&host, "crowd", "b", "only").await;
    let expected: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    for stream in &mut streams {
        assert_eq!(stream.take(100).await, expected);
    }
    assert_eq!(other.data().await, "only");
}
