//! One client that pushes and waits for the reply.

use std::time::Duration;

use skep_loadgen::sockets::{Floor, Talk, talk};
use tokio::net::TcpStream;

use super::floor::Bare;
use super::{Args, door, micros, open, push};
use crate::bars::Bars;
use crate::process::Server;
use crate::table::median;

const TOPIC: &str = "room:echo";
const WARM_UP: Duration = Duration::from_millis(300);
/// What is known of Phoenix: p50 and p99, in microseconds. The bar is its p50.
const PHOENIX_US: (f64, f64) = (57.0, 95.0);

pub(super) async fn measure(args: &Args, server: &Server, bars: &mut Bars) -> anyhow::Result<()> {
    let mut ours = open(&door(server, "/socket", TOPIC)?, 1).await?.streams;
    let bare = Bare::start(0, 1)?;
    let (author, _) = bare.open(0).await?;
    let (mut theirs, echo) = (vec![author], push(TOPIC, "echo", "hello"));
    let (mut skep, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        skep.push(round(args, server, &mut ours, &echo).await?);
        floor.push(round(args, &bare.server, &mut theirs, &[Floor::Echo as u8]).await?);
    }
    println!("one client that pushes and waits for the reply, medians of {} rounds of {} s", args.rounds, args.seconds);
    println!("{:<34} {:>9} {:>9} {:>9} {:>12}", "", "p50 us", "p99 us", "msg/s", "cpu us each");
    let (p50, p99) = print("skep", &skep);
    print("a bare read and write", &floor);
    println!("  Phoenix has {} and {} us", PHOENIX_US.0, PHOENIX_US.1);
    println!("  {:.2} and {:.2} times that\n", p50 / PHOENIX_US.0, p99 / PHOENIX_US.1);
    bars.most("p50 of an echo, in us", p50, PHOENIX_US.0);
    bars.most("p99 of an echo, in us", p99, PHOENIX_US.1);
    Ok(())
}

/// What a round of asking took, and the server's CPU time for each question.
pub(super) async fn round(
    args: &Args,
    server: &Server,
    clients: &mut Vec<TcpStream>,
    question: &[u8],
) -> anyhow::Result<(Talk, f64)> {
    let time = Duration::from_secs_f64(args.seconds);
    let before = server.cpu_us()?;
    let (said, back) = talk(std::mem::take(clients), question, WARM_UP, time).await?;
    *clients = back;
    // The warm-up's cost CPU too and are not counted.
    let asked = said.latencies.count() as f64 * (time + WARM_UP).as_secs_f64() / time.as_secs_f64();
    let cpu_us = (server.cpu_us()? - before) / asked;
    Ok((said, cpu_us))
}

/// The medians of p50 and p99, in microseconds.
pub(super) fn print(name: &str, rounds: &[(Talk, f64)]) -> (f64, f64) {
    let of = |figure: &dyn Fn(&(Talk, f64)) -> f64| median(&rounds.iter().map(figure).collect::<Vec<_>>());
    let p50 = of(&|(said, _)| micros(said.latencies.quantile(50_000)));
    let p99 = of(&|(said, _)| micros(said.latencies.quantile(99_000)));
    let (rate, cpu_us) = (of(&|(said, _)| said.rate()), of(&|(_, cpu)| *cpu));
    println!("{name:<34} {p50:>9.1} {p99:>9.1} {rate:>9.0} {cpu_us:>12.1}");
    (p50, p99)
}
