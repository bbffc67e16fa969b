//! What a bucket of tiny entries costs in memory of the process. A binary of its own: other tests would be measured too.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::sync::Arc;

use skep_cache::{Bucket, BucketOptions, PutOptions};
use skep_types::{ByteSize, SystemClock};

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn a_million_tiny_entries_cost_at_most_twice_the_limit() {
    const LIMIT: u64 = 124 * 1_000_000;
    let options = BucketOptions { bytes: ByteSize(LIMIT), ..BucketOptions::default() };
    let before = resident();
    let bucket = Bucket::new(&options, Arc::new(SystemClock));
    let mut worst = 0;
    for n in 0..3_000_000_u32 {
        bucket.put(&format!("{n:08x}"), b"tiny", PutOptions::default()).unwrap();
        if n % 50_000 == 0 {
            worst = worst.max(resident() - before);
        }
    }
    let stats = bucket.stats();
    assert!(stats.entries > 990_000 && stats.bytes <= LIMIT, "{stats:?}");
    worst = worst.max(resident() - before);
    println!("limit {LIMIT}, resident at most {worst}: {:.2} of the limit", worst as f64 / LIMIT as f64);
    assert!(worst <= 2 * LIMIT, "{worst} of {LIMIT}");
}
