//! Two hosts on one database, and what happens to them, at random.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use skep_test_postgres::{AtCommit, Pooler, Proxy, Server};
use tokio::runtime::Runtime;

use crate::said::Said;
use crate::{CHILD_NAME, CHILD_POOLED, CHILD_URL, look};

/// A database is begun anew after so many rounds, so that looking at all of it stays quick.
const ROUNDS_PER_DATABASE: usize = 6;
/// A host gets on if it is answered so often.
const ENOUGH: u64 = 30;

/// What happens to COMMITs.
const KINDS: [AtCommit; 5] =
    [AtCommit::Pass, AtCommit::CutBefore, AtCommit::CutBehind, AtCommit::CutAfter, AtCommit::StallAfter];

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A host is killed, and another one comes in its place.
    KillHost,
    /// A host does nothing for a while, and then goes on as if nothing had been.
    FreezeHost,
    KillServer,
    FreezeServer,
    /// The pooler is killed, and started again after a while.
    KillPooler,
    /// All connections of a host are closed, some times.
    Cut,
    /// A host gets no connection for a while.
    Refuse,
    /// Nothing that a host sends arrives, nor does it hear anything, for a while.
    Stall,
    /// The next COMMITs of a host are not passed on, or their answers are not.
    AtCommits,
}

/// A host in a process of its own. It does not outlive this.
struct Host {
    child: Child,
    reader: Option<JoinHandle<()>>,
    answers: Arc<AtomicU64>,
}

impl Host {
    fn start(url: &str, pooled: bool, name: &str, said: &Arc<Mutex<Said>>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_process", "--nocapture", "--test-threads=1"]);
        child.env(CHILD_URL, url).env(CHILD_NAME, name).envs(pooled.then_some((CHILD_POOLED, "1")));
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (lines, said) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(said));
        let answers = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&answers);
        let reader = std::thread::spawn(move || {
            for line in lines {
                count.fetch_add(u64::from(said.lock().take(&line.unwrap())), Ordering::SeqCst);
            }
        });
        Self { child, reader: Some(reader), answers }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Also one that is stopped dies of this.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What it has said by then counts.
        self.reader.take().unwrap().join().unwrap();
    }
}

struct Site<'a> {
    server: &'a Server,
    pooler: Option<&'a Pooler>,
    /// What each host's connections go through.
    proxies: [Proxy; 2],
    hosts: Vec<Host>,
    said: Arc<Mutex<Said>>,
    starts: usize,
}

/// How many rounds: what the environment says, else few enough for every run of the tests.
fn rounds() -> usize {
    std::env::var("SKEP_STORE_HOSTS_ROUNDS").map_or(2, |rounds| rounds.parse().unwrap())
}

/// Rounds, in each of which all of these happen.
pub(crate) fn run(events: &[Event]) {
    let Some(server) = Server::start() else { return };
    run_on(&server, None, events);
}

/// The same, behind a pooler.
pub(crate) fn run_pooled(events: &[Event]) {
    let Some(server) = Server::start() else { return };
    let Some(pooler) = Pooler::before(&server.database()) else { return };
    run_on(&server, Some(&pooler), events);
    for secret in server.secrets() {
        assert!(!pooler.log().contains(secret));
    }
}

fn run_on(server: &Server, pooler: Option<&Pooler>, events: &[Event]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for at in (0..rounds()).step_by(ROUNDS_PER_DATABASE) {
        let (url, said) = (server.database(), Arc::new(Mutex::new(Said::default())));
        for round in at..rounds().min(at + ROUNDS_PER_DATABASE) {
            let mut site = Site::new(server, pooler, &runtime, &url, &said);
            for event in events {
                site.happens(*event, round);
            }
            drop(site);
            let looked = runtime.block_on(look::at(server, &url, &mut said.lock()));
            if let Err(wrong) = looked {
                panic!("round {round}: {wrong}");
            }
        }
        let said = said.lock();
        eprintln!(
            "{} steps and {} that were not, {} jobs done, {} taken away, {} settles too late, {} letters handled",
            said.steps.len(),
            said.no_steps.len(),
            said.done.len(),
            said.reclaimed,
            said.lost,
            said.handled.len()
        );
    }
    let log = server.log();
    for secret in server.secrets() {
        assert!(!log.contains(secret));
    }
}

