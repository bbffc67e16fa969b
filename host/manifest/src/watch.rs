//! The files whose change rebuilds a plugin.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::read::{Item, Read};

/// Globs relative to the manifest's folder. `*` stays within a folder, `**` goes into all below; a pattern that names a
/// folder means everything in it.
#[derive(Clone, Debug)]
pub struct Watch {
    patterns: Vec<String>,
    set: GlobSet,
}

impl Watch {
    /// The patterns as written.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// Whether a change of this file, relative to the manifest's folder, counts.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        self.set.is_match(path)
    }

    /// Whether nothing is watched but the component itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self { patterns: Vec::new(), set: GlobSet::empty() }
    }
}

// The set is made from the patterns, and cannot be compared itself.
impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Watch {}

/// One pattern, checked.
struct Pattern {
    written: String,
    globs: [globset::Glob; 2],
}

impl Read for Pattern {
    fn read(item: &Item<'_>) -> Option<Self> {
        let written = String::read(item)?;
        let plain = written.trim_start_matches("./").trim_end_matches('/');
        if plain.is_empty() || plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
            return item.fail("must name files below the manifest's folder, such as \"src/**\"");
        }
        let glob = |text: &str| GlobBuilder::new(text).literal_separator(true).build();
        match (glob(plain), glob(&format!("{plain}/**"))) {
            (Ok(files), Ok(below)) => Some(Self { written, globs: [files, below] }),
            (Err(error), _) | (_, Err(error)) => item.fail(format!("not a glob: {error}")),
        }
    }
}

impl Read for Watch {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut set = GlobSetBuilder::new();
        let mut patterns = Vec::new();
        for Pattern { written, globs } in Vec::<Pattern>::read(item)? {
            globs.into_iter().for_each(|glob| {
                set.add(glob);
            });
            patterns.push(written);
        }
        // Each glob is valid; only the size of all together can be too much.
        let set = set.build().map_or_else(|error| item.fail(format!("too many globs: {error}")), Some)?;
        Some(Self { patterns, set })
    }
}
