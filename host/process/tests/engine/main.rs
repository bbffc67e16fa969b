//! The engine from outside, with a clock that the tests move and a behaviour that does what its messages say.
//!
//! | module | shows |
//! |---|---|
//! | `calls` | start, names, calls, casts, stops, late answers, timeouts, bounds |
//! | `life` | crashes, restarts, rounds, giving up, kills, panics, endless work |
//! | `ties` | monitors and links: each end is told once |
//! | `timers` | timers and intervals, and what they survive |
//! | `sleep` | hibernation, the bound of live ones, the budget of memory |
//! | `kept` | snapshots, durable ones and event logs, over faults of the store and deaths of the host |
//! | `stored` | the same over the real store: restarts, mail, owners, what is left of whom |
//! | `upgrade` | moving to another revision, failing to, and going back |
//! | `operate` | what operators see |
//! | `kills` | ten thousand random kills under load |
//! | `faults` | random faults and deaths against a plain model |
//! | `model` | random histories against a plain model |
//! | `rig`, `keeper` | the host and the store under them |

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    unreachable_pub,
    missing_docs
)]

mod calls;
mod faults;
mod keeper;
mod kept;
mod kills;
mod life;
mod model;
mod operate;
mod rig;
mod sleep;
mod stored;
mod ties;
mod timers;
mod upgrade;
