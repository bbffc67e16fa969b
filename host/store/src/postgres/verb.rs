//! What carries a write out.

use super::fault::Stop;
use super::tx::{Tx, Wants};

/// A write without its arguments.
///
/// `want` says what it will look at: it is loaded for the whole group at once. `run` carries it out over what is loaded. It
/// may write before it refuses, or finds something missing: that is undone.
pub(super) struct Verb<A, T, E> {
    pub(super) want: fn(&A, &mut Wants<'_>),
    pub(super) run: fn(&A, &mut Tx<'_>) -> Result<T, Stop<E>>,
}

impl<A, T, E> Clone for Verb<A, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, T, E> Copy for Verb<A, T, E> {}
