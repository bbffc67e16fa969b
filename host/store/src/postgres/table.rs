//! Rows of a table that a group has loaded, as its writes leave them.

use std::hash::Hash;

use foldhash::HashMap;

use super::fault::Missing;

/// Rows by their keys. A key that is not in it was not loaded; one whose row is none was, and there is none.
pub(super) struct Table<K, V> {
    cells: HashMap<K, Cell<V>>,
    wanted: Vec<K>,
    /// What the write that is carried out has changed, so that it can be undone.
    undo: Vec<(K, Option<V>, Mark)>,
}

struct Cell<V> {
    /// Whether the database has it.
    stored: bool,
    now: Option<V>,
    mark: Mark,
}

#[derive(Clone, Copy, Default)]
struct Mark {
    changed: bool,
    relied: bool,
}

/// What became of a row.
pub(super) enum Change<'a, V> {
    /// It came into being.
    Insert(&'a V),
    /// It is another one.
    Update(&'a V),
    /// It is gone.
    Delete,
    /// It was not there, and is not: somebody relies on that.
    Absent,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { cells: HashMap::default(), wanted: Vec::new(), undo: Vec::new() }
    }
}

impl<K: Hash + Ord + Clone, V> Table<K, V> {
    /// The row is to be loaded, if it is not.
    pub(super) fn want(&mut self, key: K) {
        if !self.cells.contains_key(&key) {
            self.wanted.push(key);
        }
    }

    /// What is to be loaded now, in order. What is not found among it has to be known as [`absent`](Self::absent).
    pub(super) fn wanted(&mut self) -> Vec<K> {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|key| !self.cells.contains_key(key));
        wanted
    }

    /// Whether it is loaded, or known to be absent.
    pub(super) fn knows(&self, key: &K) -> bool {
        self.cells.contains_key(key)
    }

    /// A row was loaded. One that is known already stays as it is: the group has it locked, and may have changed it.
    pub(super) fn loaded(&mut self, key: K, row: V) {
        self.cells.entry(key).or_insert(Cell { stored: true, now: Some(row), mark: Mark::default() });
    }

    /// Of what was wanted, the rest is not there.
    pub(super) fn absent(&mut self, wanted: Vec<K>) {
        for key in wanted {
            self.cells.entry(key).or_insert(Cell { stored: false, now: None, mark: Mark::default() });
        }
    }

    /// The row, if there is one. Where it is not loaded, it is wanted from now on.
    pub(super) fn get(&mut self, key: &K) -> Result<Option<&V>, Missing> {
        match self.cells.get(key) {
            Some(cell) => Ok(cell.now.as_ref()),
            None => {
                self.wanted.push(key.clone());
                Err(Missing)
            }
        }
    }

    /// All that are loaded and there, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&K, &V)> {
        self.cells.iter().filter_map(|(key, cell)| Some((key, cell.now.as_ref()?)))
    }

    /// Makes it this one, or none. One that was never loaded is new.
    pub(super) fn put(&mut self, key: K, row: Option<V>) {
        let cell = self.cells.entry(key.clone()).or_insert(Cell { stored: false, now: None, mark: Mark::default() });
        let before = std::mem::replace(&mut cell.now, row);
        self.undo.push((key, before, cell.mark));
        cell.mark.changed = true;
    }

    /// The write that is carried out relies on what it saw there.
    pub(super) fn rely(&mut self, key: &K)
    where
        V: Clone,
    {
        if let Some(cell) = self.cells.get_mut(key).filter(|cell| !cell.mark.relied) {
            self.undo.push((key.clone(), cell.now.clone(), cell.mark));
            cell.mark.relied = true;
        }
    }

    /// Another write begins: what was done so far stays.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Undoes what was done since [`keep`](Self::keep).
    pub(super) fn undo(&mut self) {
        for (key, now, mark) in self.undo.drain(..).rev() {
            if let Some(cell) = self.cells.get_mut(&key) {
                cell.now = now;
                cell.mark = mark;
            }
        }
    }

    /// What became of the rows, in the order of their keys.
    pub(super) fn changes(&self) -> Vec<(&K, Change<'_, V>)> {
        let mut changes: Vec<_> = self
            .cells
            .iter()
            .filter_map(|(key, cell)| {
                let change = match (cell.stored, &cell.now) {
                    (true, Some(row)) => Change::Update(row),
                    (true, None) => Change::Delete,
                    (false, Some(row)) => Change::Insert(row),
                    (false, None) => return cell.mark.relied.then_some((key, Change::Absent)),
                };
                cell.mark.changed.then_some((key, change))
            })
            .collect();
        changes.sort_unstable_by_key(|(key, _)| *key);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Table};

    fn changes(table: &Table<u8, &'static str>) -> Vec<String> {
        let one = |(key, change): (&u8, Change<'_, &str>)| match change {
            Change::Insert(row) => format!("+{key}{row}"),
            Change::Update(row) => format!("={key}{row}"),
            Change::Delete => format!("-{key}"),
            Change::Absent => format!("?{key}"),
        };
        table.changes().into_iter().map(one).collect()
    }

    #[test]
    fn what_is_refused_leaves_no_trace() {
        let mut table = Table::default();
        assert!(table.get(&1).is_err());
        table.want(2);
        table.want(3);
        let wanted = table.wanted();
        assert_eq!(wanted, [1, 2, 3]);
        table.loaded(1, "a");
        table.loaded(2, "b");
        table.absent(wanted);
        assert!(table.wanted().is_empty());
        table.put(1, Some("A"));
        table.keep();
        table.put(1, Some("X"));
        table.put(1, None);
        table.put(2, None);
        table.put(3, Some("c"));
        table.put(4, Some("d"));
        table.rely(&3);
        assert_eq!(changes(&table), ["-1", "-2", "+3c", "+4d"]);
        table.undo();
        assert_eq!(changes(&table), ["=1A"]);
        assert_eq!(table.get(&1).unwrap(), Some(&"A"));
        assert_eq!(table.get(&3).unwrap(), None);
        table.rely(&3);
        assert_eq!(changes(&table), ["=1A", "?3"]);
    }
}
