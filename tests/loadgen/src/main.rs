//! The load generator's command line.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use skep_loadgen::{Options, Target};

/// Sends HTTP/1.1 load to a server on this machine and measures its answers.
#[derive(Parser)]
#[command(name = "skep-loadgen", version)]
struct Cli {
    /// Where to: http:// and a loopback address.
    #[arg(long)]
    url: Target,
    /// Connections that are kept alive.
    #[arg(long, short, default_value_t = 32)]
    connections: u32,
    /// How long to measure.
    #[arg(long, short, default_value_t = 5.0)]
    seconds: f64,
    /// How long to send before that without measuring.
    #[arg(long, default_value_t = 0.0)]
    warm_up_seconds: f64,
    /// How long answers may still come after the end; what is then missing counts as unfinished.
    #[arg(long, default_value_t = 1.0)]
    grace_seconds: f64,
    /// Requests a second of all connections together, sent when they are due and not when the last answer is in.
    #[arg(long, short)]
    rate: Option<f64>,
    #[arg(long, default_value = "GET")]
    method: String,
    /// Bytes of each request's body.
    #[arg(long, default_value_t = 0)]
    body_bytes: usize,
    /// Another Host than the URL's.
    #[arg(long)]
    host: Option<String>,
    /// One more header, as `name: value`; may stand more than once.
    #[arg(long = "header")]
    headers: Vec<String>,
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 unless every request was answered with a 2xx.
    #[arg(long)]
    clean: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let options = Options {
        method: cli.method,
        body_bytes: cli.body_bytes,
        host: cli.host,
        headers: cli.headers,
        connections: cli.connections,
        duration: Duration::try_from_secs_f64(cli.seconds)?,
        warm_up: Duration::try_from_secs_f64(cli.warm_up_seconds)?,
        grace: Duration::try_from_secs_f64(cli.grace_seconds)?,
        rate: cli.rate,
        threads: cli.threads,
        ..Options::new(cli.url)
    };
    let report = skep_loadgen::run(&options)?;
    let mut out = std::io::stdout().lock();
    if cli.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    let good = if cli.clean { report.is_clean() } else { report.requests > 0 };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
