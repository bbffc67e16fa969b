//! A relay before a server, which cuts connections and loses answers.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::wire::{Framer, Transactions, answers_commit};

/// How long a server is not told that its client was cut off behind a COMMIT.
const KEPT_OPEN: Duration = Duration::from_secs(3);

/// What happens to one of the next COMMITs of transactions that do not say that they only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCommit {
    /// It is passed on as it is.
    Pass,
    /// The server does not get it: the connection is cut before.
    CutBefore,
    /// The server gets it, and the client is cut off at once. The server does not notice, and goes on with it.
    CutBehind,
    /// The server has done it, and the client is not told: the connection is cut instead of the answer.
    CutAfter,
    /// The server has done it, and the client waits: nothing comes any more over this connection, nor is it closed.
    StallAfter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Flows,
    /// Connections are there, and nothing comes through.
    Stalls,
    /// New connections are closed at once.
    Refuses,
}

/// A relay on a port of 127.0.0.1, in the runtime in which it was made. Connections through it end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    accepts: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    server: String,
    mode: watch::Sender<Mode>,
    /// Each cut counts it up.
    cuts: watch::Sender<u64>,
    at_commit: Mutex<VecDeque<AtCommit>>,
    commits: AtomicU64,
    connections: AtomicUsize,
}

/// Of one connection: whether the answer to a COMMIT is lost, and then whether the connection is.
#[derive(Debug, Default)]
struct Loses {
    answer: AtomicBool,
    stalls: AtomicBool,
    client: AtomicBool,
}

impl Proxy {
    /// A relay before the server of this database.
    ///
    /// # Panics
    /// If there is no port, or the URL is none.
    #[expect(clippy::panic, reason = "this is for tests")]
    pub async fn before(url: &str) -> Self {
        Self::make(url).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    async fn make(url: &str) -> anyhow::Result<Self> {
        let (user, rest) = url.rsplit_once('@').context("the URL names a user")?;
        let (server, database) = rest.split_once('/').context("the URL names a database")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("{user}@{}/{database}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            mode: watch::Sender::new(Mode::Flows),
            cuts: watch::Sender::new(0),
            at_commit: Mutex::default(),
            commits: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
        });
        let accepts = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { url, shared, accepts })
    }

    /// The database's URL, through this.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Closes all connections that there are; new ones are taken.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Closes all connections, and new ones at once, until [`flow`](Self::flow): the server is gone.
    pub fn refuse(&self) {
        self.shared.mode.send_replace(Mode::Refuses);
        self.cut();
    }

    /// Passes nothing on, either way, until [`flow`](Self::flow): connections stay open, new ones are taken.
    pub fn stall(&self) {
        self.shared.mode.send_replace(Mode::Stalls);
    }

    /// Passes on what comes and what has come.
    pub fn flow(&self) {
        self.shared.mode.send_replace(Mode::Flows);
    }

    /// What happens to the next COMMITs, one after the other, whichever connection they come on.
    pub fn at_commit(&self, next: impl IntoIterator<Item = AtCommit>) {
        self.shared.at_commit.lock().extend(next);
    }

    /// Whether all that was to happen to COMMITs has happened.
    #[must_use]
    pub fn commits_are_through(&self) -> bool {
        self.shared.at_commit.lock().is_empty()
    }

    /// How many of those COMMITs came.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepts.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.mode.borrow() != Mode::Refuses {
            let (shared, cuts) = (Arc::clone(&shared), shared.cuts.subscribe());
            tokio::spawn(connection(client, shared, cuts));
        }
    }
}

async fn connection(client: TcpStream, shared: Arc<Shared>, mut cuts: watch::Receiver<u64>) {
    shared.connections.fetch_add(1, Ordering::SeqCst);
    let relay = async {
        let server = TcpStream::connect(&shared.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let loses = Loses::default();
        let done = tokio::select! {
            done = up(&shared, &loses, &mut from_client, &mut to_server) => done,
            done = down(&shared, &loses, &mut from_server, &mut to_client) => done,
        };
        if loses.client.load(Ordering::SeqCst) {
            tokio::spawn(keep_open(from_server, to_server));
        }
        done
    };
    // Whichever end it has, both connections are closed by it.
    tokio::select! {
        _ = relay => {}
        _ = cuts.changed() => {}
    }
    shared.connections.fetch_sub(1, Ordering::SeqCst);
}

impl Shared {
    async fn flows(&self) {
        let mut mode = self.mode.subscribe();
        drop(mode.wait_for(|mode| *mode != Mode::Stalls).await);
    }
}

/// Keeps the server's end open, as a network does that is slow to tell.
async fn keep_open(mut from: OwnedReadHalf, to: OwnedWriteHalf) {
    let mut nowhere = tokio::io::sink();
    drop(tokio::time::timeout(KEPT_OPEN, tokio::io::copy(&mut from, &mut nowhere)).await);
    drop(to);
}

async fn up(shared: &Shared, loses: &Loses, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> std::io::Result<()> {
    let (mut framer, mut transactions) = (Framer::of_client(), Transactions::default());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(piece @ [_, ..]) = buffer.get(..read) else { return Ok(()) };
        shared.flows().await;
        for message in framer.messages(piece) {
            if !transactions.commits(&message) {
                continue;
            }
            shared.commits.fetch_add(1, Ordering::SeqCst);
            let at_commit = shared.at_commit.lock().pop_front().unwrap_or(AtCommit::Pass);
            match at_commit {
                AtCommit::Pass => {}
                AtCommit::CutBefore => {
                    // One that began in an earlier piece was passed on in part; the server does nothing with that.
                    return to.write_all(piece.get(..message.from).unwrap_or_default()).await;
                }
                AtCommit::CutBehind => {
                    loses.client.store(true, Ordering::SeqCst);
                    return to.write_all(piece).await;
                }
                AtCommit::CutAfter | AtCommit::StallAfter => {
                    loses.stalls.store(at_commit == AtCommit::StallAfter, Ordering::SeqCst);
                    loses.answer.store(true, Ordering::SeqCst);
                }
            }
        }
        to.write_all(piece).await?;
    }
}

async fn down(
    shared: &Shared,
    loses: &Loses,
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
) -> std::io::Result<()> {
    let mut framer = Framer::of_server();
    let (mut buffer, mut greeted) = (vec![0; 64 * 1024], false);
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(piece @ [kind, ..]) = buffer.get(..read) else { return Ok(()) };
        shared.flows().await;
        // The answer to a question for TLS is one letter, which is no message.
        let letter = !greeted && read == 1 && matches!(kind, b'N' | b'S');
        greeted |= !letter;
        for message in framer.messages(if letter { &[] } else { piece }) {
            if answers_commit(&message) && loses.answer.load(Ordering::SeqCst) {
                to.write_all(piece.get(..message.from).unwrap_or_default()).await?;
                if loses.stalls.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                return Ok(());
            }
        }
        to.write_all(piece).await?;
    }
}
