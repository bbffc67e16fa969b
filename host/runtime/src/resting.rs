//! Instances that processes have left when they went to sleep, for those of their plugin that wake.
//!
//! Each keeps the place of the process that left it, so those that rest take nothing from those that live: who needs a place and
//! finds none gets that of the one that rests longest. Processes go to sleep many at a time and wake one by one, so there may be
//! many; but each only for a while, because it keeps its memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::instance::Live;

/// How long an instance rests at most; a fifth of this more, until somebody looks.
const REST: Duration = Duration::from_secs(10);

/// The places for processes of one engine, and what rests in them.
pub(crate) struct Resting<T = Live> {
    places: Arc<Semaphore>,
    /// At most so many rest; one more is dropped.
    most: usize,
    // Held for a few pointer moves, never over a drop of an instance.
    shelves: Mutex<Shelves<T>>,
}

struct Shelves<T> {
    /// By revision; the one that rests longest first. None is empty.
    by_revision: HashMap<u64, VecDeque<Rested<T>>>,
    next_revision: u64,
    count: usize,
    /// Whether somebody looks for those that rest too long.
    watched: bool,
}

struct Rested<T> {
    instance: T,
    place: OwnedSemaphorePermit,
    since: Instant,
}

impl<T: Send + 'static> Resting<T> {
    /// Half of the places are for those that rest, while nobody else needs them.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        let shelves = Shelves { by_revision: HashMap::new(), next_revision: 0, count: 0, watched: false };
        Arc::new(Self { places: Arc::new(Semaphore::new(places)), most: places / 2, shelves: Mutex::new(shelves) })
    }

    /// The shelf of a new revision.
    pub(crate) fn shelf(self: &Arc<Self>) -> Shelf<T> {
        let mut shelves = self.shelves.lock();
        shelves.next_revision += 1;
        Shelf { resting: Arc::clone(self), revision: shelves.next_revision }
    }

    /// Places that nobody lives in.
    pub(crate) fn free(&self) -> usize {
        self.places.available_permits() + self.count()
    }

    /// How many rest.
    pub(crate) fn count(&self) -> usize {
        self.shelves.lock().count
    }

    /// A free place, else that of the one that rests longest.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let Rested { instance, place, .. } = self.shelves.lock().oldest()?;
        // Before its place is used: the pool has no slot beside.
        drop(instance);
        Some(place)
    }

    /// Has an instance rest, and sees to it that it does not for too long.
    fn put(self: &Arc<Self>, revision: u64, instance: T, place: OwnedSemaphorePermit) {
        let mut shelves = self.shelves.lock();
        if shelves.count >= self.most {
            drop(shelves);
            // In this order, as in `place`.
            drop(instance);
            drop(place);
            return;
        }
        shelves.by_revision.entry(revision).or_default().push_back(Rested { instance, place, since: Instant::now() });
        shelves.count += 1;
        let is_first = !std::mem::replace(&mut shelves.watched, true);
        drop(shelves);
        if is_first {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Takes one away that has rested for too long, if there is one; and whether any others are left to be watched.
    fn take_stale(&self) -> (Option<Rested<T>>, bool) {
        let mut shelves = self.shelves.lock();
        let now = Instant::now();
        let stale = shelves.oldest_since(|since| now.saturating_duration_since(since) >= REST);
        shelves.watched = shelves.count > 0 || stale.is_some();
        (stale, shelves.watched)
    }
}

/// Ends when nothing rests any more.
async fn watch<T: Send + 'static>(resting: Weak<Resting<T>>) {
    loop {
        tokio::time::sleep(REST / 5).await;
        loop {
            let Some(resting) = resting.upgrade() else { return };
            let (stale, goes_on) = resting.take_stale();
            if !goes_on {
                return;
            }
            if stale.is_none() {
                break;
            }
            // One at a time: a drop takes microseconds, and its place is nobody's meanwhile.
            drop(stale);
            drop(resting);
            tokio::task::yield_now().await;
        }
    }
}

impl<T> Shelves<T> {
    fn oldest(&mut self) -> Option<Rested<T>> {
        self.oldest_since(|_| true)
    }

    /// The one that rests longest, if that is so. There are as many shelves as revisions with processes: few.
    fn oldest_since(&mut self, is_so: impl FnOnce(Instant) -> bool) -> Option<Rested<T>> {
        let first = |shelf: &VecDeque<Rested<T>>| shelf.front().map(|rested| rested.since);
        let (revision, since) = self
            .by_revision
            .iter()
            .filter_map(|(revision, shelf)| Some((*revision, first(shelf)?)))
            .min_by_key(|(_, since)| *since)?;
        if is_so(since) { self.take(revision, VecDeque::pop_front) } else { None }
    }

