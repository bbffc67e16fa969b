//! The data directory is one host's at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::Context as _;

/// Held for as long as the directory is in use; a host that is killed lets go of it.
#[derive(Debug)]
pub(super) struct DataLock {
    file: File,
}

impl DataLock {
    pub(super) fn take(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("lock");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "the data directory {} is in use by another skep; stop that one, or give this one a directory of its own with \
                 `data` in the manifest's [host]",
                data.display()
            ),
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, file = %path.display(), "the data directory cannot be locked: keep other hosts away from it");
            }
        }
        Ok(Self { file })
    }
}

impl Drop for DataLock {
    /// Closing the file is not enough: a program that is just being started (a plugin's build, say) has a copy of every open file
    /// until it runs, and the lock ends with the last copy.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the data directory's lock ends when its file is closed everywhere");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_free_when_its_host_lets_go_of_it() {
        let data = tempfile::tempdir().unwrap();
        let lock = DataLock::take(data.path()).unwrap();
        let refused = DataLock::take(data.path()).unwrap_err().to_string();
        assert!(refused.contains("is in use by another skep"), "{refused}");
        // What a child process has between its fork and its exec.
        let _copy = lock.file.try_clone().unwrap();
        drop(lock);
        DataLock::take(data.path()).unwrap();
    }
}
