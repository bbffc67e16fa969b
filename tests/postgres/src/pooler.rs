//! A PgBouncer before a server, which gives a connection to each transaction.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context as _;
use rustix::process::Signal;

use crate::Server;
use crate::programs::Programs;
use crate::server::{PASSWORD, USER, told};
use crate::watched::{Watched, on_a_port};

/// Connections to the server for each database, whoever many clients there are: fewer than one host has.
const CONNECTIONS: u32 = 3;

/// A PgBouncer on a port of 127.0.0.1. It ends as a [`Server`] does.
#[derive(Debug)]
pub struct Pooler {
    programs: Programs,
    program: PathBuf,
    watched: Watched,
    port: AtomicU16,
}

impl Pooler {
    /// The one of this process, before [`Server::shared`]. None if one of the two is not here, which is said.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Pooler>> = OnceLock::new();
        SHARED.get_or_init(|| Self::before(&Server::shared()?.database())).as_ref()
    }

    /// One before the server of this database. None if there is no PgBouncer here, which is said.
    #[must_use]
    pub fn before(url: &str) -> Option<Self> {
        Self::with(url, "")
    }

    /// The same, with these lines in its settings.
    ///
    /// # Panics
    /// If there is one that does not start, or if there is none and `SKEP_TEST_PGBOUNCER` is `required`.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "this is for tests, whose words these are")]
    pub fn with(url: &str, settings: &str) -> Option<Self> {
        match program() {
            Ok(program) => Some(told(Self::make(program, url, settings).context("PgBouncer cannot be started"))),
            Err(error) => {
                let required = std::env::var("SKEP_TEST_PGBOUNCER").is_ok_and(|value| value == "required");
                assert!(!required, "PgBouncer cannot be started: {error}");
                eprintln!("SKIPPED: {error}");
                None
            }
        }
    }

    fn make(program: PathBuf, url: &str, more: &str) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        // It ends at once, and leaves no transaction open.
        let watched = Watched::new(&programs, "skep-pgb-", None, Signal::TERM)?;
        let pooler = Self { programs, program, watched, port: AtomicU16::new(0) };
        let (_, rest) = url.rsplit_once('@').context("the URL names a user")?;
        let (server, _) = rest.split_once('/').context("the URL names a database")?;
        let (host, server) = server.rsplit_once(':').context("the URL names a port")?;
        let folder = pooler.watched.folder().display();
        // Of each database it keeps connections for a while, and tests have many databases.
        let settings = format!(
            "[databases]\n* = host={host} port={server}\n[pgbouncer]\npool_mode = transaction\n\
             default_pool_size = {CONNECTIONS}\nmax_client_conn = 300\nlisten_addr = 127.0.0.1\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {folder}/users\n\
             server_login_retry = 0.05\nserver_idle_timeout = 1\n{more}\n"
        );
        pooler.file("settings", &settings)?;
        pooler.file("users", &format!("\"{USER}\" \"{PASSWORD}\"\n"))?;
        on_a_port(|port| {
            pooler.port.store(port, Ordering::Relaxed);
            pooler.run()
        })?;
        Ok(pooler)
    }

    fn file(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.watched.folder().join(name);
        fs::File::create(&path)?.write_all(text.as_bytes())?;
        self.programs.own(&path)
    }

    fn run(&self) -> anyhow::Result<()> {
        let port = self.port.load(Ordering::Relaxed);
        let settings = self.watched.folder().join("settings");
        self.file("port", &format!("%include {}\nlisten_port = {port}\n", settings.display()))?;
        let mut command = self.programs.as_user(Command::new(&self.program));
        command.arg(self.watched.folder().join("port"));
        self.watched.start(command, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    /// The URL of a database of the server, through this.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn through(&self, url: &str) -> String {
        let parts = url.rsplit_once('@').and_then(|(user, rest)| Some((user, rest.split_once('/')?.1)));
        let (user, database) = told(parts.context("the URL names a user and a database"));
        format!("{user}@127.0.0.1:{}/{database}", self.port.load(Ordering::Relaxed))
    }

    /// As `kill -9`: its clients are cut off, and so is the server.
    pub fn kill(&self) {
        told(self.watched.kill());
    }

    /// On the same port.
    pub fn start_again(&self) {
        told(self.run());
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.watched.log()
    }
}

/// On the `PATH`, or where Debian installs it.
fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join("pgbouncer"));
    programs.find(|program| program.is_file()).context("there is no pgbouncer on the PATH or in /usr/sbin")
}
