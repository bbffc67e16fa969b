//! A server in a temporary folder.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use anyhow::ensure;
use rustix::process::Signal;

use crate::programs::Programs;
use crate::watched::{Watched, on_a_port};

pub(crate) const USER: &str = "skep";
/// It has what has to be written otherwise in a URL.
pub(crate) const PASSWORD: &str = "se:cr@t/9";
const PASSWORD_IN_URL: &str = "se%3Acr%40t%2F9";

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
    watched: Watched,
    port: AtomicU16,
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
        // So told it ends its children, and gives back the memory that it shares with them.
        let watched = Watched::new(&programs, "skep-pg-", options.folder.as_deref(), Signal::QUIT)?;
        let server = Self { programs, watched, port: AtomicU16::new(0), databases: AtomicU64::new(0) };
        server.init(options)?;
        on_a_port(|port| {
            server.port.store(port, Ordering::Relaxed);
            server.run()
        })?;
        Ok(server)
    }

    fn init(&self, options: &ServerOptions) -> anyhow::Result<()> {
        let password = self.folder().join("password");
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
        let folder = self.folder().display();
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

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.watched.log()
    }

    fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    fn run(&self) -> anyhow::Result<()> {
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port().to_string()]);
        self.watched.start(command, || self.psql(&self.local("postgres"), "SELECT 1").is_ok())
    }

    /// A new database: its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        told(self.psql(&self.local("postgres"), &format!("CREATE DATABASE {name}")));
        format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{name}", self.port())
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
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port().to_string()).env("PGUSER", USER);
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
        let folder = self.folder().display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{folder}:{}/{database}", self.port())
    }

    /// As `kill -9` of all of it at once: nothing is written any more, nobody is told.
    pub fn kill(&self) {
        told(self.watched.kill());
    }

    /// On the same port, with what it had.
    pub fn start_again(&self) {
        told(self.run());
    }

    /// It is there, takes connections, and does nothing.
    pub fn freeze(&self) {
        self.watched.freeze();
    }

    /// It goes on as if nothing had been.
    pub fn thaw(&self) {
        self.watched.thaw();
    }

    /// Its folder, which is gone when it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.watched.folder()
    }
}

#[expect(clippy::panic, reason = "this is for tests")]
pub(crate) fn told<T>(result: anyhow::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:?}"))
}

fn succeeded(program: &str, said: &Output) -> anyhow::Result<()> {
    ensure!(said.status.success(), "{program}: {}", String::from_utf8_lossy(&said.stderr).trim());
    Ok(())
}
