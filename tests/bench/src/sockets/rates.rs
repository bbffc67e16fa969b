//! Many clients that push as fast as they are answered.

use super::echo::{print, round};
use super::{Args, door, open, push};
use crate::bars::Bars;
use crate::process::Server;
use crate::table::median;

const TOPIC: &str = "room:many";
/// Each stays under its rate of messages, which is the default one.
const CLIENTS: usize = 500;
/// What is known of Phoenix, in messages a second; and the bar, which is three times that.
const PHOENIX_RATE: (f64, f64) = (28_000.0, 33_000.0);
const TIMES: f64 = 3.0;

pub(super) async fn measure(args: &Args, server: &Server, bars: &mut Bars) -> anyhow::Result<()> {
    let mut clients = open(&door(server, "/socket", TOPIC)?, CLIENTS).await?.streams;
    let (mut rounds, echo) = (Vec::new(), push(TOPIC, "echo", "hello"));
    for _ in 0..args.rounds {
        rounds.push(round(args, server, &mut clients, &echo).await?);
    }
    println!(
        "{CLIENTS} clients that push and wait for the reply of a handler in a fresh instance under all limits, medians of {} \
         rounds",
        args.rounds
    );
    println!("{:<34} {:>9} {:>9} {:>9} {:>12}", "", "p50 us", "p99 us", "msg/s", "cpu us each");
    print("skep", &rounds);
    let rate = median(&rounds.iter().map(|(said, _)| said.rate()).collect::<Vec<_>>());
    println!(
        "  {:.2} to {:.2} times Phoenix's {} to {} messages/s\n",
        rate / PHOENIX_RATE.1,
        rate / PHOENIX_RATE.0,
        PHOENIX_RATE.0,
        PHOENIX_RATE.1
    );
    bars.least("messages a second", rate, TIMES * PHOENIX_RATE.0);
    Ok(())
}
