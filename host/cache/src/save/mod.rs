//! Buckets on disk, to outlive a restart.
//!
//! | module | holds |
//! |---|---|
//! | `format` | the bytes: header, records, checksum |
//! | `write` | a bucket to a file, atomically |
//! | `read` | a file to a bucket, after its checksum |
//!
//! The format, version 1; numbers are little-endian, times are nanoseconds since the Unix epoch:
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | `skepcach` |
//! | 2 | format version |
//! | 1 | kind: 0 cache, 1 table |
//! | records | each starts with 1: key length (2), value length (4), version (8), end (8, all ones for none), last touched (8), key, value |
//! | 1 + 8 + 8 | 0, the number of records, the next version of the bucket |
//! | 32 | BLAKE3 of everything before |

mod format;
mod read;
mod write;

use std::io;
use std::path::PathBuf;

/// What was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Entries written.
    pub entries: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// A save that did not take place. The file of an earlier save is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// This bucket is being saved by somebody else at this moment.
    #[error("the bucket is being saved already")]
    Busy,
    /// The disk is full, the folder cannot be written, or the like.
    #[error("cannot save the bucket to `{}`", path.display())]
    Io {
        /// The file that was to be written.
        path: PathBuf,
        /// Why it could not.
        source: io::Error,
    },
}

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Entries that are in the bucket now.
    pub entries: u64,
    /// Entries whose time was over meanwhile.
    pub expired: u64,
    /// Entries left out: they do not fit the limits, or the bucket has newer ones of their keys.
    pub skipped: u64,
}

/// A file that was not restored. Nothing of it is in the bucket.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file could not be read; it is where it was.
    #[error("cannot read the saved bucket `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        source: io::Error,
    },
    /// The file is not what a save of this bucket writes. It was set aside, so that the next save does not overwrite it.
    #[error("the saved bucket `{}` was not loaded: {reason}; it is kept as `{}`", path.display(), aside.display())]
    SetAside {
        /// Where it was.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        reason: Fault,
    },
    /// The same, but the file could not be renamed and is where it was.
    #[error("the saved bucket `{}` was not loaded: {reason}; it could not be set aside either", path.display())]
    Stuck {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Fault,
        /// Why it could not be renamed.
        source: io::Error,
    },
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It starts with something else.
    #[error("it is not a saved bucket")]
    Foreign,
    /// A newer skep wrote it.
    #[error("its format version {0} is newer than this host reads")]
    Newer(u16),
    /// It was saved by a bucket of the other kind.
    #[error("it was saved by a bucket of the other kind")]
    OtherKind,
    /// It ends too soon.
    #[error("it is cut short")]
    Truncated,
    /// Its checksum is wrong, or its records make no sense.
    #[error("its content is damaged")]
    Damaged,
}
