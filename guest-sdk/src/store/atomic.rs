//! Commits: data, jobs and messages, all of it or nothing.

use std::{
    marker::PhantomData,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::{CommitError, Item, Key, host, space::ATTEMPTS};
use crate::{
    __private::bindings::imports::skep::plugin::types as wit,
    CapabilityError, Error, Result, StatusCode,
    capability::refused,
    clock, codec,
    jobs::{Enqueued, NewJob},
    process::{self, Handle, Protocol, Target},
};

/// A commit in the making: what it says is written, enqueued and published together when [`commit`](Atomic::commit) ends,
/// or not at all.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use skep_sdk::{prelude::*, store::CommitError, test};
///
/// #[derive(Serialize, Deserialize)]
/// struct Order {
///     item: String,
/// }
///
/// #[skep::job(queue = "mail")]
/// fn receipt(order: String) -> JobResult {
///     Ok(())
/// }
///
/// fn buy(Json(order): Json<Order>) -> Result<StatusCode> {
///     let stock = store::get_item::<u32>("stock")?.status(StatusCode::NOT_FOUND)?;
///     let left = stock.value.checked_sub(1).reject(StatusCode::CONFLICT, "sold out")?;
///     let commit = store::atomic()
///         .check(&stock)                                  // nobody else took it meanwhile
///         .set("stock", &left)
///         .set("order:7", &order)
///         .enqueue(receipt::job(&"order:7".to_owned()))
///         .publish("orders:new", &order);
///     match commit.commit() {
///         Err(CommitError::Conflict(_)) => Err(Error::new(StatusCode::CONFLICT, "try again")),
///         committed => Ok(committed.map(|_| StatusCode::CREATED)?),
///     }
/// }
///
/// store::set("stock", &1_u32)?;
/// let order = Order { item: "honey".into() };
/// assert_eq!(test::post("/").json(&order).send(buy).status(), StatusCode::CREATED);
/// assert_eq!(test::post("/").json(&order).send(buy).error_message(), "sold out");
/// assert_eq!((test::jobs().len(), test::published().len()), (1, 1));
/// # Ok::<_, Error>(())
/// ```
pub fn atomic() -> Atomic {
    Atomic::default()
}

/// A commit in the making, from [`atomic`](fn@atomic); or a part of that of a process's message, from
/// [`Ctx::atomic`](process::Ctx::atomic).
#[derive(Debug)]
#[must_use = "nothing is written before `commit`, or `stage`"]
pub struct Atomic<M = Alone> {
    ops: Vec<host::Op>,
    jobs: u32,
    /// The first thing that does not encode; told by the commit.
    unfit: Option<Error>,
    of: PhantomData<M>,
}

/// Marks an [`Atomic`] that is a commit of its own.
#[derive(Debug)]
pub enum Alone {}

/// Marks an [`Atomic`] that is committed with the message that a process handles.
#[derive(Debug)]
pub enum Staged {}

impl<M> Default for Atomic<M> {
    fn default() -> Self {
        Self { ops: Vec::new(), jobs: 0, unfit: None, of: PhantomData }
    }
}

/// What a commit did, from [`Atomic::commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The version of all that it wrote.
    pub version: u64,
    /// In the order of the sums.
    pub sums: Vec<i64>,
    /// In the order of the jobs.
    pub jobs: Vec<Enqueued>,
}

impl<M> Atomic<M> {
    /// Only if the item is as it was read.
    pub fn check<T>(self, item: &Item<T>) -> Self {
        self.check_version(&item.key, item.version)
    }

    /// Only if what is there has this version.
    pub fn check_version(self, key: impl Into<Key>, version: u64) -> Self {
        self.with(host::Op::Check(host::Check { at: key.into().place(), version: Some(version) }))
    }

    /// Only if there is nothing.
    pub fn check_absent(self, key: impl Into<Key>) -> Self {
        self.with(host::Op::Check(host::Check { at: key.into().place(), version: None }))
    }

    /// Keeps a value, whatever was there.
    pub fn set<T: Serialize + ?Sized>(self, key: impl Into<Key>, value: &T) -> Self {
        self.encode(key.into(), value, None)
    }

    /// Keeps a value for so long.
    pub fn set_for<T: Serialize + ?Sized>(self, key: impl Into<Key>, value: &T, ttl: Duration) -> Self {
        self.encode(key.into(), value, Some(clock::timestamp_in(ttl)))
    }

    /// Keeps bytes as they are.
    pub fn set_bytes(self, key: impl Into<Key>, value: impl Into<Vec<u8>>) -> Self {
        self.set_until(key.into(), value.into(), None)
    }

    /// Keeps bytes as they are for so long.
    pub fn set_bytes_for(self, key: impl Into<Key>, value: impl Into<Vec<u8>>, ttl: Duration) -> Self {
        self.set_until(key.into(), value.into(), Some(clock::timestamp_in(ttl)))
    }

    /// Deletes a key. It need not be there.
    pub fn delete(self, key: impl Into<Key>) -> Self {
        self.with(host::Op::Delete(key.into().place()))
    }

