//! A client that never reads, and what it costs the others.

use std::time::Duration;

use skep_loadgen::sockets::{Crowd, ask};

use super::{Args, PATIENCE, SETTLE, door, micros, open, push};
use crate::bars::Bars;
use crate::process::Server;
use crate::table::median;

const TOPIC: &str = "room:stalled";
/// Clients that read.
const READERS: usize = 1000;
/// Between two broadcasts to them.
const BETWEEN: Duration = Duration::from_millis(50);
/// Broadcasts of 4 KiB that fill the buffers of a client that does not read, and its queue.
const FLOOD: usize = 2000;
const FLOOD_BYTES: usize = 4 << 10;
/// The receive buffer of that client.
const SMALL_BUFFER: u32 = 4096;
/// The bar: the p99 beside it, as a multiple of that without.
const P99_RATIO: f64 = 1.5;

pub(super) async fn measure(args: &Args, server: &Server, bars: &mut Bars) -> anyhow::Result<()> {
    let (mut without, mut with, mut ratios) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()), Vec::new());
    for _ in 0..args.rounds {
        let alone = readers(args, server, 0).await?;
        let beside = readers(args, server, 1).await?;
        ratios.push(beside.1 / alone.1);
        without.0.push(alone.0);
        without.1.push(alone.1);
        with.0.push(beside.0);
        with.1.push(beside.1);
    }
    let ratio = median(&ratios);
    println!(
        "{READERS} clients that hear a broadcast each {} ms: p50 {:.0} us, p99 {:.0} us; beside one that never reads p50 {:.0} us, \
         p99 {:.0} us; median ratio of p99 {ratio:.2}\n",
        BETWEEN.as_millis(),
        median(&without.0),
        median(&without.1),
        median(&with.0),
        median(&with.1)
    );
    bars.most("p99 beside a client that never reads, as a multiple", ratio, P99_RATIO);
    Ok(())
}

/// The p50 and p99 of what the readers hear, in microseconds.
async fn readers(args: &Args, server: &Server, stalled: usize) -> anyhow::Result<(f64, f64)> {
    let door = door(server, "/lossy", TOPIC)?;
    let mut author = open(&door, 1).await?.streams.remove(0);
    let stalled = open(&door.clone().receive_buffer(SMALL_BUFFER), stalled).await?.streams;
    // Its buffers and its queue are full before anybody else listens.
    let flood = push(TOPIC, "shout", &"x".repeat(FLOOD_BYTES));
    for _ in 0..FLOOD {
        ask(&mut author, &flood, 1).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let crowd = Crowd::listen(open(&door, READERS).await?.streams);
    let (shout, broadcasts) = (push(TOPIC, "shout", "hello"), (args.seconds / BETWEEN.as_secs_f64()).max(1.0) as u64);
    crowd.expect(broadcasts);
    for _ in 0..broadcasts {
        crowd.mark();
        ask(&mut author, &shout, 1).await?;
        tokio::time::sleep(BETWEEN).await;
    }
    let heard = crowd.heard(PATIENCE).await?;
    drop(stalled);
    crowd.hang_up().await;
    Ok((micros(heard.ages.quantile(50_000)), micros(heard.ages.quantile(99_000))))
}
