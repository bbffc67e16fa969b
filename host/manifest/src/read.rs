//! Walks TOML tables by the keys that the manifest has, and keeps what is wrong with its path.
//!
//! Derived deserialisers stop at the first problem and know no paths; an operator wants all problems at once. So each
//! table is a [`Section`] that remembers which keys it was asked for: what is left over is unknown, and the keys that
//! were asked for are the suggestions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::{Table, Value};

use crate::error::Problem;
use lines::Lines;

mod lines;

/// One reading of one file: where it is, and what is wrong with it.
pub(crate) struct Reading {
    dir: PathBuf,
    lines: Lines,
    // A RefCell, because sections that are open at the same time all report here.
    problems: RefCell<Vec<Problem>>,
}

impl Reading {
    /// Parses the text.
    pub(crate) fn start(text: &str, dir: &Path) -> Result<(Self, Table), toml::de::Error> {
        let table = text.parse::<Table>()?;
        let lines = Lines::of(text);
        Ok((Self { dir: dir.to_owned(), lines, problems: RefCell::default() }, table))
    }

    /// Adds a problem.
    pub(crate) fn report(&self, path: &str, message: impl Into<String>) {
        let line = self.lines.of_path(path);
        self.problems.borrow_mut().push(Problem { path: path.to_owned(), message: message.into(), line });
    }

    /// All problems, in the file's order.
    pub(crate) fn problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    /// The path as the file means it: relative to the manifest's folder.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        let path = self.dir.join(path);
        // This drops `.` segments; it fails only for an empty path or a lost working directory.
        std::path::absolute(&path).unwrap_or(path)
    }
}

/// A type that a value of the manifest is read into.
pub(crate) trait Read: Sized {
    /// Reads the value, or reports why not.
    fn read(item: &Item<'_>) -> Option<Self>;
}

/// A type with an order, whose bounds can be told.
pub(crate) trait Quantity: Read + PartialOrd + Copy {
    /// The value as one writes it in a manifest.
    fn show(self) -> String;
}

/// A value and its path.
pub(crate) struct Item<'a> {
    pub(crate) path: String,
    pub(crate) value: &'a Value,
    pub(crate) reading: &'a Reading,
}

impl<'a> Item<'a> {
    /// Reports a problem with this value.
    pub(crate) fn fail<T>(&self, message: impl Into<String>) -> Option<T> {
        self.reading.report(&self.path, message);
        None
    }

    /// Reports that the value has the wrong type.
    pub(crate) fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a fraction",
            Value::Boolean(_) => "true or false",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        };
        self.fail(format!("expected {what}, found {found}"))
    }

    /// The value as a string that has a syntax of its own.
    pub(crate) fn parse<T>(&self, what: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let Value::String(text) = self.value else { return self.expected(what) };
        text.parse().map_or_else(|error: T::Err| self.fail(error.to_string()), Some)
    }

    /// The value as one of these words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let quoted: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let how = match quoted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => quoted.concat(),
        };
        let Value::String(text) = self.value else { return self.expected(&how) };
        let known = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        known.or_else(|| self.fail(format!("`{text}` is not known here; write {how}")))
    }

    /// The value as a table whose keys are names of the operator's.
    pub(crate) fn map<K, V>(&self, what: &str) -> Option<BTreeMap<K, V>>
    where
        K: FromStr<Err: Display> + Ord,
        V: Read,
    {
        let Value::Table(table) = self.value else { return self.expected(what) };
        let mut map = BTreeMap::new();
        for (key, value) in table {
            let entry = self.child(join(&self.path, key), value);
            let key = key.parse::<K>().map_err(|error| entry.fail::<()>(error.to_string()));
            // The value is read either way, so that all its problems are told.
            let value = V::read(&entry);
            if let (Ok(key), Some(value)) = (key, value) {
                map.insert(key, value);
            }
        }
        Some(map)
    }

    /// The value as a table.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        let Value::Table(table) = self.value else { return self.expected("a table") };
        Some(Section { path: self.path.clone(), table: Some(table), known: Vec::new(), reading: self.reading })
    }

    /// An element of this array or table.
    pub(crate) fn child(&self, path: String, value: &'a Value) -> Item<'a> {
        Item { path, value, reading: self.reading }
    }
}

