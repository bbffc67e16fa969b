//! The jobs engine: work that must happen, kept in the durable [store](skep_store), done by whoever the host says. The model is
//! Oban's, with leases in the place of a guess about what is dead.
//!
//! | module | holds |
//! |---|---|
//! | [`service`] | the handle: plugins come and go, jobs are inserted, awaited, cancelled |
//! | [`definition`], [`options`] | what a plugin brings; what the host says |
//! | [`attempt`] | who performs a job, and how it is told to stop |
//! | [`outcome`], [`backoff`] | what becomes of a job when an attempt has ended: the state machine |
//! | [`enqueue`], [`unique`] | from what a caller asks for to what is inserted |
//! | [`missed`], `schedules` | when a schedule ticks, which ticks are made up for, who acts on them |
//! | `queue` | the loop of a queue: one write per round settles what ended and leases anew |
//! | [`ear`] | what the store tells; without it everything is found by the [poll](Options::poll) |
//! | `leases`, `staging`, `pruner`, `upkeep` | the other loops |
//! | `core`, `registry`, `held`, `waiters` | what the loops share: who is there, what is on lease, who waits |
//! | [`view`], [`observe`] | what operators see, and who counts |
//!
//! # How a job is never lost, and never done by two at once
//! A job is leased for [six seconds](Options::lease) with a fence, a number that only the last lease has. The host extends the
//! leases of all jobs in its hands, also of those that wait to be settled while the store fails. A job whose lease ran out is
//! available again; whoever comes back late, from a pause or a partition, is refused by its fence. So an attempt that takes
//! longer than its lease is done once, and a dead host's job is taken over within ten seconds.
//!
//! # What holds over all hosts
//! `concurrency` is each host's own. `global_concurrency` and the rate are kept by the [store](skep_store::Caps), in the write that
//! leases, so hosts never pass them together. A job counts from its lease to its end, and begins with its lease: of a queue with
//! either nothing is prefetched. What is given back without having begun (the queue was paused at that moment, or the host did
//! not learn of the lease) makes room for another at once, and counts in the rate all the same. A host that finds no place waits
//! until the store tells that one came free, and looks every [`poll`](Options::poll) besides; a dead host's places come free with
//! its leases. Two may overlap for a moment: an attempt that an operator cancels runs on for up to [`stop_grace`](Options::stop_grace)
//! behind the end of its job, and a host that was frozen may still be at work on a job that has gone to another one, until it sees
//! that its lease is lost.
//!
//! # Bounds
//! Per queue, `concurrency` attempts run, and at most [`prefetch_max`](Limits::prefetch_max) more are on lease; as many again
//! may wait to be settled, and while the store fails no more are leased. Queues, definitions and schedules of a plugin, those
//! who wait for an end, arguments and outputs have limits of their own, and what passes them is refused.
//!
//! Nothing here knows wasm, HTTP or a manifest. Time comes from the injected [`Clock`](skep_types::Clock).

pub mod attempt;
pub mod backoff;
mod core;
pub mod definition;
pub mod ear;
pub mod enqueue;
pub mod error;
mod held;
mod leases;
pub mod missed;
pub mod observe;
pub mod options;
pub mod outcome;
mod pruner;
mod queue;
mod registry;
mod retry;
mod schedules;
pub mod service;
mod staging;
mod time;
pub mod unique;
mod upkeep;
pub mod view;
mod waiters;

pub use attempt::{AttemptContext, Performer, Performing, Stop, StopReason};
pub use definition::{CONCURRENCY_MAX, Definition, PluginJobs, QueueOptions, RateLimit, Schedule, When};
pub use ear::Ear;
pub use enqueue::JobSpec;
pub use error::Error;
pub use missed::Missed;
pub use observe::{AttemptEnded, JobObserver};
pub use options::{Limits, Options, Retention};
pub use outcome::{Outcome, OutcomeKind};
pub use schedules::META;
pub use service::{JobStatus, Jobs, Stopped};
pub use unique::{Parts, UniqueSpec};
pub use view::{QueueView, ScheduleView};
