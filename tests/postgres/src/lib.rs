//! A PostgreSQL of a test's own, and what happens to one: it is killed, frozen, started later, and connections to it break.
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | a server in a temporary folder, which ends with whoever started it, also if that is killed |
//! | [`proxy`] | a relay before it that cuts, stalls, and loses the answer to a COMMIT |
//! | [`pooler`] | a PgBouncer before it, which is killed |
//! | `watched` | a server's folder and its processes, which are killed, frozen, and do not outlive the test |
//! | `programs` | where PostgreSQL's programs are, and as whom they run |
//! | `signals` | a process, its children, and signals to them |
//! | `wire` | where a message of the protocol begins and ends, and which ones commit |
//!
//! Without PostgreSQL's programs (on the `PATH` or in `/usr/lib/postgresql`) tests say so and pass; with
//! `SKEP_TEST_POSTGRES=required` they fail. So it is with `pgbouncer` and `SKEP_TEST_PGBOUNCER=required`. Freezing and killing
//! looks into `/proc`, so it is whole on Linux only.

#![cfg(unix)]

pub mod pooler;
mod programs;
pub mod proxy;
pub mod server;
mod signals;
mod watched;
mod wire;

pub use pooler::Pooler;
pub use proxy::{AtCommit, Proxy};
pub use server::{Server, ServerOptions};
