//! From a changed file to the first answer of what is in it, under `skep up`.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::client::Client;
use crate::guests;
use crate::process::Server;

/// How often the answer is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// The watch says nothing when it is in place, so the first change, which does not count, is made again and again.
const FIRST_AGAIN: Duration = Duration::from_secs(1);
const GIVE_UP: Duration = Duration::from_secs(60);

/// Milliseconds of each round: the file is noticed, left in peace for as long as editors need, compiled, tried out and
/// swapped. No two rounds have the same bytes, so nothing comes from the code cache.
pub(crate) fn measure(rounds: usize) -> anyhow::Result<Vec<f64>> {
    let builds = [(guests::wstd(), "hello from wstd"), (guests::waki(), "hello from waki")];
    let builds = builds.map(|(wasm, says)| std::fs::read(wasm).map(|wasm| (wasm, says)));
    let [one, two] = builds;
    let builds = [one?, two?];
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("app.wasm");
    std::fs::write(folder.path().join("skep.toml"), "[plugins.app]\nsource = \"app.wasm\"\nroutes = [\"GET /\"]\n")?;
    std::fs::write(&source, &builds[0].0)?;
    let server = Server::skep(folder.path(), "up")?;
    let mut client = Client::new(server.address());
    let mut took = Vec::new();
    for round in 0..=rounds {
        let (wasm, says) = builds.get((round + 1) % 2).context("one of two")?;
        let wasm = unlike_any_other(wasm, round);
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let started = Instant::now();
        std::fs::write(&source, &wasm)?;
        let mut written = 1;
        while !client.get("x", "/")?.body.starts_with(says.as_bytes()) {
            let passed = started.elapsed();
            anyhow::ensure!(passed < GIVE_UP, "the change was not served within {GIVE_UP:?}");
            if round == 0 && passed > FIRST_AGAIN * written {
                std::fs::write(&source, &wasm)?;
                written += 1;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        if round > 0 {
            took.push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(took)
}

/// The same component with a custom section of its own.
fn unlike_any_other(wasm: &[u8], round: usize) -> Vec<u8> {
    const NAME: &[u8] = b"round";
    let payload = (round as u64).to_le_bytes();
    let mut wasm = wasm.to_vec();
    wasm.extend([0, (1 + NAME.len() + payload.len()) as u8, NAME.len() as u8]);
    wasm.extend(NAME.iter().chain(&payload));
    wasm
}
