//! Clients that never read: what one of them costs the others, and what a hundred cost the server.

use std::net::SocketAddr;

use super::crowd::{Crowd, open_stalled};
use super::message::now;
use super::publisher::{BYTES, Guest, paced};
use super::{Args, Bars, QUEUE_KIB, SETTLE};
use crate::process::Server;
use crate::table::median;

const TOPIC: &str = "stalled";
/// Clients that read.
const READERS: usize = 1000;
/// Messages a second that each of them gets.
const RATE: f64 = 20.0;
/// Messages of 1 KiB that fill the buffers of a client that does not read, and its queue.
const FLOOD: u64 = 3000;
const FLOOD_BYTES: usize = 1 << 10;
/// The bar: the p99 beside a client that does not read, as a multiple of that without.
const P99_RATIO: f64 = 1.5;

const STALLED: usize = 100;
/// How long they are flooded, as a multiple of what the other measurements take.
const FLOOD_TIMES: f64 = 10.0;
/// The bar: memory for each, beside its queue.
const BESIDE_QUEUE_KIB: f64 = 1024.0;

/// The readers' latency with and without a client that never reads, in alternation.
pub(super) async fn beside_readers(args: &Args, server: &Server, bars: &mut Bars) -> anyhow::Result<()> {
    let (mut without, mut with, mut ratios) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()), Vec::new());
    for _ in 0..args.rounds {
        let alone = readers(args, server, false).await?;
        let beside = readers(args, server, true).await?;
        ratios.push(beside.1 / alone.1);
        without.0.push(alone.0);
        without.1.push(alone.1);
        with.0.push(beside.0);
        with.1.push(beside.1);
    }
    let ratio = median(&ratios);
    println!(
        "{READERS} clients, {RATE} messages/s to each: p50 {:.0} us, p99 {:.0} us; beside one that never reads p50 {:.0} \
         us, p99 {:.0} us; median ratio of p99 {ratio:.2}",
        median(&without.0),
        median(&without.1),
        median(&with.0),
        median(&with.1)
    );
    bars.most("p99 beside a client that never reads, as a multiple", ratio, P99_RATIO);
    Ok(())
}

/// The p50 and p99 of what the readers get, in microseconds.
async fn readers(args: &Args, server: &Server, stalled: bool) -> anyhow::Result<(f64, f64)> {
    let address: SocketAddr = server.address().parse()?;
    let (path, mut guest) = (format!("/lossy/{TOPIC}"), Guest::new(server.address()));
    // Its buffers and its queue are full before anybody else listens.
    let stalled = open_stalled(address, &path, usize::from(stalled)).await?;
    guest.publish(TOPIC, FLOOD, FLOOD_BYTES)?;
    tokio::time::sleep(SETTLE).await;
    let crowd = Crowd::open(address, &path, READERS).await?;
    let calls = (RATE * args.seconds).max(1.0) as u64;
    crowd.expect(calls * READERS as u64);
    let seconds = args.seconds;
    let publishing =
        tokio::task::spawn_blocking(move || paced(RATE, seconds, || guest.publish(TOPIC, 1, BYTES).map(drop)));
    let heard = crowd.heard().await?;
    publishing.await??;
    drop(stalled);
    Ok((heard.ages.quantile(50_000) as f64 / 1000.0, heard.ages.quantile(99_000) as f64 / 1000.0))
}

/// The server's memory while clients that never read are flooded. They stay connected: their oldest messages make room.
pub(super) async fn memory(args: &Args, server: &Server, bars: &mut Bars) -> anyhow::Result<()> {
    let address: SocketAddr = server.address().parse()?;
    let mut guest = Guest::new(server.address());
    guest.publish(TOPIC, FLOOD, FLOOD_BYTES)?;
    tokio::time::sleep(SETTLE).await;
    let before = server.resident_kib()?;
    let stalled = open_stalled(address, &format!("/lossy/{TOPIC}"), STALLED).await?;
    let (began, seconds) = (now(), args.seconds * FLOOD_TIMES);
    let (mut most, mut published) = (before, 0);
    while now().saturating_sub(began) as f64 / 1e9 < seconds {
        guest.publish(TOPIC, FLOOD, FLOOD_BYTES)?;
        published += FLOOD;
        most = most.max(server.resident_kib()?);
    }
    let growth = most - before;
    let bar = STALLED as f64 * (QUEUE_KIB as f64 + BESIDE_QUEUE_KIB);
    println!(
        "{STALLED} clients that never read, {published} messages of {FLOOD_BYTES} bytes in {seconds:.0} s: memory grew by \
         at most {:.1} MiB ({:.0} KiB for each), the bar is {:.0} MiB",
        growth / 1024.0,
        growth / STALLED as f64,
        bar / 1024.0
    );
    drop(stalled);
    bars.most("memory of clients that never read, in KiB", growth, bar);
    Ok(())
}
