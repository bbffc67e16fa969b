//! Every write. Each is a function that is given its arguments and the transaction, and either refuses before it has
//! written anything, or carries out the whole.
//!
//! | module | holds |
//! |---|---|
//! | `commit` | a commit: what is checked, in which order, then what is written |
//! | `items` | what becomes of its key-value data |
//! | `insert` | what becomes of its jobs |
//! | `unique` | who holds the place of a unique job |
//! | `row` | a job's row, and how it goes from one state to another |
//! | `lease`, `settle` | what workers do |
//! | `rates` | what of a queue began lately |
//! | `dependants` | jobs that wait for others |
//! | `upkeep` | what is done as time goes by |
//! | `operate` | what operators do |
//! | `outbox` | messages on their way to topics |
//! | `process` | what becomes of the process whose turn a commit is |
//! | `mail` | mail to processes: posted, handled, deleted |
//! | `trim` | events that are not needed any more, and mail of processes that ended |

pub(super) mod commit;
pub(super) mod dependants;
mod insert;
mod items;
pub(super) mod lease;
pub(super) mod mail;
pub(super) mod operate;
pub(super) mod outbox;
pub(super) mod process;
mod rates;
pub(super) mod row;
pub(super) mod settle;
pub(super) mod trim;
mod unique;
pub(super) mod upkeep;
