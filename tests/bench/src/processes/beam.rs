//! The same of processes of the BEAM: what is known of them, and what they take here, if `erl` is on the PATH.

use std::process::{Command, Stdio};

use anyhow::Context as _;

const PROGRAM: &str = include_str!("beam.erl");

pub(super) fn measure() -> anyhow::Result<()> {
    println!(
        "of others, measured at another time: a BEAM process has 2.6 KB live, a spawn takes 1.6 us, a call 0.9 us"
    );
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("beam.erl"), PROGRAM)?;
    let Ok(compiled) = Command::new("erlc").arg("beam.erl").current_dir(folder.path()).status() else {
        println!("erl is not on the PATH, so it is not measured");
        return Ok(());
    };
    anyhow::ensure!(compiled.success(), "erlc refuses the baseline");
    let output = Command::new("erl")
        .args(["-noshell", "-noinput", "+P", "1000000", "-s", "beam", "main"])
        .current_dir(folder.path())
        .stderr(Stdio::inherit())
        .output()
        .context("running erl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [call, start, live, asleep, wake] = figures.as_slice() else { anyhow::bail!("an odd baseline: {text}") };
    println!(
        "a gen_server here and now: {live:.0} bytes live, {asleep:.0} hibernated, start {start:.1} us, call {call:.1} us, call that \
         wakes {wake:.1} us, all of them means; without a limit of its work or its memory\n"
    );
    Ok(())
}
