//! What a host that is killed under load leaves behind, with a store in a file and with one in PostgreSQL. `SKEP_CRASH_ROUNDS=300`
//! makes the long run of it.

mod commits;
mod processes;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::Client;
use skep_tests::guests;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const HOST: &str = "crash.test";
const ROUNDS: u64 = 8;

fn rounds() -> u64 {
    std::env::var("SKEP_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// With PostgreSQL: what a dead host had leased is taken over some seconds later, so a round takes longer.
fn rounds_on_postgres() -> u64 {
    rounds().div_ceil(2)
}

/// Chance with a seed that is printed, so that a run can be had again.
fn random() -> fastrand::Rng {
    let seed = std::env::var("SKEP_CRASH_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    eprintln!("SKEP_CRASH_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// A folder with this manifest, where a host starts at once: what its guests compile to is there.
pub(crate) fn folder(manifest: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    std::fs::create_dir_all(dir.path().join(".skep")).unwrap();
    std::os::unix::fs::symlink(guests::code_cache(), dir.path().join(".skep/cache")).unwrap();
    dir
}

/// The same with the store in a new database of PostgreSQL. None: there is no PostgreSQL, and none is required.
fn folder_on_postgres(manifest: &str) -> Option<TempDir> {
    let url = skep_test_postgres::Server::shared()?.database();
    let dir = folder(&format!("[host.store]\nurl = {{ file = 'url' }}\n{manifest}"));
    std::fs::write(dir.path().join("url"), url).unwrap();
    Some(dir)
}

/// `skep serve` in a process of its own.
pub(crate) struct Skep {
    child: Child,
    pub(crate) site: Site,
    said: Arc<Mutex<Vec<String>>>,
}

/// What clients know of it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) client: Client,
}

impl Skep {
    fn spawn(dir: &Path) -> Child {
        let mut command = Command::new(guests::skep());
        let command = command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).arg(dir);
        command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    pub(crate) async fn start(dir: &Path) -> Self {
        let mut child = Self::spawn(dir);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut said, mut url) = (Vec::new(), String::new());
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, address)) = line.split_once("listening on ") {
                address.clone_into(&mut url);
            }
            let is_up = line.contains("administered on");
            said.push(line);
            if is_up {
                break;
            }
        }
        assert!(!url.is_empty(), "it does not start: {said:#?}");
        let said = Arc::new(Mutex::new(said));
        let kept = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().push(line);
            }
        });
        Self { child, site: Site { url, client: Client::new() }, said }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn end(mut self) {
        let pid = self.child.id().unwrap();
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await.unwrap();
        assert!(asked.success() && self.child.wait().await.unwrap().success(), "{:#?}", self.said.lock());
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
        let panics = self.said.lock().iter().any(|line| line.contains("panicked"));
        assert!(!panics, "{:#?}", self.said.lock());
    }
}

impl Site {
    /// The answer, or nothing if there is none.
    async fn get(&self, path: &str) -> Option<(u16, String)> {
        let path = path.replace(' ', "+");
        let request = self.client.get(format!("{}{path}", self.url)).header("host", HOST);
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    async fn ok(&self, path: &str) -> String {
        let (status, body) = self.get(path).await.unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}