/// A table, and the keys that it was asked for.
pub(crate) struct Section<'a> {
    pub(crate) path: String,
    table: Option<&'a Table>,
    known: Vec<&'static str>,
    pub(crate) reading: &'a Reading,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(table: &'a Table, reading: &'a Reading) -> Self {
        Self { path: String::new(), table: Some(table), known: Vec::new(), reading }
    }

    /// The value of a key.
    pub(crate) fn item(&mut self, key: &'static str) -> Option<Item<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let value = self.table?.get(key)?;
        Some(Item { path: join(&self.path, key), value, reading: self.reading })
    }

    /// Reads an optional key.
    pub(crate) fn get<T: Read>(&mut self, key: &'static str) -> Option<T> {
        self.item(key).and_then(|item| T::read(&item))
    }

    /// Reads a key that must be there.
    pub(crate) fn require<T: Read>(&mut self, key: &'static str, missing: &str) -> Option<T> {
        let Some(item) = self.item(key) else {
            self.reading.report(&join(&self.path, key), missing);
            return None;
        };
        T::read(&item)
    }

    /// Reads a key over its default.
    pub(crate) fn set<T: Read>(&mut self, key: &'static str, slot: &mut T) {
        if let Some(value) = self.get(key) {
            *slot = value;
        }
    }

    /// Reads a number, size or duration over its default, within bounds.
    pub(crate) fn bounded<T: Quantity>(&mut self, key: &'static str, slot: &mut T, bounds: RangeInclusive<T>) {
        let Some(item) = self.item(key) else { return };
        let Some(value) = T::read(&item) else { return };
        if value < *bounds.start() {
            item.fail::<()>(format!("must be at least {}", bounds.start().show()));
        } else if value > *bounds.end() {
            item.fail::<()>(format!("must be at most {}", bounds.end().show()));
        } else {
            *slot = value;
        }
    }

    /// The table under a key; empty where there is none.
    pub(crate) fn section(&mut self, key: &'static str) -> Self {
        let given = self.item(key).and_then(|item| item.section());
        given.unwrap_or_else(|| Self {
            path: join(&self.path, key),
            table: None,
            known: Vec::new(),
            reading: self.reading,
        })
    }

    /// Whether the file has this table.
    pub(crate) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Reports the keys that were never asked for; gives those that were.
    pub(crate) fn finish(self) -> Vec<&'static str> {
        self.finish_with(&[])
    }

    /// The same, where keys are often written one level too high: `tables` has the tables below and their keys.
    pub(crate) fn finish_with(self, tables: &[(&str, Vec<&'static str>)]) -> Vec<&'static str> {
        let given = self.table.into_iter().flat_map(Table::keys);
        for key in given.filter(|key| !self.known.contains(&key.as_str())) {
            let below = tables.iter().flat_map(|(table, keys)| keys.iter().map(move |key| (*key, Some(*table))));
            let all = self.known.iter().map(|key| (*key, None)).chain(below);
            let hint = match closest(key, all.clone().map(|(key, _)| key)) {
                Some(near) => match all.into_iter().find(|(key, _)| *key == near) {
                    Some((_, Some(table))) => format!("did you mean `{table}.{near}`?"),
                    _ => format!("did you mean `{near}`?"),
                },
                None => format!("the keys here are {}", list(&self.known)),
            };
            self.reading.report(&join(&self.path, key), format!("unknown key, {hint}"));
        }
        self.known
    }
}

/// The word that is most likely meant.
pub(crate) fn closest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    // A third of the letters may be wrong: enough for slips, too little to suggest something unrelated.
    let most = word.chars().count().div_ceil(3).min(3);
    let distances = words.into_iter().map(|known| (strsim::osa_distance(word, known), known));
    distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// Words in backticks, for a message.
pub(crate) fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The path of a key in a table.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
