//! Stateful processes of guests: what others hear of them, what survives what, and what operators do with them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use skep_admin::api::{ProcessFilter, ProcessOp, ProcessSort, ProcessState};
use skep_node::Mode;
use skep_tests::{Host, eventually, guests};

use crate::cache::{get, ok};

/// A plugin whose processes do as they are told.
pub(crate) fn probe(plugin: &str, more: &str) -> String {
    probe_of(plugin, &guests::process_probe(), more)
}

pub(crate) fn probe_of(plugin: &str, wasm: &std::path::Path, more: &str) -> String {
    format!("[plugins.{plugin}]\nsource = {wasm:?}\nroutes = ['{plugin}.test/{{*path}}']\n{more}\n")
}

fn asked(to: &str, say: &str) -> String {
    let say: String = form_urlencoded::byte_serialize(say.as_bytes()).collect();
    let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
    format!("to={to}&say={say}")
}

/// What a process answers.
pub(crate) async fn call(host: &Host, plugin: &str, to: &str, say: &str) -> String {
    ok(host, plugin, &format!("/call?{}", asked(to, say))).await
}

/// Why it does not.
async fn refused(host: &Host, plugin: &str, to: &str, say: &str) -> String {
    let (status, body) = get(host, plugin, &format!("/call?{}", asked(to, say))).await;
    assert_eq!(status, 409, "{say}: {body}");
    body
}

async fn cast(host: &Host, plugin: &str, to: &str, say: &str) {
    assert_eq!(ok(host, plugin, &format!("/cast?{}", asked(to, say))).await, "ok");
}

pub(crate) async fn start(host: &Host, plugin: &str, kind: &str, name: &str) -> String {
    ok(host, plugin, &format!("/start?kind={kind}&name={name}")).await
}