    /// Adds to a number, whatever it is by then: two that add never conflict. See [`sum`](super::sum).
    pub fn sum(self, key: impl Into<Key>, by: i64) -> Self {
        self.with(host::Op::Sum(host::Sum { at: key.into().place(), by }))
    }

    /// Enqueues a job. [`After::Place`](crate::jobs::After::Place) counts all jobs of the commit.
    pub fn enqueue(mut self, job: NewJob) -> Self {
        match job.into_wit() {
            Ok(job) => {
                self.jobs = self.jobs.saturating_add(1);
                self.with(host::Op::Enqueue(job))
            }
            Err(error) => self.unfit(error),
        }
    }

    /// Enqueues several jobs, for instance a [`batch`](crate::jobs::batch()).
    /// [`After::Place`](crate::jobs::After::Place) counts the jobs of this list.
    pub fn enqueue_all(self, jobs: impl IntoIterator<Item = NewJob>) -> Self {
        let before = self.jobs;
        jobs.into_iter().fold(self, |commit, job| commit.enqueue(job.shift(before)))
    }

    /// Publishes a value as JSON. It leaves when the commit is durable, and at least once: also when the host dies right
    /// then. Whoever listens by that time hears it.
    pub fn publish<T: Serialize + ?Sized>(self, topic: impl Into<String>, value: &T) -> Self {
        self.publish_json(topic.into(), None, value)
    }

    /// Publishes a value as JSON with what happened, for listeners that tell messages apart.
    pub fn publish_event<T: Serialize + ?Sized>(
        self,
        topic: impl Into<String>,
        event: impl Into<String>,
        value: &T,
    ) -> Self {
        self.publish_json(topic.into(), Some(event.into()), value)
    }

    /// Publishes text or bytes as they are, such as a piece of HTML, with what happened, if listeners are to know it.
    pub fn publish_bytes(self, topic: impl Into<String>, event: Option<&str>, data: impl Into<Vec<u8>>) -> Self {
        let event = event.map(str::to_owned);
        self.with(host::Op::Publish(host::Message { topic: topic.into(), event, data: data.into() }))
    }

    /// Casts a message to a process when the commit is durable, and not otherwise; at least once. A process that is not there
    /// then does not get it.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use skep_sdk::prelude::*;
    /// # #[derive(Serialize, Deserialize)] struct Cart { paid: bool }
    /// # #[derive(Serialize, Deserialize)] enum Cast { Paid }
    /// #[skep::process]
    /// impl Cart {
    /// #   fn init() -> Self { Cart { paid: false } }
    /// #   fn call(&mut self) -> bool { self.paid }
    ///     fn cast(&mut self, _: Cast) {
    ///         self.paid = true;
    ///     }
    /// }
    ///
    /// # let cart = process::start::<Cart>("cart:42", &())?;
    /// store::atomic().set("order:7", &"paid").send::<Cart>("cart:42", &Cast::Paid).commit()?;
    /// # assert!(cart.call(&())?);
    /// # Ok::<_, Error>(())
    /// ```
    pub fn send<P: Protocol>(self, to: impl Into<Handle<P>>, message: &P::Cast) -> Self {
        self.mail(to.into().into_target(), message, None)
    }

    /// As [`send`](Self::send), at this moment.
    pub fn send_at<P: Protocol>(self, to: impl Into<Handle<P>>, at: SystemTime, message: &P::Cast) -> Self {
        self.mail(to.into().into_target(), message, Some(clock::timestamp(at)))
    }

    /// As [`send`](Self::send), so long from now.
    pub fn send_in<P: Protocol>(self, to: impl Into<Handle<P>>, delay: Duration, message: &P::Cast) -> Self {
        self.mail(to.into().into_target(), message, Some(clock::timestamp_in(delay)))
    }

    pub(super) fn set_until(self, key: Key, value: Vec<u8>, expires: Option<u64>) -> Self {
        self.with(host::Op::Set(host::Set { at: key.place(), value, expires }))
    }

    fn encode<T: Serialize + ?Sized>(self, key: Key, value: &T, expires: Option<u64>) -> Self {
        match codec::to_json(value) {
            Ok(value) => self.set_until(key, value, expires),
            Err(error) => self.unfit(Error::from(error).context(key.doing("writing"))),
        }
    }

    fn publish_json<T: Serialize + ?Sized>(self, topic: String, event: Option<String>, value: &T) -> Self {
        match codec::to_json(value) {
            Ok(data) => self.with(host::Op::Publish(host::Message { topic, event, data })),
            Err(error) => self.unfit(Error::from(error).context(format!("publishing to `{topic}`"))),
        }
    }

    fn mail<T: Serialize>(self, to: Target, message: &T, at: Option<u64>) -> Self {
        match codec::to_json(message) {
            Ok(message) => self.with(host::Op::Send(host::Mail { to: to.to_wit(), message, at })),
            Err(error) => self.unfit(Error::from(error).context(format!("writing a message to the process `{to}`"))),
        }
    }

