//! Jobs, end to end: what becomes of an attempt, and of jobs that know each other.

use std::time::{Duration, UNIX_EPOCH};

use skep_admin::api::{JobFilter, JobState};
use skep_tests::{Host, eventually, guests, host};
use skep_types::{Clock as _, ManualClock};

use crate::cache::{get, ok};

/// A plugin that enqueues and does jobs, with more of its entry.
pub(crate) fn probe(name: &str, more: &str) -> String {
    let wasm = guests::jobs_probe();
    format!("[plugins.{name}]\nsource = {wasm:?}\nroutes = ['{name}.test/{{*path}}']\n{more}\n")
}

/// The jobs of an answer that has a line for each, such as `7 new`.
pub(crate) fn ids(lines: &str) -> Vec<u64> {
    let id = |line: &str| line.split(' ').next()?.parse().ok();
    lines.lines().map(|line| id(line).unwrap_or_else(|| panic!("no job in {lines}"))).collect()
}

/// One new job, as the query says.
pub(crate) async fn enqueue(host: &Host, plugin: &str, query: &str) -> u64 {
    let line = ok(host, plugin, &format!("/enqueue?{query}")).await;
    assert!(line.ends_with(" new"), "{line}");
    ids(&line)[0]
}

/// What the plugin sees of a job, once that begins so.
pub(crate) async fn becomes(host: &Host, plugin: &str, id: u64, wanted: &str) -> String {
    let mut seen = String::new();
    eventually(&format!("job {id} of {plugin} is {wanted}"), async || {
        let now = ok(host, plugin, &format!("/get?id={id}")).await;
        seen = now;
        seen.starts_with(wanted)
    })
    .await;
    seen
}

/// The runs that were begun so far.
pub(crate) async fn runs(host: &Host, plugin: &str) -> Vec<String> {
    let lines = ok(host, plugin, "/runs").await;
    lines.lines().filter(|line| *line != "none").map(str::to_owned).collect()
}

/// What the operator sees of how the attempts of a job failed.
async fn errors(host: &Host, id: u64) -> Vec<String> {
    let job = host.admin().job(id, true).await.unwrap();
    job.attempts.into_iter().map(|attempt| format!("{}: {}", attempt.attempt, attempt.error)).collect()
}

/// How long a job that failed last at this attempt is left alone, in milliseconds.
async fn wait(host: &Host, id: u64) -> u64 {
    let job = host.admin().job(id, false).await.unwrap();
    job.job.run_at_ms - job.attempts.last().unwrap().at_ms
}

/// Moves the clock, and waits until a job that is due then is done: what was due before has begun by then.
async fn pass(host: &Host, clock: &ManualClock, plugin: &str, time: Duration) {
    let mark = enqueue(host, plugin, &format!("name=quiet&queue=mail&at_ms={}", at(clock, time))).await;
    host.advance(clock, time);
    becomes(host, plugin, mark, "completed").await;
}

