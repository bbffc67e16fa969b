//! Files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use skep_cache::{Bucket, BucketOptions, Kind, PutOptions, RestoreError, SaveError, Ttl};
use skep_types::ByteSize;

use crate::{after, all_keys, bucket, put};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bucket-v1.skepcache");

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bucket");
    (folder, path)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn table() -> BucketOptions {
    BucketOptions { kind: Kind::Table, ..BucketOptions::default() }
}

/// One shard, so that the order in the file is that of the writes.
fn golden() -> Arc<Bucket> {
    let (bucket, _) = bucket(&BucketOptions { bytes: ByteSize::mib(1), ..table() });
    put(&bucket, "name", "skep");
    bucket.put("session", &[0, 1, 254, 255], PutOptions { ttl: after(3600), ..PutOptions::default() }).unwrap();
    bucket.increment("zähler", -12, Ttl::Never).unwrap();
    bucket
}

#[test]
fn the_format_is_the_committed_one() {
    let (_folder, path) = folder();
    golden().save_to(&path).unwrap();
    if std::env::var_os("SKEP_BLESS").is_some() {
        fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        fs::copy(&path, GOLDEN).unwrap();
    }
    assert_eq!(fs::read(&path).unwrap(), fs::read(GOLDEN).unwrap(), "SKEP_BLESS=1 writes a new file");
}

#[test]
fn the_committed_file_restores() {
    let (bucket, clock) = bucket(&table());
    let restored = bucket.restore_from(Path::new(GOLDEN)).unwrap();
    assert_eq!((restored.entries, restored.expired, restored.skipped), (3, 0, 0));
    let before = golden();
    for key in ["name", "session", "zähler"] {
        assert_eq!(bucket.get_entry(key).unwrap(), before.get_entry(key).unwrap());
    }
    clock.advance(Duration::from_secs(3600));
    let (later, _) = (Bucket::new(&table(), clock), ());
    let restored = later.restore_from(Path::new(GOLDEN)).unwrap();
    assert_eq!((restored.entries, restored.expired), (2, 1));
    assert!(put(&later, "new", "") > before.get_entry("name").unwrap().version);
}

#[test]
fn a_missing_file_is_an_empty_one_and_a_save_replaces_the_earlier() {
    let (dir, path) = folder();
    let (saved, _) = bucket(&BucketOptions::default());
    assert_eq!(saved.restore_from(&path).unwrap().entries, 0);
    for n in 0..5000 {
        put(&saved, &n.to_string(), &n.to_string());
    }
    saved.put("long", &vec![9; 1 << 20], PutOptions::default()).unwrap();
    assert_eq!(saved.save_to(&path).unwrap().entries, 5001);
    saved.delete("77");
    let info = saved.save_to(&path).unwrap();
    assert_eq!((info.entries, info.bytes), (5000, fs::metadata(&path).unwrap().len()));
    let (restored, _) = bucket(&BucketOptions::default());
    assert_eq!(restored.restore_from(&path).unwrap().entries, 5000);
    assert_eq!((restored.bytes(), names(dir.path())), (saved.bytes(), vec!["bucket".to_owned()]));
}

#[test]
fn what_does_not_fit_or_is_there_already_is_left_out() {
    let (_dir, path) = folder();
    let (saved, _) = bucket(&BucketOptions::default());
    for n in 0..100 {
        put(&saved, &n.to_string(), "saved");
    }
    saved.save_to(&path).unwrap();
    let (small, _) = bucket(&BucketOptions { entries: 10, ..BucketOptions::default() });
    put(&small, "7", "newer");
    let restored = small.restore_from(&path).unwrap();
    assert_eq!((restored.entries, restored.skipped, small.stats().evicted_entries), (9, 91, 0));
    assert_eq!(small.get("7").unwrap(), b"newer");
}

