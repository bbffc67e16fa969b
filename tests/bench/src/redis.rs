//! A redis-server of our own on loopback, where one is on the PATH, and connections to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The server; killed when it is dropped.
pub(crate) struct Redis {
    child: Child,
    address: SocketAddr,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    /// `None` if there is no redis-server here.
    pub(crate) fn start() -> anyhow::Result<Option<Self>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let Ok(child) = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn() else { return Ok(None) };
        let redis = Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) };
        for _ in 0..200 {
            if TcpStream::connect(redis.address).is_ok() {
                return Ok(Some(redis));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        anyhow::bail!("redis-server does not listen")
    }

    pub(crate) fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream) })
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Sends one command and reads its answer, which has to be a line or a text.
    pub(crate) fn ask(&mut self, words: &[&str]) -> anyhow::Result<()> {
        self.send(&command(words))?;
        self.answer()
    }

    pub(crate) fn send(&mut self, commands: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.get_mut().write_all(commands)?)
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self) -> anyhow::Result<()> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        anyhow::ensure!(!line.starts_with('-') && !line.is_empty(), "redis: {line}");
        if let Some(length) = line.strip_prefix('$').and_then(|length| length.trim().parse::<usize>().ok()) {
            let mut value = vec![0; length + 2];
            self.stream.read_exact(&mut value)?;
        }
        Ok(())
    }

    /// The bare connection, for answers of another kind. Nothing may be unread.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// A command as it goes over the wire.
pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}
