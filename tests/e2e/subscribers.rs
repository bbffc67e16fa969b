//! Subscribers and detached tasks: order, batches, dead letters, and what a reload leaves alone.

use std::time::Duration;

use skep_admin::api::ValueText;
use skep_tests::host::eventually;
use skep_tests::{Host, events, guests};

use crate::cache::{get, ok, reload};

/// A plugin that hears and publishes, whose topics `seen` and `loop:*` are retained, and more of its entry.
pub(crate) fn probe(name: &str, more: &str) -> String {
    let wasm = guests::pubsub_probe();
    format!(
        "[plugins.{name}]\nsource = {wasm:?}\nroutes = [\"{name}.test/{{*path}}\"]\n\
         topics = {{ seen = {{ retain = true }}, 'loop:*' = {{ retain = true }} }}\n\
         caches = {{ seen = {{ kind = 'table' }} }}\n{more}\n"
    )
}

/// What its subscribers published on `seen`, once there are so many.
pub(crate) async fn seen(host: &Host, plugin: &str, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    eventually(&format!("{count} messages are seen"), async || {
        let body = ok(host, plugin, "/since?topic=seen&limit=1000").await;
        // The first line says whether the log is complete; the others are `ID EVENT TOPIC TEXT`.
        let lines = body.lines().skip(1).filter_map(|line| line.splitn(3, ' ').nth(2));
        seen = lines.map(str::to_owned).collect();
        seen.len() >= count
    })
    .await;
    seen
}

