//! The data directory is one host's at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use anyhow::Context as _;

/// Held for as long as the directory is in use; a host that is killed lets go of it.
pub(super) struct DataLock {
    _file: File,
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
        Ok(Self { _file: file })
    }
}
