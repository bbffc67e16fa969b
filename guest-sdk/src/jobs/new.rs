//! Jobs in the making.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{JobId, Unique, host};
use crate::{Error, Result, capability::refused, clock, codec};

/// A job of this name in the making, for a name that is not known before it runs; `welcome::job(&args)` knows its own.
///
/// ```no_run
/// # use skep_sdk::prelude::*;
/// # use skep_sdk::jobs;
/// let kind = "welcome";
/// jobs::job(kind, &json!({"user": 7})).priority(3).enqueue()?;
/// # Ok::<_, Error>(())
/// ```
pub fn job<A: Serialize + ?Sized>(name: &str, args: &A) -> NewJob {
    let (args, unfit) = match codec::to_json(args) {
        Ok(args) => (args, None),
        Err(error) => {
            (Vec::new(), Some(Error::from(error).context(format!("writing the arguments of the job `{name}`"))))
        }
    };
    let new = host::NewJob {
        name: name.to_owned(),
        args,
        queue: None,
        priority: None,
        run_at: None,
        max_attempts: None,
        unique: None,
        after: Vec::new(),
        after_any_end: false,
        meta: Vec::new(),
    };
    NewJob { new, unique: None, unfit }
}

/// A job in the making, from `welcome::job(&args)` or [`job`]: [`enqueue`](Self::enqueue) keeps it,
/// [`enqueue_all`] several at once, and [`Atomic::enqueue`](crate::store::Atomic::enqueue) together with data and messages.
///
/// ```
/// use std::time::Duration;
/// use skep_sdk::{prelude::*, test};
///
/// #[skep::job(queue = "mail")]
/// fn welcome(user: String) -> JobResult {
///     Ok(())
/// }
///
/// let day = Duration::from_secs(86_400);
/// let job = welcome::job(&"maja".to_owned()).in_(day).unique_for(7 * day).meta("tenant", "hive").enqueue()?;
/// assert_eq!(test::jobs()[0].id, job.id);
/// # Ok::<_, Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is enqueued before `enqueue`"]
pub struct NewJob {
    new: host::NewJob,
    unique: Option<Unique>,
    /// Told when it is enqueued.
    unfit: Option<Error>,
}

impl NewJob {
    /// Not before so long from now.
    pub fn in_(mut self, delay: Duration) -> Self {
        self.new.run_at = Some(clock::timestamp_in(delay));
        self
    }

    /// Not before this moment.
    pub fn at(mut self, moment: SystemTime) -> Self {
        self.new.run_at = Some(clock::timestamp(moment));
        self
    }