/// So long from now by the host's clock; guests have another.
fn at(clock: &ManualClock, time: Duration) -> u128 {
    (clock.wall() + time).duration_since(UNIX_EPOCH).unwrap().as_millis()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_done_and_its_output_can_be_awaited() {
    let host = Host::start(&probe("job1", "")).await;
    let id = enqueue(&host, "job1", "name=echo&args=honey&meta=of:maja").await;
    let status = ok(&host, "job1", &format!("/await?id={id}")).await;
    assert_eq!(status, "completed 1/20 \"honey\" -");
    assert_eq!(ok(&host, "job1", "/enqueue-await?name=meta&args=of&meta=of:maja").await, "completed 1/20 \"maja\" -");
    assert_eq!(ok(&host, "job1", "/get?id=999").await, "none");
    assert_eq!(runs(&host, "job1").await, [format!("echo honey {id} 1"), format!("meta of {} 1", id + 1)]);
    let shown = host.admin().job(id, true).await.unwrap();
    assert_eq!((shown.job.name.as_str(), shown.job.queue.as_str(), shown.job.attempt), ("echo", "default", 1));
    assert_eq!(shown.job.meta, [("of".to_owned(), "maja".to_owned())]);
    assert!(shown.job.ended_at_ms >= shown.job.attempted_at_ms, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_enqueues_and_publishes_leaves_it() {
    let host = Host::start(&probe("job2", "topics = { said = { retain = true } }")).await;
    let first = enqueue(&host, "job2", "name=enqueue&args=publish+said+honey").await;
    let done = becomes(&host, "job2", first, "completed").await;
    assert_eq!(done, format!("completed 1/20 {} -", first + 1));
    becomes(&host, "job2", first + 1, "completed").await;
    let said = &host.admin().topics("job2/said", None, 1).await.unwrap().topics[0];
    assert_eq!(said.published, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_is_tried_again_ever_later_and_each_error_is_kept() {
    let (host, clock) = Host::with_clock(&probe("job3", "")).await;
    let id = enqueue(&host, "job3", "name=fail_until&args=3").await;
    assert_eq!(becomes(&host, "job3", id, "retryable").await, "retryable 1/20 - attempt 1");
    assert!((17_000..18_700).contains(&wait(&host, id).await));
    pass(&host, &clock, "job3", seconds(16)).await;
    assert_eq!(ok(&host, "job3", &format!("/get?id={id}")).await, "retryable 1/20 - attempt 1", "not before its time");
    pass(&host, &clock, "job3", seconds(3)).await;
    assert_eq!(becomes(&host, "job3", id, "retryable 2").await, "retryable 2/20 - attempt 2");
    assert!((19_000..20_900).contains(&wait(&host, id).await));
    pass(&host, &clock, "job3", seconds(21)).await;
    assert_eq!(becomes(&host, "job3", id, "completed").await, "completed 3/20 3 attempt 2");
    assert_eq!(errors(&host, id).await, ["1: attempt 1", "2: attempt 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_too_often_is_discarded_with_all_its_errors() {
    let (host, clock) = Host::with_clock(&probe("job4", "")).await;
    let id = enqueue(&host, "job4", "name=fail&args=wet&max=3").await;
    for attempt in 1..3 {
        becomes(&host, "job4", id, &format!("retryable {attempt}/3")).await;
        host.advance(&clock, seconds(3600));
    }
    assert_eq!(becomes(&host, "job4", id, "discarded").await, "discarded 3/3 - wet");
    assert_eq!(errors(&host, id).await, ["1: wet", "2: wet", "3: wet"]);
    // By an operator's word it is tried once more.
    assert_eq!(host.admin().operate_job(id, skep_admin::api::JobOp::Retry).await.unwrap().changed, 1);
    assert_eq!(becomes(&host, "job4", id, "discarded 4").await, "discarded 4/4 - wet");
    assert_eq!(errors(&host, id).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_says_when_it_is_tried_again_or_puts_itself_off() {
    let (host, clock) = Host::with_clock(&probe("job5", "")).await;
    let retried = enqueue(&host, "job5", "name=retry_in&args=5000").await;
    let snoozed = enqueue(&host, "job5", "name=snooze&args=5000&max=1").await;
    assert_eq!(becomes(&host, "job5", retried, "retryable").await, "retryable 1/20 - not yet");
    assert_eq!(wait(&host, retried).await, 5000);
    assert_eq!(becomes(&host, "job5", snoozed, "scheduled").await, "scheduled 0/1 - -", "it does not count");
    eventually("both have run", async || runs(&host, "job5").await.len() == 2).await;
    pass(&host, &clock, "job5", Duration::from_millis(4999)).await;
    assert_eq!(runs(&host, "job5").await.len(), 2, "not before their time");
    pass(&host, &clock, "job5", Duration::from_millis(1)).await;
    assert_eq!(becomes(&host, "job5", retried, "completed").await, "completed 2/20 2 not yet");
    assert_eq!(becomes(&host, "job5", snoozed, "completed").await, "completed 1/1 1 -");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cancels_itself_is_not_tried_again() {
    let host = Host::start(&probe("job6", "")).await;
    let id = enqueue(&host, "job6", "name=cancel&args=no+such+user").await;
    assert_eq!(becomes(&host, "job6", id, "cancelled").await, "cancelled 1/20 - no such user");
    // As does one whose arguments are none.
    let id = enqueue(&host, "job6", "name=retry_in&args=soon").await;
    let status = becomes(&host, "job6", id, "cancelled").await;
    assert!(status.starts_with("cancelled 1/20 - "), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_death_is_a_failure_of_its_own_job_only() {
    let more = "limits = { fuel = 100_000_000, memory = '16MiB' }\njobs = { timeout = '3s' }";
    let host = Host::start(&format!("{}{}", probe("job7", more), probe("job7-neighbour", ""))).await;
    for (name, args, why) in [
        ("trap", "x", "trap: "),
        ("panic", "x", "trap: "),
        ("spin", "x", "fuel-exhausted: "),
        ("oom", "x", "memory-exhausted: "),
        ("host_panic", "x", "internal: "),
        ("sleep", "60000", "deadline: "),
    ] {
        let id = enqueue(&host, "job7", &format!("name={name}&args={args}&max=1")).await;
        let status = becomes(&host, "job7", id, "discarded").await;
        assert!(status.starts_with(&format!("discarded 1/1 - {why}")), "{name}: {status}");
        let again = enqueue(&host, "job7", &format!("name={name}&args={args}")).await;
        becomes(&host, "job7", again, &format!("retryable 1/20 - {why}")).await;
        assert_eq!(ok(&host, "job7-neighbour", "/enqueue-await?args=x").await, "completed 1/20 \"x\" -");
        assert_eq!(ok(&host, "job7", "/enqueue-await?args=x").await, "completed 1/20 \"x\" -", "after {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_has_the_time_of_its_definition_or_of_the_manifest() {
    let host = Host::start(&probe("job8", "jobs = { timeout = '100ms' }")).await;
    let long = enqueue(&host, "job8", "name=sleep&args=60000").await;
    let longer = enqueue(&host, "job8", "name=timed&args=60000").await;
    let fits = enqueue(&host, "job8", "name=timed&args=200").await;
    becomes(&host, "job8", long, "retryable 1/20 - deadline: ").await;
    becomes(&host, "job8", longer, "retryable 1/20 - deadline: ").await;
    becomes(&host, "job8", fits, "completed").await;
    let took = host.admin().job(longer, false).await.unwrap();
    let took = took.attempts[0].at_ms - took.job.attempted_at_ms.unwrap();
    assert!((500..5000).contains(&took), "{took} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_begins_at_its_time() {
    let (host, clock) = Host::with_clock(&probe("job9", "")).await;
    let later = enqueue(&host, "job9", &format!("args=later&at_ms={}", at(&clock, seconds(60)))).await;
    let past = enqueue(&host, "job9", "args=past&at_ms=1").await;
    becomes(&host, "job9", past, "completed").await;
    assert_eq!(ok(&host, "job9", &format!("/get?id={later}")).await, "scheduled 0/20 - -");
    pass(&host, &clock, "job9", Duration::from_millis(59_000)).await;
    assert_eq!(ok(&host, "job9", &format!("/get?id={later}")).await, "scheduled 0/20 - -");
    pass(&host, &clock, "job9", seconds(2)).await;
    becomes(&host, "job9", later, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_callers_of_one_unique_job_make_one() {
    let host = std::sync::Arc::new(Host::start(&probe("job10", "")).await);
    let unique = "name=echo&args=honey&unique=args&in_ms=3600000";
    let callers = (0..100).map(|caller| {
        let host = std::sync::Arc::clone(&host);
        let path = match caller % 3 {
            0 => format!("/enqueue?{unique}"),
            1 => format!("/enqueue-many?{unique}&n=1"),
            _ => format!("/enqueue-many?{unique}&n=7&same=1"),
        };
        tokio::spawn(async move { ok(&host, "job10", &path).await })
    });
    let mut lines = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        lines.extend(caller.await.unwrap().lines().map(str::to_owned));
    }
    assert_eq!(lines.len(), 34 + 33 + 33 * 7);
    let new: Vec<_> = lines.iter().filter_map(|line| line.strip_suffix(" new")).collect();
    assert_eq!(new.len(), 1, "{lines:?}");
    assert!(lines.iter().all(|line| line.strip_suffix(" new").or(line.strip_suffix(" there")) == Some(new[0])));
    let all = host.admin().jobs(&JobFilter { plugin: Some("job10".into()), ..JobFilter::default() }, None, 10).await;
    assert_eq!(all.unwrap().jobs.len(), 1);
    // Another one is another one, and one that refuses makes nothing of its commit.
    let other = ok(&host, "job10", "/enqueue?name=echo&args=milk&unique=args&in_ms=3600000").await;
    assert!(other.ends_with(" new"), "{other}");
    let refused = get(&host, "job10", &format!("/enqueue-many?{unique}&n=2&same=1&refuse=1")).await;
    assert_eq!(refused, (409, "Conflict".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_job_is_unique_in_its_states_and_replaces_what_it_says() {
    let host = Host::start(&probe("job11", "")).await;
    let unique = "unique_key=k&states=scheduled,available,executing";
    let first = enqueue(&host, "job11", &format!("args=a&{unique}")).await;
    becomes(&host, "job11", first, "completed").await;
    let second = enqueue(&host, "job11", &format!("args=b&in_ms=3600000&{unique}")).await;
    let replaced = format!("/enqueue?args=c&in_ms=0&{unique}&replace=args,run_at&replace_in=scheduled");
    assert_eq!(ok(&host, "job11", &replaced).await, format!("{second} there"));
    assert_eq!(becomes(&host, "job11", second, "completed").await, "completed 1/20 \"c\" -");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_awaits_too_long_is_told() {
    let host = Host::start(&probe("job12", "queues = { default = { paused = true } }")).await;
    let id = enqueue(&host, "job12", "args=x").await;
    assert_eq!(get(&host, "job12", &format!("/await?id={id}&ms=50")).await, (409, "Timeout".to_owned()));
    assert_eq!(get(&host, "job12", "/await?id=999&ms=50").await, (409, "NotFound".to_owned()));
    assert_eq!(ok(&host, "job12", "/cancel?id=999").await, "false");
    assert_eq!(ok(&host, "job12", &format!("/get?id={id}")).await, "available 0/20 - -");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_its_own_jobs_only() {
    let host = Host::start(&format!("{}{}", probe("job13", ""), probe("job13-other", ""))).await;
    let id = enqueue(&host, "job13", "args=x&in_ms=3600000").await;
    assert_eq!(ok(&host, "job13-other", &format!("/get?id={id}")).await, "none");
    assert_eq!(ok(&host, "job13-other", &format!("/cancel?id={id}")).await, "false");
    assert_eq!(get(&host, "job13-other", &format!("/await?id={id}")).await, (409, "NotFound".to_owned()));
    assert_eq!(ok(&host, "job13", &format!("/cancel?id={id}")).await, "true");
    assert_eq!(ok(&host, "job13", &format!("/cancel?id={id}")).await, "false");
    becomes(&host, "job13", id, "cancelled 0/20").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_job_at_work_ends_it() {
    let host = Host::start(&probe("job14", "queues = { slow = { concurrency = 1 } }")).await;
    let id = enqueue(&host, "job14", "name=sleep&args=3600000").await;
    becomes(&host, "job14", id, "executing").await;
    let next = enqueue(&host, "job14", "name=sleep&args=0").await;
    eventually("it runs", async || runs(&host, "job14").await.len() == 1).await;
    assert_eq!(ok(&host, "job14", &format!("/cancel?id={id}")).await, "true");
    let ended = ok(&host, "job14", &format!("/await?id={id}")).await;
    assert!(ended.starts_with("cancelled 1/20 - ") && ended.ends_with("cancelled it"), "{ended}");
    assert_eq!(becomes(&host, "job14", next, "completed").await, "completed 1/20 \"0\" -");
    assert_eq!(ok(&host, "job14", &format!("/cancel?id={id}")).await, "false");
    let plugin = host.node.plugin("job14").unwrap().current().unwrap();
    eventually("no instance is left", async || plugin.running() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_calls_back_when_all_are_done_or_have_ended() {
    let host = Host::start(&probe("job15", "queues = { default = { paused = true } }")).await;
    let well = ids(&ok(&host, "job15", "/batch?args=a&n=3&then=echo&finally=echo").await);
    let ill = ids(&ok(&host, "job15", "/batch?name=fail&args=b&n=2&max=1&then=echo&finally=echo").await);
    for id in [&well[3..], &ill[2..]].concat() {
        assert_eq!(ok(&host, "job15", &format!("/get?id={id}")).await, "suspended 0/20 - -");
    }
    let waiting = host.admin().job(well[3], false).await.unwrap().job.waiting;
    assert_eq!(waiting, Some(skep_admin::api::WaitingFor::Jobs { count: 3 }));
    crate::cache::reload(&host, &probe("job15", "")).await.unwrap();
    for id in [well[3], well[4], ill[3]] {
        assert_eq!(becomes(&host, "job15", id, "completed").await, "completed 1/20 \"called\" -");
    }
    becomes(&host, "job15", ill[2], "cancelled 0/20").await;
    let runs = runs(&host, "job15").await;
    let place = |id: u64| runs.iter().position(|run| run.contains(&format!(" {id} "))).unwrap_or(usize::MAX);
    assert!(well[..3].iter().all(|id| place(*id) < place(well[3]) && place(*id) < place(well[4])), "{runs:?}");
    assert!(ill[..2].iter().all(|id| place(*id) < place(ill[3])) && place(ill[2]) == usize::MAX, "{runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_in_its_order_until_one_of_it_does_not_complete() {
    let host = Host::start(&probe("job16", "")).await;
    let chain = ids(&ok(&host, "job16", "/chain?names=echo,mail,echo&args=c").await);
    becomes(&host, "job16", chain[2], "completed").await;
    let order: Vec<u64> =
        runs(&host, "job16").await.iter().filter_map(|run| run.split(' ').nth(2)?.parse().ok()).collect();
    let order: Vec<_> = order.into_iter().filter(|id| chain.contains(id)).collect();
    assert_eq!(order, chain);
    let broken = ids(&ok(&host, "job16", "/chain?names=echo,cancel,echo,echo&args=c").await);
    for id in &broken[2..] {
        becomes(&host, "job16", *id, "cancelled 0/20").await;
    }
    // One that comes late waits for nothing, or is cancelled at once.
    let after = ids(&ok(&host, "job16", &format!("/after?args=x&ids={},{}", chain[0], chain[2])).await)[0];
    becomes(&host, "job16", after, "completed").await;
    let after = ids(&ok(&host, "job16", &format!("/after?args=x&ids={},{}", chain[0], broken[1])).await)[0];
    becomes(&host, "job16", after, "cancelled 0/20").await;
    let after = ids(&ok(&host, "job16", &format!("/after?args=x&any=1&ids={},{}", chain[0], broken[1])).await)[0];
    becomes(&host, "job16", after, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_enqueued_is_there_however_the_caller_ends() {
    let host = Host::start(&probe("job17", "limits = { fuel = 50_000_000 }")).await;
    for (end, status) in [("return", 200), ("trap", 500), ("panic", 500), ("spin", 500)] {
        let (got, body) = get(&host, "job17", &format!("/hold?args={end}&end={end}")).await;
        assert_eq!(got, status, "{body}");
        eventually(end, async || runs(&host, "job17").await.iter().any(|run| run.starts_with(&format!("echo {end} "))))
            .await;
    }
    let done = JobFilter { plugin: Some("job17".into()), state: Some(JobState::Completed), ..JobFilter::default() };
    eventually("each once", async || host.admin().jobs(&done, None, 10).await.unwrap().jobs.len() == 4).await;
    assert_eq!(runs(&host, "job17").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_always_dies_opens_its_breaker_and_keeps_its_attempts() {
    // One after the other, so that none is at work when the breaker opens.
    let (host, clock) = Host::with_clock(&probe("job18", "queues = { default = { concurrency = 1 } }")).await;
    let all = ids(&ok(&host, "job18", "/enqueue-many?name=trap&args=x&same=1&n=40&max=2").await);
    let counts = async |wanted: JobState| {
        let queues = host.admin().queues(Some("job18")).await.unwrap();
        queues.iter().find(|queue| queue.queue == "default").map_or(0, |queue| queue.counts.get(wanted))
    };
    eventually("twenty died, and the others wait", async || {
        (counts(JobState::Retryable).await, counts(JobState::Scheduled).await) == (20, 20)
    })
    .await;
    assert_eq!(runs(&host, "job18").await.len(), 20);
    assert_eq!(ok(&host, "job18", &format!("/get?id={}", all[39])).await, "scheduled 0/2 - -");
    let open = "skep_breaker_open{plugin=\"job18\",handler=\"jobs/trap\"} 1";
    assert!(host::metrics()().contains(open));
    // Its neighbours in the queue are not to blame.
    assert_eq!(ok(&host, "job18", "/enqueue-await?args=x").await, "completed 1/20 \"x\" -");
    // A probe fails, and the others go on waiting.
    host.advance(&clock, seconds(6));
    eventually("one more died", async || {
        (counts(JobState::Retryable).await, counts(JobState::Scheduled).await) == (21, 19)
    })
    .await;
    assert_eq!(runs(&host, "job18").await.len(), 22, "with the neighbour");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_and_jobs_are_counted() {
    let host = Host::start(&probe("job19", "")).await;
    let done = [enqueue(&host, "job19", "args=x").await, enqueue(&host, "job19", "args=y").await];
    let failed = enqueue(&host, "job19", "name=fail&args=x").await;
    let last = enqueue(&host, "job19", "name=fail&args=x&max=1").await;
    let mail = enqueue(&host, "job19", "name=mail&args=x&in_ms=3600000").await;
    for (id, state) in [(done[0], "completed"), (done[1], "completed"), (failed, "retryable"), (last, "discarded")] {
        becomes(&host, "job19", id, state).await;
    }
    becomes(&host, "job19", mail, "scheduled").await;
    let attempts = |job: &str, outcome: &str| {
        host.counter("skep_job_attempts_total", &[("plugin", "job19"), ("job", job), ("outcome", outcome)])
    };
    eventually("attempts are counted", async || {
        attempts("echo", "completed") == 2 && attempts("fail", "retryable") == 1 && attempts("fail", "discarded") == 1
    })
    .await;
    assert_eq!(host.counter("skep_job_attempts_total", &[("plugin", "job19")]), 4);
    let url = format!("http://{}/metrics", host.admin.address());
    let scrape = async || host.client.get(&url).bearer_auth(host::TOKEN).send().await.unwrap().text().await.unwrap();
    for (queue, state, count) in [
        ("default", "completed", 2),
        ("default", "retryable", 1),
        ("default", "discarded", 1),
        ("mail", "scheduled", 1),
    ] {
        let line = format!("skep_jobs{{plugin=\"job19\",queue=\"{queue}\",state=\"{state}\"}} {count}\n");
        eventually(&line, async || scrape().await.contains(&line)).await;
    }
    assert!(scrape().await.contains("skep_job_seconds_count{plugin=\"job19\",queue=\"default\"} 4\n"));
}
