//! What the engine does with processes that do next to nothing, beside a plain tokio actor that does the same in the same run.
//!
//! `cargo bench -p skep-process` prints it; `-- --processes N` starts another number of processes than 1,000,000.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use skep_process::*;
use skep_types::{Clock, PluginName, SystemClock};
use tokio::sync::{mpsc, oneshot};

/// A counter of eight bytes.
struct Counters;

struct Counter(u64);

impl Behaviour for Counters {
    fn version(&self) -> u32 {
        1
    }

    fn saves(&self) -> bool {
        true
    }

    fn init(&self, birth: Birth) -> Working<'_, Begun> {
        Box::pin(async move {
            let next = if birth.args.is_empty() { Next::NoReply } else { Next::Hibernate(None) };
            Ok(Begun { instance: Box::new(Counter(0)), turn: Turn::new(next) })
        })
    }

    fn load(&self, _: Identity, saved: Saved) -> Working<'_, Box<dyn Instance>> {
        let count = saved.state.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Box::pin(async move { Ok(Box::new(Counter(count)) as Box<dyn Instance>) })
    }
}

impl Instance for Counter {
    fn handle(&mut self, event: Event) -> Working<'_, Turn> {
        Box::pin(async move {
            self.0 += 1;
            Ok(match event {
                Event::Call { message, .. } => Turn::reply(message),
                _ => Turn::default(),
            })
        })
    }

    fn save(&mut self) -> Working<'_, Bytes> {
        Box::pin(async move { Ok(Bytes::copy_from_slice(&self.0.to_be_bytes())) })
    }

    fn replay(&mut self, _: Vec<Bytes>) -> Working<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn terminate(&mut self, _: Reason) -> Working<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn plugin() -> PluginName {
    PluginName::new("bench").unwrap()
}

fn named(name: &str) -> Target {
    Target::Name { plugin: plugin(), name: name.to_owned() }
}

fn spec(name: String, args: &'static str) -> Spec {
    Spec { kind: "counter".to_owned(), name: Some(name), args: Bytes::from_static(args.as_bytes()), supervised: false }
}

fn engine(count: usize) -> Processes {
    let engine = Processes::open(Arc::new(SystemClock), None, Options::default()).unwrap();
    let options = KindOptions { max: count + 10, ..KindOptions::default() };
    engine.set_kind(&plugin(), "counter", options, Arc::new(Counters)).unwrap();
    engine
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|at| at == name).and_then(|at| arguments.get(at + 1));
    let count: usize = after("--processes").and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mine, actor) = runtime.block_on(async {
        // On a worker, as a host's handlers are: the one who blocks on a runtime is none of its threads.
        let mine = tokio::spawn(calls(false)).await.unwrap();
        (mine, tokio::spawn(plain()).await.unwrap())
    });
    line("call to a live process, by name", &mine);
    line("call to a plain tokio actor", &actor);
    println!("{:<56}{:>9.2} times", "    the process's p50 over the actor's", mine.p50() / actor.p50());
    let by_pid = runtime.block_on(async { tokio::spawn(calls(true)).await.unwrap() });
    line("call to a live process, by pid", &by_pid);
    let (mine, actor) =
        runtime.block_on(async { (tokio::spawn(casts()).await.unwrap(), tokio::spawn(sends()).await.unwrap()) });
    println!("{:<56}{mine:>9.0}/s", "casts to one process, one caller");
    println!("{:<56}{actor:>9.0}/s  {:.2} times", "messages to a plain tokio actor, one sender", mine / actor);
    runtime.block_on(async { tokio::spawn(many(count)).await.unwrap() });
}

struct Times {
    sorted: Vec<f64>,
    took: Duration,
}

impl Times {
    fn new(mut times: Vec<Duration>, took: Duration) -> Self {
        times.sort_unstable();
        Self { sorted: times.into_iter().map(|time| time.as_secs_f64() * 1e6).collect(), took }
    }

    fn at(&self, part: f64) -> f64 {
        self.sorted.get((self.sorted.len() as f64 * part) as usize).copied().unwrap_or_default()
    }

    fn p50(&self) -> f64 {
        self.at(0.5)
    }
}

fn line(what: &str, times: &Times) {
    let rate = times.sorted.len() as f64 / times.took.as_secs_f64();
    println!("{what:<56}{rate:>9.0}/s  p50 {:.2} us, p99 {:.2} us", times.p50(), times.at(0.99));
}

