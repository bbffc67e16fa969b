//! Which line of the file a key is on.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::join;

/// The line of every key and array element, by its path.
pub(super) struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Indexes a file. A text that is not TOML has no lines to tell.
    pub(super) fn of(text: &str) -> Self {
        let mut index = Index { breaks: text.match_indices('\n').map(|(at, _)| at).collect(), lines: BTreeMap::new() };
        if let Ok(table) = DeTable::parse(text) {
            index.table("", table.get_ref());
        }
        Self(index.lines)
    }

    /// The line of a path, or of the nearest table around a key that is missing.
    pub(super) fn of_path(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '['])?)?;
        }
    }
}

struct Index {
    breaks: Vec<usize>,
    lines: BTreeMap<String, usize>,
}

impl Index {
    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            self.value(path, key.span().start, value.get_ref());
        }
    }

    fn value(&mut self, path: String, offset: usize, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.table(&path, table),
            DeValue::Array(array) => {
                for (at, element) in array.iter().enumerate() {
                    self.value(format!("{path}[{at}]"), element.span().start, element.get_ref());
                }
            }
            _ => {}
        }
        self.lines.insert(path, self.breaks.partition_point(|at| *at < offset) + 1);
    }
}
