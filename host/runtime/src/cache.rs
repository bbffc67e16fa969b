//! Compiled code on disk, by content hash and engine.
//!
//! wasmtime brings a cache of its own; this one exists because loading compiled code is loading machine code: an entry
//! carries a checksum over all of it and is recompiled when that does not match, and the folder is only the owner's.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::{EngineKind, compatibility_hash};

const MAGIC: &[u8; 8] = b"skepcwa1";
const HEADER: usize = MAGIC.len() + blake3::OUT_LEN;

/// A folder of compiled components. It may be deleted at any time.
#[derive(Clone, Debug)]
pub struct CodeCache {
    folder: Option<PathBuf>,
}

/// Where a component's code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An intact entry of the cache.
    Cache,
    /// The compiler.
    Compiled,
}

impl CodeCache {
    /// A cache in `folder`, which is created when it is first needed, for the owner only.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// No cache: everything is compiled each time.
    #[must_use]
    pub fn disabled() -> Self {
        Self { folder: None }
    }

    /// The compiled component for `wasm`, from the cache or from the compiler. Blocks for as long as compiling takes.
    ///
    /// An entry that is missing, cut off, changed or made by another engine is compiled again and replaced; a cache
    /// that cannot be written is a warning, not a failure.
    ///
    /// # Errors
    /// When the component does not compile.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        kind: EngineKind,
        wasm: &[u8],
        content: &str,
    ) -> wasmtime::Result<(Component, Origin)> {
        let path = self.folder.as_ref().map(|folder| {
            folder.join(format!("{}-{}", kind.as_str(), compatibility_hash(engine))).join(format!("{content}.cwasm"))
        });
        if let Some(component) = path.as_deref().and_then(|path| read(engine, path)) {
            return Ok((component, Origin::Cache));
        }
        let code = engine.precompile_component(wasm)?;
        if let Some(path) = &path
            && let Err(error) = write(path, &code)
        {
            tracing::warn!(path = %path.display(), %error, "compiled code cannot be cached, the next start compiles again");
        }
        let component = deserialize(engine, &code)?;
        Ok((component, Origin::Compiled))
    }
}

fn read(engine: &Engine, path: &Path) -> Option<Component> {
    let entry = match std::fs::read(path) {
        Ok(entry) => entry,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "compiled code cannot be read, compiling again");
            return None;
        }
    };
    let code = verified(&entry);
    let component = code.and_then(|code| deserialize(engine, code).ok());
    if component.is_none() {
        tracing::warn!(path = %path.display(), "compiled code in the cache is damaged, compiling again");
    }
    component
}

/// The code of an entry whose checksum is right.
fn verified(entry: &[u8]) -> Option<&[u8]> {
    let (header, code) = entry.split_at_checked(HEADER)?;
    let (magic, sum) = header.split_at_checked(MAGIC.len())?;
    (magic == MAGIC && sum == blake3::hash(code).as_bytes()).then_some(code)
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is what `precompile_component` returned, either in this process or, through an entry of a folder
    // that only its owner can write and whose checksum was verified, in an earlier one. wasmtime itself refuses code of
    // another version or other settings.
    unsafe { Component::deserialize(engine, code) }
}

/// Writes beside the entry and renames, so that a reader never sees half an entry.
fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(MAGIC)?;
    file.write_all(blake3::hash(code).as_bytes())?;
    file.write_all(code)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_intact_entries_are_trusted() {
        let mut entry = Vec::new();
        entry.extend_from_slice(MAGIC);
        entry.extend_from_slice(blake3::hash(b"code").as_bytes());
        entry.extend_from_slice(b"code");
        assert_eq!(verified(&entry), Some(&b"code"[..]));
        for at in 0..entry.len() {
            let mut damaged = entry.clone();
            damaged[at] ^= 1;
            assert_eq!(verified(&damaged), None, "a flipped bit in byte {at}");
            assert_eq!(verified(&entry[..at]), None, "cut off at byte {at}");
        }
    }

    #[test]
    fn a_damaged_entry_is_compiled_again_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::new(folder.path().join("cache"));
        let engine = Engine::default();
        let wasm = wat::parse_str("(component)").unwrap();
        let load = || cache.load(&engine, EngineKind::Sync, &wasm, "x").unwrap().1;
        assert_eq!(load(), Origin::Compiled);
        assert_eq!(load(), Origin::Cache);
        let entries =
            || std::fs::read_dir(folder.path().join("cache")).unwrap().next().unwrap().unwrap().path().join("x.cwasm");
        let mut bytes = std::fs::read(entries()).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(entries(), &bytes).unwrap();
        assert_eq!(load(), Origin::Compiled);
        assert_eq!(load(), Origin::Cache);
    }
}
