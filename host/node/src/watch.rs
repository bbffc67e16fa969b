//! Files that are watched in development: sources are built again, components and manifests are loaded again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use notify_debouncer_full::notify::{EventKind, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, new_debouncer};
use skep_types::PluginName;
use tokio::sync::mpsc;

use crate::node::{Node, read_source};
use crate::plugin::{Absence, Plugin};
use crate::store::Origin;

/// How long files must be quiet before they are looked at: editors write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// Batches of changes that may wait. Overload policy: a batch that finds no place is dropped, because every look
/// compares all of a plugin's files anyway.
const BATCHES_MAX: usize = 64;
/// Folders that are never watched: nothing in them is written by hand.
const IGNORED: [&str; 6] = ["target", "node_modules", ".git", ".skep", ".venv", "__pycache__"];

/// Watches the files of a node's plugins and its manifest until it is dropped.
///
/// # Errors
/// When the system refuses to watch.
pub async fn run(node: Arc<Node>) -> anyhow::Result<()> {
    let (changes, mut changed) = mpsc::channel::<BTreeSet<PathBuf>>(BATCHES_MAX);
    let mut debouncer = new_debouncer(QUIET, None, move |result: DebounceEventResult| {
        let Ok(events) = result else { return };
        let relevant = events.iter().filter(|event| !matches!(event.kind, EventKind::Access(_)));
        let paths: BTreeSet<PathBuf> = relevant.flat_map(|event| event.paths.iter().cloned()).collect();
        if !paths.is_empty() {
            let _ = changes.try_send(paths);
        }
    })
    .context("watching files")?;
    let mut watched = BTreeSet::new();
    let mut seen: BTreeMap<PluginName, blake3::Hash> = BTreeMap::new();
    for (name, plugin) in node.plugins().iter() {
        seen.insert(name.clone(), fingerprint(&plugin.settings().config.watch, &node.manifest.load().dir));
    }
    loop {
        for folder in folders(&node) {
            // A folder that cannot be watched (it went meanwhile) is tried again at the next change.
            if !watched.contains(&folder) && debouncer.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                watched.insert(folder);
            }
        }
        let Some(mut paths) = changed.recv().await else { return Ok(()) };
        while let Ok(more) = changed.try_recv() {
            paths.extend(more);
        }
        let manifest_changed = node.manifest.load().file.as_ref().is_some_and(|file| paths.contains(file));
        if manifest_changed {
            match node.reload().await {
                Ok(reloaded) => tracing::info!(?reloaded, "manifest reloaded"),
                Err(error) => tracing::error!("manifest not reloaded, nothing is changed: {error:#}"),
            }
        }
        for (name, plugin) in node.plugins().iter() {
            look(&node, name, plugin, &paths, &mut seen).await;
        }
    }
}

/// Builds and loads a plugin again if its files really changed.
async fn look(
    node: &Node,
    name: &PluginName,
    plugin: &Plugin,
    paths: &BTreeSet<PathBuf>,
    seen: &mut BTreeMap<PluginName, blake3::Hash>,
) {
    let settings = plugin.settings();
    let dir = node.manifest.load().dir.clone();
    let config = &settings.config;
    // A new migration is applied by a deploy, also of what serves already.
    let migrations = config.sql.values().filter_map(|database| database.migrations.as_deref());
    let migrations_touched =
        migrations.into_iter().any(|folder| paths.iter().any(|path| path.parent() == Some(folder)));
    let source_touched = paths.contains(&config.source) || migrations_touched;
    let sources_touched = paths.iter().any(|path| is_watched(&config.watch, &dir, path));
    if sources_touched {
        let now = fingerprint(&config.watch, &dir);
        if seen.insert(name.clone(), now) == Some(now) && !source_touched {
            return;
        }
        if let Err(absence) = node.build(&settings, &dir).await {
            let (Absence::Failed(why) | Absence::Skipped(why)) = &absence;
            tracing::error!(plugin = %name, "not reloaded, the last good build keeps serving: {why}");
            plugin.absent(absence);
            return;
        }
    } else if !source_touched {
        return;
    }
    let deployed = match read_source(&settings) {
        Ok(wasm) => node.deploy(plugin, wasm, Origin::Source).await,
        Err(error) => Err(error),
    };
    if let Err(error) = deployed {
        let why = format!("{error:#}");
        tracing::error!(plugin = %name, "not reloaded, the last good build keeps serving: {why}");
        plugin.absent(Absence::Failed(why));
    }
}

/// The folders whose files matter. Each is watched by itself: a recursive watch would follow a build's output.
fn folders(node: &Node) -> BTreeSet<PathBuf> {
    let manifest = node.manifest.load();
    let mut found = BTreeSet::from([manifest.dir.clone()]);
    for config in manifest.plugins.values() {
        found.extend(config.source.parent().map(Path::to_path_buf));
        found.extend(config.sql.values().filter_map(|database| database.migrations.clone()));
        if !config.watch.is_empty() {
            walk(&manifest.dir, &mut |path, is_folder| {
                if is_folder {
                    found.insert(path.to_path_buf());
                }
            });
        }
    }
    found
}

/// Whether a file is one of a plugin's sources; its globs are relative to the manifest's folder.
fn is_watched(watch: &skep_manifest::Watch, dir: &Path, path: &Path) -> bool {
    path.strip_prefix(dir).is_ok_and(|relative| watch.matches(relative))
}

/// A hash over the content of all files that match, so that a touch is no change.
fn fingerprint(watch: &skep_manifest::Watch, dir: &Path) -> blake3::Hash {
    let mut files = BTreeSet::new();
    walk(dir, &mut |path, is_folder| {
        if !is_folder && is_watched(watch, dir, path) {
            files.insert(path.to_path_buf());
        }
    });
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(file.as_os_str().as_encoded_bytes());
        if let Ok(content) = std::fs::read(&file) {
            hasher.update(blake3::hash(&content).as_bytes());
        }
    }
    hasher.finalize()
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path, bool)) {
    each(folder, true);
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let ignored = entry.file_name().to_str().is_some_and(|name| IGNORED.contains(&name));
        if kind.is_dir() && !ignored {
            walk(&path, each);
        } else if kind.is_file() {
            each(&path, false);
        }
    }
}
