//! Rounds: start the child, kill it, look at what it left.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use skep_store::{Changes, Durability, Observer, SqliteStore, Store};
use tempfile::TempDir;

use crate::child::{COUNTERS, NOW, options, plugin};
use crate::kept::{self, SaidOfProcesses};
use crate::{CHILD_MODE, CHILD_STORE, vfs};

/// A store is begun anew after so many rounds, so that looking at all of it stays quick.
const ROUNDS_PER_STORE: usize = 15;

/// How many rounds: what the environment says, else few enough for every run of the tests.
pub(crate) fn rounds(few: usize) -> usize {
    std::env::var("SKEP_STORE_CRASH_ROUNDS").map_or(few, |rounds| rounds.parse().unwrap())
}

/// What the children said of a store.
#[derive(Default)]
struct Said {
    steps: BTreeSet<String>,
    heard: BTreeSet<String>,
    done: BTreeSet<u64>,
    processes: SaidOfProcesses,
}

#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Observer for Listener {
    fn changed(&self, changes: Changes) {
        let texts = changes.publishes.iter().map(|publish| String::from_utf8(publish.data.to_vec()).unwrap());
        self.0.lock().extend(texts);
    }
}

fn start(store: &Path, mode: &str) -> Killed {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_process", "--nocapture", "--test-threads=1"])
        .env(CHILD_STORE, store)
        .env(CHILD_MODE, mode)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    Killed(child.unwrap())
}

/// A child that does not outlive the test, whatever it says.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Said {
    /// Kills the child at a random moment behind a random number of answers, and takes down what it said.
    #[expect(clippy::disallowed_methods, reason = "the moment of the kill is to be anywhere between two answers")]
    fn listen_and_kill(&mut self, mut child: Killed) -> Result<usize, String> {
        let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let (mut heard, enough) = (0, fastrand::usize(1..400));
        for line in lines.by_ref() {
            heard += usize::from(self.take(&line.unwrap())?);
            if heard >= enough {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..20_000)));
        drop(child);
        for line in lines {
            // The last one may be cut short.
            heard += usize::from(self.take(&line.unwrap())?);
        }
        Ok(heard)
    }

    fn take(&mut self, line: &str) -> Result<bool, String> {
        let Some((what, of)) = line.strip_prefix('@').and_then(|line| line.split_once(' ')) else { return Ok(false) };
        match what {
            "step" if !self.steps.insert(of.to_owned()) => return Err(format!("step {of} was answered twice")),
            "heard" => _ = self.heard.insert(of.to_owned()),
            "done" => _ = self.done.insert(of.parse().unwrap()),
            "posted" => _ = self.processes.posted.insert(of.to_owned()),
            "handled" if !self.processes.handled.insert(of.to_owned()) => {
                return Err(format!("letter {of} was handled twice"));
            }
            "turn" => {
                let (number, seq) = of.split_once('/').unwrap();
                let last = self.processes.turns.entry(number.parse().unwrap()).or_default();
                *last = (*last).max(seq.parse().unwrap());
            }
            _ => {}
        }
        Ok(true)
    }
}

/// So many rounds in one mode. Fails with what is wrong, if anything is.
pub(crate) fn run(mode: &str, rounds: usize) -> Result<(), String> {
    let mut answers = 0;
    for at in (0..rounds).step_by(ROUNDS_PER_STORE) {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().join("store.sqlite");
        let mut said = Said::default();
        for round in at..rounds.min(at + ROUNDS_PER_STORE) {
            answers += said.listen_and_kill(start(&path, mode))?;
            if mode != "plain" {
                vfs::lose_power(&path);
            }
            look(&path, mode, &mut said).map_err(|wrong| format!("round {round}: {wrong}"))?;
            if mode != "plain" {
                vfs::all_synced(&path);
            }
        }
    }
    assert!(answers > rounds, "the children did next to nothing");
    Ok(())
}

/// What is in a file.
struct Found {
    counters: BTreeMap<usize, u64>,
    steps: BTreeSet<String>,
    /// By what they say: number and state.
    jobs: BTreeMap<String, (u64, i64)>,
}