#[test]
fn a_file_damaged_anywhere_is_set_aside_and_nothing_of_it_loaded() {
    let good = fs::read(GOLDEN).unwrap();
    let truncated = (0..good.len()).map(|len| good[..len].to_vec());
    let flipped = (0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    let longer = [good.iter().copied().chain([0]).collect::<Vec<u8>>()];
    for bytes in truncated.chain(flipped).chain(longer) {
        let (dir, path) = folder();
        fs::write(&path, &bytes).unwrap();
        let (bucket, _) = bucket(&table());
        let error = bucket.restore_from(&path).unwrap_err();
        let RestoreError::SetAside { aside, .. } = &error else { panic!("{error}") };
        assert!(error.to_string().contains("it is kept as"), "{error}");
        assert_eq!(fs::read(aside).unwrap(), bytes);
        assert_eq!((names(dir.path()), bucket.len()), (vec!["bucket.corrupt-1700000000".to_owned()], 0));
    }
}

#[test]
fn a_file_that_is_set_aside_overwrites_no_other() {
    let (dir, path) = folder();
    let (bucket, _) = bucket(&table());
    for content in ["first", "second"] {
        fs::write(&path, content).unwrap();
        bucket.restore_from(&path).unwrap_err();
    }
    assert_eq!(names(dir.path()), ["bucket.corrupt-1700000000", "bucket.corrupt-1700000000-1"]);
}

#[test]
fn newer_versions_and_other_kinds_say_so() {
    let (_dir, path) = folder();
    let (cache, _) = bucket(&BucketOptions::default());
    let mut newer = fs::read(GOLDEN).unwrap();
    newer[8] = 2;
    fs::write(&path, newer).unwrap();
    let error = cache.restore_from(&path).unwrap_err().to_string();
    assert!(error.contains("format version 2 is newer"), "{error}");
    fs::copy(GOLDEN, &path).unwrap();
    let error = cache.restore_from(&path).unwrap_err().to_string();
    assert!(error.contains("other kind"), "{error}");
}

#[test]
fn a_failed_save_leaves_the_earlier_file() {
    let (dir, path) = folder();
    let bucket = golden();
    bucket.save_to(&path).unwrap();
    let before = fs::read(&path).unwrap();
    put(&bucket, "more", "");
    // A folder in the way of the temporary file: as little can be written as to a full disk, whoever runs the test.
    fs::create_dir(dir.path().join("bucket.saving")).unwrap();
    assert!(matches!(bucket.save_to(&path), Err(SaveError::Io { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    let nowhere = dir.path().join("no such folder").join("bucket");
    assert!(matches!(bucket.save_to(&nowhere), Err(SaveError::Io { .. })));
    fs::remove_dir(dir.path().join("bucket.saving")).unwrap();
    assert_eq!(bucket.save_to(&path).unwrap().entries, 4);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_leaves_the_earlier_file() {
    let (dir, path) = folder();
    let bucket = golden();
    bucket.save_to(&path).unwrap();
    let before = fs::read(&path).unwrap();
    // What is written through the link meets a device that is always full.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("bucket.saving")).unwrap();
    let error = bucket.save_to(&path).unwrap_err();
    assert!(matches!(&error, SaveError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull));
    assert_eq!((fs::read(&path).unwrap(), names(dir.path())), (before, vec!["bucket".to_owned()]));
}

#[test]
fn a_bucket_is_saved_while_it_is_written_to() {
    let (_dir, path) = folder();
    let (written, _) = bucket(&BucketOptions { bytes: ByteSize::mib(64), ..BucketOptions::default() });
    for n in 0..10_000 {
        put(&written, &format!("stays {n}"), "");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..30_000 {
                put(&written, &format!("comes {n}"), "");
                written.delete(&format!("comes {}", n / 2));
            }
        });
        written.save_to(&path).unwrap();
    });
    let (restored, _) = bucket(&BucketOptions { bytes: ByteSize::mib(64), ..BucketOptions::default() });
    restored.restore_from(&path).unwrap();
    assert_eq!(all_keys(&restored, "stays", 1000).len(), 10_000);
}
