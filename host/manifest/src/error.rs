//! What is wrong with a manifest.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("there is no manifest at {}: run `skep new`, or name another file or folder", .0.display())]
    NotFound(PathBuf),
    /// The file is there but cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// The manifest.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is larger than any manifest.
    #[error("{} is larger than {max_bytes} bytes, so it is not a manifest", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit.
        max_bytes: u64,
    },
    /// The file is not TOML; the message has line, column and an excerpt.
    #[error("{} is not valid TOML\n{error}", file.display())]
    Syntax {
        /// The manifest.
        file: PathBuf,
        /// What the parser says. Not a `source`, because the message above has it in full.
        error: Box<toml::de::Error>,
    },
    /// The file is TOML but not a valid manifest; all problems are listed, in the file's order.
    #[error("{} has {}", file.display(), List(problems))]
    Invalid {
        /// The manifest.
        file: PathBuf,
        /// What is wrong, never empty.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key's path, such as `plugins.web.limits.fuel` or `plugins.web.routes[1]`.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The line, from 1, of the key or of the nearest table around it.
    pub line: Option<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Prints the problems one to a line.
struct List<'a>(&'a [Problem]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("a problem")?,
            n => write!(f, "{n} problems")?,
        }
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
