//! Processes: turns beside commits of one item, and looks at a million of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use skep_store::{
    Commit, DueCursor, Mail, MailId, NewProcess, ProcessChange, ProcessId, ProcessStore, ProcessTurn, Receiver, Saved,
    SqliteStore, Store,
};
use skep_types::HandlerName;

use crate::{ARGS, Measured, NOW, call, folder, open, plugin, row, set};

fn id(number: u64) -> ProcessId {
    ProcessId { plugin: plugin(), number }
}

fn saved() -> Option<Saved> {
    Some(Saved { version: 1, state: Bytes::from_static(ARGS) })
}

fn of(change: ProcessChange) -> Commit {
    Commit { process: Some(change), ..Commit::new(plugin(), NOW) }
}

fn begin(number: u64, wake_at: Option<u64>) -> ProcessChange {
    let new = NewProcess {
        kind: HandlerName::new("cart").unwrap(),
        name: Some(format!("cart:{number:08}")),
        args: Bytes::new(),
        saved: saved(),
        extra: Bytes::new(),
        wake_at,
    };
    ProcessChange::begin(id(number), new)
}

/// So many processes, begun in groups.
async fn fill(store: &Arc<SqliteStore>, from: u64, to: u64, wake_at: impl Fn(u64) -> Option<u64>) {
    let mut waiting = Vec::new();
    for number in from..to {
        waiting.push(store.commit(of(begin(number, wake_at(number)))));
        if waiting.len() == 1_024 {
            for one in waiting.drain(..) {
                _ = one.await.unwrap();
            }
        }
    }
    for one in waiting {
        _ = one.await.unwrap();
    }
}

fn letter(number: u64) -> Mail {
    Mail { to: Receiver::Process(id(number)), data: Bytes::from_static(b"add"), at: None }
}

/// What each process has: its seq and its mail.
struct Known {
    seq: u64,
    mail: VecDeque<MailId>,
}

