//! Secrets: the manifest says where they are, never what they are.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use toml::Value;

use crate::read::{Item, Read, Section};

/// The most that a secret's file may hold: a certificate chain fits, a mistaken path does not fill the memory.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Where a secret is. It is read when it is needed, so that a reload takes up a rotated secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// `{ env = "NAME" }`: an environment variable of the host.
    Env(String),
    /// `{ file = "PATH" }`: a file of at most 64 KiB, without the newline at its end.
    File(PathBuf),
}

/// A secret's value. It is never printed, and has no way into a serialised form.
#[derive(Clone)]
pub struct Secret(Box<str>);

/// A secret that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("cannot read the secret in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is too large.
    #[error("the secret in {} is larger than {max_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        max_bytes: u64,
    },
    /// The value is not UTF-8, or has a NUL.
    #[error("the secret in {0} is not text")]
    NotText(SecretRef),
    /// There is nothing in it. An empty password or token is an accident that opens a door.
    #[error("the secret in {0} is empty")]
    Empty(SecretRef),
}

impl SecretRef {
    /// Reads the secret. Blocks for a file.
    ///
    /// # Errors
    /// When the variable or the file is missing, too large, empty, or not text. No error holds the value.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let value = match self {
            Self::Env(name) => {
                let value = std::env::var_os(name).ok_or_else(|| SecretError::NotSet(name.clone()))?;
                value.into_string().map_err(|_| SecretError::NotText(self.clone()))?
            }
            Self::File(path) => {
                let bytes = read_bounded(path)?;
                let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText(self.clone()))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        if value.is_empty() {
            return Err(SecretError::Empty(self.clone()));
        }
        if value.contains('\0') {
            return Err(SecretError::NotText(self.clone()));
        }
        Ok(Secret(value.into()))
    }
}

fn read_bounded(path: &PathBuf) -> Result<Vec<u8>, SecretError> {
    let failed = |source| SecretError::Read { path: path.clone(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let read = file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    // The check is on what was read: the length of a file may change, and a pipe has none.
    if read as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::TooLarge { path: path.clone(), max_bytes: SECRET_BYTES_MAX });
    }
    Ok(bytes)
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl Secret {
    /// The value. Whoever asks must not print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Read for SecretRef {
    fn read(item: &Item<'_>) -> Option<Self> {
        const HOW: &str = "`{ env = \"NAME\" }` or `{ file = \"PATH\" }`";
        let Value::Table(_) = item.value else {
            // The message does not repeat the value, which may be a real secret.
            return item.fail(format!("a secret is a reference, {HOW}: its value stays out of the manifest"));
        };
        let mut table: Section<'_> = item.section()?;
        let (env, file) = (table.item("env"), table.item("file"));
        table.finish();
        match (env, file) {
            (Some(env), None) => {
                let name = String::read(&env)?;
                if name.is_empty() || name.contains('=') {
                    return env.fail("is not the name of an environment variable");
                }
                Some(Self::Env(name))
            }
            (None, Some(file)) => PathBuf::read(&file).map(Self::File),
            _ => item.fail(format!("write exactly one of {HOW}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &[u8], expected: Result<&str, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        match (SecretRef::File(path).resolve(), expected) {
            (Ok(secret), Ok(value)) => {
                assert_eq!(secret.expose(), value);
                assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "[secret] [secret] [secret]");
            }
            (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
            (other, _) => panic!("{other:?}"),
        }
    }

    #[test]
    fn files_are_trimmed_and_bounded() {
        check(b"hunter2\n", Ok("hunter2"));
        check(b" hunter2 \r\n", Ok(" hunter2 "));
        check(b"a\nb\n", Ok("a\nb"));
        check(b"\n", Err("is empty"));
        check(b"\xff", Err("is not text"));
        check(b"a\0b", Err("is not text"));
        check(&[b'x'; 64 << 10], Ok(&"x".repeat(64 << 10)));
        check(&[b'x'; (64 << 10) + 1], Err("larger than 65536 bytes"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = SecretRef::Env("SKEP_TEST_NOT_SET".into()).resolve().unwrap_err();
        assert_eq!(error.to_string(), "the environment variable `SKEP_TEST_NOT_SET` is not set");
        let error = SecretRef::File("/nowhere/at/all".into()).resolve().unwrap_err();
        assert_eq!(error.to_string(), "cannot read the secret in /nowhere/at/all");
    }
}
