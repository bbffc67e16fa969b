//! One writer of a file at a time in this process, whatever settings it was opened with: after a reload a database is open twice
//! while calls go on that began before. SQLite itself lets them try again and again, and whoever pauses longest between two
//! tries gets its turn last.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// The place of each file that is open. As many as there are databases.
static PLACES: LazyLock<Mutex<HashMap<PathBuf, Weak<Semaphore>>>> = LazyLock::new(Mutex::default);

/// The place of the writer of a file.
pub(super) fn place(path: &Path) -> Arc<Semaphore> {
    let mut places = PLACES.lock();
    if let Some(place) = places.get(path).and_then(Weak::upgrade) {
        return place;
    }
    places.retain(|_, place| place.strong_count() > 0);
    let place = Arc::new(Semaphore::new(1));
    places.insert(path.to_owned(), Arc::downgrade(&place));
    place
}
