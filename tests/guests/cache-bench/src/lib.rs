//! Measures cache operations from inside a guest: `/fill?keys=N`, then `/get?keys=N&n=OPS` and `/put?keys=N&n=OPS`, which
//! answer nanoseconds for each operation. Keys have 16 bytes, values 100. The bucket is the query's `b`.

// The code is generated, so its style is not ours to hold to.
#[allow(warnings)]
mod generated {
    wit_bindgen::generate!({ path: "../../../guest-sdk/wit", world: "http" });
}

use std::hint::black_box;
use std::time::Instant;

use generated::exports::skep::plugin::http_handler::{Guest, Request, Response};
use generated::skep::plugin::cache::{self, Bucket, Condition, Lifetime};
use hostile_common::Query;

struct Bench;

generated::export!(Bench with_types_in generated);

impl Guest for Bench {
    fn handle(request: Request) -> Response {
        let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
        let query = Query::parse(query);
        let (keys, n) = (query.number("keys", 10_000), query.number("n", 100_000));
        let bucket = cache::open(query.get("b").unwrap_or("hot")).expect("a bucket of the manifest");
        let nanos = match path.rsplit('/').next().unwrap_or_default() {
            "fill" => timed(keys, |at| put(&bucket, &key(at))),
            "get" => {
                timed(n, random(keys, |key| assert!(black_box(bucket.get(key)).is_ok_and(|value| value.is_some()))))
            }
            "put" => timed(n, random(keys, |key| put(&bucket, key))),
            // What making the keys costs, to be taken off.
            "nothing" => timed(
                n,
                random(keys, |key| {
                    black_box(key);
                }),
            ),
            _ => 0.0,
        };
        Response { status: 200, headers: Vec::new(), body: format!("{nanos:.1}").into_bytes() }
    }
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

fn random(keys: u64, mut each: impl FnMut(&str)) -> impl FnMut(u64) {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    move |_| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let key = key(seed % keys);
        each(std::str::from_utf8(&key).expect("digits and letters"));
    }
}

fn put(bucket: &Bucket, key: impl AsRef<[u8]>) {
    let key = std::str::from_utf8(key.as_ref()).expect("digits and letters");
    bucket.put(key, &[7; 100], Lifetime::Standard, Condition::Always).expect("room for it");
}

/// Nanoseconds for each of so many calls.
fn timed(n: u64, mut each: impl FnMut(u64)) -> f64 {
    let started = Instant::now();
    for at in 0..n {
        each(at);
    }
    started.elapsed().as_secs_f64() * 1e9 / n as f64
}
