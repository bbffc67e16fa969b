//! Mail of a process.
