//! What both backends do in the same run on the same disk, each waiting for it: SQLite, PostgreSQL with one host, and with two
//! on one database. Beside them `pgbench -N` on the same server, with as many clients as there are callers.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use skep_store::{Caps, LeaseRequest, Leased, PostgresOptions, PostgresStore, ProcessStore, RateCap, Settle, Settled};
use skep_test_postgres::{Server, ServerOptions};
use tempfile::TempDir;

use crate::{Deaf, Measured, NOW, call, enqueue, folder, open, queue, set, worked};

const CALLERS: [usize; 3] = [1, 32, 256];
const TIME: Duration = Duration::from_secs(4);
/// How many jobs a worker has at a time, and how many there are for all of them.
const BATCH: usize = 10;
const JOBS: usize = 100_000;

/// The hosts on one database.
type Hosts = Arc<Vec<Arc<dyn ProcessStore>>>;

async fn commits(hosts: &Hosts, callers: usize) -> Measured {
    let hosts = Arc::clone(hosts);
    let commit = move |number: u64| {
        let done = hosts[number as usize % hosts.len()].commit(set(number.wrapping_mul(7919)));
        async move { _ = done.await.unwrap() }
    };
    call(callers, TIME, commit).await
}

async fn inserts(hosts: &Hosts, callers: usize) -> Measured {
    let hosts = Arc::clone(hosts);
    let commit = move |number: u64| {
        let done = hosts[number as usize % hosts.len()].commit(enqueue(1));
        async move { _ = done.await.unwrap() }
    };
    call(callers, TIME, commit).await
}

async fn fill(hosts: &Hosts) {
    for _ in 0..JOBS / 1_000 {
        hosts[0].commit(enqueue(1_000)).await.unwrap();
    }
}