pub(crate) fn text(value: &ValueText) -> &str {
    match value {
        ValueText::Text(text) => text,
        ValueText::Hex(digits) => digits,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_topic_keeps_its_order_and_topics_go_side_by_side() {
    let host = Host::start(&probe("order", "")).await;
    for topic in ["a", "b", "c"] {
        assert_eq!(get(&host, "order", &format!("/publish?topic=numbers:{topic}&data=n&n=50")).await.0, 200);
    }
    let seen = seen(&host, "order", 150).await;
    for topic in ["a", "b", "c"] {
        let of_topic: Vec<_> = seen.iter().filter_map(|line| line.strip_prefix(&format!("numbers:{topic} "))).collect();
        let expected: Vec<_> = (0..50).map(|n| format!("n{n}")).collect();
        assert_eq!(of_topic, expected, "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_call_with_messages_of_one_topic() {
    let more = "subscribers = { on_numbers = { batch = 10 } }";
    let host = Host::start(&probe("batch", more)).await;
    ok(&host, "batch", "/publish?topic=numbers:a&data=n&n=100").await;
    let mut texts = Vec::new();
    eventually("all are seen", async || {
        texts = seen(&host, "batch", 1).await;
        texts.iter().map(|line| line.split('+').count()).sum::<usize>() >= 100
    })
    .await;
    let calls = texts.len();
    assert!((10..100).contains(&calls), "{calls} calls for 100 messages: {texts:?}");
    assert!(texts.iter().all(|line| line.split('+').count() <= 10), "{texts:?}");
    let all: Vec<_> = texts.iter().flat_map(|line| line.trim_start_matches("numbers:a ").split('+')).collect();
    assert_eq!(all, (0..100).map(|n| format!("n{n}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_set_aside_and_its_topic_goes_on() {
    let more = "limits = { fuel = 100_000_000, deadline = '3s', memory = '16MiB' }";
    let host = Host::start(&probe("poison", more)).await;
    for how in ["trap", "spin", "oom", "panic", "err", "sleep", "fine"] {
        ok(&host, "poison", &format!("/publish?topic=poison:x&data={how}")).await;
    }
    ok(&host, "poison", "/publish?topic=json:x&data=seven").await;
    ok(&host, "poison", "/publish?topic=json:x&data=8").await;
    let mut seen = seen(&host, "poison", 2).await;
    seen.sort();
    assert_eq!(seen, ["json:x 8", "poison:x fine"], "what does not die is handled, after what does");
    let dead = host.admin().dead_letters(Some("poison"), None).await.unwrap();
    let reasons = |name: &str| -> Vec<String> {
        let of = dead.iter().filter(|letter| letter.subscription == name);
        of.map(|letter| format!("{}: {}", text(&letter.preview), letter.reason)).collect()
    };
    let poisoned = reasons("on_poison");
    assert_eq!(poisoned.len(), 6, "{poisoned:?}");
    for (letter, expected) in poisoned.iter().zip([
        "trap: trap",
        "spin: fuel-exhausted",
        "oom: memory-exhausted",
        "panic: ",
        "err: ",
        "sleep: deadline",
    ]) {
        assert!(letter.starts_with(expected), "{letter} {expected}");
    }
    let late = events::with(&[("target", "call"), ("plugin", "poison"), ("outcome", "deadline")]);
    let fuel = late.first().and_then(|line| line["fuel"].parse::<u64>().ok());
    assert!(fuel.is_some_and(|fuel| fuel > 0), "what it cost is said, though it was cut off: {late:?}");
    let undecoded = reasons("on_json");
    assert!(undecoded.len() == 1 && undecoded[0].contains("json:x"), "{undecoded:?}");
    assert_eq!(get(&host, "poison", "/ok").await.0, 200, "the plugin's routes go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_is_tried_again_as_often_as_the_manifest_says() {
    let host = Host::start(&probe("again", "subscribers = { on_poison = { retries = 1 } }")).await;
    ok(&host, "again", "/publish?topic=poison:x&data=err").await;
    ok(&host, "again", "/publish?topic=poison:x&data=after").await;
    assert_eq!(seen(&host, "again", 1).await, ["poison:x after"], "the topic waits for the second try");
    let dead = host.admin().dead_letters(Some("again"), None).await.unwrap();
    assert_eq!(dead.iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_bounded() {
    let host = Host::start(&probe("few", "subscribers = { on_poison = { dead_letters = 3 } }")).await;
    for n in 0..8 {
        ok(&host, "few", &format!("/publish?topic=poison:{n}&data=err")).await;
    }
    ok(&host, "few", "/publish?topic=poison:x&data=last").await;
    seen(&host, "few", 1).await;
    let dead = async || host.admin().dead_letters(Some("few"), None).await.unwrap().len();
    eventually("three are dead", async || dead().await == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_does_not_hear_what_it_publishes_past_itself() {
    let host = Host::start(&probe("echo", "")).await;
    ok(&host, "echo", "/publish?topic=loop:x&data=hello").await;
    let count = async || ok(&host, "echo", "/since?topic=loop:x").await.lines().count() - 1;
    eventually("it echoes", async || count().await >= 2).await;
    // Anything that it heard of itself would be published once more by now.
    ok(&host, "echo", "/publish?topic=loop:y&data=again").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(count().await, 2, "the message and its echo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_queue_of_a_subscription() {
    let manifest = |version: u32| probe("kept", &format!("env = {{ VERSION = \"{version}\" }}"));
    let host = Host::start(&manifest(0)).await;
    for round in 1..=10 {
        ok(&host, "kept", &format!("/publish?topic=numbers:a&data={round}-&n=20")).await;
        reload(&host, &manifest(round)).await.unwrap();
    }
    let seen = seen(&host, "kept", 200).await;
    let expected: Vec<_> = (1..=10).flat_map(|round| (0..20).map(move |n| format!("numbers:a {round}-{n}"))).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_may_have_nothing_but_subscribers() {
    let wasm = guests::subscriber_only();
    let manifest = format!(
        "{}\n[plugins.quiet]\nsource = {wasm:?}\ngrants = {{ topics = {{ }} }}\n\
         topics = {{ heard = {{ retain = true }} }}\n",
        probe("loud", "grants = { topics = { 'quiet/quiet:*' = 'publish', 'quiet/heard' = 'subscribe' } }")
    );
    let host = Host::start(&manifest).await;
    ok(&host, "loud", "/publish?topic=quiet/quiet:x&data=psst").await;
    let heard = async || ok(&host, "loud", "/since?topic=quiet/heard").await.contains("quiet:x psst");
    eventually("it is heard", heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_for_a_subscriber_that_is_not_there_are_refused() {
    let manifest = probe("typo", "subscribers = { on_numbrs = { batch = 2 } }");
    let error = match Host::try_start(&manifest, skep_node::Mode::Production).await {
        Ok(_) => panic!("it was accepted"),
        Err(error) => format!("{error:#}"),
    };
    assert!(error.contains("on_numbrs") && error.contains("on_numbers"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_task_runs_after_its_call_however_that_ends() {
    let host = Host::start(&probe("detached", "limits = { fuel = 50_000_000 }")).await;
    for end in ["return", "trap", "panic", "spin"] {
        get(&host, "detached", &format!("/task-start?name=publish_later&args=seen+{end}&end={end}")).await;
    }
    let mut seen = seen(&host, "detached", 4).await;
    seen.sort();
    assert_eq!(seen, ["panic", "return", "spin", "trap"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn detached_tasks_are_bounded_and_counted() {
    let more = "tasks = { concurrency = 1, queue = 2, per_call = 5, deadline = '300ms' }";
    let host = Host::start(&probe("bounded", more)).await;
    let (status, body) = get(&host, "bounded", "/task-start?name=sleep&n=4").await;
    assert!(status == 409 && body.contains("Full"), "the queue takes two: {status} {body}");
    let (status, body) = get(&host, "bounded", "/task-start?name=nothing").await;
    assert!(status == 409 && body.contains("NotFound"), "{status} {body}");
    let failed = || host.counter("skep_tasks_total", &[("plugin", "bounded"), ("outcome", "failed")]);
    eventually("both tasks fail", async || failed() == 2).await;
    ok(&host, "bounded", "/task-start?name=publish_later&args=seen+free").await;
    assert_eq!(seen(&host, "bounded", 1).await, ["free"], "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transient_task_is_tried_again_and_a_temporary_one_is_not() {
    let tries = async |name: &str, restart: &str| {
        let more = format!("tasks = {{ restart = '{restart}' }}\nsupervision = {{ restarts = 1 }}");
        let host = Host::start(&probe(name, &more)).await;
        ok(&host, name, "/task-start?name=trap").await;
        let failed = || host.counter("skep_tasks_total", &[("plugin", name), ("outcome", "failed")]);
        eventually("it is given up", async || failed() == 1).await;
        host.calls(name, "trap")
    };
    assert_eq!(tries("temporary", "temporary").await, 1);
    assert_eq!(tries("transient", "transient").await, 2);
}
