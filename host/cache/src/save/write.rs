//! A bucket to a file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::format::{Record, Writer};
use super::{SaveError, Saved};
use crate::bucket::Bucket;
use crate::life::State;
use crate::time::WallReading;

/// Slots looked at under one lock.
const SLOTS: u32 = 512;
/// Bytes of values kept alive outside the lock at once; one value may pass it.
const CHUNK_BYTES: usize = 1 << 20;

/// An entry between the lock and the disk: its bytes are shared, not copied.
struct Held {
    data: Arc<[u8]>,
    key_bytes: usize,
    version: u64,
    expires: u64,
    touched: u64,
}

impl Bucket {
    /// Writes all entries to a file: first to `NAME.saving` beside it, then renamed, so that at every moment there is
    /// either the earlier file or the whole new one. No lock is held while writing: an entry that is there all the time
    /// is saved, one that comes or goes meanwhile may or may not be. Locks and stale entries are not saved.
    ///
    /// This blocks on the disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`SaveError`]; the earlier file is untouched then.
    pub fn save_to(&self, path: &Path) -> Result<Saved, SaveError> {
        if self.saving.swap(true, Acquire) {
            return Err(SaveError::Busy);
        }
        let saved = self.save_unshared(path);
        self.saving.store(false, Release);
        saved.map_err(|source| SaveError::Io { path: path.to_owned(), source })
    }

    fn save_unshared(&self, path: &Path) -> io::Result<Saved> {
        let temporary = beside(path, ".saving");
        let saved = self.write_file(&temporary).and_then(|saved| {
            fs::rename(&temporary, path)?;
            Ok(saved)
        });
        if saved.is_err() {
            // What is left of a failed attempt is of no use; the next one would overwrite it in any case.
            let _ = fs::remove_file(&temporary);
            return saved;
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // The rename is durable only when the folder is.
            File::open(folder)?.sync_all()?;
        }
        saved
    }

    fn write_file(&self, path: &Path) -> io::Result<Saved> {
        let mut writer = Writer::new(BufWriter::new(File::create(path)?), self.kind())?;
        let mut chunk = Vec::new();
        for shard in 0..self.shards() {
            let mut slot = 0;
            while let Some(next) = self.collect(shard, slot, &mut chunk) {
                let wall = self.timeline().wall();
                for held in chunk.drain(..) {
                    write_entry(&mut writer, &held, wall)?;
                }
                slot = next;
            }
        }
        let entries = writer.records;
        let next_version = self.versions().load(std::sync::atomic::Ordering::Relaxed);
        let (file, bytes) = writer.finish(next_version)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(Saved { entries, bytes })
    }

    /// Takes hold of the next live entries of a shard. Returns where to go on; `None` at the end of the shard.
    fn collect(&self, shard: usize, from: u32, into: &mut Vec<Held>) -> Option<u32> {
        let life = self.life();
        let shard = self.lock_shard(shard)?;
        if from >= shard.slab.end() {
            return None;
        }
        let to = from.saturating_add(SLOTS).min(shard.slab.end());
        let mut bytes = 0;
        for id in from..to {
            let Some(entry) = shard.slab.get(id).filter(|entry| life.state(entry) == State::Live) else { continue };
            bytes += entry.bytes();
            into.push(Held {
                data: Arc::clone(entry.data),
                key_bytes: usize::from(entry.key_bytes),
                version: entry.version,
                expires: entry.expires,
                touched: entry.touched,
            });
            if bytes >= CHUNK_BYTES {
                return Some(id + 1);
            }
        }
        Some(to)
    }
}

fn write_entry<W: io::Write>(writer: &mut Writer<W>, held: &Held, wall: WallReading) -> io::Result<()> {
    let (key, value) = held.data.split_at_checked(held.key_bytes).unwrap_or_default();
    writer.record(&Record {
        key,
        value,
        version: held.version,
        expires_unix: wall.to_unix(held.expires),
        touched_unix: wall.to_unix(held.touched),
    })
}

/// The path with something after its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
