//! Measures the engine against Phoenix.Tracker's figures on this class of machine.
//!
//! `cargo bench -p skep-presence` prints one table.

#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use skep_presence::{Announce, Diff, Options, Owner, Presence};
use skep_types::{Clock, SystemClock, TopicId};

const MEMBERS: usize = 10_000;
const RUNS: usize = 9;
const DATA: &[u8] = br#"{"name":"a user of the room","online_at":1700000000}"#;

#[derive(Default)]
struct Sizes {
    diffs: AtomicUsize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    largest: AtomicUsize,
}

impl Announce for Sizes {
    fn announce(&self, _: &TopicId, diff: &Diff) {
        let bytes = diff.to_json().len();
        self.diffs.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(diff.entries(), Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.largest.fetch_max(bytes, Ordering::Relaxed);
    }
}

fn engine() -> (Presence, Arc<Sizes>) {
    let sizes = Arc::new(Sizes::default());
    (Presence::new(Options::default(), Arc::clone(&sizes) as _), sizes)
}

fn tick(presence: &Presence) {
    presence.tick(SystemClock.now() + Options::default().tick);
}

fn owners(presence: &Presence, from: usize, count: usize) -> Vec<Owner> {
    (from..from + count).map(|n| presence.owner(&format!("stream-{n}")).unwrap()).collect()
}

fn track(presence: &Presence, topic: &TopicId, owners: &[Owner]) {
    for owner in owners {
        presence.track(owner.id(), topic, owner.id(), DATA).unwrap();
    }
}

fn list(presence: &Presence, topic: &TopicId) -> usize {
    let (mut cursor, mut count) = (None, 0);
    loop {
        let page = presence.list(topic, cursor.as_deref(), 1000);
        count += page.members.len();
        cursor = page.cursor;
        if cursor.is_none() {
            return count;
        }
    }
}

/// Milliseconds of the median run.
fn time(mut run: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    times.sort_by(f64::total_cmp);
    times.get(RUNS / 2).copied().unwrap_or_default()
}

fn millis(op: impl FnOnce()) -> f64 {
    let start = Instant::now();
    op();
    start.elapsed().as_secs_f64() * 1000.0
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn memory(topic: &TopicId) {
    let before = resident();
    let (presence, _) = engine();
    let held = owners(&presence, 0, 10 * MEMBERS);
    let guarded = resident();
    track(&presence, topic, &held);
    tick(&presence);
    let members = held.len();
    println!("\nmemory of {members} members with {} bytes of data each", DATA.len());
    println!("{:<34}{:>8} bytes", "an owner and its guard", (guarded - before) / members);
    println!("{:<34}{:>8} bytes", "its presence", (resident() - guarded) / members);
}

fn main() {
    let topic: TopicId = "bench/room".parse().unwrap();
    memory(&topic);

    let tracked = time(|| {
        let (presence, _) = engine();
        let held = owners(&presence, 0, MEMBERS);
        millis(|| {
            track(&presence, &topic, &held);
            tick(&presence);
        })
    });
    let (presence, sizes) = engine();
    let held = owners(&presence, 0, MEMBERS);
    track(&presence, &topic, &held);
    tick(&presence);
    let listed = time(|| millis(|| assert_eq!(list(&presence, &topic), MEMBERS)));
    let state = time(|| millis(|| drop(black_box(presence.state_json(&topic)))));
    drop(held);
    let exits = time(|| {
        let held = owners(&presence, 0, MEMBERS);
        track(&presence, &topic, &held);
        tick(&presence);
        millis(|| {
            drop(held);
            tick(&presence);
            assert_eq!(presence.count(&topic), 0);
        })
    });
    drop(sizes);

    println!("\nms, {MEMBERS} members of one topic, diffs built and encoded{:>12}{:>12}", "skep", "Phoenix");
    println!("{:<54}{tracked:>12.1}{:>12}", "track all, and announce", 250);
    println!("{:<54}{listed:>12.2}{:>12}", "list all, by pages of 1,000", 12);
    println!("{:<54}{state:>12.2}{:>12}", "presence_state as JSON", "");
    println!("{:<54}{exits:>12.1}{:>12}", "all owners end, and announce", "230-316");

    let (presence, sizes) = engine();
    let old = owners(&presence, 0, MEMBERS);
    track(&presence, &topic, &old);
    tick(&presence);
    let before = [&sizes.diffs, &sizes.entries, &sizes.bytes].map(|count| count.load(Ordering::Relaxed));
    let new = owners(&presence, MEMBERS, MEMBERS);
    let storm = millis(|| {
        drop(old);
        track(&presence, &topic, &new);
        tick(&presence);
    });
    let after = [&sizes.diffs, &sizes.entries, &sizes.bytes].map(|count| count.load(Ordering::Relaxed));
    let [diffs, entries, bytes] = [0, 1, 2]
        .map(|at: usize| after.get(at).copied().unwrap_or_default() - before.get(at).copied().unwrap_or_default());
    println!("\nstorm in one tick: {MEMBERS} leave, {MEMBERS} others join: {storm:.1} ms");
    println!("{diffs} diffs, {entries} entries, {bytes} bytes, the largest {}", sizes.largest.load(Ordering::Relaxed));
}
