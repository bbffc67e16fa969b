//! `cargo bench-host --soak`: does a host that is called by nothing but misbehaviour grow?

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::client::Client;
use crate::guests;
use crate::process::Server;
use crate::table::median;

/// Calls in flight at once.
const CONCURRENCY: usize = 8;
/// The calls after which the first look is taken: by then every kind of call was made, and caches and pools are filled.
const FIRST_CALLS: u64 = 1_000;
/// The bar: memory after all calls, as a multiple of memory at the first look.
const GROWTH_MAX: f64 = 1.10;
/// A soak that takes longer is stuck.
const TIME_MAX: Duration = Duration::from_secs(20 * 60);
/// Between the last call and a look, and between two looks: what a call leaves behind is dropped after its answer.
const SETTLE: Duration = Duration::from_millis(500);
const LOOKS: usize = 5;

/// What is asked of a host.
enum Ask {
    /// A GET on a virtual host: its status, and whether its body comes to an end.
    Get(&'static str, &'static str, u16, bool),
    /// A GET whose client does not wait for the answer.
    Abandon(&'static str, &'static str),
    /// A deploy of a component that traps in its start function, which has to be refused.
    TrapAtStart,
}

/// The round of misbehaviour, and calls that behave, in one and the same host.
const ROUND: [Ask; 36] = [
    Ask::Get("wasi", "/ok", 200, true),
    Ask::Get("wasi", "/spin", 500, true),
    Ask::Get("wasi", "/bomb", 500, true),
    Ask::Get("wasi", "/trap", 500, true),
    Ask::Get("wasi", "/recurse", 500, true),
    Ask::Get("wasi", "/exit", 500, true),
    Ask::Get("wasi", "/panic", 500, true),
    Ask::Get("wasi", "/log-flood?bytes=20000", 200, true),
    Ask::Get("wasi", "/no-answer", 502, true),
    Ask::Get("wasi", "/handles?kind=fields", 500, true),
    Ask::Get("wasi", "/handles?kind=pollables", 500, true),
    Ask::Get("wasi", "/answer-twice", 500, true),
    Ask::Get("wasi", "/answer-error", 502, true),
    Ask::Get("wasi", "/big?bytes=500000", 200, false),
    Ask::Get("wasi", "/body-forever", 200, false),
    Ask::Get("wasi", "/unfinished-body", 502, true),
    Ask::Get("wasi", "/stream-then-trap", 200, false),
    Ask::Get("wasi", "/fetch?url=http://127.0.0.1:1/", 502, true),
    Ask::Get("wasi", "/grow?mib=100", 200, true),
    Ask::Get("late", "/sleep?ms=60000", 504, true),
    Ask::Get("late", "/stream-then-hang", 200, false),
    Ask::Abandon("wasi", "/never-returns-from-host"),
    Ask::TrapAtStart,
    Ask::Get("fast", "/ok", 200, true),
    Ask::Get("fast", "/spin", 500, true),
    Ask::Get("fast", "/bomb", 500, true),
    Ask::Get("fast", "/trap", 500, true),
    Ask::Get("fast", "/recurse", 500, true),
    Ask::Get("fast", "/status?code=65535", 502, true),
    Ask::Get("fast", "/bad-header", 502, true),
    Ask::Get("fast", "/big?bytes=500000", 502, true),
    Ask::Get("fast", "/log-flood?bytes=20000", 200, true),
    Ask::Get("reuse", "/counter", 200, true),
    Ask::Get("reuse", "/panic", 500, true),
    Ask::Get("reuse", "/bomb", 500, true),
    Ask::Get("reuse", "/ok", 200, true),
];

fn manifest(folder: &Path) -> anyhow::Result<()> {
    let (wasi, fast) = (guests::hostile(), guests::hostile_fast());
    let limits = "fuel = 5_000_000, memory = \"8MiB\", handles = 200, log = \"1KiB\", response_body = \"100KiB\"";
    let text = format!(
        r#"
        [plugins.wasi]
        source = {wasi:?}
        routes = ["wasi.test/{{*path}}"]
        limits = {{ {limits} }}
        [plugins.late]
        source = {wasi:?}
        routes = ["late.test/{{*path}}"]
        limits = {{ {limits}, deadline = "100ms", stream_idle = "100ms" }}
        [plugins.fast]
        source = {fast:?}
        routes = ["fast.test/{{*path}}"]
        limits = {{ {limits} }}
        [plugins.reuse]
        source = {fast:?}
        routes = ["reuse.test/{{*path}}"]
        instances = {{ reuse = 1000 }}
        limits = {{ {limits} }}
        "#
    );
    std::fs::write(folder.join("skep.toml"), text).context("writing the manifest")
}

