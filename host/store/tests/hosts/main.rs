//! Several hosts on one PostgreSQL: what is left of what they were answered when one of them, the server or the network fails.
//!
//! | module | shows or holds |
//! |---|---|
//! | `two` | two hosts that do nothing wrong: what each has, and what they are told |
//! | `races` | both want the same at once |
//! | `caps` | queues whose leases are capped, by hosts that are killed and frozen |
//! | `places` | which places of such a queue other hosts hear of |
//! | `alive` | who lives, what a dead host leaves, how hosts hear of each other |
//! | `opening` | databases that are not opened, and what is said about it |
//! | `pooled` | a pooler in between, which gives a connection to each transaction |
//! | `moved` | a store that came from a SQLite file |
//! | `halfway` | copies of such files that do not come to their end |
//! | `faults` | one fault at a time: a server that is gone, frozen or late, a host that is frozen |
//! | `unknown` | commits whose answer is lost |
//! | `child` | a host that is killed: this program, started again, under load |
//! | `turns` | the part of it that runs processes |
//! | `rounds` | two such hosts, and what happens to them, at random |
//! | `said` | what they were answered, line by line |
//! | `look` | what has to be left of it |
//!
//! `SKEP_STORE_HOSTS_ROUNDS=50 cargo test -p skep-store --test hosts` goes on for some minutes; without the variable there are
//! few enough rounds for every run. Without PostgreSQL these say so and pass; with `SKEP_TEST_POSTGRES=required` they fail. So do
//! those that need a pooler without `pgbouncer`, and with `SKEP_TEST_PGBOUNCER=required`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod alive;
mod caps;
mod child;
mod faults;
mod halfway;
mod look;
mod moved;
mod opening;
mod places;
mod pooled;
mod races;
mod rounds;
mod said;
mod turns;
mod two;
mod unknown;

use rounds::Event;
use skep_store::PostgresOptions;

const CHILD_URL: &str = "SKEP_STORE_HOSTS_CHILD";
/// It performs jobs of a capped queue.
const CHILD_CAPPED: &str = "SKEP_STORE_HOSTS_CAPPED";
const CHILD_NAME: &str = "SKEP_STORE_HOSTS_NAME";
/// Its URL leads through a pooler.
const CHILD_POOLED: &str = "SKEP_STORE_HOSTS_POOLED";

/// Not a test: what the others start.
#[test]
fn child_process() {
    let Ok(url) = std::env::var(CHILD_URL) else { return };
    if std::env::var_os(CHILD_CAPPED).is_some() {
        caps::work(&url);
    } else {
        let options = PostgresOptions { pooled: std::env::var_os(CHILD_POOLED).is_some(), ..child::options(&url) };
        child::work(&options, &std::env::var(CHILD_NAME).unwrap());
    }
}

#[test]
fn hosts_that_are_killed_and_frozen_lose_nothing() {
    rounds::run(&[Event::KillHost, Event::FreezeHost]);
}

#[test]
fn a_server_that_is_killed_and_frozen_loses_nothing() {
    rounds::run(&[Event::KillServer, Event::FreezeServer]);
}

#[test]
fn connections_that_break_and_commits_whose_answer_is_lost_lose_nothing() {
    rounds::run(&[Event::Cut, Event::Refuse, Event::Stall, Event::AtCommits]);
}

#[test]
fn a_pooler_that_is_killed_loses_nothing() {
    rounds::run_pooled(&[Event::KillPooler, Event::KillServer, Event::KillHost, Event::KillPooler, Event::AtCommits]);
}
