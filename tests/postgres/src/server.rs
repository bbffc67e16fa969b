//! A server in a temporary folder.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use rustix::process::Signal;

use crate::programs::Programs;
use crate::signals;

const USER: &str = "skep";
/// It has what has to be written otherwise in a URL.
const PASSWORD: &str = "se:cr@t/9";
const PASSWORD_IN_URL: &str = "se%3Acr%40t%2F9";
/// How often it is looked whether something has happened, and how long there is between two looks: a minute.
const TRIES: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(20);
/// Below those that connections to elsewhere are given.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// What a server is told when it is made.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Where its folder is made. Default: where temporary files are.
    pub folder: Option<PathBuf>,
    /// Settings of `postgresql.conf` beside or instead of those of tests: name and value.
    pub settings: Vec<(String, String)>,
    /// Whether it waits for the disk. Tests only kill processes, which loses nothing that the system was given. Default: no.
    pub fsync: bool,
}

/// A PostgreSQL on a port of 127.0.0.1, with a password. It ends when this is dropped, and when the process ends, however it does.
///
/// All of this waits where it is called: in an asynchronous test, others need threads of their own.
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    running: Mutex<Option<Child>>,
    watchdog: Mutex<Option<(Child, ChildStdin)>>,
    databases: AtomicU64,
}

