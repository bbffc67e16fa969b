//! Publishes a second to one subscriber, and how old a message is when it comes, beside redis.

use super::publisher::{BYTES, Far, Guest, paced, path};
use super::subscriber::{Seen, Subscriber};
use super::{Args, Bars};
use crate::process::{Server, load};
use crate::redis::Redis;
use crate::table::median;

/// Messages that one call of a guest publishes: no more than wait for a subscriber that has not read any.
const IN_ONE_CALL: u64 = 20_000;
/// Messages to redis in one measurement, one at a time and so many at once.
const TO_REDIS: u64 = 20_000;
const PIPELINED: u64 = 16;
/// Messages a second where latency is measured.
const RATE: f64 = 1000.0;
const TOPIC: &str = "one";
/// The bar: what a guest publishes in one call, as a multiple of what redis takes one at a time.
const OF_REDIS: f64 = 1.0;

/// One way to publish: messages a second of each round, and latencies of all.
#[derive(Default)]
struct Way {
    rates: Vec<f64>,
}

/// Latencies at a fixed rate, of each round, in microseconds.
#[derive(Default)]
struct Ages {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Ages {
    fn push(&mut self, ages: &skep_loadgen::Histogram) {
        self.p50.push(ages.quantile(50_000) as f64 / 1000.0);
        self.p99.push(ages.quantile(99_000) as f64 / 1000.0);
    }

    fn print(&self, name: &str, of: Option<&Self>) {
        let (p50, p99) = (median(&self.p50), median(&self.p99));
        let ratios = of.filter(|of| !of.p50.is_empty()).map_or_else(
            || format!("{:>9} {:>9}", "-", "-"),
            |of| format!("{:>9.2} {:>9.2}", p50 / median(&of.p50), p99 / median(&of.p99)),
        );
        println!("{name:<52} {p50:>9.0} {p99:>9.0} {ratios}");
    }
}

#[derive(Default)]
struct Measured {
    call: Way,
    call_ns: Vec<f64>,
    requests: Way,
    single: Way,
    pipelined: Way,
    since_asked: Ages,
    since_published: Ages,
    far: Ages,
}

pub(super) fn measure(args: &Args, server: &Server, bars: &mut Bars) -> anyhow::Result<()> {
    let redis = Redis::start()?;
    let mut measured = Measured::default();
    for _ in 0..args.rounds {
        ours(args, server, &mut measured)?;
        if let Some(redis) = &redis {
            theirs(args, redis, &mut measured)?;
        }
    }
    measured.print(args);
    if redis.is_none() {
        println!("redis-server is not on the PATH, so it is not measured");
        return Ok(());
    }
    let ratio = measured.call.median() / measured.single.median();
    bars.least("publishes of one call, of redis one at a time", ratio, OF_REDIS);
    Ok(())
}

fn ours(args: &Args, server: &Server, measured: &mut Measured) -> anyhow::Result<()> {
    let subscriber = Subscriber::of_skep(server.address(), &format!("/listen/{TOPIC}"))?;
    let mut guest = Guest::new(server.address());
    measured.call_ns.push(guest.publish(TOPIC, IN_ONE_CALL, BYTES)?);
    measured.call.push(&subscriber.take(IN_ONE_CALL)?);
    load(server, None, &path(TOPIC, 1, BYTES), args.connections, args.seconds)?;
    // All were answered, so all were published, but the last one of each connection.
    std::thread::park_timeout(super::SETTLE);
    measured.requests.push(&subscriber.take(1)?);
    let calls = paced(RATE, args.seconds, || guest.publish(TOPIC, 1, BYTES).map(drop))?;
    let seen = subscriber.take(calls)?;
    measured.since_asked.push(&seen.since_asked);
    measured.since_published.push(&seen.since_published);
    Ok(())
}

fn theirs(args: &Args, redis: &Redis, measured: &mut Measured) -> anyhow::Result<()> {
    let subscriber = Subscriber::of_redis(redis, TOPIC)?;
    let mut far = Far::new(redis)?;
    for (way, at_once) in [(&mut measured.single, 1), (&mut measured.pipelined, PIPELINED)] {
        (0..TO_REDIS / at_once).try_for_each(|_| far.publish(TOPIC, at_once))?;
        way.push(&subscriber.take(TO_REDIS / at_once * at_once)?);
    }
    let calls = paced(RATE, args.seconds, || far.publish(TOPIC, 1))?;
    measured.far.push(&subscriber.take(calls)?.since_asked);
    Ok(())
}

impl Way {
    fn push(&mut self, seen: &Seen) {
        self.rates.push(seen.rate());
    }

    fn median(&self) -> f64 {
        median(&self.rates)
    }

    fn print(&self, name: &str, measured: &Measured) {
        let ratio = |of: &Self| match of.rates.is_empty() {
            true => "-".to_owned(),
            // Round by round, so that a machine whose speed drifts does not decide.
            false => {
                let ratios: Vec<_> = self.rates.iter().zip(&of.rates).map(|(ours, theirs)| ours / theirs).collect();
                format!("{:.2}", median(&ratios))
            }
        };
        let (single, pipelined) = (ratio(&measured.single), ratio(&measured.pipelined));
        println!("{name:<52} {:>9.0} {single:>9} {pipelined:>9}", self.median());
    }
}

impl Measured {
    fn print(&self, args: &Args) {
        println!("messages of {BYTES} bytes to one subscriber, medians of {} rounds\n", args.rounds);
        println!("{:<52} {:>9} {:>9} {:>9}", "", "msg/s", "of redis", "of 16");
        self.call.print(&format!("skep, {IN_ONE_CALL} in one call of a guest"), self);
        self.requests.print(&format!("skep, one for each request, {} connections", args.connections), self);
        if !self.single.rates.is_empty() {
            self.single.print("redis PUBLISH, one at a time", self);
            self.pipelined.print(&format!("redis PUBLISH, {PIPELINED} at once"), self);
        }
        println!("a publish takes {:.0} ns inside the guest\n", median(&self.call_ns));
        println!("{:<52} {:>9} {:>9} {:>9} {:>9}", "", "p50 us", "p99 us", "p50 ratio", "p99 ratio");
        self.since_published.print(&format!("skep, from the guest's call, {RATE}/s"), Some(&self.far));
        self.since_asked.print(&format!("skep, from the request for it, {RATE}/s"), Some(&self.far));
        if !self.far.p50.is_empty() {
            self.far.print(&format!("redis, from PUBLISH, {RATE}/s"), Some(&self.far));
        }
        println!();
    }
}
