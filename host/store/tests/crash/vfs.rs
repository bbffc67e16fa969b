//! A file system below SQLite that can lose what was not synced, run out of room, and fail to sync.
//!
//! It passes everything on to the real one. Of each file it may keep an *image* beside it, `….synced`: what a power loss at this
//! moment is bound to leave. A write goes to the file only; a sync brings the image up to the file.

#![allow(unsafe_code, reason = "SQLite's file systems are tables of C functions")]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};
use std::{io, mem, ptr};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

static KEEPS_IMAGES: AtomicBool = AtomicBool::new(false);
static REAL: OnceLock<Pointer> = OnceLock::new();
static DIRTY: LazyLock<Mutex<HashMap<PathBuf, Dirty>>> = LazyLock::new(Mutex::default);
/// Held while an image is brought up. Two threads sync the write-ahead log, the writer's and the checkpoint's; as with a real
/// `fsync`, the one that comes second may not return before what the first one took up is there.
static SYNCING: Mutex<()> = Mutex::new(());
static FAULTS: LazyLock<Mutex<HashMap<PathBuf, &'static Faults>>> = LazyLock::new(Mutex::default);

struct Pointer(*mut sqlite3_vfs);

// SAFETY: SQLite's table of the default file system is never changed or freed.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

/// What goes wrong with the files of a folder: an error of SQLite, or 0 for nothing.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) write: AtomicI32,
    pub(crate) sync: AtomicI32,
}

/// What was written since the last sync.
#[derive(Default)]
struct Dirty {
    ranges: Vec<(u64, u64)>,
    /// The shortest that it was.
    cut: Option<u64>,
}

/// A file as SQLite sees it; the real one lies behind it.
#[repr(C)]
struct Shim {
    base: sqlite3_file,
    path: *mut PathBuf,
    faults: Option<&'static Faults>,
}

/// The image of a file.
pub(crate) fn image(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".synced");
    name.into()
}

/// From now on, images are kept.
pub(crate) fn keep_images() {
    KEEPS_IMAGES.store(true, Ordering::SeqCst);
}

/// What goes wrong in a folder, for files that are opened from now on.
pub(crate) fn faults(folder: &Path) -> &'static Faults {
    let faults: &'static Faults = Box::leak(Box::default());
    FAULTS.lock().unwrap().insert(folder.to_owned(), faults);
    faults
}

/// Puts the file system in front of all others, for the whole program.
pub(crate) fn register() {
    REAL.get_or_init(|| {
        // SAFETY: the default file system is there from the first call on, and is copied as plain data. The copy and its
        // name are never freed. SQLite's own initialisation is idempotent and takes its own lock.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
            let real = ffi::sqlite3_vfs_find(ptr::null());
            let mut shim = Box::new(ptr::read(real));
            shim.szOsFile = c_int::try_from(mem::size_of::<Shim>()).unwrap() + (*real).szOsFile;
            shim.zName = c"shim".as_ptr();
            shim.pNext = ptr::null_mut();
            shim.xOpen = Some(open);
            shim.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(shim), 1), ffi::SQLITE_OK);
            Pointer(real)
        }
    });
}

fn real_vfs() -> *mut sqlite3_vfs {
    REAL.get().unwrap().0
}

unsafe extern "C" fn open(
    _vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a block of `szOsFile` bytes, which has room for the shim and the real file behind it, and a name
    // that ends in 0 or is null.
    unsafe {
        let shim = file.cast::<Shim>();
        (*shim).base.pMethods = ptr::null();
        let code = (*real_vfs()).xOpen.unwrap()(real_vfs(), name, real(file), flags, out);
        if code != ffi::SQLITE_OK {
            return code;
        }
        let path = if name.is_null() { PathBuf::new() } else { CStr::from_ptr(name).to_str().unwrap().into() };
        (*shim).faults = path.parent().and_then(|folder| FAULTS.lock().unwrap().get(folder).copied());
        (*shim).path = Box::into_raw(Box::new(path));
        (*shim).base.pMethods = &METHODS;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_vfs: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite gives a name that ends in 0.
    unsafe {
        let path = PathBuf::from(CStr::from_ptr(name).to_str().unwrap());
        DIRTY.lock().unwrap().remove(&path);
        if KEEPS_IMAGES.load(Ordering::SeqCst) {
            _ = fs::remove_file(image(&path));
        }
        (*real_vfs()).xDelete.unwrap()(real_vfs(), name, sync)
    }
}

/// The real file behind the shim.
unsafe fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: `open` was given room for both, one behind the other, and the shim's size keeps the alignment.
    unsafe { file.cast::<u8>().add(mem::size_of::<Shim>()).cast() }
}

/// Calls a method of the real file.
macro_rules! pass {
    ($file:ident . $method:ident ( $($argument:expr),* )) => {{
        let file = real($file);
        (*(*file).pMethods).$method.unwrap()(file, $($argument),*)
    }};
}

