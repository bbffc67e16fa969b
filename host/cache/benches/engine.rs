//! Measures the engine beside a concurrent map, another cache and plain LRU, in one run.
//!
//! `cargo bench -p skep-cache` prints two tables: time per operation, and hit rates on Zipf traces.

#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use skep_cache::{Bucket, BucketOptions, PutOptions};
use skep_types::{ByteSize, SystemClock};

const VALUE: [u8; 100] = [7; 100];
const OPS: usize = 400_000;
/// Operations in one run.
const RUN: usize = 2_000;

trait Store: Sync {
    fn get(&self, key: &str) -> bool;
    fn put(&self, key: &str);
}

impl Store for Arc<Bucket> {
    fn get(&self, key: &str) -> bool {
        Bucket::get(self, key).is_some_and(|value| value[0] == 7)
    }
    fn put(&self, key: &str) {
        black_box(Bucket::put(self, key, &VALUE, PutOptions::default()).unwrap());
    }
}

impl Store for dashmap::DashMap<String, Vec<u8>> {
    fn get(&self, key: &str) -> bool {
        // A reference into the map cannot leave it as a value can; copying is what a caller would do.
        dashmap::DashMap::get(self, key).is_some_and(|value| value.clone()[0] == 7)
    }
    fn put(&self, key: &str) {
        self.insert(key.to_owned(), VALUE.to_vec());
    }
}

struct Moka(moka::sync::Cache<String, Arc<[u8]>>);

impl Store for Moka {
    fn get(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|value| value[0] == 7)
    }
    fn put(&self, key: &str) {
        self.0.insert(key.to_owned(), Arc::from(VALUE));
    }
}

fn bucket(entries: u64, bytes: u64) -> Arc<Bucket> {
    let options = BucketOptions { entries, bytes: ByteSize(bytes), ..BucketOptions::default() };
    Bucket::new(&options, Arc::new(SystemClock))
}

/// The key of a number, written where the caller says: a table of keys would be missed by the processor's cache as
/// often as the store is, and be measured with it.
fn key(number: u32, buffer: &mut [u8; 16]) -> &str {
    let mut bits = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for digit in buffer.iter_mut() {
        *digit = b'a' + (bits & 15) as u8;
        bits >>= 4;
    }
    std::str::from_utf8(buffer).unwrap()
}

/// Nanoseconds per operation, as each thread sees it. Of many short runs the fastest tenth ends here: on a machine that
/// does other work too, the others measure its scheduler.
fn time(threads: usize, orders: &[Vec<u32>], op: &(dyn Fn(&str) + Sync)) -> f64 {
    let barrier = Barrier::new(threads);
    let runs = |order: &[u32]| -> Vec<f64> {
        let run = |slice: &[u32]| {
            barrier.wait();
            let start = Instant::now();
            for at in slice {
                op(key(*at, &mut [0; 16]));
            }
            start.elapsed().as_nanos() as f64 / slice.len() as f64
        };
        order.chunks(RUN).map(run).collect()
    };
    let mut means = std::thread::scope(|scope| {
        let handles: Vec<_> = orders[..threads].iter().map(|order| scope.spawn(|| runs(order))).collect();
        let all: Vec<Vec<f64>> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
        let sum = |at: usize| all.iter().map(|runs| runs[at]).sum::<f64>();
        (0..all[0].len()).map(|at| sum(at) / threads as f64).collect::<Vec<_>>()
    });
    means.sort_by(f64::total_cmp);
    means[means.len() / 10]
}

fn speed(name: &str, store: &dyn Store, count: u32, orders: &[Vec<u32>]) {
    for number in 0..count {
        store.put(key(number, &mut [0; 16]));
    }
    let get = |key: &str| assert!(store.get(key));
    let put = |key: &str| store.put(key);
    let row = [time(1, orders, &get), time(2, orders, &get), time(1, orders, &put), time(2, orders, &put)];
    println!("{name:<22}{:>10.0}{:>14.0}{:>10.0}{:>14.0}", row[0], row[1], row[2], row[3]);
}

/// Ranks drawn from a Zipf distribution over `count` keys, spread so that rank and key have nothing in common.
fn zipf(count: usize, exponent: f64, draws: usize) -> Vec<u32> {
    let mut sums = Vec::with_capacity(count);
    let mut sum = 0.0;
    for rank in 1..=count {
        sum += (rank as f64).powf(-exponent);
        sums.push(sum);
    }
    let mut random = fastrand::Rng::with_seed(42);
    let mut draw = || {
        let point = random.f64() * sum;
        sums.partition_point(|at| *at < point).min(count - 1) as u32
    };
    (0..draws).map(|_| draw()).collect()
}

fn rate(trace: &[u32], mut hit: impl FnMut(&str) -> bool) -> f64 {
    let hits = trace.iter().filter(|at| hit(key(**at, &mut [0; 16]))).count();
    100.0 * hits as f64 / trace.len() as f64
}

fn hit_rates() {
    const COUNT: usize = 100_000;
    const DRAWS: usize = 1_000_000;
    println!("\nhit rate in percent, {COUNT} keys, {DRAWS} reads, a miss writes");
    println!("{:<22}{:>10}{:>10}{:>10}{:>10}", "trace", "size", "skep", "LRU", "moka");
    for exponent in [0.9, 1.0] {
        let trace = zipf(COUNT, exponent, DRAWS);
        for percent in [1, 10] {
            let size = COUNT * percent / 100;
            let bucket = bucket(size as u64, 1 << 30);
            let skep = rate(&trace, |key| Store::get(&bucket, key) || (Store::put(&bucket, key), false).1);
            let mut plain = lru::LruCache::<String, ()>::new(NonZeroUsize::new(size).unwrap());
            let lru = rate(&trace, |key| plain.get(key).is_some() || (plain.put(key.to_owned(), ()), false).1);
            let other = Moka(moka::sync::Cache::new(size as u64));
            let moka = rate(&trace, |key| other.get(key) || (other.put(key), false).1);
            println!("{:<22}{:>9}%{skep:>10.2}{lru:>10.2}{moka:>10.2}", format!("zipf {exponent}"), percent);
        }
    }
}

fn main() {
    for (name, count) in [("10,000 hot keys", 10_000), ("1,000,000 random keys", 1_000_000)] {
        let mut random = fastrand::Rng::with_seed(1);
        let orders: Vec<Vec<u32>> = (0..2).map(|_| (0..OPS).map(|_| random.u32(0..count)).collect()).collect();
        println!("\nns per operation, {name}, values of 100 bytes");
        println!("{:<22}{:>10}{:>14}{:>10}{:>14}", "", "get", "get, 2 thr.", "put", "put, 2 thr.");
        speed("skep", &bucket(u64::MAX, 1 << 30), count, &orders);
        speed("dashmap", &dashmap::DashMap::new(), count, &orders);
        speed("moka", &Moka(moka::sync::Cache::new(2_000_000)), count, &orders);
    }
    hit_rates();
}
