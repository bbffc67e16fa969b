//! The folder that makes the schema.
//!
//! Files are named `0001_name.sql`, `0002_other_name.sql` … without a gap. Each is carried out once, in a transaction of its
//! own, and is kept in the table `skep_migrations` with a checksum. What was applied is not changed any more: a file that is
//! changed, renamed or taken away is refused. A database that has more than the folder is taken as it is, because the revision
//! of a plugin can be rolled back, and its migrations cannot; whoever takes a column away does it one revision later.

pub(crate) mod plan;

use std::fs;
use std::path::{Path, PathBuf};

/// The most files of a folder.
pub const MIGRATIONS_MAX: usize = 1_000;
/// The longest file, in bytes.
pub const MIGRATION_BYTES_MAX: u64 = 1 << 20;
/// The longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// The files of a folder, in order.
#[derive(Clone, Debug)]
pub struct Migrations {
    pub(crate) owner: String,
    pub(crate) files: Vec<Migration>,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Migration {
    pub(crate) path: PathBuf,
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) checksum: String,
}

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
    /// Reads a folder. It blocks. Files that do not end in `.sql` are left alone.
    ///
    /// # Errors
    /// A file whose name is none, a number twice, a gap, too many or too large.
    pub fn from_folder(path: &Path) -> Result<Self, MigrationsError> {
        let failed = |path: &Path, error: std::io::Error| MigrationsError(format!("`{}`: {error}", path.display()));
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| failed(path, error))? {
            let path = entry.map_err(|error| failed(path, error))?.path();
            if path.extension().is_none_or(|extension| extension != "sql") {
                continue;
            }
            if files.len() >= MIGRATIONS_MAX {
                return Err(told(&path, &format!("a folder has at most {MIGRATIONS_MAX} migrations")));
            }
            let length = fs::metadata(&path).map_err(|error| failed(&path, error))?.len();
            if length > MIGRATION_BYTES_MAX {
                return Err(told(&path, &format!("a migration has at most {MIGRATION_BYTES_MAX} bytes: split it")));
            }
            let bytes = fs::read(&path).map_err(|error| failed(&path, error))?;
            files.push(Migration::new(path, bytes)?);
        }
        files.sort_by_key(|file| file.number);
        for (file, number) in files.iter().zip(1..) {
            if file.number < number {
                return Err(told(
                    &file.path,
                    "another file has this number: renumber the one that was not applied yet",
                ));
            }
            if file.number > number {
                let gap = format!(
                    "number {number:04} is missing before it: migrations are numbered from 0001, without a gap"
                );
                return Err(told(&file.path, &gap));
            }
        }
        Ok(Self { owner: String::new(), files })
    }

    /// Whose they are: several plugins may have their migrations in one database. Default: nobody's.
    #[must_use]
    pub fn of(mut self, owner: &str) -> Self {
        owner.clone_into(&mut self.owner);
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl Migration {
    fn new(path: PathBuf, bytes: Vec<u8>) -> Result<Self, MigrationsError> {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let parts = stem.split_once('_').and_then(|(digits, name)| {
            let is_number = (4..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
            Some((digits.parse::<u32>().ok().filter(|number| is_number && *number > 0)?, name))
        });
        let Some((number, name)) = parts.filter(|(_, name)| is_name(name)) else {
            let rule =
                "a migration is named `0001_what_it_does.sql`: four digits or more, and letters, digits, `-` and `_`";
            return Err(told(&path, rule));
        };
        let name = name.to_owned();
        let Ok(sql) = String::from_utf8(bytes) else { return Err(told(&path, "it is no UTF-8")) };
        if sql.contains('\0') {
            return Err(told(&path, "it has a NUL character"));
        }
        // Whoever checks the folder out of a repository may get other ends of lines.
        let sql = sql.replace("\r\n", "\n");
        let checksum = blake3::hash(sql.as_bytes()).to_hex().to_string();
        Ok(Self { path, number, name, sql, checksum })
    }

    pub(crate) fn applied(&self) -> Applied {
        Applied { number: self.number, name: self.name.clone() }
    }

    /// An error in this file; `at` is a byte of it.
    pub(crate) fn failed(&self, at: Option<usize>, why: &str) -> MigrationsError {
        let line = at.map_or_else(String::new, |at| {
            let lines = self.sql.bytes().take(at).filter(|byte| *byte == b'\n').count();
            format!(", line {}", lines + 1)
        });
        MigrationsError(format!("`{}`{line}: {why}; nothing of this file was applied", self.path.display()))
    }
}

fn is_name(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_fine)
}

pub(crate) fn told(path: &Path, why: &str) -> MigrationsError {
    MigrationsError(format!("`{}`: {why}", path.display()))
}
