//! What the breaker adds to a call that succeeds: `cargo bench -p skep-supervision`.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;

use skep_supervision::{Breaker, BreakerOptions, Outcome};
use skep_types::{Clock, SystemClock};

const CALLS: u32 = 10_000_000;

fn main() {
    let now = SystemClock.now();
    let breaker = Breaker::new(BreakerOptions::default(), now);
    for round in 1..=3 {
        let start = SystemClock.now();
        for _ in 0..CALLS {
            if let Ok(permit) = black_box(&breaker).admit(black_box(now)) {
                black_box(permit.done(black_box(now), Outcome::Ok));
            }
        }
        let nanos = (SystemClock.now() - start).as_nanos() as f64 / f64::from(CALLS);
        println!("round {round}: {nanos:.1} ns per admit and done");
    }
}
