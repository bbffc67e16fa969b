//! Measures cache operations from inside a guest, by the SDK: `/fill?keys=N`, then `/get?keys=N&n=OPS` and
//! `/put?keys=N&n=OPS`, which answer nanoseconds for each operation; `/search?n=OPS` looks for keys that there are not. Keys have 16 bytes, values 100. The bucket is the
//! query's `b`.

use std::hint::black_box;
use std::time::Instant;

use skep_sdk::cache::{Bucket, Ttl};
use skep_sdk::prelude::*;

#[derive(serde::Deserialize)]
struct Job {
    b: String,
    keys: u64,
    n: u64,
}

#[skep::http]
fn measure(req: Request, Query(job): Query<Job>) -> Result<String> {
    let Job { b, keys, n } = job;
    let bucket = cache::bucket(&b)?;
    let nanos = match req.path() {
        "/fill" => timed(keys, |at| put(&bucket, &key(at)))?,
        "/get" => timed(n, random(keys, |key| found(bucket.get_bytes(key)?)))?,
        "/put" => timed(n, random(keys, |key| put(&bucket, key.as_bytes())))?,
        "/search" => timed(n, |_| {
            bucket.keys("nothing has this").try_for_each(|key| key.map(drop))
        })?,
        // What making the keys costs, to be taken off.
        _ => timed(
            n,
            random(keys, |key| {
                black_box(key);
                Ok(())
            }),
        )?,
    };
    Ok(format!("{nanos:.1}"))
}

fn key(at: u64) -> [u8; 16] {
    let mut key = *b"key-000000000000";
    let mut rest = at;
    for digit in key.iter_mut().rev().take(12) {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

fn random(keys: u64, mut each: impl FnMut(&str) -> Result<()>) -> impl FnMut(u64) -> Result<()> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    move |_| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        each(std::str::from_utf8(&key(seed % keys))?)
    }
}

fn put(bucket: &Bucket, key: &[u8]) -> Result<()> {
    bucket.put_bytes(std::str::from_utf8(key)?, &[7; 100], Ttl::Standard)
}

fn found(value: Option<Vec<u8>>) -> Result<()> {
    // An error is made only where there is one: it allocates.
    black_box(value).map(drop).ok_or_else(|| Error::new(StatusCode::NOT_FOUND, "the bucket lost an entry"))
}

/// Nanoseconds for each of so many calls.
fn timed(n: u64, mut each: impl FnMut(u64) -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    for at in 0..n {
        each(at)?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e9 / n as f64)
}