impl Server {
    /// The one of this process. None if there is no PostgreSQL here, which is said.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// One of its own, which may be killed. None if there is no PostgreSQL here, which is said.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::with(&ServerOptions::default())
    }

    /// As [`start`](Self::start).
    ///
    /// # Panics
    /// If there is one that does not start, or if there is none and `SKEP_TEST_POSTGRES` is `required`.
    #[must_use]
    #[expect(clippy::panic, clippy::print_stderr, reason = "this is for tests, whose words these are")]
    pub fn with(options: &ServerOptions) -> Option<Self> {
        match Programs::find() {
            Ok(programs) => match Self::make(programs, options) {
                Ok(server) => Some(server),
                Err(error) => panic!("PostgreSQL cannot be started: {error:?}"),
            },
            Err(error) => {
                let required = std::env::var("SKEP_TEST_POSTGRES").is_ok_and(|value| value == "required");
                assert!(!required, "PostgreSQL cannot be started: {error}");
                eprintln!("SKIPPED: {error}");
                None
            }
        }
    }

    fn make(programs: Programs, options: &ServerOptions) -> anyhow::Result<Self> {
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix("skep-pg-");
        let folder = match &options.folder {
            Some(parent) => folder.tempdir_in(parent)?,
            None => folder.tempdir()?,
        };
        programs.own(folder.path())?;
        let mut watchdog = Command::new("/bin/sh")
            .args(["-c", include_str!("watchdog.sh"), "watchdog"])
            .arg(folder.path())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // From here on it removes the folder.
        let folder = folder.keep();
        let input = watchdog.stdin.take().context("it has an input")?;
        let server = Self {
            programs,
            folder,
            port: 0,
            running: Mutex::new(None),
            watchdog: Mutex::new(Some((watchdog, input))),
            databases: AtomicU64::new(0),
        };
        server.init(options)?;
        server.begin()
    }

    fn init(&self, options: &ServerOptions) -> anyhow::Result<()> {
        let password = self.folder.join("password");
        fs::write(&password, PASSWORD)?;
        self.programs.own(&password)?;
        let mut initdb = self.programs.command("initdb");
        initdb.arg("-D").arg(self.data()).arg("--pwfile").arg(&password);
        initdb.args(["-U", USER, "-E", "UTF8", "--no-sync", "--no-instructions"]);
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--locale=C.UTF-8"]);
        // An order of texts that is not that of their bytes, as most databases have one.
        if self.programs.major_version()? >= 15 {
            initdb.args(["--locale-provider=icu", "--icu-locale=en-US"]);
        }
        succeeded("initdb", &initdb.output()?)?;
        let folder = self.folder.display();
        let on = if options.fsync { "on" } else { "off" };
        let mut settings = format!(
            "unix_socket_directories = '{folder}'\nlisten_addresses = '127.0.0.1'\nmax_connections = 300\n\
             dynamic_shared_memory_type = mmap\nfsync = {on}\nlog_line_prefix = '%m [%p] '\nlog_lock_waits = on\n"
        );
        for (name, value) in &options.settings {
            settings.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        let mut file = fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        file.write_all(settings.as_bytes())?;
        Ok(())
    }

    /// On a port that is free. Another one may take it in between, so this tries some.
    fn begin(mut self) -> anyhow::Result<Self> {
        let mut last = anyhow::anyhow!("no port is free");
        for _ in 0..20 {
            self.port = fastrand::u16(PORTS);
            if TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).is_err() {
                continue;
            }
            match self.run() {
                Ok(()) => return Ok(self),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Starts it, and waits until it answers.
    fn run(&self) -> anyhow::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"))?;
        let mut running = self.running.lock();
        ensure!(running.is_none(), "it runs already");
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        self.watch(Some(child.id()))?;
        for _ in 0..TRIES {
            if let Some(status) = child.try_wait()? {
                self.watch(None)?;
                let log = self.log();
                let tail: Vec<_> = log.lines().rev().take(5).collect();
                bail!("it ended with {status}: {}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
            if self.psql(&self.local("postgres"), "SELECT 1").is_ok() {
                *running = Some(child);
                return Ok(());
            }
            pause();
        }
        child.kill()?;
        child.wait()?;
        self.watch(None)?;
        bail!("it does not answer")
    }

    /// Which one the watchdog has to end.
    fn watch(&self, server: Option<u32>) -> anyhow::Result<()> {
        let mut watchdog = self.watchdog.lock();
        let (_, input) = watchdog.as_mut().context("it is watched as long as it is there")?;
        writeln!(input, "{}", server.map_or(String::new(), |pid| pid.to_string()))?;
        Ok(())
    }

    /// A new database: its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        told(self.psql(&self.local("postgres"), &format!("CREATE DATABASE {name}")));
        format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{name}", self.port)
    }

    /// What must not be in any log: the password as it is, and as it is in URLs.
    #[must_use]
    pub fn secrets(&self) -> [&'static str; 2] {
        [PASSWORD, PASSWORD_IN_URL]
    }

    /// What `psql` says to this, without the names of columns, one row a line and `|` between the fields.
    pub fn ask(&self, url: &str, sql: &str) -> String {
        told(self.psql(url, sql)).trim_end().to_owned()
    }

    /// One of PostgreSQL's other programs, for this database.
    #[must_use]
    pub fn program(&self, program: &str, url: &str) -> Command {
        let mut command = self.programs.command(program);
        let database = url.rsplit('/').next().unwrap_or_default();
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string()).env("PGUSER", USER);
        command.env("PGPASSWORD", PASSWORD).env("PGDATABASE", database);
        command
    }

    fn psql(&self, url: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = self.programs.command("psql");
        psql.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-c", sql, url]);
        let said = psql.stdin(Stdio::null()).output()?;
        succeeded("psql", &said)?;
        Ok(String::from_utf8(said.stdout)?)
    }

    /// Not through its port: past whatever stands before it.
    fn local(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{folder}:{}/{database}", self.port)
    }

    /// As `kill -9` of all of it at once: nothing is written any more, nobody is told.
    pub fn kill(&self) {
        let mut running = self.running.lock();
        let Some(mut child) = running.take() else { return };
        // The first one first, or it would begin to mend what the others leave.
        let first = child.id();
        signals::send(first, Signal::STOP);
        let children = signals::children(first);
        signals::send(first, Signal::KILL);
        for pid in &children {
            signals::send(*pid, Signal::KILL);
        }
        drop(child.wait());
        let gone = eventually(|| !children.iter().any(|pid| signals::runs(*pid)));
        assert!(gone, "PostgreSQL's processes do not end");
        told(self.watch(None));
    }

    /// On the same port, with what it had.
    pub fn start_again(&self) {
        told(self.run());
    }

    /// It is there, takes connections, and does nothing.
    pub fn freeze(&self) {
        self.each(Signal::STOP, true);
    }

    /// It goes on as if nothing had been.
    pub fn thaw(&self) {
        self.each(Signal::CONT, false);
    }

    fn each(&self, signal: Signal, first_first: bool) {
        let running = self.running.lock();
        let Some(first) = running.as_ref().map(Child::id) else { return };
        if first_first {
            // It makes no more children from here on.
            signals::send(first, signal);
        }
        for pid in signals::children(first) {
            signals::send(pid, signal);
        }
        signals::send(first, signal);
    }

    /// Its folder, which is gone when it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.thaw();
        if let Some(mut child) = self.running.lock().take() {
            // It ends its children, and gives back the memory that it shares with them.
            signals::send(child.id(), Signal::QUIT);
            drop(child.wait());
        }
        drop(self.watch(None));
        if let Some((mut watchdog, input)) = self.watchdog.lock().take() {
            drop(input);
            drop(watchdog.wait());
        }
    }
}

#[expect(clippy::panic, reason = "this is for tests")]
fn told<T>(result: anyhow::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:?}"))
}

fn succeeded(program: &str, said: &Output) -> anyhow::Result<()> {
    ensure!(said.status.success(), "{program}: {}", String::from_utf8_lossy(&said.stderr).trim());
    Ok(())
}

fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..TRIES {
        if holds() {
            return true;
        }
        pause();
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "whoever calls waits for another program, as for a command")]
fn pause() {
    std::thread::sleep(PAUSE);
}
