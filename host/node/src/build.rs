//! Build commands, and the programs that they need.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use skep_types::PluginName;
use tokio::process::Command;

/// A build that takes longer has hung.
const BUILD_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// What is kept of a failed build's output for `skep ps`; the terminal has all of it.
const TAIL_LINES: usize = 20;

/// The first of these programs that is not on the PATH.
#[must_use]
pub fn missing_program(needs: &[String]) -> Option<&str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    needs.iter().map(String::as_str).find(|program| !on_path(&path, program))
}

fn on_path(path: &OsStr, program: &str) -> bool {
    std::env::split_paths(path).any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    {
        file.is_file()
    }
}

/// Runs a plugin's build command in the manifest's folder. Its output goes to the terminal's standard error as it
/// comes. Dropping the future kills the build.
///
/// # Errors
/// When the command cannot be started, fails or hangs; the error carries the end of its output.
pub async fn run(plugin: &PluginName, command: &str, dir: &Path) -> anyhow::Result<()> {
    tracing::info!(%plugin, "building: {command}");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("the build command of plugin `{plugin}` cannot be started"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (out, err) = tokio::join!(relay(stdout), async {
        let lines = relay(stderr).await;
        let status = tokio::time::timeout(BUILD_TIMEOUT, child.wait()).await;
        (lines, status)
    });
    let (err, status) = err;
    let status = status.with_context(|| format!("the build of plugin `{plugin}` hangs"))??;
    if status.success() {
        return Ok(());
    }
    let lines: Vec<String> = out.into_iter().chain(err).collect();
    let tail = lines.len().saturating_sub(TAIL_LINES);
    let tail = lines.get(tail..).unwrap_or_default().join("\n");
    anyhow::bail!("the build of plugin `{plugin}` failed ({status}): {command}\n{tail}")
}

/// Passes lines on to standard error and keeps the last of them.
async fn relay(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<String> {
    use tokio::io::AsyncBufReadExt as _;
    let Some(pipe) = pipe else { return Vec::new() };
    let mut lines = tokio::io::BufReader::new(pipe).lines();
    let mut last = std::collections::VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("{line}");
        if last.len() == TAIL_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path() {
        let needs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(missing_program(&needs(&["sh"])), None);
        assert_eq!(missing_program(&needs(&["sh", "no-such-program-here"])), Some("no-such-program-here"));
    }

    #[tokio::test]
    async fn a_failed_build_says_what_it_printed() {
        let plugin = PluginName::new("shop").unwrap();
        let dir = std::env::temp_dir();
        assert!(run(&plugin, "true", &dir).await.is_ok());
        let error = run(&plugin, "echo one; echo two >&2; exit 3", &dir).await.unwrap_err().to_string();
        assert!(error.contains("one") && error.contains("two") && error.contains('3'), "{error}");
    }
}
