//! What the store is told when it opens.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use skep_types::ByteSize;

/// The most checks, writes, jobs, messages, ticks, events and handled mails of a commit, counted together.
pub const COMMIT_OPS_MAX: usize = 1_000;
/// The most jobs that the jobs of one commit wait for, counted together.
pub const COMMIT_AFTER_MAX: usize = 10_000;
/// The longest key of an item that a plugin writes, in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;
/// The longest key of an item that the host keeps, in bytes.
pub const HOST_KEY_BYTES_MAX: usize = 1_280;
/// The most queues of a plugin: each costs memory for good.
pub const QUEUES_MAX: usize = 1_000;
/// The longest text of a failed attempt, in bytes; longer ones are cut.
pub const ERROR_BYTES_MAX: usize = 4 * 1024;
/// How many failed attempts of a job are kept: the last ones.
pub const ATTEMPTS_KEPT: u64 = 20;
/// What an item counts for beside its key and its value, in bytes.
pub const ITEM_OVERHEAD: u64 = 64;
/// What a job counts for beside its arguments, its output, what its author wants to know, and its errors, in bytes.
pub const JOB_OVERHEAD: u64 = 256;
/// The longest name of a process, in bytes.
pub const PROCESS_NAME_BYTES_MAX: usize = 256;
/// The longest text that says why a process is quarantined, in bytes; longer ones are cut.
pub const QUARANTINE_BYTES_MAX: usize = 4 * 1024;
/// A page of events, mail or processes ends before an entry that would bring it over so many bytes.
pub const PAGE_BYTES_MAX: usize = 4 << 20;
/// What a process counts for beside its name, its arguments, its state and what is kept beside it, in bytes.
pub const PROCESS_OVERHEAD: u64 = 192;
/// What an event of a process counts for beside its data, and a state before an upgrade, in bytes.
pub const EVENT_OVERHEAD: u64 = 32;
/// What a mail counts for beside its receiver's name and its data, in bytes.
pub const MAIL_OVERHEAD: u64 = 128;
/// What a message that has not left counts for beside its topic, event and data, in bytes.
pub const MESSAGE_OVERHEAD: u64 = 64;

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
