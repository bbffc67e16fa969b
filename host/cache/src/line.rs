//! Who holds something, and who waits for it: first come, first served. Leases and locks share it.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// A holder and those behind it. What is handed to a waiter is an `M`.
pub(crate) struct Line<M> {
    /// The number of the present holder; an earlier holder has nothing to say any more.
    pub(crate) holder: u64,
    // In the order of their numbers, which only grow.
    waiting: VecDeque<(u64, oneshot::Sender<M>)>,
}

impl<M> Line<M> {
    pub(crate) fn new(holder: u64) -> Self {
        Self { holder, waiting: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Joins the end.
    pub(crate) fn join(&mut self, number: u64) -> oneshot::Receiver<M> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back((number, sender));
        receiver
    }

    /// Whoever is next.
    pub(crate) fn next(&mut self) -> Option<oneshot::Sender<M>> {
        self.waiting.pop_front().map(|(_, sender)| sender)
    }

    /// Leaves without having been served; a no-op for whoever was.
    pub(crate) fn leave(&mut self, number: u64) {
        if let Ok(at) = self.waiting.binary_search_by_key(&number, |(number, _)| *number) {
            self.waiting.remove(at);
        }
    }

    /// Everybody, to be told the same.
    pub(crate) fn everybody(self) -> impl Iterator<Item = oneshot::Sender<M>> {
        self.waiting.into_iter().map(|(_, sender)| sender)
    }
}