    fn take(
        &mut self,
        revision: u64,
        which: impl FnOnce(&mut VecDeque<Rested<T>>) -> Option<Rested<T>>,
    ) -> Option<Rested<T>> {
        let shelf = self.by_revision.get_mut(&revision)?;
        let rested = which(shelf)?;
        if shelf.is_empty() {
            self.by_revision.remove(&revision);
        }
        self.count = self.count.saturating_sub(1);
        Some(rested)
    }
}

/// What rests of one revision.
pub(crate) struct Shelf<T: Send + 'static = Live> {
    resting: Arc<Resting<T>>,
    revision: u64,
}

impl<T: Send + 'static> Shelf<T> {
    /// A place for a process, and the instance in it, if one rests that ran this revision: the last one that came, whose memory
    /// is most likely still near. None if all places are lived in.
    pub(crate) fn place(&self) -> Option<(OwnedSemaphorePermit, Option<T>)> {
        let rested = self.resting.shelves.lock().take(self.revision, VecDeque::pop_back);
        match rested {
            Some(Rested { instance, place, .. }) => Some((place, Some(instance))),
            None => self.resting.place().map(|place| (place, None)),
        }
    }

    /// Has an instance rest that a process has left.
    pub(crate) fn put(&self, instance: T, place: OwnedSemaphorePermit) {
        self.resting.put(self.revision, instance, place);
    }

    /// Whether one rests here.
    pub(crate) fn has_some(&self) -> bool {
        self.resting.shelves.lock().by_revision.contains_key(&self.revision)
    }

    /// Drops those that rest here.
    pub(crate) fn clear(&self) {
        // One at a time: who needs a place meanwhile still finds those that rest.
        loop {
            let rested = self.resting.shelves.lock().take(self.revision, VecDeque::pop_front);
            if rested.is_none() {
                return;
            }
        }
    }
}

impl<T: Send + 'static> Drop for Shelf<T> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_wakes_gets_an_instance_of_its_revision_and_its_place() {
        let resting = Resting::new(4);
        let (ours, theirs) = (resting.shelf(), resting.shelf());
        let (place, none) = ours.place().unwrap();
        assert_eq!(none, None);
        ours.put("ours", place);
        assert_eq!((resting.free(), resting.count()), (4, 1));
        let (_other, none) = theirs.place().unwrap();
        assert_eq!(none, None);
        let (_place, instance) = ours.place().unwrap();
        assert_eq!(instance, Some("ours"));
        assert_eq!((resting.free(), resting.count(), ours.has_some()), (2, 0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_gets_that_of_the_one_that_rests_longest() {
        let resting = Resting::new(4);
        let (ours, theirs) = (resting.shelf(), resting.shelf());
        let mut places: Vec<_> = std::iter::from_fn(|| theirs.place()).collect();
        assert_eq!(places.len(), 4);
        let instances: Vec<_> = ["first", "second"].into_iter().map(Arc::new).collect();
        for instance in &instances {
            theirs.put(Arc::clone(instance), places.pop().unwrap().0);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let (_place, none) = ours.place().unwrap();
        assert_eq!(none, None);
        let alive: Vec<_> = instances.iter().map(Arc::strong_count).collect();
        assert_eq!(alive, [1, 2], "the first one is dropped");
        let _another = ours.place().unwrap();
        assert!(ours.place().is_none(), "all places are lived in");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_half_of_the_places_rest() {
        let resting = Resting::new(5);
        let shelf = resting.shelf();
        let places: Vec<_> = std::iter::from_fn(|| shelf.place()).collect();
        for (at, (place, _)) in places.into_iter().enumerate() {
            shelf.put(at, place);
        }
        assert_eq!((resting.count(), resting.free()), (2, 5));
        shelf.clear();
        assert_eq!((resting.count(), resting.free()), (0, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn none_rests_for_long() {
        let resting = Resting::new(1000);
        let shelf = resting.shelf();
        let places: Vec<_> = std::iter::from_fn(|| shelf.place()).collect();
        for (place, _) in places {
            shelf.put((), place);
        }
        assert_eq!(resting.count(), 500);
        tokio::time::sleep(REST - Duration::from_secs(1)).await;
        assert_eq!(resting.count(), 500);
        // One that is used in between begins to rest anew.
        let (place, _) = shelf.place().unwrap();
        shelf.put((), place);
        tokio::time::sleep(Duration::from_secs(1) + REST / 5).await;
        assert_eq!(resting.count(), 1);
        tokio::time::sleep(REST + REST / 5).await;
        assert_eq!((resting.count(), resting.shelves.lock().watched), (0, false));
        // And all over again.
        let (place, _) = shelf.place().unwrap();
        shelf.put((), place);
        tokio::time::sleep(REST + REST / 5).await;
        assert_eq!((resting.count(), resting.free()), (0, 1000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_revision_that_goes_leaves_nothing() {
        let resting = Resting::new(10);
        let shelf = resting.shelf();
        let (place, _) = shelf.place().unwrap();
        shelf.put((), place);
        drop(shelf);
        assert_eq!((resting.count(), resting.free()), (0, 10));
    }
}
