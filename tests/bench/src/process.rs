//! Servers and load, each in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::Signal;
use skep_loadgen::Options;
use tokio::signal::unix::{SignalKind, signal};

use crate::guests;

/// The `skep` that is measured.
static SKEP: OnceLock<PathBuf> = OnceLock::new();

/// From now on this program is measured instead of the release build.
pub(crate) fn measure(skep: PathBuf) {
    // Nobody has been measured before the arguments are read.
    let _ = SKEP.set(skep);
}

/// How long a server may take to end by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// A server under test; ended when it is dropped, and killed if it does not.
pub(crate) struct Server {
    child: Child,
    address: String,
    pub(crate) started_in: Duration,
}

/// One measurement.
pub(crate) struct Load {
    pub(crate) rps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// The server's CPU time for each request.
    pub(crate) cpu_us: f64,
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was built to write a profile of itself does so when it ends, and not when it is killed.
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), Signal::TERM);
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < ENDS_WITHIN {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn axum() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        Self::start(command.args(["--role", "axum"]).stdout(Stdio::piped()), "listening on ")
    }

    /// `skep serve` or `skep up`.
    pub(crate) fn skep(folder: &Path, how: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(SKEP.get_or_init(guests::skep_release));
        let command = command.arg(how).arg(folder).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        Self::start(command.stderr(Stdio::piped()), "listening on http://")
    }

    pub(crate) fn wasmtime(wasm: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("wasmtime");
        // With these set it captures a backtrace whenever it drops a store.
        command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        let command = command.args(["serve", "-Scli", "--addr", "127.0.0.1:0"]).arg(wasm);
        Self::start(command.stderr(Stdio::piped()), "Serving HTTP on http://")
    }

    /// Starts a server and waits for the line that says where it listens.
    pub(crate) fn start(command: &mut Command, says: &str) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let started = Instant::now();
        let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("starting {command:?}"))?;
        let output: Box<dyn std::io::Read + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(out), _) => Box::new(out),
            (None, Some(err)) => Box::new(err),
            (None, None) => anyhow::bail!("no output to read"),
        };
        let mut lines = BufReader::new(output).lines();
        for line in lines.by_ref() {
            let line = line?;
            if let Some((_, address)) = line.split_once(says) {
                let address: String = address.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
                let started_in = started.elapsed();
                // Whatever else it says must not fill the pipe and stop it.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { child, address, started_in });
            }
        }
        anyhow::bail!("{command:?} ended before it listened")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Memory that is resident now.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the server is gone")?;
        line.trim().trim_end_matches(" kB").parse().with_context(|| format!("an odd VmRSS: {line}"))
    }

    /// CPU time used so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).context("an odd /proc/PID/stat")?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        // utime and stime, in hundredths of a second.
        Ok((ticks(11) + ticks(12)) * 10_000.0)
    }
}

/// The bare handler that everything is compared with.
pub(crate) fn serve_axum() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on {}", listener.local_addr()?);
        let app = axum::Router::new()
            .route("/", axum::routing::get(|| async { "hello /x\n" }))
            .route("/work/{micros}", axum::routing::get(work));
        let mut ended = signal(SignalKind::terminate())?;
        tokio::select! {
            served = axum::serve(listener, app) => served.context("serving"),
            _ = ended.recv() => Ok(()),
        }
    })
}

/// The bare handler, and so many microseconds of work: what a server reaches that costs so much more.
async fn work(axum::extract::Path(micros): axum::extract::Path<u64>) -> &'static str {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let from = Instant::now();
    while from.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
    "hello /x\n"
}

/// Sends load and prints the report as JSON; runs in a process of its own.
pub(crate) fn run_load(url: &str, host: Option<String>, connections: u32, seconds: f64) -> anyhow::Result<()> {
    let options = Options {
        host,
        connections,
        duration: Duration::from_secs_f64(seconds),
        warm_up: Duration::from_millis(300),
        ..Options::new(url.parse()?)
    };
    let report = skep_loadgen::run(&options)?;
    anyhow::ensure!(report.is_clean(), "not every request was answered with a 2xx: {report}");
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Puts a server under load and measures it.
pub(crate) fn load(
    server: &Server,
    host: Option<&str>,
    path: &str,
    connections: u32,
    seconds: f64,
) -> anyhow::Result<Load> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--role", "load", "--url", &format!("http://{}{path}", server.address)]);
    command.args(["--connections", &connections.to_string(), "--seconds", &seconds.to_string()]);
    if let Some(host) = host {
        command.args(["--host", host]);
    }
    let before = server.cpu_us()?;
    let output = command.stderr(Stdio::inherit()).output().context("running the load")?;
    let after = server.cpu_us()?;
    anyhow::ensure!(output.status.success(), "the load on {host:?} failed");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).context("reading the load's report")?;
    let figure = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
    // The warm-up's requests cost CPU too and are not in the report.
    let measured = figure("/requests") * (seconds + 0.3) / seconds;
    Ok(Load {
        rps: figure("/rps"),
        p50_us: figure("/latency/p50_us"),
        p99_us: figure("/latency/p99_us"),
        cpu_us: (after - before) / measured,
    })
}

/// Requests that are sent and whose answers nobody waits for; dropping them hangs up.
pub(crate) fn hold(server: &Server, host: &str, path: &str, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(&server.address)?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes())?;
        held.push(stream);
    }
    Ok(held)
}

/// The median time of one instance of each component, in microseconds, by a program that does nothing else.
pub(crate) fn instantiate(components: &[PathBuf]) -> anyhow::Result<Vec<f64>> {
    let output = Command::new(guests::bench_instantiate()).args(components).stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "measuring instances failed");
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|nanos| Ok(nanos.parse::<f64>()? / 1000.0)).collect()
}

/// What `wasmtime --version` says, if there is one.
pub(crate) fn wasmtime_version() -> Option<String> {
    let output = Command::new("wasmtime").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Some(version.replacen("wasmtime", "wasmtime serve", 1))
}
