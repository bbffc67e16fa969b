//! One task for each of a list.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use super::{TaskError, host};
use crate::{
    __private::bindings::imports::skep::plugin::tasks::{Finished, Order},
    Error, Result,
    capability::refused,
    codec::{self, CodecError},
};

/// Work for the task of this name, once for each of the arguments. `T` is what it returns.
///
/// ```no_run
/// # use skep_sdk::prelude::*;
/// let mut weights = Vec::new();
/// for (index, weight) in task::map::<f64>("weigh", [1_u32, 2, 3]).concurrency(8).unordered()? {
///     weights.push((index, weight?));
/// }
/// # Ok::<_, Error>(())
/// ```
pub fn map<T: DeserializeOwned>(name: &str, args: impl IntoIterator<Item = impl Serialize>) -> Map<T> {
    let args = args.into_iter().map(|args| codec::encode(&args)).collect();
    Map { name: name.to_owned(), args, concurrency: 0, result: PhantomData }
}

/// Work for a task in the making, from [`map()`] or `weigh::map(..)`.
#[derive(Debug)]
#[must_use = "the tasks run when `ordered` or `unordered` asks for them"]
pub struct Map<T> {
    name: String,
    args: Result<Vec<Vec<u8>>, CodecError>,
    concurrency: u32,
    result: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Map<T> {
    /// Runs at most so many at once; otherwise, and with 0, as many as the manifest allows.
    pub fn concurrency(mut self, tasks: u32) -> Self {
        self.concurrency = tasks;
        self
    }

    /// Runs them, and gives the results in the order of the arguments. Dropped before its end, it ends the tasks that
    /// are left.
    ///
    /// # Errors
    /// [`Denied`](crate::CapabilityError::Denied), [`Full`](crate::CapabilityError::Full) and
    /// [`NotFound`](crate::CapabilityError::NotFound), as [`start`](super::start); also when an argument does not
    /// encode. That a task fails is told in its place.
    pub fn ordered(self) -> Result<Ordered<T>> {
        Ok(Ordered(self.run(Order::Ordered)?))
    }

    /// Runs them, and gives each result as soon as it is there, with the place of its argument in the list. Dropped
    /// before its end, it ends the tasks that are left.
    ///
    /// # Errors
    /// As [`ordered`](Self::ordered).
    pub fn unordered(self) -> Result<Unordered<T>> {
        Ok(Unordered(self.run(Order::Unordered)?))
    }

    fn run(self, order: Order) -> Result<Running<T>> {
        let doing = || format!("running the task `{}`", self.name);
        let args = self.args.map_err(|error| Error::from(error).context(doing()))?;
        let running = host::map_all(&self.name, &args, self.concurrency, order);
        let running = running.map_err(|error| refused(error, doing()))?;
        Ok(Running { running, left: args.len(), result: PhantomData })
    }
}

/// The results of tasks in the order of their arguments, from [`Map::ordered`].
#[derive(Debug)]
#[must_use = "dropped, it ends the tasks"]
pub struct Ordered<T>(Running<T>);

/// The results of tasks as they finish, from [`Map::unordered`], each with the place of its argument in the list.
#[derive(Debug)]
#[must_use = "dropped, it ends the tasks"]
pub struct Unordered<T>(Running<T>);

#[derive(Debug)]
struct Running<T> {
    running: host::Running,
    left: usize,
    result: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Running<T> {
    fn next(&mut self) -> Option<(usize, Result<T, TaskError>)> {
        // Whoever asks again after the end costs no call.
        if self.left == 0 {
            return None;
        }
        let Some(Finished { index, outcome }) = self.running.next() else {
            self.left = 0;
            return None;
        };
        self.left -= 1;
        let value = outcome.map_err(TaskError::from).and_then(|bytes| {
            let value = codec::decode(&bytes);
            value.map_err(|error| TaskError::Failed(Error::from(error).context("reading its result").to_string()))
        });
        Some((index as usize, value))
    }
}

impl<T: DeserializeOwned> Iterator for Ordered<T> {
    type Item = Result<T, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(_, value)| value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.0.left))
    }
}

impl<T: DeserializeOwned> Iterator for Unordered<T> {
    type Item = (usize, Result<T, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.0.left))
    }
}