async fn state_of(host: &Host, process: &str) -> ProcessState {
    host.admin().process(process).await.unwrap().process.state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_has_a_name_a_state_and_one_message_at_a_time() {
    let host = Host::start(&probe("pr1", "")).await;
    let pid = start(&host, "pr1", "counter", "a").await;
    assert!(pid.starts_with("pr1/counter/"), "{pid}");
    assert_eq!(call(&host, "pr1", "a", "add 2").await, "2");
    assert_eq!(call(&host, "pr1", &format!("pid:{pid}"), "add 3").await, "5");
    assert_eq!(ok(&host, "pr1", "/whereis?to=a").await, pid);
    assert_eq!(ok(&host, "pr1", "/whereis?to=nobody").await, "none");
    assert_eq!(refused(&host, "pr1", "nobody", "get").await, "NotFound");
    let (status, taken) = get(&host, "pr1", "/start?kind=counter&name=a").await;
    assert_eq!((status, taken), (409, format!("NameTaken {pid}")));
    assert_eq!(ok(&host, "pr1", "/start-or-get?kind=counter&name=a").await, format!("{pid} there"));
    // From many at once, and none is lost.
    ok(&host, "pr1", "/call-many?to=a&say=add+1&n=200").await;
    let many = (0..20).map(|_| call(&host, "pr1", "a", "add 1"));
    futures_util::future::join_all(many).await;
    assert_eq!(call(&host, "pr1", "a", "get").await, "225");
    assert_eq!(refused(&host, "pr1", "a", "error it is closed").await, "Failed it is closed");
    assert_eq!(call(&host, "pr1", "a", "get").await, "225", "an error is no crash");
    // An answer that comes later.
    let (later, _) = tokio::join!(call(&host, "pr1", "a", "later k"), async {
        eventually("it waits", async || call(&host, "pr1", "a", "waiting").await == "1").await;
        cast(&host, "pr1", "a", "answer k at last").await;
    });
    assert_eq!(later, "at last");
    start(&host, "pr1", "counter", "b").await;
    assert_eq!(ok(&host, "pr1", "/list-all?prefix=").await, "2");
    assert_eq!(ok(&host, "pr1", "/stop?to=b&reason=normal").await, "ok");
    assert_eq!(ok(&host, "pr1", "/whereis?to=b").await, "none");
    assert_eq!(ok(&host, "pr1", "/get?k=ended:b").await.split_once(' ').unwrap().1, "normal", "it was terminated");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_a_process_its_caller_is_told_and_it_is_back_under_its_name() {
    let settings = "limits = { fuel = 200_000_000, deadline = '20s', memory = '64MiB' }\n\
                    processes = { counter = { deadline = '4s', supervision = { restarts = 100 } } }";
    let host = Host::start(&probe("pr2", settings)).await;
    let pid = start(&host, "pr2", "counter", "a").await;
    start(&host, "pr2", "counter", "neighbour").await;
    call(&host, "pr2", "neighbour", "add 7").await;
    for (say, why) in [
        ("trap", "trap"),
        ("panic", "trap"),
        ("spin", "fuel-exhausted"),
        ("sleep 60000", "deadline"),
        ("bomb", "memory-exhausted"),
    ] {
        call(&host, "pr2", "a", "add 1").await;
        let told = refused(&host, "pr2", "a", say).await;
        assert!(told.starts_with(&format!("Crashed {why}")), "{say}: {told}");
        assert_eq!(call(&host, "pr2", "a", "get").await, "0", "it began anew after {say}");
        assert_eq!(ok(&host, "pr2", "/whereis?to=a").await, pid, "{say}");
    }
    assert_eq!(call(&host, "pr2", "neighbour", "get").await, "7");
    let detail = host.admin().process("pr2/a").await.unwrap();
    assert_eq!(detail.process.crashes, 5);
    let crashed = host.counter("skep_process_events_total", &[("plugin", "pr2"), ("event", "crashed")]);
    assert_eq!(crashed, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_call_each_other_are_told_so() {
    let host = Host::start(&probe("pr3", "")).await;
    start(&host, "pr3", "counter", "a").await;
    start(&host, "pr3", "counter", "b").await;
    let told = call(&host, "pr3", "a", "call_ms 1500 b call_ms 3000 a get").await;
    assert!(told.contains("pr3/b waits for pr3/a, which is the caller"), "{told}");
    let told = call(&host, "pr3", "a", "call_ms 300 a get").await;
    assert!(told.starts_with("Timeout"), "{told}");
    assert_eq!(call(&host, "pr3", "a", "get").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_nothing_to_do_sleeps_and_wakes_as_it_was() {
    let (host, clock) = Host::with_clock(&probe("pr4", "processes = { counter = { hibernate_after = '5s' } }")).await;
    start(&host, "pr4", "counter", "a").await;
    call(&host, "pr4", "a", "add 41").await;
    assert_eq!(state_of(&host, "pr4/a").await, ProcessState::Idle);
    host.advance(&clock, Duration::from_secs(6));
    eventually("it sleeps", async || state_of(&host, "pr4/a").await == ProcessState::Asleep).await;
    assert_eq!(call(&host, "pr4", "a", "add 1").await, "42");
    // A timer wakes it too.
    call(&host, "pr4", "a", "after 60000 add 8").await;
    call(&host, "pr4", "a", "hibernate").await;
    eventually("it sleeps again", async || state_of(&host, "pr4/a").await == ProcessState::Asleep).await;
    host.advance(&clock, Duration::from_secs(61));
    eventually("the timer rang", async || call(&host, "pr4", "a", "get").await == "50").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_serves_several_processes_where_it_is_reused_and_one_where_not() {
    let manifest = probe("pr15", "") + &probe("pr16", "instances = { reuse = 3 }");
    let host = Host::start(&manifest).await;
    // How often the instance of a process that wakes was met, and what the process knows by itself.
    let wake = async |plugin: &str, name: &str| {
        let met = call(&host, plugin, name, "met").await;
        let count = call(&host, plugin, name, "add 1").await;
        call(&host, plugin, name, "hibernate").await;
        eventually("it sleeps", async || state_of(&host, &format!("{plugin}/{name}")).await == ProcessState::Asleep)
            .await;
        (met, count)
    };
    let mut seen = Vec::new();
    for plugin in ["pr15", "pr16"] {
        for name in ["a", "b"] {
            start(&host, plugin, "counter", name).await;
            seen.push(wake(plugin, name).await);
        }
        for name in ["a", "b", "a"] {
            seen.push(wake(plugin, name).await);
        }
    }
    let said =
        |all: &[(&str, &str)]| all.iter().map(|(met, count)| ((*met).into(), (*count).into())).collect::<Vec<_>>();
    // Each process has its own state in all of them. The third process that an instance served is its last one.
    assert_eq!(seen[..5], said(&[("1", "1"), ("1", "1"), ("1", "2"), ("1", "2"), ("1", "3")]));
    assert_eq!(seen[5..], said(&[("1", "1"), ("2", "1"), ("3", "2"), ("1", "2"), ("2", "3")]));
    // What crashed serves nobody any more.
    assert!(refused(&host, "pr16", "b", "trap").await.starts_with("Crashed"));
    eventually("it is back", async || call(&host, "pr16", "b", "met").await == "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monotonic_clock_goes_on_from_message_to_message() {
    let host = Host::start(&probe("pr14", "")).await;
    start(&host, "pr14", "counter", "a").await;
    call(&host, "pr14", "a", "elapsed").await;
    call(&host, "pr14", "a", "sleep 50").await;
    let elapsed: u64 = call(&host, "pr14", "a", "elapsed").await.parse().unwrap();
    assert!(elapsed >= 50, "{elapsed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_live_at_once_take_turns() {
    let manifest = format!("[host.processes]\nlive = 40\n{}", probe("pr5", ""));
    let host = Host::start(&manifest).await;
    assert_eq!(ok(&host, "pr5", "/start-many?kind=counter&prefix=p&n=300&first=0").await, "300");
    for number in (0..300).step_by(7) {
        let name = format!("p{number:08}");
        assert_eq!(call(&host, "pr5", &name, "add 1").await, (number + 1).to_string());
    }
    let figures = host.admin().figures().await.unwrap().processes.unwrap();
    assert_eq!(figures.processes, 300);
    assert!(figures.live <= figures.live_max && figures.live_max == 40, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_and_links_tell_of_an_end() {
    let host = Host::start(&probe("pr6", "processes = { counter = { restart = 'temporary' } }")).await;
    let pid = start(&host, "pr6", "counter", "a").await;
    for watcher in ["m", "l", "t"] {
        start(&host, "pr6", "counter", watcher).await;
    }
    let monitor = call(&host, "pr6", "m", "monitor a").await;
    call(&host, "pr6", "l", "link a").await;
    call(&host, "pr6", "t", "trap_exits true").await;
    call(&host, "pr6", "t", "link a").await;
    refused(&host, "pr6", "a", "trap").await;
    eventually("m is told", async || call(&host, "pr6", "m", "log").await.contains("down")).await;
    let down = call(&host, "pr6", "m", "log").await;
    assert!(down.starts_with(&format!("down {monitor} {pid} trap")), "{down}");
    eventually("l has gone with it", async || ok(&host, "pr6", "/whereis?to=l").await == "none").await;
    let exit = call(&host, "pr6", "t", "log").await;
    assert!(exit.starts_with(&format!("exit {pid} trap")), "{exit}");
    assert_eq!(call(&host, "pr6", "m", "log").await.lines().count(), 1, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_presences_and_jobs_reach_processes() {
    let host = Host::start(&probe("pr7", "topics = { news = { retain = { messages = 10 } } }")).await;
    let pid = start(&host, "pr7", "counter", "a").await;
    call(&host, "pr7", "a", "subscribe news").await;
    call(&host, "pr7", "a", "track room maja").await;
    assert_eq!(ok(&host, "pr7", "/members?topic=room").await, "maja");
    host.admin().publish("pr7/news", Some("new"), "get".into()).await.unwrap();
    let log = async || call(&host, "pr7", "a", "log").await;
    eventually("it heard", async || {
        let log = log().await;
        log.starts_with("published news ") && log.ends_with(" new get")
    })
    .await;
    let job = ok(&host, "pr7", &format!("/enqueue?{}", asked("a", "add 5"))).await;
    assert_eq!(ok(&host, "pr7", &format!("/job?id={job}&ms=10000")).await, "5");
    assert_eq!(ok(&host, "pr7", "/stop?to=a&reason=normal").await, "ok");
    eventually("no ghost", async || ok(&host, "pr7", "/members?topic=room").await.is_empty()).await;
    assert_eq!(refused(&host, "pr7", &format!("pid:{pid}"), "get").await, "NotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plugin_reaches_them_by_grant_only() {
    let shop = probe("pr8", "");
    let denied = probe("pr8-out", "");
    let granted = probe("pr8-in", "grants = { processes = { 'pr8/cart:*' = 'call' } }");
    let host = Host::start(&format!("{shop}{denied}{granted}")).await;
    start(&host, "pr8", "counter", "cart:1").await;
    start(&host, "pr8", "counter", "till").await;
    let told = refused(&host, "pr8-out", "pr8/cart:1", "get").await;
    assert!(told.contains("Denied") && told.contains("processes = { \\\"pr8/cart:1\\\" = \\\"call\\\" }"), "{told}");
    assert_eq!(call(&host, "pr8-in", "pr8/cart:1", "add 1").await, "1");
    assert!(refused(&host, "pr8-in", "pr8/till", "get").await.contains("Denied"));
    let (status, told) = get(&host, "pr8-in", "/stop?to=pr8/cart:1&reason=normal").await;
    assert!(status == 409 && told.contains("\\\"all\\\""), "{told}");
    assert_eq!(call(&host, "pr8", "cart:1", "get").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_durable_ones_are_there_after_a_restart_with_their_timers() {
    let settings = "processes = { counter = { persistence = 'durable' }, ledger = { persistence = 'event-log' } }";
    let host = Host::start(&probe("pr9", settings)).await;
    let pid = start(&host, "pr9", "counter", "a").await;
    start(&host, "pr9", "ledger", "l").await;
    call(&host, "pr9", "a", "add 5").await;
    cast(&host, "pr9", "a", "add 6").await;
    for _ in 0..3 {
        call(&host, "pr9", "l", "add 2").await;
    }
    call(&host, "pr9", "a", "after 100 add 100").await;
    // In one commit with its state.
    call(&host, "pr9", "a", "stage set k staged").await;
    let ledger = call(&host, "pr9", "l", "get").await;
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "pr9", "/whereis?to=a").await, pid, "by the same pid");
    eventually("the timer rang", async || call(&host, "pr9", "a", "get").await == "111").await;
    assert_eq!(call(&host, "pr9", "l", "get").await, ledger);
    assert!(ok(&host, "pr9", "/get?k=k").await.ends_with("staged"));
    // A crash loses nothing but the message.
    refused(&host, "pr9", "a", "trap").await;
    assert_eq!(call(&host, "pr9", "a", "get").await, "111");
    // A commit whose check does not hold undoes the message.
    assert_eq!(refused(&host, "pr9", "a", "stage absent k").await, "Conflict");
    assert_eq!(call(&host, "pr9", "a", "get").await, "111");
    // What another commit sends arrives when that is durable.
    ok(&host, "pr9", "/commit?ops=send+a+add+9").await;
    assert_eq!(ok(&host, "pr9", "/stop?to=a&reason=normal").await, "ok");
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "pr9", "/whereis?to=a").await, "none", "what has stopped is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_the_manifest_are_there_from_the_start_and_fall_together() {
    let settings = "processes.counter = { start = [{ name = 'one', args = { from = 0 } }, { name = 'two', args = { from = 0 } }, \
                    { name = 'three', args = { from = 0 } }], strategy = 'rest-for-one' }";
    let host = Host::start(&probe("pr10", settings)).await;
    for name in ["one", "two", "three"] {
        eventually(name, async || ok(&host, "pr10", &format!("/whereis?to={name}")).await != "none").await;
        call(&host, "pr10", name, "add 1").await;
    }
    refused(&host, "pr10", "two", "trap").await;
    let counts = async |name: &str| {
        let (status, body) = get(&host, "pr10", &format!("/call?{}", asked(name, "get"))).await;
        (status == 200).then_some(body)
    };
    eventually("two began anew", async || counts("two").await.as_deref() == Some("0")).await;
    eventually("and three with it", async || counts("three").await.as_deref() == Some("0")).await;
    assert_eq!(counts("one").await.as_deref(), Some("1"));
    let tree = host.admin().tree().await.unwrap();
    assert!(format!("{tree:?}").contains("host/pr10/processes/counter/two"), "{tree:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_moves_them_or_leaves_all_where_they_are() {
    let settings = "probation = { time = '1h' }\nprocesses = { loader = { supervision = { restarts = 100 } } }\n\
                    limits = { fuel = 200_000_000, deadline = '2s' }";
    let host = Host::start(&probe("pr11", settings)).await;
    for name in ["live", "asleep"] {
        start(&host, "pr11", "loader", name).await;
        call(&host, "pr11", name, "add 5").await;
    }
    call(&host, "pr11", "asleep", "hibernate").await;
    eventually("it sleeps", async || state_of(&host, "pr11/asleep").await == ProcessState::Asleep).await;
    let deploy = async |wasm: std::path::PathBuf| {
        host.admin().deploy("pr11", std::fs::read(wasm).unwrap().into()).await.unwrap();
    };
    for bad in [guests::process_probe_v2_traps(), guests::process_probe_v2_loops(), guests::process_probe_v2_garbage()]
    {
        deploy(bad.clone()).await;
        for name in ["live", "asleep"] {
            assert_eq!(call(&host, "pr11", name, "get").await, "v1 5", "{name} after {}", bad.display());
            let detail = host.admin().process(&format!("pr11/{name}")).await.unwrap();
            assert!(detail.upgrade_failed.is_some(), "{name} after {}", bad.display());
        }
        host.admin().rollback("pr11", None).await.unwrap();
    }
    deploy(guests::process_probe_v2()).await;
    for name in ["live", "asleep"] {
        assert_eq!(call(&host, "pr11", name, "add 1").await, "v2 6");
        assert!(host.admin().process(&format!("pr11/{name}")).await.unwrap().keeps_before);
    }
    host.admin().rollback("pr11", None).await.unwrap();
    for name in ["live", "asleep"] {
        assert_eq!(call(&host, "pr11", name, "get").await, "v1 5", "as it was before the upgrade");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_are_upgraded_under_calls_and_lose_nothing() {
    const COUNT: usize = 10_000;
    const CALLERS: usize = 4;
    // Most of them sleep: there is no room for more.
    let host = Host::start(&format!("[host.processes]\nlive = 200\n{}", probe("pr15", ""))).await;
    // Some at a time: a call has a deadline, however busy the machine is.
    for first in (0..COUNT).step_by(500) {
        let started = ok(&host, "pr15", &format!("/start-many?kind=loader&prefix=p&n=500&first={first}")).await;
        assert_eq!(started, "500");
    }
    let is_deployed = AtomicBool::new(false);
    let add = async |caller: usize| {
        let (mut random, mut added, mut after) = (fastrand::Rng::with_seed(caller as u64), vec![0; COUNT], 0);
        // Some calls see the new revision for certain.
        while after < 200 {
            let at = random.usize(..COUNT);
            let answer = call(&host, "pr15", &format!("p{at:08}"), "add 1").await;
            added[at] += 1;
            after += usize::from(is_deployed.load(Ordering::Relaxed));
            assert!(answer.starts_with("v1 ") || answer.starts_with("v2 "), "{answer}");
        }
        added
    };
    let deploy = async {
        let v2 = std::fs::read(guests::process_probe_v2()).unwrap();
        host.admin().deploy("pr15", v2.into()).await.unwrap();
        is_deployed.store(true, Ordering::Relaxed);
    };
    let callers = futures_util::future::join_all((0..CALLERS).map(add));
    let (added, ()) = futures_util::join!(callers, deploy);
    for at in 0..COUNT {
        let sum = at + added.iter().map(|added| added[at]).sum::<usize>();
        assert_eq!(call(&host, "pr15", &format!("p{at:08}"), "get").await, format!("v2 {sum}"), "{at}");
    }
    let crashed = host.counter("skep_process_events_total", &[("plugin", "pr15"), ("event", "crashed")]);
    assert_eq!(crashed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_kill_and_restart_them() {
    let host =
        Host::start(&probe("pr12", "processes = { counter = { supervision = { restarts = 0, rounds = 1 } } }")).await;
    let pid = start(&host, "pr12", "counter", "a").await;
    ok(&host, "pr12", "/start-many?kind=counter&prefix=n&n=30&first=0").await;
    let admin = host.admin();
    let filter = ProcessFilter { plugin: Some("pr12".to_owned()), prefix: Some("n".to_owned()), ..Default::default() };
    let page = admin.processes(&filter, ProcessSort::Name, None, 20).await.unwrap();
    assert_eq!((page.processes.len(), page.total), (20, 30));
    let rest = admin.processes(&filter, ProcessSort::Name, page.cursor.as_deref(), 20).await.unwrap();
    assert_eq!((rest.processes.len(), rest.cursor), (10, None));
    let kinds = admin.process_kinds(Some("pr12")).await.unwrap();
    let counter = kinds.iter().find(|kind| kind.plugin == "pr12" && kind.kind == "counter").unwrap();
    assert_eq!(counter.counts.total(), 31);
    assert_eq!(admin.process("pr12/a").await.unwrap().process.pid, pid);
    let unknown = admin.process("pr12/nn").await.unwrap_err().to_string();
    assert!(unknown.contains("pr12/n00000000"), "{unknown}");
    call(&host, "pr12", "a", "add 3").await;
    assert_eq!(admin.operate_process("pr12/a", ProcessOp::Kill).await.unwrap().pid, pid);
    eventually("it backs off", async || state_of(&host, "pr12/a").await == ProcessState::BackingOff).await;
    admin.operate_process(&pid, ProcessOp::Restart).await.unwrap();
    eventually("it is back", async || get(&host, "pr12", "/call?to=a&say=get").await == (200, "0".to_owned())).await;
    admin.operate_process("pr12/a", ProcessOp::Stop).await.unwrap();
    assert_eq!(ok(&host, "pr12", "/whereis?to=a").await, "none");
    let figures = admin.figures().await.unwrap();
    assert!(figures.processes.unwrap().messages > 0 && figures.uptime_ms > 0);
}