fn look(path: &Path, mode: &str, said: &mut Said) -> Result<(), String> {
    let listener = Arc::new(Listener::default());
    let store = SqliteStore::open(options(path, Durability::Full), Arc::clone(&listener) as Arc<_>)
        .map_err(|error| format!("it does not open: {error}"))?;
    let found = read(path);
    let counts = futures(store.queue_counts()).map_err(|error| error.to_string())?;
    let usage = futures(store.usage()).map_err(|error| error.to_string())?;
    // What the dead child had on lease is not lost.
    futures(store.reclaim_others("nobody".to_owned(), NOW)).map_err(|error| error.to_string())?;
    futures(store.get(plugin(), vec![], NOW)).map_err(|error| error.to_string())?;
    futures(store.close()).map_err(|error| error.to_string())?;
    let connection = Connection::open(path).unwrap();
    let intact: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    if intact != "ok" {
        return Err(intact);
    }
    said.heard.extend(listener.0.lock().drain(..));
    // A power loss may cost the last commits where that was chosen; then they are gone as a whole.
    if mode == "normal" {
        said.steps.retain(|step| found.steps.contains(step));
        said.heard.retain(|step| found.steps.contains(step));
        said.done.clear();
        said.processes = SaidOfProcesses::default();
    }
    found.agrees_with(said)?;
    kept::agrees_with(&mut said.processes, &connection, mode != "shared")?;
    let total: u64 = counts.iter().flat_map(|queue| queue.counts).sum();
    if total != found.jobs.len() as u64 || usage.iter().map(|usage| usage.jobs).sum::<u64>() != total {
        return Err(format!("{} jobs, but {total} are counted", found.jobs.len()));
    }
    let items = (found.counters.len() + found.steps.len()) as u64;
    if usage.iter().map(|usage| usage.items).sum::<u64>() != items {
        return Err(format!("{items} items, but {usage:?}"));
    }
    Ok(())
}

impl Found {
    fn agrees_with(&self, said: &Said) -> Result<(), String> {
        if let Some(lost) = said.steps.difference(&self.steps).next() {
            return Err(format!("step {lost} was answered and is not there"));
        }
        // Check and set: a counter stands at the number of its steps, and none is missing.
        for counter in 0..COUNTERS {
            let count = self.counters.get(&counter).copied().unwrap_or(0);
            let steps = self.steps.iter().filter(|step| step.starts_with(&format!("{counter}/"))).count() as u64;
            let last = (1..=count).all(|step| self.steps.contains(&format!("{counter}/{step}")));
            if steps != count || !last {
                return Err(format!("counter {counter} stands at {count}, but there are {steps} steps"));
            }
        }
        // All effects of a commit, or none.
        if !self.steps.iter().eq(self.jobs.keys()) {
            return Err("there are jobs without their items, or the other way round".to_owned());
        }
        if self.steps != said.heard {
            let odd: Vec<_> = self.steps.symmetric_difference(&said.heard).take(3).collect();
            return Err(format!("messages without their items, or the other way round: {odd:?}"));
        }
        let done: BTreeSet<_> = self.jobs.values().filter(|(_, state)| *state == 5).map(|(id, _)| *id).collect();
        match said.done.difference(&done).next() {
            Some(lost) => Err(format!("job {lost} was done, and is not any more")),
            None => Ok(()),
        }
    }
}

fn read(path: &Path) -> Found {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut select = connection.prepare("SELECT CAST(key AS TEXT), CAST(value AS TEXT) FROM items").unwrap();
    let mut found = Found { counters: BTreeMap::new(), steps: BTreeSet::new(), jobs: BTreeMap::new() };
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    for (key, value) in rows.map(Result::unwrap) {
        match key.split_once(':').unwrap() {
            ("counter", counter) => _ = found.counters.insert(counter.parse().unwrap(), value.parse().unwrap()),
            (_, step) => _ = found.steps.insert(step.to_owned()),
        }
    }
    let mut select = connection.prepare("SELECT CAST(args AS TEXT), id, state FROM jobs").unwrap();
    let rows = select
        .query_map([], |row| Ok((row.get::<_, String>(0)?, (row.get::<_, i64>(1)?.cast_unsigned(), row.get(2)?))))
        .unwrap();
    for (step, job) in rows.map(Result::unwrap) {
        assert!(found.jobs.insert(step, job).is_none(), "a job is there twice");
    }
    found
}

fn futures<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Two programs that have the same file open.
#[expect(clippy::disallowed_methods, reason = "the two programs work for a while, whatever they say")]
pub(crate) fn two_at_once() -> Result<(), String> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path: PathBuf = folder.path().join("store.sqlite");
    let mut said = Said::default();
    // One alone makes the file.
    said.listen_and_kill(start(&path, "shared"))?;
    let children = [start(&path, "shared"), start(&path, "shared")];
    std::thread::sleep(Duration::from_millis(300));
    for child in children {
        said.listen_and_kill(child)?;
    }
    look(&path, "shared", &mut said)
}
