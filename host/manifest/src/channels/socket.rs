//! `[plugins.NAME.sockets."/socket"]`: what clients of a mount may do.

use std::time::Duration;

use toml::Value;

use super::transport::{SocketLimits, SocketOverflow};
use crate::read::{Item, Read, Section};

const SECOND: Duration = Duration::from_secs(1);
/// Proxies give up on an answer that takes longer.
const WINDOW_MAX: Duration = Duration::from_secs(60);

/// The sockets of one mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketConfig {
    /// Who may open one. Default: those whom the component's socket handler accepts.
    pub connect: SocketConnect,
    /// Fields of the client's request that the component sees, in lower case. Default: none. `cookie` is one that a page of another
    /// origin makes browsers send, too; `origins` keeps those out.
    pub headers: Vec<String>,
    /// What bounds a socket, whatever it speaks.
    pub limits: SocketLimits,
    /// Topics that a client may have joined at once. Default 100, as Phoenix's; 1 to 10,000. A join over it gets the error
    /// `too many channels joined`.
    pub channels: u32,
    /// Joins of one client per second, in the long run. Default 50, 1 to 100,000. Over it the host reads nothing of this client
    /// until there is room again.
    pub joins_per_second: u32,
    /// Joins of one client at once, after a pause. Default: twice `channels`, so that one that comes back joins all of its
    /// topics in one go. 1 to 100,000.
    pub joins_burst: u32,
    /// What happens to a client that does not read. Default: its socket is closed, and it comes back.
    pub overflow: SocketOverflow,
    /// Whether clients that cannot have a WebSocket may poll. Default: they may not, as in Phoenix.
    pub longpoll: Option<Longpoll>,
}

/// Who may open a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SocketConnect {
    /// Those whom the component's socket handler accepts.
    #[default]
    Handler,
    /// Everybody; the component is not asked, and its channels know nothing of the client but what it joins with.
    Anyone,
}

/// Sockets whose transport is polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Longpoll {
    /// How long a poll waits for something to tell. Default 10 s, as Phoenix's; 1 s to 60 s. A client that has not polled for one
    /// and a half of it is gone.
    pub window: Duration,
}

impl Default for Longpoll {
    fn default() -> Self {
        Self { window: Duration::from_secs(10) }
    }
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self {
            connect: SocketConnect::default(),
            headers: Vec::new(),
            limits: SocketLimits::default(),
            channels: 100,
            joins_per_second: 50,
            joins_burst: 200,
            overflow: SocketOverflow::default(),
            longpoll: None,
        }
    }
}

impl Read for SocketConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut socket = Self::default();
        table.set("connect", &mut socket.connect);
        if let Some(headers) = table.get::<Vec<Header>>("headers") {
            socket.headers = headers.into_iter().map(|Header(name)| name).collect();
        }
        socket.limits = SocketLimits::read(&mut table);
        table.bounded("channels", &mut socket.channels, 1..=10_000);
        table.bounded("joins_per_second", &mut socket.joins_per_second, 1..=100_000);
        socket.joins_burst = socket.channels.saturating_mul(2).max(socket.joins_per_second);
        table.bounded("joins_burst", &mut socket.joins_burst, 1..=100_000);
        table.set("overflow", &mut socket.overflow);
        socket.longpoll = read_longpoll(&mut table);
        table.finish();
        Some(socket)
    }
}

fn read_longpoll(table: &mut Section<'_>) -> Option<Longpoll> {
    let item = table.item("longpoll")?;
    match item.value {
        Value::Boolean(allowed) => allowed.then(Longpoll::default),
        Value::Table(_) => {
            let mut table = item.section()?;
            let mut longpoll = Longpoll::default();
            table.bounded("window", &mut longpoll.window, SECOND..=WINDOW_MAX);
            table.finish();
            Some(longpoll)
        }
        _ => item.expected("true, false, or a table such as { window = \"10s\" }"),
    }
}

impl Read for SocketConnect {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("handler", Self::Handler), ("anyone", Self::Anyone)])
    }
}

/// A field's name.
struct Header(String);

impl Read for Header {
    fn read(item: &Item<'_>) -> Option<Self> {
        let name = String::read(item)?.to_ascii_lowercase();
        // RFC 9110's token.
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(fits) || name == "*" {
            return item.fail("is not a header's name");
        }
        Some(Self(name))
    }
}