/// Workers that settle what they have and lease as many again, until the time is over or nothing is left.
async fn perform(hosts: &Hosts, workers: usize, caps: Caps) -> Measured {
    let (start, before, performed) = (Instant::now(), worked(), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..workers)
        .map(|number| {
            let (host, performed) = (Arc::clone(&hosts[number % hosts.len()]), Arc::clone(&performed));
            tokio::spawn(async move {
                let (mut times, mut held) = (Vec::new(), Vec::new());
                loop {
                    let over = start.elapsed() > TIME || performed.load(Ordering::Relaxed) >= JOBS;
                    if over && held.is_empty() {
                        return times;
                    }
                    let settles = std::mem::take(&mut held);
                    let done = settles.len();
                    let limit = if over { 0 } else { BATCH };
                    let worker = format!("node/{number}");
                    let request = LeaseRequest { queue: queue(), limit, worker, now: NOW, until: NOW + 10_000, caps };
                    let began = Instant::now();
                    let (settled, Leased { jobs: leased, held_back }) =
                        host.settle_and_lease(settles, Some(request)).await.unwrap();
                    times.push(began.elapsed());
                    assert!(settled.iter().all(Result::is_ok));
                    performed.fetch_add(done, Ordering::Relaxed);
                    if leased.is_empty() && held_back.is_some() {
                        // As the engine does where another host is at the queue.
                        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..10))).await;
                    }
                    held = leased
                        .iter()
                        .map(|job| Settle {
                            id: job.id,
                            fence: job.lease.as_ref().unwrap().fence,
                            now: NOW,
                            as_: Settled::Completed { output: None },
                        })
                        .collect();
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    Measured::of(times, performed.load(Ordering::Relaxed), start, before)
}

/// What `pgbench` does with so many clients: transactions of an update, a select, another update less, and an insert.
fn pgbench(server: &Server, url: &str, clients: usize) -> Measured {
    let (start, before) = (Instant::now(), worked());
    let prefix = server.folder().join(format!("pgbench-{clients}"));
    let said = server
        .program("pgbench", url)
        .args(["-N", "-M", "prepared", "-n", "-j", "2", "-l", "-T", &TIME.as_secs().to_string()])
        .args(["-c", &clients.to_string(), &format!("--log-prefix={}", prefix.display())])
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let text = String::from_utf8(said.stdout).unwrap();
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap();
    let rate = tps.split(' ').next().unwrap().parse().unwrap();
    let times = times(server.folder(), &format!("pgbench-{clients}."));
    let count = times.len();
    Measured { rate, work: 0.0, ..Measured::of(times, count, start, before) }
}

/// The third number of each line of these logs.
fn times(folder: &Path, prefix: &str) -> Vec<Duration> {
    let logs = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let logs = logs.filter(|log| log.file_name().to_str().unwrap().starts_with(prefix));
    logs.flat_map(|log| {
        let text = std::fs::read_to_string(log.path()).unwrap();
        let time = |line: &str| Duration::from_micros(line.split(' ').nth(2).unwrap().parse().unwrap());
        text.lines().map(time).collect::<Vec<_>>()
    })
    .collect()
}

fn row(name: &str, Measured { p50, p99, rate, work }: &Measured, base: f64) {
    println!("{name:<52}{p50:>10.0}{p99:>10.0}{rate:>12.0}{:>8.2}{work:>10.1}", rate / base);
}

async fn host(url: &str) -> Arc<dyn ProcessStore> {
    let options = PostgresOptions::new(url);
    let opened = tokio::task::spawn_blocking(move || PostgresStore::open(options, Arc::new(Deaf)));
    Arc::new(opened.await.unwrap().unwrap())
}

/// Prints the table.
pub(crate) async fn beside_sqlite() {
    // As an operator has it, but for the memory that a server of its own would be given.
    let settings = [("shared_buffers", "256MB"), ("max_wal_size", "4GB")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    // Where files are not in memory.
    let disk = std::env::var_os("SKEP_BENCH_FOLDER").unwrap_or_else(|| "/var/tmp".into());
    let Some(server) = Server::with(&ServerOptions { folder: Some(disk.into()), settings, fsync: true }) else {
        return;
    };
    let bench = server.database();
    let made = server.program("pgbench", &bench).args(["-i", "-q", "-s", "10"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    println!("{}; fsync and synchronous_commit on, SQLite with its defaults", server.ask(&bench, "SELECT version()"));
    println!("a ratio of 1 is pgbench -N (scale 10, prepared) with as many clients");
    println!("\n{:<52}{:>10}{:>10}{:>12}{:>8}{:>10}", "", "p50 us", "p99 us", "in a second", "ratio", "store us");
    for callers in CALLERS {
        let base = pgbench(&server, &bench, callers);
        row(&format!("pgbench -N, {callers} client(s)"), &base, base.rate);
        for (name, count) in [("SQLite", 0), ("PostgreSQL", 1), ("PostgreSQL, two hosts", 2)] {
            let folder = folder();
            let hosts = Arc::new(hosts_of(&server, &folder, count).await);
            row(&format!("{name}: commit of 1 item, {callers} callers"), &commits(&hosts, callers).await, base.rate);
            row(&format!("{name}: insert of 1 job, {callers} callers"), &inserts(&hosts, callers).await, base.rate);
            fill(&hosts).await;
            let measured = perform(&hosts, callers, Caps::default()).await;
            row(&format!("{name}: settle and lease {BATCH}, {callers} workers"), &measured, base.rate);
            for host in hosts.iter() {
                host.close().await.unwrap();
            }
        }
        println!();
    }
}

/// So many hosts on a database of their own; none: an SQLite file in a folder.
async fn hosts_of(server: &Server, folder: &TempDir, count: usize) -> Vec<Arc<dyn ProcessStore>> {
    if count == 0 {
        return vec![open(folder) as Arc<dyn ProcessStore>];
    }
    let url = server.database();
    let mut hosts = Vec::new();
    for _ in 0..count {
        hosts.push(host(&url).await);
    }
    hosts
}

/// The caps that are compared, the first with none. None of them holds anything back but the last, which leaves room for a tenth
/// of the workers.
fn caps(workers: usize) -> [(&'static str, Caps); 5] {
    let most = NonZeroU32::MAX;
    let tenth = u32::try_from(workers * BATCH / 10).unwrap();
    let running = |max| Caps { running_max: Some(max), rate: None };
    let rate = Some(RateCap { count: most, period_ms: 60_000 });
    [
        ("no caps", Caps::default()),
        ("a running cap", running(most)),
        ("a rate", Caps { running_max: None, rate }),
        ("both", Caps { rate, ..running(most) }),
        ("a running cap of a tenth", running(NonZeroU32::new(tenth).unwrap())),
    ]
}

/// Prints what caps cost: in the same run, with as many workers. The first row is once more the last.
pub(crate) async fn with_caps() {
    let disk = std::env::var_os("SKEP_BENCH_FOLDER").unwrap_or_else(|| "/var/tmp".into());
    let options = ServerOptions { folder: Some(disk.into()), settings: Vec::new(), fsync: true };
    let Some(server) = Server::with(&options) else { return };
    println!("\n{:<52}{:>10}{:>10}{:>12}{:>8}{:>10}", "", "p50 us", "p99 us", "in a second", "ratio", "store us");
    for (name, count) in [("SQLite", 0), ("PostgreSQL", 1), ("PostgreSQL, two hosts", 2)] {
        let (workers, folder) = (32, folder());
        let hosts = Arc::new(hosts_of(&server, &folder, count).await);
        let (mut base, all) = (None, caps(workers));
        for (what, caps) in all.into_iter().chain([("no caps", Caps::default())]) {
            fill(&hosts).await;
            let measured = perform(&hosts, workers, caps).await;
            let base = *base.get_or_insert(measured.rate);
            row(&format!("{name}: settle and lease {BATCH}, {what}"), &measured, base);
        }
        for host in hosts.iter() {
            host.close().await.unwrap();
        }
        println!();
    }
}