impl<'a> Site<'a> {
    fn new(
        server: &'a Server,
        pooler: Option<&'a Pooler>,
        runtime: &Runtime,
        url: &str,
        said: &Arc<Mutex<Said>>,
    ) -> Self {
        let url = &pooler.map_or(url.to_owned(), |pooler| pooler.through(url));
        let proxies = runtime.block_on(async { [Proxy::before(url).await, Proxy::before(url).await] });
        let mut site = Self { server, pooler, proxies, hosts: Vec::new(), said: Arc::clone(said), starts: 0 };
        for at in 0..2 {
            let host = site.start(at);
            site.hosts.push(host);
        }
        site.get_on(&[0, 1], "they start");
        site
    }

    fn start(&mut self, at: usize) -> Host {
        self.starts += 1;
        let name = format!("{at}{:06x}", fastrand::u32(..1 << 24));
        Host::start(self.proxies[at].url(), self.pooler.is_some(), &name, &self.said)
    }

    /// These hosts are answered.
    fn get_on(&self, hosts: &[usize], why: &str) {
        let answers = |at: &usize| self.hosts[*at].answers.load(Ordering::SeqCst);
        let before: Vec<_> = hosts.iter().map(answers).collect();
        for _ in 0..6_000 {
            let wrong = std::mem::take(&mut self.said.lock().wrong);
            assert!(wrong.is_empty(), "{why}: {wrong:?}");
            if hosts.iter().zip(&before).all(|(at, before)| answers(at) >= before + ENOUGH) {
                return;
            }
            pause(10);
        }
        let now: Vec<_> = hosts.iter().map(answers).collect();
        let log = self.server.log();
        let tail: Vec<_> = log.lines().rev().take(30).collect();
        panic!(
            "{why}: {before:?}, and a minute later {now:?}:\n{}",
            tail.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
    }

    fn happens(&mut self, event: Event, round: usize) {
        let (at, other) = if fastrand::bool() { (0, 1) } else { (1, 0) };
        let why = format!("{event:?} of {at} in round {round}");
        pause(fastrand::u64(0..30));
        match event {
            Event::KillHost => {
                self.hosts[at].child.kill().unwrap();
                self.get_on(&[other], &why);
                self.hosts[at] = self.start(at);
            }
            Event::FreezeHost => {
                self.hosts[at].signal("-STOP");
                pause(fastrand::u64(100..5_000));
                self.get_on(&[other], &why);
                self.hosts[at].signal("-CONT");
            }
            Event::KillServer => {
                self.server.kill();
                pause(fastrand::u64(0..1_000));
                self.server.start_again();
            }
            Event::KillPooler => {
                let pooler = self.pooler.unwrap();
                pooler.kill();
                pause(fastrand::u64(0..1_000));
                pooler.start_again();
            }
            Event::FreezeServer => {
                self.server.freeze();
                pause(fastrand::u64(100..4_000));
                self.server.thaw();
            }
            Event::Cut => {
                for _ in 0..fastrand::usize(1..20) {
                    self.proxies[at].cut();
                    pause(fastrand::u64(0..50));
                }
            }
            Event::Refuse => {
                self.proxies[at].refuse();
                pause(fastrand::u64(0..3_000));
                self.proxies[at].flow();
            }
            Event::Stall => {
                self.proxies[at].stall();
                pause(fastrand::u64(100..4_000));
                self.proxies[at].flow();
            }
            Event::AtCommits => {
                let next: Vec<_> = (0..fastrand::usize(1..8)).map(|_| KINDS[fastrand::usize(..KINDS.len())]).collect();
                self.proxies[at].at_commit(next);
                for _ in 0..6_000 {
                    if self.proxies[at].commits_are_through() {
                        break;
                    }
                    pause(10);
                }
                assert!(self.proxies[at].commits_are_through(), "{why}: nothing is committed any more");
            }
        }
        self.get_on(&[0, 1], &why);
    }
}

#[expect(clippy::disallowed_methods, reason = "other programs go on meanwhile")]
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