/// A method that only passes on.
macro_rules! passing {
    ($($name:ident => $method:ident ( $($argument:ident : $type:ty),* );)*) => {
        $(unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: the file is one that `open` made, and the arguments are what SQLite gives.
            unsafe { pass!(file.$method($($argument),*)) }
        })*
    };
}

passing! {
    read => xRead(buffer: *mut c_void, len: c_int, at: i64);
    file_size => xFileSize(size: *mut i64);
    lock => xLock(level: c_int);
    unlock => xUnlock(level: c_int);
    check_reserved_lock => xCheckReservedLock(out: *mut c_int);
    file_control => xFileControl(op: c_int, argument: *mut c_void);
    sector_size => xSectorSize();
    device_characteristics => xDeviceCharacteristics();
    shm_map => xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
    shm_lock => xShmLock(at: c_int, count: c_int, flags: c_int);
    shm_unmap => xShmUnmap(delete: c_int);
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: the file is one that `open` made.
    unsafe { pass!(file.xShmBarrier()) }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the file is one that `open` made; SQLite closes it once and does not use it after that.
    unsafe {
        drop(Box::from_raw((*file.cast::<Shim>()).path));
        pass!(file.xClose())
    }
}

unsafe fn path<'a>(file: *mut sqlite3_file) -> &'a Path {
    // SAFETY: the file is one that `open` made and that is not closed.
    unsafe { &*(*file.cast::<Shim>()).path }
}

unsafe fn fault(file: *mut sqlite3_file, which: fn(&Faults) -> &AtomicI32) -> c_int {
    // SAFETY: the file is one that `open` made.
    unsafe { (*file.cast::<Shim>()).faults.map_or(0, |faults| which(faults).load(Ordering::SeqCst)) }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, buffer: *const c_void, len: c_int, at: i64) -> c_int {
    // SAFETY: the file is one that `open` made, and the arguments are what SQLite gives.
    unsafe {
        let code = fault(file, |faults| &faults.write);
        if code != 0 {
            return code;
        }
        let code = pass!(file.xWrite(buffer, len, at));
        if KEEPS_IMAGES.load(Ordering::SeqCst) {
            let at = u64::try_from(at).unwrap();
            let range = (at, at + u64::try_from(len).unwrap());
            DIRTY.lock().unwrap().entry(path(file).to_owned()).or_default().ranges.push(range);
        }
        code
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    // SAFETY: the file is one that `open` made.
    unsafe {
        if KEEPS_IMAGES.load(Ordering::SeqCst) {
            let size = u64::try_from(size).unwrap();
            let mut all = DIRTY.lock().unwrap();
            let dirty = all.entry(path(file).to_owned()).or_default();
            dirty.cut = Some(dirty.cut.map_or(size, |cut| cut.min(size)));
        }
        pass!(file.xTruncate(size))
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file is one that `open` made.
    unsafe {
        let code = fault(file, |faults| &faults.sync);
        if code != 0 {
            return code;
        }
        if !KEEPS_IMAGES.load(Ordering::SeqCst) {
            return pass!(file.xSync(flags));
        }
        // The image takes the disk's place.
        bring_up(path(file)).map_or(ffi::SQLITE_IOERR_FSYNC, |()| ffi::SQLITE_OK)
    }
}

/// Copies to the image what was written since the last time.
fn bring_up(path: &Path) -> io::Result<()> {
    let _syncing = SYNCING.lock().unwrap();
    let dirty = DIRTY.lock().unwrap().remove(path).unwrap_or_default();
    let file = File::open(path)?;
    let image = OpenOptions::new().create(true).truncate(false).write(true).open(image(path))?;
    if let Some(cut) = dirty.cut
        && image.metadata()?.len() > cut
    {
        image.set_len(cut)?;
    }
    let mut buffer = Vec::new();
    for (from, to) in dirty.ranges {
        buffer.resize(usize::try_from(to - from).unwrap(), 0);
        let mut filled = 0;
        while filled < buffer.len() {
            // It may have been cut meanwhile.
            match file.read_at(&mut buffer[filled..], from + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        image.write_all_at(&buffer[..filled], from)?;
    }
    Ok(())
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// What a power loss leaves: the images in place of the files, and nothing of what is only in memory.
pub(crate) fn lose_power(store: &Path) {
    for suffix in ["", "-wal"] {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match fs::copy(image(&file), &file) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => _ = fs::remove_file(&file),
            Err(error) => panic!("{error}"),
        }
    }
    let mut name = store.as_os_str().to_owned();
    name.push("-shm");
    _ = fs::remove_file(PathBuf::from(name));
}

/// Takes the files as they are for synced.
pub(crate) fn all_synced(store: &Path) {
    for suffix in ["", "-wal"] {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        if file.exists() {
            fs::copy(&file, image(&file)).unwrap();
        } else {
            _ = fs::remove_file(image(&file));
        }
    }
}
