//! What the store is told when it opens.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use skep_types::ByteSize;

use crate::limits::Limits;

/// What the store is told when it opens.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database. Its folder must be there; beside it are its log and its index, `…-wal` and `…-shm`. One process has
    /// it open, which the host sees to; two are slower and have to wait for each other, but break nothing.
    pub path: PathBuf,
    /// What a power loss may cost. Default: nothing.
    pub durability: Durability,
    /// Threads that read, each with a connection. Default: 2.
    pub readers: NonZeroUsize,
    /// Writes that wait for the writer, and reads that wait for a reader. One more is [`Busy`](crate::Error::Busy).
    /// Default: 4,096.
    pub waiting_max: usize,
    /// Bytes of writes that wait for the writer. Default: 64 MiB.
    pub waiting_bytes_max: ByteSize,
    /// The longest value of an item, arguments of a job, output of a job, data of a message, of an event and of a mail, and
    /// arguments and state of a process. Default: 1 MiB.
    pub value_bytes_max: ByteSize,
    /// The most bytes of a commit: keys, values, arguments, data. Default: 8 MiB.
    pub commit_bytes_max: ByteSize,
    /// From how many bytes on the write-ahead log is brought over into the database. Pages that many commits write are
    /// brought over once for all of them, and what a crash leaves is read in some milliseconds. The log may grow to some
    /// times this while much is written, and for as long as a backup runs. Default: 16 MiB.
    pub log_bytes: ByteSize,
    /// Pages of the database that each connection keeps in memory. Default: 16 MiB.
    pub page_cache: ByteSize,
}

impl SqliteOptions {
    pub(super) const fn limits(&self) -> Limits {
        Limits { value_bytes_max: self.value_bytes_max.0, commit_bytes_max: self.commit_bytes_max.0 }
    }

    /// The defaults, with this file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Full,
            readers: NonZeroUsize::new(2).unwrap_or(NonZeroUsize::MIN),
            waiting_max: 4_096,
            waiting_bytes_max: ByteSize::mib(64),
            value_bytes_max: ByteSize::mib(1),
            commit_bytes_max: ByteSize::mib(8),
            log_bytes: ByteSize::mib(16),
            page_cache: ByteSize::mib(16),
        }
    }
}

/// What a write that was answered survives. Killing the host costs nothing in either, and neither damages the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::manual_non_exhaustive, reason = "the hidden one is used, by tests")]
pub enum Durability {
    /// A power loss too: every group of writes waits until the disk has it (`synchronous = FULL`).
    #[default]
    Full,
    /// A power loss, or a crash of the system, may cost the last writes, all of a commit or nothing of it
    /// (`synchronous = NORMAL`).
    Normal,
    /// Nothing that the system does: for tests that have to see a loss.
    #[doc(hidden)]
    Off,
}
