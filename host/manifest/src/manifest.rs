//! The whole manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use skep_types::PluginName;
use toml::{Table, Value};

use crate::check;
use crate::error::Error;
use crate::host::HostConfig;
use crate::plugin::PluginConfig;
use crate::read::{Item, Read, Reading, Section, join};
use crate::route::Route;

/// The file in a folder that is its manifest.
pub const FILE_NAME: &str = "skep.toml";
/// Far more than the manifest of a thousand plugins; a larger file is a mistake.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What a node runs, checked as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `[host]`.
    pub host: HostConfig,
    /// `[plugins.NAME]`, by name.
    pub plugins: BTreeMap<PluginName, PluginConfig>,
    /// The folder that all paths were relative to, absolute. Builds run here.
    pub dir: PathBuf,
    /// The file that this was read from, absolute, if any.
    pub file: Option<PathBuf>,
}

impl Manifest {
    /// Reads a manifest from a file, or from the `skep.toml` of a folder.
    ///
    /// # Errors
    /// When there is none, when it cannot be read, or with all that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
        let file = std::path::absolute(&file).unwrap_or(file);
        let text = read_bounded(&file)?;
        let dir = file.parent().unwrap_or(Path::new("/"));
        let manifest = read(&text, dir, &file)?;
        Ok(Self { file: Some(file), ..manifest })
    }

    /// Reads a manifest from a text, whose paths are relative to a folder.
    ///
    /// # Errors
    /// With all that is wrong in it.
    pub fn parse(text: &str, base_dir: &Path) -> Result<Self, Error> {
        read(text, base_dir, Path::new(FILE_NAME))
    }

    /// The manifest of one component without settings: it gets every request and is granted nothing. Its name is made
    /// from the file's.
    #[must_use]
    pub fn single(wasm: &Path) -> Self {
        let wasm = absolute(wasm);
        let dir = wasm.parent().unwrap_or(Path::new("/")).to_owned();
        let name = wasm.file_stem().and_then(|stem| plugin_name(&stem.to_string_lossy()));
        let name = name.unwrap_or_else(|| PluginName::new("plugin").expect("the literal keeps the rules"));
        let mut plugin = PluginConfig::new(wasm);
        // A wildcard takes at least one character, so the root needs a route of its own.
        plugin.routes = ["/", "/{*path}"].into_iter().filter_map(|path| Route::any(path).ok()).collect();
        let mut host = HostConfig::new(&dir);
        // A folder has one host at a time, and several components of one build beside each other.
        host.data = host.data.join("run").join(name.as_str());
        Self { host, plugins: BTreeMap::from([(name, plugin)]), dir, file: None }
    }
}

fn absolute(path: &Path) -> PathBuf {
    // It fails only for an empty path or a lost working directory, and then nothing can be opened either.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read_bounded(file: &Path) -> Result<String, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound(file.to_owned()),
        _ => Error::Read { file: file.to_owned(), source },
    };
    let mut text = String::new();
    let opened = File::open(file).map_err(failed)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::TooLarge { file: file.to_owned(), max_bytes: FILE_BYTES_MAX });
    }
    Ok(text)
}

fn read(text: &str, dir: &Path, file: &Path) -> Result<Manifest, Error> {
    let dir = absolute(dir);
    let started = Reading::start(text, &dir);
    let syntax = |error| Error::Syntax { file: file.to_owned(), error: Box::new(error) };
    let (reading, table) = started.map_err(syntax)?;
    let (host, plugins) = read_root(&table, &dir, &reading);
    let problems = reading.problems();
    if problems.is_empty() {
        Ok(Manifest { host, plugins, dir, file: None })
    } else {
        Err(Error::Invalid { file: file.to_owned(), problems })
    }
}

fn read_root(table: &Table, dir: &Path, reading: &Reading) -> (HostConfig, BTreeMap<PluginName, PluginConfig>) {
    let mut root = Section::root(table, reading);
    let (host, host_keys) = HostConfig::read(root.section("host"), dir);
    let given = root.item("plugins");
    let (plugins, names) = given.and_then(|item| read_plugins(&item)).unwrap_or_default();
    root.finish_with(&[("host", host_keys)]);
    check::drain(&host, &plugins, reading);
    check::grants(&plugins, &names, reading);
    check::bucket_grants(&plugins, reading);
    check::database_grants(&plugins, reading);
    check::topic_grants(&plugins, &names, reading);
    check::store_grants(&plugins, &names, reading);
    check::process_grants(&plugins, &names, reading);
    check::sockets(&plugins, &names, reading);
    check::topics(&host, &plugins, reading);
    check::cache_memory(&host, &plugins, reading);
    check::routes(&plugins, reading);
    (host, plugins)
}

/// Reads all plugins; gives the names in the file too, readable or not.
fn read_plugins<'a>(item: &Item<'a>) -> Option<(BTreeMap<PluginName, PluginConfig>, Vec<&'a str>)> {
    let Value::Table(table) = item.value else { return item.expected("a table for each plugin, `[plugins.NAME]`") };
    let mut plugins = BTreeMap::new();
    for (key, value) in table {
        let entry = item.child(join(&item.path, key), value);
        let name = PluginName::new(key).map_err(|error| match plugin_name(key) {
            Some(near) => entry.fail::<()>(format!("{error}; `{near}` would do")),
            None => entry.fail(error.to_string()),
        });
        let plugin = PluginConfig::read(&entry);
        if let (Ok(name), Some(plugin)) = (name, plugin) {
            plugins.insert(name, plugin);
        }
    }
    Some((plugins, table.keys().map(String::as_str).collect()))
}

/// A text made into a plugin's name, if it has a letter or digit to make one from.
fn plugin_name(text: &str) -> Option<PluginName> {
    let words: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-").to_ascii_lowercase();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "plugin-");
    }
    name.truncate(63);
    PluginName::new(name.trim_end_matches('-')).ok()
}
