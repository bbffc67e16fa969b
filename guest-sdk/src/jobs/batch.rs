//! Jobs that belong together, and what comes after them.

use std::vec;

use super::{After, Enqueued, NewJob, enqueue_all};
use crate::Result;

/// Jobs that belong together. [`then`](Batch::then) adds one that is done when all of them are,
/// [`finally`](Batch::finally) one that is done when all have ended, however they did.
///
/// ```
/// use skep_sdk::{jobs, prelude::*, test};
///
/// #[skep::jobs]
/// mod work {
///     use skep_sdk::prelude::*;
///
///     #[job]
///     pub fn resize(image: u32) -> JobResult {
///         if image == 2 { Err(JobError::cancel("no such image")) } else { Ok(()) }
///     }
///
///     #[job]
///     pub fn report(album: u32) -> JobResult {
///         pubsub::publish(&format!("albums:{album}"), "ready")?;
///         Ok(())
///     }
/// }
///
/// let images = [1, 2, 3].map(|image| work::resize::job(&image));
/// jobs::batch(images).finally(work::report::job(&7)).enqueue()?;
/// test::perform_jobs();
/// assert_eq!(test::published()[0].topic(), "albums:7");
/// # Ok::<_, Error>(())
/// ```
pub fn batch(jobs: impl IntoIterator<Item = NewJob>) -> Batch {
    Batch { jobs: jobs.into_iter().collect() }
}

/// Jobs that belong together, from [`batch`]. It is a list of jobs, for [`Atomic::enqueue_all`](crate::store::Atomic::enqueue_all) too.
#[derive(Debug)]
#[must_use = "nothing is enqueued before `enqueue`"]
pub struct Batch {
    jobs: Vec<NewJob>,
}

impl Batch {
    /// Adds a job that is done when all before it are completed. It is cancelled if one of them does not.
    pub fn then(mut self, job: NewJob) -> Self {
        let places = 0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        self.jobs.push(places.fold(job, |job, place| job.after(After::Place(place))));
        self
    }

    /// Adds a job that is done when all before it have ended, whatever their ends.
    pub fn finally(self, job: NewJob) -> Self {
        self.then(job.after_any_end())
    }

    /// Keeps all of them, or none. In their order: what `then` and `finally` added is last.
    ///
    /// # Errors
    /// As [`NewJob::enqueue`].
    pub fn enqueue(self) -> Result<Vec<Enqueued>> {
        enqueue_all(self)
    }
}

impl IntoIterator for Batch {
    type Item = NewJob;
    type IntoIter = vec::IntoIter<NewJob>;

    fn into_iter(self) -> vec::IntoIter<NewJob> {
        self.jobs.into_iter()
    }
}
