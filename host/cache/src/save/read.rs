//! A file to a bucket.

use std::fs::{self, File};
use std::io::{self, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use super::format::{ReadError, Record, read};
use super::write::beside;
use super::{Fault, RestoreError, Restored};
use crate::bucket::{Bucket, Carried};
use crate::life::{Life, State};
use crate::time::WallReading;

/// Names tried for a file that is set aside, if earlier ones of the same second are in the way.
const ASIDE_MAX: u32 = 100;

impl Bucket {
    /// Adds the entries of a saved file. A missing file is an empty one. Entries that the bucket has by now stay, and a
    /// cache evicts nothing for entries from a file. Versions and ends are as they were; those whose end has come
    /// meanwhile, by the wall clock, are left out.
    ///
    /// A file that is damaged, cut short or from a newer skep is renamed to `NAME.corrupt-<unix seconds>` and nothing
    /// of it is loaded. The file is read twice, first for its checksum; memory does not grow with it. This blocks on
    /// the disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`RestoreError`]; the bucket is as it was then.
    pub fn restore_from(&self, path: &Path) -> Result<Restored, RestoreError> {
        let failed = |source| RestoreError::Io { path: path.to_owned(), source };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Restored::default()),
            Err(error) => return Err(failed(error)),
        };
        let next_version = match read(BufReader::new(&file), self.kind(), |_| ()) {
            Ok(next_version) => next_version,
            Err(ReadError::Io(source)) => return Err(failed(source)),
            Err(ReadError::Fault(reason)) => return Err(self.set_aside(path, reason)),
        };
        // Before any entry comes in, so that no write meanwhile is given a version from the file.
        self.versions().fetch_max(next_version, Relaxed);
        file.rewind().map_err(failed)?;
        let mut restored = Restored::default();
        let (wall, life) = (self.timeline().wall(), self.life());
        match read(BufReader::new(&file), self.kind(), |record| self.restore(&record, wall, &life, &mut restored)) {
            Ok(_) => Ok(restored),
            Err(ReadError::Io(source)) => Err(failed(source)),
            // It was whole a moment ago: somebody writes to it, and it is theirs.
            Err(ReadError::Fault(_)) => Err(failed(io::Error::other("the file was changed while it was read"))),
        }
    }

    fn restore(&self, record: &Record<'_>, wall: WallReading, life: &Life, restored: &mut Restored) {
        let (expires, touched) = (wall.at_unix(record.expires_unix), wall.at_unix(record.touched_unix));
        // A last touch in the future would be a wall clock that went back.
        let carried = Carried { version: record.version, expires, touched: touched.min(life.now), stored: false };
        if life.state_at(carried.expires, carried.touched) != State::Live {
            restored.expired += 1;
            return;
        }
        let fits = self.has_room(record.key.len() + record.value.len());
        let key = std::str::from_utf8(record.key).unwrap_or_default();
        if fits && self.put_restored(key, record.value, carried).is_ok() {
            restored.entries += 1;
        } else {
            restored.skipped += 1;
        }
    }

    fn set_aside(&self, path: &Path, reason: Fault) -> RestoreError {
        match self.rename_aside(path) {
            Ok(aside) => RestoreError::SetAside { path: path.to_owned(), aside, reason },
            Err(source) => RestoreError::Stuck { path: path.to_owned(), reason, source },
        }
    }

    fn rename_aside(&self, path: &Path) -> io::Result<PathBuf> {
        let second = self.timeline().wall_secs();
        for attempt in 0..ASIDE_MAX {
            let ending = if attempt == 0 { String::new() } else { format!("-{attempt}") };
            let aside = beside(path, &format!(".corrupt-{second}{ending}"));
            if !aside.try_exists()? {
                fs::rename(path, &aside)?;
                return Ok(aside);
            }
        }
        Err(io::Error::other("too many files are set aside already"))
    }
}
