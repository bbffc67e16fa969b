//! Every write. Each has a function that says what it will look at, and one that carries it out over what is loaded.
//!
//! | module | holds |
//! |---|---|
//! | `commit` | a commit: what is checked, in which order, then what is written |
//! | `items` | what becomes of its key-value data; items that have ended |
//! | `outbox` | its messages on their way to topics |
//! | `jobs` | what becomes of its jobs; what workers, time and operators do with jobs |
//! | `process` | what becomes of the process whose turn a commit is |
//! | `mail` | mail to processes: posted, handled, deleted |

pub(super) mod commit;
pub(super) mod items;
pub(super) mod jobs;
pub(super) mod mail;
pub(super) mod outbox;
pub(super) mod process;

use super::verb::Verb;
use crate::error::Error;

/// What goes on with what was left undone, so that no transaction is too long: see [`Effects`](super::effects::Effects).
pub(super) const UNASKED: &[Verb<(), (), Error>] = &[jobs::GO_ON, process::GO_ON];
