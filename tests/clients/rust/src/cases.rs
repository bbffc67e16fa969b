//! How cases are told, and what they ask of the host.

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub const PATIENCE: Duration = Duration::from_secs(30);

fn place(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

pub fn host() -> String {
    place("HOST")
}

/// A room of its own for each case: of those who were in another's, some are still leaving.
pub fn room() -> String {
    format!("room:{:x}", std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos())
}

pub async fn case(name: &str, run: impl Future<Output = Result<()>>) {
    let began = Instant::now();
    let ended = tokio::time::timeout(2 * PATIENCE, run).await.unwrap_or_else(|late| Err(late.into()));
    let (word, why) = match ended {
        Ok(()) => ("ok", String::new()),
        Err(error) => ("FAILED", format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    println!("{word}\t{name}\t{}\t{why}", began.elapsed().as_millis());
}

/// What the client cannot do, and why.
pub fn cannot(name: &str, why: &str) {
    println!("cannot\t{name}\t0\t{why}");
}

/// What a client has heard.
#[derive(Clone)]
pub struct Heard<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Heard<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    pub fn add(&self, what: T) {
        self.0.lock().unwrap().push(what);
    }

    pub fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        ensure!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

pub fn same<T: PartialEq<U> + Debug, U: Debug>(got: T, expected: U) -> Result<()> {
    ensure!(got == expected, "got {got:?}, not {expected:?}");
    Ok(())
}

/// `kill` and `start`.
pub async fn host_is(what: &str) -> Result<()> {
    let mut stream = TcpStream::connect(place("CONTROL")).await?;
    stream.write_all(format!("GET /{what} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("{answer}");
    }
    Ok(())
}

/// The moods of a user in `joins` or `leaves` of diffs.
pub fn moods(diffs: &[Value], kind: &str, user: &str) -> Vec<String> {
    let metas = diffs.iter().filter_map(|diff| diff[kind][user]["metas"].as_array());
    metas.flatten().filter_map(|meta| Some(meta["mood"].as_str()?.to_owned())).collect()
}