/// One turn after the other of each process: its state of 100 bytes, and one mail handled that was posted before.
async fn turns(store: &Arc<SqliteStore>, processes: u64, base: f64) {
    let mut known: Vec<Known> = Vec::new();
    for number in 0..processes {
        let seq = store.process(id(number)).await.unwrap().unwrap().seq;
        known.push(Known { seq, mail: VecDeque::new() });
    }
    // They came in turn, and are handled in the order that they came.
    for thousand in 0..60 {
        let to = |at: u64| (thousand * 1_000 + at) % processes;
        let posted = store.post_mail(plugin(), (0..1_000).map(|at| letter(to(at))).collect(), NOW).await.unwrap();
        for (at, mail) in (0..).zip(posted) {
            known[usize::try_from(to(at)).unwrap()].mail.push_back(mail);
        }
    }
    let known: Vec<_> = known.into_iter().map(Mutex::new).collect();
    let known = Arc::new(known);
    // Each caller is a process.
    let began = Instant::now();
    let before = crate::worked();
    let tasks: Vec<_> = (0..processes)
        .map(|number| {
            let (store, known) = (Arc::clone(store), Arc::clone(&known));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < Duration::from_secs(3) {
                    let change = {
                        let known = &mut *known[usize::try_from(number).unwrap()].lock();
                        let Some(mail) = known.mail.pop_front() else { break };
                        let turn = ProcessTurn { saved: saved(), ..ProcessTurn::default() };
                        let seq = known.seq;
                        known.seq += 1;
                        ProcessChange { handled: vec![mail], ..ProcessChange::turn(id(number), seq, turn) }
                    };
                    let one = Instant::now();
                    _ = store.commit(of(change)).await.unwrap();
                    times.push(one.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let count = times.len();
    let measured = Measured::of(times, count, began, before);
    row(&format!("turn: state of 100 bytes, 1 mail handled, {processes}"), &measured, base);
}

/// Turns, casts and commits of one item in the same store.
pub(crate) async fn small(base: f64) {
    for processes in [1, 32, 256] {
        let folder = folder();
        let store = open(&folder);
        fill(&store, 0, processes, |_| None).await;
        let writes = Arc::clone(&store);
        let commit = move |number: u64| {
            let done = writes.commit(set(number.wrapping_mul(7919)));
            async move { _ = done.await.unwrap() }
        };
        let callers = usize::try_from(processes).unwrap();
        let measured = call(callers, Duration::from_secs(3), commit).await;
        row(&format!("commit of 1 item, {processes} callers, again"), &measured, base);
        turns(&store, processes, base).await;
        let posts = Arc::clone(&store);
        let post = move |number: u64| {
            let done = posts.post_mail(plugin(), vec![letter(number % processes)], NOW);
            async move { _ = done.await.unwrap() }
        };
        let measured = call(callers, Duration::from_secs(3), post).await;
        row(&format!("post of 1 mail, {processes} callers"), &measured, base);
        store.close().await.unwrap();
    }
}

/// What is asked of many.
pub(crate) async fn large(processes: u64) {
    println!("\n{:<52}{:>10}{:>10}{:>12}", "a table of processes", "few", processes, "us or 1/s");
    let mut all = Vec::new();
    for processes in [1_000, processes] {
        let folder = folder();
        let store = open(&folder);
        let began = Instant::now();
        // All have timers; ten are due.
        fill(&store, 0, processes, |number| Some(if number < 10 { NOW } else { NOW + 1_000 + number })).await;
        // And mail that is put off.
        for thousand in 0..processes / 1_000 {
            let later = |at| Mail { at: Some(NOW + 1_000 + at), ..letter(thousand * 1_000 + at) };
            store.post_mail(plugin(), (0..1_000).map(later).collect(), NOW).await.unwrap();
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("{processes} processes and as many mails put there in {seconds:.0} s");
        let of_random = move |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % processes;
        let mut found = Vec::new();
        let reads = Arc::clone(&store);
        let by_name = move |number| {
            let name = format!("cart:{:08}", of_random(number));
            let record = reads.process_by_name(plugin(), name);
            async move { assert!(record.await.unwrap().is_some()) }
        };
        found.push(("look up by name, us", call(1, Duration::from_secs(2), by_name).await));
        let reads = Arc::clone(&store);
        let absent = move |number| {
            let record = reads.process_by_name(plugin(), format!("none:{number}"));
            async move { assert!(record.await.unwrap().is_none()) }
        };
        found.push(("look up a name that nobody has, us", call(1, Duration::from_secs(1), absent).await));
        let reads = Arc::clone(&store);
        let due = move |_| {
            let page = reads.processes_due(DueCursor::default(), NOW, 256);
            async move { assert_eq!(page.await.unwrap().due.len(), 10) }
        };
        found.push(("what is due, us", call(1, Duration::from_secs(1), due).await));
        let reads = Arc::clone(&store);
        let mail = move |number| {
            let page = reads.mail_for(vec![Receiver::Process(id(of_random(number)))], None, NOW, 64);
            async move { assert!(page.await.unwrap().mail.is_empty()) }
        };
        found.push(("mail of one that has none due, us", call(1, Duration::from_secs(1), mail).await));
        let turns = Arc::clone(&store);
        let turn = move |number| {
            let id = id(of_random(number));
            let turns = Arc::clone(&turns);
            async move {
                let record = turns.process(id.clone()).await.unwrap().unwrap();
                let turn = ProcessTurn { saved: saved(), wake_at: record.wake_at, ..ProcessTurn::default() };
                // Two may have met.
                _ = turns.commit(of(ProcessChange::turn(id, record.seq, turn))).await;
            }
        };
        found.push(("read and turn of any, 256 callers, us", call(256, Duration::from_secs(3), turn).await));
        store.close().await.unwrap();
        all.push(found);
    }
    for ((name, few), (_, many)) in all[0].iter().zip(&all[1]) {
        println!("{name:<52}{:>10.0}{:>10.0}{:>12}", few.p50, many.p50, "");
        println!("{:<52}{:>10.0}{:>10.0}{:>12}", "  in a second", few.rate, many.rate, "");
    }
}
