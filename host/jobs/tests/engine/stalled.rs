//! A worker that is stopped by a signal, and comes back too late. It is this program again, as a process of its own.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use skep_jobs::{AttemptContext, Ear, Jobs, Options, Outcome};
use skep_store::{Job, JobState, Settle, Settled, SqliteOptions, SqliteStore, Store};
use skep_types::{Clock as _, SystemClock};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{plugin, spec, two_jobs};

const STORE: &str = "SKEP_TEST_STALLED_STORE";

fn open(path: &Path, ear: &Arc<Ear>) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(SqliteOptions::new(path), ear.clone()).unwrap())
}

fn start(store: &Arc<dyn Store>, ear: &Ear, node: &str) -> Jobs {
    let options = Options { alone: false, node: node.to_owned(), ..crate::quiet_options() };
    Jobs::start(Arc::clone(store), ear, Arc::new(SystemClock), options).unwrap()
}

/// The worker: it begins the job, and when it is told to go on it says that it is done, whatever happened meanwhile.
#[test]
fn worker() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let ear = Ear::new();
        let store = open(Path::new(&path), &ear);
        let jobs = start(&store, &ear, "stalled");
        let (begun, mut begins) = mpsc::channel(1);
        let performer = move |job: Job, _: AttemptContext| {
            let begun = begun.clone();
            async move {
                begun.send(job).await.unwrap();
                std::future::pending::<Outcome>().await
            }
        };
        jobs.configure(&plugin(), two_jobs(1), Arc::new(performer)).unwrap();
        let job = begins.recv().await.unwrap();
        say("begun");
        let told = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next());
        told.await.unwrap();
        let as_ = Settled::Completed { output: Some("late".into()) };
        let settle = Settle { id: job.id, fence: job.lease.unwrap().fence, now: wall(), as_ };
        let settled = store.settle(vec![settle]).await.unwrap();
        say(if settled[0].is_err() { "refused" } else { "settled" });
    });
}

/// Past the test harness, which keeps what is printed.
fn say(word: &str) {
    eprintln!("worker: {word}");
}

fn wall() -> u64 {
    SystemClock.wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

struct Worker {
    child: Child,
    said: std::sync::mpsc::Receiver<String>,
}

impl Worker {
    fn start(path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stalled::worker", "--nocapture"])
            .env(STORE, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            for word in lines.filter_map(|line| line.strip_prefix("worker: ").map(str::to_owned)) {
                let _ = sender.send(word);
            }
        });
        Self { child, said }
    }

    fn says(&self) -> String {
        self.said.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_workers_job_is_taken_over_and_its_late_word_is_refused() {
    let folder = TempDir::new().unwrap();
    let (path, ear) = (folder.path().join("store"), Ear::new());
    let store = open(&path, &ear);
    let jobs = start(&store, &ear, "alive");
    let id = jobs.enqueue(&plugin(), vec![spec("a")]).await.unwrap()[0].id;
    let worker = Worker::start(&path);
    assert_eq!(worker.says(), "begun");
    // Not in the middle of a write, which would keep the file locked.
    loop {
        worker.signal("-STOP");
        let written = store.stage(wall(), 1);
        if tokio::time::timeout(Duration::from_secs(1), written).await.is_ok_and(|written| written.is_ok()) {
            break;
        }
        worker.signal("-CONT");
    }
    let stopped = SystemClock.now();
    let (begun, mut begins) = mpsc::channel(1);
    let performer = move |job: Job, _: AttemptContext| {
        let begun = begun.clone();
        async move {
            begun.send(job.attempt).await.unwrap();
            Outcome::Done(Some("right".into()))
        }
    };
    jobs.configure(&plugin(), two_jobs(1), Arc::new(performer)).unwrap();
    let attempt = tokio::time::timeout(Duration::from_secs(10), begins.recv()).await.expect("within ten seconds");
    assert_eq!(attempt, Some(2));
    assert!(stopped.elapsed() > Duration::from_secs(3), "not while the lease held");
    let status = jobs.await_end(id, None, Duration::from_secs(10)).await.unwrap();
    assert_eq!(status.job.output.as_deref(), Some(b"right".as_ref()));
    worker.signal("-CONT");
    let mut stdin = worker.child.stdin.as_ref().unwrap();
    writeln!(stdin, "go on").unwrap();
    assert_eq!(worker.says(), "refused");
    let job = jobs.get(id, None).await.unwrap().job;
    assert_eq!((job.state, job.output.as_deref()), (JobState::Completed, Some(b"right".as_ref())));
    jobs.stop().await;
}
