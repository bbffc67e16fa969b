//! The `skep` command line.

mod cli;
mod commands;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

// Every request allocates a few dozen small blocks, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quiet_backtraces();
    let cli = cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli)),
        Err(error) => Err(anyhow::Error::from(error).context("starting the async runtime")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// With `RUST_BACKTRACE=1` in the environment, every error value that wasmtime makes captures a backtrace of the host,
/// which costs more than a small guest. Whoever wants those asks with `RUST_LIB_BACKTRACE=1`; panics keep theirs.
fn quiet_backtraces() {
    if std::env::var_os("RUST_LIB_BACKTRACE").is_none() {
        #[allow(unsafe_code)]
        // SAFETY: this is the first statement of `main`; no other thread is there to read the environment.
        unsafe {
            std::env::set_var("RUST_LIB_BACKTRACE", "0");
        }
    }
}