/// Runs something so many times. A macro, since a closure's future is not `Send` for every lifetime.
macro_rules! measure {
    ($count:expr, |$at:ident| $each:expr) => {{
        let count: usize = $count;
        let mut times = Vec::with_capacity(count);
        let began = SystemClock.now();
        for $at in 0..count {
            let from = SystemClock.now();
            drop($each);
            times.push(from.elapsed());
        }
        Times::new(times, began.elapsed())
    }};
}

async fn calls(by_pid: bool) -> Times {
    let engine = engine(1);
    let pid = engine.start(&plugin(), spec("a".to_owned(), "")).await.unwrap().pid;
    let to = if by_pid { pid.into() } else { named("a") };
    measure!(50_000, |_at| engine.call(None, &to, Bytes::from_static(b"hello"), None).await.unwrap());
    let times = measure!(500_000, |_at| engine.call(None, &to, Bytes::from_static(b"hello"), None).await.unwrap());
    engine.close().await;
    times
}

async fn plain() -> Times {
    let (to, mut mailbox) = mpsc::channel::<(Bytes, oneshot::Sender<Bytes>)>(1000);
    tokio::spawn(async move {
        let mut count = 0_u64;
        while let Some((message, answer)) = mailbox.recv().await {
            count += 1;
            let _ = answer.send(message);
        }
        count
    });
    measure!(550_000, |_at| {
        let (answer, waits) = oneshot::channel();
        to.send((Bytes::from_static(b"hello"), answer)).await.unwrap();
        waits.await.unwrap()
    })
}

/// A full mailbox is waited for by a call, which comes behind.
async fn casts() -> f64 {
    let engine = engine(1);
    let pid = engine.start(&plugin(), spec("a".to_owned(), "")).await.unwrap().pid;
    let to = pid.into();
    let began: Instant = SystemClock.now();
    let count = 1_000_000;
    for at in 0..count {
        engine.cast(&to, Bytes::from_static(b"hello")).await.unwrap();
        if at % 500 == 499 {
            engine.call(None, &to, Bytes::new(), None).await.unwrap();
        }
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    engine.close().await;
    rate
}

async fn sends() -> f64 {
    let (to, mut mailbox) = mpsc::channel::<Bytes>(1000);
    let actor = tokio::spawn(async move {
        let mut count = 0_u64;
        while mailbox.recv().await.is_some() {
            count += 1;
        }
        count
    });
    let began = SystemClock.now();
    let count = 1_000_000;
    for _ in 0..count {
        to.send(Bytes::from_static(b"hello")).await.unwrap();
    }
    drop(to);
    actor.await.unwrap();
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// Resident bytes of this program.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}

async fn many(count: usize) {
    let engine = engine(count);
    let before = resident();
    let began = SystemClock.now();
    let starters: Vec<_> = (0..4)
        .map(|part| {
            let engine = engine.clone();
            tokio::spawn(async move {
                for at in (part..count).step_by(4) {
                    engine.start(&plugin(), spec(format!("counter:{at:07}"), "s")).await.unwrap();
                }
            })
        })
        .collect();
    for starter in starters {
        starter.await.unwrap();
    }
    let took = began.elapsed();
    // The last ones may still be on their way to sleep.
    while engine.totals().live > 0 {
        tokio::task::yield_now().await;
    }
    let bytes = resident().saturating_sub(before) as f64 / count as f64;
    println!(
        "{:<56}{:>9.0}/s  {:.1} s",
        format!("start of {count} named processes, asleep at once"),
        count as f64 / took.as_secs_f64(),
        took.as_secs_f64()
    );
    println!("{:<56}{bytes:>9.0} bytes, of which 8 are its state", "memory of one that sleeps");
    let mut random = fastrand::Rng::with_seed(1);
    let times = measure!(50_000.min(count), |_at| {
        let to = named(&format!("counter:{:07}", random.usize(..count)));
        engine.call(None, &to, Bytes::from_static(b"hello"), None).await.unwrap()
    });
    line("call to one of them at random, which wakes it", &times);
    let times = measure!(200_000, |at| {
        let found = engine.whereis(&plugin(), &format!("counter:{:07}", at * 7919 % count)).await;
        found.unwrap().unwrap()
    });
    line("whereis among them", &times);
    let times = measure!(5000, |at| {
        let after = format!("counter:{:07}", at * 7919 % count);
        engine.list(&plugin(), "counter:", Some(&after), 100).await.unwrap()
    });
    line("list of 100 names among them", &times);
}
