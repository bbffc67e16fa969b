//! The folder that makes the schema.

use std::path::Path;

/// The files of a folder, `NNNN_name.sql`, in order.
#[derive(Clone, Debug)]
pub struct Migrations {}

/// A migration that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number in front of its name.
    pub number: u32,
    /// The rest of its name, without `.sql`.
    pub name: String,
}

/// What [`migrate`](crate::Database::migrate) did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Applied now, in order.
    pub applied: Vec<Applied>,
    /// Applied before, by a newer revision: the folder does not have them. It is no error, so that a revision can be rolled
    /// back; whoever asked should say so.
    pub ahead: Vec<Applied>,
}

/// Why migrations were not read or not applied: the file, the line where there is one, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MigrationsError(pub String);

impl Migrations {
    /// Reads a folder. It blocks.
    ///
    /// # Errors
    /// A file that is none, a number twice, a gap, too many or too large.
    pub fn from_folder(_path: &Path) -> Result<Self, MigrationsError> {
        Err(MigrationsError("not written yet".to_owned()))
    }
}
