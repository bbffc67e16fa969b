//! Sockets that have joined and say nothing: how fast they come in, and what each costs the server.

use tokio::net::TcpStream;

use super::{Args, SETTLE, door, open};
use crate::bars::Bars;
use crate::files::Most;
use crate::process::Server;

/// Clients of the topic that everybody hears; the others are in another one.
pub(super) const TOPIC: &str = "room:all";
/// The first ones warm up what all share.
const WARM: usize = 100;
/// What is known of Phoenix: bytes of a joined socket. The bar is what the issue of channels asks for.
const PHOENIX_KB: (f64, f64) = (36.0, 39.0);
const BAR_KB: f64 = 12.0;

/// Clients that are there.
pub(super) struct Idle {
    /// In [`TOPIC`].
    pub(super) listening: Vec<TcpStream>,
}

/// Opens those that listen, and as many more as there may be.
pub(super) async fn measure(args: &Args, server: &Server, most: &Most, bars: &mut Bars) -> anyhow::Result<Idle> {
    let (all, others) = (door(server, "/socket", TOPIC)?, door(server, "/socket", "room:others")?);
    let mut listening = open(&all, WARM.min(args.clients)).await?.streams;
    tokio::time::sleep(SETTLE).await;
    let before = server.resident_kib()?;
    let opened = open(&all, args.clients - listening.len()).await?;
    let rate = opened.streams.len() as f64 / opened.took.as_secs_f64();
    listening.extend(opened.streams);
    tokio::time::sleep(SETTLE).await;
    let kb = |now: f64, sockets: usize| (now - before) * 1.024 / (sockets.max(WARM + 1) - WARM) as f64;
    let of_first = kb(server.resident_kib()?, listening.len());
    println!(
        "{} clients have joined: {rate:.0} joins/s, {of_first:.1} KB of the server's memory for each",
        listening.len()
    );
    let more = others.open_many(most.connections - listening.len()).await;
    tokio::time::sleep(SETTLE).await;
    let sockets = listening.len() + more.streams.len();
    let of_all = kb(server.resident_kib()?, sockets);
    let stopped = more.stopped.map_or_else(|| most.stopped_by(), |error| error.to_string());
    println!("{sockets} sockets at once, {of_all:.1} KB for each; there are no more because: {stopped}");
    println!(
        "  Phoenix has {} to {} KB, {:.1} to {:.1} times that\n",
        PHOENIX_KB.0,
        PHOENIX_KB.1,
        PHOENIX_KB.0 / of_all,
        PHOENIX_KB.1 / of_all
    );
    bars.most("memory of an idle joined socket, in KB", of_all.max(of_first), BAR_KB);
    Ok(Idle { listening })
}
