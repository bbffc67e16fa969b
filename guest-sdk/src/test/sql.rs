//! What the manifest would say of a database, and its schema, in native tests.

use std::path::Path;

use super::store::to_wit;
use crate::{CapabilityError, double::sql as double};

/// Makes the schema of a database, and says what the manifest would. By default there is every database, empty, and open for
/// writing. Needs the feature `test-sql`.
///
/// ```
/// use skep_sdk::{prelude::*, sql, test};
///
/// test::database("main").run("create table bees (name text); insert into bees values ('maja')").read_only();
/// let db = sql::Database::open("main")?;
/// assert_eq!(db.query_one::<String>("select name from bees", ())?, "maja");
/// assert!(db.execute("delete from bees", ()).is_err());
/// # Ok::<_, Error>(())
/// ```
#[track_caller]
pub fn database(name: &str) -> TestDatabase {
    double::configure(name, |_| {});
    TestDatabase { name: name.to_owned() }
}

/// A database of the test, from [`database`].
#[derive(Clone, Debug)]
pub struct TestDatabase {
    name: String,
}

#[allow(clippy::must_use_candidate, reason = "each of them does what it says; the chain may end anywhere")]
impl TestDatabase {
    /// Applies the migrations in a folder, in the order of their names. The path is relative to the package, as in
    /// `.migrations("migrations")`.
    ///
    /// # Panics
    /// When one cannot be read or applied.
    #[track_caller]
    pub fn migrations(self, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let listed = std::fs::read_dir(folder).and_then(|files| files.map(|file| Ok(file?.path())).collect());
        let mut files: Vec<_> = super::good(listed, "folder of migrations", &folder.to_string_lossy());
        files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        for file in files {
            let name = file.to_string_lossy();
            let statements = super::good(std::fs::read_to_string(&file), "migration", &name);
            super::good(double::run(&self.name, &statements), "migration", &name);
        }
        self
    }

    /// Runs statements as a migration would, several at once.
    ///
    /// # Panics
    /// When one of them is wrong.
    #[track_caller]
    pub fn run(self, statements: &str) -> Self {
        super::good(double::run(&self.name, statements), "SQL", statements);
        self
    }

    /// Granted for reading only.
    pub fn read_only(self) -> Self {
        double::configure(&self.name, |rules| rules.read_only = true);
        self
    }

    /// Neither declared nor granted. What was opened before stays open.
    pub fn deny(self) -> Self {
        double::configure(&self.name, |rules| rules.denied = true);
        self
    }

    /// Has the next statement, the next begin or the next commit fail so. Nothing of it is done.
    pub fn fail(self, error: CapabilityError) -> Self {
        double::configure(&self.name, |rules| rules.failing = Some(to_wit(error)));
        self
    }
}
