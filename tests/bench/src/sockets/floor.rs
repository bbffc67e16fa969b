//! A server of loops that write the same bytes: what no server can beat on this machine.

use std::process::{Command, Stdio};

use skep_loadgen::sockets::Door;
use tokio::net::TcpStream;

use super::{address, open};
use crate::process::Server;

/// The payload of its frames: about what a broadcast or a reply of the bench has.
const BYTES: u8 = 64;

/// A bare server, in a process of its own.
pub(super) struct Bare {
    pub(super) server: Server,
}

impl Bare {
    /// For an author and so many others.
    pub(super) fn start(clients: usize, threads: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--role", "floor", "--connections", &clients.to_string()]);
        command.args(["--rounds", &threads.to_string()]).stdout(Stdio::piped());
        Ok(Self { server: Server::start(&mut command, "listening on ")? })
    }

    /// The author, and all others.
    pub(super) async fn open(&self, clients: usize) -> anyhow::Result<(TcpStream, Vec<TcpStream>)> {
        let door = Door::bare(address(&self.server)?);
        let author = open(&door, 1).await?.streams.remove(0);
        Ok((author, open(&door, clients).await?.streams))
    }
}

/// Serves, as the program that this one starts.
pub(crate) fn serve(clients: usize, threads: usize) -> anyhow::Result<()> {
    let listens = |address| println!("listening on {address}");
    Ok(skep_loadgen::sockets::serve_floor(clients + 1, BYTES, threads, listens)?)
}