    fn with(mut self, op: host::Op) -> Self {
        self.ops.push(op);
        self
    }

    fn unfit(mut self, error: Error) -> Self {
        self.unfit.get_or_insert(error);
        self
    }
}

impl Atomic {
    /// Writes all of it, durably, or nothing. At most 1,000 operations. If the caller is cut off meanwhile, it runs to its
    /// end all the same.
    ///
    /// # Errors
    /// See [`CommitError`]; `?` makes it an [`Error`].
    pub fn commit(self) -> Result<Committed, CommitError> {
        if let Some(error) = self.unfit {
            return Err(CommitError::Refused(error));
        }
        match host::commit(&self.ops) {
            Ok(host::Committed { version, sums, jobs }) => {
                Ok(Committed { version, sums, jobs: jobs.into_iter().map(Enqueued::new).collect() })
            }
            Err(host::Refusal::Conflict(place)) => Err(conflict(self.ops, place)),
            Err(host::Refusal::Duplicate(place)) => Err(CommitError::Duplicate(among_jobs(&self.ops, place))),
            Err(host::Refusal::Other(wit::Error::OutcomeUnknown)) => Err(CommitError::OutcomeUnknown),
            Err(host::Refusal::Other(error)) => Err(CommitError::Refused(refused(error, doing(self.ops)))),
        }
    }

    /// A commit of one thing that nobody can be in the way of.
    pub(super) fn write(self) -> Result<()> {
        self.commit().map(|_| ()).map_err(CommitError::into_error)
    }

    pub(super) fn append(mut self, mut more: Self) -> Self {
        self.ops.append(&mut more.ops);
        Self { unfit: self.unfit.or(more.unfit), ..self }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.unfit.is_none()
    }

    /// What it says of a key last, if anything.
    pub(super) fn last_of(&self, key: &Key) -> Option<&host::Op> {
        let is_it = |at: &host::Place| at.space.as_deref() == key.space() && at.key == key.as_str();
        self.ops.iter().rev().find(|op| match op {
            host::Op::Set(set) => is_it(&set.at),
            host::Op::Delete(at) => is_it(at),
            host::Op::Sum(sum) => is_it(&sum.at),
            host::Op::Check(_) | host::Op::Enqueue(_) | host::Op::Publish(_) | host::Op::Send(_) => false,
        })
    }
}

impl Atomic<Staged> {
    /// Adds it to what is committed together with the state that this message leaves, before its answer does. A check that
    /// does not hold undoes all of it, and the caller gets [`CallError::Conflict`](process::CallError::Conflict).
    ///
    /// # Errors
    /// [`Invalid`](CapabilityError::Invalid) for a process that is neither `durable` nor `event-log` in the manifest, or with
    /// more than 1,000 operations in one message; also when something does not encode.
    pub fn stage(self) -> Result<()> {
        match self.unfit {
            Some(error) => Err(error),
            None => process::host::stage(&self.ops).map_err(|error| refused(error, doing(self.ops))),
        }
    }
}

fn conflict(ops: Vec<host::Op>, place: u32) -> CommitError {
    match ops.into_iter().nth(place as usize) {
        Some(host::Op::Check(check)) => CommitError::Conflict(Key::from_place(check.at)),
        _ => CommitError::Refused(refused(wit::Error::Conflict, "committing".to_owned())),
    }
}

fn among_jobs(ops: &[host::Op], place: u32) -> usize {
    ops.iter().take(place as usize).filter(|op| matches!(op, host::Op::Enqueue(_))).count()
}

/// For the log: a commit of one thing is told as that.
fn doing(ops: Vec<host::Op>) -> String {
    let count = ops.len();
    let mut writes = ops.into_iter().filter_map(|op| match op {
        host::Op::Check(_) => None,
        host::Op::Set(set) => Some(Key::from_place(set.at).doing("writing")),
        host::Op::Delete(at) => Some(Key::from_place(at).doing("deleting")),
        host::Op::Sum(sum) => Some(Key::from_place(sum.at).doing("adding to")),
        host::Op::Enqueue(job) => Some(format!("enqueueing the job `{}`", job.name)),
        host::Op::Publish(message) => Some(format!("publishing to `{}`", message.topic)),
        host::Op::Send(mail) => Some(format!("sending to the process `{}`", Target::from_wit(mail.to))),
    });
    match (writes.next(), writes.next()) {
        (Some(only), None) => only,
        _ => format!("committing {count} operations"),
    }
}

/// Tries again as long as somebody else is faster.
pub(super) fn until_it_holds<R>(doing: &str, mut attempt: impl FnMut() -> Result<Result<R, CommitError>>) -> Result<R> {
    for _ in 0..ATTEMPTS {
        match attempt()? {
            Err(CommitError::Conflict(_)) => {}
            ended => return ended.map_err(CommitError::into_error),
        }
    }
    // Nothing is wrong with the client's request: there are too many like it.
    Err(Error::from(CapabilityError::Conflict).context(doing.to_owned()).status(StatusCode::SERVICE_UNAVAILABLE))
}
