//! PostgreSQL's programs, and as whom they run.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Where `initdb`, `postgres`, `psql` and `pgbench` are, and a user that may run them.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    bin: PathBuf,
    /// PostgreSQL refuses to run as root.
    user: Option<(u32, u32)>,
}

impl Programs {
    /// Those on the `PATH`, else the newest ones that Debian has installed.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut debian: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
        debian.sort_by_key(|version| std::cmp::Reverse(number(&version.file_name())));
        let bin = std::env::split_paths(&path)
            .chain(debian.into_iter().map(|version| version.path().join("bin")))
            .find(|bin| ["initdb", "postgres", "psql"].iter().all(|program| bin.join(program).is_file()))
            .context("there is no PostgreSQL on the PATH or in /usr/lib/postgresql")?;
        Ok(Self { bin, user: unprivileged()? })
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        self.as_user(Command::new(self.bin.join(program)))
    }

    /// A program, as whom they run.
    pub(crate) fn as_user(&self, mut command: Command) -> Command {
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        // A folder that this user may be in, and no terminal's signals.
        command.current_dir("/").process_group(0);
        command
    }

    /// Makes something the property of whoever runs the programs.
    pub(crate) fn own(&self, path: &Path) -> anyhow::Result<()> {
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    pub(crate) fn major_version(&self) -> anyhow::Result<u32> {
        let said = self.command("postgres").arg("--version").output()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let version = text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok());
        version.with_context(|| format!("no version in {text:?}"))
    }
}

fn number(name: &OsStr) -> u32 {
    name.to_string_lossy().split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Its own user where there is one, else nobody; none if this is no root.
fn unprivileged() -> anyhow::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = |wanted: &str| {
        let mut parts = users.lines().find(|line| line.split(':').next() == Some(wanted))?.split(':').skip(2);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let found: Option<(u32, u32)> = user("postgres").or_else(|| user("nobody"));
    ensure!(found.is_some(), "PostgreSQL does not run as root, and there is no user postgres or nobody");
    Ok(found)
}
