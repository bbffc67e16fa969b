//! What each thread has one of.
//!
//! Two threads that change one place in turns fetch it from each other's cache every time, which takes longer than most of what a
//! call does with it. What is asked for with every call is therefore looked for on the call's own thread first.

use std::sync::atomic::{Ordering, fence};

use parking_lot::Mutex;
use thread_local::ThreadLocal;

/// One of these for each thread that has asked for its own.
#[derive(Debug)]
pub(crate) struct PerThread<T: Send>(ThreadLocal<Padded<Mutex<T>>>);

/// Alone in what processors fetch at once: two neighbouring lines of 64 bytes.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Send> Default for PerThread<T> {
    fn default() -> Self {
        Self(ThreadLocal::new())
    }
}

impl<T: Send + Default> PerThread<T> {
    /// The calling thread's. What is read behind it is as new as what those have written who have looked through [`all`](Self::all)
    /// and not found it.
    pub(crate) fn own(&self) -> &Mutex<T> {
        let own = self.0.get().unwrap_or_else(|| {
            let own = self.0.get_or_default();
            fence(Ordering::SeqCst);
            own
        });
        &own.0
    }

    /// Those of all threads. What was written before is seen by those who are not found here.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Mutex<T>> {
        fence(Ordering::SeqCst);
        self.0.iter().map(|padded| &padded.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_and_all_are_found() {
        let numbers = PerThread::<Vec<u32>>::default();
        // They are there at the same time: a thread that comes later may get what one before it had.
        let together = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            for number in 0..3 {
                let (numbers, together) = (&numbers, &together);
                scope.spawn(move || {
                    numbers.own().lock().push(number);
                    together.wait();
                    assert_eq!(*numbers.own().lock(), [number]);
                });
            }
        });
        let mut all: Vec<u32> = numbers.all().flat_map(|own| own.lock().clone()).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
    }
}
