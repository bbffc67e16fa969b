//! The driver: runs a [`Tree`](crate::tree::Tree) over tokio tasks.
//!
//! A child is a future. Its end is reported exactly once, whatever the way: it returned, it panicked, its task was
//! aborted. The report is made after the future has been dropped, so what it held is free before the next child is
//! stopped or started.
//!
//! **Time.** Timers of tokio only wake the driver; what is due is decided by the injected
//! [`Clock`](skep_types::Clock). Under the system's clock the two agree. Under a manual clock a test moves the clock and
//! calls [`Handle::look`], which makes the driver look at it.
//!
//! **Limits.** A child that never awaits cannot be killed: its task is dropped at the next await. Killing a supervisor
//! kills its children, but is reported when the supervisor is gone, which its children's tasks may outlive by a moment.

mod child;
mod driver;
mod handle;
mod inbox;
mod signal;

pub use child::{Child, ChildContext};
pub use driver::Supervisor;
pub use handle::{Environment, Handle, Node};
