//! Which file a name stands for, and its precompressed siblings.
//!
//! Names are of safe parts by now. That links do not lead out of the granted folder is the host's business.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use crate::encoding::Encoding;

/// What is there under a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file that can be read.
    File,
    /// A folder.
    Folder,
    /// Nothing that may be served.
    Nothing,
}

/// A file, open.
#[derive(Debug)]
pub(crate) struct Opened {
    /// To read from.
    pub(crate) file: File,
    /// Its size when it was opened.
    pub(crate) size: u64,
    /// When it was changed, if the file system tells.
    pub(crate) modified: Option<SystemTime>,
    /// How it is compressed, if it is the sibling of what was asked for.
    pub(crate) encoding: Option<Encoding>,
}

/// Looks without opening: that would wait for a writer where the file is a pipe.
pub(crate) fn kind(path: &Path) -> io::Result<Kind> {
    Ok(match existing(fs::metadata(path))? {
        Some(metadata) if metadata.is_file() => Kind::File,
        Some(metadata) if metadata.is_dir() => Kind::Folder,
        _ => Kind::Nothing,
    })
}

/// Opens the first of the file's siblings that is there, or else the file.
pub(crate) fn open(path: &Path, preferred: &[Encoding]) -> io::Result<Option<Opened>> {
    for encoding in preferred {
        let mut sibling = path.as_os_str().to_owned();
        sibling.push(encoding.suffix());
        if let Some(opened) = open_one(Path::new(&sibling), Some(*encoding))? {
            return Ok(Some(opened));
        }
    }
    open_one(path, None)
}

fn open_one(path: &Path, encoding: Option<Encoding>) -> io::Result<Option<Opened>> {
    if kind(path)? != Kind::File {
        return Ok(None);
    }
    let Some(file) = existing(File::open(path))? else { return Ok(None) };
    // Of the open file, so that what is said of it holds for what is read, should another take its name now.
    let metadata = file.metadata()?;
    Ok(Some(Opened { file, size: metadata.len(), modified: metadata.modified().ok(), encoding }))
}

/// Tells what is not there, or not for us, from what went wrong.
fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename => Ok(None),
            _ => Err(error),
        },
    }
}