/// A request for the admin listener of the host in this folder, and where that is.
fn deploy(folder: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let wasm = std::fs::read(guests::wat("start-trap"))?;
    let endpoint = std::fs::read(folder.join(".skep/admin.json")).context("finding the admin listener")?;
    let endpoint: serde_json::Value = serde_json::from_slice(&endpoint)?;
    let text = |key: &str| endpoint.get(key).and_then(serde_json::Value::as_str).context("an odd admin.json");
    let (address, token) = (text("address")?, text("token")?);
    let head = format!(
        "POST /api/plugins/wasi/deploy HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        wasm.len()
    );
    Ok((address.to_owned(), [head.as_bytes(), &wasm].concat()))
}

/// Everything that the callers share.
struct Soak<'a> {
    address: &'a str,
    admin: (String, Vec<u8>),
    next: AtomicU64,
    until: Instant,
    /// Answers that were not what they should have been, by what was asked and what came.
    odd: Mutex<BTreeMap<String, u64>>,
}

impl Soak<'_> {
    /// Calls until so many calls were made, since the beginning.
    fn call_until(&self, calls: u64) -> anyhow::Result<()> {
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..CONCURRENCY).map(|_| scope.spawn(|| self.caller(calls))).collect();
            callers
                .into_iter()
                .try_for_each(|caller| caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))?)
        })
    }

    fn caller(&self, calls: u64) -> anyhow::Result<()> {
        let (mut client, mut admin) = (Client::new(self.address), Client::new(&self.admin.0));
        loop {
            let one_more = |made| (made < calls).then_some(made + 1);
            let Ok(at) = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) else { return Ok(()) };
            #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
            let now = Instant::now();
            anyhow::ensure!(now < self.until, "{at} calls took {TIME_MAX:?}");
            let ask = ROUND.get(at as usize % ROUND.len()).context("within the round")?;
            self.ask(ask, &mut client, &mut admin)?;
        }
    }

    fn ask(&self, ask: &Ask, client: &mut Client, admin: &mut Client) -> anyhow::Result<()> {
        let (asked, reply, expected) = match ask {
            Ask::Get(plugin, path, status, whole) => {
                let reply = client.get(&format!("{plugin}.test"), path).with_context(|| format!("{plugin}{path}"))?;
                (format!("{plugin}{path}"), reply, (*status, *whole))
            }
            Ask::Abandon(plugin, path) => return Ok(client.abandon(&format!("{plugin}.test"), path)?),
            Ask::TrapAtStart => {
                ("trap at start".to_owned(), admin.send(&self.admin.1).context("deploying")?, (422, true))
            }
        };
        if (reply.status, reply.whole) != expected {
            let told = format!("{asked}: {} {}", reply.status, if reply.whole { "whole" } else { "broken off" });
            let mut odd = self.odd.lock().map_err(|_| anyhow::anyhow!("a caller panicked"))?;
            *odd.entry(told).or_default() += 1;
        }
        Ok(())
    }
}

/// The server's memory when nothing is going on, in MiB.
fn resident(server: &Server) -> anyhow::Result<f64> {
    let mut looks = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        std::thread::park_timeout(SETTLE);
        looks.push(server.resident_kib()? / 1024.0);
    }
    Ok(median(&looks))
}

/// Makes the calls, prints memory after the first thousand, after each tenth and at the end.
pub(crate) fn run(calls: u64, check: bool) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(calls > FIRST_CALLS, "a soak has more than {FIRST_CALLS} calls");
    let folder = tempfile::tempdir()?;
    manifest(folder.path())?;
    // The first start fills the code cache: what a compiler leaves behind would make the first look too large.
    drop(Server::skep(folder.path(), "serve")?);
    let server = Server::skep(folder.path(), "serve")?;
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let started = Instant::now();
    let soak = Soak {
        address: server.address(),
        admin: deploy(folder.path())?,
        next: AtomicU64::new(0),
        until: started + TIME_MAX,
        odd: Mutex::default(),
    };
    soak.call_until(FIRST_CALLS)?;
    let first = resident(&server)?;
    println!("{FIRST_CALLS:>7} calls: {first:.1} MiB resident");
    let mut last = first;
    for tenth in 1..=10 {
        let made = FIRST_CALLS + (calls - FIRST_CALLS) * tenth / 10;
        soak.call_until(made)?;
        last = resident(&server)?;
        println!("{made:>7} calls: {last:.1} MiB resident, {:.0} s", started.elapsed().as_secs_f64());
    }
    let growth = last / first;
    println!(
        "resident memory after {calls} hostile calls is {growth:.2} times that after {FIRST_CALLS}, the bar is {GROWTH_MAX:.2}"
    );
    let odd = soak.odd.into_inner().map_err(|_| anyhow::anyhow!("a caller panicked"))?;
    for (told, count) in &odd {
        println!("not as it should be, {count} times: {told}");
    }
    let missed = growth > GROWTH_MAX || !odd.is_empty();
    Ok(if check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
