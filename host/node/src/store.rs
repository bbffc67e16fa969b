//! What is kept on disk: the components of the last revisions, their history, and what was deployed by command.
//!
//! ```text
//! DATA/plugins/NAME/history.json    newest first
//! DATA/plugins/NAME/CONTENT.wasm    one for each component in the history
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use skep_types::PluginName;

/// Where a revision came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The manifest's `source`.
    Source,
    /// `skep deploy`, or a POST to the admin listener.
    Deploy,
    /// `skep rollback`, or the host itself when a revision failed its probation.
    Rollback,
}

/// One entry of a plugin's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The revision's id.
    pub revision: String,
    /// The hash of the component alone.
    pub content: String,
    /// Where it came from.
    pub origin: Origin,
    /// When it was put in service, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A plugin's history, and what was pinned by command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Newest first. The first one serves, or served last.
    pub entries: Vec<Entry>,
    /// A component that was deployed by command: it wins over `source` until the plugin's entry in the manifest
    /// changes.
    pub pinned: Option<Pin>,
}

/// A component deployed by command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The hash of the component.
    pub content: String,
    /// The plugin's entry in the manifest when it was deployed.
    pub manifest: String,
    /// The hash of a `source` that failed its probation: this stands in for that file and for no other, so that a new
    /// build of the source serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

/// The folder of one plugin.
#[derive(Clone, Debug)]
pub struct PluginStore {
    folder: PathBuf,
    keep: usize,
}

/// The hash that names a component on disk.
#[must_use]
pub fn content_hash(wasm: &[u8]) -> String {
    blake3::hash(wasm).to_hex().as_str().to_owned()
}

/// Wall time as it is written down.
#[must_use]
pub fn unix_ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}

impl PluginStore {
    /// The folder of a plugin under the data directory. Nothing is created before something is kept.
    #[must_use]
    pub fn new(data: &Path, plugin: &PluginName, keep: usize) -> Self {
        Self { folder: data.join("plugins").join(plugin.as_str()), keep: keep.max(1) }
    }

    /// What is known of the plugin. A damaged history is set aside and said so; the plugin starts from its source.
    #[must_use]
    pub fn history(&self) -> History {
        let path = self.history_path();
        let Ok(text) = std::fs::read(&path) else { return History::default() };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            let aside = path.with_extension("json.damaged");
            let moved = std::fs::rename(&path, &aside).is_ok();
            tracing::warn!(path = %path.display(), %error, moved, "a plugin's history is damaged and set aside");
            History::default()
        })
    }

    /// A component of the history.
    ///
    /// # Errors
    /// When it cannot be read, or is not what its name says.
    pub fn component(&self, content: &str) -> anyhow::Result<Bytes> {
        let path = self.component_path(content);
        let wasm = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        anyhow::ensure!(content_hash(&wasm) == content, "{} is damaged: deploy the component again", path.display());
        Ok(wasm.into())
    }

    /// Keeps a component and its place in the history, and forgets the oldest. The history is written last and by a
    /// rename, so that a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// When the disk refuses; nothing is changed then.
    pub fn keep(&self, wasm: &[u8], entry: Entry, pin: Option<Pin>) -> anyhow::Result<()> {
        let folder = &self.folder;
        let writing = || format!("keeping a revision in {}", folder.display());
        std::fs::create_dir_all(folder).with_context(writing)?;
        let component = self.component_path(&entry.content);
        if !component.exists() {
            write_durably(&component, wasm).with_context(writing)?;
        }
        let mut history = self.history();
        history.pinned = pin;
        // The same revision again moves to the front instead of filling the history.
        history.entries.retain(|known| known.revision != entry.revision);
        history.entries.insert(0, entry);
        history.entries.truncate(self.keep);
        let text = serde_json::to_vec_pretty(&history)?;
        write_durably(&self.history_path(), &text).with_context(writing)?;
        self.sweep(&history);
        Ok(())
    }

    /// Removes components that the history no longer names.
    fn sweep(&self, history: &History) {
        let Ok(files) = std::fs::read_dir(&self.folder) else { return };
        for file in files.flatten() {
            let path = file.path();
            let is_component = path.extension().is_some_and(|extension| extension == "wasm");
            let content = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let known = history.entries.iter().any(|entry| entry.content == content)
                || history.pinned.as_ref().is_some_and(|pin| pin.content == content);
            if is_component && !known {
                // What stays behind costs disk and is tried again at the next deploy.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn history_path(&self) -> PathBuf {
        self.folder.join("history.json")
    }

    fn component_path(&self, content: &str) -> PathBuf {
        // Only hexadecimal digits ever name a file, whatever a damaged history says.
        let name: String = content.chars().filter(char::is_ascii_hexdigit).collect();
        self.folder.join(format!("{name}.wasm"))
    }
}

/// Writes a file so that after a crash it is whole or not there.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(revision: &str, wasm: &[u8]) -> Entry {
        Entry { revision: revision.to_owned(), content: content_hash(wasm), origin: Origin::Deploy, at_ms: 1 }
    }

    fn store(keep: usize) -> (tempfile::TempDir, PluginStore) {
        let data = tempfile::tempdir().unwrap();
        let store = PluginStore::new(data.path(), &PluginName::new("shop").unwrap(), keep);
        (data, store)
    }

    #[test]
    fn the_last_few_are_kept_and_the_rest_swept() {
        let (_data, store) = store(2);
        for (revision, wasm) in [("r1", b"one".as_slice()), ("r2", b"two"), ("r3", b"three"), ("r2", b"two")] {
            store.keep(wasm, entry(revision, wasm), None).unwrap();
        }
        let revisions: Vec<_> = store.history().entries.iter().map(|entry| entry.revision.clone()).collect();
        assert_eq!(revisions, ["r2", "r3"]);
        assert_eq!(store.component(&content_hash(b"three")).unwrap(), "three");
        assert!(store.component(&content_hash(b"one")).is_err());
    }

    #[test]
    fn a_damaged_file_is_never_used() {
        let (_data, store) = store(2);
        store.keep(b"one", entry("r1", b"one"), None).unwrap();
        std::fs::write(store.component_path(&content_hash(b"one")), b"changed").unwrap();
        assert!(store.component(&content_hash(b"one")).unwrap_err().to_string().contains("damaged"));
        std::fs::write(store.history_path(), b"{ not json").unwrap();
        assert_eq!(store.history(), History::default());
        assert!(store.folder.join("history.json.damaged").exists());
        store.keep(b"two", entry("r2", b"two"), None).unwrap();
        assert_eq!(store.history().entries.len(), 1);
    }
}
