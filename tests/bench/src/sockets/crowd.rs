//! One broadcast to very many, beside loops that write the same bytes.

use std::time::Duration;

use skep_loadgen::sockets::{Crowd, Floor, ask};
use tokio::net::TcpStream;

use super::floor::Bare;
use super::idle::{Idle, TOPIC};
use super::{Args, PATIENCE, PHOENIX_CLIENTS, door, millis, open, push};
use crate::bars::Bars;
use crate::process::Server;
use crate::table::median;

/// Broadcasts, one after the other was heard by all.
const BROADCASTS: usize = 20;
/// Between two, so that clients and server wait again.
const BETWEEN: Duration = Duration::from_millis(100);
const SAYS: &str = "hello everybody";
/// What is known of Phoenix, to 10,000 sockets on this class of machine; and the bar.
const PHOENIX_MS: (f64, f64) = (66.0, 96.0);
const BAR_MS: f64 = 25.0;

/// What broadcasts took.
struct Took {
    /// Until the last client had it, in milliseconds.
    times: Vec<f64>,
    /// CPU time of the server for each delivery, in microseconds.
    cpu_us: f64,
}

pub(super) async fn measure(args: &Args, server: &Server, idle: Idle, bars: &mut Bars) -> anyhow::Result<()> {
    let author = open(&door(server, "/socket", TOPIC)?, 1).await?.streams.remove(0);
    let shout = push(TOPIC, "shout", SAYS);
    // The author hears itself. One crowd after the other: each takes as many open files as there may be.
    let ours = broadcasts(server, author, idle.listening, &shout, 1).await?;
    let mut floors = Vec::new();
    for threads in [1, std::thread::available_parallelism()?.get()] {
        let bare = Bare::start(args.clients, threads)?;
        let (author, listening) = bare.open(args.clients).await?;
        let took = broadcasts(&bare.server, author, listening, &[Floor::All as u8], 0).await?;
        floors.push((threads, took));
    }
    println!("one broadcast until the last of {} clients has it, {BROADCASTS} times", args.clients);
    println!("{:<34} {:>9} {:>9} {:>9} {:>12}", "", "best ms", "median ms", "worst ms", "cpu us each");
    ours.print("skep");
    for (threads, floor) in &floors {
        floor.print(&format!("bare writes in a loop, {threads} thread{}", if *threads == 1 { "" } else { "s" }));
    }
    let (ours, floor) =
        (median(&ours.times), floors.iter().map(|(_, took)| median(&took.times)).fold(f64::NAN, f64::min));
    println!(
        "  {:.2} times the bare loop; Phoenix takes {} to {} ms to {PHOENIX_CLIENTS}, {:.1} to {:.1} times that\n",
        ours / floor,
        PHOENIX_MS.0,
        PHOENIX_MS.1,
        PHOENIX_MS.0 / ours,
        PHOENIX_MS.1 / ours
    );
    if args.clients <= PHOENIX_CLIENTS {
        bars.most("a broadcast to all sockets, in ms", ours, BAR_MS);
    }
    Ok(())
}

async fn broadcasts(
    server: &Server,
    mut author: TcpStream,
    listening: Vec<TcpStream>,
    shout: &[u8],
    own: u64,
) -> anyhow::Result<Took> {
    let (crowd, mut times) = (Crowd::listen(listening), Vec::with_capacity(BROADCASTS));
    let before = server.cpu_us()?;
    for _ in 0..BROADCASTS {
        tokio::time::sleep(BETWEEN).await;
        crowd.expect(1);
        ask(&mut author, shout, own).await?;
        times.push(millis(crowd.heard(PATIENCE).await?.took));
    }
    let cpu_us = (server.cpu_us()? - before) / (BROADCASTS * crowd.len()) as f64;
    crowd.hang_up().await;
    Ok(Took { times, cpu_us })
}

impl Took {
    fn print(&self, name: &str) {
        let best = self.times.iter().copied().fold(f64::NAN, f64::min);
        let worst = self.times.iter().copied().fold(f64::NAN, f64::max);
        println!("{name:<34} {best:>9.1} {:>9.1} {worst:>9.1} {:>12.1}", median(&self.times), self.cpu_us);
    }
}
