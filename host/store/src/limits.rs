//! What every backend bounds, and what things count for.

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

/// The bounds that a backend is told when it opens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest value, arguments, output, data or state.
    pub(crate) value_bytes_max: u64,
    /// The most bytes of a commit.
    pub(crate) commit_bytes_max: u64,
}
