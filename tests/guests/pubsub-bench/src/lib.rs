//! Publishes for measurements, by the SDK: `/publish?topic=T&n=TIMES&bytes=SIZE&at=NANOS` publishes so many messages of
//! that size and answers the nanoseconds that each took. A message is `AT CALLED xxx`: what the query said, and the wall
//! time in nanoseconds at which the first of this call was published, so that whoever gets it can tell how old it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use skep_sdk::prelude::*;

#[derive(serde::Deserialize)]
struct Job {
    topic: String,
    n: u64,
    bytes: usize,
    at: u64,
}

#[skep::http]
fn publish(Query(job): Query<Job>) -> Result<String> {
    let Job { topic, n, bytes, at } = job;
    let called = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut message = format!("{at} {called} ");
    let filling = bytes.saturating_sub(message.len());
    message.extend(std::iter::repeat_n('x', filling));
    let started = Instant::now();
    for _ in 0..n {
        pubsub::publish_bytes(&topic, message.as_str())?;
    }
    Ok(format!("{:.1}", started.elapsed().as_secs_f64() * 1e9 / n.max(1) as f64))
}
