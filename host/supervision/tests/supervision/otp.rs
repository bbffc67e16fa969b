//! The tree against OTP's own supervisor: the same schedules, the same traces, line by line.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{schedule, sim};

/// How many random schedules are compared with a live OTP, and how many of them are kept as files.
const SCHEDULES: u64 = 5000;
const KEPT: u64 = 40;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otp"))
}

/// OTP's traces of the schedules, in their order.
fn otp(schedules: &[String]) -> Vec<String> {
    let mut otp = Command::new("escript")
        .arg(folder().join("trace.escript"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("escript runs; tests/otp/compare says how to install it");
    let mut input = otp.stdin.take().unwrap();
    let text = schedules.concat();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = otp.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "escript failed");
    let output = String::from_utf8(output.stdout).unwrap();
    output.split_inclusive("\nend\n").map(ToOwned::to_owned).collect()
}

/// Recorded traces always; with `SKEP_OTP` set, which `tests/otp/compare` does, an Erlang that is here as well.
#[test]
fn the_tree_does_what_otp_does() {
    if std::env::var_os("SKEP_OTP").is_some() {
        compare_live();
    }
    for seed in 0..KEPT {
        let file = folder().join(format!("golden/{seed:02}.trace"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (schedule, trace) = text.split_once("\n\n").unwrap();
        assert_eq!(sim::run(schedule), trace, "{}, ours left, OTP's right", file.display());
    }
}

fn compare_live() {
    let schedules: Vec<String> = (0..SCHEDULES).map(schedule::generate).collect();
    let traces = otp(&schedules);
    assert_eq!(traces.len(), schedules.len());
    for (seed, (schedule, trace)) in schedules.iter().zip(&traces).enumerate() {
        assert_eq!(sim::run(schedule), *trace, "seed {seed}, ours left, OTP's right; schedule:\n{schedule}");
    }
    if std::env::var_os("SKEP_OTP_RECORD").is_some() {
        for (seed, (schedule, trace)) in schedules.iter().zip(&traces).take(KEPT as usize).enumerate() {
            std::fs::write(folder().join(format!("golden/{seed:02}.trace")), format!("{schedule}\n{trace}")).unwrap();
        }
    }
}
