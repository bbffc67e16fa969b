//! What becomes of a commit's jobs; what workers, time and operators do with jobs.
//!
//! | module | holds |
//! |---|---|
//! | `row` | how a job goes from one state to another |
//! | `insert` | a commit's jobs |
//! | `lease`, `settle` | giving jobs on lease, extending leases; what became of them |
//! | `dependants` | jobs that wait for others |
//! | `upkeep` | what is done as time goes by |
//! | `operate` | what operators do |

mod dependants;
mod insert;
mod lease;
mod operate;
mod row;
mod settle;
mod upkeep;

pub(in crate::postgres) use self::dependants::{FOR_REVISION, GO_ON};
pub(super) use self::insert::{insert, want};
pub(in crate::postgres) use self::lease::HEARTBEAT;
pub(in crate::postgres) use self::operate::{OPERATE, SET_QUEUE_STATE};
pub(in crate::postgres) use self::settle::SETTLE_AND_LEASE;
pub(in crate::postgres) use self::upkeep::{PRUNE, RECLAIM, RECLAIM_OTHERS, RESUME, STAGE};
