//! Supervision: who is started again after a failure, how often, and when it is time to stop trying.
//!
//! | module | holds |
//! |---|---|
//! | [`tree`] | a supervisor as a state machine: OTP's rules, and skep's backoff beyond them; no clock, no task |
//! | [`runtime`] | the driver that runs that machine over tokio tasks, nested supervisors included |
//! | [`exit`] | every way for a child to end |
//! | [`events`] | what happened, for operators: a bounded ring with sequence numbers |
//! | [`breaker`] | a circuit breaker per handler, which one poisonous client cannot open |
//! | [`probation`] | whether a new revision is clearly worse than its predecessor |
//! | `clients` | how many clients failures come from, in bounded space |
//!
//! Nothing here knows wasm, HTTP or a manifest. What is pure takes `now` with each call; the driver takes it from the
//! injected [`Clock`](skep_types::Clock).

pub mod breaker;
mod clients;
pub mod events;
pub mod exit;
pub mod probation;
pub mod runtime;
pub mod tree;

pub use breaker::{Breaker, BreakerOptions, Outcome, Permit, Rejected};
pub use events::{Bus, Event, EventKind, Lagged, Subscription};
pub use exit::ExitReason;
pub use probation::{Probation, ProbationOptions, Record, Verdict};
pub use runtime::{Child, ChildContext, Environment, Handle, Node, Supervisor};
pub use tree::{
    AutoShutdown, Backoff, Beyond, ChildId, ChildKind, ChildSpec, Intensity, Refused, Restart, Shutdown, Spec,
    SpecError, Strategy, Tree,
};
