//! A redis-server of a test's own, on a socket in a folder of its own.

use std::process::{Child, Command, Stdio};

use redis::{FromRedisValue, RedisError};
use tempfile::TempDir;

pub(crate) struct Server {
    folder: TempDir,
    args: Vec<String>,
    child: Child,
}

impl Server {
    /// None if there is no redis-server here, which is said.
    pub(crate) fn start(args: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        match spawn(&folder, &args) {
            Ok(child) => Some(Self { folder, args, child }),
            Err(error) => {
                let required = std::env::var("SKEP_TEST_REDIS").is_ok_and(|value| value == "required");
                assert!(!required, "redis-server cannot be started: {error}");
                eprintln!("SKIPPED: there is no redis-server on the path ({error})");
                None
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}/s", self.folder.path().display())
    }

    /// As `kill -9`: nothing is saved, nobody is told.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Another one in its place, which is empty.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.folder, &self.args).unwrap();
    }

    /// It is there, and does nothing.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Says something to it directly, as soon as it answers.
    pub(crate) async fn say<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.say_bytes(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()).await
    }

    pub(crate) async fn say_bytes<T: FromRedisValue>(&self, words: &[&[u8]]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = tokio::time::timeout(crate::PATIENCE, async {
            loop {
                match client.get_multiplexed_async_connection().await {
                    Ok(connection) => break connection,
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        })
        .await
        .expect("the server starts");
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let said: Result<T, RedisError> = command.query_async(&mut connection).await;
        said.unwrap()
    }

    /// How often scripts looked something up, and how often they changed something or tried to.
    pub(crate) async fn scripts(&self) -> u64 {
        let info: String = self.say(&["INFO", "commandstats"]).await;
        let calls = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.strip_prefix(":calls=").and_then(|rest| rest.split(',').next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        calls("cmdstat_evalsha")
    }
}

fn spawn(folder: &TempDir, args: &[String]) -> std::io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]);
    command.arg(folder.path().join("s")).arg("--dir").arg(folder.path()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also one that is stopped dies of this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
