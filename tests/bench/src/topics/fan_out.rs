//! One topic and ten thousand clients: what each costs, and how long it takes until all have a message.

use std::net::SocketAddr;
use std::time::Duration;

use super::crowd::{Crowd, Heard};
use super::message::now;
use super::publisher::{BYTES, Guest};
use super::{Args, Bars, SETTLE};
use crate::process::Server;
use crate::table::median;

const TOPIC: &str = "many";
/// Publishes, one after the other was heard by all, whose median counts.
const PUBLISHES: usize = 20;
/// Messages of one call, for deliveries a second that do not stop in between.
const BURST: u64 = 20;
/// Between two publishes, so that the clients wait again.
const BETWEEN: Duration = Duration::from_millis(50);
/// The bars are the best that Phoenix did on this class of machine; they hold for its number of clients and not for more.
const PHOENIX_CLIENTS: usize = 10_000;
const PHOENIX_FAN_OUT_MS: f64 = 66.0;
const PHOENIX_CLIENT_KB: f64 = 36.0;
const PHOENIX: &str = "Phoenix, as measured on this class of machine: 66 to 96 ms to 10,000 sockets (97,000 to 142,000 \
                       deliveries/s), 36 to 39 KB per socket";

pub(super) async fn measure(args: &Args, server: &Server, bars: &mut Bars) -> anyhow::Result<()> {
    let address: SocketAddr = server.address().parse()?;
    let mut guest = Guest::new(server.address());
    guest.publish(TOPIC, 1, BYTES)?;
    let before = server.resident_kib()?;
    let began = now();
    let crowd = Crowd::open(address, &format!("/listen/{TOPIC}"), args.clients).await?;
    let opened_ms = now().saturating_sub(began) as f64 / 1e6;
    tokio::time::sleep(SETTLE).await;
    let each = |now: f64| (now - before) / args.clients as f64;
    let idle = each(server.resident_kib()?);
    let mut fan_outs = Vec::with_capacity(PUBLISHES);
    for _ in 0..PUBLISHES {
        let heard;
        (guest, heard) = publish(&crowd, guest, args.clients, 1).await?;
        fan_outs.push(milliseconds(&heard));
        tokio::time::sleep(BETWEEN).await;
    }
    let (_, burst) = publish(&crowd, guest, args.clients, BURST).await?;
    tokio::time::sleep(SETTLE).await;
    let used = each(server.resident_kib()?);
    let (fan_out, clients) = (median(&fan_outs), args.clients as f64);
    println!("{} event streams of one topic\n", args.clients);
    println!("opened in {opened_ms:.0} ms ({:.0}/s)", clients * 1e3 / opened_ms);
    println!("memory of the server for each: {idle:.1} KiB when opened, {used:.1} KiB after the messages below");
    println!(
        "one publish until the last client has it: {fan_out:.1} ms, median of {PUBLISHES} ({:.0} deliveries/s); {:.0} \
         deliveries/s of {BURST} messages at once",
        clients * 1e3 / fan_out,
        clients * BURST as f64 * 1e3 / milliseconds(&burst)
    );
    println!("{PHOENIX}\n");
    if args.clients <= PHOENIX_CLIENTS {
        bars.most("a publish to all event streams, in ms", fan_out, PHOENIX_FAN_OUT_MS);
        bars.most("memory of an event stream, in KiB", used, PHOENIX_CLIENT_KB * 1000.0 / 1024.0);
    }
    Ok(())
}

/// From the guest's first publish to when the last client has the last message.
fn milliseconds(heard: &Heard) -> f64 {
    heard.last_came.saturating_sub(heard.first_published) as f64 / 1e6
}

/// Publishes from another thread, since this one reads.
async fn publish(crowd: &Crowd, mut guest: Guest, clients: usize, times: u64) -> anyhow::Result<(Guest, Heard)> {
    crowd.expect(clients as u64 * times);
    let publishing = tokio::task::spawn_blocking(move || guest.publish(TOPIC, times, BYTES).map(|_| guest));
    let heard = crowd.heard().await?;
    Ok((publishing.await??, heard))
}
