//! A temporary folder and the server that has it, which end with whoever started them, also if that is killed.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use rustix::process::Signal;

use crate::programs::Programs;
use crate::signals;

/// How often it is looked whether something has happened, and how long there is between two looks: a minute.
const TRIES: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(20);
/// Below those that connections to elsewhere are given.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The folder, with a file `log`, and the server.
#[derive(Debug)]
pub(crate) struct Watched {
    folder: PathBuf,
    /// How it is asked to end.
    ends: Signal,
    running: Mutex<Option<Child>>,
    watchdog: Mutex<Option<(Child, ChildStdin)>>,
}

impl Watched {
    /// A folder in this one, or where temporary files are, that belongs to whoever runs the programs.
    pub(crate) fn new(programs: &Programs, prefix: &str, parent: Option<&Path>, ends: Signal) -> anyhow::Result<Self> {
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix(prefix);
        let folder = match parent {
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
        Ok(Self { folder, ends, running: Mutex::new(None), watchdog: Mutex::new(Some((watchdog, input))) })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&self, mut command: Command, answers: impl Fn() -> bool) -> anyhow::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log"))?;
        let mut running = self.running.lock();
        ensure!(running.is_none(), "it runs already");
        let mut child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        self.watch(Some(child.id()))?;
        for _ in 0..TRIES {
            if let Some(status) = child.try_wait()? {
                self.watch(None)?;
                let log = self.log();
                let tail: Vec<_> = log.lines().rev().take(5).collect();
                bail!("it ended with {status}: {}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
            if answers() {
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

    /// As `kill -9` of all of it at once: nothing is written any more, nobody is told.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        let mut running = self.running.lock();
        let Some(mut child) = running.take() else { return Ok(()) };
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
        ensure!(gone, "its processes do not end");
        self.watch(None)
    }

    /// It is there, takes connections, and does nothing.
    pub(crate) fn freeze(&self) {
        self.each(Signal::STOP, true);
    }

    /// It goes on as if nothing had been.
    pub(crate) fn thaw(&self) {
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
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.thaw();
        if let Some(mut child) = self.running.lock().take() {
            signals::send(child.id(), self.ends);
            drop(child.wait());
        }
        drop(self.watch(None));
        if let Some((mut watchdog, input)) = self.watchdog.lock().take() {
            drop(input);
            drop(watchdog.wait());
        }
    }
}

/// Tries ports that are free. Another one may take it in between, so this tries some.
pub(crate) fn on_a_port(mut run: impl FnMut(u16) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut last = anyhow::anyhow!("no port is free");
    for _ in 0..20 {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            continue;
        }
        match run(port) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
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
