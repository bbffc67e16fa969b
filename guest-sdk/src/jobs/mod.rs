//! Work that must happen: kept durably, tried again when it fails, done in instances of its own.
//!
//! A job is a function of this plugin under [`#[skep::job]`](crate::skep::job), or several of them in a module under
//! [`#[skep::jobs]`](crate::skep::jobs). It stays an ordinary function, and its name enqueues it:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, test};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Welcome {
//!     address: String,
//! }
//!
//! #[skep::job(queue = "mail", max_attempts = 5)]
//! fn welcome(mail: Welcome, job: &Job) -> JobResult {
//!     send(&mail.address, job.id).context("sending")?;        // an error: again, after a while
//!     Ok(())
//! }
//! # fn send(_: &str, _: skep_sdk::jobs::JobId) -> Result<(), std::io::Error> { Ok(()) }
//!
//! fn sign_up(Json(mail): Json<Welcome>) -> Result<StatusCode> {
//!     welcome::enqueue(&mail)?;
//!     Ok(StatusCode::ACCEPTED)
//! }
//!
//! test::post("/").json(&Welcome { address: "maja@bees.example".into() }).send(sign_up);
//! assert_eq!(test::perform_jobs(), 1);
//! assert_eq!(test::jobs()[0].state, skep_sdk::jobs::State::Completed);
//! ```
//!
//! | you need | use |
//! |---|---|
//! | it done as soon as possible | `welcome::enqueue(&args)?` |
//! | later, by priority, in another queue | `welcome::job(&args)`[`.in_(delay)`](NewJob::in_)[`.priority(3)`](NewJob::priority)[`.enqueue()?`](NewJob::enqueue) |
//! | one of a kind at most | [`.unique_for(period)`](NewJob::unique_for), [`.unique_by(key)`](NewJob::unique_by), [`Unique`] |
//! | several, all or none | [`enqueue_all`] |
//! | one after others | [`.after(id)`](NewJob::after); a [`batch`] with [`then`](Batch::then) or [`finally`](Batch::finally) |
//! | it enqueued if and only if data is written | [`store::atomic().enqueue(..)`](crate::store::Atomic::enqueue) |
//! | what has become of it | [`get`], [`await_end`], `welcome::await_output(id, wait)`, [`cancel`] |
//! | to fail in other ways than by an error | [`JobError`], [`JobResultExt`] |
//! | a name that is not known before it runs | [`job`] |
//!
//! # At least once
//! A job is done again if the host dies before its end is written. What it does in the store can be a commit that checks
//! whether it was done; to a third party it can name its [`id`](Job::id), which is the same in every attempt.
//!
//! # Values
//! are JSON, because a job outlives a deploy, is read by operators, and may come from the manifest's schedule: a field that
//! a later revision adds needs `#[serde(default)]`, and one that it renames an `alias`.
//!
//! # Tests
//! In native tests a job waits until [`test::perform_jobs`](crate::test::perform_jobs) does what is due, or somebody waits
//! for it by [`await_end`]; [`test::jobs`](crate::test::jobs) are all there are, and
//! [`test::advance`](crate::test::advance) brings those nearer that are put off. A job that is enqueued by its name alone needs to be
//! known: [`test::worker`](crate::test::worker).

mod batch;
mod error;
mod job;
mod new;
mod status;
mod unique;
pub(crate) mod worker;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::jobs as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::jobs as host;

pub use batch::{Batch, batch};
pub use error::{JobError, JobResult, JobResultExt};
pub use job::{Job, JobId};
pub use new::{After, Enqueued, NewJob, enqueue_all, job};
pub use status::{State, Status, await_end, cancel, get};
pub use unique::Unique;
pub use worker::Worker;

#[cfg(test)]
mod tests;