    /// In another queue than the one that `#[skep::job]` names.
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.new.queue = Some(name.into());
        self
    }

    /// 0 to 9; in its queue low ones come first.
    pub fn priority(mut self, priority: u8) -> Self {
        self.new.priority = Some(priority);
        self
    }

    /// Tried so often, in place of what `#[skep::job]` says.
    pub fn max_attempts(mut self, attempts: u16) -> Self {
        self.new.max_attempts = Some(attempts);
        self
    }

    /// At most one with the same arguments (or the same key, see [`unique_by`](Self::unique_by)) for so long after it was
    /// enqueued. If there is one, [`Enqueued`] says so and has its id.
    pub fn unique_for(mut self, period: Duration) -> Self {
        self.unique = Some(self.unique.unwrap_or_else(Unique::by_args).for_(period));
        self
    }

    /// At most one with this key, whatever its arguments: until it has ended, or for as long as
    /// [`unique_for`](Self::unique_for) says.
    pub fn unique_by(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(self.unique.unwrap_or_else(Unique::by_args).key(key.into()));
        self
    }

    /// At most one of a kind, with all there is to say about it.
    pub fn unique(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }

    /// Not before that job is completed; it may be called several times. The job is cancelled if one of those before it is
    /// cancelled or discarded.
    pub fn after(mut self, job: impl Into<After>) -> Self {
        self.new.after.push(match job.into() {
            After::Job(id) => host::After::Job(id.0),
            After::Place(place) => host::After::Place(place),
        });
        self
    }

    /// Whatever the ends of those that it comes [`after`](Self::after).
    pub fn after_any_end(mut self) -> Self {
        self.new.after_any_end = true;
        self
    }

    /// A name and a value for people, and for [`Job::meta`](super::Job::meta). At most 16, of at most 255 bytes each.
    pub fn meta(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.new.meta.push((name.into(), value.into()));
        self
    }

    /// Keeps the job. It is durable when this returns.
    ///
    /// # Errors
    /// [`Full`](crate::CapabilityError::Full) if the plugin's quota is used up,
    /// [`TooLarge`](crate::CapabilityError::TooLarge), [`Conflict`](crate::CapabilityError::Conflict) by
    /// [`Unique::or_refuse`], [`Unavailable`](crate::CapabilityError::Unavailable) and
    /// [`OutcomeUnknown`](crate::CapabilityError::OutcomeUnknown); also when the arguments do not encode.
    pub fn enqueue(self) -> Result<Enqueued> {
        let name = self.new.name.clone();
        let enqueued = enqueue_all([self])?.into_iter().next();
        enqueued.ok_or_else(|| Error::from(format!("the host has no answer about the job `{name}`")))
    }

    /// Moves the places that it comes after, for a list that begins behind others.
    pub(crate) fn shift(mut self, by: u32) -> Self {
        for after in &mut self.new.after {
            if let host::After::Place(place) = after {
                *place = place.saturating_add(by);
            }
        }
        self
    }

    pub(crate) fn into_wit(self) -> Result<host::NewJob> {
        match self.unfit {
            Some(error) => Err(error),
            None => Ok(host::NewJob { unique: self.unique.map(Unique::into_wit), ..self.new }),
        }
    }
}

/// What a job waits for: a job that was enqueued before, by its [`JobId`] or [`Enqueued`], or one of the same list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// One that is there. One that is not there any more counts as completed.
    Job(JobId),
    /// The one at this place of the same list, from 0, before this one.
    Place(u32),
}

impl From<JobId> for After {
    fn from(id: JobId) -> Self {
        Self::Job(id)
    }
}

impl From<Enqueued> for After {
    fn from(job: Enqueued) -> Self {
        Self::Job(job.id)
    }
}

/// A job that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Enqueued {
    /// Its number; that of the one that was there, if a unique one was.
    pub id: JobId,
    /// Whether a unique one was there.
    pub was_there: bool,
}

impl Enqueued {
    pub(crate) fn new(inserted: host::Inserted) -> Self {
        Self { id: JobId(inserted.id), was_there: inserted.was_there }
    }
}

/// Keeps several jobs, all of them or none, in one durable write. They may wait for each other: [`After::Place`].
///
/// ```
/// # use skep_sdk::{jobs, prelude::*, test};
/// # #[skep::job] fn resize(image: u32) -> JobResult { Ok(()) }
/// let jobs = jobs::enqueue_all((1..=3).map(|image| resize::job(&image)))?;
/// assert_eq!((jobs.len(), test::perform_jobs()), (3, 3));
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// As [`NewJob::enqueue`].
pub fn enqueue_all(jobs: impl IntoIterator<Item = NewJob>) -> Result<Vec<Enqueued>> {
    let jobs = jobs.into_iter().map(NewJob::into_wit).collect::<Result<Vec<_>>>()?;
    let enqueued = host::enqueue(&jobs).map_err(|error| {
        let first = jobs.first().map_or("", |job| job.name.as_str());
        match jobs.len() {
            1 => refused(error, format!("enqueueing the job `{first}`")),
            count => refused(error, format!("enqueueing {count} jobs, the first of them `{first}`")),
        }
    })?;
    Ok(enqueued.into_iter().map(Enqueued::new).collect())
}
